/* boxes.c - the workload on buckets: a gateway's bucket layer in each client's process.
 *
 * The requests and the judge are those of the bucket layer's own tests
 * (tests/unit/s3/bucket/model.h), here over libcairn and OSDs that are being hurt; and gateways die
 * and stand still more often than the faults have it, mostly in the middle of what takes several
 * steps.  In each fourth seed nothing else goes wrong: then no excuse is taken.  At the end, in a
 * healthy cluster: every key is read and listed once more, uploads are aborted, keys and the bucket
 * deleted, and the collectors get time. Then the stores may hold no data object any more
 * (boxes_left), whatever the gateways were doing when they died.
 *
 * The driver asks from outside (sim_at); what it asks for runs inside the gateway's process. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/boxes.h"

enum { ACTS = 1000 };
#define TURN_NS  (50 * NS_PER_MS)
#define BURST_NS NS_PER_S /* acts come together, so that they meet */

static struct boxes *boxes_of(const struct workload *w)
{
    return CONTAINER_OF(w, struct boxes, base);
}

static void model_failed(struct model *m, const char *text)
{
    cluster_broken(CONTAINER_OF(m, struct boxes, m)->cl, "buckets: %s", text);
}

/* --- gateways --------------------------------------------------------------------------------- */

static void layer_ready(void *arg, int rc)
{
    struct gate *g = arg;

    g->ready = true;
    g->ready_rc = rc;
}

static void client_up(struct workload *base, struct node *n)
{
    struct boxes *b = boxes_of(base);
    struct gate *g = &b->m.st.gate[n->id];
    uint64_t drift = b->cl->sc.drift_ppm;
    int rc;

    b->node[n->id] = n;
    g->env = n->env;
    g->life++;
    g->ready = g->stopped = false;
    /* Its clock is off by as much as those of OSDs may be: it asks for no more than they allow. */
    sim_clock_skew(n->env, (int32_t)rng_between(&b->m.rng, 0, 2 * drift) - (int32_t)drift);
    rc = bucket_layer_start(n->env, n->client, &b->m.st.conf, layer_ready, g, &g->l);
    if (rc < 0)
        cluster_broken(b->cl, "the bucket layer of %s: %s", n->name, reason_name(rc));
}

static void client_stops(struct workload *base, struct node *n)
{
    ASSERT(!boxes_of(base)->m.st.gate[n->id].l); /* stopped at the end; faults only kill */
}

static void client_down(struct workload *base, struct node *n)
{
    struct boxes *b = boxes_of(base);
    struct gate *g = &b->m.st.gate[n->id];

    if (g->l)
        model_gate_lost(&b->m, n->id);
    if (b->act.started && !b->act.done && b->act.g == g)
        b->act.started = false; /* asked again */
    g->l = NULL;
}

static void layer_stopped(void *arg)
{
    struct gate *g = arg;

    g->stopped = true;
    g->l = NULL;
}

/* Before the layer's memory goes. */
static void layer_count(struct boxes *b, const struct gate *g)
{
    const struct bucket_counters *n = bucket_counters(g->l);
    struct coverage *cov = &b->cl->cov;

    cov->shard_splits += counter_get(&n->shard_splits);
    cov->shard_merges += counter_get(&n->shard_merges);
    cov->moves_undone += counter_get(&n->moves_undone);
    cov->drops_undone += counter_get(&n->deletes_undone);
    cov->link_retries += counter_get(&n->link_retries);
    cov->stale_intents += counter_get(&n->stale_intents);
    cov->silences += counter_get(&n->silences);
    cov->collected += counter_get(&n->collected_objects);
    cov->copies += counter_get(&n->copies);
}

static void client_count(struct workload *base, struct node *n)
{
    struct boxes *b = boxes_of(base);
    const struct gate *g = &b->m.st.gate[n->id];

    if (!g->l)
        return;
    layer_count(b, g);
    hurt_count(b, n->id);
}

static void layer_stop(void *arg)
{
    struct gate *g = arg;

    bucket_layer_stop(g->l, layer_stopped, g);
}

/* --- one request after the other -------------------------------------------------------------- */

/* Starts it, or takes it in: true when it has ended (and may be made anew). */
static bool act_ended(struct boxes *b, enum act_kind kind, const char *key, const char *upload)
{
    if (b->act.started && b->act.done) {
        b->act.started = false;
        return true;
    }
    if (b->act.started)
        return false;
    for (unsigned i = 0; i < b->m.gates; i++) {
        unsigned gate = (b->at + i) % b->m.gates;

        if (!b->m.st.gate[gate].l || !b->m.st.gate[gate].ready)
            continue;
        act_fini(&b->act);
        b->act = (struct act){.kind = kind, .max = 1000, .more = {1, 1}, .quota = b->there};
        b->act.quota.bytes += b->phase == ROOM;
        b->act.quota.objects += b->phase == ROOM;
        snprintf(b->act.key, sizeof(b->act.key), "%s", key);
        snprintf(b->act.upload, sizeof(b->act.upload), "%s", upload);
        act_start(&b->m.st, gate, &b->act);
        return false;
    }
    return false;
}

static void next_phase(struct boxes *b)
{
    b->phase++;
    b->at = 0;
}

static void wait_phase(struct boxes *b, uint64_t for_ns)
{
    b->until_ns = sim_now_ns(b->cl->sim) + for_ns;
    next_phase(b);
}

static void each_key(struct boxes *b, enum act_kind kind)
{
    if (!act_ended(b, kind, model_keys[b->at], ""))
        return;
    if (kind == ACT_GET) {
        model_read(&b->m, &b->act);
        b->there.objects += b->act.rc == 0;
        b->there.bytes += b->act.rc == 0 ? b->act.got_size : 0;
    } else if (b->act.rc < 0 && b->act.rc != -R_NO_BUCKET)
        cluster_broken(b->cl, "buckets: %s cannot be deleted: %s", model_keys[b->at],
                       reason_name(b->act.rc));
    if (++b->at == KEYS)
        next_phase(b);
}

/* All is quiet: what the shards count is what there is. */
static void counted(struct boxes *b)
{
    const struct bucket_usage *u = &b->act.usage;

    if (!act_ended(b, ACT_USAGE, "", ""))
        return;
    if (b->phase == EMPTY)
        b->there = (struct s3_quota){0};
    if (b->act.rc == 0) {
        b->cl->cov.counted++;
        if (u->objects != b->there.objects || u->bytes != b->there.bytes ||
            (b->phase == EMPTY && (u->index_bytes || u->part_bytes)))
            cluster_broken(b->cl, "buckets: %llu objects of %llu bytes are counted as %llu of %llu",
                           (unsigned long long)b->there.objects, (unsigned long long)b->there.bytes,
                           (unsigned long long)u->objects, (unsigned long long)u->bytes);
    } else if (b->act.rc != -R_NO_BUCKET || !b->m.dropped) {
        cluster_broken(b->cl, "buckets: the bucket is not counted: %s", reason_name(b->act.rc));
    }
    next_phase(b);
}

/* A quota of just what there is keeps one more object out; one object more lets it in. */
static void limited(struct boxes *b)
{
    int want = b->phase == FULL ? -R_QUOTA : 0;

    if (!b->there.objects) {
        next_phase(b);
        return;
    }
    if (!act_ended(b, ACT_ADMIT, "", ""))
        return;
    b->cl->cov.quotas++;
    if (b->act.rc != want)
        cluster_broken(b->cl, "buckets: a quota %s: %s", want ? "that is full" : "with room",
                       reason_name(b->act.rc));
    next_phase(b);
}

static void uploads_seen(struct boxes *b)
{
    for (unsigned i = 0; i < b->act.row_count && i < UPLOADS_LEFT_MAX; i++) {
        snprintf(b->left[i].key, sizeof(b->left[i].key), "%s", b->act.rows[i].name);
        snprintf(b->left[i].upload, sizeof(b->left[i].upload), "%s", b->act.rows[i].upload);
        b->left_count = i + 1;
    }
}

static void abort_next(struct boxes *b)
{
    if (b->at == b->left_count) {
        next_phase(b);
        return;
    }
    if (!act_ended(b, ACT_ABORT, b->left[b->at].key, b->left[b->at].upload))
        return;
    if (b->act.rc < 0)
        cluster_broken(b->cl, "buckets: an upload listed cannot be aborted: %s",
                       reason_name(b->act.rc));
    b->at++;
}

/* What an upload of a dead gateway leaves goes in steps, each a grace after the one before. */
static uint64_t collect_ns(const struct bucket_conf *c)
{
    return (5 * c->reader_grace_ms + c->intent_stale_ms + c->upload_keep_ms) * NS_PER_MS +
           30 * NS_PER_S;
}

/* A bucket that nobody dropped must be there, and empty by now. */
static void drop(struct boxes *b)
{
    if (!act_ended(b, ACT_DROP, "", ""))
        return;
    if (b->act.rc < 0 && !(b->act.rc == -R_NO_BUCKET && b->m.dropped))
        cluster_broken(b->cl, "buckets: the empty bucket cannot be deleted: %s",
                       reason_name(b->act.rc));
    wait_phase(b, collect_ns(&b->m.st.conf));
}

static void stop_next(struct boxes *b)
{
    struct gate *g = &b->m.st.gate[b->at];

    if (g->l && !b->stop_asked) {
        b->stop_asked = true;
        layer_count(b, g);
        sim_enter(g->env, layer_stop, g);
    } else if (!g->l) {
        b->stop_asked = false;
        if (++b->at == b->m.gates)
            next_phase(b);
    }
}

/* --- the driver's clock ----------------------------------------------------------------------- */

static void load(struct boxes *b)
{
    uint64_t passed = sim_now_ns(b->cl->sim) - b->since_ns;
    uint64_t due = ACTS * MIN(passed - passed % BURST_NS, b->cl->sc.load_ns) / b->cl->sc.load_ns;

    b->m.draining = b->m.started % 250 > 140 && b->m.started % 250 < 200; /* it ends filled */
    model_step(&b->m, b->m.started < due);
    hurt_some(b);
}

static void play(struct boxes *b)
{
    switch (b->phase) {
    case MAKE:
        if (!act_ended(b, ACT_CREATE, "", ""))
            break;
        if (b->act.rc == 0 || b->act.rc == -R_BUCKET_YOURS) {
            model_made(&b->m, b->since_ns);
            next_phase(b);
        }
        b->since_ns = sim_now_ns(b->cl->sim);
        break;
    case LOAD:
        load(b);
        if (b->finals)
            wait_phase(b, 2 * b->m.st.conf.reader_grace_ms * NS_PER_MS + 10 * NS_PER_S);
        break;
    case SETTLE:
        if (sim_now_ns(b->cl->sim) >= b->until_ns)
            next_phase(b);
        break;
    case READ:
        each_key(b, ACT_GET);
        break;
    case LIST:
        if (!act_ended(b, ACT_LIST, "", ""))
            break;
        model_read(&b->m, &b->act);
        next_phase(b);
        break;
    case COUNT:
    case EMPTY:
        counted(b);
        break;
    case FULL:
    case ROOM:
        limited(b);
        break;
    case UPLOADS:
        if (!act_ended(b, ACT_UPLOADS, "", ""))
            break;
        uploads_seen(b);
        next_phase(b);
        break;
    case ABORT:
        abort_next(b);
        break;
    case DELETE:
        each_key(b, ACT_DELETE);
        break;
    case DROP:
        drop(b);
        break;
    case COLLECT:
        if (sim_now_ns(b->cl->sim) >= b->until_ns)
            next_phase(b);
        break;
    case STOP:
        stop_next(b);
        break;
    case DONE:
        break;
    }
}

static void turn(void *arg)
{
    struct boxes *b = arg;

    for (unsigned i = 0; i < b->m.gates; i++)
        if (b->m.st.gate[i].l)
            bucket_check(b->m.st.gate[i].l);
    if (!b->cl->broken && b->cl->started)
        play(b);
    if (b->phase != DONE)
        sim_at(b->cl->sim, sim_now_ns(b->cl->sim) + TURN_NS, turn, b);
}

static void stepped(struct workload *base)
{
    hurt_step(boxes_of(base));
}

/* --- the interface ---------------------------------------------------------------------------- */

static bool issued(const struct workload *base)
{
    const struct boxes *b = boxes_of(base);

    return b->phase > LOAD || (b->phase == LOAD && b->m.started >= ACTS);
}

static bool answered(const struct workload *base)
{
    const struct boxes *b = boxes_of(base);

    return b->finals ? b->phase == DONE : b->phase == LOAD && model_idle(&b->m);
}

static void final(struct workload *base, struct node *n)
{
    UNUSED(n);
    boxes_of(base)->finals = true;
    boxes_of(base)->m.broken = false;
}

static bool verify(struct workload *base, FILE *f)
{
    struct boxes *b = boxes_of(base);

    UNUSED(f);
    for (unsigned i = 0; i < ARRAY_LEN(b->m.ended); i++)
        b->cl->cov.ops_answered += b->m.ended[i];
    b->cl->cov.bucket_puts += b->m.ended[ACT_PUT];
    b->cl->cov.bucket_gets += b->m.ended[ACT_GET];
    b->cl->cov.bucket_deletes += b->m.ended[ACT_DELETE];
    b->cl->cov.completions += b->m.completes;
    b->cl->cov.bucket_changes += b->m.ended[ACT_CHANGE];
    b->cl->cov.uploads_listed += b->m.ended[ACT_UPLOADS] + b->m.ended[ACT_PARTS];
    b->cl->cov.bucket_drops += b->m.gone;
    b->cl->cov.drops_raced += b->m.raced;
    b->cl->cov.outlived += b->m.outlived;
    b->cl->cov.reads_cut += b->m.cut;
    b->cl->cov.conditions_held += b->m.held;
    b->cl->cov.conditions_refused += b->m.refused;
    model_judge(&b->m);
    return !b->cl->broken;
}

static void print(const struct workload *base, FILE *f)
{
    const struct boxes *b = boxes_of(base);

    fprintf(f, "phase %d at %u, %u acts started\n", b->phase, b->at, b->m.started);
    for (unsigned i = 0; i < SLOTS; i++)
        if (b->m.slot[i].busy && !b->m.slot[i].a.done)
            fprintf(f, "  act %d on %s since %.3f s\n", b->m.slot[i].a.kind, b->m.slot[i].a.key,
                    (double)b->m.slot[i].a.began_ns / 1e9);
    if (b->act.started && !b->act.done)
        fprintf(f, "  act %d on %s since %.3f s\n", b->act.kind, b->act.key,
                (double)b->act.began_ns / 1e9);
}

static void print_history(const struct workload *base, const char *name, FILE *f)
{
    const struct boxes *b = boxes_of(base);

    for (unsigned i = 0; i < b->m.writes; i++)
        if (strcmp(model_keys[b->m.w[i].key], name) == 0)
            fprintf(f, "  write %llu, %.6f to %.6f, %d\n", (unsigned long long)b->m.w[i].id,
                    (double)b->m.w[i].inv / 1e9, (double)b->m.w[i].resp / 1e9, b->m.w[i].out);
    for (unsigned i = 0; i < b->m.reads; i++)
        if (strcmp(model_keys[b->m.r[i].key], name) == 0)
            fprintf(f, "  read %llu, %.6f to %.6f\n", (unsigned long long)b->m.r[i].id,
                    (double)b->m.r[i].inv / 1e9, (double)b->m.r[i].resp / 1e9);
}

/* What was reached by names and is no more: the data pool is empty, and so are the shards. */
static bool may_stay(const struct workload *base, const char *name)
{
    UNUSED(base);
    return strncmp(name, "o.", 2) != 0 && strncmp(name, "shard.", 6) != 0;
}

static void destroy(struct workload *base)
{
    struct boxes *b = boxes_of(base);

    for (unsigned i = 0; i < SLOTS; i++)
        act_fini(&b->m.slot[i].a);
    act_fini(&b->act);
    mem_free(b->m.st.sets);
    mem_free(b);
}

/* Times are long or short for what faults take; half of the grace is more than the two seconds that
 * one may wait for a bucket that is being deleted. */
static struct bucket_conf conf_draw(struct rng *r, uint64_t seed)
{
    uint32_t unit_ms = rng_chance(r, 1, 2) ? 2000 : 5000;

    return (struct bucket_conf){.stripe_bytes = 4096,
                                .window_objects = 3,
                                .inline_bytes_max = 512,
                                .call_timeout_ms = unit_ms,
                                .background_timeout_ms = unit_ms / 4,
                                .reader_grace_ms = 3 * unit_ms,
                                .intent_stale_ms = 4 * unit_ms,
                                .collect_every_ms = 2000,
                                .collect_rows_max = 50,
                                .upload_keep_ms = 4 * unit_ms,
                                .part_bytes_min = 1000,
                                .shard_entries_max = 4 + (unsigned)(seed % 5),
                                .split_batch_keys = 1 + (unsigned)(seed % 7),
                                .split_wait_ms = 20 + 100 * (unsigned)(seed % 3)};
}

struct workload *boxes_create(struct cluster *cl)
{
    struct boxes *b = mem_zalloc(sizeof(*b));

    ASSERT(b);
    b->base = (struct workload){.client_up = client_up,
                                .client_stops = client_stops,
                                .client_count = client_count,
                                .client_down = client_down,
                                .stepped = stepped,
                                .issued = issued,
                                .answered = answered,
                                .final = final,
                                .verify = verify,
                                .may_stay = may_stay,
                                .print = print,
                                .print_history = print_history,
                                .destroy = destroy};
    b->cl = cl;
    b->m.fail = model_failed;
    b->m.gates = cl->sc.clients;
    b->m.broken = !cl->sc.quiet;
    b->m.slow_gate = cl->sc.quiet ? cl->sc.clients : 0;
    b->m.seed = cl->sc.seed;
    b->m.st.sim = cl->sim;
    b->m.st.sets = mem_calloc(SETS_MAX, sizeof(*b->m.st.sets));
    ASSERT(b->m.st.sets);
    rng_seed(&b->m.rng, cl->sc.seed * UINT64_C(0xd6e8feb86659fd93) + 9);
    b->m.st.conf = conf_draw(&b->m.rng, cl->sc.seed);
    hurt_init(b);
    sim_at(cl->sim, TURN_NS, turn, b);
    return &b->base;
}
