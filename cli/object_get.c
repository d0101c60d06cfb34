/* object_get.c - `cairn object get`: one version of an object, whole.
 *
 * It is read in pieces, each guarded by the version of the first; when the object changes meanwhile
 * the next version is fetched from its start.  A file is written aside and renamed when all is
 * there: until then the one that had the name keeps its bytes.  What is no regular file (a pipe, a
 * device) is written as it comes, so there a change in the middle is an error. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/object.h"

enum { PIECE_BYTES = 4 << 20, GET_TRIES = 10 };

/* ---- where it goes ---- */

struct target {
    const char *name; /* for messages */
    char path[CLI_PATH_BYTES],
        aside[CLI_PATH_BYTES + 8]; /* aside: empty when written as it comes */
    int fd;
    int rc; /* of writing to it */
};

static int target_open(struct target *t, const char *file)
{
    struct stat st = {.st_mode = S_IFREG};
    mode_t mask = umask(0);
    bool there = stat(file, &st) == 0;
    char *real =
        there ? realpath(file, NULL) : NULL; /* what a link names is replaced, not the link */

    umask(mask);
    t->name = file;
    t->fd = -1;
    snprintf(t->path, sizeof(t->path), "%s", real ? real : file);
    free(real);
    if (there && !S_ISREG(st.st_mode)) {
        t->fd = open(file, O_WRONLY | O_CLOEXEC);
    } else {
        snprintf(t->aside, sizeof(t->aside), "%s.XXXXXX", t->path);
        t->fd = mkostemp(t->aside, O_CLOEXEC);
        if (t->fd >= 0)
            (void)fchmod(t->fd, there ? st.st_mode & 07777 : 0666 & ~mask); /* else: ours alone */
    }
    return t->fd < 0 ? -errno : 0;
}

static int target_write(struct target *t, const char *data, size_t bytes)
{
    while (bytes && t->rc == 0) {
        ssize_t n = write(t->fd, data, bytes);

        if (n < 0 && errno != EINTR)
            t->rc = -errno;
        if (n > 0) {
            data += n;
            bytes -= (size_t)n;
        }
    }
    return t->rc;
}

static int target_restart(struct target *t)
{
    if (!t->aside[0] || lseek(t->fd, 0, SEEK_SET) < 0 || ftruncate(t->fd, 0) < 0)
        return -ESTALE;
    return 0;
}

static void target_close(struct target *t, int rc)
{
    if (t->fd != STDOUT_FILENO && close(t->fd) < 0 && t->rc == 0)
        t->rc = -errno;
    if (!t->aside[0])
        return;
    if (rc == 0 && t->rc == 0 && rename(t->aside, t->path) < 0)
        t->rc = -errno;
    if (rc < 0 || t->rc < 0)
        (void)unlink(t->aside);
}

/* ---- fetching ---- */

/* One piece of the version `st`.  -ESTALE: it changed meanwhile. */
static ssize_t piece_get(struct session *s, const struct cairn_stat *st, uint64_t off, char *into)
{
    struct cairn_op *op = cairn_op_create();
    uint64_t want = st->bytes - off < PIECE_BYTES ? st->bytes - off : PIECE_BYTES;
    ssize_t rc;
    int step;

    if (!op)
        return -ENOMEM;
    (void)cairn_op_assert_version(op, st->version_epoch,
                                  st->version_seq); /* errors come with the run */
    step = cairn_op_read(op, off, want);
    rc = cairn_run(s->pool, s->name, strlen(s->name), op);
    if (rc < 0 && cairn_op_failed_step(op) == 0)
        rc = -ESTALE;
    else if (rc == 0)
        rc = (ssize_t)cairn_op_data(op, step, 0, into, want);
    if (rc >= 0 && (uint64_t)rc != want)
        rc = -EIO; /* the version says how long it is */
    cairn_op_destroy(op);
    return rc;
}

/* The present version.  *out_off: how much of it was written. */
static int get_once(struct session *s, struct target *t, char *piece, uint64_t *out_off)
{
    struct cairn_stat st;
    struct progress p;
    int rc = cairn_stat(s->pool, s->name, &st);

    *out_off = 0;
    if (rc < 0)
        return rc;
    progress_start(&p, s->cli, s->name, st.bytes);
    while (rc == 0 && *out_off < st.bytes) {
        ssize_t n = piece_get(s, &st, *out_off, piece);

        rc = n < 0 ? (int)n : target_write(t, piece, (size_t)n);
        if (rc == 0) {
            *out_off += (uint64_t)n;
            progress_add(&p, (uint64_t)n);
        }
    }
    progress_end(&p);
    return rc;
}

int object_get(struct session *s)
{
    struct target t = {.name = "standard output", .fd = STDOUT_FILENO};
    char *piece = malloc(PIECE_BYTES);
    int rc = piece ? 0 : -ENOMEM;
    uint64_t off;

    if (rc == 0 && s->file && strcmp(s->file, "-") != 0 && (rc = target_open(&t, s->file)) < 0) {
        free(piece);
        return cli_fail("%s: %s", s->file, strerror(-rc));
    }
    for (int tries = 1; rc == 0; tries++) {
        rc = get_once(s, &t, piece, &off);
        if (rc != -ESTALE || tries == GET_TRIES)
            break;
        rc = off ? target_restart(&t) : 0;
    }
    free(piece);
    target_close(&t, rc);
    if (t.rc < 0)
        return cli_fail("%s: %s", t.name, strerror(-t.rc));
    if (rc == -ESTALE)
        return cli_fail("%s/%s: changed while it was read", s->pool_name, s->name);
    return rc < 0 ? object_fail(s, rc) : 0;
}
