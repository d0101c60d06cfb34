/* verify.c - data objects, buckets and the chain of their shards (verify.h). */
#include <stdarg.h>
#include <stdio.h>

#include "core/base/hash.h"
#include "s3/bucket/refs.h"
#include "s3/bucket/verify_int.h"

/* ---- findings ---- */

void verify_found(struct verify *v, const char *fmt, ...)
{
    char text[512];
    size_t at = 0;
    va_list args;

    if (v->bucket[0])
        at = (size_t)snprintf(text, sizeof(text), "bucket %s: ", v->bucket);
    va_start(args, fmt);
    vsnprintf(text + at, sizeof(text) - at, fmt, args);
    va_end(args);
    v->n.findings++;
    v->found(v->arg, text);
}

const char *verify_key(struct bytes key, char out[80])
{
    size_t at = 0;

    for (uint32_t i = 0; i < key.len && at < 70; i++) {
        if (key.data[i] < ' ' || key.data[i] == 0x7f || key.data[i] == '\\')
            at += (size_t)snprintf(out + at, 80 - at, "\\x%02x", key.data[i]);
        else
            out[at++] = (char)key.data[i];
    }
    memcpy(out + at, key.len && at >= 70 ? "..." : "", key.len && at >= 70 ? 4 : 1);
    return out;
}

int verify_grow(void **array, uint32_t count, uint32_t *cap, size_t bytes)
{
    uint32_t more = *cap ? 2 * *cap : 64;
    void *grown;

    if (count < *cap)
        return 0;
    grown = mem_realloc(*array, more * bytes);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *cap = more;
    return 0;
}

/* ---- data ---- */

static struct data *data_find(const struct verify *v, const struct uuid *id)
{
    uint64_t hash = hash64(0, id->b, sizeof(id->b));

    for (struct hnode *n = htable_first(&v->data, hash); n; n = htable_next(n)) {
        struct data *d = CONTAINER_OF(n, struct data, node);

        if (uuid_equal(&d->id, id))
            return d;
    }
    return NULL;
}

/* o.<32 digits>.<number> */
static int stripe_parse(struct bytes name, struct uuid *out_id, uint64_t *out_no)
{
    uint64_t no = 0;

    if (name.len < 2 + 32 + 2 || name.len > 2 + 32 + 1 + 15 || memcmp(name.data, "o.", 2) != 0 ||
        name.data[34] != '.' || uuid_parse((struct bytes){name.data + 2, 32}, out_id) < 0)
        return -EINVAL;
    for (uint32_t i = 35; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return -EINVAL;
        no = 10 * no + name.data[i] - '0';
    }
    *out_no = no;
    return 0;
}

int verify_object(struct verify *v, struct bytes name, uint64_t bytes)
{
    struct uuid id;
    struct data *d;
    char text[80];
    uint64_t no;

    v->has_data = true;
    v->n.stripes++;
    if (stripe_parse(name, &id, &no) < 0) {
        verify_found(v, "%s in s3.data is not ours", verify_key(name, text));
        return 0;
    }
    d = data_find(v, &id);
    if (!d) {
        d = mem_zalloc(sizeof(*d));
        if (!d)
            return -ENOMEM;
        d->id = id;
        htable_insert(&v->data, &d->node, hash64(0, id.b, sizeof(id.b)));
    }
    if (d->count == 0 || no > d->last_no) {
        d->last_no = no;
        d->last_bytes = bytes;
    }
    d->has_first |= no == 0;
    d->count++;
    d->bytes += bytes;
    d->largest = MAX(d->largest, bytes);
    return 0;
}

void verify_refer(struct verify *v, const struct stripes *s, bool must, const char *by,
                  struct bytes key)
{
    struct data *d = v->has_data ? data_find(v, &s->id) : NULL;
    uint64_t want = stripes_count(s);
    char text[80], id[2 * UUID_BYTES + 1];

    if (d)
        d->referred = true;
    if (!v->has_data || !must || (want == 0 && !d))
        return;
    uuid_text(&s->id, id);
    if (!d || d->count < want)
        verify_found(v, "%s of %s: %llu of %llu data objects o.%s.* are missing", by,
                     verify_key(key, text), (unsigned long long)(want - (d ? d->count : 0)),
                     (unsigned long long)want, id);
    else if (d->count > want || d->bytes != s->size || d->largest > s->stripe ||
             d->last_no != want - 1 || d->last_bytes != s->size - (want - 1) * s->stripe)
        verify_found(v, "%s of %s: its data objects o.%s.* are of other sizes", by,
                     verify_key(key, text), id);
}

/* ---- who shares them ---- */

struct firsts {
    int (*ask)(void *arg, const char *name);
    void *arg;
    int rc;
};

static void first_ask(struct hnode *n, void *arg)
{
    const struct data *d = CONTAINER_OF(n, struct data, node);
    struct firsts *f = arg;
    char name[NAME_BYTES];

    if (!d->has_first || f->rc < 0)
        return;
    name_stripe(name, &d->id, 0);
    f->rc = f->ask(f->arg, name);
}

int verify_firsts(struct verify *v, int (*ask)(void *arg, const char *name), void *arg)
{
    struct firsts f = {ask, arg, 0};

    htable_each(&v->data, first_ask, &f);
    return f.rc;
}

int verify_refs(struct verify *v, struct bytes name, struct bytes value)
{
    struct refs refs;
    struct data *d;
    struct uuid id;
    char text[80];
    uint64_t no;

    if (stripe_parse(name, &id, &no) < 0 || refs_decode(value, &refs) < 0) {
        verify_found(v, "who refers to %s cannot be read", verify_key(name, text));
        return 0;
    }
    d = data_find(v, &id);
    if (!d || d->listed)
        return 0;
    d->name = mem_calloc(MAX(refs.count, 1u), sizeof(*d->name));
    if (!d->name)
        return -ENOMEM;
    d->listed = true;
    d->name_count = refs.count;
    for (uint32_t i = 0; i < refs.count; i++)
        memcpy(d->name[i].id.b, refs.ids + (size_t)i * UUID_BYTES, UUID_BYTES);
    return 0;
}

void verify_holds(struct verify *v, const struct stripes *first, const struct uuid *origin,
                  const struct uuid *version, bool must, struct bytes key)
{
    struct data *d = v->has_data ? data_find(v, &first->id) : NULL;
    char text[80], id[2 * UUID_BYTES + 1], who[2 * UUID_BYTES + 1];
    bool held;

    if (!d)
        return; /* what is missing is found elsewhere */
    held = !d->listed && uuid_equal(version, origin);
    for (uint32_t i = 0; i < d->name_count; i++)
        if (uuid_equal(&d->name[i].id, version))
            held = d->name[i].seen = true;
    uuid_text(&first->id, id);
    uuid_text(version, who);
    if (must && !held)
        verify_found(v, "%s (%s) is not among those for whom the data objects o.%s.* are kept",
                     verify_key(key, text), who, id);
}

/* ---- buckets ---- */

int verify_bucket(struct verify *v, struct bytes name, const struct uuid *id, bool live)
{
    snprintf(v->bucket, sizeof(v->bucket), "%.*s", (int)name.len, (const char *)name.data);
    v->id = *id;
    v->live = live;
    v->shard_count = v->map_count = 0;
    arena_fini(&v->arena);
    return 0;
}

static int bytes_keep(struct arena *arena, struct bytes b, struct bytes *out)
{
    uint8_t *copy = arena_dup(arena, b.len ? b.data : (const uint8_t *)"", b.len);

    *out = (struct bytes){copy, b.len};
    return copy ? 0 : -ENOMEM;
}

int verify_map_row(struct verify *v, struct bytes key, struct bytes value)
{
    char text[80];
    uint64_t no;
    int rc;

    if (key.len < 1 || map_row_decode(value, &no) < 0) {
        verify_found(v, "the map's row %s cannot be read", verify_key(key, text));
        return 0;
    }
    rc = verify_grow((void **)&v->map, v->map_count, &v->map_cap, sizeof(*v->map));
    if (rc == 0)
        rc = bytes_keep(&v->arena, (struct bytes){key.data + 1, key.len - 1},
                        &v->map[v->map_count].from);
    if (rc < 0)
        return rc;
    v->map[v->map_count++].no = no;
    return 0;
}

static const struct shard_row *shard_no(const struct verify *v, uint64_t no)
{
    for (uint32_t i = 0; i < v->shard_count; i++)
        if (v->shards[i].no == no)
            return &v->shards[i];
    return NULL;
}

/* From the first shard along `next`; a shard in a move may be anywhere by now. */
static void chain_check(struct verify *v)
{
    const struct shard_row *at = shard_no(v, 0);
    uint32_t seen = 1, open = 0;
    char text[80];

    for (uint32_t i = 0; i < v->shard_count; i++) {
        if (v->shards[i].move != MOVE_NONE)
            return;
        open += v->shards[i].state != SHARD_EMPTY;
    }
    if (!at) {
        verify_found(v, "its first index shard is missing");
        return;
    }
    if (at->from.len)
        verify_found(v, "its first index shard begins at %s", verify_key(at->from, text));
    for (; at->to.len && seen <= v->shard_count; seen++) {
        const struct shard_row *next = shard_no(v, at->next);

        if (!next || next->state == SHARD_EMPTY) {
            verify_found(v, "the index shard for keys from %s is missing",
                         verify_key(at->to, text));
            return;
        }
        if (!bytes_equal(next->from, at->to))
            verify_found(v, "index shard %llx does not begin where the one before it ends",
                         (unsigned long long)next->no);
        at = next;
    }
    if (seen != open)
        verify_found(v, "%u index shards are not reached from the first", open - MIN(seen, open));
}

/* A hint that leads nowhere, or none where the shard believes that there is one. */
static void map_check(struct verify *v)
{
    char text[80];

    for (uint32_t i = 0; i < v->map_count; i++)
        if (!shard_no(v, v->map[i].no))
            verify_found(v, "the map sends keys from %s to a shard that is not there",
                         verify_key(v->map[i].from, text));
    for (uint32_t i = 0; i < v->shard_count; i++) {
        const struct shard_row *s = &v->shards[i];
        bool there = false;

        if (s->mapped != MAPPED_FROM || s->state == SHARD_EMPTY)
            continue;
        for (uint32_t n = 0; n < v->map_count; n++)
            there |= v->map[n].no == s->no && bytes_equal(v->map[n].from, s->from);
        if (!there)
            verify_found(v, "the map does not have the shard that begins at \"%s\"",
                         verify_key(s->from, text));
    }
}

int verify_bucket_end(struct verify *v)
{
    if (v->live) {
        chain_check(v);
        map_check(v);
    }
    v->bucket[0] = 0;
    return 0;
}

int verify_shard(struct verify *v, struct bytes object, struct bytes shard, struct bytes count)
{
    struct shard_row *row;
    struct bytes raw;
    int rc = verify_grow((void **)&v->shards, v->shard_count, &v->shard_cap, sizeof(*v->shards));

    if (rc == 0)
        rc = bytes_keep(&v->arena, shard, &raw);
    if (rc < 0)
        return rc;
    v->n.shards++;
    snprintf(v->shard_name, sizeof(v->shard_name), "%.*s", (int)object.len,
             (const char *)object.data);
    v->fact_count = 0;
    v->counted = v->says = (struct shard_count){0};
    arena_fini(&v->rows);
    row = &v->shards[v->shard_count];
    v->shard_ok = shard_row_decode(raw, row) == 0 && uuid_equal(&row->bucket, &v->id);
    if (!v->shard_ok || shard_count_decode(count, &v->says) < 0) {
        v->shard_ok = false;
        verify_found(v, "the row or the counters of %s cannot be read", v->shard_name);
        return 0;
    }
    v->shard = *row;
    v->shard_count++;
    v->n.moving += row->move != MOVE_NONE;
    return 0;
}

int verify_shard_end(struct verify *v)
{
    if (!v->shard_ok)
        return 0;
    verify_facts(v);
    v->n.objects += v->counted.entries;
    v->n.bytes += v->counted.object_bytes;
    if (memcmp(&v->says, &v->counted, sizeof(v->says)) != 0)
        verify_found(v,
                     "%s counts %llu entries, %llu bytes of objects, %llu of rows; there are "
                     "%llu, %llu, %llu",
                     v->shard_name, (unsigned long long)v->says.entries,
                     (unsigned long long)v->says.object_bytes,
                     (unsigned long long)v->says.row_bytes, (unsigned long long)v->counted.entries,
                     (unsigned long long)v->counted.object_bytes,
                     (unsigned long long)v->counted.row_bytes);
    return 0;
}

/* ---- the end ---- */

static void data_check(struct hnode *n, void *arg)
{
    const struct data *d = CONTAINER_OF(n, struct data, node);
    char id[2 * UUID_BYTES + 1];

    uuid_text(&d->id, id);
    if (!d->referred)
        verify_found(arg, "nobody refers to the %llu data objects o.%s.*, %llu bytes",
                     (unsigned long long)d->count, id, (unsigned long long)d->bytes);
    for (uint32_t i = 0; i < d->name_count; i++) {
        char name[2 * UUID_BYTES + 1];

        uuid_text(&d->name[i].id, name);
        if (!d->name[i].seen)
            verify_found(arg, "the data objects o.%s.* are kept for %s, which is not there", id,
                         name);
    }
}

void verify_end(struct verify *v, bool whole)
{
    v->bucket[0] = 0;
    if (whole)
        htable_each(&v->data, data_check, v);
}

const struct verify_totals *verify_totals(const struct verify *v)
{
    return &v->n;
}

struct verify *verify_create(void (*found)(void *arg, const char *text), void *arg)
{
    struct verify *v = mem_zalloc(sizeof(*v));

    if (!v || htable_init(&v->data, 1024) < 0) {
        mem_free(v);
        return NULL;
    }
    v->found = found;
    v->arg = arg;
    arena_init(&v->arena);
    arena_init(&v->rows);
    return v;
}

void verify_destroy(struct verify *v)
{
    struct hnode *n;

    if (!v)
        return;
    while ((n = htable_any(&v->data))) {
        struct data *d = CONTAINER_OF(n, struct data, node);

        htable_remove(&v->data, n);
        mem_free(d->name);
        mem_free(d);
    }
    htable_fini(&v->data);
    arena_fini(&v->arena);
    arena_fini(&v->rows);
    mem_free(v->shards);
    mem_free(v->map);
    mem_free(v->fact);
    mem_free(v);
}
