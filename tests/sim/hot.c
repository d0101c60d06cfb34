/* hot.c - the workload on hot objects: who asks what when, and whether the answers make sense.
 *
 * Each client has a timer in its process.  When it fires, the client submits what is due by then,
 * in bursts, so that operations meet on an object and in its PG's pipeline; few enough that a
 * history can be judged (PER_OBJECT_MAX).  Operations of a client that dies stay open for ever. */
#include "tests/sim/hot.h"

#include "core/env/env.h"
#include "tests/sim/linear.h"

enum { PER_OBJECT_MAX = 6, PER_CLIENT_MAX = 40, BURST_MAX = 12, STATES_MAX = 400000 };

struct hot;

struct live { /* one operation under way */
    struct list link;
    struct hot *w;
    struct hop *op;
    uint32_t object;
    struct cairn_op *cop; /* in the client's process */
};

struct hot_client {
    struct hot *w;
    struct node *n;
    struct list live;
    uint32_t count;
    struct env_timer timer; /* of the present process */
};

struct hot {
    struct workload base;
    struct cluster *cl;
    struct rng rng;
    struct hot_object object[HOT_OBJECTS_MAX];
    uint32_t objects;
    struct hot_client client[CLIENTS_MAX];
    uint32_t issued, tag;
    uint64_t since_ns;
    bool finals;
    uint32_t finals_left;
};

static struct hot *hot_of(const struct workload *w)
{
    return CONTAINER_OF(w, struct hot, base);
}

/* --- one operation ---------------------------------------------------------------------------- */

static void live_end(struct live *l)
{
    l->w->client[l->op->client].count--;
    l->w->object[l->object].in_flight--;
    list_remove(&l->link);
    mem_free(l);
}

/* Answers that must not come, whatever is broken: nothing here rots, nothing is full. */
static bool expected(const struct hop *op)
{
    switch (op->rc) {
    case 0:
    case -ENOENT:
    case -EEXIST:
    case -ENODATA:
    case -ECANCELED:
        return op->rc == 0 || op->failed_step >= 0;
    default:
        return false;
    }
}

static void hot_done(struct cairn_op *cop, int rc, void *arg)
{
    struct live *l = arg;
    struct hot *w = l->w;
    struct hop *op = l->op;

    op->ret_ns = sim_now_ns(w->cl->sim);
    hot_take(op, cop, &w->object[l->object]);
    sim_trace_add(w->cl->sim, (uint64_t)op->number << 32 ^ (uint32_t)rc);
    if (cairn_op_code(cop) == -R_UNKNOWN_OP) {
        w->cl->cov.ops_open++; /* it says that nobody knows */
    } else {
        op->end = HOP_DONE;
        w->cl->cov.ops_answered++;
        if (!expected(op))
            cluster_broken(w->cl, "operation %u on %s: %s at step %d", op->number,
                           w->object[l->object].history.name, cairn_op_reason(cop),
                           op->failed_step);
    }
    cairn_op_destroy(cop);
    if (w->finals)
        w->finals_left--;
    live_end(l);
}

static void submit(struct hot_client *c, uint32_t object, bool final)
{
    struct hot *w = c->w;
    struct hot_object *o = &w->object[object];
    struct mem_scope *inside = mem_scope_enter(NULL);
    struct live *l = mem_zalloc(sizeof(*l));
    struct hop *op = history_add(&o->history);
    int rc;

    (void)mem_scope_enter(inside);
    ASSERT(l);
    op->client = c->n->id;
    op->number = ++w->issued;
    op->call_ns = sim_now_ns(w->cl->sim);
    if (final)
        hot_draw_final(op);
    else
        hot_draw(op, o, &w->rng, &w->tag);
    *l = (struct live){.w = w, .op = op, .object = object, .cop = cairn_op_create()};
    list_push_back(&c->live, &l->link);
    c->count++;
    o->in_flight++;
    rc = l->cop ? hot_build(op, l->cop) : -ENOMEM;
    if (rc == 0)
        rc =
            cairn_submit(c->n->pool, o->history.name, strlen(o->history.name), l->cop, hot_done, l);
    if (rc < 0)
        cluster_broken(w->cl, "operation %u on %s could not be submitted: %s", op->number,
                       o->history.name, reason_name(rc));
}

/* --- clients ---------------------------------------------------------------------------------- */

static uint32_t due(const struct hot *w)
{
    uint64_t load_ms = w->cl->sc.load_ns / NS_PER_MS;
    uint64_t passed_ms = (sim_now_ns(w->cl->sim) - w->since_ns) / NS_PER_MS;
    uint64_t ops = w->cl->sc.ops * MIN(passed_ms, load_ms) / load_ms;

    return ops > w->issued ? (uint32_t)ops - w->issued : 0;
}

static void client_turn(struct env_timer *t)
{
    struct hot_client *c = CONTAINER_OF(t, struct hot_client, timer);
    struct hot *w = c->w;
    uint32_t count = MIN(due(w), BURST_MAX);

    for (uint32_t i = 0; i < count && c->count < PER_CLIENT_MAX && !w->cl->broken; i++) {
        uint32_t object = (uint32_t)rng_below(&w->rng, w->objects);

        if (rng_chance(&w->rng, 1, 3))
            object = 0; /* the hottest */
        if (w->object[object].in_flight < PER_OBJECT_MAX)
            submit(c, object, false);
    }
    if (w->issued < w->cl->sc.ops)
        env_timer_after(c->n->env, t, rng_between(&w->rng, 5, 250) * NS_PER_MS);
}

static void client_up(struct workload *base, struct node *n)
{
    struct hot *w = hot_of(base);
    struct hot_client *c = &w->client[n->id];

    if (w->since_ns == 0)
        w->since_ns = sim_now_ns(w->cl->sim);
    c->n = n;
    env_timer_init(&c->timer, client_turn);
    env_timer_after(n->env, &c->timer, NS_PER_MS);
}

static void client_stops(struct workload *base, struct node *n)
{
    env_timer_cancel(n->env, &hot_of(base)->client[n->id].timer);
}

static void client_down(struct workload *base, struct node *n)
{
    struct hot *w = hot_of(base);
    struct hot_client *c = &w->client[n->id];

    while (!list_empty(&c->live)) {
        w->cl->cov.ops_open++;
        live_end(LIST_FIRST(&c->live, struct live, link));
    }
}

static bool all_issued(const struct workload *base)
{
    return hot_of(base)->issued >= hot_of(base)->cl->sc.ops;
}

static bool all_answered(const struct workload *base)
{
    const struct hot *w = hot_of(base);

    if (w->finals)
        return w->finals_left == 0;
    for (uint32_t i = 0; i < w->objects; i++)
        if (w->object[i].in_flight)
            return false;
    return true;
}

static void final_reads(struct workload *base, struct node *n)
{
    struct hot *w = hot_of(base);

    w->finals = true;
    w->finals_left = w->objects;
    for (uint32_t i = 0; i < w->objects; i++)
        submit(&w->client[n->id], i, true);
}

/* --- judging ---------------------------------------------------------------------------------- */

static void print_pg(const struct cluster *cl, const char *name, FILE *f)
{
    struct oid oid;
    char text[32];

    if (cl->pg_count && oid_make((struct pool_id){cl->pool_id}, BYTES_STR(name), &oid) == 0)
        fprintf(f, "%s is in pg %s\n", name, pgid_print(oid_pg(&oid, cl->pg_count), text));
}

static bool verify(struct workload *base, FILE *f)
{
    struct hot *w = hot_of(base);
    bool good = true;

    for (uint32_t i = 0; i < w->objects; i++) {
        const struct history *h = &w->object[i].history;
        struct linear_report report;
        enum linear result = linear_check(h, STATES_MAX, f, &report);

        w->cl->cov.states += report.states;
        if (result == LINEAR_YES)
            continue;
        good = false;
        print_pg(w->cl, h->name, f);
        cluster_broken(w->cl, "%s: %s", h->name,
                       result == LINEAR_NO ? "not linearizable"
                                           : "no order found within the bound");
    }
    return good;
}

static void print_open(const struct workload *base, FILE *f)
{
    const struct hot *w = hot_of(base);

    fprintf(f, "%u of %u operations issued; without an answer:\n", w->issued, w->cl->sc.ops);
    for (uint32_t i = 0; i < w->cl->sc.clients; i++)
        LIST_EACH (at, &w->client[i].live) {
            const struct live *l = LIST_ENTRY(at, struct live, link);

            fprintf(f, "  %s", w->object[l->object].history.name);
            hop_print(f, l->op);
        }
}

static void print_history(const struct workload *base, const char *name, FILE *f)
{
    const struct hot *w = hot_of(base);

    for (uint32_t i = 0; i < w->objects; i++) {
        const struct history *h = &w->object[i].history;

        if (strcmp(h->name, name) != 0)
            continue;
        print_pg(w->cl, name, f);
        for (uint32_t n = 0; n < h->count; n++)
            hop_print(f, h->op[n]);
    }
}

static void hot_destroy(struct workload *base)
{
    struct hot *w = hot_of(base);

    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        while (!list_empty(&w->client[i].live))
            live_end(LIST_FIRST(&w->client[i].live, struct live, link));
    for (uint32_t i = 0; i < w->objects; i++)
        history_fini(&w->object[i].history);
    mem_free(w);
}

static uint32_t objects(const struct workload *base)
{
    return hot_of(base)->objects;
}

static const char *object_name(const struct workload *base, uint32_t i)
{
    return hot_of(base)->object[i].history.name;
}

struct workload *hot_create(struct cluster *cl)
{
    struct hot *w = mem_zalloc(sizeof(*w));
    char name[32];

    ASSERT(w);
    w->base = (struct workload){.client_up = client_up,
                                .client_stops = client_stops,
                                .client_down = client_down,
                                .issued = all_issued,
                                .answered = all_answered,
                                .final = final_reads,
                                .objects = objects,
                                .object = object_name,
                                .verify = verify,
                                .print = print_open,
                                .print_history = print_history,
                                .destroy = hot_destroy};
    w->cl = cl;
    w->objects = cl->sc.objects;
    rng_seed(&w->rng, cl->sc.seed * UINT64_C(0xd6e8feb86659fd93) + 5);
    for (uint32_t i = 0; i < w->objects; i++) {
        snprintf(name, sizeof(name), "hot.%u", i);
        history_init(&w->object[i].history, name);
    }
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        w->client[i].w = w;
        list_init(&w->client[i].live);
    }
    return &w->base;
}
