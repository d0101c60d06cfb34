/* client_mon.c - the monitors: a subscription to maps, and commands.
 *
 * The client holds one session with any monitor, subscribed to osdmaps; when it breaks, the next
 * one is tried.  Commands go to the leader: a follower names it, and a second session is opened
 * there. A command that may have been lost is sent again with the same id, which the monitors
 * recognize. */
#include "core/client/client_int.h"

enum { MON_RETRY_MS = 200, MON_GIVE_UP_MS = 5000 };

static void command_send(struct cairn *c, struct command *k);

static void mon_retry(struct env_timer *t)
{
    mon_connect(CONTAINER_OF(t, struct cairn, mon_retry));
}

void mon_retry_later(struct cairn *c)
{
    if (!c->mon_retry.fire)
        env_timer_init(&c->mon_retry, mon_retry);
    env_timer_after(c->env, &c->mon_retry,
                    (MON_RETRY_MS / 2 + env_random_u64(c->env) % MON_RETRY_MS) * NS_PER_MS);
}

static void subscribe(struct cairn *c)
{
    struct msg_mon_subscribe *m = MESSAGE_NEW(mon_subscribe);

    if (!m) {
        mon_retry_later(c);
        return;
    }
    m->from.v = c->map ? c->map->epoch.v + 1 : 0;
    session_send(c->mon, &m->base);
}

static void commands_send_all(struct cairn *c)
{
    LIST_EACH (pos, &c->commands)
        command_send(c, LIST_ENTRY(pos, struct command, link));
}

static struct session *mon_open(struct cairn *c, const struct net_addr *addr)
{
    struct session_conf sc = {.addr = *addr, .expect = {.role = ENTITY_MON}, .fast_fail = true};
    struct session *s = NULL;

    return session_open(c->msgr, &sc, &s) < 0 ? NULL : s;
}

void mon_connect(struct cairn *c)
{
    if (c->mon) { /* the timer was for maps or commands */
        subscribe(c);
        commands_send_all(c);
        return;
    }
    c->mon_at = (c->mon_at + 1) % c->mon_count;
    c->mon = mon_open(c, &c->mons[c->mon_at]);
    if (!c->mon) {
        mon_retry_later(c);
        return;
    }
    subscribe(c);
    if (!c->leader)
        commands_send_all(c);
}

void mon_map_wanted(struct cairn *c)
{
    if (c->mon)
        subscribe(c);
}

void mon_reset(struct cairn *c, struct session *s, int why)
{
    log_debug(&c->log, "a monitor went away", KV_STR("addr", session_addr(s)->s), KV_RC(why));
    if (s == c->leader)
        session_unref(TAKE(c->leader));
    if (s == c->mon)
        session_unref(TAKE(c->mon));
    mon_retry_later(c);
}

/* ---- commands ---- */

static void command_end(struct command *k, int rc, const char *text, const void *json,
                        size_t json_bytes)
{
    env_timer_cancel(k->c->env, &k->deadline);
    list_remove(&k->link);
    k->done(k->arg, rc, text ? text : "", json, json_bytes);
    for (int i = 0; i < k->argc; i++)
        mem_free(k->argv[i]);
    mem_free(k->argv);
    buf_fini(&k->input);
    mem_free(k);
}

static void command_send(struct cairn *c, struct command *k)
{
    struct session *s = c->leader ? c->leader : c->mon;
    struct msg_mon_command *m = s ? MESSAGE_NEW(mon_command) : NULL;

    if (!s)
        return; /* sent when there is a session */
    if (!m) {
        mon_retry_later(c);
        return;
    }
    m->id = k->id;
    m->argv = mem_calloc((size_t)k->argc, sizeof(*m->argv));
    for (int i = 0; m->argv && i < k->argc; i++) {
        m->argv[i] = mem_strdup(k->argv[i]);
        if (!m->argv[i])
            break;
        m->argc++;
    }
    if (m->argc != (uint32_t)k->argc || buf_append(&m->input, &k->input, 0, k->input.bytes) < 0) {
        msg_free(&m->base);
        mon_retry_later(c);
        return;
    }
    session_send(s, &m->base);
}

static void command_timed_out(struct env_timer *t)
{
    struct command *k = CONTAINER_OF(t, struct command, deadline);

    command_end(k, -ETIMEDOUT, "the monitors did not answer in time", NULL, 0);
}

static void leader_open(struct cairn *c, const char *text)
{
    struct net_addr addr;

    if (net_addr_parse(text, &addr) < 0)
        return;
    if (c->leader) {
        if (net_addr_equal(session_addr(c->leader), &addr))
            return;
        session_close(c->leader);
        session_unref(TAKE(c->leader));
    }
    if (c->mon && net_addr_equal(session_addr(c->mon), &addr))
        return;
    c->leader = mon_open(c, &addr);
}

void mon_reply(struct cairn *c, struct msg_mon_reply *m)
{
    LIST_EACH (pos, &c->commands) {
        struct command *k = LIST_ENTRY(pos, struct command, link);

        if (k->id != m->id)
            continue;
        if (m->rc == -R_NOT_LEADER || m->rc == -R_NO_QUORUM) {
            if (c->leader && !m->leader[0]) {
                session_close(c->leader); /* leads no more, and does not know who does */
                session_unref(TAKE(c->leader));
            }
            leader_open(c, m->leader);
            if (m->leader[0])
                command_send(c, k);
            else
                mon_retry_later(c);
            return;
        }
        if (buf_flatten(&m->json) < 0)
            command_end(k, -ENOMEM, NULL, NULL, 0);
        else
            command_end(k, m->rc, m->text,
                        m->json.bytes ? buf_contiguous(&m->json, 0, m->json.bytes) : NULL,
                        m->json.bytes);
        return;
    }
}

void mon_commands_fail(struct cairn *c, int rc)
{
    while (!list_empty(&c->commands))
        command_end(LIST_FIRST(&c->commands, struct command, link), rc,
                    "the client is shutting down", NULL, 0);
}

int cairn_command_env(struct cairn *c, int argc, const char *const *argv, const void *input,
                      size_t input_bytes, uint32_t timeout_ms, cairn_command_fn *done, void *arg)
{
    struct command *k;
    int rc = argc > 0 && argc <= MON_ARGS_MAX ? 0 : -EINVAL;

    if (rc < 0 || c->stopping)
        return rc < 0 ? rc : -R_STOPPED;
    k = mem_zalloc(sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->argv = mem_calloc((size_t)argc, sizeof(*k->argv));
    for (int i = 0; k->argv && i < argc; i++, k->argc++)
        if (!(k->argv[i] = mem_strdup(argv[i])))
            break;
    if (k->argc != argc || (input_bytes && buf_append_copy(&k->input, input, input_bytes) < 0)) {
        for (int i = 0; i < k->argc; i++)
            mem_free(k->argv[i]);
        mem_free(k->argv);
        mem_free(k);
        return -ENOMEM;
    }
    k->c = c;
    k->id = c->next_id++;
    k->done = done;
    k->arg = arg;
    list_push_back(&c->commands, &k->link);
    env_timer_init(&k->deadline, command_timed_out);
    env_timer_after(c->env, &k->deadline, (timeout_ms ? timeout_ms : 30000) * NS_PER_MS);
    command_send(c, k);
    return 0;
}

/* ---- the waiting form ---- */

struct command_call {
    struct cairn *c;
    int argc;
    const char *const *argv;
    const void *input;
    size_t input_bytes;
    uint32_t timeout_ms;
    struct cairn_reply *reply;
    struct waiter waiter;
};

static void call_done(void *arg, int rc, const char *text, const void *json, size_t json_bytes)
{
    struct command_call *k = arg;

    k->reply->rc = reason_errno(rc);
    k->reply->text = mem_strdup(text);
    k->reply->json = mem_alloc(json_bytes + 1);
    if (!k->reply->text || !k->reply->json) {
        k->reply->rc = -ENOMEM;
    } else {
        if (json_bytes)
            memcpy(k->reply->json, json, json_bytes);
        k->reply->json[json_bytes] = 0;
        k->reply->json_bytes = json_bytes;
    }
    waiter_done(&k->waiter);
}

static void call_on_reactor(void *arg)
{
    struct command_call *k = arg;
    int rc = cairn_command_env(k->c, k->argc, k->argv, k->input, k->input_bytes, k->timeout_ms,
                               call_done, k);

    if (rc < 0)
        call_done(k, rc, reason_text(rc), NULL, 0);
}

int cairn_command(struct cairn *c, int argc, const char *const *argv, const void *input,
                  size_t input_bytes, uint32_t timeout_ms, struct cairn_reply *out_reply)
{
    struct command_call k = {.c = c,
                             .argc = argc,
                             .argv = argv,
                             .input = input,
                             .input_bytes = input_bytes,
                             .timeout_ms = timeout_ms,
                             .reply = out_reply};
    int rc = client_may_wait(c);

    memset(out_reply, 0, sizeof(*out_reply));
    if (rc < 0)
        return rc;
    waiter_init(&k.waiter, 1);
    host_call(c->host, 0, call_on_reactor, &k);
    waiter_wait(&k.waiter);
    return out_reply->rc;
}

void cairn_reply_free(struct cairn_reply *r)
{
    mem_free(r->text);
    mem_free(r->json);
    memset(r, 0, sizeof(*r));
}
