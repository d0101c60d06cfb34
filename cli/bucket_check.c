/* bucket_check.c - `cairn bucket check`: index and data are read, and held against each other.
 *
 * A pass reads the names of all data objects first, with who shares them, then record, map and
 * shards of each bucket, and feeds them to the checker (s3/bucket/verify.h).  Gateways work
 * meanwhile; what a pass has found is believed when the next one, a little later, finds the same.
 *
 * What cannot be read because it is damaged is a finding, and the pass goes on; a cluster that does
 * not answer ends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/buckets.h"
#include "core/base/json.h"
#include "core/base/reason.h"
#include "s3/bucket/refs.h"
#include "s3/bucket/verify.h"

enum { PAUSE_S = 3 };

struct lines {
    char **line; /* owned */
    size_t count, cap;
    bool failed;
};
/* A shard that was ever made, as its note has it. */
struct noted {
    struct uuid id;
    char bucket[S3_BUCKET_NAME_MAX + 1], object[NAME_BYTES];
};
struct check {
    struct cli *cli;
    struct cairn_pool *index, *data;
    const char *only; /* NULL: all buckets */
    struct noted *note;
    size_t note_count, note_cap;
    struct lines now, before;
    struct verify *v; /* of the pass at hand */
    bool unread;      /* rows of a shard could not be read: who knows what they refer to */
    struct verify_totals totals;
};

/* ---- findings ---- */

static void lines_free(struct lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->line[i]);
    free(l->line);
    *l = (struct lines){0};
}

static void line_add(void *arg, const char *text)
{
    struct lines *l = arg;

    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        char **grown = realloc(l->line, cap * sizeof(*grown));

        if (!grown) {
            l->failed = true;
            return;
        }
        l->line = grown;
        l->cap = cap;
    }
    l->line[l->count] = strdup(text);
    if (l->line[l->count])
        l->count++;
    else
        l->failed = true;
}

static int line_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Only what both have stays in `now`. */
static void lines_agree(struct lines *now, const struct lines *before)
{
    size_t kept = 0, at = 0;

    for (size_t i = 0; i < now->count; i++) {
        while (at < before->count && strcmp(before->line[at], now->line[i]) < 0)
            at++;
        if (at < before->count && strcmp(before->line[at], now->line[i]) == 0)
            now->line[kept++] = now->line[i];
        else
            free(now->line[i]);
    }
    now->count = kept;
}

/* ---- reading ---- */

static bool damaged(int rc)
{
    return rc == -EIO || rc == -EBADMSG;
}

static struct bytes bytes_of(const void *data, size_t bytes)
{
    return (struct bytes){data, (uint32_t)bytes};
}

static int note_take(void *arg, struct cairn_pair p)
{
    struct check *k = arg;
    struct shard_note note;
    struct noted *n;

    if (shard_note_decode(bytes_of(p.value, p.value_bytes), &note) < 0 ||
        p.key_bytes >= NAME_BYTES || !bucket_name_valid(note.bucket)) {
        line_add(&k->now, "a row of the registry of shards cannot be read");
        return 0;
    }
    if (k->note_count == k->note_cap) {
        size_t cap = k->note_cap ? 2 * k->note_cap : 256;

        n = realloc(k->note, cap * sizeof(*n));
        if (!n)
            return -ENOMEM;
        k->note = n;
        k->note_cap = cap;
    }
    n = &k->note[k->note_count];
    memset(n, 0, sizeof(*n));
    n->id = note.id;
    memcpy(n->bucket, note.bucket.data, note.bucket.len);
    memcpy(n->object, p.key, p.key_bytes);
    if (!k->only || strcmp(k->only, n->bucket) == 0)
        k->note_count++;
    return 0;
}

static int note_compare(const void *a, const void *b)
{
    const struct noted *x = a, *y = b;
    int d = strcmp(x->bucket, y->bucket);

    if (d == 0)
        d = memcmp(&x->id, &y->id, sizeof(x->id));
    return d ? d : strcmp(x->object, y->object);
}

static int notes_read(struct check *k)
{
    int rc = 0;

    k->note_count = 0;
    for (unsigned i = 0; i < SHARD_NOTES && rc == 0; i++) {
        char object[NAME_BYTES];

        name_notes(object, i);
        rc = rows_each(k->index, object, note_take, k);
    }
    if (k->note_count)
        qsort(k->note, k->note_count, sizeof(*k->note), note_compare);
    return rc;
}

static int object_seen(void *arg, const void *name, size_t name_bytes, const struct cairn_stat *st)
{
    struct check *k = arg;

    return verify_object(k->v, bytes_of(name, name_bytes), st->bytes);
}

/* Who shares it, if anybody does. */
static int first_seen(void *arg, const char *name)
{
    struct check *k = arg;
    struct cairn_op *op = cairn_op_create();
    uint8_t value[REFS_MAX * UUID_BYTES + 64];
    size_t bytes = 0;
    int rc;

    if (!op)
        return -ENOMEM;
    (void)cairn_op_xattr_get(op, REFS_XATTR);
    rc = cairn_run(k->data, name, strlen(name), op);
    if (rc == 0)
        bytes = MIN(cairn_op_data(op, 0, 0, value, sizeof(value)), sizeof(value));
    cairn_op_destroy(op);
    if (rc == -ENODATA || rc == -ENOENT)
        return 0;
    if (damaged(rc))
        rc = 0; /* no bytes are no list, and that is a finding */
    return rc < 0 ? rc : verify_refs(k->v, bytes_of(name, strlen(name)), bytes_of(value, bytes));
}

static int row_seen(void *arg, struct cairn_pair p)
{
    struct check *k = arg;
    return verify_row(k->v, bytes_of(p.key, p.key_bytes), bytes_of(p.value, p.value_bytes));
}

static int map_row_seen(void *arg, struct cairn_pair p)
{
    struct check *k = arg;
    if (((const uint8_t *)p.key)[0] != MAP_PREFIX)
        return 0;
    return verify_map_row(k->v, bytes_of(p.key, p.key_bytes), bytes_of(p.value, p.value_bytes));
}

/* The two xattrs of a shard, together; its rows follow. */
static int shard_read(struct check *k, const char *object)
{
    struct cairn_op *op = cairn_op_create();
    uint8_t row[8192], count[64];
    size_t row_bytes = 0, count_bytes = 0;
    int rc;

    if (!op)
        return -ENOMEM;
    (void)cairn_op_xattr_get(op, "shard");
    (void)cairn_op_xattr_get(op, "count");
    rc = cairn_run(k->index, object, strlen(object), op);
    if (rc == 0) {
        row_bytes = cairn_op_data(op, 0, 0, row, sizeof(row));
        count_bytes = cairn_op_data(op, 1, 0, count, sizeof(count));
    }
    cairn_op_destroy(op);
    if (rc == -ENOENT)
        return 0; /* gone already, or not made yet */
    if (rc == 0 || rc == -ENODATA)
        rc = verify_shard(k->v, bytes_of(object, strlen(object)), bytes_of(row, row_bytes),
                          bytes_of(count, count_bytes));
    if (rc == 0)
        rc = rows_each(k->index, object, row_seen, k);
    return rc == 0 ? verify_shard_end(k->v) : rc;
}

/* ---- a pass ---- */

/* The shards from `i` on that are of one bucket; returns how many. */
static size_t same_bucket(const struct check *k, size_t i)
{
    size_t n = 1;

    while (i + n < k->note_count &&
           memcmp(&k->note[i + n].id, &k->note[i].id, sizeof(k->note[i].id)) == 0)
        n++;
    return n;
}

static int bucket_read(struct check *k, size_t i, size_t n)
{
    const struct noted *first = &k->note[i];
    struct bucket_record r = {.raw = NULL};
    char object[NAME_BYTES], text[256];
    int rc = bucket_record_read(k->index, first->bucket, &r);
    bool live = rc == 0 && memcmp(&r.row.id, &first->id, sizeof(first->id)) == 0;

    if (rc < 0 && rc != -R_NO_BUCKET)
        return rc;
    bucket_record_fini(&r);
    rc = verify_bucket(k->v, bytes_of(first->bucket, strlen(first->bucket)), &first->id, live);
    name_bucket(object, bytes_of(first->bucket, strlen(first->bucket)));
    if (rc == 0 && live)
        rc = rows_each(k->index, object, map_row_seen, k);
    for (size_t s = 0; s < n && rc == 0; s++) {
        rc = shard_read(k, k->note[i + s].object);
        if (damaged(rc)) {
            snprintf(text, sizeof(text), "bucket %s: the rows of %s cannot be read", first->bucket,
                     k->note[i + s].object);
            line_add(&k->now, text);
            k->unread = true;
            rc = 0;
        }
    }
    return rc == 0 ? verify_bucket_end(k->v) : rc;
}

static int pass(struct check *k)
{
    int rc;

    k->unread = false;
    k->v = verify_create(line_add, &k->now);
    if (!k->v)
        return -ENOMEM;
    rc = k->data ? cairn_list(k->data, object_seen, k) : 0;
    if (rc == 0)
        rc = verify_firsts(k->v, first_seen, k);
    if (rc == 0)
        rc = notes_read(k);
    for (size_t i = 0, n; i < k->note_count && rc == 0; i += n) {
        n = same_bucket(k, i);
        rc = bucket_read(k, i, n);
    }
    if (rc == 0) {
        verify_end(k->v, !k->only && !k->unread);
        k->totals = *verify_totals(k->v);
    }
    verify_destroy(k->v);
    if (rc == 0 && k->now.failed)
        rc = -ENOMEM;
    if (k->now.count)
        qsort(k->now.line, k->now.count, sizeof(*k->now.line), line_compare);
    return rc;
}

static int passes_run(struct check *k, unsigned passes)
{
    int rc = pass(k);

    for (unsigned i = 1; i < passes && rc == 0 && k->now.count; i++) {
        struct timespec pause = {PAUSE_S, 0};

        nanosleep(&pause, NULL);
        lines_free(&k->before);
        k->before = k->now;
        k->now = (struct lines){0};
        rc = pass(k);
        lines_agree(&k->now, &k->before);
    }
    return rc;
}

/* ---- what it says ---- */

static int told(const struct check *k)
{
    const struct verify_totals *t = &k->totals;
    json_t *found, *j;
    int rc;

    if (!k->cli->json) {
        for (size_t i = 0; i < k->now.count; i++)
            puts(k->now.line[i]);
        printf("%llu objects of %llu bytes, %llu index shards with %llu rows, %llu data objects: "
               "%zu findings\n",
               (unsigned long long)t->objects, (unsigned long long)t->bytes,
               (unsigned long long)t->shards, (unsigned long long)t->rows,
               (unsigned long long)t->stripes, k->now.count);
        return k->now.count ? 1 : 0;
    }
    found = json_array();
    for (size_t i = 0; i < k->now.count; i++)
        (void)json_array_append_new(found, json_string(k->now.line[i]));
    j = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "objects", (json_int_t)t->objects, "bytes",
                  (json_int_t)t->bytes, "shards", (json_int_t)t->shards, "rows",
                  (json_int_t)t->rows, "data_objects", (json_int_t)t->stripes, "findings", found);
    rc = j ? json_dumpf(j, stdout, JSON_COMPACT) : -1;
    json_decref(j);
    putchar('\n');
    if (rc < 0)
        return cli_fail("out of memory");
    return k->now.count ? 1 : 0;
}

int bucket_check_run(struct cli *cli, struct cairn *c, struct cairn_pool *index, unsigned passes)
{
    struct check k = {.cli = cli, .index = index, .only = cli->argc > 2 ? cli->argv[2] : NULL};
    int rc = 0;

    if (index)
        rc = cairn_pool_open(c, "s3.data", &k.data);
    if (index && rc == 0)
        rc = passes_run(&k, passes);
    if (k.data)
        cairn_pool_close(k.data);
    if (rc == 0 && k.only && !k.totals.shards)
        rc = cli_fail("there is no bucket %s", k.only);
    else if (rc < 0)
        rc = cli_fail("the buckets cannot be read: %s", cli_error_text(reason_errno(rc)));
    else
        rc = told(&k);
    free(k.note);
    lines_free(&k.now);
    lines_free(&k.before);
    return rc;
}
