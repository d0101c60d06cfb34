/* bucket_query.c - all buckets of an owner.
 *
 * A listing believes rows that are sure.  For an unsure one (a creation or deletion is under way,
 * or was when its gateway died) it asks the record, and settles the row, guarded on what it read.
 */
#include "s3/bucket/registry.h"

enum { OWN_ROWS = 1000 };

enum all_stage { ALL_RANGE, ALL_ROWS, ALL_RECORD, ALL_SETTLED };

struct all_req {
    struct req r;
    struct call range, call; /* the page being looked at; questions about its rows */
    enum all_stage stage;
    struct writer from; /* key */
    size_t at;          /* row of the page */
    struct writer was, raw;
    struct bucket_info *rows; /* owned; names in the arena */
    uint32_t count, cap;
    bucket_list_fn *done;
    void *arg;
};

static void range_woken(struct call *c)
{
    REQ_WAKE(c, struct all_req, range);
}

static void all_woken(struct call *c)
{
    REQ_WAKE(c, struct all_req, call);
}

static int all_add(struct all_req *q, struct bytes name, uint64_t created_ns)
{
    struct bucket_info *grown;
    int rc;

    if (q->count == q->cap) {
        grown = mem_realloc(q->rows, (q->cap ? 2 * q->cap : 16) * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        q->rows = grown;
        q->cap = q->cap ? 2 * q->cap : 16;
    }
    rc = bytes_dup(&q->r.op.arena, name, &q->rows[q->count].name);
    q->rows[q->count].owner = q->r.who.name;
    q->rows[q->count].created_ns = created_ns;
    q->count += rc == 0;
    return rc;
}

static void range_ask(struct all_req *q)
{
    struct cairn_op *op = call_begin(&q->range, CALL_INDEX);

    q->stage = ALL_ROWS;
    q->at = 0;
    name_owner(q->range.name, q->r.who.name);
    if (op)
        cairn_op_omap_range(op, q->from.data, q->from.len, NULL, 0, OWN_ROWS);
    call_submit_if(&q->range, q->from.rc, range_woken);
}

/* Sure rows up to the first unsure one, about which the record is asked.  1: waiting for that; 0:
 * the page is through. */
static int rows_take(struct all_req *q)
{
    size_t n = cairn_op_pair_count(q->range.op, 0, NULL);

    for (; q->at < n; q->at++) {
        struct cairn_pair p = cairn_op_pair(q->range.op, 0, q->at);
        struct own_row row;
        int rc = own_row_decode(pair_value(p), &row);

        if (rc == 0 && row.sure)
            rc = all_add(q, pair_key(p), row.created_ns);
        if (rc < 0)
            return rc;
        if (row.sure)
            continue;
        if (!bucket_name_valid(pair_key(p)))
            return -R_MALFORMED;
        writer_fini(&q->was);
        wr_raw(&q->was, p.value, p.value_bytes);
        q->stage = ALL_RECORD;
        call_submit_if(&q->call, record_get(&q->call, pair_key(p)), all_woken);
        return 1;
    }
    return 0;
}

/* What the record of an unsure row says; then the row is made sure, or removed. */
static int record_judge(struct all_req *q)
{
    struct bytes name = pair_key(cairn_op_pair(q->range.op, 0, q->at));
    struct bucket_row row;
    int rc = record_take(&q->call, &q->raw, &row);
    bool there = rc == 0 && row.state != BUCKET_MAKING && principal_is(&q->r.who, row.owner);

    if (rc < 0 && rc != -R_NO_BUCKET)
        return rc;
    q->stage = ALL_SETTLED;
    if (there && (rc = all_add(q, name, row.created_ns)) < 0)
        return rc;
    if (rc == 0 && row.state != BUCKET_LIVE) { /* somebody is at it: it stays unsure */
        op_wake(&q->r.op);
        return 0;
    }
    call_submit_if(&q->call, own_settle(&q->call, q->r.who.name, name, &q->was, there), all_woken);
    return 0;
}

/* 1: waiting; 0: done. */
static int page_next(struct all_req *q)
{
    bool more;
    size_t n = cairn_op_pair_count(q->range.op, 0, &more);
    struct cairn_pair last;

    if (!more || n == 0)
        return 0;
    last = cairn_op_pair(q->range.op, 0, n - 1);
    writer_fini(&q->from);
    wr_raw(&q->from, last.key, last.key_bytes);
    wr_u8(&q->from, 0);
    range_ask(q);
    return 1;
}

static void all_run(struct op *op)
{
    struct all_req *q = CONTAINER_OF(op, struct all_req, r.op);
    int rc = 0;

    switch (q->stage) {
    case ALL_RANGE:
        range_ask(q);
        return;
    case ALL_RECORD:
        rc = record_judge(q);
        if (rc == 0)
            return;
        break;
    case ALL_SETTLED: /* or not: it will be asked about again */
        q->at++;
        q->stage = ALL_ROWS;
        break;
    case ALL_ROWS:
        if (q->at == 0 && q->range.code < 0)
            rc = q->range.code == -R_NO_OBJECT ? 0 : q->range.code;
        if (q->range.code == -R_NO_OBJECT) {
            op_finish(op);
            return;
        }
        break;
    }
    if (rc == 0)
        rc = rows_take(q);
    if (rc == 0)
        rc = page_next(q);
    if (rc == 1)
        return;
    if (rc < 0)
        op_fail(op, rc);
    op_finish(op);
}

static void all_finish(struct req *r)
{
    struct all_req *q = CONTAINER_OF(r, struct all_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : q->rows, r->op.rc < 0 ? 0 : q->count);
}

static void all_fini(struct req *r)
{
    struct all_req *q = CONTAINER_OF(r, struct all_req, r);

    call_fini(&q->range);
    call_fini(&q->call);
    writer_fini(&q->from);
    writer_fini(&q->was);
    writer_fini(&q->raw);
    mem_free(q->rows);
}

int bucket_list(struct bucket_layer *l, const struct s3_principal *who, bucket_list_fn *done,
                void *arg)
{
    int rc = who->anonymous ? -R_DENIED : 0;
    struct all_req *q = NULL;

    if (rc == 0)
        q = req_create(sizeof(*q), l, who, (struct bytes){0}, (struct bytes){0}, all_run, &rc);
    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    call_init(&q->range, l);
    call_init(&q->call, l);
    req_start(&q->r, all_finish, all_fini);
    return 0;
}
