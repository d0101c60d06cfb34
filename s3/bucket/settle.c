/* settle.c - what is to be done about a move, done.
 *
 * Rows are read, shard_move.c judges, one guarded operation follows, and it begins anew, until
 * there is nothing more to do.  Any number of gateways may be at it: each step is guarded on the
 * row that it was decided on. */
#include "s3/bucket/settle.h"

enum { SETTLE_TRIES_MAX = 20 };

static void mine_read(struct settle *s);

static void settle_end(struct settle *s, int rc)
{
    s->done(s, rc);
}

/* ---- changes ---- */

void rows_rm_range(struct cairn_op *op, struct bytes lo, struct bytes hi)
{
    for (const char *at = ROW_PREFIXES; *at; at++) {
        struct row_key from, to;

        row_key_named(&from, (enum row_prefix) * at, lo);
        row_key_named(&to, (enum row_prefix)(*at + (hi.len ? 0 : 1)), hi);
        cairn_op_omap_rm_range(op, from.b, from.len, to.b, to.len);
    }
}

struct cairn_op *row_replace(struct call *c, const struct shard_view *v,
                             const struct shard_row *next, int *out_rc)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);
    AUTO(writer) w = {0};

    name_shard(c->name, &next->bucket, next->no);
    shard_row_encode(next, &w);
    *out_rc = w.rc;
    if (op && w.rc == 0) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, v->value, v->bytes);
        cairn_op_xattr_set(op, "shard", w.data, w.len);
    }
    return op;
}

void count_add(struct cairn_op *op, const struct shard_count *n, bool minus)
{
    int64_t sign = minus ? -1 : 1;
    int64_t numbers[3] = {sign * (int64_t)n->entries, sign * (int64_t)n->object_bytes,
                          sign * (int64_t)n->row_bytes};

    cairn_op_xattr_add(op, "count", numbers, ARRAY_LEN(numbers));
}

static void changed(struct call *c)
{
    struct settle *s = CONTAINER_OF(c, struct settle, call);

    if (c->code < 0 && c->code != -R_GUARD_FAILED && c->code != -R_NO_OBJECT)
        settle_end(s, c->code);
    else
        mine_read(s);
}

/* The move of `v` ends; rows of its range go, unless they are the shard's own. */
static void end_move(struct settle *s, struct shard_view *v, bool rows_go)
{
    struct shard_row next;
    struct cairn_op *op;
    int rc;

    move_end(&v->row, &next);
    op = row_replace(&s->call, v, &next, &rc);
    if (op && rc == 0 && rows_go && next.state == SHARD_EMPTY)
        cairn_op_omap_clear(op);
    else if (op && rc == 0 && rows_go)
        rows_rm_range(op, v->row.m.lo, v->row.m.hi);
    call_submit_if(&s->call, rc, changed);
}

static void adopt(struct settle *s, struct shard_view *destination, struct shard_view *source)
{
    struct shard_row next;
    struct cairn_op *op;
    int rc = move_adopt(&destination->row, &source->row, &next);

    if (rc < 0) { /* the last rows came between our two reads */
        mine_read(s);
        return;
    }
    op = row_replace(&s->call, destination, &next, &rc);
    if (op && rc == 0)
        count_add(op, &destination->row.m.count, false);
    call_submit_if(&s->call, rc, changed);
}

/* ---- reading and judging ---- */

static void peer_ask(struct settle *s);

static void judge(struct settle *s, bool asked)
{
    const struct shard_row *peer = s->peer ? &s->peer->row : NULL;

    switch (move_judge(&s->mine->row, asked, peer, s->force)) {
    case SETTLE_ASK:
        peer_ask(s);
        break;
    case SETTLE_UNMARK:
        end_move(s, s->mine, false);
        break;
    case SETTLE_UNMARK_PEER:
        end_move(s, s->peer, false);
        break;
    case SETTLE_CLEAR:
    case SETTLE_FINISH:
        end_move(s, s->mine, true);
        break;
    case SETTLE_ADOPT:
        adopt(s, s->mine, s->peer);
        break;
    case SETTLE_ADOPT_PEER:
        adopt(s, s->peer, s->mine);
        break;
    case SETTLE_WAIT:
    case SETTLE_NOTHING:
        settle_end(s, 0);
        break;
    }
}

/* The row that was read; NULL: there is none. */
static int row_take(struct call *c, struct shard_view **out_view)
{
    struct bytes value;
    int rc = c->code;

    shard_view_unref(TAKE(*out_view));
    if (rc == -R_NO_OBJECT || rc == -R_NO_XATTR)
        return 0;
    if (rc == 0)
        rc = call_present(c, 0, &value);
    if (rc == 0)
        *out_view = shard_view_create(value, &rc);
    return rc;
}

static void row_ask(struct settle *s, uint64_t no, void (*done)(struct call *c))
{
    struct cairn_op *op = call_begin(&s->call, CALL_INDEX);

    name_shard(s->call.name, &s->bucket, no);
    if (op)
        cairn_op_xattr_get(op, "shard");
    call_submit(&s->call, done);
}

static void peer_came(struct call *c)
{
    struct settle *s = CONTAINER_OF(c, struct settle, call);
    int rc = row_take(c, &s->peer);

    if (rc < 0)
        settle_end(s, rc);
    else
        judge(s, true);
}

static void peer_ask(struct settle *s)
{
    row_ask(s, s->mine->row.m.peer, peer_came);
}

static void mine_came(struct call *c)
{
    struct settle *s = CONTAINER_OF(c, struct settle, call);
    int rc = row_take(c, &s->mine);

    if (rc == 0 && s->mine && ++s->tries == SETTLE_TRIES_MAX)
        rc = -R_BUCKET_BUSY;
    if (rc < 0 || !s->mine)
        settle_end(s, rc);
    else
        judge(s, false);
}

static void mine_read(struct settle *s)
{
    row_ask(s, s->no, mine_came);
}

void settle_init(struct settle *s, struct bucket_layer *l)
{
    memset(s, 0, sizeof(*s));
    call_init(&s->call, l);
    s->call.frees = true; /* a move that was left is ended before what it holds up can go */
}

void settle_fini(struct settle *s)
{
    call_fini(&s->call);
    shard_view_unref(TAKE(s->mine));
    shard_view_unref(TAKE(s->peer));
}

void settle_run(struct settle *s, const struct uuid *bucket, uint64_t no, bool force,
                void (*done)(struct settle *s, int rc))
{
    s->bucket = *bucket;
    s->no = no;
    s->force = force;
    s->tries = 0;
    s->done = done;
    mine_read(s);
}
