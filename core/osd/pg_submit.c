/* pg_submit.c - every transaction of a PG passes here, in one order.
 *
 * The store wants each object that a transaction names held open until it is durable.  A
 * transaction whose objects are all in the cache goes to the store at once; another waits in `subs`
 * while they are opened, and so does everything behind it.  From the store on they are in
 * `inflight`, in the same order, until `committed`.
 *
 * `after` holds what may be said only when all that was submitted before is durable: answers to
 * peering questions, which must survive our power cut. */
#include "core/osd/pg.h"

struct pg_sub_open {
    struct object_open o;
    struct pg_sub *sub;
    uint32_t at;
};

int pg_sub_init(struct pg_sub *sub, struct pg *pg, struct txn *txn, struct object *first)
{
    *sub = (struct pg_sub){.pg = pg, .count = txn->object_count, .obj = sub->near};
    list_init(&sub->link);
    if (sub->count > PG_SUB_INLINE) {
        sub->obj = mem_calloc(sub->count, sizeof(struct object *));
        if (!sub->obj)
            return -ENOMEM;
    }
    sub->txn = txn_ref(txn);
    if (first && sub->count)
        sub->obj[0] = object_ref(first);
    return 0;
}

void pg_sub_fini(struct pg_sub *sub)
{
    list_remove(&sub->link);
    for (uint32_t i = 0; i < sub->count; i++)
        object_unref(sub->obj[i]);
    if (sub->obj != sub->near)
        mem_free(sub->obj);
    mem_free(sub->open);
    txn_unref(sub->txn);
    sub->count = 0;
    sub->obj = sub->near;
    sub->open = NULL;
    sub->txn = NULL;
}

static void run_after(struct pg *pg)
{
    while (!list_empty(&pg->after)) {
        struct pg_after *a = LIST_FIRST(&pg->after, struct pg_after, link);

        if (a->seq > pg->durable_seq)
            return;
        list_remove(&a->link);
        a->run(a, pg, false);
    }
}

void pg_after(struct pg *pg, struct pg_after *a)
{
    a->seq = pg->sub_seq;
    a->interval = pg_since(pg);
    list_push_back(&pg->after, &a->link);
    run_after(pg);
}

void pg_after_drop(struct pg *pg)
{
    LIST_EACH_SAFE (at, &pg->after) {
        struct pg_after *a = LIST_ENTRY(at, struct pg_after, link);

        list_remove(&a->link);
        a->run(a, pg, true);
    }
}

static void committed(struct store_commit *c)
{
    struct pg_sub *sub = CONTAINER_OF(c, struct pg_sub, commit);
    struct pg *pg = sub->pg;
    struct version version = sub->version;

    pg_touch(pg);
    ASSERT(sub->seq == pg->durable_seq + 1); /* a collection commits in order */
    pg->durable_seq = sub->seq;
    if (version.seq) {
        ASSERT(version_lt(pg->durable, version));
        pg->durable = version;
    }
    pg_sub_fini(sub);
    sub->durable(sub, true);
    if (version.seq) {
        replicate_durable(pg);
        replica_durable(pg);
    }
    run_after(pg);
    if (pg->durable_seq == pg->sub_seq)
        pg_drained(pg);
}

/* 0, or why it cannot go now. */
static int hand_over(struct pg_sub *sub)
{
    struct pg *pg = sub->pg;
    int rc;

    sub->commit.committed = committed;
    list_push_back(&pg->inflight, &sub->link);
    rc = store_submit(pg->o->store, sub->txn, &sub->commit);
    if (rc < 0) {
        list_remove(&sub->link);
        return rc;
    }
    if (sub->version.seq)
        pg->applied = sub->version;
    return 0;
}

static void refused(struct pg_sub *sub, int rc)
{
    struct osd *o = sub->pg->o;

    if (rc == -ENOMEM || rc == -R_BACK_PRESSURE || rc == -R_STORE_FULL)
        osd_retry_later(o); /* admitted by the primary: room comes back, or an operator is needed */
    else if (rc != -R_STOPPED && rc != -R_STORE_FAILED)
        osd_fail(o, rc, "a transaction was refused");
}

static void opened(struct object_open *base)
{
    struct pg_sub_open *open = CONTAINER_OF(base, struct pg_sub_open, o);
    struct pg_sub *sub = open->sub;

    sub->opening--;
    sub->pg->opening--;
    if (base->rc == -R_STOPPED || base->rc == -R_STORE_FAILED)
        return; /* the transaction goes with the store */
    if (base->rc == 0)
        sub->obj[open->at] = base->obj;
    else
        refused(sub, base->rc);
    pg_subs_run(sub->pg);
}

/* Open what is not open: 0 when all is, 1 when some come later, or -ENOMEM. */
static int open_objects(struct pg_sub *sub)
{
    struct store *s = sub->pg->o->store;
    uint32_t lacking = 0;

    for (uint32_t i = 0; i < sub->count; i++)
        if (!sub->obj[i] && !store_object_peek(s, &sub->txn->objects[i], &sub->obj[i]))
            lacking++;
    if (!lacking)
        return 0;
    if (!sub->open)
        sub->open = mem_calloc(sub->count, sizeof(struct pg_sub_open));
    if (!sub->open)
        return -ENOMEM;
    for (uint32_t i = 0; i < sub->count; i++) {
        struct pg_sub_open *open = &sub->open[i];

        if (sub->obj[i])
            continue;
        *open = (struct pg_sub_open){.sub = sub, .at = i};
        open->o.oid = sub->txn->objects[i];
        open->o.done = opened;
        sub->opening++;
        sub->pg->opening++;
        store_object_open(s, &open->o);
    }
    return 1;
}

bool pg_sub_ready(const struct pg *pg)
{
    return list_empty(&pg->subs);
}

void pg_subs_run(struct pg *pg)
{
    while (!list_empty(&pg->subs)) {
        struct pg_sub *sub = LIST_FIRST(&pg->subs, struct pg_sub, link);
        int rc = sub->opening ? 1 : open_objects(sub);

        if (rc == 1)
            return;
        list_remove(&sub->link);
        if (rc == 0)
            rc = hand_over(sub);
        if (rc < 0) {
            list_push_front(&pg->subs, &sub->link);
            refused(sub, rc);
            return;
        }
    }
    if (pg_serves(pg))
        exec_unblock(pg); /* writes wait while the order is held up */
}

void pg_submit(struct pg_sub *sub)
{
    struct pg *pg = sub->pg;
    bool first = list_empty(&pg->subs);

    pg_touch(pg);
    sub->seq = ++pg->sub_seq;
    if (first && open_objects(sub) == 0 && hand_over(sub) == 0)
        return;
    list_push_back(&pg->subs, &sub->link);
    if (first && !sub->opening)
        osd_retry_later(pg->o);
}

static void txn_durable(struct pg_sub *sub, bool done)
{
    UNUSED(done);
    mem_free(sub);
}

int pg_submit_txn(struct pg *pg, struct txn *txn)
{
    struct pg_sub *sub = mem_alloc(sizeof(*sub));

    if (!sub || pg_sub_init(sub, pg, txn, NULL) < 0) {
        mem_free(sub);
        return -ENOMEM;
    }
    txn_unref(txn);
    sub->durable = txn_durable;
    pg_submit(sub);
    return 0;
}

void pg_subs_free(struct pg *pg)
{
    ASSERT(pg->opening == 0); /* what is on its way comes back to a sub */
    list_splice(&pg->inflight, &pg->subs);
    while (!list_empty(&pg->inflight)) {
        struct pg_sub *sub = LIST_FIRST(&pg->inflight, struct pg_sub, link);

        for (uint32_t i = 0; i < sub->count; i++)
            sub->obj[i] = NULL; /* gone with the store */
        pg_sub_fini(sub);
        sub->durable(sub, false);
    }
    pg_after_drop(pg);
}
