/* pg_sessions.c - what clients were answered.
 *
 * A session holds its results in the order of op numbers, so that a rising floor drops them from
 * the front.  Sessions stand in the order of their newest entries, so that the one to expire is the
 * first.  Everything follows from the entries applied, in their order, and from nothing else: two
 * copies that applied the same entries answer a repeat alike. */
#include "core/osd/pg_sessions.h"

#include <stdlib.h>

#include "core/base/hash.h"
#include "core/base/plant.h"
#include "core/osd/pg_rows.h"

struct session {
    struct hnode by_client;
    struct list by_age;
    struct list results; /* by op, ascending */
    uint32_t result_count;
    struct pg_floor f;
};

struct result {
    struct hnode by_reqid;
    struct list in_session;
    struct pg_result r;
};

static uint64_t client_hash(uint64_t client)
{
    return hash64_u64(0, client);
}

static uint64_t reqid_hash(struct reqid r)
{
    return hash64(0, &r, sizeof(r));
}

static struct session *session_find(const struct pg_sessions *s, uint64_t client)
{
    struct hnode *n = htable_first(&s->by_client, client_hash(client));

    for (; n; n = htable_next(n)) {
        struct session *of = CONTAINER_OF(n, struct session, by_client);

        if (of->f.client == client)
            return of;
    }
    return NULL;
}

static struct result *result_find(const struct pg_sessions *s, struct reqid reqid)
{
    struct hnode *n = htable_first(&s->results, reqid_hash(reqid));

    for (; n; n = htable_next(n)) {
        struct result *r = CONTAINER_OF(n, struct result, by_reqid);

        if (reqid_eq(r->r.reqid, reqid))
            return r;
    }
    return NULL;
}

int pg_sessions_init(struct pg_sessions *s)
{
    memset(s, 0, sizeof(*s));
    list_init(&s->by_age);
    s->sessions_max = SESSIONS_MAX;
    if (htable_init(&s->by_client, 8) < 0)
        return -ENOMEM;
    if (htable_init(&s->results, 8) < 0) {
        htable_fini(&s->by_client);
        memset(s, 0, sizeof(*s));
        return -ENOMEM;
    }
    return 0;
}

static void result_drop(struct pg_sessions *s, struct session *of, struct result *r)
{
    htable_remove(&s->results, &r->by_reqid);
    list_remove(&r->in_session);
    mem_free(r);
    of->result_count--;
    s->result_count--;
}

static void session_drop(struct pg_sessions *s, struct session *of)
{
    while (!list_empty(&of->results))
        result_drop(s, of, LIST_FIRST(&of->results, struct result, in_session));
    htable_remove(&s->by_client, &of->by_client);
    list_remove(&of->by_age);
    mem_free(of);
    s->session_count--;
    s->drops++;
}

void pg_sessions_fini(struct pg_sessions *s)
{
    if (!s->by_age.next)
        return;
    while (!list_empty(&s->by_age))
        session_drop(s, LIST_FIRST(&s->by_age, struct session, by_age));
    htable_fini(&s->by_client);
    htable_fini(&s->results);
    memset(s, 0, sizeof(*s));
}

static struct session *session_create(const struct pg_floor *f)
{
    struct session *of = mem_zalloc(sizeof(*of));

    if (!of)
        return NULL;
    of->f = *f;
    list_init(&of->by_age);
    list_init(&of->results);
    return of;
}

static void session_insert(struct pg_sessions *s, struct session *of)
{
    htable_insert(&s->by_client, &of->by_client, client_hash(of->f.client));
    list_push_back(&s->by_age, &of->by_age);
    s->session_count++;
}

/* Ops mostly come in order, so the place is looked for from the end. */
static void result_insert(struct pg_sessions *s, struct session *of, struct result *r)
{
    struct list *at = &of->results;

    while (at->prev != &of->results &&
           LIST_ENTRY(at->prev, struct result, in_session)->r.reqid.op > r->r.reqid.op)
        at = at->prev;
    list_insert_before(at, &r->in_session);
    htable_insert(&s->results, &r->by_reqid, reqid_hash(r->r.reqid));
    of->result_count++;
    s->result_count++;
}

static struct result *result_create(const struct pg_result *row)
{
    struct result *r = mem_zalloc(sizeof(*r));

    if (!r)
        return NULL;
    r->r = *row;
    list_init(&r->in_session);
    return r;
}

void pg_sessions_move(struct pg_sessions *from, struct pg_sessions *to)
{
    *to = *from;
    list_init(&to->by_age);
    list_splice(&to->by_age, &from->by_age);
    memset(from, 0, sizeof(*from));
}

int pg_sessions_copy(const struct pg_sessions *from, struct pg_sessions *out)
{
    struct pg_sessions n;

    if (pg_sessions_init(&n) < 0)
        return -ENOMEM;
    n.sessions_max = from->sessions_max;
    n.expired = from->expired;
    n.drops = from->drops;
    LIST_EACH (a, &from->by_age) {
        const struct session *old = LIST_ENTRY(a, struct session, by_age);
        struct session *of = session_create(&old->f);

        if (!of)
            goto no_memory;
        session_insert(&n, of);
        LIST_EACH (b, &old->results) {
            struct result *r = result_create(&LIST_ENTRY(b, struct result, in_session)->r);

            if (!r)
                goto no_memory;
            result_insert(&n, of, r);
        }
    }
    pg_sessions_move(&n, out);
    return 0;
no_memory:
    pg_sessions_fini(&n);
    return -ENOMEM;
}

/* Raise the floor and drop what is below it, or what is too many. */
static void floor_raise(struct pg_sessions *s, struct session *of, uint64_t floor)
{
    of->f.floor = MAX(of->f.floor, floor);
    while (!list_empty(&of->results)) {
        struct result *r = LIST_FIRST(&of->results, struct result, in_session);

        if (of->result_count > SESSION_RESULTS_MAX)
            of->f.floor = MAX(of->f.floor, r->r.reqid.op + 1);
        if (r->r.reqid.op >= of->f.floor)
            break;
        result_drop(s, of, r);
    }
}

int pg_sessions_apply(struct pg_sessions *s, const struct pg_log_entry *e)
{
    const struct pg_result row = {.reqid = e->reqid, .version = e->version, .rc = e->rc};
    const struct pg_floor fresh = {.client = e->reqid.client, .unknown_until = s->expired};
    struct session *of;
    struct result *r;

    if (e->reqid.client == 0)
        return 0;
    of = session_find(s, e->reqid.client);
    r = result_find(s, e->reqid);
    if (!of) {
        ASSERT(!r);
        of = session_create(&fresh);
        if (!of)
            return -ENOMEM;
    }
    if (!r && !PLANTED(PLANT_FORGET_REQID)) {
        r = result_create(&row);
        if (!r) {
            if (!list_linked(&of->by_age))
                mem_free(of);
            return -ENOMEM;
        }
        result_insert(s, of, r);
    } else if (r) {
        r->r = row;
    }
    if (!list_linked(&of->by_age))
        session_insert(s, of);
    of->f.last = e->version;
    floor_raise(s, of, e->floor);
    list_remove(&of->by_age);
    list_push_back(&s->by_age, &of->by_age);
    while (s->session_count > s->sessions_max || s->result_count > RESULTS_MAX) {
        session_drop(s, LIST_FIRST(&s->by_age, struct session, by_age));
        s->expired = e->version.epoch;
    }
    return 0;
}

/* ---- rows ---- */

static bool result_equal(const struct pg_result *a, const struct pg_result *b)
{
    return reqid_eq(a->reqid, b->reqid) && version_eq(a->version, b->version) && a->rc == b->rc;
}

/* Rows of the results that `of` had and that are gone. */
static void gone_results(const struct session *of, const struct pg_sessions *to, struct txn *txn)
{
    LIST_EACH (l, &of->results) {
        const struct result *r = LIST_ENTRY(l, struct result, in_session);

        if (!result_find(to, r->r.reqid))
            pg_row_result_rm(txn, r->r.reqid);
    }
}

static void session_rows(const struct pg_sessions *from, const struct pg_sessions *to,
                         const struct session *of, struct txn *txn)
{
    const struct session *was = session_find(from, of->f.client);

    if (was)
        gone_results(was, to, txn);
    pg_row_floor_put(txn, &of->f);
    LIST_EACH (l, &of->results) {
        const struct result *r = LIST_ENTRY(l, struct result, in_session);
        const struct result *old = result_find(from, r->r.reqid);

        if (!old || !result_equal(&old->r, &r->r))
            pg_row_result_put(txn, &r->r);
    }
}

void pg_sessions_rows_change(const struct pg_sessions *from, const struct pg_sessions *to,
                             struct version since, struct txn *txn)
{
    const struct list *l;

    if (to->drops != from->drops)
        LIST_EACH (a, &from->by_age) {
            const struct session *of = LIST_ENTRY(a, struct session, by_age);

            if (session_find(to, of->f.client))
                continue;
            pg_row_floor_rm(txn, of->f.client);
            gone_results(of, to, txn);
        }
    for (l = to->by_age.prev; l != &to->by_age; l = l->prev) {
        const struct session *of = LIST_ENTRY(l, struct session, by_age);

        if (of->f.last.seq <= since.seq)
            break; /* in the order of their newest entries: those before did not change */
        session_rows(from, to, of, txn);
    }
}

enum pg_lookup pg_sessions_lookup(const struct pg_sessions *s, struct reqid reqid,
                                  struct epoch born, uint32_t attempt, struct pg_result *out)
{
    const struct session *of = session_find(s, reqid.client);
    const struct result *r = result_find(s, reqid);
    struct epoch unknown_until = of ? of->f.unknown_until : s->expired;

    if (r) {
        *out = r->r;
        return PG_LOOKUP_REPEAT;
    }
    if (of && reqid.op < of->f.floor)
        return PG_LOOKUP_UNKNOWN;
    /* It may have run, and its result gone with its session. */
    if (attempt > 1 && born.v <= unknown_until.v)
        return PG_LOOKUP_UNKNOWN;
    return PG_LOOKUP_NEW;
}

int pg_sessions_rows(const struct pg_sessions *s, struct pg_floor **out_floors,
                     uint32_t *out_floor_count, struct pg_result **out_results,
                     uint32_t *out_result_count)
{
    struct pg_floor *floors = mem_calloc(s->session_count, sizeof(*floors));
    struct pg_result *results = mem_calloc(s->result_count, sizeof(*results));
    uint32_t f = 0, r = 0;

    if (!floors || !results) {
        mem_free(floors);
        mem_free(results);
        return -ENOMEM;
    }
    LIST_EACH (a, &s->by_age) {
        const struct session *of = LIST_ENTRY(a, struct session, by_age);

        floors[f++] = of->f;
        LIST_EACH (b, &of->results)
            results[r++] = LIST_ENTRY(b, struct result, in_session)->r;
    }
    *out_floors = floors;
    *out_floor_count = f;
    *out_results = results;
    *out_result_count = r;
    return 0;
}

int pg_sessions_load_floor(struct pg_sessions *s, const struct pg_floor *f)
{
    struct session *of;

    if (f->client == 0 || session_find(s, f->client))
        return -R_MALFORMED;
    of = session_create(f);
    if (!of)
        return -ENOMEM;
    session_insert(s, of);
    return 0;
}

int pg_sessions_load_result(struct pg_sessions *s, const struct pg_result *row)
{
    struct session *of = session_find(s, row->reqid.client);
    struct result *r;

    if (!of || result_find(s, row->reqid))
        return -R_MALFORMED;
    r = result_create(row);
    if (!r)
        return -ENOMEM;
    result_insert(s, of, r);
    return 0;
}

static int by_last(const void *a, const void *b)
{
    const struct session *x = *(struct session *const *)a, *y = *(struct session *const *)b;

    return x->f.last.seq < y->f.last.seq ? -1 : x->f.last.seq > y->f.last.seq;
}

int pg_sessions_load_end(struct pg_sessions *s)
{
    struct session **all = mem_calloc(s->session_count, sizeof(struct session *));
    uint32_t n = 0;

    if (!all)
        return -ENOMEM;
    while (!list_empty(&s->by_age))
        all[n++] = LIST_ENTRY(list_pop_front(&s->by_age), struct session, by_age);
    qsort(all, n, sizeof(struct session *), by_last);
    for (uint32_t i = 0; i < n; i++)
        list_push_back(&s->by_age, &all[i]->by_age);
    mem_free(all);
    return 0;
}

bool pg_sessions_equal(const struct pg_sessions *a, const struct pg_sessions *b)
{
    const struct list *x = a->by_age.next, *y = b->by_age.next;

    if (a->session_count != b->session_count || a->result_count != b->result_count ||
        !epoch_eq(a->expired, b->expired))
        return false;
    for (; x != &a->by_age; x = x->next, y = y->next) {
        const struct session *p = LIST_ENTRY(x, struct session, by_age);
        const struct session *q = LIST_ENTRY(y, struct session, by_age);
        const struct list *i = p->results.next, *j = q->results.next;

        if (p->f.client != q->f.client || p->f.floor != q->f.floor ||
            !version_eq(p->f.last, q->f.last) ||
            !epoch_eq(p->f.unknown_until, q->f.unknown_until) || p->result_count != q->result_count)
            return false;
        for (; i != &p->results; i = i->next, j = j->next) {
            const struct pg_result *r = &LIST_ENTRY(i, struct result, in_session)->r;
            const struct pg_result *t = &LIST_ENTRY(j, struct result, in_session)->r;

            if (!result_equal(r, t))
                return false;
        }
    }
    return true;
}
