/* node.c - one process: reactors, the roles on them, and what happens when a role ends.
 *
 * The life of a role, on its own reactor:
 *
 *     IDLE -> STARTING -> READY -> STOPPING -> IDLE
 *                 |          |        ^
 *                 v          v        |
 *               FAILED    (failed) ---+   then a pause, then STARTING again
 *
 * Main starts roles and waits on the condition below until they are ready.  A failure before the
 * role was ever ready is the caller's business (node_wait reports it); a failure afterwards is
 * handled here, and so is that of an OSD that may wait: the others go on without it.  For OSDs the
 * node keeps a client of its own that watches the osdmap: an OSD that an operator stopped is not
 * started again before the map says so.  By it the monitors learn why an OSD does not start. */
#include "node/node.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/client/include/cairn_env.h"
#include "core/env/env_real.h"
#include "core/map/osdmap.h"
#include "core/mon/mon.h"
#include "core/msgr/msgr.h"
#include "core/osd/osd.h"
#include "s3/s3.h"

enum { ROLES_MAX = 256, PAUSE_MIN_MS = 500, PAUSE_MAX_MS = 30000, STOP_WAIT_MS = 20000 };
/* A store that meets damage as it starts salvages itself at the next try. */
enum { TRIES_ENOUGH = 2 };

enum role_state { ROLE_IDLE, ROLE_STARTING, ROLE_READY, ROLE_STOPPING, ROLE_FAILED };

struct role {
    struct node *node; /* borrowed */
    struct env *env;   /* borrowed */
    unsigned reactor;
    struct node_start start;
    enum role_state state;
    bool was_ready;    /* once: failures are ours from then on */
    unsigned failures; /* since it was ready */
    bool want;         /* should run; false when the process stops */
    bool held;         /* an operator stopped it */
    bool held_in_map;  /* as the newest map says */
    bool map_seen;     /* there was one; before, the role's own word counts */
    uint32_t pause_ms;
    struct env_timer again;
    int rc;
    struct note why;
    struct net_addr bound;
    struct metric_set metrics; /* of a monitor or an OSD while it is ready */
    union {
        struct mon *mon;
        struct osd *osd;
        struct s3_gateway *s3;
    };
};

struct node {
    struct config conf;
    struct log log;
    struct host *host;    /* owned */
    struct msgr_hub *hub; /* owned */
    struct cairn *client; /* owned; watches the osdmap; on reactor 0 */
    bool client_gone;
    int event_fd;
    pthread_mutex_t lock; /* of `state`, `rc`, `why`, `bound`, `held*`, `failures`, `metrics` of all
                             roles, and of `changed` */
    pthread_cond_t changed;
    struct role roles[ROLES_MAX];
    unsigned role_count;
};

static const char *const role_names[] = {[NODE_MON] = "mon", [NODE_OSD] = "osd", [NODE_S3] = "s3"};

static void role_start(struct role *r);

/* ---- state, seen by main ---- */

static void state_set(struct role *r, enum role_state state, int rc, const struct note *why)
{
    uint64_t one = 1;

    pthread_mutex_lock(&r->node->lock);
    r->state = state;
    r->rc = rc;
    if (why)
        r->why = *why;
    pthread_cond_broadcast(&r->node->changed);
    pthread_mutex_unlock(&r->node->lock);
    if (write(r->node->event_fd, &one, sizeof(one)) < 0)
        return; /* full: whoever waits is awake already */
}

/* ---- metrics, seen by the page of a gateway ---- */

/* What the numbers of a role are; they stay where they are until it stops. */
static void metrics_join(struct role *r)
{
    struct node *n = r->node;
    struct metric_set set;
    char labels[48];
    int rc;

    (void)snprintf(labels, sizeof(labels), "role=\"%s\",id=\"%d\"", role_names[r->start.role],
                   r->start.id);
    metric_set_init(&set, labels);
    rc = r->start.role == NODE_MON ? mon_metrics(r->mon, &set) : osd_metrics(r->osd, &set);
    if (rc < 0) { /* the page goes without them */
        metric_set_fini(&set);
        return;
    }
    pthread_mutex_lock(&n->lock);
    r->metrics = set;
    pthread_mutex_unlock(&n->lock);
}

static void metrics_leave(struct role *r)
{
    pthread_mutex_lock(&r->node->lock);
    metric_set_fini(&r->metrics);
    pthread_mutex_unlock(&r->node->lock);
}

/* On a gateway's reactor.  Sets of roles that are not ready are empty. */
static int all_metrics(void *arg, struct metric_set *own, struct writer *out)
{
    struct node *n = arg;
    struct metric_set *sets[ROLES_MAX + 1] = {own};
    uint32_t count = 1;
    int rc;

    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].metrics.count)
            sets[count++] = &n->roles[i].metrics;
    rc = metrics_print(sets, count, out);
    pthread_mutex_unlock(&n->lock);
    return rc;
}

/* ---- stopping ---- */

static void start_again(struct env_timer *t)
{
    struct role *r = CONTAINER_OF(t, struct role, again);

    if (r->want && !r->held && r->state == ROLE_IDLE)
        role_start(r);
}

static void role_stopped(void *arg)
{
    struct role *r = arg;
    bool held;

    r->osd = NULL;
    state_set(r, ROLE_IDLE, r->rc, NULL);
    pthread_mutex_lock(&r->node->lock);
    /* It may have been let go while it stopped. */
    held = r->held = r->held && (r->held_in_map || !r->map_seen);
    pthread_mutex_unlock(&r->node->lock);
    if (!r->want || held)
        return;
    r->pause_ms = r->pause_ms ? MIN(r->pause_ms * 2, PAUSE_MAX_MS) : PAUSE_MIN_MS;
    env_timer_after(r->env, &r->again, r->pause_ms * NS_PER_MS);
}

static void role_stop(struct role *r)
{
    env_timer_cancel(r->env, &r->again);
    if (!r->osd || r->state == ROLE_STOPPING)
        return;
    state_set(r, ROLE_STOPPING, r->rc, NULL);
    metrics_leave(r);
    switch (r->start.role) {
    case NODE_MON:
        mon_stop(r->mon, role_stopped, r);
        break;
    case NODE_OSD:
        osd_stop(r->osd, role_stopped, r);
        break;
    case NODE_S3:
        s3_stop(r->s3, role_stopped, r);
        break;
    }
}

/* ---- telling the monitors why an OSD does not start ---- */

static void told(void *arg, int rc, const char *text, const void *json, size_t json_bytes)
{
    UNUSED(arg); /* it is said again with the next failure */
    UNUSED(rc);
    UNUSED(text);
    UNUSED(json);
    UNUSED(json_bytes);
}

/* On reactor 0, where the client is. */
static void trouble_tell(struct role *r)
{
    struct node *n = r->node;
    char id[16], text[NOTE_BYTES];
    const char *const argv[] = {"osd", "trouble", id, text};
    bool failing;

    snprintf(id, sizeof(id), "%d", r->start.id);
    pthread_mutex_lock(&n->lock);
    failing = r->failures > 0;
    snprintf(text, sizeof(text), "%s", r->why.text);
    pthread_mutex_unlock(&n->lock);
    if (failing && n->client)
        (void)cairn_command_env(n->client, ARRAY_LEN(argv), argv, NULL, 0, 0, told, NULL);
}

struct telling {
    struct env_task task;
    struct role *role;
};

static void telling_run(struct env_task *task)
{
    struct telling *t = CONTAINER_OF(task, struct telling, task);
    struct role *r = t->role;

    mem_free(t);
    trouble_tell(r);
}

static void failure_note(struct role *r, int rc, const struct note *why)
{
    struct telling *t = r->start.role == NODE_OSD ? mem_alloc(sizeof(*t)) : NULL;

    pthread_mutex_lock(&r->node->lock);
    r->failures++;
    r->rc = rc;
    r->why = *why;
    if (!r->why.text[0])
        note_set(&r->why, "%s", reason_text(rc));
    pthread_mutex_unlock(&r->node->lock);
    if (!t)
        return;
    t->role = r;
    env_task_init(&t->task, telling_run);
    env_post(host_env(r->node->host, 0), &t->task);
}

/* It cannot go on: the role says so itself. */
static void role_failed(void *arg, int rc, const struct note *why)
{
    struct role *r = arg;

    if (rc == -R_STOPPED && r->start.role == NODE_OSD) {
        pthread_mutex_lock(&r->node->lock);
        r->held = true;
        pthread_mutex_unlock(&r->node->lock);
        log_info(&r->node->log, "an operator stopped an OSD", KV_I64("osd", r->start.id));
    } else {
        log_error(&r->node->log, "a role stopped itself; it is started again",
                  KV_STR("role", role_names[r->start.role]), KV_I64("id", r->start.id), KV_RC(rc),
                  KV_NOTE(why));
        failure_note(r, rc, why);
    }
    role_stop(r);
}

/* ---- starting ---- */

/* Is a failure to start ours to handle? */
static bool starts_again(const struct role *r)
{
    return r->was_ready || r->start.may_wait;
}

static void role_ready(struct role *r, int rc, const struct note *why)
{
    if (rc == 0) {
        r->was_ready = true;
        r->pause_ms = 0;
        pthread_mutex_lock(&r->node->lock);
        r->failures = 0;
        pthread_mutex_unlock(&r->node->lock);
        state_set(r, ROLE_READY, 0, NULL);
    } else if (starts_again(r)) {
        role_failed(r, rc, why);
    } else {
        state_set(r, ROLE_FAILED, rc, why);
    }
}

static void mon_ready(void *arg, int rc, const struct note *why)
{
    struct role *r = arg;

    if (rc == 0)
        r->bound = *mon_addr(r->mon);
    if (rc == 0)
        metrics_join(r);
    role_ready(r, rc, why);
}

static void osd_ready(void *arg, int rc, const struct note *why)
{
    struct role *r = arg;

    if (rc == 0)
        r->bound = *osd_addr(r->osd);
    if (rc == 0)
        metrics_join(r);
    role_ready(r, rc, why);
}

static void s3_ready(void *arg, int rc, const struct net_addr *bound, const struct note *why)
{
    struct role *r = arg;

    if (rc == 0)
        r->bound = *bound;
    role_ready(r, rc, why);
}

static int role_begin(struct role *r, struct note *why)
{
    struct node *n = r->node;
    int rc;

    switch (r->start.role) {
    case NODE_MON: {
        struct mon_conf mc = {.id = (uint32_t)r->start.id,
                              .conf = &n->conf,
                              .hub = n->hub,
                              .folder = r->start.folder};

        rc = mon_start(r->env, &mc, mon_ready, r, &r->mon, why);
        if (rc == 0)
            mon_on_failure(r->mon, role_failed, r);
        return rc;
    }
    case NODE_OSD: {
        struct osd_conf oc = {.id = {r->start.id},
                              .conf = &n->conf,
                              .hub = n->hub,
                              .folder = r->start.folder,
                              .addr = r->start.addr};

        if (gethostname(oc.host, sizeof(oc.host) - 1) < 0)
            snprintf(oc.host, sizeof(oc.host), "localhost");
        rc = osd_start(r->env, &oc, osd_ready, r, &r->osd);
        if (rc == 0)
            osd_on_failure(r->osd, role_failed, r);
        return rc;
    }
    case NODE_S3: {
        struct s3_conf sc = {.conf = &n->conf,
                             .hub = n->hub,
                             .addr = r->start.addr,
                             .metrics = all_metrics,
                             .metrics_arg = n};

        return s3_start(r->env, &sc, s3_ready, r, &r->s3);
    }
    }
    return -EINVAL;
}

static void role_start(struct role *r)
{
    struct note why = {{0}};
    int rc;

    state_set(r, ROLE_STARTING, 0, &why);
    rc = role_begin(r, &why);
    if (rc < 0) {
        r->osd = NULL;
        role_ready(r, rc, &why);
        if (starts_again(r))
            role_stopped(r); /* nothing was started: try again after the pause */
    }
}

static void start_on_reactor(void *arg)
{
    role_start(arg);
}

/* ---- the osdmap: which OSDs an operator stopped ---- */

struct release {
    struct env_task task;
    struct role *role;
};

static void release_run(struct env_task *task)
{
    struct release *rel = CONTAINER_OF(task, struct release, task);
    struct role *r = rel->role;

    mem_free(rel);
    r->pause_ms = 0;
    if (r->want && r->state == ROLE_IDLE)
        role_start(r);
}

static void map_changed(void *arg, const struct osdmap *map)
{
    struct node *n = arg;

    for (unsigned i = 0; i < n->role_count; i++) {
        struct role *r = &n->roles[i];
        struct release *rel;
        bool let_go, held;

        if (r->start.role != NODE_OSD || !osdmap_exists(map, (struct osd_id){r->start.id}))
            continue;
        held = map->osds[r->start.id].state & OSD_HELD;
        pthread_mutex_lock(&n->lock);
        r->held_in_map = held;
        r->map_seen = true;
        let_go = r->held && r->state == ROLE_IDLE && !held;
        rel = let_go ? mem_alloc(sizeof(*rel)) : NULL;
        if (rel)
            r->held = false; /* without memory: with the next map */
        pthread_mutex_unlock(&n->lock);
        if (!rel)
            continue;
        rel->role = r;
        env_task_init(&rel->task, release_run);
        env_post(r->env, &rel->task);
    }
}

static void client_open(void *arg)
{
    struct node *n = arg;
    struct cairn_env_conf cc = {.conf = &n->conf, .hub = n->hub};

    if (n->client || cairn_open_env(host_env(n->host, 0), &cc, NULL, NULL, &n->client) < 0)
        return;
    cairn_watch_map(n->client, map_changed, n);
    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].start.role == NODE_OSD)
            trouble_tell(&n->roles[i]);
}

static void client_closed(void *arg)
{
    struct node *n = arg;

    pthread_mutex_lock(&n->lock);
    n->client_gone = true;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void client_close(void *arg)
{
    struct node *n = arg;

    cairn_watch_map(n->client, NULL, NULL);
    cairn_close_env(TAKE(n->client), client_closed, n);
}

/* ---- main's side ---- */

/* Each connection is a descriptor, and the usual soft limit is 1,024.  Nothing here uses select. */
static void files_allow(void)
{
    struct rlimit most;

    if (getrlimit(RLIMIT_NOFILE, &most) < 0)
        return;
    most.rlim_cur = most.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &most); /* the soft limit stays what it was */
}

int node_create(const struct node_conf *conf, struct node **out_node, struct note *why)
{
    struct host_conf hc = {.workers = conf->conf.cluster_workers, .sink = conf->sink};
    struct node *n = mem_zalloc(sizeof(*n));
    pthread_condattr_t attr;
    int rc;

    if (!n)
        return -ENOMEM;
    n->conf = conf->conf;
    log_init(&n->log, conf->sink, "node");
    files_allow();
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&n->changed, &attr);
    pthread_condattr_destroy(&attr);
    hc.reactors = conf->reactors ? conf->reactors : conf->conf.cluster_reactors;
    n->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    n->hub = msgr_hub_create(false);
    rc = n->event_fd < 0 ? -errno : !n->hub ? -ENOMEM : host_create(&hc, &n->host, why);
    if (rc < 0) {
        node_destroy(n);
        return rc;
    }
    *out_node = n;
    return 0;
}

struct config *node_config(struct node *n)
{
    return &n->conf;
}

int node_start(struct node *n, const struct node_start *start)
{
    struct role *r = &n->roles[n->role_count];

    if (n->role_count == ROLES_MAX)
        return -R_OVERFLOW;
    *r = (struct role){.node = n, .start = *start, .want = true};
    r->reactor = n->role_count % host_reactors(n->host);
    r->env = host_env(n->host, r->reactor);
    env_timer_init(&r->again, start_again);
    pthread_mutex_lock(&n->lock);
    n->role_count++;
    pthread_mutex_unlock(&n->lock);
    host_call(n->host, r->reactor, start_on_reactor, r);
    return 0;
}

static struct timespec deadline_in(uint32_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static bool given_up(const struct role *r)
{
    return r->start.may_wait && r->failures >= TRIES_ENOUGH && r->state != ROLE_READY;
}

/* 1: all ready (held, or waited for in vain while other OSDs run); 0: not yet; negative: one
 * failed. */
static int all_ready(struct node *n, struct note *why)
{
    const struct role *broken = NULL;
    bool all = true, some_osd = false;

    for (unsigned i = 0; i < n->role_count; i++) {
        struct role *r = &n->roles[i];
        bool good = r->state == ROLE_READY || r->held;

        if (r->state == ROLE_FAILED || (!broken && given_up(r)))
            broken = r;
        if (r->state == ROLE_FAILED)
            break;
        some_osd |= good && r->start.role == NODE_OSD;
        all &= good || given_up(r);
    }
    if (!broken || (broken->state != ROLE_FAILED && (some_osd || !all)))
        return all;
    *why = broken->why;
    if (!why->text[0])
        note_set(why, "%s", reason_text(broken->rc));
    note_add(why, "%s.%d", role_names[broken->start.role], broken->start.id);
    return broken->rc;
}

int node_wait(struct node *n, uint32_t timeout_ms, struct note *why)
{
    struct timespec until = deadline_in(timeout_ms);
    int rc, waited = 0;

    pthread_mutex_lock(&n->lock);
    while ((rc = all_ready(n, why)) == 0 && waited == 0)
        waited = pthread_cond_timedwait(&n->changed, &n->lock, &until);
    pthread_mutex_unlock(&n->lock);
    if (rc == 0) {
        note_set(why, "not ready within %u s", timeout_ms / 1000);
        return -ETIMEDOUT;
    }
    if (rc > 0 && node_count(n, NODE_OSD))
        host_call(n->host, 0, client_open, n);
    return rc < 0 ? rc : 0;
}

int node_addr(struct node *n, enum node_role role, int id, struct net_addr *out_addr)
{
    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].start.role == role && n->roles[i].start.id == id) {
            pthread_mutex_lock(&n->lock);
            *out_addr = n->roles[i].bound;
            pthread_mutex_unlock(&n->lock);
            return 0;
        }
    return -ENOENT;
}

bool node_trouble(struct node *n, enum node_role role, int id, struct note *out_why)
{
    bool failing = false;

    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].start.role == role && n->roles[i].start.id == id && n->roles[i].failures) {
            failing = true;
            *out_why = n->roles[i].why;
        }
    pthread_mutex_unlock(&n->lock);
    return failing;
}

unsigned node_count(struct node *n, enum node_role role)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n->role_count; i++)
        count += n->roles[i].start.role == role;
    return count;
}

static void report_on_reactor(void *arg)
{
    struct role *r = arg;

    if (r->state == ROLE_READY)
        osd_report(r->osd);
}

void node_report(struct node *n)
{
    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].start.role == NODE_OSD)
            host_call(n->host, n->roles[i].reactor, report_on_reactor, &n->roles[i]);
}

bool node_stopped_by_operator(struct node *n)
{
    bool stopped;

    pthread_mutex_lock(&n->lock);
    stopped = n->role_count == 1 && n->roles[0].held && n->roles[0].state == ROLE_IDLE;
    pthread_mutex_unlock(&n->lock);
    return stopped;
}

int node_event_fd(struct node *n)
{
    return n->event_fd;
}

static void stop_on_reactor(void *arg)
{
    struct role *r = arg;

    r->want = false;
    role_stop(r);
}

static void reload_on_reactor(void *arg)
{
    struct role *r = arg;

    if (r->state == ROLE_READY)
        s3_reload(r->s3);
}

void node_reload(struct node *n)
{
    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].start.role == NODE_S3)
            host_call(n->host, n->roles[i].reactor, reload_on_reactor, &n->roles[i]);
}

static bool role_gone(const struct role *r)
{
    return r->state == ROLE_IDLE || (r->state == ROLE_FAILED && !r->osd);
}

/* Stop every role of a kind, and wait until all are gone. */
static void kind_stop(struct node *n, enum node_role kind)
{
    struct timespec until = deadline_in(STOP_WAIT_MS);
    int waited = 0;

    for (unsigned i = 0; i < n->role_count; i++)
        if (n->roles[i].start.role == kind)
            host_call(n->host, n->roles[i].reactor, stop_on_reactor, &n->roles[i]);
    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < n->role_count && waited == 0; i++)
        while (n->roles[i].start.role == kind && !role_gone(&n->roles[i]) && waited == 0)
            waited = pthread_cond_timedwait(&n->changed, &n->lock, &until);
    pthread_mutex_unlock(&n->lock);
    if (waited)
        log_error(&n->log, "a role does not stop; the process ends without it",
                  KV_STR("role", role_names[kind]));
}

void node_destroy(struct node *n)
{
    if (!n)
        return;
    kind_stop(n, NODE_S3);
    if (n->client) {
        host_call(n->host, 0, client_close, n);
        pthread_mutex_lock(&n->lock);
        while (!n->client_gone)
            pthread_cond_wait(&n->changed, &n->lock);
        pthread_mutex_unlock(&n->lock);
    }
    kind_stop(n, NODE_OSD);
    kind_stop(n, NODE_MON);
    if (n->host)
        host_destroy(n->host);
    if (n->hub)
        msgr_hub_destroy(n->hub);
    if (n->event_fd >= 0)
        close(n->event_fd);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
    mem_free(n);
}
