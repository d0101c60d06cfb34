/* object.h - what the verbs of `cairn object` share. */
#ifndef CLI_OBJECT_H
#define CLI_OBJECT_H

#include "cli/cli.h"

struct session {
    struct cli *cli;
    struct cairn *c;
    struct cairn_pool *pool;
    const char *pool_name;
    const char *name; /* NULL for ls */
    const char *file; /* "-" or NULL: standard input or output */
};

int object_fail(const struct session *s, int rc); /* says why; returns 1 */
int object_get(struct session *s);                /* the exit code, as each verb */

#endif
