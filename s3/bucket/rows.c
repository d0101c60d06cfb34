/* rows.c - rows of the index as bytes.
 *
 * Each value stands in a sealed envelope of its own: a row that rots is noticed where it is read,
 * not where it leads.  Decoders check what later code counts on (states, bounds, places that go
 * with their fields), since rows may come from a newer writer or from a bad disk. */
#include "s3/bucket/rows.h"

enum { ROW_VERSION = 1, ROW_ENVELOPE = 12, HEADER_MIN = 8, PART_MIN = 4 + UUID_BYTES + 12 + 2 };

static struct uuid cur_uuid(struct cursor *c)
{
    struct bytes raw = cur_raw(c, UUID_BYTES);
    struct uuid u = {{0}};

    if (raw.len == UUID_BYTES)
        memcpy(u.b, raw.data, UUID_BYTES);
    return u;
}

static void wr_uuid(struct writer *w, const struct uuid *u)
{
    wr_raw(w, u->b, UUID_BYTES);
}

static void cur_md5(struct cursor *c, uint8_t out[16])
{
    struct bytes raw = cur_raw(c, 16);

    if (raw.len == 16)
        memcpy(out, raw.data, 16);
}

/* A u8 of lo..hi. */
static uint8_t cur_choice(struct cursor *c, uint8_t lo, uint8_t hi)
{
    uint8_t v = cur_u8(c);

    if (c->rc == 0 && (v < lo || v > hi))
        cur_fail(c, -R_MALFORMED);
    return v;
}

/* Every value is one envelope and nothing behind it. */
static void open_row(struct bytes value, struct cursor *c, struct cursor *body)
{
    *c = cur_over(value.data, value.len);
    (void)cur_enter(c, ROW_VERSION, body); /* a failure stays in the cursor */
}

static int close_row(struct cursor *c, struct cursor *body)
{
    int rc = cur_leave(c, body);

    return rc < 0 ? rc : cur_finish(c);
}

/* ---- bucket, shard, registry ---- */

void bucket_row_encode(const struct bucket_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_uuid(w, &r->id);
    wr_u8(w, r->state);
    wr_uuid(w, &r->token);
    wr_u64(w, r->created_ns);
    wr_bytes(w, r->owner);
    wr_end(w, mark);
}

int bucket_row_decode(struct bytes value, struct bucket_row *out_row)
{
    struct cursor c, body;
    struct bucket_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.id = cur_uuid(&body);
    r.state = cur_choice(&body, BUCKET_MAKING, BUCKET_DELETING);
    r.token = cur_uuid(&body);
    r.created_ns = cur_u64(&body);
    r.owner = cur_bytes(&body, S3_USER_NAME_MAX);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void map_row_encode(uint64_t shard, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_u64(w, shard);
    wr_end(w, mark);
}

int map_row_decode(struct bytes value, uint64_t *out_shard)
{
    struct cursor c, body;
    uint64_t shard;
    int rc;

    open_row(value, &c, &body);
    shard = cur_u64(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_shard = shard;
    return rc;
}

static void wr_count(struct writer *w, const struct shard_count *n)
{
    wr_u64(w, n->entries);
    wr_u64(w, n->object_bytes);
    wr_u64(w, n->row_bytes);
}

static struct shard_count cur_count_of(struct cursor *c)
{
    struct shard_count n = {.entries = cur_u64(c)};

    n.object_bytes = cur_u64(c);
    n.row_bytes = cur_u64(c);
    return n;
}

void shard_row_encode(const struct shard_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_uuid(w, &r->bucket);
    wr_u64(w, r->no);
    wr_u64(w, r->generation);
    wr_u8(w, r->state);
    wr_uuid(w, &r->token);
    wr_u64(w, r->epoch);
    wr_bytes(w, r->from);
    wr_bytes(w, r->to);
    wr_u64(w, r->next);
    wr_u8(w, r->mapped);
    if (r->mapped == MAPPED_OTHER)
        wr_bytes(w, r->mapped_from);
    wr_u8(w, r->move);
    if (r->move != MOVE_NONE) {
        wr_uuid(w, &r->m.token);
        wr_u64(w, r->m.peer);
        wr_bytes(w, r->m.lo);
        wr_bytes(w, r->m.hi);
        wr_u32(w, r->m.patience_ms);
        wr_bool(w, r->m.complete);
        wr_count(w, &r->m.count);
    }
    wr_end(w, mark);
}

static void move_fields(struct cursor *body, struct shard_row *r)
{
    r->m.token = cur_uuid(body);
    r->m.peer = cur_u64(body);
    r->m.lo = cur_bytes(body, S3_KEY_MAX);
    r->m.hi = cur_bytes(body, S3_KEY_MAX);
    r->m.patience_ms = cur_u32(body);
    r->m.complete = cur_bool(body);
    r->m.count = cur_count_of(body);
}

/* Does a range have its end behind its beginning? */
static bool range_holds(struct bytes from, struct bytes to)
{
    return to.len == 0 || bytes_compare(from, to) < 0;
}

int shard_row_decode(struct bytes value, struct shard_row *out_row)
{
    struct cursor c, body;
    struct shard_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.bucket = cur_uuid(&body);
    r.no = cur_u64(&body);
    r.generation = cur_u64(&body);
    r.state = cur_choice(&body, SHARD_OPEN, SHARD_EMPTY);
    r.token = cur_uuid(&body);
    r.epoch = cur_u64(&body);
    r.from = cur_bytes(&body, S3_KEY_MAX);
    r.to = cur_bytes(&body, S3_KEY_MAX);
    r.next = cur_u64(&body);
    r.mapped = cur_choice(&body, MAPPED_NOT, MAPPED_OTHER);
    if (r.mapped == MAPPED_OTHER)
        r.mapped_from = cur_bytes(&body, S3_KEY_MAX);
    r.move = cur_choice(&body, MOVE_NONE, MOVE_SOON);
    if (r.move != MOVE_NONE)
        move_fields(&body, &r);
    if (body.rc == 0 && ((r.state != SHARD_EMPTY && !range_holds(r.from, r.to)) ||
                         (r.move != MOVE_NONE && !range_holds(r.m.lo, r.m.hi))))
        cur_fail(&body, -R_MALFORMED);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void props_row_encode(const struct props_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_uuid(w, &r->bucket);
    wr_bytes(w, r->props);
    wr_end(w, mark);
}

int props_row_decode(struct bytes value, struct props_row *out_row)
{
    struct cursor c, body;
    struct props_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.bucket = cur_uuid(&body);
    r.props = cur_bytes(&body, 4 + S3_PROPS_BYTES_MAX + S3_HEADERS_MAX * HEADER_MIN);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void quota_row_encode(const struct s3_quota *q, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_u64(w, q->bytes);
    wr_u64(w, q->objects);
    wr_end(w, mark);
}

int quota_row_decode(struct bytes value, struct s3_quota *out_quota)
{
    struct cursor c, body;
    struct s3_quota q;
    int rc;

    open_row(value, &c, &body);
    q.bytes = cur_u64(&body);
    q.objects = cur_u64(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_quota = q;
    return rc;
}

void own_row_encode(const struct own_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_bool(w, r->sure);
    wr_uuid(w, &r->id);
    wr_uuid(w, &r->token);
    wr_u64(w, r->created_ns);
    wr_end(w, mark);
}

int own_row_decode(struct bytes value, struct own_row *out_row)
{
    struct cursor c, body;
    struct own_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.sure = cur_bool(&body);
    r.id = cur_uuid(&body);
    r.token = cur_uuid(&body);
    r.created_ns = cur_u64(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void shard_note_encode(const struct shard_note *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_uuid(w, &r->id);
    wr_u64(w, r->no);
    wr_bytes(w, r->bucket);
    wr_end(w, mark);
}

int shard_note_decode(struct bytes value, struct shard_note *out_note)
{
    struct cursor c, body;
    struct shard_note r = {0};
    int rc;

    open_row(value, &c, &body);
    r.id = cur_uuid(&body);
    r.no = cur_u64(&body);
    r.bucket = cur_bytes(&body, S3_BUCKET_NAME_MAX);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_note = r;
    return rc;
}

/* ---- entries and their data ---- */

static void wr_stripes(struct writer *w, const struct stripes *s)
{
    wr_uuid(w, &s->id);
    wr_u64(w, s->size);
    wr_u32(w, s->stripe);
}

static struct stripes cur_stripes(struct cursor *c)
{
    struct stripes s = {.id = cur_uuid(c)};

    s.size = cur_u64(c);
    s.stripe = cur_u32(c);
    if (c->rc == 0 && (s.size > S3_OBJECT_BYTES_MAX || (s.size && !s.stripe)))
        cur_fail(c, -R_MALFORMED);
    return s;
}

/* The value of a kind that has one: as long as the kind says. */
static void wr_sum(struct writer *w, const struct s3_sum *s)
{
    wr_u8(w, (uint8_t)s->kind);
    wr_u8(w, s->kind ? (uint8_t)s->type : 0);
    wr_raw(w, s->value, checksum_bytes(s->kind));
}

static struct s3_sum cur_sum(struct cursor *c)
{
    struct s3_sum s = {.kind = cur_choice(c, CHECKSUM_NONE, CHECKSUM_KINDS - 1)};
    struct bytes raw;

    s.type = cur_choice(c, 0, S3_SUM_COMPOSITE);
    if (c->rc == 0 && (s.kind == CHECKSUM_NONE) != (s.type == 0))
        cur_fail(c, -R_MALFORMED);
    raw = cur_raw(c, c->rc == 0 ? checksum_bytes(s.kind) : 0);
    if (c->rc == 0 && raw.len)
        memcpy(s.value, raw.data, raw.len);
    return s;
}

void headers_encode(const struct s3_header *h, uint32_t count, struct writer *w)
{
    wr_u32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        wr_bytes(w, h[i].name);
        wr_bytes(w, h[i].value);
    }
}

int headers_decode(struct bytes raw, struct arena *arena, const struct s3_header **out_headers,
                   uint32_t *out_count)
{
    struct cursor c = cur_over(raw.data, raw.len);
    uint32_t count = cur_count(&c, S3_HEADERS_MAX, HEADER_MIN);
    struct s3_header *h = arena_alloc(arena, MAX(count, 1u) * sizeof(*h));
    int rc;

    if (!h)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        h[i].name = cur_bytes(&c, raw.len);
        h[i].value = cur_bytes(&c, raw.len);
    }
    rc = cur_finish(&c);
    if (rc == 0) {
        *out_headers = h;
        *out_count = count;
    }
    return rc;
}

/* Their length in a row: each has 8 bytes beside its text. */
static struct bytes cur_headers(struct cursor *c)
{
    return cur_bytes(c, 4 + S3_HEADERS_BYTES_MAX + S3_HEADERS_MAX * HEADER_MIN);
}

static struct bytes cur_tags(struct cursor *c)
{
    return cur_bytes(c, 4 + S3_TAGS_MAX * (HEADER_MIN + S3_TAG_KEY_MAX + S3_TAG_VALUE_MAX));
}

void entry_row_encode(const struct entry_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);
    bool copied = !uuid_none(&r->origin) && !uuid_equal(&r->origin, &r->version);

    wr_uuid(w, &r->version);
    wr_u8(w, r->place);
    wr_u64(w, r->size);
    wr_u64(w, r->mtime_ns);
    wr_raw(w, r->etag.md5, 16);
    wr_u32(w, r->etag.parts);
    wr_u32(w, r->stripe);
    wr_bool(w, copied);
    if (copied)
        wr_uuid(w, &r->origin);
    wr_bytes(w, r->headers);
    wr_u8(w, r->acl);
    wr_sum(w, &r->sum);
    wr_bytes(w, r->tags);
    wr_end(w, mark);
}

int entry_row_decode(struct bytes value, struct entry_row *out_row)
{
    struct cursor c, body;
    struct entry_row r = {0};
    bool copied;
    int rc;

    open_row(value, &c, &body);
    r.version = cur_uuid(&body);
    r.place = cur_choice(&body, ENTRY_INLINE, ENTRY_MANIFEST);
    r.size = cur_u64(&body);
    r.mtime_ns = cur_u64(&body);
    cur_md5(&body, r.etag.md5);
    r.etag.parts = cur_u32(&body);
    r.stripe = cur_u32(&body);
    copied = cur_bool(&body);
    r.origin = copied ? cur_uuid(&body) : r.version;
    r.headers = cur_headers(&body);
    r.acl = cur_choice(&body, S3_ACL_PRIVATE, S3_ACL_PUBLIC_READ);
    r.sum = cur_sum(&body);
    r.tags = cur_tags(&body);
    if (body.rc == 0 && (r.size > S3_OBJECT_BYTES_MAX || (r.place == ENTRY_STRIPES) != !!r.stripe))
        cur_fail(&body, -R_MALFORMED);
    if (body.rc == 0 && copied &&
        (r.place == ENTRY_INLINE || uuid_none(&r.origin) || uuid_equal(&r.origin, &r.version)))
        cur_fail(&body, -R_MALFORMED);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void inline_row_encode(const struct uuid *version, const struct buf *data, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_uuid(w, version);
    wr_u32(w, (uint32_t)data->bytes);
    for (uint32_t i = 0; i < data->span_count; i++)
        wr_raw(w, span_data(&buf_spans_of(data)[i]), buf_spans_of(data)[i].bytes);
    wr_end(w, mark);
}

int inline_row_decode(struct bytes value, struct uuid *out_version, struct bytes *out_data)
{
    struct cursor c, body;
    struct uuid version;
    struct bytes data;
    int rc;

    open_row(value, &c, &body);
    version = cur_uuid(&body);
    data = cur_bytes(&body, UINT32_MAX);
    rc = close_row(&c, &body);
    if (rc == 0) {
        *out_version = version;
        *out_data = data;
    }
    return rc;
}

void manifest_encode(const struct stripes *rows, const struct object_part *parts, uint32_t count,
                     struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_u32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        wr_u32(w, parts[i].number);
        wr_stripes(w, &rows[i]);
        wr_sum(w, &parts[i].sum);
    }
    wr_end(w, mark);
}

/* Into the arrays that are given. */
static int manifest_read(struct bytes value, struct arena *arena, struct stripes **out_rows,
                         struct object_part **out_parts, uint32_t *out_count)
{
    struct cursor c, body;
    struct stripes *rows = NULL;
    struct object_part *parts = NULL;
    uint32_t count;
    int rc;

    open_row(value, &c, &body);
    count = cur_count(&body, MANIFEST_ROWS_MAX, PART_MIN);
    if (out_rows)
        rows = arena_alloc(arena, MAX(count, 1u) * sizeof(*rows));
    if (out_parts)
        parts = arena_alloc(arena, MAX(count, 1u) * sizeof(*parts));
    if ((out_rows && !rows) || (out_parts && !parts))
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct object_part part = {.number = cur_u32(&body)};
        struct stripes row = cur_stripes(&body);

        part.size = row.size;
        part.sum = cur_sum(&body);
        if (rows)
            rows[i] = row;
        if (parts)
            parts[i] = part;
    }
    rc = close_row(&c, &body);
    if (rc < 0)
        return rc;
    if (out_rows)
        *out_rows = rows;
    if (out_parts)
        *out_parts = parts;
    *out_count = count;
    return 0;
}

int manifest_decode(struct bytes value, struct arena *arena, struct stripes **out_rows,
                    uint32_t *out_count)
{
    return manifest_read(value, arena, out_rows, NULL, out_count);
}

int manifest_parts_decode(struct bytes value, struct arena *arena, struct object_part **out_parts,
                          uint32_t *out_count)
{
    return manifest_read(value, arena, NULL, out_parts, out_count);
}

/* ---- intents and garbage ---- */

void intent_row_encode(const struct intent_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_u64(w, r->instance);
    wr_u8(w, r->kind);
    wr_stripes(w, &r->stripes);
    wr_uuid(w, &r->origin);
    wr_u64(w, r->epoch);
    wr_end(w, mark);
}

int intent_row_decode(struct bytes value, struct intent_row *out_row)
{
    struct cursor c, body;
    struct intent_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.instance = cur_u64(&body);
    r.kind = cur_choice(&body, GARBAGE_STRIPES, GARBAGE_MANIFEST);
    r.stripes = cur_stripes(&body);
    r.origin = cur_uuid(&body);
    r.epoch = cur_u64(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

/* Shorter than any row that becomes garbage, so that full OSDs take it in its place
 * (core/osd/exec_room.c). */
void garbage_row_encode(const struct garbage_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_u8(w, r->state);
    wr_u8(w, r->kind);
    wr_u8(w, r->passes);
    wr_u64(w, r->epoch);
    if (r->kind == GARBAGE_STRIPES)
        wr_stripes(w, &r->stripes);
    else
        wr_uuid(w, &r->origin);
    wr_end(w, mark);
}

int garbage_row_decode(struct bytes value, struct garbage_row *out_row)
{
    struct cursor c, body;
    struct garbage_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.state = cur_choice(&body, GARBAGE_WAITING, GARBAGE_CLAIMED);
    r.kind = cur_choice(&body, GARBAGE_STRIPES, GARBAGE_RESULT);
    r.passes = cur_u8(&body);
    r.epoch = cur_u64(&body);
    if (r.kind == GARBAGE_STRIPES)
        r.stripes = cur_stripes(&body);
    else
        r.origin = cur_uuid(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

/* ---- uploads ---- */

void upload_row_encode(const struct upload_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_u8(w, r->state);
    wr_uuid(w, &r->token);
    wr_u64(w, r->created_ns);
    wr_bytes(w, r->owner);
    wr_bytes(w, r->headers);
    wr_u8(w, r->acl);
    wr_sum(w, &r->sum);
    wr_bytes(w, r->tags);
    wr_end(w, mark);
}

int upload_row_decode(struct bytes value, struct upload_row *out_row)
{
    struct cursor c, body;
    struct upload_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.state = cur_choice(&body, UPLOAD_OPEN, UPLOAD_SEALED);
    r.token = cur_uuid(&body);
    r.created_ns = cur_u64(&body);
    r.owner = cur_bytes(&body, S3_USER_NAME_MAX);
    r.headers = cur_headers(&body);
    r.acl = cur_choice(&body, S3_ACL_PRIVATE, S3_ACL_PUBLIC_READ);
    r.sum = cur_sum(&body);
    r.tags = cur_tags(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void part_row_encode(const struct part_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_stripes(w, &r->stripes);
    wr_raw(w, r->md5, 16);
    wr_u64(w, r->mtime_ns);
    wr_sum(w, &r->sum);
    wr_end(w, mark);
}

int part_row_decode(struct bytes value, struct part_row *out_row)
{
    struct cursor c, body;
    struct part_row r = {0};
    int rc;

    open_row(value, &c, &body);
    r.stripes = cur_stripes(&body);
    cur_md5(&body, r.md5);
    r.mtime_ns = cur_u64(&body);
    r.sum = cur_sum(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

void result_row_encode(const struct result_row *r, struct writer *w)
{
    size_t mark = wr_begin(w, ROW_VERSION, ROW_VERSION);

    wr_raw(w, r->request, 16);
    wr_u64(w, r->size);
    wr_u64(w, r->mtime_ns);
    wr_raw(w, r->etag.md5, 16);
    wr_u32(w, r->etag.parts);
    wr_sum(w, &r->sum);
    wr_end(w, mark);
}

int result_row_decode(struct bytes value, struct result_row *out_row)
{
    struct cursor c, body;
    struct result_row r = {0};
    int rc;

    open_row(value, &c, &body);
    cur_md5(&body, r.request);
    r.size = cur_u64(&body);
    r.mtime_ns = cur_u64(&body);
    cur_md5(&body, r.etag.md5);
    r.etag.parts = cur_u32(&body);
    r.sum = cur_sum(&body);
    rc = close_row(&c, &body);
    if (rc == 0)
        *out_row = r;
    return rc;
}

/* ---- counters ---- */

int shard_count_decode(struct bytes value, struct shard_count *out_count)
{
    struct cursor c = cur_over(value.data, value.len);
    struct shard_count n = cur_count_of(&c);
    int rc = cur_finish(&c);

    if (rc == 0)
        *out_count = n;
    return rc;
}

struct shard_count entry_count(uint32_t key_bytes, uint32_t value_bytes, const struct entry_row *e)
{
    struct shard_count n = {1, e->size, (uint64_t)1 + key_bytes + value_bytes};

    if (e->place == ENTRY_INLINE)
        n.row_bytes += (uint64_t)1 + key_bytes + ROW_ENVELOPE + UUID_BYTES + 4 + e->size;
    else if (e->place == ENTRY_MANIFEST)
        n.row_bytes += (uint64_t)1 + key_bytes + 1 + UUID_BYTES + ROW_ENVELOPE + 4 +
                       (uint64_t)(PART_MIN + checksum_bytes(e->sum.kind)) * e->etag.parts;
    return n;
}
