/* silent.c - background work passes over who does not answer.
 *
 * An operation on an inactive PG is answered when the PG is active again, whenever that is.  A
 * request may wait for it; background work has other things to do, so its calls give up after
 * background_timeout_ms (call.background).  Then the object is remembered as silent and asked with
 * a stat that has no end; when that is answered, it is silent no more.  Meanwhile background calls
 * to it fail at once, and when SILENT_PG objects of a PG are silent, so do those to all others of
 * it.  So a PG costs some seconds each time that it becomes inactive, however much garbage it has,
 * and is worked on again as soon as it answers.
 *
 * Slow is not silent: when each operation takes longer than background_timeout_ms, no page of rows
 * would ever be read.  So a PG whose probe is answered late, but within SLOW_FACTOR times that, is
 * waited for longer, until it has answered sooner a while.
 *
 * What an abandoned call has sent may still run, at any time later: README.md, "Who does not
 * answer", says why that does no harm. */
#include "s3/bucket/silent.h"

enum { SLOW_FACTOR = 4 };

struct silent {
    struct list link; /* layer.silent of the pool */
    struct call probe;
    uint64_t since_ns;
    uint32_t pg;
};

static uint32_t pg_of(const struct bucket_layer *l, enum call_pool pool, const char *name)
{
    uint32_t pg;

    if (cairn_pg_env(layer_pool(l, pool), name, &pg) < 0)
        return UINT32_MAX;
    return pg;
}

/* ---- slow ---- */

uint32_t silent_wait_ms(const struct bucket_layer *l, enum call_pool pool, const char *name)
{
    uint32_t slow = l->slow_ms[pool][pg_of(l, pool, name) % SLOW_SLOTS];

    return MIN(l->conf.background_timeout_ms + slow, l->conf.call_timeout_ms);
}

void silent_heard(struct bucket_layer *l, enum call_pool pool, const char *name, uint64_t ns)
{
    uint32_t *slow = &l->slow_ms[pool][pg_of(l, pool, name) % SLOW_SLOTS];
    uint64_t most = SLOW_FACTOR * (uint64_t)l->conf.background_timeout_ms, ms = ns / NS_PER_MS;

    if (ms < l->conf.background_timeout_ms)
        *slow -= MIN(*slow, *slow / 16 + 1);
    else if (ms <= most)
        *slow = (uint32_t)MAX(*slow, MIN(2 * ms, most));
}

/* ---- silent ---- */

static void probe(struct silent *s);

static void probed(struct call *c)
{
    struct silent *s = CONTAINER_OF(c, struct silent, probe);
    struct bucket_layer *l = c->l;

    if (c->code == -ETIMEDOUT && !l->stopping) { /* libcairn may be configured to give up */
        probe(s);
        return;
    }
    silent_heard(l, c->pool, c->name, env_now_ns(l->env) - s->since_ns);
    list_remove(&s->link);
    gauge_set(&l->n.silent, gauge_get(&l->n.silent) - 1);
    if (--l->silent_count[c->pool] == 0 && !l->stopping)
        log_info(&l->log, "all objects answer again", KV_STR("pool", layer_pool_name(c->pool)));
    call_fini(c);
    mem_free(s);
    layer_dead(l);
}

static void probe(struct silent *s)
{
    struct cairn_op *op = call_begin(&s->probe, s->probe.pool);

    if (op) {
        cairn_op_stat(op);
        cairn_op_timeout(op, 0);
    }
    call_submit(&s->probe, probed);
}

void silent_add(struct bucket_layer *l, enum call_pool pool, const char *name)
{
    struct silent *s = silent_is(l, pool, name) ? NULL : mem_zalloc(sizeof(*s));

    if (!s)
        return; /* without memory the next call waits as this one did */
    counter_add(&l->n.silences, 1);
    if (l->silent_count[pool]++ == 0)
        log_warn(&l->log, "an object does not answer: what is to be collected there waits",
                 KV_STR("pool", layer_pool_name(pool)), KV_STR("object", name));
    gauge_set(&l->n.silent, gauge_get(&l->n.silent) + 1);
    layer_live(l);
    call_init(&s->probe, l);
    s->probe.pool = pool;
    strcpy(s->probe.name, name);
    s->since_ns = env_now_ns(l->env);
    s->pg = pg_of(l, pool, name);
    list_push_back(&l->silent[pool], &s->link);
    probe(s);
}

bool silent_is(const struct bucket_layer *l, enum call_pool pool, const char *name)
{
    uint32_t pg, same = 0;

    if (list_empty(&l->silent[pool]))
        return false;
    if (l->silent_count[pool] >= SILENT_MAX)
        return true;
    pg = pg_of(l, pool, name);
    LIST_EACH (at, &l->silent[pool]) {
        const struct silent *s = LIST_ENTRY(at, struct silent, link);

        if (strcmp(s->probe.name, name) == 0 || (s->pg == pg && ++same == SILENT_PG))
            return true;
    }
    return false;
}
