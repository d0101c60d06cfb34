/* model.c - objects as plain state; their bytes in counted blocks, since a search copies states a
 * lot. */
#include "tests/sim/model.h"

#include "core/base/hash.h"

struct model_block {
    uint32_t refs;
    uint64_t hash;
    uint8_t data[MODEL_BLOCK];
};

/* --- bytes ------------------------------------------------------------------------------------ */

static void block_unref(struct model_block *b)
{
    if (b && --b->refs == 0)
        mem_free(b);
}

/* Put `bytes` at `at` of block `n`, from `data` or (NULL) zeros. */
static void block_put(struct model *m, uint64_t n, size_t at, const uint8_t *data, size_t bytes)
{
    static const uint8_t zeros[MODEL_BLOCK];
    struct model_block *old = m->block[n], *b;

    if (!old && !data)
        return;
    b = mem_zalloc(sizeof(*b));
    ASSERT(b);
    if (old)
        memcpy(b->data, old->data, MODEL_BLOCK);
    memcpy(b->data + at, data ? data : zeros, bytes);
    block_unref(old);
    if (memcmp(b->data, zeros, MODEL_BLOCK) == 0) {
        mem_free(b);
        m->block[n] = NULL;
        return;
    }
    b->refs = 1;
    b->hash = hash64(n, b->data, MODEL_BLOCK);
    m->block[n] = b;
}

static void bytes_put(struct model *m, uint64_t off, const uint8_t *data, uint64_t bytes)
{
    while (bytes) {
        size_t at = off % MODEL_BLOCK, n = MIN(bytes, (uint64_t)MODEL_BLOCK - at);

        block_put(m, off / MODEL_BLOCK, at, data, n);
        off += n;
        bytes -= n;
        data = data ? data + n : NULL;
    }
}

static void bytes_get(const struct model *m, uint64_t off, uint8_t *out, uint64_t bytes)
{
    while (bytes) {
        size_t at = off % MODEL_BLOCK, n = MIN(bytes, (uint64_t)MODEL_BLOCK - at);
        const struct model_block *b = m->block[off / MODEL_BLOCK];

        if (b)
            memcpy(out, b->data + at, n);
        else
            memset(out, 0, n);
        off += n;
        bytes -= n;
        out += n;
    }
}

static void write_tag(struct model *m, uint64_t off, uint32_t tag, uint64_t bytes)
{
    uint8_t chunk[MODEL_BLOCK];

    ASSERT(off + bytes <= HOT_BYTES_MAX);
    for (uint64_t done = 0; done < bytes;) {
        size_t n = MIN(bytes - done, (uint64_t)MODEL_BLOCK - (off + done) % MODEL_BLOCK);

        tag_fill(tag, done, chunk, n);
        bytes_put(m, off + done, chunk, n);
        done += n;
    }
    m->size = MAX(m->size, off + bytes);
}

static void resize(struct model *m, uint64_t size)
{
    ASSERT(size <= HOT_BYTES_MAX);
    if (size < m->size)
        bytes_put(m, size, NULL, m->size - size);
    m->size = size;
}

/* --- states ----------------------------------------------------------------------------------- */

void model_init(struct model *m)
{
    *m = (struct model){.version_known = true};
}

void model_fini(struct model *m)
{
    for (unsigned i = 0; i < MODEL_BLOCKS; i++)
        block_unref(m->block[i]);
    model_init(m);
}

void model_copy(struct model *to, const struct model *from)
{
    *to = *from;
    for (unsigned i = 0; i < MODEL_BLOCKS; i++)
        if (to->block[i])
            to->block[i]->refs++;
}

uint64_t model_hash(const struct model *m)
{
    uint64_t words[8 + MODEL_BLOCKS] = {m->exists,
                                        m->version_known,
                                        m->size,
                                        m->version_known ? m->version.epoch.v : 0,
                                        m->version_known ? m->version.seq : 0,
                                        m->floor.epoch.v,
                                        m->floor.seq};

    for (unsigned i = 0; i < MODEL_BLOCKS; i++)
        words[8 + i] = m->block[i] ? m->block[i]->hash : 0;
    return hash64(hash64(hash64(1, m->xattr, sizeof(m->xattr)), m->omap, sizeof(m->omap)), words,
                  sizeof(words));
}

void model_print(FILE *f, const struct model *m)
{
    uint32_t last = 0;

    fprintf(f, "  state: %s, %llu bytes", m->exists ? "exists" : "absent",
            (unsigned long long)m->size);
    if (m->version_known)
        fprintf(f, ", version %u'%llu", m->version.epoch.v, (unsigned long long)m->version.seq);
    else
        fprintf(f, ", version above %u'%llu", m->floor.epoch.v, (unsigned long long)m->floor.seq);
    for (uint64_t at = 0; at + 8 <= m->size; at += 8) {
        uint8_t word[4];
        uint32_t tag;

        bytes_get(m, at, word, 4);
        tag = (uint32_t)word[0] | (uint32_t)word[1] << 8 | (uint32_t)word[2] << 16;
        if (tag != last)
            fprintf(f, " @%llu:%x", (unsigned long long)at, tag);
        last = tag;
    }
    fprintf(f, "\n  xattrs:");
    for (uint32_t i = 0; i < HOT_XATTRS; i++)
        if (m->xattr[i])
            fprintf(f, " %u:%x", i, m->xattr[i]);
    fprintf(f, "  omap:");
    for (uint32_t i = 0; i < HOT_KEYS; i++)
        if (m->omap[i])
            fprintf(f, " %u:%x", i, m->omap[i]);
    fprintf(f, "\n");
}

/* The version is `v`: does that fit with what is known?  Learns it. */
static bool learn(struct model *m, struct version v)
{
    if (m->version_known)
        return version_eq(m->version, v);
    if (!version_lt(m->floor, v))
        return false;
    m->version = m->floor = v;
    m->version_known = true;
    return true;
}

/* --- guards ----------------------------------------------------------------------------------- */

static bool compare(const struct hstep *st, uint32_t have)
{
    uint8_t a[VALUE_BYTES_MAX], b[VALUE_BYTES_MAX];
    size_t an, bn;
    int order;

    if (st->cmp == CMP_ABSENT || st->cmp == CMP_PRESENT)
        return (st->cmp == CMP_PRESENT) == (have != TAG_NONE);
    if (have == TAG_NONE)
        return st->cmp == CMP_NE;
    an = tag_value(have, a);
    bn = tag_value(st->tag, b);
    order = memcmp(a, b, MIN(an, bn));
    if (order == 0)
        order = an < bn ? -1 : an > bn;
    switch (st->cmp) {
    case CMP_EQ:
        return order == 0;
    case CMP_NE:
        return order != 0;
    case CMP_LT:
        return order < 0;
    case CMP_LE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* A comparison that fails tells what there is. */
static const char *told_value(const struct hstep *st, uint32_t have)
{
    if (have == TAG_NONE)
        return st->data_bytes ? "a failed guard showed a value that is not there" : NULL;
    return tag_of_value(st->data, st->data_bytes) == have ? NULL
                                                          : "a failed guard showed another value";
}

/* Can the version guard come out as `holds`? */
static bool version_guard(struct model *m, struct version want, bool holds)
{
    if (holds)
        return learn(m, want);
    return !m->version_known || !version_eq(m->version, want);
}

/* --- reads ------------------------------------------------------------------------------------ */

static const char *read_data(const struct model *m, const struct hstep *st)
{
    uint64_t end = st->len ? MIN(m->size, st->off + st->len) : m->size;
    uint64_t want = st->off < end ? end - st->off : 0;
    uint8_t chunk[MODEL_BLOCK];

    if (st->data_bytes != want)
        return "a read of another length";
    for (uint64_t at = 0; at < want;) {
        uint64_t n = MIN(want - at, (uint64_t)MODEL_BLOCK);

        bytes_get(m, st->off + at, chunk, n);
        if (memcmp(chunk, st->data + at, n) != 0)
            return "a read of other bytes";
        at += n;
    }
    return NULL;
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Extents may name zeros, but leave out no byte that is not zero. */
static const char *read_extents(const struct model *m, const struct hstep *st)
{
    uint64_t end = st->len ? MIN(m->size, st->off + st->len) : m->size, at = st->off;
    uint8_t chunk[MODEL_BLOCK];

    if (st->data_bytes % 16)
        return "extents that are no rows";
    for (size_t row = 0; row <= st->data_bytes / 16; row++) {
        bool last = row == st->data_bytes / 16;
        uint64_t from = last ? MAX(end, at) : word_at(st->data + row * 16);
        uint64_t len = last ? 0 : word_at(st->data + row * 16 + 8);

        if (from < at || (!last && (len == 0 || from + len > end)))
            return "extents out of order or range";
        while (at < from) { /* the hole before it */
            uint64_t n = MIN(from - at, (uint64_t)MODEL_BLOCK);

            bytes_get(m, at, chunk, n);
            for (uint64_t i = 0; i < n; i++)
                if (chunk[i])
                    return "extents leave out data";
            at += n;
        }
        at = from + len;
    }
    return NULL;
}

/* Rows come in order from the first.  They may end early, but then say so, and are not none. */
static const char *pairs_equal(const struct hstep *st, const uint32_t *have, uint32_t from,
                               uint32_t to, uint32_t rows_max)
{
    uint32_t n = 0;

    for (uint32_t k = from; k < to; k++) {
        if (have[k] == TAG_NONE)
            continue;
        if (n == st->result_count)
            return st->more && n > 0 ? NULL : "rows are missing";
        if (st->pairs[n].key != k || st->pairs[n].tag != have[k])
            return "other rows";
        n++;
    }
    return n == st->result_count && n <= rows_max ? NULL : "rows that are not there";
}

static const char *read_keys(const struct model *m, const struct hstep *st)
{
    uint32_t have[HOT_KEYS] = {0};

    for (uint32_t i = 0; i < st->pair_count; i++)
        have[st->pair[i].key] = m->omap[st->pair[i].key];
    return pairs_equal(st, have, 0, HOT_KEYS, HOT_KEYS + 1);
}

static const char *read_stat(struct model *m, const struct hstep *st)
{
    if (st->size != m->size)
        return "another size";
    return learn(m, st->seen) ? NULL : "another version";
}

static const char *read_result(struct model *m, const struct hstep *st)
{
    switch (st->kind) {
    case STEP_READ:
        return read_data(m, st);
    case STEP_EXTENTS:
        return read_extents(m, st);
    case STEP_STAT:
        return read_stat(m, st);
    case STEP_XATTR_GET:
        return tag_of_value(st->data, st->data_bytes) == m->xattr[st->key] ? NULL
                                                                           : "another attribute";
    case STEP_XATTR_LIST:
        return pairs_equal(st, m->xattr, 0, HOT_XATTRS, HOT_XATTRS + 1);
    case STEP_OMAP_GET:
        return read_keys(m, st);
    default:
        return pairs_equal(st, m->omap, st->key, MIN(st->key_to, (uint32_t)HOT_KEYS), st->rows_max);
    }
}

/* --- one step --------------------------------------------------------------------------------- */

/* What a guard or read answers by itself: 0 or the errno; VERSION_OPEN when the version decides. */
enum { VERSION_OPEN = 1 };
static int look(const struct model *m, const struct hstep *st)
{
    switch (st->kind) {
    case STEP_ASSERT_EXISTS:
        return m->exists ? 0 : -ENOENT;
    case STEP_ASSERT_ABSENT:
        return m->exists ? -EEXIST : 0;
    case STEP_ASSERT_VERSION:
        return VERSION_OPEN;
    case STEP_CMP_XATTR:
        return compare(st, m->xattr[st->key]) ? 0 : -ECANCELED;
    case STEP_CMP_OMAP:
        return compare(st, m->omap[st->key]) ? 0 : -ECANCELED;
    case STEP_XATTR_GET:
        return !m->exists ? -ENOENT : m->xattr[st->key] ? 0 : -ENODATA;
    default:
        return m->exists ? 0 : -ENOENT;
    }
}

static void vanish(struct model *m)
{
    struct version floor = m->version_known ? m->version : m->floor;

    floor = version_lt(floor, m->floor) ? m->floor : floor;
    model_fini(m);
    m->floor = floor;
}

static int change(struct model *m, const struct hstep *st)
{
    switch (st->kind) {
    case STEP_CREATE:
        if (m->exists && st->exclusive)
            return -EEXIST;
        break;
    case STEP_WRITE:
        write_tag(m, st->off, st->tag, st->len);
        break;
    case STEP_WRITE_FULL:
        resize(m, 0);
        write_tag(m, 0, st->tag, st->len);
        break;
    case STEP_APPEND:
        write_tag(m, m->size, st->tag, st->len);
        break;
    case STEP_TRUNCATE:
        resize(m, st->off);
        break;
    case STEP_XATTR_SET:
        m->xattr[st->key] = st->tag;
        break;
    case STEP_OMAP_SET:
        for (uint32_t i = 0; i < st->pair_count; i++)
            m->omap[st->pair[i].key] = st->pair[i].tag;
        break;
    default:
        if (!m->exists)
            return -ENOENT;
        break;
    }
    switch (st->kind) {
    case STEP_ZERO:
        if (st->off < m->size)
            bytes_put(m, st->off, NULL, MIN(st->len, m->size - st->off));
        break;
    case STEP_DELETE:
        vanish(m);
        return 0;
    case STEP_XATTR_RM:
        m->xattr[st->key] = TAG_NONE;
        break;
    case STEP_OMAP_RM:
        for (uint32_t i = 0; i < st->pair_count; i++)
            m->omap[st->pair[i].key] = TAG_NONE;
        break;
    case STEP_OMAP_RM_RANGE:
        for (uint32_t k = st->key; k < MIN(st->key_to, (uint32_t)HOT_KEYS); k++)
            m->omap[k] = TAG_NONE;
        break;
    case STEP_OMAP_CLEAR:
        memset(m->omap, 0, sizeof(m->omap));
        break;
    default:
        break;
    }
    m->exists = true;
    return 0;
}

/* --- an operation ----------------------------------------------------------------------------- */

/* Every change ends with a version above all before; an object that is gone has none. */
static void versioned(struct model *m)
{
    if (m->version_known && version_lt(m->floor, m->version))
        m->floor = m->version;
    m->version_known = !m->exists;
    m->version = (struct version){0};
}

/* Nobody knows what it answered: what would it do? */
static bool apply_open(struct model *m, const struct hop *op, const char **out_why)
{
    *out_why = "it would change nothing";
    for (uint32_t i = 0; i < op->step_count; i++) {
        const struct hstep *st = &op->step[i];
        int rc;

        if (st->kind >= STEP_CREATE)
            rc = change(m, st);
        else if (st->kind == STEP_ASSERT_VERSION)
            rc = version_guard(m, st->version, true) ? 0 : -ECANCELED;
        else
            rc = look(m, st);
        if (rc < 0)
            return false;
    }
    versioned(m);
    return true;
}

/* The guard or read that the answer says has failed. */
static const char *apply_failure(struct model *m, const struct hop *op, const struct hstep *st)
{
    int rc = st->kind >= STEP_CREATE ? change(m, st) : look(m, st);

    if (rc == VERSION_OPEN)
        return op->rc == -ECANCELED && version_guard(m, st->version, false)
                   ? NULL
                   : "a version guard failed";
    if (rc != op->rc)
        return "it fails otherwise, or not here";
    if (st->kind == STEP_CMP_XATTR)
        return told_value(st, m->xattr[st->key]);
    if (st->kind == STEP_CMP_OMAP)
        return told_value(st, m->omap[st->key]);
    return NULL;
}

static const char *apply_done(struct model *m, const struct hop *op, bool writes)
{
    for (uint32_t i = 0; i < op->step_count; i++) {
        const struct hstep *st = &op->step[i];
        const char *why = NULL;
        int rc;

        if (op->rc < 0 && (int)i == op->failed_step)
            return apply_failure(m, op, st);
        if (st->kind >= STEP_CREATE)
            rc = change(m, st);
        else if (st->kind == STEP_ASSERT_VERSION)
            rc = version_guard(m, st->version, true) ? 0 : -ECANCELED;
        else
            rc = look(m, st);
        if (rc < 0)
            return "it would have failed";
        /* An operation that writes returns no data: a repeat would not have it. */
        if (!writes && st->kind >= STEP_READ)
            why = read_result(m, st);
        if (why)
            return why;
    }
    return op->rc < 0 ? "it failed at no step" : NULL;
}

bool model_apply(struct model *m, const struct hop *op, const char **out_why)
{
    bool writes = hop_writes(op), fits;
    const char *why = NULL;
    struct model next;

    model_copy(&next, m);
    if (op->end == HOP_OPEN) {
        fits = apply_open(&next, op, &why);
    } else {
        why = apply_done(&next, op, writes);
        fits = !why;
        if (fits && op->rc == 0 && writes)
            versioned(&next);
    }
    if (fits && op->rc == 0) {
        struct model was = *m;

        *m = next;
        model_fini(&was);
    } else {
        model_fini(&next); /* a failed operation changed nothing */
    }
    if (out_why)
        *out_why = why;
    return fits;
}
