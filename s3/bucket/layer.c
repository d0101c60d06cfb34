/* layer.c - starting and stopping, and what all requests share.
 *
 * Start: make both pools, if they are missing, then read an object of each until the map that has
 * them has arrived; calls wait until then.  When that fails for good, every call answers why. Stop:
 * no new call is taken, those under way are cancelled, streams are told; when requests, streams and
 * background work are all gone (`live` is 0), the layer goes, from the loop. */
#include "s3/bucket/mover.h"

enum { POOL_TRIES_MAX = 200 };
#define POOL_RETRY_NS (50 * NS_PER_MS)
#define POOL_WAIT_NS  (300 * NS_PER_MS)
#define COMMAND_MS    20000

/* The way to readiness: for each pool a command, then a read until it is there. */
struct start {
    struct bucket_layer *l;
    struct call probe;
    struct env_timer timer;
    enum call_pool pool;
    unsigned tries;
    bool commanded; /* the command is with libcairn */
    void (*ready)(void *arg, int rc);
    void *arg;
};

const char *layer_pool_name(enum call_pool pool)
{
    return pool == CALL_INDEX ? "s3.index" : "s3.data";
}

/* ---- what keeps the layer alive ---- */

static void layer_free(struct bucket_layer *l)
{
    bucket_cache_clear(l);
    htable_fini(&l->buckets);
    users_fini(l);
    quotas_fini(l);
    collector_destroy(l->collector);
    mover_destroy(l->mover);
    mem_free(l->start);
    if (l->index)
        cairn_pool_close(l->index);
    if (l->data)
        cairn_pool_close(l->data);
    mem_free(l);
}

static void layer_gone(struct env_task *task)
{
    struct bucket_layer *l = CONTAINER_OF(task, struct bucket_layer, gone);
    void (*stopped)(void *) = l->stopped;
    void *arg = l->stopped_arg;

    env_timer_cancel(l->env, &l->retry);
    layer_free(l);
    stopped(arg);
}

void layer_live(struct bucket_layer *l)
{
    l->live++;
}

void layer_dead(struct bucket_layer *l)
{
    ASSERT(l->live > 0);
    if (--l->live == 0 && l->stopping)
        env_post(l->env, &l->gone);
}

struct uuid layer_uuid(struct bucket_layer *l)
{
    struct uuid u;

    env_random_bytes(l->env, u.b, sizeof(u.b));
    return u;
}

struct uuid layer_uuid_dated(struct bucket_layer *l)
{
    uint64_t ms = env_wall_ns(l->env) / NS_PER_MS;
    struct uuid u = layer_uuid(l);

    for (unsigned i = 0; i < 6; i++)
        u.b[i] = (uint8_t)(ms >> 8 * (5 - i));
    return u;
}

int layer_takes(const struct bucket_layer *l)
{
    if (l->stopping)
        return -R_STOPPED;
    return l->failed;
}

bool principal_is(const struct s3_principal *who, struct bytes owner)
{
    return bytes_equal(BYTES_STR(who->name), owner);
}

/* ---- readiness ---- */

static void pool_make(struct start *s);
static void pool_probe(struct start *s);

static void start_end(struct start *s, int rc)
{
    struct bucket_layer *l = s->l;

    call_fini(&s->probe);
    if (rc < 0) {
        log_error(&l->log, "the pools of the gateway cannot be had", KV_RC(rc));
        l->failed = rc;
    }
    l->ready = rc == 0;
    calls_go(l);
    if (rc == 0 && !l->stopping)
        collector_begin(l);
    if (s->ready)
        s->ready(s->arg, rc);
    layer_dead(l);
}

static void pool_next(struct start *s)
{
    s->tries = 0;
    if (++s->pool == CALL_POOLS)
        start_end(s, 0);
    else
        pool_make(s);
}

/* The cluster is not there yet: no leader, no OSD is in, a slow answer.  We wait as long as it
 * takes. */
static bool start_waits(int rc)
{
    int err = reason_errno(rc);

    return err == -EAGAIN || err == -ETIMEDOUT || err == -ENOMEM;
}

static void pool_retry(struct env_timer *t)
{
    struct start *s = CONTAINER_OF(t, struct start, timer);

    if (s->l->stopping)
        start_end(s, -R_STOPPED);
    else if (s->tries)
        pool_probe(s);
    else
        pool_make(s);
}

/* Is the pool in our map, though it does not answer?  Others of its PGs may, and what an operator
 * needs to mend it may be in this very process. */
static bool pool_is_mute(const struct call *c)
{
    uint32_t pg;

    return c->code == -ETIMEDOUT && cairn_pg_env(layer_pool(c->l, c->pool), c->name, &pg) == 0;
}

static void pool_probed(struct call *c)
{
    struct start *s = CONTAINER_OF(c, struct start, probe);

    if (pool_is_mute(c))
        log_warn(&c->l->log, "a pool does not answer: requests wait for it",
                 KV_STR("pool", layer_pool_name(c->pool)));
    if (c->code == 0 || c->code == -R_NO_OBJECT || pool_is_mute(c))
        pool_next(s);
    else if ((c->code == -R_NO_POOL || start_waits(c->code)) && ++s->tries < POOL_TRIES_MAX)
        env_timer_after(s->l->env, &s->timer, POOL_RETRY_NS); /* the map is on its way */
    else
        start_end(s, c->code);
}

static void pool_probe(struct start *s)
{
    struct cairn_op *op = call_begin(&s->probe, s->pool);

    name_notes(s->probe.name, 0);
    if (op) {
        cairn_op_stat(op);
        cairn_op_timeout(op, s->l->conf.background_timeout_ms);
    }
    call_submit(&s->probe, pool_probed);
}

static void pool_made(void *arg, int rc, const char *text, const void *json, size_t json_bytes)
{
    struct start *s = arg;

    UNUSED(text);
    UNUSED(json);
    UNUSED(json_bytes);
    if (s->l->stopping)
        start_end(s, -R_STOPPED);
    else if (start_waits(rc))
        env_timer_after(s->l->env, &s->timer, POOL_WAIT_NS);
    else if (rc < 0 && reason_errno(rc) != -EEXIST)
        start_end(s, rc);
    else
        pool_probe(s);
}

static void pool_make(struct start *s)
{
    const char *argv[] = {"pool", "create", layer_pool_name(s->pool)};
    struct bucket_layer *l = s->l;
    int rc;

    if (l->conf.no_pools) {
        pool_probe(s);
        return;
    }
    rc = cairn_command_env(l->cluster, ARRAY_LEN(argv), argv, NULL, 0, COMMAND_MS, pool_made, s);
    if (rc < 0)
        pool_made(s, rc, NULL, NULL, 0);
}

/* ---- start and stop ---- */

static void calls_retry(struct env_timer *t)
{
    calls_go(CONTAINER_OF(t, struct bucket_layer, retry));
}

static uint32_t value_or(uint32_t v, uint32_t otherwise)
{
    return v ? v : otherwise;
}

/* The rules that README.md counts on hold for every configuration. */
static struct bucket_conf conf_complete(const struct bucket_conf *given)
{
    struct bucket_conf c = *given;

    c.stripe_bytes = value_or(c.stripe_bytes, 4 << 20);
    c.window_objects = value_or(c.window_objects, 4);
    c.put_bytes_max = MAX(c.put_bytes_max ? c.put_bytes_max : MIB(256), (uint64_t)c.stripe_bytes);
    c.get_bytes_max = c.get_bytes_max ? c.get_bytes_max : MIB(128);
    c.inline_bytes_max = MIN(value_or(c.inline_bytes_max, 16 << 10), 16u << 10);
    c.call_timeout_ms = value_or(c.call_timeout_ms, 120000);
    c.background_timeout_ms = MIN(value_or(c.background_timeout_ms, 5000), c.call_timeout_ms);
    c.reader_grace_ms = MAX(value_or(c.reader_grace_ms, 900000), 4 * c.call_timeout_ms);
    c.intent_stale_ms = MAX(value_or(c.intent_stale_ms, 3600000), 4 * c.call_timeout_ms);
    c.collect_every_ms = value_or(c.collect_every_ms, 60000);
    c.collect_rows_max = MIN(value_or(c.collect_rows_max, 1000), 1000u);
    c.upload_keep_ms = value_or(c.upload_keep_ms, 86400000);
    c.part_bytes_min = value_or(c.part_bytes_min, S3_PART_BYTES_MIN);
    c.shard_entries_max = MAX(value_or(c.shard_entries_max, 10000), 2u);
    c.shard_bytes_max = c.shard_bytes_max ? c.shard_bytes_max : MIB(32);
    c.split_batch_keys = MIN(value_or(c.split_batch_keys, 1000), 1000u);
    c.split_wait_ms = value_or(c.split_wait_ms, 60);
    c.user_ttl_ms = value_or(c.user_ttl_ms, 10000);
    c.user_stale_ms = value_or(c.user_stale_ms, 600000);
    c.quota_age_ms = value_or(c.quota_age_ms, 5000);
    c.quota_user_age_ms = value_or(c.quota_user_age_ms, 30000);
    c.no_user_ttl_ms = value_or(c.no_user_ttl_ms, 3000);
    return c;
}

static int layer_fill(struct bucket_layer *l)
{
    int rc = htable_init(&l->buckets, 64);

    if (rc == 0)
        rc = users_init(l);
    if (rc == 0)
        rc = quotas_init(l);
    if (rc == 0)
        rc = collector_create(l);
    if (rc == 0)
        rc = mover_create(l);
    if (rc == 0)
        rc = cairn_pool_open_env(l->cluster, layer_pool_name(CALL_INDEX), &l->index);
    if (rc == 0)
        rc = cairn_pool_open_env(l->cluster, layer_pool_name(CALL_DATA), &l->data);
    l->start = mem_zalloc(sizeof(*l->start));
    return rc < 0 ? rc : l->start ? 0 : -ENOMEM;
}

int bucket_layer_start(struct env *env, struct cairn *cluster, const struct bucket_conf *conf,
                       void (*ready)(void *arg, int rc), void *arg, struct bucket_layer **out_layer)
{
    struct bucket_layer *l = mem_zalloc(sizeof(*l));
    int rc;

    if (!l)
        return -ENOMEM;
    l->env = env;
    l->cluster = cluster;
    l->conf = conf_complete(conf);
    log_init(&l->log, env_log_sink(env), "s3.bucket");
    list_init(&l->calls);
    list_init(&l->waiting);
    for (unsigned i = 0; i < CALL_POOLS; i++)
        list_init(&l->silent[i]);
    list_init(&l->streams);
    list_init(&l->moving);
    list_init(&l->puts_waiting);
    list_init(&l->bucket_lru);
    list_init(&l->user_lru);
    list_init(&l->account_lru);
    env_timer_init(&l->retry, calls_retry);
    env_task_init(&l->gone, layer_gone);
    l->instance = env_random_u64(env);
    rc = layer_fill(l);
    if (rc < 0) {
        layer_free(l);
        return rc;
    }
    *l->start = (struct start){.l = l, .ready = ready, .arg = arg};
    call_init(&l->start->probe, l);
    l->start->probe.early = true;
    env_timer_init(&l->start->timer, pool_retry);
    env_timer_after(env, &l->start->timer, 0);
    layer_live(l);
    *out_layer = l;
    return 0;
}

void bucket_layer_stop(struct bucket_layer *l, void (*stopped)(void *arg), void *arg)
{
    ASSERT(!l->stopping);
    layer_live(l);
    l->stopping = true;
    l->stopped = stopped;
    l->stopped_arg = arg;
    if (l->start->timer.armed) { /* it sees that we stop */
        env_timer_cancel(l->env, &l->start->timer);
        env_timer_after(l->env, &l->start->timer, 0);
    }
    calls_go(l);
    LIST_EACH_SAFE (at, &l->calls) {
        call_cancel(LIST_ENTRY(at, struct call, link));
    }
    LIST_EACH_SAFE (at, &l->streams) {
        struct stream *s = LIST_ENTRY(at, struct stream, link);

        s->stop(s);
    }
    collector_stop(l);
    layer_dead(l);
}

const struct bucket_counters *bucket_counters(const struct bucket_layer *l)
{
    return &l->n;
}

static const struct {
    const char *name, *help;
    size_t off;
} counters[] = {
#define ROW(field, name, help)                                                                     \
    {                                                                                              \
        name, help, offsetof(struct bucket_counters, field)                                        \
    }
    ROW(puts, "s3_puts_total", "Objects and parts that became visible"),
    ROW(puts_inline, "s3_puts_inline_total", "Of these, kept in the index"),
    ROW(puts_aborted, "s3_puts_aborted_total", "PUTs that failed or were given up"),
    ROW(copies, "s3_copies_total", "Objects made by a copy that shares its source's data"),
    ROW(gets, "s3_gets_total", "Objects opened for reading"),
    ROW(deletes, "s3_deletes_total", "Objects deleted"),
    ROW(heads, "s3_heads_total", "Objects looked up"),
    ROW(lists, "s3_lists_total", "Pages of listings"),
    ROW(link_retries, "s3_link_retries_total",
        "Entries that had changed before they were replaced"),
    ROW(shard_refreshes, "s3_shard_refreshes_total", "Index shards that had changed"),
    ROW(renewals, "s3_renewals_total", "Leases of readers and intents renewed"),
    ROW(collected_versions, "s3_collected_versions_total", "Garbage rows worked off"),
    ROW(collected_objects, "s3_collected_objects_total", "Data objects deleted"),
    ROW(stale_intents, "s3_stale_intents_total", "Intents of gateways that went away"),
    ROW(shards_deleted, "s3_shards_deleted_total", "Index shards of deleted buckets removed"),
    ROW(shard_splits, "s3_shard_splits_total", "Index shards split"),
    ROW(shard_merges, "s3_shard_merges_total", "Index shards merged with a neighbour"),
    ROW(moved_entries, "s3_shard_moved_entries_total", "Entries copied to another index shard"),
    ROW(move_waits, "s3_shard_move_waits_total", "Writes that waited for a copy of index rows"),
    ROW(moves_undone, "s3_shard_moves_undone_total", "Copies of index rows taken back by a write"),
    ROW(silences, "s3_silences_total", "Objects that did not answer background work in time"),
    ROW(deletes_undone, "s3_bucket_deletes_undone_total", "Deletions of buckets rolled back"),
#undef ROW
};

int bucket_metrics(struct bucket_layer *l, struct metric_set *set)
{
    int rc = 0;

    for (unsigned i = 0; i < ARRAY_LEN(counters) && rc == 0; i++)
        rc = metric_add_counter(set, counters[i].name, counters[i].help, NULL,
                                (const struct counter *)((char *)&l->n + counters[i].off));
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_gets_open", "Objects being read", NULL, &l->n.gets_open);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_puts_open", "Objects being written", NULL, &l->n.puts_open);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_put_bytes", "Held for objects being written", NULL,
                              &l->n.put_bytes);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_get_bytes", "Held for objects being read", NULL,
                              &l->n.get_bytes);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_silent_objects", "Of these, not yet answered", NULL,
                              &l->n.silent);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_shard_move_freeze_us_max",
                              "The longest copy of index rows, from mark to adoption", NULL,
                              &l->n.move_freeze_us_max);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_shard_move_wait_us_max",
                              "The longest write that had to wait for such a copy", NULL,
                              &l->n.move_wait_us_max);
    return rc;
}

void bucket_check(const struct bucket_layer *l)
{
    uint32_t cached = 0;

    LIST_EACH (at, &l->bucket_lru) {
        const struct bucket *b = LIST_ENTRY(at, struct bucket, lru);

        ASSERT(b->cached && b->refs > 0);
        cached++;
    }
    ASSERT(cached == l->bucket_count && cached <= BUCKETS_CACHED_MAX);
    ASSERT(l->user_count <= USERS_CACHED_MAX);
    LIST_EACH (at, &l->calls) {
        const struct call *c = LIST_ENTRY(at, struct call, link);

        ASSERT(c->busy && c->with_cairn);
    }
}
