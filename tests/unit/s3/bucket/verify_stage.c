/* verify_stage.c - what lies in the cluster in memory, fed to the checker. */
#include "s3/bucket/verify.h"

#include <stdio.h>

#include "s3/bucket/refs.h"
#include "tests/unit/s3/bucket/stage.h"

static void found(void *arg, const char *text)
{
    snprintf(arg, 512, "%s", text);
}

static struct bytes value_of(const struct fake_rows *rows, const char *name)
{
    const struct fake_row *r = fake_row_find(rows, name, strlen(name));

    return r ? (struct bytes){r->value, (uint32_t)r->value_bytes} : (struct bytes){0};
}

static struct bytes key(const struct fake_row *r)
{
    return (struct bytes){r->key, (uint32_t)r->key_bytes};
}

static struct bytes value(const struct fake_row *r)
{
    return (struct bytes){r->value, (uint32_t)r->value_bytes};
}

static void shard_feed(struct verify *v, const struct fake_object *o)
{
    T_OK(verify_shard(v, BYTES_STR(o->name), value_of(&o->xattrs, "shard"),
                      value_of(&o->xattrs, "count")));
    for (size_t i = 0; i < o->omap.count; i++)
        T_OK(verify_row(v, key(&o->omap.row[i]), value(&o->omap.row[i])));
    T_OK(verify_shard_end(v));
}

/* All shards of this id. */
static void shards_feed(struct verify *v, struct fake *f, const struct uuid *id)
{
    char prefix[NAME_BYTES];

    name_shard(prefix, id, 0);
    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++)
        if (strncmp(f->object[FAKE_INDEX][i]->name, prefix, 6 + 32 + 1) == 0)
            shard_feed(v, f->object[FAKE_INDEX][i]);
    T_OK(verify_bucket_end(v));
}

/* The bucket's record, when this object is one. */
static bool record_of(const struct fake_object *o, struct bucket_row *out_row)
{
    return strncmp(o->name, "bucket.", 7) == 0 &&
           bucket_row_decode(value_of(&o->xattrs, "record"), out_row) == 0;
}

static void bucket_feed(struct verify *v, struct fake *f, const struct fake_object *b)
{
    struct bucket_row row;

    if (!record_of(b, &row))
        return;
    T_OK(verify_bucket(v, BYTES_STR(b->name + 7), &row.id, row.state != BUCKET_MAKING));
    for (size_t i = 0; i < b->omap.count; i++)
        T_OK(verify_map_row(v, key(&b->omap.row[i]), value(&b->omap.row[i])));
    shards_feed(v, f, &row.id);
}

/* The first shard of a bucket that is gone: all of it. */
static void dead_feed(struct verify *v, struct fake *f, size_t at)
{
    const char *name = f->object[FAKE_INDEX][at]->name;
    struct bucket_row row;
    struct uuid id;

    if (strncmp(name, "shard.", 6) != 0 ||
        uuid_parse((struct bytes){(const uint8_t *)name + 6, 32}, &id) < 0)
        return;
    if (at && strncmp(f->object[FAKE_INDEX][at - 1]->name, name, 6 + 32 + 1) == 0)
        return;
    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++)
        if (record_of(f->object[FAKE_INDEX][i], &row) && uuid_equal(&row.id, &id))
            return;
    T_OK(verify_bucket(v, BYTES_STR("(gone)"), &id, false));
    shards_feed(v, f, &id);
}

struct refs_feed {
    struct fake *f;
    struct verify *v;
};

static int refs_feed(void *arg, const char *name)
{
    struct refs_feed *x = arg;
    struct bytes refs = value_of(&fake_find(x->f, FAKE_DATA, name)->xattrs, REFS_XATTR);

    return refs.len ? verify_refs(x->v, BYTES_STR(name), refs) : 0;
}

unsigned stage_verify(struct stage *st, char text[512])
{
    struct fake *f = &st->fake;
    struct refs_feed feed;
    struct verify *v;
    unsigned n;

    text[0] = 0;
    v = verify_create(found, text);
    T_TRUE(v != NULL);
    for (size_t i = 0; i < f->count[FAKE_DATA]; i++)
        T_OK(verify_object(v, BYTES_STR(f->object[FAKE_DATA][i]->name),
                           f->object[FAKE_DATA][i]->bytes));
    feed = (struct refs_feed){f, v};
    T_OK(verify_firsts(v, refs_feed, &feed));
    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++)
        bucket_feed(v, f, f->object[FAKE_INDEX][i]);
    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++)
        dead_feed(v, f, i);
    verify_end(v, true);
    n = (unsigned)verify_totals(v)->findings;
    verify_destroy(v);
    return n;
}
