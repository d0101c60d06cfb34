/* mon.c - the role's events: messages, timers, and the end of each turn.
 *
 * Everything is an event: a message, a timer, a durable write.  mon_turn runs once after each burst
 * of them and does what follows, in an order in which nothing is published or answered before it is
 * applied. */
#include "core/mon/mon_int.h"

enum { PEER_RETRY_MS = 100, HEARD_MS_MIN = 2000 };

static void mon_turn(struct env_task *task);

/* ---- small things others ask ---- */

const struct net_addr *mon_addr(const struct mon *mon)
{
    return &mon->addr;
}

struct epoch mon_epoch(const struct mon *mon)
{
    return mon_state_epoch(&mon->state);
}

bool mon_leads(const struct mon *mon)
{
    return mon->leading && mon->state.map != NULL && !mon_halted(mon);
}

const struct mon_counters *mon_counters(const struct mon *mon)
{
    return &mon->n;
}

const struct net_addr *mon_leader_addr(const struct mon *mon)
{
    for (uint32_t i = 0; i < mon->peer_count; i++)
        if (mon->peers[i].id + 1 == mon->leader)
            return &mon->peers[i].addr;
    return NULL;
}

bool mon_peer_heard(const struct mon *mon, const struct mon_peer *p)
{
    uint64_t ms = MAX((uint64_t)mon->conf.mon_election_ms * 3, HEARD_MS_MIN);

    return p->heard_ns && mon_now(mon) - p->heard_ns < ms * NS_PER_MS;
}

void mon_turn_queue(struct mon *mon)
{
    if (mon->turn_queued)
        return;
    mon->turn_queued = true;
    env_post(mon->env, &mon->turn);
}

static void failed_tell(struct env_task *task)
{
    struct mon *mon = CONTAINER_OF(task, struct mon, failed_task);

    mon->failed_posted = false;
    if (mon->failed_fn && !mon->stopping)
        mon->failed_fn(mon->failed_arg, mon->failed_rc, &mon->failed_why);
}

void mon_fail(struct mon *mon, int rc, const char *what, const struct note *why)
{
    if (mon->failed)
        return;
    mon->failed = true;
    mon->leading = false;
    mon->failed_rc = rc;
    if (why)
        mon->failed_why = *why;
    note_add(&mon->failed_why, "%s", what);
    log_error(&mon->log, "the monitor stops", KV_RC(rc), KV_NOTE(&mon->failed_why));
    env_timer_cancel(mon->env, &mon->raft_timer);
    env_timer_cancel(mon->env, &mon->batch);
    env_timer_cancel(mon->env, &mon->tick);
    if (mon->failed_fn) {
        mon->failed_posted = true;
        env_post(mon->env, &mon->failed_task);
    }
}

void mon_on_failure(struct mon *mon, void (*failed)(void *arg, int rc, const struct note *why),
                    void *arg)
{
    mon->failed_fn = failed;
    mon->failed_arg = arg;
    if (mon->failed && !mon->failed_posted) {
        mon->failed_posted = true;
        env_post(mon->env, &mon->failed_task);
    }
}

/* ---- sessions to the other monitors ---- */

void mon_peers_open(struct mon *mon)
{
    for (uint32_t i = 0; i < mon->peer_count; i++) {
        struct mon_peer *p = &mon->peers[i];
        struct session_conf sc = {.addr = p->addr, .expect = {.role = ENTITY_MON, .id = p->id}};

        if (!p->s && session_open(mon->msgr, &sc, &p->s) < 0)
            env_timer_after(mon->env, &mon->peer_retry, PEER_RETRY_MS * NS_PER_MS);
    }
}

static void peer_retry(struct env_timer *t)
{
    struct mon *mon = CONTAINER_OF(t, struct mon, peer_retry);

    if (!mon_halted(mon))
        mon_peers_open(mon);
}

/* ---- dispatch ---- */

static struct mon_conn *conn_of(struct session *s)
{
    return session_user(s);
}

static int opened(struct msgr_handler *h, struct session *s)
{
    struct mon *mon = CONTAINER_OF(h, struct mon, handler);
    struct mon_conn *conn = mon->stopping ? NULL : mem_zalloc(sizeof(*conn));

    if (!conn)
        return mon->stopping ? -R_STOPPED : -ENOMEM;
    conn->s = session_ref(s);
    list_push_back(&mon->conns, &conn->link);
    session_user_set(s, conn);
    return 0;
}

static void conn_free(struct mon_conn *conn)
{
    list_remove(&conn->link);
    session_user_set(conn->s, NULL);
    session_unref(conn->s);
    mem_free(conn);
}

static void reset(struct msgr_handler *h, struct session *s, int why)
{
    struct mon *mon = CONTAINER_OF(h, struct mon, handler);

    for (uint32_t i = 0; i < mon->peer_count; i++) {
        if (mon->peers[i].s != s)
            continue;
        log_debug(&mon->log, "the session to a monitor ended", KV_U64("mon", mon->peers[i].id),
                  KV_RC(why));
        session_unref(TAKE(mon->peers[i].s));
        env_timer_after(mon->env, &mon->peer_retry, PEER_RETRY_MS * NS_PER_MS);
        return;
    }
    mon_command_session_gone(mon, s);
    if (conn_of(s))
        conn_free(conn_of(s));
}

static void drained(struct msgr_handler *h, struct session *s)
{
    struct mon *mon = CONTAINER_OF(h, struct mon, handler);

    if (!mon_halted(mon) && conn_of(s))
        mon_sub_push(mon, conn_of(s));
}

static void message(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct mon *mon = CONTAINER_OF(h, struct mon, handler);
    struct mon_conn *conn = conn_of(s);

    if (mon_halted(mon) || !conn) {
        msg_free(m);
    } else if (MESSAGE_IS(m, mon_raft) && session_peer(s)->role == ENTITY_MON) {
        mon_raft_message(mon, s, MESSAGE_AS(m, mon_raft));
    } else if (MESSAGE_IS(m, mon_subscribe)) {
        mon_sub_ask(mon, conn, MESSAGE_AS(m, mon_subscribe));
        msg_free(m);
    } else if (MESSAGE_IS(m, mon_command)) {
        mon_command_take(mon, s, MESSAGE_AS(m, mon_command));
    } else if (MESSAGE_IS(m, mon_forward)) {
        mon_forward_take(mon, s, MESSAGE_AS(m, mon_forward));
    } else if (mon_report_is(m)) {
        mon_report_route(mon, s, m);
    } else {
        log_debug(&mon->log, "a message that is not for a monitor", KV_STR("type", m->type->name));
        msg_free(m);
    }
}

/* ---- time ---- */

static void batch_fire(struct env_timer *t)
{
    mon_draft_propose(CONTAINER_OF(t, struct mon, batch));
}

static void tick_fire(struct env_timer *t)
{
    struct mon *mon = CONTAINER_OF(t, struct mon, tick);
    bool waiting = false;

    if (mon_halted(mon))
        return;
    mon_sub_publish(mon); /* what memory was short for */
    if (mon_leads(mon)) {
        mon_osd_tick(mon);
        waiting = mon_failure_tick(mon);
        mon_draft_touched(mon);
    }
    mon_raft_snapshot_if_due(mon);
    mon_metrics_update(mon);
    env_timer_after(mon->env, &mon->tick,
                    (waiting ? mon->conf.mon_tick_ms : MON_IDLE_TICK_MS) * NS_PER_MS);
}

/* A report of silence came: it is judged again soon. */
static void tick_soon(struct mon *mon)
{
    for (uint32_t i = 0; i < mon->osd_count; i++)
        if (!list_empty(&mon->osds[i].accusers)) {
            uint64_t soon = mon_now(mon) + mon->conf.mon_tick_ms * NS_PER_MS;

            if (!mon->tick.armed || mon->tick.at_ns > soon)
                env_timer_at(mon->env, &mon->tick, soon);
            return;
        }
}

static void ready_tell(struct mon *mon)
{
    void (*ready)(void *arg, int rc, const struct note *why) = mon->ready;

    if (!ready || !mon->state.map || !mon->leader)
        return;
    mon->ready = NULL;
    log_info(&mon->log, "ready", KV_STR("addr", mon->addr.s), KV_EPOCH(mon_epoch(mon)));
    ready(mon->ready_arg, 0, NULL);
}

/* What a leader that was knew does not count any more. */
static void soft_state_drop(struct mon *mon)
{
    if (mon->role == RAFT_LEADER)
        return;
    mon_stop_if_handed_over(mon);
    mon_stats_clear(mon);
    mon_osds_free(mon);
    mon_commands_refuse(mon, -R_NOT_LEADER);
}

static void mon_turn(struct env_task *task)
{
    struct mon *mon = CONTAINER_OF(task, struct mon, turn);

    mon->turn_queued = false;
    if (mon_halted(mon))
        return;
    soft_state_drop(mon);
    mon_sub_publish(mon);
    if (mon->leading)
        mon_stats_map(mon);
    mon_commands_applied(mon);
    if (mon_leads(mon)) {
        mon_held_run(mon);
        mon_commands_start(mon);
        mon_boots_run(mon);
        tick_soon(mon);
    } else if (mon->leader && mon->role != RAFT_LEADER) {
        mon_held_run(mon);
    }
    if (mon->leading && !mon->state.map)
        mon_draft_propose(mon); /* the first map */
    mon_draft_touched(mon);
    mon_raft_snapshot_if_due(mon);
    ready_tell(mon);
}

void mon_events_init(struct mon *mon)
{
    mon->handler = (struct msgr_handler){
        .message = message, .opened = opened, .reset = reset, .drained = drained};
    env_timer_init(&mon->peer_retry, peer_retry);
    env_timer_init(&mon->batch, batch_fire);
    env_timer_init(&mon->tick, tick_fire);
    env_task_init(&mon->turn, mon_turn);
    env_task_init(&mon->failed_task, failed_tell);
}

/* No event comes any more but the end of tasks that were posted. */
void mon_events_stop(struct mon *mon)
{
    env_timer_cancel(mon->env, &mon->peer_retry);
    env_timer_cancel(mon->env, &mon->batch);
    env_timer_cancel(mon->env, &mon->tick);
}

void mon_conns_free(struct mon *mon)
{
    while (!list_empty(&mon->conns))
        conn_free(LIST_FIRST(&mon->conns, struct mon_conn, link));
    for (uint32_t i = 0; i < mon->peer_count; i++)
        session_unref(TAKE(mon->peers[i].s));
}
