/* mon_start.c - the role's life: a folder is made, a monitor starts on it, and stops.
 *
 * Starting reads the folder, creates the consensus, listens, and opens a session to each other
 * monitor.  Nothing is written before all that succeeded.
 *
 * Stopping: refuse, hand leadership over, close the sessions, let the log's write finish, close the
 * folder.  After a failure the same, without the hand-over. */
#include "core/mon/mon_int.h"

struct mon_metric_values {
    struct gauge leads, epoch, oldest, osds_up, osds_in, commands_waiting;
    struct counter elections, proposals, epochs, persists, snapshots, marked_down, commands,
        maps_sent, forwards;
};

/* ---- start ---- */

static int self_addr(const struct mon *mon, struct net_addr *out)
{
    for (uint32_t i = 0; i < mon->members.count; i++)
        if (mon->members.m[i].id == mon->id) {
            *out = mon->members.m[i].addr;
            return 0;
        }
    return -EINVAL;
}

/* Who the members are is the folder's business; where they are may be told anew. */
static int members_take(struct mon *mon, const struct mon_identity *who, struct note *why)
{
    struct mon_members told = {0};
    int rc = 0;

    mon->members = who->members;
    if (mon->conf.cluster_mons.s[0])
        rc = mon_members_parse(mon->conf.cluster_mons.s, &told, why);
    for (uint32_t i = 0; rc == 0 && i < told.count; i++)
        for (uint32_t k = 0; k < mon->members.count; k++)
            if (mon->members.m[k].id == told.m[i].id)
                mon->members.m[k].addr = told.m[i].addr;
    for (uint32_t i = 0; rc == 0 && i < mon->members.count; i++)
        if (mon->members.m[i].id != mon->id)
            mon->peers[mon->peer_count++] =
                (struct mon_peer){.id = mon->members.m[i].id, .addr = mon->members.m[i].addr};
    return rc;
}

static int identity_check(const struct mon *mon, const struct mon_identity *who, struct note *why)
{
    if (who->id == mon->id)
        return 0;
    note_set(why, "the folder belongs to mon.%u", who->id);
    return -EINVAL;
}

static void store_failed(void *arg, int rc, const struct note *why)
{
    mon_fail(arg, rc, "it cannot keep its log", why);
}

static int store_open(struct mon *mon, const char *folder, struct mon_stored *stored,
                      struct note *why)
{
    struct mon_store_conf conf = {.durable = mon_raft_durable, .failed = store_failed, .arg = mon};
    int rc = mon_store_open(mon->env, folder, &conf, &mon->store, stored, why);

    if (rc == 0)
        rc = identity_check(mon, &stored->who, why);
    if (rc == 0)
        rc = members_take(mon, &stored->who, why);
    if (rc == 0)
        memcpy(mon->fsid, stored->who.fsid, sizeof(mon->fsid));
    return rc;
}

static int msgr_start(struct mon *mon, struct msgr_hub *hub, struct note *why)
{
    struct msgr_conf mc = {.self = {.role = ENTITY_MON, .id = mon->id, .instance = mon->instance},
                           .types = message_types,
                           .handler = &mon->handler,
                           .hub = hub,
                           .give_up_ms = 5000};
    struct net_addr want;
    int rc;

    memcpy(mc.fsid, mon->fsid, sizeof(mc.fsid));
    rc = self_addr(mon, &want);
    if (rc == 0)
        rc = msgr_create(mon->env, &mc, &mon->msgr);
    if (rc == 0)
        rc = msgr_listen(mon->msgr, &want, &mon->addr, why);
    return rc;
}

static void mon_init(struct mon *mon, struct env *env, const struct mon_conf *conf)
{
    mon->env = env;
    mon->id = conf->id;
    mon->snapshot_entries = conf->snapshot_entries ? conf->snapshot_entries : MON_SNAPSHOT_ENTRIES;
    mon->conf = *conf->conf;
    log_init(&mon->log, env_log_sink(env), "mon.%u", conf->id);
    do
        mon->instance = env_random_u64(env);
    while (mon->instance == 0);
    mon_events_init(mon);
    list_init(&mon->conns);
    list_init(&mon->held_msgs);
    list_init(&mon->boots);
    list_init(&mon->commands);
    list_init(&mon->held_reports);
    mon_draft_init(&mon->draft);
    mon_draft_init(&mon->flight);
}

/* Everything that needs no waiting. */
static void mon_free(struct mon *mon)
{
    mon_commands_free(mon);
    mon_held_free(mon);
    mon_draft_fini(&mon->draft);
    mon_draft_fini(&mon->flight);
    if (mon->pgs.slots) {
        mon_stats_clear(mon);
        htable_fini(&mon->pgs);
    }
    mon_osds_free(mon);
    mon_state_fini(&mon->state);
    mon_state_fini(&mon->installing);
    buf_fini(&mon->snap_state);
    buf_fini(&mon->snap_next_state);
    buf_fini(&mon->full_newest);
    buf_fini(&mon->full_oldest);
    writer_fini(&mon->incoming_bytes);
    raft_destroy(mon->raft);
    mem_free(mon->metrics);
    mem_free(mon);
}

int mon_start(struct env *env, const struct mon_conf *conf,
              void (*ready)(void *arg, int rc, const struct note *why), void *arg,
              struct mon **out_mon, struct note *why)
{
    struct mon *mon = mem_zalloc(sizeof(*mon));
    struct mon_stored stored = {0};
    int rc;

    if (!mon)
        return -ENOMEM;
    mon_init(mon, env, conf);
    rc = htable_init(&mon->pgs, 256);
    if (rc == 0)
        rc = store_open(mon, conf->folder, &stored, why);
    if (rc == 0)
        rc = mon_raft_create(mon, &stored);
    mon_stored_fini(&stored);
    if (rc == 0)
        rc = msgr_start(mon, conf->hub, why);
    if (rc < 0) {                             /* nothing is under way */
        note_add(why, "%s", reason_text(rc)); /* who we are, our starter says */
        msgr_destroy(mon->msgr);
        mon_store_destroy(mon->store);
        mon_free(mon);
        return rc;
    }
    mon->ready = ready;
    mon->ready_arg = arg;
    mon_raft_begin(mon);
    mon_peers_open(mon);
    env_timer_after(env, &mon->tick, MON_IDLE_TICK_MS * NS_PER_MS);
    *out_mon = mon;
    return 0;
}

/* ---- stop ---- */

static void finish_if_idle(struct mon *mon)
{
    void (*stopped)(void *arg) = mon->stopped;
    void *arg = mon->stopped_arg;

    if (mon->turn_queued || mon->failed_posted) { /* tasks of ours are posted: they run first */
        env_post(mon->env, &mon->stop_task);
        return;
    }
    mon_free(mon);
    stopped(arg);
}

static void finish_again(struct env_task *task)
{
    finish_if_idle(CONTAINER_OF(task, struct mon, stop_task));
}

static void store_closed(void *arg)
{
    struct mon *mon = arg;

    mon->store = NULL;
    finish_if_idle(mon);
}

static void msgr_closed(void *arg)
{
    struct mon *mon = arg;

    mon_commands_free(mon);
    mon_held_free(mon);
    mon_conns_free(mon);
    msgr_destroy(TAKE(mon->msgr));
    mon_store_close(mon->store, store_closed, mon);
}

static void stop_now(struct mon *mon)
{
    env_timer_cancel(mon->env, &mon->handover);
    mon->stopping = true;
    mon->leading = false;
    mon_events_stop(mon);
    mon_raft_stop(mon);
    mon_commands_refuse(mon, -R_STOPPED);
    msgr_close(mon->msgr, msgr_closed, mon);
}

static void handover_over(struct env_timer *t)
{
    stop_now(CONTAINER_OF(t, struct mon, handover));
}

void mon_stop(struct mon *mon, void (*stopped)(void *arg), void *arg)
{
    ASSERT(!mon->stopped);
    mon->stopped = stopped;
    mon->stopped_arg = arg;
    mon->ready = NULL;
    env_task_init(&mon->stop_task, finish_again);
    env_timer_init(&mon->handover, handover_over);
    if (mon->peer_count && mon->role == RAFT_LEADER && !mon->failed) {
        mon_raft_transfer(mon); /* mon_turn sees it done; the timer bounds it */
        env_timer_after(mon->env, &mon->handover, MON_HANDOVER_MS * NS_PER_MS);
    } else {
        env_timer_after(mon->env, &mon->handover, 0); /* from the loop */
    }
}

void mon_stop_if_handed_over(struct mon *mon)
{
    if (mon->stopped && !mon->stopping && mon->role != RAFT_LEADER)
        env_timer_after(mon->env, &mon->handover, 0);
}

/* ---- folders ---- */

static int member_parse(const char *text, size_t len, struct mon_member *out)
{
    char addr[sizeof(out->addr.s)];
    size_t at = 0;
    uint64_t id = 0;

    for (; at < len && text[at] >= '0' && text[at] <= '9' && id <= UINT16_MAX; at++)
        id = id * 10 + (uint64_t)(text[at] - '0');
    if (at == 0 || at == len || text[at] != '=' || id > UINT16_MAX || len - at - 1 >= sizeof(addr))
        return -EINVAL;
    memcpy(addr, text + at + 1, len - at - 1);
    addr[len - at - 1] = 0;
    out->id = (uint32_t)id;
    return net_addr_parse(addr, &out->addr);
}

int mon_members_parse(const char *text, struct mon_members *out_members, struct note *why)
{
    struct mon_members ms = {0};

    while (*text) {
        size_t len = strcspn(text, ", ");
        struct mon_member m, *last = ms.count ? &ms.m[ms.count - 1] : NULL;

        if (len > 0) {
            if (ms.count == MON_MEMBERS_MAX || member_parse(text, len, &m) < 0 ||
                (last && last->id >= m.id)) {
                note_set(why,
                         "monitors are written id=ADDR:PORT,... with ascending ids, at most %d",
                         MON_MEMBERS_MAX);
                return -EINVAL;
            }
            ms.m[ms.count++] = m;
        }
        text += len + (text[len] != 0);
    }
    if (ms.count == 0) {
        note_set(why, "no monitors are named");
        return -EINVAL;
    }
    *out_members = ms;
    return 0;
}

int mon_mkfs(struct env *env, const char *folder, const uint8_t fsid[16], uint32_t id,
             const struct mon_members *members, struct note *why)
{
    struct mon_identity who = {.id = id, .members = *members};
    bool self = false;

    memcpy(who.fsid, fsid, sizeof(who.fsid));
    for (uint32_t i = 0; i < members->count; i++)
        self = self || members->m[i].id == id;
    if (!self) {
        note_set(why, "mon.%u is not among the monitors", id);
        return -EINVAL;
    }
    return mon_store_mkfs(env, folder, &who, why);
}

int mon_peek(struct env *env, const char *folder, uint8_t out_fsid[16], uint32_t *out_id,
             struct mon_members *out_members, struct note *why)
{
    struct mon_identity who;
    int rc = mon_store_peek(env, folder, &who, why);

    if (rc < 0)
        return rc;
    memcpy(out_fsid, who.fsid, sizeof(who.fsid));
    *out_id = who.id;
    *out_members = who.members;
    return 0;
}

/* ---- looking in ---- */

int mon_metrics(struct mon *mon, struct metric_set *set)
{
    struct mon_metric_values *v = mon->metrics ? mon->metrics : mem_zalloc(sizeof(*v));
    int rc = v ? 0 : -ENOMEM;

    if (rc < 0)
        return rc;
    mon->metrics = v;
    const struct {
        const char *name, *help;
        const struct gauge *gauge;
    } gauges[] = {
        {"mon_leads", "1 while this monitor leads", &v->leads},
        {"mon_osdmap_epoch", "Newest osdmap applied", &v->epoch},
        {"mon_osdmap_oldest_epoch", "Oldest osdmap kept", &v->oldest},
        {"mon_osds_up", "OSDs that are up", &v->osds_up},
        {"mon_osds_in", "OSDs that are in", &v->osds_in},
        {"mon_commands_waiting", "Commands being answered", &v->commands_waiting},
    };
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } counters[] = {
        {"mon_elections_total", "Times it began to lead", &v->elections},
        {"mon_proposals_total", "Changes proposed", &v->proposals},
        {"mon_epochs_total", "Osdmaps made as leader", &v->epochs},
        {"mon_log_writes_total", "Durable writes of the log", &v->persists},
        {"mon_snapshots_total", "Snapshots made", &v->snapshots},
        {"mon_osds_marked_down_total", "OSDs marked down for being refused or silent",
         &v->marked_down},
        {"mon_commands_total", "Commands answered", &v->commands},
        {"mon_maps_sent_total", "Messages of osdmaps sent", &v->maps_sent},
        {"mon_forwards_total", "Reports passed on to the leader", &v->forwards},
    };
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(gauges); i++)
        rc = metric_add_gauge(set, gauges[i].name, gauges[i].help, NULL, gauges[i].gauge);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(counters); i++)
        rc = metric_add_counter(set, counters[i].name, counters[i].help, NULL, counters[i].counter);
    if (rc == 0)
        mon_metrics_update(mon);
    return rc == 0 ? msgr_metrics(mon->msgr, set) : rc;
}

static void counter_to(struct counter *c, uint64_t v)
{
    counter_add(c, v - counter_get(c));
}

void mon_metrics_update(struct mon *mon)
{
    struct mon_metric_values *v = mon->metrics;
    const struct osdmap *m = mon->state.map;
    int64_t up = 0, in = 0;

    if (!v)
        return;
    for (uint32_t i = 0; m && i < m->osd_count; i++) {
        up += (m->osds[i].state & OSD_UP) != 0;
        in += (m->osds[i].state & OSD_EXISTS) && m->osds[i].weight > 0;
    }
    gauge_set(&v->leads, mon->leading);
    gauge_set(&v->epoch, mon_state_epoch(&mon->state).v);
    gauge_set(&v->oldest, mon_state_oldest(&mon->state).v);
    gauge_set(&v->osds_up, up);
    gauge_set(&v->osds_in, in);
    gauge_set(&v->commands_waiting, mon->command_count);
    counter_to(&v->elections, mon->n.elections);
    counter_to(&v->proposals, mon->n.proposals);
    counter_to(&v->epochs, mon->n.epochs);
    counter_to(&v->persists, mon->n.persists);
    counter_to(&v->snapshots, mon->n.snapshots);
    counter_to(&v->marked_down, mon->n.marked_down);
    counter_to(&v->commands, mon->n.commands);
    counter_to(&v->maps_sent, mon->n.maps_sent);
    counter_to(&v->forwards, mon->n.forwards);
}

void mon_check(struct mon *mon)
{
    struct raft_status st;

    mon_state_check(&mon->state);
    if (mon->failed || mon->stopping)
        return;
    raft_status(mon->raft, &st);
    ASSERT(mon->applied_index == st.applied);
    ASSERT(!mon->leading || st.role == RAFT_LEADER);
    ASSERT(!mon->in_flight || mon->leading);
    ASSERT(mon->leading || mon_draft_empty(&mon->draft));
    if (mon->in_flight && mon->flight.map && mon->state.map)
        ASSERT(mon->flight.map->epoch.v == mon->state.map->epoch.v + 1);
    if (mon->draft.map && mon_base(mon))
        ASSERT(mon->draft.map->epoch.v == mon_base(mon)->epoch.v + 1);
    LIST_EACH (pos, &mon->conns) {
        const struct mon_conn *conn = LIST_ENTRY(pos, struct mon_conn, link);

        ASSERT(session_dead(conn->s) || session_user(conn->s) == conn);
    }
}
