/* pg_rows.c - the meta rows of a PG: their keys and values.
 *
 * Numbers in keys are big-endian, so that keys sort as numbers do.  Values stand in plain
 * envelopes; the store's journal and tables carry the checksums. */
#include "core/osd/pg_rows.h"

enum { ROW_VERSION = 1, ROW_COMPAT = 1 };

static void put_be64(uint8_t *at, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        at[i] = (uint8_t)v;
}

static uint64_t get_be64(const uint8_t *at)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | at[i];
    return v;
}

static struct bytes key_make(uint8_t *memory, char letter, const uint64_t *part, unsigned parts)
{
    memory[0] = (uint8_t)letter;
    for (unsigned i = 0; i < parts; i++)
        put_be64(memory + 1 + 8 * i, part[i]);
    return (struct bytes){memory, 1 + 8 * parts};
}

/* Hand a finished value to the transaction; what went wrong in the writer becomes its failure. */
static void row_set(struct txn *txn, struct bytes key, struct writer *w)
{
    if (w->rc < 0 && txn->rc == 0)
        txn->rc = w->rc;
    if (txn->rc == 0)
        txn_meta_set(txn, key, (struct bytes){w->data, (uint32_t)w->len});
}

void pg_row_base_put(struct txn *txn, const struct pg_base *b)
{
    uint8_t memory[64];
    struct writer w = wr_over(memory, sizeof(memory));
    size_t mark = wr_begin_plain(&w, ROW_VERSION, ROW_COMPAT);

    wr_version(&w, b->tail);
    wr_u32(&w, b->expired.v);
    wr_end_plain(&w, mark);
    row_set(txn, BYTES_STR("b"), &w);
}

int pg_row_base_get(struct bytes value, struct pg_base *out)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct pg_base b;

    (void)cur_enter_plain(&c, ROW_COMPAT, &body);
    b.tail = cur_version(&body);
    b.expired.v = cur_u32(&body);
    (void)cur_leave(&c, &body);
    if (cur_finish(&c) == 0)
        *out = b;
    return c.rc;
}

void pg_row_floor_put(struct txn *txn, const struct pg_floor *f)
{
    uint8_t key[9], memory[64];
    struct writer w = wr_over(memory, sizeof(memory));
    size_t mark = wr_begin_plain(&w, ROW_VERSION, ROW_COMPAT);

    wr_u64(&w, f->floor);
    wr_version(&w, f->last);
    wr_u32(&w, f->unknown_until.v);
    wr_end_plain(&w, mark);
    row_set(txn, key_make(key, 'c', &f->client, 1), &w);
}

void pg_row_floor_rm(struct txn *txn, uint64_t client)
{
    uint8_t key[9];

    txn_meta_rm(txn, key_make(key, 'c', &client, 1));
}

int pg_row_floor_get(struct bytes key, struct bytes value, struct pg_floor *out)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct pg_floor f = {0};

    if (key.len != 9)
        return -R_MALFORMED;
    f.client = get_be64(key.data + 1);
    (void)cur_enter_plain(&c, ROW_COMPAT, &body);
    f.floor = cur_u64(&body);
    f.last = cur_version(&body);
    f.unknown_until.v = cur_u32(&body);
    (void)cur_leave(&c, &body);
    if (cur_finish(&c) == 0)
        *out = f;
    return c.rc;
}

static struct bytes result_key(uint8_t memory[17], struct reqid r)
{
    uint64_t part[2] = {r.client, r.op};

    return key_make(memory, 'd', part, 2);
}

void pg_row_result_put(struct txn *txn, const struct pg_result *r)
{
    uint8_t key[17], memory[64];
    struct writer w = wr_over(memory, sizeof(memory));
    size_t mark = wr_begin_plain(&w, ROW_VERSION, ROW_COMPAT);

    wr_version(&w, r->version);
    wr_i32(&w, r->rc);
    wr_end_plain(&w, mark);
    row_set(txn, result_key(key, r->reqid), &w);
}

void pg_row_result_rm(struct txn *txn, struct reqid reqid)
{
    uint8_t key[17];

    txn_meta_rm(txn, result_key(key, reqid));
}

int pg_row_result_get(struct bytes key, struct bytes value, struct pg_result *out)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct pg_result r;

    if (key.len != 17)
        return -R_MALFORMED;
    r.reqid.client = get_be64(key.data + 1);
    r.reqid.op = get_be64(key.data + 9);
    (void)cur_enter_plain(&c, ROW_COMPAT, &body);
    r.version = cur_version(&body);
    r.rc = cur_i32(&body);
    (void)cur_leave(&c, &body);
    if (cur_finish(&c) == 0)
        *out = r;
    return c.rc;
}

void pg_row_entry_put(struct txn *txn, const struct pg_log_entry *e)
{
    uint8_t key[9];
    AUTO(writer) w = {0};

    pg_log_entry_encode(e, &w);
    row_set(txn, key_make(key, 'l', &e->version.seq, 1), &w);
}

void pg_row_entry_rm(struct txn *txn, uint64_t seq)
{
    uint8_t key[9];

    txn_meta_rm(txn, key_make(key, 'l', &seq, 1));
}

void pg_row_entries_rm_from(struct txn *txn, uint64_t seq)
{
    uint8_t key[9];

    txn_meta_rm_range(txn, key_make(key, 'l', &seq, 1), BYTES_STR("m"));
}

int pg_row_entry_get(struct bytes key, struct bytes value, struct pg_log_entry **out_owned)
{
    struct cursor c = cur_over(value.data, value.len);
    struct pg_log_entry *e = pg_log_entry_create();

    if (!e)
        return -ENOMEM;
    if (pg_log_entry_decode(&c, e) == 0 && cur_finish(&c) == 0 &&
        (key.len != 9 || get_be64(key.data + 1) != e->version.seq))
        cur_fail(&c, -R_MALFORMED);
    if (c.rc < 0) {
        pg_log_entry_destroy(e);
        return c.rc;
    }
    *out_owned = e;
    return 0;
}

static struct bytes missing_key(struct writer *w, const struct oid *oid)
{
    wr_u8(w, 'm');
    oid_key_put(w, oid);
    return (struct bytes){w->data, (uint32_t)w->len};
}

void pg_row_missing_put(struct txn *txn, const struct pg_missing_row *m)
{
    uint8_t memory[PG_ROW_KEY_MAX];
    struct writer k = wr_over(memory, sizeof(memory));
    AUTO(writer) w = {0};
    size_t mark = wr_begin_plain(&w, ROW_VERSION, ROW_COMPAT);

    wr_oid(&w, &m->oid);
    wr_version(&w, m->need);
    wr_version(&w, m->have);
    touched_encode(&m->touched, &w);
    wr_end_plain(&w, mark);
    row_set(txn, missing_key(&k, &m->oid), &w);
}

void pg_row_missing_rm(struct txn *txn, const struct oid *oid)
{
    uint8_t memory[PG_ROW_KEY_MAX];
    struct writer k = wr_over(memory, sizeof(memory));

    txn_meta_rm(txn, missing_key(&k, oid));
}

int pg_row_missing_get(struct bytes key, struct bytes value, struct pg_missing_row *out_owned)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct pg_missing_row m = {0};
    uint8_t memory[PG_ROW_KEY_MAX];
    struct writer k = wr_over(memory, sizeof(memory));
    struct oid oid;

    (void)cur_enter_plain(&c, ROW_COMPAT, &body);
    oid = cur_oid(&body);
    m.need = cur_version(&body);
    m.have = cur_version(&body);
    touched_decode(&body, &m.touched);
    if (body.rc == 0 && !bytes_equal(missing_key(&k, &oid), key))
        cur_fail(&body, -R_MALFORMED);
    if (body.rc == 0 && oid_copy(&oid, &m.oid) < 0)
        cur_fail(&body, -ENOMEM);
    (void)cur_leave(&c, &body);
    if (cur_finish(&c) < 0) {
        oid_fini(&m.oid);
        touched_fini(&m.touched);
        return c.rc;
    }
    *out_owned = m;
    return 0;
}

void pg_rows_rm(struct txn *txn, char from, char to)
{
    uint8_t first = (uint8_t)from, end = (uint8_t)(to + 1);

    txn_meta_rm_range(txn, (struct bytes){&first, 1}, (struct bytes){&end, 1});
}
