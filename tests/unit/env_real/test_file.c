/* test_file.c - whole files, folders and locks of the real env. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/env/file.h"
#include "tests/unit/env_real/rig.h"

struct place {
    struct env *env;
    char folder[128];
    char path[256];
};

static void place_start(struct place *p)
{
    p->env = env_blocking_create(NULL);
    T_TRUE(p->env != NULL);
    folder_make(p->folder, sizeof(p->folder));
}

static void place_stop(struct place *p)
{
    folder_drop(p->folder);
    env_blocking_destroy(p->env);
}

static const char *at(struct place *p, const char *name)
{
    snprintf(p->path, sizeof(p->path), "%s/%s", p->folder, name);
    return p->path;
}

T(file, replace_then_read_gives_the_bytes_and_the_mode)
{
    struct place p;
    struct buf data = {0};
    struct stat st;
    mode_t mask;

    place_start(&p);
    mask = umask(077);
    T_OK(file_replace(p.env, at(&p, "f"), "first", 5, 0644));
    umask(mask);
    T_OK(stat(at(&p, "f"), &st));
    T_EQ(st.st_mode & 0777, 0644);
    T_OK(file_replace(p.env, at(&p, "f"), "second", 6, 0600));
    T_OK(stat(at(&p, "f"), &st));
    T_EQ(st.st_mode & 0777, 0600);
    T_OK(file_read(p.env, at(&p, "f"), 6, &data));
    T_EQ(data.bytes, 6);
    T_EQ(data.span_count, 1);
    T_MEM_EQ(span_data(buf_spans(&data)), "second", 6);
    buf_fini(&data);
    T_OK(file_replace(p.env, at(&p, "f"), "", 0, 0600));
    T_OK(file_read(p.env, at(&p, "f"), 6, &data));
    T_EQ(data.bytes, 0);
    T_EQ(access(at(&p, "f.new"), F_OK), -1);
    place_stop(&p);
}

T(file, refusals_name_their_reason_and_change_nothing)
{
    struct place p;
    struct buf data = {0};

    place_start(&p);
    T_OK(file_replace(p.env, at(&p, "f"), "12345", 5, 0600));
    T_EQ(file_read(p.env, at(&p, "f"), 4, &data), -EFBIG);
    T_EQ(file_read(p.env, at(&p, "g"), 4, &data), -ENOENT);
    T_EQ(file_read(p.env, p.folder, 4, &data), -EISDIR);
    T_EQ(data.bytes, 0);
    T_EQ(file_replace(p.env, at(&p, "none/f"), "x", 1, 0600), -ENOENT);
    T_OK(dir_create(p.env, at(&p, "d"), 0700));
    T_LT(file_replace(p.env, at(&p, "d"), "x", 1, 0600), 0); /* a folder is in the way */
    T_EQ(access(at(&p, "d.new"), F_OK), -1);
    T_EQ(file_remove(p.env, at(&p, "g")), -ENOENT);
    T_OK(file_remove(p.env, at(&p, "f")));
    T_EQ(file_read(p.env, at(&p, "f"), 4, &data), -ENOENT);
    mem_fail_after(0);
    T_EQ(file_replace(p.env, at(&p, "f"), "x", 1, 0600), -ENOMEM);
    mem_fail_after(-1);
    T_EQ(access(at(&p, "f"), F_OK), -1);
    place_stop(&p);
}

/* Contents `i` of the file that is replaced all the time: its length and bytes say which. */
static size_t contents(unsigned i, uint8_t out[8192])
{
    size_t bytes = 100 + i * 977 % 8000;

    memset(out, (int)(i & 0xff), bytes);
    memcpy(out, &i, sizeof(i));
    return bytes;
}

static bool contents_whole(const struct buf *data)
{
    static __thread uint8_t want[8192];
    unsigned i;

    if (data->bytes < sizeof(i))
        return false;
    buf_copy_out(data, 0, &i, sizeof(i));
    return contents(i, want) == data->bytes &&
           memcmp(span_data(buf_spans_of(data)), want, data->bytes) == 0;
}

struct watcher {
    struct place *p;
    atomic_bool stop;
    unsigned reads, torn;
};

static void *watcher_run(void *arg)
{
    struct watcher *w = arg;
    char path[256];

    snprintf(path, sizeof(path), "%s/f", w->p->folder);
    while (!w->stop || w->reads == 0) {
        struct buf data = {0};

        w->torn += file_read(w->p->env, path, 8192, &data) < 0 || !contents_whole(&data);
        w->reads++;
        buf_fini(&data);
    }
    return NULL;
}

T(file, readers_see_the_old_or_the_new_file_whole)
{
    static uint8_t bytes[8192];
    struct place p;
    struct watcher w = {.p = &p};
    pthread_t thread;

    place_start(&p);
    T_OK(file_replace(p.env, at(&p, "f"), bytes, contents(0, bytes), 0600));
    T_EQ(pthread_create(&thread, NULL, watcher_run, &w), 0);
    for (unsigned i = 1; i < 300; i++)
        T_OK(file_replace(p.env, at(&p, "f"), bytes, contents(i, bytes), 0600));
    w.stop = true;
    pthread_join(thread, NULL);
    T_GT(w.reads, 0);
    T_EQ(w.torn, 0);
    place_stop(&p);
}

T(file, a_process_killed_while_replacing_leaves_a_whole_file)
{
    static uint8_t bytes[8192];
    struct place p;

    place_start(&p);
    T_OK(file_replace(p.env, at(&p, "f"), bytes, contents(0, bytes), 0600));
    for (unsigned round = 0; round < 10; round++) {
        struct buf data = {0};
        pid_t pid = fork();

        if (pid == 0)
            for (unsigned i = 1;; i++)
                if (file_replace(p.env, at(&p, "f"), bytes, contents(i, bytes), 0600) < 0)
                    _exit(1);
        usleep(2000 + 1500 * round);
        kill(pid, SIGKILL);
        T_EQ(waitpid(pid, NULL, 0), pid);
        T_OK(file_read(p.env, at(&p, "f"), 8192, &data));
        T_TRUE(contents_whole(&data));
        buf_fini(&data);
    }
    T_OK(file_replace(p.env, at(&p, "f"), "x", 1, 0600)); /* what was left aside is no hindrance */
    place_stop(&p);
}

/* --- folders --- */

static void name_count(void *arg, const char *name)
{
    unsigned *seen = arg;

    *seen += strcmp(name, "a") == 0 ? 1 : strcmp(name, "b") == 0 ? 10 : 1000;
}

T(file, folders_are_made_with_parents_and_listed)
{
    struct place p;
    struct stat st;
    unsigned seen = 0;
    char cwd[256];

    place_start(&p);
    T_OK(dir_create(p.env, at(&p, "x/y/z"), 0750));
    T_OK(stat(at(&p, "x/y/z"), &st));
    T_TRUE(S_ISDIR(st.st_mode));
    T_OK(dir_create(p.env, at(&p, "x/y/z"), 0750)); /* it is there */
    T_OK(dir_create(p.env, at(&p, "x/y/z/"), 0750));
    T_OK(dir_create(p.env, at(&p, "x//q/"), 0750));
    T_OK(stat(at(&p, "x/q"), &st));
    T_OK(dir_create(p.env, "/", 0750));
    T_OK(file_replace(p.env, at(&p, "x/y/a"), "", 0, 0600));
    T_EQ(dir_create(p.env, at(&p, "x/y/a"), 0750), -ENOTDIR);
    T_EQ(dir_create(p.env, at(&p, "x/y/a/b"), 0750), -ENOTDIR);
    T_OK(file_remove(p.env, at(&p, "x/y/a")));
    T_OK(dir_create(p.env, at(&p, "x/y/z/a"), 0750));
    T_OK(file_replace(p.env, at(&p, "x/y/z/b"), "", 0, 0600));
    T_OK(dir_list(p.env, at(&p, "x/y/z"), name_count, &seen));
    T_EQ(seen, 11);
    T_EQ(dir_list(p.env, at(&p, "none"), name_count, &seen), -ENOENT);
    T_TRUE(getcwd(cwd, sizeof(cwd)) != NULL);
    T_OK(chdir(p.folder));
    T_OK(dir_create(p.env, "rel/ative", 0700));
    T_OK(file_replace(p.env, "plain", "x", 1, 0600));
    T_OK(chdir(cwd));
    T_OK(stat(at(&p, "rel/ative"), &st));
    T_OK(stat(at(&p, "plain"), &st));
    place_stop(&p);
}

/* --- locks --- */

/* A child takes the lock, says so through the pipe, and waits to be killed. */
static pid_t child_lock(struct place *p, const char *path)
{
    int fd[2];
    char byte;
    pid_t pid;

    T_OK(pipe(fd));
    pid = fork();
    if (pid == 0) {
        struct file_lock *lock = NULL;
        int rc = file_lock(p->env, path, &lock);

        if (write(fd[1], rc == 0 ? "y" : "n", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    T_EQ(read(fd[0], &byte, 1), 1);
    T_EQ(byte, 'y');
    close(fd[0]);
    close(fd[1]);
    return pid;
}

T(file, a_lock_has_one_holder_and_dies_with_it)
{
    struct place p;
    struct file_lock *lock = NULL, *second = NULL;
    pid_t pid;

    place_start(&p);
    T_OK(file_lock(p.env, at(&p, "lock"), &lock));
    T_EQ(file_lock(p.env, at(&p, "lock"), &second), -EBUSY); /* in this very process */
    T_TRUE(second == NULL);
    file_unlock(lock);
    T_OK(file_lock(p.env, at(&p, "lock"), &lock));
    file_unlock(lock);
    file_unlock(NULL);
    pid = child_lock(&p, at(&p, "lock"));
    T_EQ(file_lock(p.env, at(&p, "lock"), &second), -EBUSY);
    kill(pid, SIGKILL);
    T_EQ(waitpid(pid, NULL, 0), pid);
    T_OK(file_lock(p.env, at(&p, "lock"), &lock));
    file_unlock(lock);
    T_EQ(file_lock(p.env, at(&p, "none/lock"), &lock), -ENOENT);
    place_stop(&p);
}

T(file, space_of_the_file_system_is_told)
{
    struct place p;
    struct fs_space space = {0};

    place_start(&p);
    T_OK(fs_space(p.env, p.folder, &space));
    T_GT(space.total_bytes, 0);
    T_LE(space.free_bytes, space.total_bytes);
    T_EQ(fs_space(p.env, at(&p, "none"), &space), -ENOENT);
    if (mount_here("tmpfs", p.folder, "size=4m")) {
        T_OK(fs_space(p.env, p.folder, &space));
        T_EQ(space.total_bytes, 4 << 20);
        T_EQ(space.free_bytes, 4 << 20);
        unmount_here(p.folder);
    }
    place_stop(&p);
}

T(file, what_is_appended_stands_behind_what_was_there_and_follows_the_name)
{
    struct place p;
    struct buf data = {0};
    char moved[512];

    place_start(&p);
    T_OK(file_append(p.env, at(&p, "log"), "one\n", 4, 0640));
    T_OK(file_append(p.env, at(&p, "log"), "two\n", 4, 0640));
    snprintf(moved, sizeof(moved), "%s", at(&p, "log.1"));
    T_EQ(rename(at(&p, "log"), moved), 0);
    T_OK(file_append(p.env, at(&p, "log"), "three\n", 6, 0640));
    T_OK(file_read(p.env, moved, 100, &data));
    T_EQ(data.bytes, 8);
    T_MEM_EQ(buf_contiguous(&data, 0, 8), "one\ntwo\n", 8);
    buf_fini(&data);
    T_OK(file_read(p.env, at(&p, "log"), 100, &data));
    T_EQ(data.bytes, 6);
    buf_fini(&data);
    T_EQ(file_append(p.env, at(&p, "none/log"), "x", 1, 0640), -ENOENT);
    place_stop(&p);
}
