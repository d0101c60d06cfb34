/* samples.c - messages to test with.
 *
 * A row of the table names a field by its place and kind.  Filling and comparing walk the rows, so
 * a field that a codec forgets comes out zero and is found; a field that the table forgets is found
 * by sample_table_check, which adds the sizes up. */
#include "tests/unit/proto/samples.h"

#include "tests/unit/t.h"

enum kind {
    BOOL, /* plain values, by size */
    U8,
    U16,
    U32,
    COUNT, /* of the rows in the owned array */
    U64,
    VERSION,
    PGID,
    REQID,
    TEXT, /* char arrays */
    ADDR,
    UUID,
    STRING, /* owned fields */
    OID,
    BYTES,
    BUF,
    TOUCHED,
    ENTRY,
    TXN,
    INFO,
    LOG,
    STEPS,
    RESULTS,
    INCS, /* owned arrays */
    ARGV,
    WANT,
    STATS,
    ROWS,
};
struct field {
    const struct msg_type *type;
    const char *name;
    enum kind kind;
    uint32_t off, bytes;
};
#define F(message, field_kind, field)                                                              \
    {                                                                                              \
        &msg_##message##_type, #message "." #field, field_kind,                                    \
            offsetof(struct msg_##message, field), sizeof(((struct msg_##message *)0)->field)      \
    }
#define PG_HEAD(message) F(message, PGID, pg), F(message, U32, interval)
static const struct field fields[] = {
    F(mon_subscribe, U32, from),
    F(mon_subscribe, BOOL, once),

    F(osdmaps, U32, oldest),
    F(osdmaps, U32, newest),
    F(osdmaps, BOOL, has_full),
    F(osdmaps, BUF, full),
    F(osdmaps, U32, first),
    F(osdmaps, COUNT, count),
    F(osdmaps, INCS, incs),

    F(mon_command, U64, id),
    F(mon_command, COUNT, argc),
    F(mon_command, ARGV, argv),
    F(mon_command, BUF, input),

    F(mon_reply, U64, id),
    F(mon_reply, U32, rc),
    F(mon_reply, STRING, text),
    F(mon_reply, BUF, json),
    F(mon_reply, TEXT, leader),

    F(mon_raft, BUF, payload),
    F(mon_raft, U64, wall_ns),

    F(mon_forward, U16, type),
    F(mon_forward, BUF, payload),

    F(osd_boot, U32, osd),
    F(osd_boot, UUID, uuid),
    F(osd_boot, U64, instance),
    F(osd_boot, ADDR, addr),
    F(osd_boot, U32, newest),
    F(osd_boot, U64, total_bytes),
    F(osd_boot, TEXT, host),
    F(osd_boot, TEXT, device_class),

    F(osd_failure, U32, reporter),
    F(osd_failure, U32, target),
    F(osd_failure, U64, target_instance),
    F(osd_failure, U32, epoch),
    F(osd_failure, BOOL, refused),
    F(osd_failure, BOOL, alive),
    F(osd_failure, U32, silent_ms),

    F(osd_stopping, U32, osd),
    F(osd_stopping, U64, instance),

    F(osd_up_thru, U32, osd),
    F(osd_up_thru, U64, instance),
    F(osd_up_thru, U32, want),

    F(osd_pg_temp, U32, osd),
    F(osd_pg_temp, U32, epoch),
    F(osd_pg_temp, COUNT, count),
    F(osd_pg_temp, WANT, want),

    F(osd_stats, U32, osd),
    F(osd_stats, U64, instance),
    F(osd_stats, U64, total_bytes),
    F(osd_stats, U64, used_bytes),
    F(osd_stats, U64, objects),
    F(osd_stats, BOOL, full),
    F(osd_stats, U64, corrupt_found),
    F(osd_stats, U64, corrupt_repaired),
    F(osd_stats, COUNT, count),
    F(osd_stats, STATS, pgs),

    F(osd_ping, BOOL, answer),
    F(osd_ping, U32, from),
    F(osd_ping, U64, instance),
    F(osd_ping, U32, epoch),
    F(osd_ping, U64, sent_ns),
    F(osd_ping, U32, granted_ms),
    F(osd_ping, U8, fill),

    PG_HEAD(rep_op),
    F(rep_op, VERSION, committed_to),
    F(rep_op, VERSION, trim_to),
    F(rep_op, ENTRY, entry),
    F(rep_op, TXN, txn),
    F(rep_op, U64, tag),

    PG_HEAD(rep_reply),
    F(rep_reply, U32, from),
    F(rep_reply, U64, tag),
    F(rep_reply, VERSION, durable),

    PG_HEAD(pg_query),
    F(pg_query, U32, from),
    F(pg_query, U8, what),
    F(pg_query, VERSION, since),

    PG_HEAD(pg_notify),
    F(pg_notify, U32, from),
    F(pg_notify, BOOL, unasked),
    F(pg_notify, INFO, info),
    F(pg_notify, U32, lease_left_ms),
    F(pg_notify, U32, lease_of),
    F(pg_notify, BOOL, has_log),
    F(pg_notify, LOG, log),

    PG_HEAD(pg_activate),
    F(pg_activate, U32, from),
    F(pg_activate, INFO, info),
    F(pg_activate, LOG, log),
    F(pg_activate, BOOL, restart_backfill),

    PG_HEAD(pg_activated),
    F(pg_activated, U32, from),

    PG_HEAD(pg_clean),
    F(pg_clean, U32, last_clean),
    F(pg_clean, BOOL, remove),

    PG_HEAD(pg_pull),
    F(pg_pull, OID, oid),
    F(pg_pull, VERSION, need),
    F(pg_pull, VERSION, have),
    F(pg_pull, TOUCHED, touched),
    F(pg_pull, U64, off),
    F(pg_pull, BYTES, omap_from),
    F(pg_pull, U64, tag),

    PG_HEAD(pg_push),
    F(pg_push, OID, oid),
    F(pg_push, VERSION, version),
    F(pg_push, BOOL, first),
    F(pg_push, BOOL, last),
    F(pg_push, BOOL, exists),
    F(pg_push, U32, rc),
    F(pg_push, TXN, txn),
    F(pg_push, U64, next_off),
    F(pg_push, BYTES, next_omap),
    F(pg_push, U64, tag),

    PG_HEAD(pg_pushed),
    F(pg_pushed, U32, from),
    F(pg_pushed, OID, oid),
    F(pg_pushed, VERSION, version),
    F(pg_pushed, BOOL, last),
    F(pg_pushed, U32, rc),
    F(pg_pushed, U64, tag),

    PG_HEAD(pg_scan),
    F(pg_scan, U32, from),
    F(pg_scan, BOOL, answer),
    F(pg_scan, BYTES, from_key),
    F(pg_scan, BYTES, end_key),
    F(pg_scan, U32, rows_max),
    F(pg_scan, COUNT, count),
    F(pg_scan, ROWS, rows),
    F(pg_scan, U32, rc),
    F(pg_scan, U64, tag),

    PG_HEAD(pg_progress),
    F(pg_progress, BYTES, last_backfill),
    F(pg_progress, BOOL, complete),
    F(pg_progress, U64, tag),

    PG_HEAD(pg_damaged),
    F(pg_damaged, U32, from),
    F(pg_damaged, OID, oid),
    F(pg_damaged, VERSION, version),
    F(pg_damaged, U64, off),
    F(pg_damaged, U64, len),

    F(osd_op, REQID, reqid),
    F(osd_op, U64, floor),
    F(osd_op, U32, epoch),
    F(osd_op, U32, born),
    F(osd_op, U32, attempt),
    F(osd_op, PGID, pg),
    F(osd_op, OID, oid),
    F(osd_op, STEPS, steps),

    F(osd_op_reply, U64, op),
    F(osd_op_reply, U32, attempt),
    F(osd_op_reply, U32, epoch),
    F(osd_op_reply, U32, rc),
    F(osd_op_reply, VERSION, version),
    F(osd_op_reply, RESULTS, results),

    F(copy_query, U64, id),
    F(copy_query, PGID, pg),
    F(copy_query, OID, oid),

    F(copy_reply, U64, id),
    F(copy_reply, U32, from),
    F(copy_reply, U32, rc),
    F(copy_reply, U64, size),
    F(copy_reply, VERSION, version),
    F(copy_reply, U32, crc32c),
};

/* ---- encoding and reading ---- */

void encoded_fini(struct encoded *e)
{
    writer_fini(&e->front);
    buf_fini(&e->data);
}

int encoded_make(const struct msg *m, struct encoded *out)
{
    *out = (struct encoded){0};
    m->type->encode(m, &out->front, &out->data);
    if (out->front.rc < 0) {
        int rc = out->front.rc;

        encoded_fini(out);
        return rc;
    }
    return 0;
}

int encoded_read(const struct msg_type *type, struct bytes front, const struct buf *data,
                 struct msg **out_msg)
{
    struct cursor c = cur_over(front.data, front.len);
    AUTO(buf) copy = {0};
    struct msg *m;
    int rc = buf_append(&copy, data, 0, data->bytes);

    if (rc < 0)
        return rc;
    m = msg_create(type);
    if (!m)
        return -ENOMEM;
    rc = type->decode(m, &c, &copy);
    if (rc == 0)
        rc = cur_finish(&c);
    if (rc < 0)
        msg_free(m);
    else
        *out_msg = m;
    return rc;
}

/* ---- filling ---- */

struct bytes sample_bytes(const char *text)
{
    struct bytes b = BYTES_STR(text);

    b.data = mem_dup(text, b.len);
    T_TRUE(b.data != NULL);
    return b;
}

struct buf sample_buf(const char *text, size_t times)
{
    struct buf b = {0};

    for (size_t i = 0; i < times; i++)
        T_OK(buf_append_copy(&b, text, strlen(text)));
    return b;
}

static void sample_oid(struct oid *o)
{
    struct oid borrowed;

    T_OK(oid_make((struct pool_id){3}, BYTES_STR("an object"), &borrowed));
    T_OK(oid_copy(&borrowed, o));
}

static struct version sample_version(uint64_t seq)
{
    return (struct version){{7}, seq};
}

static void sample_touched(struct touched *t)
{
    touched_range(t, 8192, 4096);
    touched_range(t, 1, 2);
    touched_key(t, BYTES_STR("key b"));
    touched_key(t, BYTES_STR("key a"));
}

void sample_entry(struct pg_log_entry *e, uint64_t seq)
{
    e->version = sample_version(seq);
    e->prior = (struct version){{6}, seq - 1};
    e->kind = PG_ENTRY_MODIFY;
    sample_oid(&e->oid);
    e->reqid = (struct reqid){UINT64_C(0x1122334455667788), seq + 100};
    e->floor = seq + 50;
    e->rc = -R_GUARD_FAILED;
    sample_touched(&e->touched);
    e->mtime_wall_ns = UINT64_C(1700000000000000000) + seq;
}

void sample_info(struct pg_info *i)
{
    i->pg = (struct pgid){{3}, 17};
    i->created.v = 2;
    i->last_update = sample_version(99);
    i->log_tail = sample_version(9);
    i->les.v = 5;
    i->last_clean.v = 4;
    i->same_since.v = 6;
    i->complete = true;
    i->last_backfill = sample_bytes("backfill");
    i->salvaged = true;
    i->objects = 1234;
    i->bytes = 56789;
    i->missing_count = 12;
}

void sample_log(struct pg_log_wire *l)
{
    l->tail = sample_version(9);
    l->head = sample_version(11);
    l->expired.v = 8;
    l->entry_count = l->result_count = 2;
    l->floor_count = l->missing_count = 1;
    l->entries = mem_calloc(2, sizeof(*l->entries));
    l->results = mem_calloc(2, sizeof(*l->results));
    l->floors = mem_calloc(1, sizeof(*l->floors));
    l->missing = mem_calloc(1, sizeof(*l->missing));
    T_TRUE(l->entries && l->results && l->floors && l->missing);
    sample_entry(&l->entries[0], 10);
    sample_entry(&l->entries[1], 11);
    l->results[0] = (struct pg_result){{41, 42}, sample_version(3), -R_EXISTS};
    l->results[1] = (struct pg_result){{43, 44}, sample_version(4), 0};
    l->floors[0] = (struct pg_floor){41, 40, sample_version(5), {6}};
    sample_oid(&l->missing[0].oid);
    l->missing[0].need = sample_version(11);
    l->missing[0].have = sample_version(8);
    sample_touched(&l->missing[0].touched);
}

static struct txn *sample_txn(void)
{
    AUTO(buf) data = sample_buf("payload of a transaction ", 300);
    struct txn *t = txn_create((struct pgid){{3}, 17});
    struct oid o;
    uint16_t i;

    T_TRUE(t != NULL);
    T_OK(oid_make((struct pool_id){3}, BYTES_STR("an object"), &o));
    i = txn_object(t, &o);
    txn_write(t, i, 4000, &data, NULL);
    txn_omap_set(t, i, BYTES_STR("key"), BYTES_STR("value"));
    txn_version(t, i, sample_version(12));
    txn_meta_set(t, BYTES_STR("row"), BYTES_STR("its value"));
    T_OK(t->rc);
    return t;
}

static void sample_steps(struct steps *s)
{
    const struct step_pair pairs[] = {{BYTES_STR("a"), BYTES_STR("1")},
                                      {BYTES_STR("b"), BYTES_STR("")}};
    AUTO(buf) data = sample_buf("payload of a step ", 500);
    struct step *st;

    steps_init(s);
    st = steps_add(s, STEP_ASSERT_VERSION);
    st->version = sample_version(77);
    st = steps_add(s, STEP_CMP_XATTR);
    st->cmp = CMP_LE;
    st->key = steps_dup(s, BYTES_STR("user.tag"));
    st->value = steps_dup(s, BYTES_STR("blue"));
    st = steps_add(s, STEP_READ);
    st->flags = STEP_MAY_FAIL;
    st->off = 5;
    st->len = 6;
    st = steps_add(s, STEP_OMAP_RANGE);
    st->key = steps_dup(s, BYTES_STR("from"));
    st->rows_max = 1000;
    st = steps_add(s, STEP_WRITE);
    st->off = 4095;
    T_OK(step_data_set(s, st, &data));
    st = steps_add(s, STEP_OMAP_SET);
    T_OK(step_pairs_set(s, st, pairs, ARRAY_LEN(pairs)));
    st = steps_add(s, STEP_APPEND);
    T_OK(step_data_set(s, st, &data));
    st = steps_add(s, STEP_CLONE_RANGE);
    st->key = steps_dup(s, BYTES_STR("another object"));
    st->off = 1 << 20;
    st->len = 4096;
    st->off2 = 8192; /* of all classes together: nobody would run it */
    T_EQ(steps_valid(s), -R_MIXED_STEPS);
}

static void sample_results(struct step_results *r)
{
    step_results_init(r);
    T_OK(step_results_reserve(r, 4));
    r->result[0].size = 4711;
    r->result[0].mtime_wall_ns = UINT64_C(1700000000000000001);
    r->result[0].version = sample_version(78);
    r->result[1].data = sample_buf("what was read ", 700);
    r->result[1].crc_count = 3;
    r->result[1].crcs = arena_dup(&r->arena, "aaaabbbbcccc", 12);
    r->result[2].pairs = arena_zalloc(&r->arena, 2 * sizeof(struct step_pair));
    T_TRUE(r->result[1].crcs && r->result[2].pairs);
    r->result[2].pair_count = 2;
    r->result[2].pairs[0] = (struct step_pair){BYTES_STR("a"), BYTES_STR("1")};
    r->result[2].pairs[1] = (struct step_pair){BYTES_STR("b"), BYTES_STR("")};
    r->result[2].more = true;
    r->result[3].rc = -R_GUARD_FAILED;
    r->result[3].data = sample_buf("present value", 1);
}

enum { ROWS_MADE = 3 };

static void *rows_new(size_t bytes)
{
    void *rows = mem_calloc(ROWS_MADE, bytes);

    T_TRUE(rows != NULL);
    return rows;
}

static struct osd_set sample_set(int i)
{
    return (struct osd_set){.osd = {{i}, {-1}, {i + 2}}, .count = 3};
}

static void fill_rows(enum kind kind, void *at)
{
    uint32_t count = ROWS_MADE;

    if (kind == INCS) {
        struct buf *b = *(struct buf **)at = rows_new(sizeof(*b));

        for (uint32_t i = 0; i < count; i++)
            b[i] = sample_buf("increment ", i); /* the first is empty */
    } else if (kind == ARGV) {
        char **argv = *(char ***)at = rows_new(sizeof(*argv));

        for (uint32_t i = 0; i < count; i++)
            argv[i] = mem_printf("argument %u", i);
    } else if (kind == WANT) {
        struct pg_temp *t = *(struct pg_temp **)at = rows_new(sizeof(*t));

        for (uint32_t i = 0; i < count; i++)
            t[i] = (struct pg_temp){{{3}, 100 + i}, sample_set((int)i)};
    } else if (kind == STATS) {
        struct pg_stat *s = *(struct pg_stat **)at = rows_new(sizeof(*s));

        for (uint32_t i = 0; i < count; i++)
            s[i] = (struct pg_stat){
                {{3}, i}, {4},  PG_S_ACTIVE | PG_S_CLEAN, sample_version(i),     10, 11, 12, 13,
                14,       {15}, sample_set((int)i),       sample_set((int)i + 1)};
    } else {
        struct pg_scan_row *r = *(struct pg_scan_row **)at = rows_new(sizeof(*r));

        for (uint32_t i = 0; i < count; i++) {
            sample_oid(&r[i].oid);
            r[i].version = sample_version(i);
        }
    }
}

static void fill_owned(enum kind kind, void *at)
{
    if (kind == STRING) {
        *(char **)at = mem_strdup("words for people");
    } else if (kind == OID) {
        sample_oid(at);
    } else if (kind == BYTES) {
        *(struct bytes *)at = sample_bytes("some bytes");
    } else if (kind == BUF) {
        *(struct buf *)at = sample_buf("payload ", 5);
    } else if (kind == TOUCHED) {
        sample_touched(at);
    } else if (kind == ENTRY) {
        struct pg_log_entry *e = *(struct pg_log_entry **)at = pg_log_entry_create();

        T_TRUE(e != NULL);
        sample_entry(e, 12);
    } else if (kind == TXN) {
        *(struct txn **)at = sample_txn();
    } else if (kind == INFO) {
        sample_info(at);
    } else if (kind == LOG) {
        sample_log(at);
    } else if (kind == STEPS) {
        sample_steps(at);
    } else if (kind == RESULTS) {
        sample_results(at);
    } else {
        fill_rows(kind, at);
    }
}

static void fill(const struct field *f, void *at, uint32_t n)
{
    switch (f->kind) {
    case BOOL:
        *(bool *)at = true;
        break;
    case U8:
        *(uint8_t *)at = 1;
        break;
    case U16:
        *(uint16_t *)at = (uint16_t)(0x100 + n);
        break;
    case U32:
        *(uint32_t *)at = 1000 + n;
        break;
    case COUNT:
        *(uint32_t *)at = ROWS_MADE;
        break;
    case U64:
        *(uint64_t *)at = UINT64_C(0x0102030400000000) + n;
        break;
    case VERSION:
        *(struct version *)at = sample_version(UINT64_C(0x100000000) + n);
        break;
    case PGID:
        *(struct pgid *)at = (struct pgid){{3}, n};
        break;
    case REQID:
        *(struct reqid *)at = (struct reqid){UINT64_C(0xf00000000) + n, n};
        break;
    case TEXT:
        snprintf(at, f->bytes, "text %u", n);
        break;
    case ADDR:
        snprintf(at, f->bytes, "127.0.0.1:%u", 6800 + n);
        break;
    case UUID:
        memset(at, (int)(0x40 + n), f->bytes);
        break;
    default:
        fill_owned(f->kind, at);
        break;
    }
}

struct msg *sample_message(const struct msg_type *type)
{
    struct msg *m = msg_create(type);
    uint32_t n = 0;

    T_TRUE(m != NULL);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].type == type)
            fill(&fields[i], (uint8_t *)m + fields[i].off, ++n);
    T_GT(n, 0);
    return m;
}

/* ---- comparing ---- */

#define SAME(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            T_FAIL("%s differs: %s", name, #cond);                                                 \
    } while (0)

static void pairs_same(const struct step_pair *a, uint32_t a_count, const struct step_pair *b,
                       uint32_t b_count)
{
    T_EQ(a_count, b_count);
    for (uint32_t i = 0; i < a_count; i++) {
        T_TRUE(bytes_equal(a[i].key, b[i].key));
        T_TRUE(bytes_equal(a[i].value, b[i].value));
    }
}

void steps_same(const struct steps *a, const struct steps *b)
{
    T_EQ(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct step *x = &a->step[i], *y = &b->step[i];
        uint32_t crcs = crc_count(x->kind == STEP_WRITE ? x->off : 0, x->data.bytes);

        T_EQ(x->kind, y->kind);
        T_EQ(x->cmp, y->cmp);
        T_EQ(x->flags, y->flags);
        T_EQ(x->off, y->off);
        T_EQ(x->len, y->len);
        T_EQ(x->off2, y->off2);
        T_EQ(x->rows_max, y->rows_max);
        T_TRUE(version_eq(x->version, y->version));
        T_TRUE(bytes_equal(x->key, y->key));
        T_TRUE(bytes_equal(x->value, y->value));
        pairs_same(x->pairs_in, x->pair_in_count, y->pairs_in, y->pair_in_count);
        T_TRUE(buf_equal(&x->data, &y->data));
        if (crcs)
            T_MEM_EQ(x->crcs, y->crcs, 4 * crcs);
    }
}

void results_same(const struct step_results *a, const struct step_results *b)
{
    T_EQ(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct step_result *x = &a->result[i], *y = &b->result[i];

        T_EQ(x->rc, y->rc);
        T_EQ(x->size, y->size);
        T_EQ(x->mtime_wall_ns, y->mtime_wall_ns);
        T_TRUE(version_eq(x->version, y->version));
        T_TRUE(buf_equal(&x->data, &y->data));
        T_EQ(x->crc_count, y->crc_count);
        if (x->crc_count)
            T_MEM_EQ(x->crcs, y->crcs, 4 * x->crc_count);
        pairs_same(x->pairs, x->pair_count, y->pairs, y->pair_count);
        T_EQ(x->more, y->more);
    }
}

/* Structures whose codecs have tests of their own: by their bytes. */
static void same_encoded(enum kind kind, const char *name, const void *a, const void *b)
{
    struct writer w[2] = {{0}, {0}};
    AUTO(buf) data = {0};
    const void *each[2] = {a, b};

    for (int i = 0; i < 2; i++) {
        if (kind == TOUCHED)
            touched_encode(each[i], &w[i]);
        else if (kind == ENTRY)
            pg_log_entry_encode(*(struct pg_log_entry *const *)each[i], &w[i]);
        else if (kind == TXN)
            txn_encode(*(struct txn *const *)each[i], &w[i], &data);
        else if (kind == INFO)
            pg_info_encode(each[i], &w[i]);
        else
            pg_log_wire_encode(each[i], &w[i]);
    }
    SAME(w[0].rc == 0 && w[1].rc == 0);
    SAME(w[0].len == w[1].len && memcmp(w[0].data, w[1].data, w[0].len) == 0);
    writer_fini(&w[0]);
    writer_fini(&w[1]);
}

static void same_rows(enum kind kind, const char *name, const void *a, const void *b)
{
    for (int i = 0; i < ROWS_MADE; i++) {
        if (kind == INCS) {
            SAME(buf_equal(*(struct buf *const *)a + i, *(struct buf *const *)b + i));
        } else if (kind == ARGV) {
            SAME(strcmp((*(char **const *)a)[i], (*(char **const *)b)[i]) == 0);
        } else if (kind == WANT) {
            const struct pg_temp *x = *(struct pg_temp *const *)a + i;
            const struct pg_temp *y = *(struct pg_temp *const *)b + i;

            SAME(pgid_eq(x->pg, y->pg) && osd_set_equal(&x->acting, &y->acting));
        } else if (kind == STATS) {
            const struct pg_stat *x = *(struct pg_stat *const *)a + i;
            const struct pg_stat *y = *(struct pg_stat *const *)b + i;

            SAME(pgid_eq(x->pg, y->pg) && epoch_eq(x->epoch, y->epoch) && x->state == y->state);
            SAME(version_eq(x->last_update, y->last_update) && x->objects == y->objects);
            SAME(x->bytes == y->bytes && x->objects_degraded == y->objects_degraded);
            SAME(x->objects_misplaced == y->objects_misplaced);
            SAME(x->objects_unfound == y->objects_unfound &&
                 epoch_eq(x->last_clean, y->last_clean));
            SAME(osd_set_equal(&x->up, &y->up) && osd_set_equal(&x->acting, &y->acting));
        } else {
            const struct pg_scan_row *x = *(struct pg_scan_row *const *)a + i;
            const struct pg_scan_row *y = *(struct pg_scan_row *const *)b + i;

            SAME(oid_equal(&x->oid, &y->oid) && version_eq(x->version, y->version));
        }
    }
}

static void same(const struct field *f, const void *a, const void *b)
{
    const char *name = f->name;

    if (f->kind <= U64 || f->kind == PGID || f->kind == REQID || f->kind == UUID) {
        SAME(memcmp(a, b, f->bytes) == 0); /* no padding in any of these */
    } else if (f->kind == VERSION) {
        SAME(version_eq(*(const struct version *)a, *(const struct version *)b));
    } else if (f->kind == TEXT || f->kind == ADDR) {
        SAME(strcmp(a, b) == 0);
    } else if (f->kind == STRING) {
        SAME(strcmp(*(char *const *)a, *(char *const *)b) == 0);
    } else if (f->kind == OID) {
        SAME(oid_equal(a, b));
    } else if (f->kind == BYTES) {
        SAME(bytes_equal(*(const struct bytes *)a, *(const struct bytes *)b));
    } else if (f->kind == BUF) {
        SAME(buf_equal(a, b));
    } else if (f->kind == STEPS) {
        steps_same(a, b);
    } else if (f->kind == RESULTS) {
        results_same(a, b);
    } else if (f->kind >= INCS) {
        same_rows(f->kind, name, a, b);
    } else {
        same_encoded(f->kind, name, a, b);
    }
}

void sample_same(const struct msg *a, const struct msg *b)
{
    T_TRUE(a->type == b->type);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].type == a->type)
            same(&fields[i], (const uint8_t *)a + fields[i].off,
                 (const uint8_t *)b + fields[i].off);
}

static uint32_t align_of(const struct field *f)
{
    if (f->kind <= U64)
        return f->bytes;
    if (f->kind == PGID)
        return 4;
    if (f->kind == STEPS || f->kind == RESULTS)
        return __alignof__(struct arena);
    return f->kind == TEXT || f->kind == ADDR || f->kind == UUID ? 1 : 8;
}

void sample_table_check(void)
{
    for (size_t t = 0; message_types[t]; t++) {
        const struct msg_type *type = message_types[t];
        uint64_t end = sizeof(struct msg);
        uint32_t align = 8;

        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
            if (fields[i].type != type)
                continue;
            if (ROUND_UP(end, align_of(&fields[i])) != fields[i].off)
                T_FAIL("a field before %s is not in the table", fields[i].name);
            align = MAX(align, align_of(&fields[i]));
            end = fields[i].off + fields[i].bytes;
        }
        if (ROUND_UP(end, align) != type->bytes)
            T_FAIL("the last field of %s is not in the table", type->name);
    }
}
