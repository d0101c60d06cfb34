/* rig.c - see rig.h. */
#include "tests/unit/env_real/rig.h"

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define PATIENCE_NS (10 * NS_PER_S)
/* LevelDB's library is not instrumented: its own locks and atomics are invisible to TSan. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libleveldb\n"
           "race:libstdc++\n";
}

enum { PATHS = 4, OPEN_MAX_WALK = 16 };

void folder_make(char *out, size_t bytes)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(out, bytes, "%s/env_real.XXXXXX", tmp ? tmp : "/tmp");
    T_TRUE(mkdtemp(out) != NULL);
}

static int drop_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    UNUSED(st);
    UNUSED(type);
    UNUSED(ftw);
    return remove(path);
}

void folder_drop(const char *folder)
{
    (void)nftw(folder, drop_one, OPEN_MAX_WALK, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void rig_start(struct rig *g, const struct host_conf *conf)
{
    static const struct host_conf one = {.reactors = 1};
    struct note why = {""};

    *g = (struct rig){0};
    folder_make(g->folder, sizeof(g->folder));
    T_OK(host_create(conf ? conf : &one, &g->h, &why));
    g->env = host_env(g->h, 0);
}

void rig_stop(struct rig *g)
{
    host_destroy(g->h);
    folder_drop(g->folder);
}

const char *rig_path(struct rig *g, const char *name)
{
    static __thread char paths[PATHS][256];
    static __thread unsigned next;
    char *path = paths[next++ % PATHS];

    snprintf(path, sizeof(paths[0]), "%s/%s", g->folder, name);
    return path;
}

void rig_on(struct rig *g, void (*fn)(void *arg), void *arg)
{
    host_call(g->h, 0, fn, arg);
}

struct asked {
    bool (*cond)(void *arg);
    void *arg;
    bool answer;
};

static void ask(void *arg)
{
    struct asked *a = arg;

    a->answer = a->cond(a->arg);
}

bool rig_wait(struct rig *g, bool (*cond)(void *arg), void *arg)
{
    struct asked a = {cond, arg, false};
    uint64_t until_ns = env_now_ns(g->env) + PATIENCE_NS;

    for (;;) {
        rig_on(g, ask, &a);
        if (a.answer || env_now_ns(g->env) > until_ns)
            return a.answer;
        usleep(500);
    }
}

bool mount_here(const char *type, const char *at, const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", at, type, 0, options) == 0;
}

void unmount_here(const char *at)
{
    (void)umount2(at, MNT_DETACH);
}
