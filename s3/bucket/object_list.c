/* object_list.c - one ordered scan over the rows of a bucket, folded at the delimiter.
 *
 * Entries and uploads are listed by the same scan: rows of one prefix letter, in the order of their
 * keys, from shard to shard.  A key with the delimiter behind the prefix stands for all keys that
 * begin so: they become one common prefix, and the scan jumps behind them.  A page is full when it
 * has `max` rows and one more is known to follow.
 *
 * Each operation of the scan sees the newest state; a key that is there during all of a listing is
 * listed once, whatever happens around it. */
#include "s3/bucket/bucket_int.h"

enum { ROWS_FOLDED = 128 };

struct list_req {
    struct req r;
    struct access a;
    enum row_prefix letter; /* ROW_ENTRY or ROW_UPLOAD */
    struct bytes prefix, delimiter;
    uint32_t max, count;
    bool truncated, none;
    struct row_key from, to; /* to: empty key for "up to the end of the letter" never; always set */
    struct bytes route;      /* the key that `from` begins with */
    struct object_list_row *rows; /* in the arena; one of the two */
    struct upload_list_row *uploads;
    object_list_fn *done;
    upload_list_fn *upload_done;
    void *arg;
};

static bool starts_with(struct bytes b, struct bytes prefix)
{
    return b.len >= prefix.len && (prefix.len == 0 || memcmp(b.data, prefix.data, prefix.len) == 0);
}

/* The first key behind all that begin with what `k` holds; false: there is none. */
static bool key_behind(struct row_key *k)
{
    while (k->len && k->b[k->len - 1] == 0xff)
        k->len--;
    if (!k->len)
        return false;
    k->b[k->len - 1]++;
    return true;
}

static void from_set(struct list_req *q, const struct row_key *k)
{
    if (bytes_compare(key_bytes(k), key_bytes(&q->from)) > 0)
        q->from = *k;
}

/* The common prefix of a key: up to and with the first delimiter behind the prefix. */
static bool common_prefix(const struct list_req *q, struct bytes key, struct bytes *out)
{
    const uint8_t *at;

    if (!q->delimiter.len || !starts_with(key, q->prefix))
        return false;
    at = memmem(key.data + q->prefix.len, key.len - q->prefix.len, q->delimiter.data,
                q->delimiter.len);
    if (!at)
        return false;
    *out = (struct bytes){key.data, (uint32_t)(at - key.data) + q->delimiter.len};
    return true;
}

/* ---- where it begins and ends ---- */

static struct bytes cut(struct bytes b)
{
    b.len = MIN(b.len, (uint32_t)S3_KEY_MAX);
    return b;
}

/* `after` excludes itself; as a common prefix, all its keys. */
static void begin_after(struct list_req *q, struct bytes after, const struct uuid *upload)
{
    struct bytes common;
    struct row_key k;

    row_key_named(&k, q->letter, cut(after)); /* no key is longer: none lies between */
    if (common_prefix(q, after, &common) && common.len == after.len && after.len <= S3_KEY_MAX) {
        if (!key_behind(&k))
            q->none = true;
    } else if (q->letter == ROW_ENTRY) {
        k.b[k.len++] = PLANTED(PLANT_LIST_SKIP) ? 0xff : 0;
    } else if (upload) {
        row_key_of(&k, q->letter, cut(after), upload);
        if (!key_behind(&k))
            q->none = true;
    } else {
        k.b[k.len++] = 1; /* behind the NUL of all its uploads */
    }
    from_set(q, &k);
}

static void range_set(struct list_req *q)
{
    if (q->prefix.len > S3_KEY_MAX) {
        q->none = true;
        return;
    }
    row_key_named(&q->from, q->letter, q->prefix);
    q->to = q->from;
    if (!key_behind(&q->to))
        UNREACHABLE(); /* the letter can always be raised */
}

/* ---- rows ---- */

static int row_new(struct list_req *q, struct bytes name, bool is_prefix)
{
    struct bytes copy;
    int rc = bytes_dup(&q->r.op.arena, name, &copy);

    if (rc < 0)
        return rc;
    if (q->rows)
        q->rows[q->count] = (struct object_list_row){.name = copy, .is_prefix = is_prefix};
    else
        q->uploads[q->count] = (struct upload_list_row){.name = copy, .is_prefix = is_prefix};
    return 0;
}

static int entry_add(struct list_req *q, struct bytes key, struct bytes value)
{
    struct entry_row e;
    int rc = entry_row_decode(value, &e);

    if (rc == 0)
        rc = row_new(q, key, false);
    if (rc == 0)
        rc = entry_info(&e, NULL, &q->rows[q->count].info);
    return rc;
}

static int upload_add(struct list_req *q, struct bytes key, const struct uuid *id,
                      struct bytes value)
{
    struct upload_row u;
    int rc = upload_row_decode(value, &u);

    if (rc == 0)
        rc = row_new(q, key, false);
    if (rc < 0)
        return rc;
    uuid_text(id, q->uploads[q->count].upload);
    q->uploads[q->count].created_ns = u.created_ns;
    q->uploads[q->count].sum = u.sum;
    q->uploads[q->count].owner =
        arena_strdup(&q->r.op.arena, u.owner.len ? (const char *)u.owner.data : "", u.owner.len);
    return q->uploads[q->count].owner ? 0 : -ENOMEM;
}

/* One row of the index.  1: the page is full and this one is more; 0: go on behind it. */
static int row_take(struct list_req *q, struct bytes k, struct bytes value)
{
    struct bytes key = {k.data + 1, k.len - 1}, common;
    struct uuid upload = {{0}};
    struct row_key next;
    int rc = 0;

    if (q->letter == ROW_UPLOAD)
        rc = row_key_parse(k, &key, &upload);
    if (rc < 0)
        return rc;
    if (q->delimiter.len && bytes_compare(k, key_bytes(&q->from)) < 0)
        return 0; /* under the common prefix just listed */
    if (q->count == q->max)
        return 1;
    if (common_prefix(q, key, &common)) {
        rc = row_new(q, common, true);
        row_key_named(&next, q->letter, common);
        if (!key_behind(&next))
            UNREACHABLE();
        from_set(q, &next);
    } else {
        rc = q->letter == ROW_ENTRY ? entry_add(q, key, value) : upload_add(q, key, &upload, value);
    }
    if (rc < 0)
        return rc;
    q->count++;
    return 0;
}

/* ---- the scan ---- */

static int scan_build(struct access *a, struct cairn_op *op)
{
    struct list_req *q = CONTAINER_OF(a, struct list_req, a);
    uint32_t rows = q->delimiter.len ? ROWS_FOLDED : q->max - q->count + 1;
    struct bytes to = access_row(a)->to;
    struct row_key end = q->to;

    if (to.len) { /* rows behind are copies on their way to or from a neighbour */
        row_key_named(&end, q->letter, to);
        if (bytes_compare(key_bytes(&q->to), key_bytes(&end)) < 0)
            end = q->to;
    }
    cairn_op_omap_range(op, q->from.b, q->from.len, end.b, end.len, rows);
    return 0;
}

/* After a range of rows: 0 to go on, 1 when the listing is complete, or a failure. */
static int scan_next(struct list_req *q)
{
    const struct access *a = &q->a;
    bool more;
    size_t n = cairn_op_pair_count(a->call.op, 1, &more);
    struct bytes to = access_row(a)->to;
    struct row_key k;

    for (size_t i = 0; i < n; i++) {
        struct cairn_pair p = cairn_op_pair(a->call.op, 1, i);
        int rc = row_take(q, pair_key(p), pair_value(p));

        if (rc != 0) {
            q->truncated = rc == 1;
            return rc;
        }
    }
    if (!more) {
        if (!to.len)
            return 1;
        row_key_named(&k, q->letter, to); /* the next shard */
        if (PLANTED(PLANT_LIST_SHARD))
            k.b[k.len++] = 0;
        from_set(q, &k);
    } else if (n) { /* behind the last row, if no common prefix has led further */
        struct cairn_pair last = cairn_op_pair(a->call.op, 1, n - 1);

        k.len = (uint32_t)last.key_bytes;
        memcpy(k.b, last.key, last.key_bytes);
        if (k.len < ROW_KEY_MAX)
            k.b[k.len++] = 0;
        from_set(q, &k);
    }
    return bytes_compare(key_bytes(&q->from), key_bytes(&q->to)) < 0 ? 0 : 1;
}

/* The key that routes: what `from` begins with, less an upload's tail. */
static void route_set(struct list_req *q)
{
    const uint8_t *nul;

    q->route = (struct bytes){q->from.b + 1, q->from.len - 1};
    nul = memchr(q->route.data, 0, q->route.len);
    if (nul)
        q->route.len = (uint32_t)(nul - q->route.data);
    q->a.key = q->route;
}

static void scanned(struct access *a)
{
    struct list_req *q = CONTAINER_OF(a, struct list_req, a);
    int rc = a->code == 0 ? scan_next(q) : a->code;

    if (rc < 0)
        op_fail(&q->r.op, rc);
    if (rc != 0) {
        op_finish(&q->r.op);
        return;
    }
    route_set(q);
    access_read(a, scan_build, scanned);
}

static void list_run(struct op *op)
{
    struct list_req *q = CONTAINER_OF(op, struct list_req, r.op);

    counter_add(&q->r.l->n.lists, 1);
    if (q->none)
        q->max = 0; /* the bucket is looked up all the same */
    route_set(q);
    access_read(&q->a, scan_build, scanned);
}

static void list_finish(struct req *r)
{
    struct list_req *q = CONTAINER_OF(r, struct list_req, r);
    struct object_list list = {.rows = q->rows, .count = q->count, .truncated = q->truncated};
    struct upload_list uploads = {q->uploads, q->count, q->truncated};

    if (q->a.b)
        list.owner = q->a.b->owner;
    if (q->none || q->max == 0)
        list.truncated = uploads.truncated = false;
    if (list.truncated && q->rows)
        list.next = q->rows[q->count - 1].name;
    if (q->rows)
        q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &list);
    else
        q->upload_done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &uploads);
}

static void list_fini(struct req *r)
{
    access_fini(&CONTAINER_OF(r, struct list_req, r)->a);
}

static struct list_req *list_create(struct bucket_layer *l, const struct s3_principal *who,
                                    struct bytes bucket, struct bytes prefix,
                                    struct bytes delimiter, uint32_t max, enum row_prefix letter,
                                    int *out_rc)
{
    struct list_req *q =
        req_create(sizeof(*q), l, who, bucket, (struct bytes){0}, list_run, out_rc);
    struct arena *arena;
    int rc;

    if (!q)
        return NULL;
    arena = &q->r.op.arena;
    q->letter = letter;
    q->max = MIN(max, (uint32_t)S3_LIST_MAX);
    rc = bytes_dup(arena, prefix, &q->prefix);
    if (rc == 0)
        rc = bytes_dup(arena, delimiter, &q->delimiter);
    if (letter == ROW_ENTRY)
        q->rows = arena_alloc(arena, (q->max + 1) * sizeof(*q->rows));
    else
        q->uploads = arena_alloc(arena, (q->max + 1) * sizeof(*q->uploads));
    if (rc < 0 || (!q->rows && !q->uploads)) {
        req_destroy(&q->r);
        *out_rc = -ENOMEM;
        return NULL;
    }
    access_init(&q->a, l, who, q->r.bucket, (struct bytes){0});
    range_set(q);
    return q;
}

int object_list(struct bucket_layer *l, const struct s3_principal *who,
                const struct object_list_args *args, object_list_fn *done, void *arg)
{
    int rc = 0;
    struct list_req *q =
        list_create(l, who, args->bucket, args->prefix, args->delimiter, args->max, ROW_ENTRY, &rc);

    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    q->a.right = RIGHT_LIST;
    if (args->after.len && !q->none)
        begin_after(q, args->after, NULL);
    req_start(&q->r, list_finish, list_fini);
    return 0;
}

int upload_list(struct bucket_layer *l, const struct s3_principal *who,
                const struct upload_list_args *args, upload_list_fn *done, void *arg)
{
    struct uuid upload;
    bool known = args->after_upload.len && uuid_parse(args->after_upload, &upload) == 0;
    int rc = args->after_upload.len && !known ? -R_NO_UPLOAD : 0;
    struct list_req *q;

    if (rc < 0)
        return rc;
    q = list_create(l, who, args->bucket, args->prefix, args->delimiter, args->max, ROW_UPLOAD,
                    &rc);
    if (!q)
        return rc;
    q->upload_done = done;
    q->arg = arg;
    if (args->after_key.len && !q->none)
        begin_after(q, args->after_key, known ? &upload : NULL);
    req_start(&q->r, list_finish, list_fini);
    return 0;
}
