/* pg_wire.c - log entries, infos and logs as bytes: doc/format/pg.md.
 *
 * A log entry is written once per client write and sent to each copy, so its form is compact: it
 * stands in a plain envelope, and whoever stores it (a meta row) or sends it (a frame) adds the
 * CRC. */
#include "core/proto/pg_wire.h"

#include "core/proto/wire.h"

enum {
    ENTRY_VERSION = 1,
    ENTRY_COMPAT = 1,
    INFO_VERSION = 1,
    INFO_COMPAT = 1,
    LOG_VERSION = 1,
    LOG_COMPAT = 1,
};
enum {
    ENTRY_BYTES_MIN = 60,
    RESULT_BYTES = 32,
    FLOOR_BYTES = 32,
    MISSING_BYTES_MIN = 35,
    LOG_ENTRIES_MAX = 1 << 20,
    TOUCHED_KEY_BYTES_MAX = 4096,
};

void touched_encode(const struct touched *t, struct writer *w)
{
    wr_u8(w, (uint8_t)(t->whole | t->omap_cleared << 1));
    wr_u8(w, t->range_count);
    for (unsigned i = 0; i < t->range_count; i++) {
        wr_u64(w, t->range[i].off);
        wr_u64(w, t->range[i].len);
    }
    wr_u8(w, t->key_count);
    for (unsigned i = 0; i < t->key_count; i++)
        wr_bytes(w, t->key[i]);
}

void touched_decode(struct cursor *c, struct touched *out)
{
    uint8_t flags = cur_u8(c);
    unsigned count = cur_u8(c);

    memset(out, 0, sizeof(*out));
    out->whole = flags & 1;
    out->omap_cleared = flags >> 1 & 1;
    if (flags > 3 || count > TOUCHED_RANGES_MAX)
        cur_fail(c, -R_MALFORMED);
    for (unsigned i = 0; c->rc == 0 && i < count; i++) {
        uint64_t off = cur_u64(c), len = cur_u64(c);

        touched_range(out, off, len);
    }
    count = cur_u8(c);
    if (count > TOUCHED_KEYS_MAX)
        cur_fail(c, -R_MALFORMED);
    for (unsigned i = 0; c->rc == 0 && i < count; i++)
        touched_key(out, cur_bytes(c, TOUCHED_KEY_BYTES_MAX));
}

struct pg_log_entry *pg_log_entry_create(void)
{
    return mem_zalloc(sizeof(struct pg_log_entry));
}

static void entry_fini(struct pg_log_entry *e)
{
    oid_fini(&e->oid);
    touched_fini(&e->touched);
}

void pg_log_entry_destroy(struct pg_log_entry *e)
{
    if (!e)
        return;
    entry_fini(e);
    mem_free(e);
}

struct pg_log_entry *pg_log_entry_copy(const struct pg_log_entry *e)
{
    struct pg_log_entry *n = mem_dup(e, sizeof(*e));

    if (!n)
        return NULL;
    memset(&n->oid, 0, sizeof(n->oid));
    memset(&n->touched, 0, sizeof(n->touched));
    if (oid_copy(&e->oid, &n->oid) < 0 || touched_copy(&e->touched, &n->touched) < 0) {
        pg_log_entry_destroy(n);
        return NULL;
    }
    return n;
}

void pg_log_entry_encode(const struct pg_log_entry *e, struct writer *w)
{
    size_t mark = wr_begin_plain(w, ENTRY_VERSION, ENTRY_COMPAT);

    wr_version(w, e->version);
    wr_version(w, e->prior);
    wr_u8(w, e->kind);
    wr_oid(w, &e->oid);
    wr_reqid(w, e->reqid);
    wr_u64(w, e->floor);
    wr_i32(w, e->rc);
    wr_u64(w, e->mtime_wall_ns);
    touched_encode(&e->touched, w);
    wr_end_plain(w, mark);
}

int pg_log_entry_decode(struct cursor *c, struct pg_log_entry *out)
{
    struct pg_log_entry e = {0};
    struct cursor body;

    (void)cur_enter_plain(c, ENTRY_COMPAT, &body);
    e.version = cur_version(&body);
    e.prior = cur_version(&body);
    e.kind = cur_u8(&body);
    wire_oid(&body, &e.oid);
    e.reqid = cur_reqid(&body);
    e.floor = cur_u64(&body);
    e.rc = cur_i32(&body);
    e.mtime_wall_ns = cur_u64(&body);
    touched_decode(&body, &e.touched);
    if (e.kind != PG_ENTRY_MODIFY && e.kind != PG_ENTRY_DELETE)
        cur_fail(&body, -R_MALFORMED);
    if (cur_leave(c, &body) < 0) {
        entry_fini(&e);
        return c->rc;
    }
    *out = e;
    return 0;
}

static void result_put(struct writer *w, const struct pg_result *r)
{
    wr_reqid(w, r->reqid);
    wr_version(w, r->version);
    wr_i32(w, r->rc);
}

static struct pg_result result_get(struct cursor *c)
{
    struct pg_result r;

    r.reqid = cur_reqid(c);
    r.version = cur_version(c);
    r.rc = cur_i32(c);
    return r;
}

static void floor_put(struct writer *w, const struct pg_floor *f)
{
    wr_u64(w, f->client);
    wr_u64(w, f->floor);
    wr_version(w, f->last);
    wr_u32(w, f->unknown_until.v);
}

static struct pg_floor floor_get(struct cursor *c)
{
    struct pg_floor f;

    f.client = cur_u64(c);
    f.floor = cur_u64(c);
    f.last = cur_version(c);
    f.unknown_until.v = cur_u32(c);
    return f;
}

static void missing_put(struct writer *w, const struct pg_missing_row *m)
{
    wr_oid(w, &m->oid);
    wr_version(w, m->need);
    wr_version(w, m->have);
    touched_encode(&m->touched, w);
}

static void missing_get(struct cursor *c, struct pg_missing_row *out)
{
    wire_oid(c, &out->oid);
    out->need = cur_version(c);
    out->have = cur_version(c);
    touched_decode(c, &out->touched);
}

void pg_log_wire_fini(struct pg_log_wire *l)
{
    for (uint32_t i = 0; i < l->entry_count; i++)
        entry_fini(&l->entries[i]);
    for (uint32_t i = 0; i < l->missing_count; i++) {
        oid_fini(&l->missing[i].oid);
        touched_fini(&l->missing[i].touched);
    }
    mem_free(l->entries);
    mem_free(l->results);
    mem_free(l->floors);
    mem_free(l->missing);
    memset(l, 0, sizeof(*l));
}

void pg_log_wire_encode(const struct pg_log_wire *l, struct writer *w)
{
    size_t mark = wr_begin_plain(w, LOG_VERSION, LOG_COMPAT);

    wr_version(w, l->tail);
    wr_version(w, l->head);
    wr_u32(w, l->expired.v);
    wr_u32(w, l->entry_count);
    for (uint32_t i = 0; i < l->entry_count; i++)
        pg_log_entry_encode(&l->entries[i], w);
    wr_u32(w, l->result_count);
    for (uint32_t i = 0; i < l->result_count; i++)
        result_put(w, &l->results[i]);
    wr_u32(w, l->floor_count);
    for (uint32_t i = 0; i < l->floor_count; i++)
        floor_put(w, &l->floors[i]);
    wr_u32(w, l->missing_count);
    for (uint32_t i = 0; i < l->missing_count; i++)
        missing_put(w, &l->missing[i]);
    wr_end_plain(w, mark);
}

int pg_log_wire_decode(struct cursor *c, struct pg_log_wire *out)
{
    struct pg_log_wire l = {0};
    struct cursor body;

    (void)cur_enter_plain(c, LOG_COMPAT, &body);
    l.tail = cur_version(&body);
    l.head = cur_version(&body);
    l.expired.v = cur_u32(&body);
    l.entry_count = cur_count(&body, LOG_ENTRIES_MAX, ENTRY_BYTES_MIN);
    l.entries = wire_rows(&body, &l.entry_count, sizeof(*l.entries));
    for (uint32_t i = 0; body.rc == 0 && i < l.entry_count; i++) {
        (void)pg_log_entry_decode(&body, &l.entries[i]);
        if (body.rc == 0 && l.entries[i].version.seq <= (i ? l.entries[i - 1].version : l.tail).seq)
            cur_fail(&body, -R_MALFORMED);
    }
    l.result_count = cur_count(&body, LOG_ENTRIES_MAX, RESULT_BYTES);
    l.results = wire_rows(&body, &l.result_count, sizeof(*l.results));
    for (uint32_t i = 0; i < l.result_count; i++)
        l.results[i] = result_get(&body);
    l.floor_count = cur_count(&body, LOG_ENTRIES_MAX, FLOOR_BYTES);
    l.floors = wire_rows(&body, &l.floor_count, sizeof(*l.floors));
    for (uint32_t i = 0; i < l.floor_count; i++)
        l.floors[i] = floor_get(&body);
    l.missing_count = cur_count(&body, LOG_ENTRIES_MAX, MISSING_BYTES_MIN);
    l.missing = wire_rows(&body, &l.missing_count, sizeof(*l.missing));
    for (uint32_t i = 0; body.rc == 0 && i < l.missing_count; i++)
        missing_get(&body, &l.missing[i]);
    if (cur_leave(c, &body) < 0) {
        pg_log_wire_fini(&l);
        return c->rc;
    }
    *out = l;
    return 0;
}

void pg_info_fini(struct pg_info *i)
{
    wire_bytes_fini(&i->last_backfill);
    memset(i, 0, sizeof(*i));
}

int pg_info_copy(const struct pg_info *from, struct pg_info *out)
{
    struct pg_info i = *from;

    if (from->last_backfill.len) {
        i.last_backfill.data = mem_dup(from->last_backfill.data, from->last_backfill.len);
        if (!i.last_backfill.data)
            return -ENOMEM;
    } else {
        i.last_backfill = (struct bytes){0};
    }
    *out = i;
    return 0;
}

void pg_info_encode(const struct pg_info *i, struct writer *w)
{
    size_t mark = wr_begin_plain(w, INFO_VERSION, INFO_COMPAT);

    wr_pgid(w, i->pg);
    wr_u32(w, i->created.v);
    wr_version(w, i->last_update);
    wr_version(w, i->log_tail);
    wr_u32(w, i->les.v);
    wr_u32(w, i->last_clean.v);
    wr_u32(w, i->same_since.v);
    wr_bool(w, i->complete);
    wr_bytes(w, i->last_backfill);
    wr_bool(w, i->salvaged);
    wr_u64(w, i->objects);
    wr_u64(w, i->bytes);
    wr_u32(w, i->missing_count);
    wr_end_plain(w, mark);
}

int pg_info_decode(struct cursor *c, struct pg_info *out)
{
    struct pg_info i = {0};
    struct cursor body;

    (void)cur_enter_plain(c, INFO_COMPAT, &body);
    i.pg = cur_pgid(&body);
    i.created.v = cur_u32(&body);
    i.last_update = cur_version(&body);
    i.log_tail = cur_version(&body);
    i.les.v = cur_u32(&body);
    i.last_clean.v = cur_u32(&body);
    i.same_since.v = cur_u32(&body);
    i.complete = cur_bool(&body);
    i.last_backfill = wire_bytes(&body, OID_KEY_MAX);
    i.salvaged = cur_bool(&body);
    i.objects = cur_u64(&body);
    i.bytes = cur_u64(&body);
    i.missing_count = cur_u32(&body);
    if (cur_leave(c, &body) < 0) {
        pg_info_fini(&i);
        return c->rc;
    }
    *out = i;
    return 0;
}
