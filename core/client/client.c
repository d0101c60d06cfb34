/* client.c - a client instance: from configuration to the first map, and its end.
 *
 * Two forms share all the rest: on a reactor of its own with calls from any thread (cairn_connect),
 * or on the env of a role (cairn_open_env).  Either way the instance is a random number that is
 * never used again; it names this client to the OSDs and on the blocklist.
 *
 * Ending goes one way: refuse new operations, fail the unanswered ones, close the sessions, then
 * report closed. */
#include "core/client/client_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/env/env_real.h"
#include "core/env/file.h"

static void message(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct cairn *c = CONTAINER_OF(h, struct cairn, handler);

    UNUSED(s);
    if (c->stopping) {
        msg_free(m);
    } else if (MESSAGE_IS(m, osd_op_reply)) {
        ops_reply(c, MESSAGE_AS(m, osd_op_reply)); /* keeps the message */
    } else if (MESSAGE_IS(m, osdmaps)) {
        if (client_maps_take(c, MESSAGE_AS(m, osdmaps)) > 0)
            ops_map_changed(c);
        msg_free(m);
    } else if (MESSAGE_IS(m, mon_reply)) {
        mon_reply(c, MESSAGE_AS(m, mon_reply));
        msg_free(m);
    } else {
        if (MESSAGE_IS(m, copy_reply))
            copies_reply(c, MESSAGE_AS(m, copy_reply));
        msg_free(m); /* of no interest to a client */
    }
}

static void reset(struct msgr_handler *h, struct session *s, int why)
{
    struct cairn *c = CONTAINER_OF(h, struct cairn, handler);

    if (c->stopping)
        return;
    if (s == c->mon || s == c->leader) {
        mon_reset(c, s, why);
        return;
    }
    copies_reset(c, s);
    ops_session_reset(c, s);
}

/* "0=127.0.0.1:6789,1=127.0.0.1:6790" */
static int mons_parse(struct cairn *c)
{
    char text[OPTION_STR_BYTES];
    char *save = NULL;

    memcpy(text, c->conf.cluster_mons.s, sizeof(text));
    for (char *one = strtok_r(text, ", ", &save); one; one = strtok_r(NULL, ", ", &save)) {
        char *addr = strchr(one, '=');

        if (c->mon_count == CLIENT_MONS_MAX ||
            net_addr_parse(addr ? addr + 1 : one, &c->mons[c->mon_count]) < 0)
            return -EINVAL;
        c->mon_count++;
    }
    return c->mon_count ? 0 : -EINVAL;
}

int client_start(struct cairn *c, const struct cairn_env_conf *conf)
{
    struct msgr_conf mc = {
        .self = {.role = ENTITY_CLIENT}, .types = message_types, .hub = conf->hub};
    int rc;

    c->conf = *conf->conf;
    log_init(&c->log, env_log_sink(c->env), "client");
    do
        c->instance = env_random_u64(c->env);
    while (c->instance == 0);
    c->next_id = 1;
    c->mon_at = (unsigned)(env_random_u64(c->env) % CLIENT_MONS_MAX);
    list_init(&c->commands);
    list_init(&c->copies);
    list_init(&c->ops);
    c->handler = (struct msgr_handler){.message = message, .reset = reset};
    mc.self.instance = c->instance;
    mc.handler = &c->handler;
    (void)config_fsid(&c->conf, mc.fsid); /* none: any cluster's is accepted, and kept */
    rc = mons_parse(c);
    if (rc == 0)
        rc = htable_init(&c->targets, 64);
    if (rc == 0)
        rc = htable_init(&c->ops_by_id, 256);
    if (rc == 0)
        rc = msgr_create(c->env, &mc, &c->msgr);
    if (rc == 0)
        mon_connect(c);
    return rc;
}

static void msgr_is_closed(void *arg)
{
    struct cairn *c = arg;

    msgr_destroy(c->msgr);
    c->msgr = NULL;
    c->closed(c->closed_arg);
}

void client_stop(struct cairn *c, void (*closed)(void *arg), void *arg)
{
    c->closed = closed;
    c->closed_arg = arg;
    c->stopping = true;
    env_timer_cancel(c->env, &c->mon_retry);
    env_timer_cancel(c->env, &c->resend);
    mon_commands_fail(c, -ESHUTDOWN);
    copies_fail_all(c);
    ops_fail_all(c, -R_STOPPED);
    session_unref(TAKE(c->mon));
    session_unref(TAKE(c->leader));
    for (uint32_t i = 0; i < c->link_count; i++)
        session_unref(TAKE(c->links[i].session));
    if (c->msgr)
        msgr_close(c->msgr, msgr_is_closed, c);
    else
        closed(arg);
}

void client_free(struct cairn *c)
{
    if (c->targets.slots)
        client_targets_free(c);
    if (c->ops_by_id.slots)
        htable_fini(&c->ops_by_id);
    osdmap_unref(c->map);
    mem_free(c->links);
    pthread_cond_destroy(&c->room);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

static struct cairn *client_create(void)
{
    struct cairn *c = mem_zalloc(sizeof(*c));

    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->room, NULL);
    return c;
}

/* ---- on the env of a role ---- */

int cairn_open_env(struct env *env, const struct cairn_env_conf *conf,
                   void (*ready)(void *arg, int rc), void *arg, struct cairn **out_cluster)
{
    struct cairn *c = client_create();
    int rc;

    if (!c)
        return -ENOMEM;
    c->env = env;
    c->ready = ready;
    c->ready_arg = arg;
    rc = client_start(c, conf);
    if (rc < 0) {
        if (c->msgr)
            msgr_destroy(c->msgr);
        client_free(c);
        return rc;
    }
    *out_cluster = c;
    return 0;
}

struct env_close {
    struct cairn *c;
    void (*closed)(void *arg);
    void *arg;
};

static void env_is_closed(void *arg)
{
    struct env_close e = *(struct env_close *)arg;

    mem_free(arg);
    client_free(e.c);
    e.closed(e.arg);
}

void cairn_close_env(struct cairn *c, void (*closed)(void *arg), void *arg)
{
    struct env_close *e = mem_alloc(sizeof(*e));

    ASSERT(e); /* a few bytes at the end of a role: without them it cannot end in order */
    *e = (struct env_close){c, closed, arg};
    client_stop(c, env_is_closed, e);
}

/* ---- with a thread of its own ---- */

void waiter_init(struct waiter *w, unsigned count)
{
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->cond, NULL);
    w->left = count;
}

void waiter_done(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    w->left--;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

void waiter_wait(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->left)
        pthread_cond_wait(&w->cond, &w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&w->cond);
    pthread_mutex_destroy(&w->lock);
}

int client_may_wait(struct cairn *c)
{
    return c->host && !env_is_home(c->env) ? 0 : -EDEADLK;
}

struct connecting {
    struct cairn *c;
    const struct config *conf;
    struct waiter waiter; /* the first map */
    struct env_timer timeout;
    uint32_t timeout_ms;
    int rc;
    bool over;
};

static void connected(void *arg, int rc)
{
    struct connecting *k = arg;

    if (k->over)
        return;
    k->over = true;
    k->rc = rc;
    env_timer_cancel(k->c->env, &k->timeout);
    waiter_done(&k->waiter);
}

static void connect_timed_out(struct env_timer *t)
{
    struct connecting *k = CONTAINER_OF(t, struct connecting, timeout);

    k->c->ready = NULL;
    connected(k, -ETIMEDOUT);
}

static void connect_on_reactor(void *arg)
{
    struct connecting *k = arg;
    struct cairn_env_conf conf = {.conf = k->conf};
    int rc;

    k->c->ready = connected;
    k->c->ready_arg = k;
    env_timer_init(&k->timeout, connect_timed_out);
    env_timer_after(k->c->env, &k->timeout, (uint64_t)k->timeout_ms * NS_PER_MS);
    rc = client_start(k->c, &conf);
    if (rc < 0)
        connected(k, rc);
}

struct stopping {
    struct cairn *c;
    struct waiter waiter;
};

static void stopped(void *arg)
{
    waiter_done(&((struct stopping *)arg)->waiter);
}

static void stop_on_reactor(void *arg)
{
    struct stopping *s = arg;

    client_stop(s->c, stopped, s);
}

void cairn_shutdown(struct cairn *c)
{
    struct stopping s = {.c = c};
    struct host *host;

    if (!c)
        return;
    host = c->host;
    waiter_init(&s.waiter, 1);
    host_call(host, 0, stop_on_reactor, &s);
    waiter_wait(&s.waiter);
    host_destroy(host);
    client_free(c);
}

static void say(char *why, size_t why_bytes, const char *text, const char *what)
{
    if (why && why_bytes)
        snprintf(why, why_bytes, "%s%s%s", text, what[0] ? ": " : "", what);
}

/* The configuration file, by its path or $CAIRN_CONF. */
static int conf_read(const char *path, struct log_sink *sink, struct config *out_conf,
                     struct note *why)
{
    struct env *env = env_blocking_create(sink);
    AUTO(buf) text = {0};
    int rc;

    config_defaults(out_conf);
    if (!env)
        return -ENOMEM;
    rc = file_read(env, path, MIB(1), &text);
    if (rc == 0 && text.bytes)
        rc = config_parse(out_conf, path, (const char *)buf_contiguous(&text, 0, text.bytes),
                          text.bytes, NULL, why);
    else if (rc < 0)
        note_set(why, "%s: %s", path, reason_text(rc));
    env_blocking_destroy(env);
    return rc;
}

int cairn_connect(const char *conf, uint32_t timeout_ms, struct cairn **out_cluster, char *why,
                  size_t why_bytes)
{
    struct host_conf hc = {.reactors = 1, .workers = 1};
    struct connecting k = {.timeout_ms = timeout_ms ? timeout_ms : 30000};
    struct config config;
    struct note note = {{0}};
    struct cairn *c;
    int rc;

    if (!conf)
        conf = getenv("CAIRN_CONF");
    if (!conf) {
        say(why, why_bytes, "no cluster is named: give a cairn.conf, or set CAIRN_CONF", "");
        return -ENOENT;
    }
    c = client_create();
    if (!c)
        return -ENOMEM;
    log_sink_fd_init(&c->sink, 2, false, LOG_WARN, NULL);
    hc.sink = &c->sink;
    rc = conf_read(conf, &c->sink, &config, &note);
    if (rc == 0)
        rc = host_create(&hc, &c->host, &note);
    if (rc < 0) {
        say(why, why_bytes, note.text, "");
        client_free(c);
        return reason_errno(rc);
    }
    c->env = host_env(c->host, 0);
    k.c = c;
    k.conf = &config;
    waiter_init(&k.waiter, 1);
    host_call(c->host, 0, connect_on_reactor, &k);
    waiter_wait(&k.waiter);
    if (k.rc < 0) {
        say(why, why_bytes, k.rc == -ETIMEDOUT ? "no monitor answers at" : reason_text(k.rc),
            config.cluster_mons.s);
        cairn_shutdown(c);
        return reason_errno(k.rc);
    }
    *out_cluster = c;
    return 0;
}

uint64_t cairn_instance(const struct cairn *c)
{
    return c->instance;
}

uint64_t cairn_resends(const struct cairn *c)
{
    return c->resends;
}
