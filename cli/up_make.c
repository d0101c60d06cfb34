/* up_make.c - making the stores that a folder lacks: the monitor's, and those of new OSDs. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/up.h"
#include "core/base/base.h"
#include "core/env/env_real.h"
#include "core/mon/mon.h"
#include "core/osd/osd.h"

enum { OSDS_DEFAULT = 3 };

bool up_store_there(const struct up *u, const char *kind, unsigned id, char out[CLI_PATH_BYTES])
{
    struct stat st;

    snprintf(out, CLI_PATH_BYTES, "%s/%s.%u", u->folder, kind, id);
    return stat(out, &st) == 0 && S_ISDIR(st.st_mode);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* Made under another name first, so that a crash in between leaves no half store that looks whole.
 */
static int made_aside(const char *path,
                      int (*make)(struct up *, struct env *, const char *, unsigned, struct note *),
                      struct up *u, struct env *env, unsigned id, struct note *why)
{
    char aside[CLI_PATH_BYTES + 8];
    int rc;

    snprintf(aside, sizeof(aside), "%s.new", path);
    (void)nftw(aside, remove_one, 16,
               FTW_DEPTH | FTW_PHYS); /* of a run that ended early; or none */
    rc = make(u, env, aside, id, why);
    if (rc == 0 && (rename(aside, path) < 0 || folder_sync(u->folder) < 0)) {
        note_set(why, "%s: %s", path, strerror(errno));
        rc = -EIO;
    }
    return rc;
}

static int mon_make(struct up *u, struct env *env, const char *path, unsigned id, struct note *why)
{
    uint8_t fsid[16];
    struct mon_members members;
    int rc = config_fsid(&u->conf, fsid);

    if (rc == 0)
        rc = mon_members_parse("0=127.0.0.1:0", &members, why);
    return rc < 0 ? rc : mon_mkfs(env, path, fsid, id, &members, why);
}

static int osd_make(struct up *u, struct env *env, const char *path, unsigned id, struct note *why)
{
    struct osd_conf oc = {.id = {(int32_t)id}, .conf = &u->conf, .folder = path};
    uint8_t fsid[16];
    int rc = config_fsid(&u->conf, fsid);

    return rc < 0 ? rc : osd_mkfs(env, &oc, fsid, why);
}

int up_stores_make(struct up *u, struct log_sink *sink, struct note *why)
{
    struct env *env = env_blocking_create(sink);
    char path[CLI_PATH_BYTES];
    bool first = !up_store_there(u, "mon", 0, path);
    unsigned there = 0, want;
    int rc = env ? 0 : -ENOMEM;

    for (unsigned i = 0; i < UP_OSDS_MAX; i++)
        if (up_store_there(u, "osd", i, path))
            there = i + 1;
    want = u->osds ? u->osds : first || !there ? OSDS_DEFAULT : there;
    /* One that is gone among others may be a disk that is not there today: it is made anew only
     * when it is asked for. */
    for (unsigned i = u->osds || first ? 0 : there; rc == 0 && i < want; i++)
        if (!up_store_there(u, "osd", i, path))
            rc = made_aside(path, osd_make, u, env, i, why);
    u->osd_count = MAX(there, want);
    if (rc == 0 && u->osds && want < there)
        fprintf(stderr, "cairn: there are %u OSDs already; --osds only adds\n", there);
    /* The last one: while it is not there, an earlier run made some of the first OSDs at most. */
    if (rc == 0 && !up_store_there(u, "mon", 0, path))
        rc = made_aside(path, mon_make, u, env, 0, why);
    if (env)
        env_blocking_destroy(env);
    return rc;
}
