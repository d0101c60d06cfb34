/* audit.c - holds what lies in the data pool against what the index refers to. */
#include <stdio.h>

#include "s3/bucket/refs.h"
#include "s3/bucket/shard_move.h"
#include "tests/unit/s3/bucket/stage.h"

struct audit {
    struct stage *st;
    struct shard_row shard; /* of the object at hand */
    bool has_more;          /* its copies are its own: the source has given them away */
    enum { NOBODY, SOMEBODY, AN_OBJECT } * referred; /* to each data object */
    unsigned faults, intents, garbage, shards;
};

static void fault(struct audit *x, const char *what)
{
    printf("audit: %s\n", what);
    x->faults++;
}

/* The list that the first of these data objects carries; false: none. */
static bool refs_at(struct audit *x, const struct stripes *s, struct refs *out_refs)
{
    const struct fake_object *o;
    const struct fake_row *r;
    char name[NAME_BYTES];

    name_stripe(name, &s->id, 0);
    o = fake_find(&x->st->fake, FAKE_DATA, name);
    r = o ? fake_row_find(&o->xattrs, REFS_XATTR, strlen(REFS_XATTR)) : NULL;
    if (!r)
        return false;
    if (refs_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, out_refs) < 0)
        fault(x, "a list of references cannot be read");
    return true;
}

/* An object that shares its data stands in the list of those who do. */
static bool shared(struct audit *x, const struct entry_row *e, const struct stripes *first)
{
    struct refs refs = {0};
    bool any = refs_at(x, first, &refs);

    if (any ? !refs_have(&refs, &e->version) : !uuid_equal(&e->version, &e->origin))
        fault(x, "an entry is not among those who refer to its data");
    return any;
}

/* `own`: and nobody else does. */
static void refer(struct audit *x, const struct stripes *s, bool must_exist, bool own,
                  const char *by)
{
    struct fake *f = &x->st->fake;

    for (uint64_t n = 0; n < stripes_count(s); n++) {
        char name[NAME_BYTES];
        struct fake_object *o;
        uint64_t want = MIN((uint64_t)s->stripe, s->size - n * s->stripe);

        name_stripe(name, &s->id, n);
        o = fake_find(f, FAKE_DATA, name);
        if (must_exist && (!o || o->bytes != want)) {
            printf("audit: %s: %s is %s\n", by, name, o ? "of another length" : "missing");
            x->faults++;
        }
        for (size_t i = 0; o && i < f->count[FAKE_DATA]; i++)
            if (f->object[FAKE_DATA][i] == o) {
                if (must_exist && own && x->referred[i] == AN_OBJECT) {
                    printf("audit: %s: %s is referred to twice\n", by, name);
                    x->faults++;
                }
                x->referred[i] = MAX(x->referred[i], must_exist ? AN_OBJECT : SOMEBODY);
            }
    }
}

static void entry_audit(struct audit *x, const struct fake_object *o, const struct fake_row *r)
{
    struct bytes value = {r->value, (uint32_t)r->value_bytes}, data;
    struct entry_row e;
    struct row_key k;
    const struct fake_row *m;
    struct uuid version;
    struct stripes one;

    if (entry_row_decode(value, &e) < 0) {
        fault(x, "an entry cannot be read");
        return;
    }
    row_key_named(&k, ROW_DATA, (struct bytes){r->key + 1, (uint32_t)r->key_bytes - 1});
    m = fake_row_find(&o->omap, k.b, k.len);
    if ((e.place == ENTRY_INLINE) != !!m)
        fault(x, "an entry and its data row do not agree");
    if (e.place == ENTRY_INLINE && m &&
        (inline_row_decode((struct bytes){m->value, (uint32_t)m->value_bytes}, &version, &data) <
             0 ||
         !uuid_equal(&version, &e.version) || data.len != e.size))
        fault(x, "a data row is not its entry's");
    if (e.place == ENTRY_STRIPES) {
        one = (struct stripes){e.origin, e.size, e.stripe};
        refer(x, &one, true, !shared(x, &e, &one), "entry");
    }
    row_key_of(&k, ROW_MANIFEST, (struct bytes){r->key + 1, (uint32_t)r->key_bytes - 1},
               &e.version);
    if (e.place == ENTRY_MANIFEST && !fake_row_find(&o->omap, k.b, k.len))
        fault(x, "an entry's manifest is missing");
}

/* A manifest belongs to an entry, or to an intent, or to a garbage row that may be half worked off.
 */
static bool has_entry(const struct fake_object *o, const struct uuid *version,
                      struct entry_row *out_entry)
{
    for (size_t i = 0; i < o->omap.count; i++) {
        const struct fake_row *r = &o->omap.row[i];

        if (r->key[0] == ROW_ENTRY &&
            entry_row_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, out_entry) == 0 &&
            uuid_equal(&out_entry->version, version))
            return true;
    }
    return false;
}

/* The version, upload or part that a row is of; false: of none. */
static bool row_id(const struct fake_row *r, struct uuid *out_id)
{
    struct bytes k = {r->key, (uint32_t)r->key_bytes}, key;
    struct entry_row e;

    switch (r->key[0]) {
    case ROW_ENTRY:
        if (entry_row_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, &e) < 0)
            return false;
        *out_id = e.version;
        return true;
    case ROW_GARBAGE:
        return row_key_garbage_parse(k, &key, out_id) == 0;
    case ROW_INTENT:
        return row_key_parse(k, &key, out_id) == 0;
    default:
        return false;
    }
}

static bool lives(struct audit *x, const struct uuid *version)
{
    struct fake *f = &x->st->fake;
    struct uuid id;

    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++)
        for (size_t n = 0; n < f->object[FAKE_INDEX][i]->omap.count; n++)
            if (strncmp(f->object[FAKE_INDEX][i]->name, "shard.", 6) == 0 &&
                row_id(&f->object[FAKE_INDEX][i]->omap.row[n], &id) && uuid_equal(&id, version))
                return true;
    return false;
}

/* Each name in a list is of somebody who will leave it. */
static void refs_audit(struct audit *x, const char *object)
{
    struct stripes s = {.size = 1, .stripe = 1};
    struct refs refs = {0};
    struct uuid id;

    if (uuid_parse((struct bytes){(const uint8_t *)object + 2, 2 * UUID_BYTES}, &s.id) < 0 ||
        strcmp(object + 2 + 2 * UUID_BYTES, ".0") != 0 || !refs_at(x, &s, &refs))
        return;
    for (uint32_t i = 0; i < refs.count; i++) {
        memcpy(id.b, refs.ids + i * UUID_BYTES, UUID_BYTES);
        if (!lives(x, &id))
            fault(x, "a list of references names somebody who is not there");
    }
}

static void manifest_audit(struct audit *x, const struct fake_object *o, const struct fake_row *r)
{
    struct stripes *rows;
    struct arena arena;
    struct uuid version;
    struct entry_row e;
    struct bytes key;
    uint32_t n;
    bool linked, own;

    arena_init(&arena);
    if (row_key_parse((struct bytes){r->key, (uint32_t)r->key_bytes}, &key, &version) < 0 ||
        manifest_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, &arena, &rows, &n) < 0)
        fault(x, "a manifest cannot be read");
    else {
        linked = has_entry(o, &version, &e);
        own = linked && !shared(x, &e, &rows[0]); /* the first of several parts is not empty */
        for (uint32_t i = 0; i < n; i++)
            refer(x, &rows[i], linked, own, "manifest");
    }
    arena_fini(&arena);
}

/* The row of a shard, from whatever its object holds. */
static bool shard_row_of(const struct fake_object *o, struct shard_row *out_row)
{
    const struct fake_row *r = o ? fake_row_find(&o->xattrs, "shard", 5) : NULL;

    return r && shard_row_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, out_row) == 0;
}

static bool shard_row_at(struct audit *x, const struct uuid *bucket, uint64_t no,
                         struct shard_row *out_row)
{
    char name[NAME_BYTES];

    name_shard(name, bucket, no);
    return shard_row_of(fake_find(&x->st->fake, FAKE_INDEX, name), out_row);
}

static bool between(struct bytes key, struct bytes from, struct bytes to)
{
    return bytes_compare(from, key) <= 0 && (!to.len || bytes_compare(key, to) < 0);
}

/* Is it the shard's own, not a copy on its way? */
static bool own_row(const struct audit *x, const struct fake_row *r, bool adopted)
{
    const struct shard_row *s = &x->shard;
    const uint8_t *nul = memchr(r->key, 0, r->key_bytes);
    struct bytes key = {r->key + 1, (uint32_t)(nul ? nul - r->key : (long)r->key_bytes) - 1};

    return (s->state != SHARD_EMPTY && between(key, s->from, s->to)) ||
           (adopted && x->has_more && between(key, s->m.lo, s->m.hi));
}

static void shard_audit(struct audit *x, const struct fake_object *o)
{
    struct shard_row peer;

    x->has_more = false;
    if (!shard_row_of(o, &x->shard)) {
        fault(x, "a shard's row cannot be read");
        return;
    }
    if (x->shard.move == MOVE_IN && shard_row_at(x, &x->shard.bucket, x->shard.m.peer, &peer))
        x->has_more = peer.move == MOVE_GIVEN && uuid_equal(&peer.m.token, &x->shard.m.token);
    if (x->has_more && !x->shard.m.complete)
        fault(x, "rows were given to a shard that does not have them");
    for (size_t i = 0; i < o->omap.count && x->shard.move == MOVE_NONE; i++)
        if (!own_row(x, &o->omap.row[i], false)) {
            fault(x, "a row lies in a shard that is not its own");
            return;
        }
}

/* From the first shard to the last: each begins where the one before ends, none is left out. */
static void chain_audit(struct audit *x, const struct uuid *bucket)
{
    struct fake *f = &x->st->fake;
    struct shard_row at;
    unsigned found = 0, open = 0;

    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++) {
        struct fake_object *o = f->object[FAKE_INDEX][i];

        if (strncmp(o->name, "shard.", 6) != 0 || !shard_row_of(o, &at) ||
            !uuid_equal(&at.bucket, bucket))
            continue;
        if (at.move != MOVE_NONE)
            return; /* not now */
        open += at.state != SHARD_EMPTY;
    }
    if (!shard_row_at(x, bucket, 0, &at))
        return; /* of a bucket that goes */
    for (found = 1; at.to.len; found++) {
        struct shard_row next;

        if (!shard_row_at(x, bucket, at.next, &next))
            return; /* likewise */
        if (!bytes_equal(next.from, at.to))
            fault(x, "a shard does not begin where the one before it ends");
        at = next;
    }
    if (found != open)
        fault(x, "a shard is not reached from the first");
}

static void row_audit(struct audit *x, const struct fake_object *o, const struct fake_row *r)
{
    struct bytes value = {r->value, (uint32_t)r->value_bytes};
    struct garbage_row g;
    struct intent_row i;
    struct part_row p;
    struct row_key k;

    switch (r->key[0]) {
    case ROW_ENTRY:
        entry_audit(x, o, r);
        break;
    case ROW_MANIFEST:
        manifest_audit(x, o, r);
        break;
    case ROW_PART: /* of an upload, or left over by its completion: then the manifest refers, too */
        if (part_row_decode(value, &p) == 0)
            refer(x, &p.stripes, false, true, "part");
        break;
    case ROW_GARBAGE:
        x->garbage++;
        if (garbage_row_decode(value, &g) < 0)
            fault(x, "a garbage row cannot be read");
        else if (g.kind == GARBAGE_STRIPES)
            refer(x, &g.stripes, false, true, "garbage");
        break;
    case ROW_INTENT:
        x->intents++;
        if (intent_row_decode(value, &i) < 0)
            fault(x, "an intent cannot be read");
        else if (i.kind == GARBAGE_STRIPES)
            refer(x, &i.stripes, false, true, "intent");
        break;
    case ROW_DATA:
        row_key_named(&k, ROW_ENTRY, (struct bytes){r->key + 1, (uint32_t)r->key_bytes - 1});
        if (!fake_row_find(&o->omap, k.b, k.len))
            fault(x, "a data row has no entry");
        break;
    default:
        break;
    }
}

/* Rows of the shard, and what it counts: the same? */
static void count_audit(struct audit *x, const struct fake_object *o)
{
    const struct fake_row *have = fake_row_find(&o->xattrs, "count", 5);
    struct shard_count want = {0}, got;

    for (size_t i = 0; i < o->omap.count; i++) {
        const struct fake_row *r = &o->omap.row[i];
        struct entry_row e, linked;
        struct shard_count n;

        if (!own_row(x, r, false))
            continue;
        if (r->key[0] == ROW_MANIFEST) {
            struct row_key k = {.len = (uint32_t)r->key_bytes};
            struct bytes key;
            struct uuid id;

            memcpy(k.b, r->key, r->key_bytes);
            if (row_key_parse((struct bytes){k.b, k.len}, &key, &id) == 0 &&
                has_entry(o, &id, &linked))
                want.row_bytes += r->key_bytes + r->value_bytes;
        }
        if (r->key[0] == ROW_DATA)
            want.row_bytes += r->key_bytes + r->value_bytes;
        if (r->key[0] != ROW_ENTRY ||
            entry_row_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, &e) < 0)
            continue;
        n = entry_count((uint32_t)r->key_bytes - 1, (uint32_t)r->value_bytes, &e);
        want.entries += n.entries;
        want.object_bytes += n.object_bytes;
        want.row_bytes += r->key_bytes + r->value_bytes;
    }
    if (!have ||
        shard_count_decode((struct bytes){have->value, (uint32_t)have->value_bytes}, &got) < 0)
        fault(x, "a shard has no counters");
    else if (memcmp(&want, &got, sizeof(want)) != 0)
        fault(x, "a shard does not count its rows");
}

unsigned stage_audit(struct stage *st, unsigned *out_intents, unsigned *out_garbage,
                     unsigned *out_shards)
{
    struct fake *f = &st->fake;
    struct audit x = {.st = st};

    x.referred = calloc(f->count[FAKE_DATA] + 1, sizeof(*x.referred));
    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++) {
        struct fake_object *o = f->object[FAKE_INDEX][i];

        if (strncmp(o->name, "shard.", 6) != 0)
            continue;
        x.shards++;
        shard_audit(&x, o);
        if (x.shard.no == 0)
            chain_audit(&x, &x.shard.bucket);
        count_audit(&x, o);
        for (size_t n = 0; n < o->omap.count; n++)
            if (own_row(&x, &o->omap.row[n], true))
                row_audit(&x, o, &o->omap.row[n]);
    }
    for (size_t i = 0; i < f->count[FAKE_DATA]; i++)
        refs_audit(&x, f->object[FAKE_DATA][i]->name);
    for (size_t i = 0; i < f->count[FAKE_DATA]; i++)
        if (x.referred[i] == NOBODY) {
            printf("audit: nobody refers to %s\n", f->object[FAKE_DATA][i]->name);
            x.faults++;
        }
    free(x.referred);
    if (out_intents)
        *out_intents = x.intents;
    if (out_garbage)
        *out_garbage = x.garbage;
    if (out_shards)
        *out_shards = x.shards;
    return x.faults;
}
