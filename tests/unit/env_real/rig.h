/* rig.h - a host and a folder of its own for tests of the real env. */
#ifndef TESTS_UNIT_ENV_REAL_RIG_H
#define TESTS_UNIT_ENV_REAL_RIG_H

#include "core/env/env_real.h"
#include "tests/unit/t.h"

struct rig {
    struct host *h;
    struct env *env;  /* reactor 0 */
    char folder[128]; /* removed with all in it by rig_stop */
};
void rig_start(struct rig *g, const struct host_conf *conf);
void rig_stop(struct rig *g);
/* A path in the rig's folder; valid until the next call from the same thread but three. */
const char *rig_path(struct rig *g, const char *name);
/* Run `fn(arg)` on reactor 0 and wait for it. */
void rig_on(struct rig *g, void (*fn)(void *arg), void *arg);
/* Ask `cond(arg)` on reactor 0 until it says true.  False after ten seconds. */
bool rig_wait(struct rig *g, bool (*cond)(void *arg), void *arg);
/* A folder for tests without a host, and its end. */
void folder_make(char *out, size_t bytes);
void folder_drop(const char *folder);
/* Mount a file system of this type at `at`, seen by this thread and those it starts.  False where
 * that is not allowed. */
bool mount_here(const char *type, const char *at, const char *options);
void unmount_here(const char *at);

#endif
