/* real_file.c - small whole files, folders and locks.
 *
 * A name is durable only once its folder has been synced: every call here that makes, renames or
 * removes one does that before it returns. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/env/real.h"

struct file_lock {
    struct env *env; /* borrowed, first */
    int fd;
};

static int open_retry(const char *path, int flags, mode_t mode)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* The folder that holds `path`.  Needs no heap: it is asked for after a rename that cannot be
 * taken back. */
static int folder_of(const char *path, char out_folder[PATH_MAX])
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(out_folder, path, len);
    out_folder[len] = '\0';
    if (len == 0)
        memcpy(out_folder, ".", 2);
    return 0;
}

int folder_sync_of(const char *path)
{
    char folder[PATH_MAX];
    int rc = folder_of(path, folder);
    int fd = rc == 0 ? open_retry(folder, O_RDONLY | O_DIRECTORY, 0) : rc;

    if (fd < 0)
        return fd;
    if (fsync(fd) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

static int write_all(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes) {
        ssize_t n = write(fd, at, bytes);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        }
    }
    return 0;
}

/* Read up to `bytes`; the count, which is less only at the end of the file, or -errno. */
static ssize_t read_all(int fd, void *out, size_t bytes)
{
    uint8_t *at = out;
    size_t got = 0;

    while (got < bytes) {
        ssize_t n = read(fd, at + got, bytes - got);

        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            got += (size_t)n;
    }
    return (ssize_t)got;
}

static int read_whole(int fd, uint64_t bytes_max, struct buf *out_data)
{
    struct buf data = {0};
    struct blob *blob;
    struct stat st;
    ssize_t got;
    int rc;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if ((uint64_t)st.st_size > bytes_max)
        return -EFBIG;
    blob = blob_create((size_t)st.st_size);
    if (!blob)
        return -ENOMEM;
    got = read_all(fd, blob->data, (size_t)st.st_size);
    rc = got < 0 ? (int)got : buf_append_blob(&data, blob, 0, (uint32_t)got);
    blob_unref(blob);
    if (rc == 0)
        *out_data = data;
    return rc;
}

int real_file_read(struct env *env, const char *path, uint64_t bytes_max, struct buf *out_data)
{
    int fd = open_retry(path, O_RDONLY | O_NONBLOCK, 0);
    int rc;

    UNUSED(env);
    if (fd < 0)
        return fd;
    rc = read_whole(fd, bytes_max, out_data);
    close(fd);
    return rc;
}

/* The mode is the one asked for, whatever the umask and an old file aside say. */
static int write_aside(const char *aside, const void *data, size_t bytes, unsigned mode)
{
    int fd = open_retry(aside, O_WRONLY | O_CREAT | O_TRUNC, mode & 0600);
    int rc;

    if (fd < 0)
        return fd;
    rc = fchmod(fd, mode) < 0 ? -errno : write_all(fd, data, bytes);
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

int real_file_replace(struct env *env, const char *path, const void *data, size_t bytes,
                      unsigned mode)
{
    char *aside = mem_printf("%s.new", path);
    int rc = aside ? write_aside(aside, data, bytes, mode) : -ENOMEM;

    UNUSED(env);
    if (rc == 0 && rename(aside, path) < 0)
        rc = -errno;
    if (rc == 0)
        rc = folder_sync_of(path);
    else if (aside)
        (void)unlink(aside); /* the next attempt would start it over anyway */
    mem_free(aside);
    return rc;
}

int real_file_append(struct env *env, const char *path, const void *data, size_t bytes,
                     unsigned mode)
{
    int fd = open_retry(path, O_WRONLY | O_CREAT | O_APPEND, mode);
    int rc;

    UNUSED(env);
    if (fd < 0)
        return fd;
    rc = write_all(fd, data, bytes);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

int real_file_remove(struct env *env, const char *path)
{
    UNUSED(env);
    return unlink(path) < 0 ? -errno : folder_sync_of(path);
}

/* Make one folder whose parent is there. */
static int dir_create_one(const char *path, unsigned mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return folder_sync_of(path);
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int real_dir_create(struct env *env, const char *path, unsigned mode)
{
    char *walk = mem_strdup(path);
    int rc = walk ? 0 : -ENOMEM;
    char cut;

    UNUSED(env);
    for (char *at = walk; rc == 0 && at && *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        cut = *at;
        *at = '\0';
        rc = dir_create_one(walk, mode);
        *at = cut;
    }
    /* Whoever made it before us may have crashed between making and syncing it. */
    if (rc == 0)
        rc = folder_sync_of(path);
    mem_free(walk);
    return rc == -EACCES && access(path, F_OK) == 0 ? 0 : rc;
}

int real_dir_list(struct env *env, const char *path, void (*each)(void *arg, const char *name),
                  void *arg)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int rc;

    UNUSED(env);
    if (!dir)
        return -errno;
    errno = 0;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
        errno = 0;
    }
    rc = -errno;
    closedir(dir);
    return rc;
}

/* flock belongs to the opened file, not to the process: two opens in one process conflict too. */
int real_file_lock(struct env *env, const char *path, struct file_lock **out_lock)
{
    struct file_lock *lock = mem_alloc(sizeof(*lock));
    int rc = 0;

    if (!lock)
        return -ENOMEM;
    lock->env = env;
    lock->fd = open_retry(path, O_RDWR | O_CREAT, 0600);
    if (lock->fd < 0)
        rc = lock->fd;
    else if (flock(lock->fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (rc < 0) {
        if (lock->fd >= 0)
            close(lock->fd);
        mem_free(lock);
        return rc;
    }
    *out_lock = lock;
    return 0;
}

void real_file_unlock(struct file_lock *lock)
{
    close(lock->fd); /* the file stays: removing it would let two holders lock two files */
    mem_free(lock);
}

int real_fs_space(struct env *env, const char *path, struct fs_space *out_space)
{
    struct statvfs st;

    UNUSED(env);
    if (statvfs(path, &st) < 0)
        return -errno;
    out_space->total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    out_space->free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}
