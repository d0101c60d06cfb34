/* buckets.c - the registry of buckets, read through libcairn.
 *
 * A user's rows name its buckets.  One that is unsure (a creation or deletion is under way, or its
 * gateway died) is decided by the bucket's record, as gateways do; they settle it, we only look. */
#include "cli/buckets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1000 /* a page */ };

int buckets_open(struct cairn *c, struct cairn_pool **out_index)
{
    int rc = cairn_pool_open(c, "s3.index", out_index);

    if (rc == -ENOENT) { /* no gateway ran yet */
        *out_index = NULL;
        return 0;
    }
    return rc < 0 ? cli_fail("the pool s3.index cannot be opened: %s", cli_error_text(rc)) : 0;
}

void bucket_record_fini(struct bucket_record *r)
{
    free(r->raw);
    r->raw = NULL;
}

int bucket_record_read(struct cairn_pool *index, const char *name, struct bucket_record *out)
{
    struct bucket_record r = {.raw = NULL};
    struct cairn_op *op = cairn_op_create();
    char object[NAME_BYTES];
    size_t n;
    int rc;

    if (!op)
        return -ENOMEM;
    if (!bucket_name_valid(BYTES_STR(name))) {
        cairn_op_destroy(op);
        return -R_NO_BUCKET;
    }
    name_bucket(object, BYTES_STR(name));
    (void)cairn_op_xattr_get(op, "record");
    rc = cairn_run(index, object, strlen(object), op);
    n = rc < 0 ? 0 : cairn_op_data_bytes(op, 0);
    r.raw = malloc(n + 1);
    if (rc == 0 && !r.raw)
        rc = -ENOMEM;
    if (rc == 0) {
        n = cairn_op_data(op, 0, 0, r.raw, n);
        r.raw_bytes = n;
        rc = bucket_row_decode((struct bytes){r.raw, (uint32_t)n}, &r.row);
    }
    cairn_op_destroy(op);
    if (rc == -ENOENT || rc == -ENODATA || (rc == 0 && r.row.state == BUCKET_MAKING))
        rc = -R_NO_BUCKET;
    if (rc < 0) {
        bucket_record_fini(&r);
        return rc;
    }
    snprintf(r.name, sizeof(r.name), "%s", name);
    *out = r;
    return 0;
}

/* Whether a row that nobody vouches for names a bucket of this owner. */
static int row_holds(struct cairn_pool *index, const char *name, const char *owner)
{
    struct bucket_record r;
    int rc = bucket_record_read(index, name, &r);

    if (rc == -R_NO_BUCKET)
        return 0;
    if (rc < 0)
        return rc;
    rc = bytes_equal(r.row.owner, BYTES_STR(owner));
    bucket_record_fini(&r);
    return rc;
}

int rows_each(struct cairn_pool *index, const char *object,
              int (*each)(void *arg, struct cairn_pair row), void *arg)
{
    uint8_t from[ROW_KEY_MAX + NAME_BYTES];
    size_t from_bytes = 0;
    bool more = true;
    int rc = 0;

    while (more && rc == 0) {
        struct cairn_op *op = cairn_op_create();
        size_t n;

        if (!op)
            return -ENOMEM;
        (void)cairn_op_omap_range(op, from, from_bytes, NULL, 0, ROWS);
        rc = cairn_run(index, object, strlen(object), op);
        n = rc < 0 ? 0 : cairn_op_pair_count(op, 0, &more);
        more = more && n > 0;
        for (size_t i = 0; i < n && rc == 0; i++) {
            struct cairn_pair p = cairn_op_pair(op, 0, i);

            rc = p.key_bytes < sizeof(from) ? each(arg, p) : -R_MALFORMED;
            from_bytes = MIN(p.key_bytes, sizeof(from) - 1);
            memcpy(from, p.key, from_bytes);
            from[from_bytes++] = 0; /* behind it */
        }
        cairn_op_destroy(op);
    }
    return rc == -ENOENT ? 0 : rc;
}

struct own_walk {
    struct cairn_pool *index;
    const char *owner;
    int (*each)(void *arg, const char *name, uint64_t created_ns);
    void *arg;
};

static int own_take(void *arg, struct cairn_pair p)
{
    const struct own_walk *w = arg;
    char name[S3_BUCKET_NAME_MAX + 1];
    struct own_row row;
    int holds = 1;
    int rc = own_row_decode((struct bytes){p.value, (uint32_t)p.value_bytes}, &row);

    if (rc < 0 || p.key_bytes >= sizeof(name))
        return rc < 0 ? rc : -R_MALFORMED;
    memcpy(name, p.key, p.key_bytes);
    name[p.key_bytes] = 0;
    if (!row.sure)
        holds = row_holds(w->index, name, w->owner);
    return holds > 0 ? w->each(w->arg, name, row.created_ns) : holds;
}

int buckets_of(struct cairn_pool *index, const char *owner,
               int (*each)(void *arg, const char *name, uint64_t created_ns), void *arg)
{
    struct own_walk w = {index, owner, each, arg};
    char object[NAME_BYTES];

    name_owner(object, owner);
    return rows_each(index, object, own_take, &w);
}
