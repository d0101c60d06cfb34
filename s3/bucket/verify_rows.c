/* verify_rows.c - the rows of one shard, held against each other.
 *
 * An entry: what is inline has a data row of its version and size; what is striped refers to its
 * data objects; what is of parts has a manifest of its version, whose sizes make the entry's.  If
 * it shares data objects, it is among those for whom they are kept.
 *
 * A data row belongs to an entry.  So does a manifest, or to the garbage row that will delete it,
 * or to the intent of a copy.
 *
 * A part belongs to an upload, or to the garbage row of one that was completed or given up.  A
 * result has the garbage row that ends it.
 *
 * Intents and garbage may refer to what was never written, or is deleted already.
 *
 * Rows outside the shard's range are a finding, unless it is in a move.  Then those on their way
 * here may be copies, or the only ones (after the flip): nothing is asked of them, but what they
 * refer to is referred to. */
#include <stdio.h>

#include "s3/bucket/verify_int.h"

enum { FACT_TEXT = 80 + 2 * UUID_BYTES + 4 };

static struct bytes key_of(struct bytes k)
{
    const uint8_t *nul = memchr(k.data, 0, k.len);

    return (struct bytes){k.data + 1, (uint32_t)(nul ? nul - k.data : (long)k.len) - 1};
}

static bool between(struct bytes key, struct bytes from, struct bytes to)
{
    return bytes_compare(from, key) <= 0 && (!to.len || bytes_compare(key, to) < 0);
}

static bool own(const struct shard_row *s, struct bytes key)
{
    return s->state != SHARD_EMPTY && between(key, s->from, s->to);
}

static bool coming(const struct shard_row *s, struct bytes key)
{
    return s->move == MOVE_IN && between(key, s->m.lo, s->m.hi);
}

static int entry_fact(struct verify *v, struct bytes k, struct bytes value, struct fact *f)
{
    struct entry_row e;
    struct shard_count n;
    int rc = entry_row_decode(value, &e);

    if (rc < 0)
        return rc;
    if (!f->coming) {
        n = entry_count(k.len - 1, value.len, &e);
        v->counted.entries += n.entries;
        v->counted.object_bytes += n.object_bytes;
        v->counted.row_bytes += n.row_bytes;
    }
    f->kind = e.place;
    f->id = e.version;
    f->size = e.size;
    f->stripes = (struct stripes){e.origin, e.size, e.stripe};
    f->origin = e.origin;
    return 0;
}

static int manifest_fact(struct verify *v, struct bytes k, struct bytes value, struct fact *f)
{
    struct stripes *rows;
    struct bytes key;
    uint32_t count = 0;
    struct fact *part;
    int rc = row_key_parse(k, &key, &f->id);

    if (rc == 0)
        rc = manifest_decode(value, &v->rows, &rows, &count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        f->size += rows[i].size;
        rc = verify_grow((void **)&v->fact, v->fact_count, &v->fact_cap, sizeof(*v->fact));
        if (rc == 0) { /* one fact for each part of it, in front of the manifest's own */
            part = &v->fact[v->fact_count++];
            *part = *f;
            part->kind = 1;
            part->stripes = rows[i];
        }
    }
    return rc;
}

static int garbage_fact(struct bytes k, struct bytes value, struct fact *f)
{
    struct garbage_row g;
    struct bytes key;
    int rc = row_key_garbage_parse(k, &key, &f->id);

    if (rc == 0)
        rc = garbage_row_decode(value, &g);
    if (rc < 0)
        return rc;
    f->kind = g.kind;
    f->stripes = g.stripes;
    f->origin = g.kind == GARBAGE_STRIPES ? g.stripes.id : g.origin;
    return 0;
}

static int part_fact(struct bytes k, struct bytes value, struct fact *f)
{
    struct part_row p;
    struct bytes key;
    uint32_t number;
    int rc = row_key_part_parse(k, &key, &f->id, &number);

    if (rc == 0)
        rc = part_row_decode(value, &p);
    if (rc == 0)
        f->stripes = p.stripes;
    return rc;
}

static int fact_fill(struct verify *v, struct bytes k, struct bytes value, struct fact *f)
{
    struct intent_row intent;
    struct upload_row upload;
    struct result_row result;
    struct bytes key, data;
    int rc;

    switch (k.data[0]) {
    case ROW_ENTRY:
        return entry_fact(v, k, value, f);
    case ROW_MANIFEST:
        return manifest_fact(v, k, value, f);
    case ROW_GARBAGE:
        return garbage_fact(k, value, f);
    case ROW_PART:
        return part_fact(k, value, f);
    case ROW_DATA:
        rc = inline_row_decode(value, &f->id, &data);
        f->size = rc == 0 ? data.len : 0;
        return rc;
    case ROW_INTENT:
        rc = row_key_parse(k, &key, &f->id);
        if (rc == 0)
            rc = intent_row_decode(value, &intent);
        if (rc < 0)
            return rc;
        f->kind = intent.kind;
        f->stripes = intent.stripes;
        f->origin = intent.kind == GARBAGE_STRIPES ? intent.stripes.id : intent.origin;
        return 0;
    case ROW_UPLOAD:
        rc = row_key_parse(k, &key, &f->id);
        return rc < 0 ? rc : upload_row_decode(value, &upload);
    case ROW_RESULT:
        rc = row_key_parse(k, &key, &f->id);
        return rc < 0 ? rc : result_row_decode(value, &result);
    default:
        return -R_MALFORMED;
    }
}

int verify_row(struct verify *v, struct bytes k, struct bytes value)
{
    struct bytes key = key_of(k);
    struct fact f = {.letter = k.data[0]};
    char text[80];
    int rc;

    v->n.rows++;
    if (!v->shard_ok)
        return 0;
    f.coming = coming(&v->shard, key);
    if (!f.coming && !own(&v->shard, key)) {
        if (v->shard.move == MOVE_NONE)
            verify_found(v, "%s has the row %c of %s, which is not in its range", v->shard_name,
                         k.data[0], verify_key(key, text));
        return 0;
    }
    f.key = (struct bytes){arena_dup(&v->rows, key.len ? key.data : k.data, key.len), key.len};
    if (!f.key.data)
        return -ENOMEM;
    rc = fact_fill(v, k, value, &f);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0) {
        verify_found(v, "the row %c of %s cannot be read", k.data[0], verify_key(key, text));
        return 0;
    }
    rc = verify_grow((void **)&v->fact, v->fact_count, &v->fact_cap, sizeof(*v->fact));
    if (rc == 0)
        v->fact[v->fact_count++] = f;
    return rc;
}

/* ---- held against each other ---- */

static int fact_compare(const struct fact *f, uint8_t letter, struct bytes key)
{
    return f->letter != letter ? (f->letter < letter ? -1 : 1) : bytes_compare(f->key, key);
}

/* Rows came by letter, then by key: the first of this letter and key. */
static const struct fact *first_of(const struct verify *v, uint8_t letter, struct bytes key)
{
    uint32_t lo = 0, hi = v->fact_count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (fact_compare(&v->fact[mid], letter, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return &v->fact[lo];
}

/* The one with this id; and this kind, unless it is 0. */
static const struct fact *find(const struct verify *v, uint8_t letter, struct bytes key,
                               const struct uuid *id, uint8_t kind)
{
    const struct fact *end = v->fact + v->fact_count;

    for (const struct fact *f = first_of(v, letter, key);
         f < end && fact_compare(f, letter, key) == 0; f++)
        if (uuid_equal(&f->id, id) && (!kind || f->kind == kind))
            return f;
    return NULL;
}

/* The stripes of the first part of a version, or NULL. */
static const struct stripes *first_part(const struct verify *v, struct bytes key,
                                        const struct uuid *id)
{
    const struct fact *end = v->fact + v->fact_count;

    for (const struct fact *f = first_of(v, ROW_MANIFEST, key);
         f < end && fact_compare(f, ROW_MANIFEST, key) == 0; f++)
        if (uuid_equal(&f->id, id) && f->kind == 1)
            return &f->stripes;
    return NULL;
}

static void holder_check(struct verify *v, const struct fact *f, bool manifest, bool must)
{
    const struct stripes *first = manifest ? first_part(v, f->key, &f->id) : &f->stripes;

    if (first)
        verify_holds(v, first, &f->origin, &f->id, must, f->key);
}

/* The key, and which version or upload of it: a key may have another one in the next pass, with
 * which something else is wrong, or seems so. */
static const char *fact_text(const struct fact *f, char out[FACT_TEXT])
{
    char key[80], id[2 * UUID_BYTES + 1];

    uuid_text(&f->id, id);
    snprintf(out, FACT_TEXT, "%s (%s)", verify_key(f->key, key), id);
    return out;
}

static void entry_check(struct verify *v, const struct fact *e)
{
    const struct fact *d = find(v, ROW_DATA, e->key, &e->id, 0), *m = NULL;
    const struct fact *end = v->fact + v->fact_count;
    char text[FACT_TEXT];

    if (e->kind != ENTRY_INLINE)
        holder_check(v, e, e->kind == ENTRY_MANIFEST, true);
    if (e->kind == ENTRY_STRIPES) {
        verify_refer(v, &e->stripes, true, "the object", e->key);
    } else if (e->kind == ENTRY_INLINE) {
        if (!d || d->size != e->size)
            verify_found(v, "the data of %s, which lies in the index, is missing",
                         fact_text(e, text));
    } else {
        for (const struct fact *f = first_of(v, ROW_MANIFEST, e->key);
             f < end && fact_compare(f, ROW_MANIFEST, e->key) == 0; f++)
            if (uuid_equal(&f->id, &e->id) && f->kind == 0)
                m = f;
        if (!m || m->size != e->size)
            verify_found(v, "the list of parts of %s is %s", fact_text(e, text),
                         m ? "of another size" : "missing");
    }
}

/* In use by it, or by the row that it is a copy of. */
static void coming_check(struct verify *v, const struct fact *f)
{
    verify_refer(v, &f->stripes, false, "", f->key);
    if (f->letter == ROW_ENTRY && f->kind != ENTRY_INLINE)
        holder_check(v, f, f->kind == ENTRY_MANIFEST, false);
    else if (f->letter == ROW_INTENT || (f->letter == ROW_GARBAGE && f->kind <= GARBAGE_MANIFEST))
        holder_check(v, f, f->kind == GARBAGE_MANIFEST, false);
}

static void fact_check(struct verify *v, const struct fact *f)
{
    char text[FACT_TEXT];

    switch (f->letter) {
    case ROW_ENTRY:
        entry_check(v, f);
        break;
    case ROW_DATA:
        if (!find(v, ROW_ENTRY, f->key, &f->id, ENTRY_INLINE))
            verify_found(v, "data of %s in the index that is not its object's", fact_text(f, text));
        break;
    case ROW_MANIFEST:
        if (f->kind == 1)
            verify_refer(v, &f->stripes, find(v, ROW_ENTRY, f->key, &f->id, ENTRY_MANIFEST),
                         "a part", f->key);
        else if (!find(v, ROW_ENTRY, f->key, &f->id, ENTRY_MANIFEST) &&
                 !find(v, ROW_GARBAGE, f->key, &f->id, GARBAGE_MANIFEST) &&
                 !find(v, ROW_INTENT, f->key, &f->id, GARBAGE_MANIFEST))
            verify_found(v, "a list of parts of %s that is not its object's", fact_text(f, text));
        break;
    case ROW_PART:
        verify_refer(v, &f->stripes, find(v, ROW_UPLOAD, f->key, &f->id, 0), "an uploaded part",
                     f->key);
        if (!find(v, ROW_UPLOAD, f->key, &f->id, 0) &&
            !find(v, ROW_GARBAGE, f->key, &f->id, GARBAGE_PARTS))
            verify_found(v, "a part of %s that belongs to no upload", fact_text(f, text));
        break;
    case ROW_RESULT:
        if (!find(v, ROW_GARBAGE, f->key, &f->id, GARBAGE_RESULT))
            verify_found(v, "the result of an upload of %s is kept for ever", fact_text(f, text));
        break;
    case ROW_GARBAGE:
        if (f->kind == GARBAGE_STRIPES)
            verify_refer(v, &f->stripes, false, "garbage", f->key);
        if (f->kind <= GARBAGE_MANIFEST)
            holder_check(v, f, f->kind == GARBAGE_MANIFEST, false);
        break;
    case ROW_INTENT:
        verify_refer(v, &f->stripes, false, "an intent", f->key);
        holder_check(v, f, f->kind == GARBAGE_MANIFEST, false);
        break;
    default:
        break;
    }
}

void verify_facts(struct verify *v)
{
    for (uint32_t i = 0; i < v->fact_count; i++)
        if (v->fact[i].coming)
            coming_check(v, &v->fact[i]);
        else
            fact_check(v, &v->fact[i]);
}
