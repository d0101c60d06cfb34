/* boxes_hurt.c - gateways that die, stand still or do not reach an OSD, mostly in the middle of
 * what takes several steps: some time into an act, or when a split or merge has got to a certain
 * step.
 *
 * In a quiet seed one gateway is spared: slow readers use it, and nothing excuses their failure. */
#include "s3/bucket/collect_int.h"
#include "s3/bucket/mover_int.h"
#include "tests/sim/boxes.h"

#define WANTED_NS (3 * NS_PER_S)

static void hurt_next(struct boxes *b)
{
    b->hurt.wanted = MOVE_IDLE;
    b->hurt.next_ns = sim_now_ns(b->cl->sim) + rng_between(&b->m.rng, NS_PER_S / 4, 5 * NS_PER_S);
}

void hurt_init(struct boxes *b)
{
    b->hurt.next_ns = rng_between(&b->m.rng, 2 * NS_PER_S, 20 * NS_PER_S);
}

static bool spared(const struct boxes *b, unsigned gate)
{
    return gate + 1 == b->m.slow_gate;
}

static enum move_step move_step(const struct bucket_layer *l)
{
    const struct mover *m = l->mover;

    if (!m || !m->busy || !m->src)
        return MOVE_IDLE;
    switch (m->src->row.move) {
    case MOVE_SOON:
        return MOVE_EARLY;
    case MOVE_OUT:
        return MOVE_COPY;
    case MOVE_GIVEN:
        return MOVE_ADOPT;
    default:
        return m->dst && m->dst->row.move == MOVE_IN ? MOVE_ANNOUNCE : MOVE_PREPARE;
    }
}

static uint64_t *killed_act(struct coverage *cov, enum act_kind kind)
{
    switch (kind) {
    case ACT_CREATE:
        return &cov->killed_creates;
    case ACT_DROP:
        return &cov->killed_drops;
    case ACT_PUT:
        return &cov->killed_puts;
    case ACT_DELETE:
        return &cov->killed_deletes;
    case ACT_CHANGE:
        return &cov->killed_changes;
    case ACT_COPY:
        return &cov->killed_sharing;
    case ACT_COMPLETE:
        return &cov->killed_completes;
    case ACT_ABORT:
        return &cov->killed_aborts;
    default:
        return &cov->killed_reads;
    }
}

void hurt_count(struct boxes *b, unsigned gate)
{
    const struct gate *g = &b->m.st.gate[gate];
    struct coverage *cov = &b->cl->cov;

    for (unsigned i = 0; i < SLOTS; i++)
        if (b->m.slot[i].busy && !b->m.slot[i].a.done && b->m.slot[i].a.g == g)
            ++*killed_act(cov, b->m.slot[i].a.kind);
    cov->killed_collects +=
        g->l->collector && g->l->collector->running && g->l->collector->job.claimed.len;
    switch (move_step(g->l)) {
    case MOVE_PREPARE:
        cov->killed_prepares++;
        break;
    case MOVE_EARLY:
        cov->killed_earlies++;
        break;
    case MOVE_ANNOUNCE:
        cov->killed_announces++;
        break;
    case MOVE_COPY:
        cov->killed_copies++;
        break;
    case MOVE_ADOPT:
        cov->killed_adopts++;
        break;
    default:
        break;
    }
}

static void strike(void *arg)
{
    struct boxes *b = arg;
    struct node *n = b->node[b->hurt.gate];

    if (b->cl->healing || !node_alive(n) || b->m.st.gate[n->id].life != b->hurt.life)
        return;
    if (b->hurt.pause) {
        b->cl->cov.pauses++;
        sim_process_pause(n->env, rng_between(&b->m.rng, 100 * NS_PER_MS, 3 * NS_PER_S));
        return;
    }
    b->cl->cov.gateway_kills++;
    node_kill(n, rng_between(&b->m.rng, NS_PER_MS, 4 * NS_PER_S));
}

static void strike_after(struct boxes *b, unsigned gate, uint64_t after_ns, bool pause)
{
    b->hurt.gate = gate;
    b->hurt.life = b->m.st.gate[gate].life;
    b->hurt.pause = pause;
    sim_at(b->cl->sim, sim_now_ns(b->cl->sim) + after_ns, strike, b);
    hurt_next(b);
}

void hurt_step(struct boxes *b)
{
    if (b->hurt.wanted == MOVE_IDLE || b->cl->healing)
        return;
    if (sim_now_ns(b->cl->sim) > b->hurt.wanted_until_ns) {
        b->hurt.wanted = MOVE_IDLE;
        return;
    }
    for (unsigned i = 0; i < b->m.gates; i++) {
        if (!b->m.st.gate[i].l || spared(b, i) || move_step(b->m.st.gate[i].l) != b->hurt.wanted)
            continue;
        strike_after(b, i, rng_below(&b->m.rng, 2 * NS_PER_MS),
                     !b->cl->sc.quiet && rng_chance(&b->m.rng, 1, 3));
        return;
    }
}

/* Some steps into one of the acts that have just begun; any moment is likely, early or late. */
static void act_some(struct boxes *b)
{
    uint64_t now = sim_now_ns(b->cl->sim), after;

    for (unsigned i = 0; i < SLOTS; i++) {
        const struct act *a = &b->m.slot[i].a;
        unsigned gate = (unsigned)(a->g - b->m.st.gate);

        if (!b->m.slot[i].busy || a->done || a->began_ns != now || spared(b, gate) ||
            (a->kind != ACT_CREATE && a->kind != ACT_DROP && a->kind != ACT_COMPLETE &&
             a->kind != ACT_COPY && a->kind != ACT_CHANGE && a->kind != ACT_ABORT &&
             !rng_chance(&b->m.rng, 1, 2)))
            continue;
        after = NS_PER_US << rng_below(&b->m.rng, 18);
        after += rng_below(&b->m.rng, after);
        strike_after(b, gate, after, false);
        return;
    }
}

static void reach_again(void *arg)
{
    struct boxes *b = arg;

    sim_net_heal(b->cl->sim, b->hurt.cut.gate, b->hurt.cut.osd);
    b->hurt.cut.gate = NULL;
}

/* It stands still, or does not reach one OSD, for as long as its intents and what it reads are good
 * for, or longer.  The others go on. */
static void stall(struct boxes *b)
{
    uint64_t stale = b->m.st.conf.intent_stale_ms * NS_PER_MS;
    uint64_t for_ns = rng_between(&b->m.rng, stale / 4, 2 * stale);
    struct node *n = b->node[rng_below(&b->m.rng, b->m.gates)];
    struct node *osd = &b->cl->osd[rng_below(&b->m.rng, b->cl->sc.osds)];

    if (!n || !node_alive(n))
        return;
    if (rng_chance(&b->m.rng, 1, 2)) {
        b->cl->cov.pauses++;
        sim_process_pause(n->env, for_ns);
    } else if (!b->hurt.cut.gate) {
        b->cl->cov.partitions++;
        b->hurt.cut.gate = n->machine;
        b->hurt.cut.osd = osd->machine;
        sim_net_cut(b->cl->sim, b->hurt.cut.gate, b->hurt.cut.osd, true);
        sim_at(b->cl->sim, sim_now_ns(b->cl->sim) + for_ns, reach_again, b);
    }
}

void hurt_some(struct boxes *b)
{
    uint64_t now = sim_now_ns(b->cl->sim);

    if (b->cl->healing)
        return;
    if (now >= b->hurt.next_ns && b->hurt.wanted == MOVE_IDLE) {
        if (rng_chance(&b->m.rng, 1, 3)) {
            b->hurt.wanted = 1 + (enum move_step)rng_below(&b->m.rng, MOVE_STEPS - 1);
            b->hurt.wanted_until_ns = now + WANTED_NS;
        } else {
            act_some(b);
        }
    }
    if (!b->cl->sc.quiet && rng_chance(&b->m.rng, 1, 200))
        stall(b);
}
