/* osd.c - how an OSD starts, stops, and gives up.
 *
 *   OPENING ─store, rows, listen─▶ BOOTING ─up in the map─▶ ACTIVE
 *   ACTIVE ─stop─▶ STOPPING ─▶ CLOSING ─▶ gone
 *   OPENING, BOOTING, ACTIVE ─give up─▶ FAILED ─stop─▶ CLOSING
 *
 * A failed write of the store, or an id that somebody else runs under, ends the role: it serves
 * nothing from then on and says so once.  Stopping cleanly first stops serving, tells the monitors
 * (who may then let others lead at once, without waiting for our leases), and gives them a moment
 * to put it into the map.  CLOSING goes one way: sessions, then the store with all that was
 * submitted, then memory. */
#include "core/osd/pg.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- making a store ---- */

int osd_mkfs(struct env *env, const struct osd_conf *conf, const uint8_t fsid[16], struct note *why)
{
    struct store_conf sc = {.folder = conf->folder,
                            .data_bytes = conf->conf->osd_size,
                            .journal_bytes = conf->conf->osd_journal,
                            .cache_bytes = conf->conf->osd_cache};
    struct store_id id = {.osd = conf->id.v};

    memcpy(id.fsid, fsid, sizeof(id.fsid));
    env_random_bytes(env, id.uuid, sizeof(id.uuid));
    return store_mkfs(env, &sc, &id, why);
}

/* ---- failing ---- */

static void tell_failure(struct env_task *task)
{
    struct osd *o = CONTAINER_OF(task, struct osd, fail_task);

    o->fail_posted = false;
    if (o->state == ROLE_CLOSING)
        return;
    if (!o->told_ready) {
        o->told_ready = true;
        o->ready(o->ready_arg, o->fail_rc, &o->fail_note);
    } else if (o->failed) {
        o->failed(o->failed_arg, o->fail_rc, &o->fail_note);
    }
}

/* Tell the owner, once, from the loop. */
static void tell_later(struct osd *o, int rc)
{
    LOG_AT(&o->log, rc == -R_STOPPED ? LOG_INFO : LOG_ERROR, "the OSD stops itself", KV_RC(rc),
           KV_NOTE(&o->fail_note));
    o->fail_rc = rc;
    o->fail_posted = true;
    env_post(o->env, &o->fail_task);
}

void osd_fail(struct osd *o, int rc, const char *fmt, ...)
{
    va_list args;

    if (o->state >= ROLE_FAILED)
        return;
    o->state = ROLE_FAILED;
    if (o->fail_posted)
        return; /* the owner hears of a hold, and stops us all the same */
    va_start(args, fmt);
    (void)vsnprintf(o->fail_note.text, sizeof(o->fail_note.text), fmt, args);
    va_end(args);
    tell_later(o, rc);
}

void osd_held(struct osd *o)
{
    if (o->state >= ROLE_FAILED || o->fail_rc)
        return;
    note_set(&o->fail_note, "an operator stopped osd.%d", o->id.v);
    tell_later(o, -R_STOPPED);
}

static void store_failed(void *arg, int rc, const struct note *why)
{
    struct osd *o = arg;

    o->store_failed = true;
    osd_fail(o, rc, "store: %s", why->text);
}

void osd_on_failure(struct osd *o, void (*failed)(void *arg, int rc, const struct note *why),
                    void *arg)
{
    o->failed = failed;
    o->failed_arg = arg;
}

/* ---- timers ---- */

static void second(struct env_timer *t)
{
    struct osd *o = CONTAINER_OF(t, struct osd, second_timer);

    osd_session_tick(o);
    env_timer_after(o->env, t, 500 * NS_PER_MS);
}

static void retry(struct env_timer *t)
{
    struct osd *o = CONTAINER_OF(t, struct osd, retry_timer);

    if (osd_serving(o) || o->state == ROLE_STOPPING)
        pgs_retry(o);
}

void osd_retry_later(struct osd *o)
{
    if (!o->retry_timer.armed)
        env_timer_after(o->env, &o->retry_timer, OSD_RETRY_MS * NS_PER_MS);
}

/* ---- starting ---- */

static void stop_waited(struct env_timer *t);

void osd_up(struct osd *o)
{
    if (o->told_ready)
        return;
    o->told_ready = true;
    o->ready(o->ready_arg, 0, NULL);
}

static void loaded(struct osd *o, int rc, const struct note *why)
{
    struct note listen_why = {{0}};

    if (rc < 0) {
        osd_fail(o, rc, "%s", why->text);
    } else if (o->state == ROLE_OPENING) {
        rc = msgr_listen(o->msgr, &o->listen_addr, &o->addr, &listen_why);
        if (rc < 0)
            osd_fail(o, rc, "%s", listen_why.text);
    }
    if (o->state == ROLE_CLOSING) {
        osd_close_more(o);
        return;
    }
    if (o->state != ROLE_OPENING)
        return;
    o->state = ROLE_BOOTING;
    o->n.corrupt_found += o->salvaging;
    pgs_remove_found(o);
    if (o->map)
        pgs_begin(o);
    heartbeat_init(o);
    env_timer_after(o->env, &o->second_timer, 500 * NS_PER_MS);
    osd_session_tick(o);
}

static int messenger(struct osd *o)
{
    struct msgr_conf mc = {
        .self = {ENTITY_OSD, (uint64_t)o->id.v, o->instance},
        .types = message_types,
        .handler = &o->handler,
        .hub = o->hub,
        .in_bytes_max = o->conf.osd_queue,
    };

    memcpy(mc.fsid, o->fsid, sizeof(mc.fsid));
    o->handler = osd_handler;
    return msgr_create(o->env, &mc, &o->msgr);
}

static void opened(void *arg, int rc, struct store *store, const struct note *why)
{
    struct osd *o = arg;
    const struct store_id *id;

    o->store_opening = false;
    o->store = store;
    if (o->state == ROLE_CLOSING) {
        osd_close_more(o);
        return;
    }
    if (rc < 0) {
        osd_fail(o, rc, "%s", why->text);
        return;
    }
    store_on_failure(store, store_failed, o);
    id = store_identity(store);
    if (id->osd != o->id.v) {
        osd_fail(o, -EINVAL, "this is the store of osd.%d", id->osd);
        return;
    }
    memcpy(o->uuid, id->uuid, sizeof(o->uuid));
    memcpy(o->fsid, id->fsid, sizeof(o->fsid));
    if (store_salvaged(store))
        log_warn(&o->log, "the store was salvaged: its copies are checked against others");
    o->n.corrupt_found = o->n.corrupt_repaired = store_mended(store);
    o->started_ns = env_now_ns(o->env);
    rc = messenger(o);
    if (rc < 0)
        osd_fail(o, rc, "the messenger");
    else
        osd_load(o, loaded);
}

static void init(struct osd *o, struct env *env, const struct osd_conf *conf)
{
    o->env = env;
    o->id = conf->id;
    o->conf = *conf->conf;
    o->hub = conf->hub;
    o->listen_addr = conf->addr;
    memcpy(o->host, conf->host, sizeof(o->host));
    memcpy(o->device_class, conf->device_class, sizeof(o->device_class));
    log_init(&o->log, env_log_sink(env), "osd.%d", conf->id.v);
    o->instance = env_random_u64(env) | 1;
    list_init(&o->submits);
    list_init(&o->held);
    list_init(&o->pg_list);
    list_init(&o->check_list);
    list_init(&o->client_list);
    list_init(&o->recovery_wait);
    list_init(&o->free_ops);
    list_init(&o->copies);
    env_timer_init(&o->second_timer, second);
    env_timer_init(&o->retry_timer, retry);
    env_timer_init(&o->stop_timer, stop_waited);
    env_task_init(&o->fail_task, tell_failure);
    recovery_osd_init(o);
}

static int open_store(struct osd *o)
{
    struct store_conf sc = {.folder = o->folder, .cache_bytes = o->conf.osd_cache, .salvage = true};

    o->store_opening = true;
    return store_open(o->env, &sc, opened, o);
}

int osd_start(struct env *env, const struct osd_conf *conf,
              void (*ready)(void *arg, int rc, const struct note *why), void *arg,
              struct osd **out_osd)
{
    struct osd *o = mem_zalloc(sizeof(*o));
    struct note why = {{0}};
    int rc = -ENOMEM;

    if (!o)
        return rc;
    init(o, env, conf);
    o->metrics = mem_zalloc(sizeof(*o->metrics));
    o->ready = ready;
    o->ready_arg = arg;
    o->folder = mem_strdup(conf->folder);
    if (o->folder && o->metrics)
        rc = osd_session_init(o, &why);
    if (rc == -EINVAL)
        log_error(&o->log, "cannot start", KV_RC(rc), KV_NOTE(&why));
    if (rc == 0)
        rc = htable_init(&o->pgs, 256);
    if (rc == 0)
        rc = htable_init(&o->clients, 16);
    if (rc == 0)
        rc = open_store(o);
    if (rc < 0) {
        htable_fini(&o->pgs);
        htable_fini(&o->clients);
        mem_free(o->metrics);
        mem_free(o->folder);
        mem_free(o);
        return rc;
    }
    *out_osd = o;
    return 0;
}

/* ---- stopping ---- */

static void osd_free(struct osd *o)
{
    void (*stopped)(void *arg) = o->stopped;
    void *arg = o->stopped_arg;

    env_timer_cancel(o->env, &o->retry_timer);
    env_timer_cancel(o->env, &o->stop_timer);
    while (!list_empty(&o->pg_list))
        pg_destroy(LIST_FIRST(&o->pg_list, struct pg, link));
    osd_history_free(o);
    osd_maps_fini(o);
    exec_pool_fini(o);
    htable_fini(&o->pgs);
    htable_fini(&o->clients);
    mem_free(o->metrics);
    mem_free(o->folder);
    mem_free(o);
    stopped(arg);
}

static void store_closed(void *arg)
{
    struct osd *o = arg;

    o->store = NULL;
    osd_close_more(o);
}

static void messenger_closed(void *arg)
{
    struct osd *o = arg;

    msgr_destroy(TAKE(o->msgr));
    osd_close_more(o);
}

static void close_store(struct osd *o)
{
    o->closing_store = true;
    held_drop_all(&o->held);
    LIST_EACH (at, &o->pg_list)
        pg_close(LIST_ENTRY(at, struct pg, link));
    store_close(o->store, o->store_failed, store_closed, o);
}

static void close_messenger(struct osd *o)
{
    o->closing_msgr = true;
    heartbeat_fini(o);
    osd_session_fini(o);
    osd_clients_drop(o);
    msgr_close(o->msgr, messenger_closed, o);
}

/* A task of ours is on its way and comes back here, or to its PG. */
static bool posted(const struct osd *o)
{
    LIST_EACH (at, &o->pg_list)
        if (LIST_ENTRY(at, struct pg, link)->busy)
            return true;
    return o->fail_posted || o->mon.wish_posted || o->recovery_posted;
}

/* An object that a transaction waits for is on its way to it. */
static bool opening(const struct osd *o)
{
    LIST_EACH (at, &o->pg_list)
        if (LIST_ENTRY(at, struct pg, link)->opening)
            return true;
    return false;
}

/* One step after the other; each comes back here. */
void osd_close_more(struct osd *o)
{
    ASSERT(o->state == ROLE_CLOSING);
    if (o->store_opening || o->load)
        return;
    if (o->store) {
        if (!o->closing_store)
            close_store(o);
        return;
    }
    if (!o->abandoned && opening(o)) { /* refused by the store as it ended */
        env_timer_after(o->env, &o->stop_timer, NS_PER_MS);
        return;
    }
    if (!o->abandoned) { /* nothing comes from the store any more */
        o->abandoned = true;
        osd_meta_drop(o);
        LIST_EACH (at, &o->pg_list)
            pg_abandon(LIST_ENTRY(at, struct pg, link));
    }
    if (o->msgr) {
        if (!o->closing_msgr)
            close_messenger(o);
        return;
    }
    if (posted(o))
        env_timer_after(o->env, &o->stop_timer, NS_PER_MS);
    else
        osd_free(o);
}

static void stop_waited(struct env_timer *t)
{
    struct osd *o = CONTAINER_OF(t, struct osd, stop_timer);

    if (o->state != ROLE_CLOSING) {
        o->state = ROLE_CLOSING;
        heartbeat_stop(o);
        env_timer_cancel(o->env, &o->second_timer);
    }
    osd_close_more(o);
}

void osd_stop_seen(struct osd *o)
{
    /* From a timer: we are deep in the handling of a map. */
    env_timer_after(o->env, &o->stop_timer, 0);
}

void osd_stop(struct osd *o, void (*stopped)(void *arg), void *arg)
{
    bool up = o->state == ROLE_ACTIVE;

    ASSERT(!o->stopped);
    o->stopped = stopped;
    o->stopped_arg = arg;
    o->told_ready = true;
    if (!up || !o->mon.session) {
        if (o->state != ROLE_FAILED)
            o->state = ROLE_STOPPING;
        env_timer_after(o->env, &o->stop_timer, 0);
        return;
    }
    o->state = ROLE_STOPPING;
    for (uint32_t i = 0; i < o->peer_count; i++)
        lease_drop(&o->peers[i]->lease);
    osd_say_stopping(o);
    env_timer_after(o->env, &o->stop_timer, OSD_STOP_WAIT_MS * NS_PER_MS);
}

/* ---- asking ---- */

const struct net_addr *osd_addr(const struct osd *o)
{
    return &o->addr;
}

struct epoch osd_epoch(const struct osd *o)
{
    return o->map ? o->map->epoch : (struct epoch){0};
}

uint64_t osd_instance(const struct osd *o)
{
    return o->instance;
}

const struct osd_counters *osd_counters(const struct osd *o)
{
    return &o->n;
}
