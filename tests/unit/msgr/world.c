/* world.c - see world.h. */
#include "tests/unit/msgr/world.h"

#include <unistd.h>

#include "tests/unit/t.h"

/* Before the first allocation, for the simulator; the other worlds run with it as well. */
__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

/* ---- the message ---- */

static uint8_t byte_of(uint64_t n, uint64_t at)
{
    return (uint8_t)(n * 31 + at * 7 + (at >> 8));
}

struct t_note *t_note_make(uint64_t n, uint32_t pad, uint32_t data_bytes)
{
    struct t_note *t = MSG_NEW(t_note, &t_note_type);
    struct blob *blob;
    int rc;

    if (!t)
        return NULL;
    t->n = n;
    t->pad = pad;
    t->msg.trace_id = n + 7;
    if (!data_bytes)
        return t;
    blob = blob_create(data_bytes);
    if (!blob) {
        msg_free(&t->msg);
        return NULL;
    }
    for (uint32_t i = 0; i < data_bytes; i++)
        blob->data[i] = byte_of(n, i);
    rc = buf_append_blob(&t->data, blob, 0, data_bytes);
    blob_unref(blob);
    if (rc) {
        msg_free(&t->msg);
        return NULL;
    }
    return t;
}

bool t_note_right(const struct t_note *t, uint64_t n)
{
    const uint8_t *at = buf_contiguous(&t->data, 0, t->data.bytes);

    if (t->n != n || t->msg.trace_id != n + 7 || (t->data.bytes && !at))
        return false;
    if (t->data.bytes >= 4096 && ((uintptr_t)at & 4095))
        return false;
    for (uint64_t i = 0; i < t->data.bytes; i++)
        if (at[i] != byte_of(n, i))
            return false;
    return true;
}

static void note_encode(const struct msg *m, struct writer *front, struct buf *data)
{
    const struct t_note *t = CONTAINER_OF(m, struct t_note, msg);

    wr_u64(front, t->n);
    wr_u32(front, t->pad);
    for (uint32_t i = 0; i < t->pad; i++)
        wr_u8(front, byte_of(t->n, i));
    if (buf_append(data, &t->data, 0, t->data.bytes))
        front->rc = -ENOMEM;
}

static int note_decode(struct msg *m, struct cursor *front, struct buf *data)
{
    struct t_note *t = CONTAINER_OF(m, struct t_note, msg);

    t->n = cur_u64(front);
    t->pad = cur_u32(front);
    if (t->pad > T_FRONT_MAX)
        return -R_MALFORMED;
    for (uint32_t i = 0; i < t->pad; i++)
        if (cur_u8(front) != byte_of(t->n, i))
            return -R_MALFORMED;
    t->data = buf_move(data);
    return front->rc;
}

static void note_fini(struct msg *m)
{
    buf_fini(&CONTAINER_OF(m, struct t_note, msg)->data);
}

static uint64_t note_cost(const struct msg *m)
{
    const struct t_note *t = CONTAINER_OF(m, struct t_note, msg);

    return t->pad + t->data.bytes;
}

const struct msg_type t_note_type = {
    .id = 7,
    .name = "note",
    .bytes = sizeof(struct t_note),
    .front_max = T_FRONT_MAX,
    .data_max = T_DATA_MAX,
    .encode = note_encode,
    .decode = note_decode,
    .fini = note_fini,
    .cost = note_cost,
};
const struct msg_type *const t_types[] = {&t_note_type, NULL};

/* ---- the node ---- */

static void on_message(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct node *n = CONTAINER_OF(h, struct node, h);
    struct t_note *t = CONTAINER_OF(m, struct t_note, msg);

    UNUSED(s);
    n->got++;
    if (!t_note_right(t, n->got))
        n->wrong++;
    if (n->keep) {
        n->kept_bytes += m->cost_bytes;
        list_push_back(&n->kept, &m->link);
    } else {
        msg_free(m);
    }
}

static int on_opened(struct msgr_handler *h, struct session *s)
{
    struct node *n = CONTAINER_OF(h, struct node, h);

    n->opened++;
    if (n->refuse_with)
        return n->refuse_with;
    session_unref(n->in);
    n->in = session_ref(s);
    return 0;
}

static void on_reset(struct msgr_handler *h, struct session *s, int why)
{
    struct node *n = CONTAINER_OF(h, struct node, h);

    n->resets++;
    n->why = why;
    if (!session_dead(s))
        n->wrong++;
}

static void on_drained(struct msgr_handler *h, struct session *s)
{
    struct node *n = CONTAINER_OF(h, struct node, h);

    if (session_queued_bytes(s) > SESSION_DRAINED_BYTES)
        n->wrong++;
    n->drained++;
}

void node_init(struct node *n, uint8_t role, uint64_t id)
{
    *n = (struct node){.h = {on_message, on_opened, on_reset, on_drained}, .self = {role, id, 0}};
    list_init(&n->kept);
}

int node_start(struct node *n, struct env *env, struct msgr_conf conf, const char *listen)
{
    struct net_addr at;
    struct note why = {""};
    int rc;

    n->env = env;
    n->self.instance = env_random_u64(env);
    n->closed = false;
    conf.self = n->self;
    conf.types = t_types;
    conf.handler = &n->h;
    rc = msgr_create(env, &conf, &n->m);
    if (rc || !listen)
        return rc;
    rc = net_addr_parse(listen, &at);
    if (rc == 0)
        rc = msgr_listen(n->m, &at, &n->addr, &why);
    if (rc)
        fprintf(stderr, "listen: %s\n", why.text);
    return rc;
}

void node_free_kept(struct node *n)
{
    struct list *node;

    while ((node = list_pop_front(&n->kept)))
        msg_free(LIST_ENTRY(node, struct msg, link));
    n->kept_bytes = 0;
}

/* ---- the world ---- */

static bool is_sim(const struct world *w)
{
    return w->kind <= WORLD_CODECS;
}

void world_init(struct world *w, enum world_kind kind, uint64_t seed)
{
    struct note why = {""};

    *w = (struct world){.kind = kind, .seed = seed};
    node_init(&w->a, ENTITY_OSD, 1);
    node_init(&w->b, ENTITY_OSD, 2);
    if (kind != WORLD_SIM && kind != WORLD_REAL)
        w->hub = msgr_hub_create(kind == WORLD_CODECS);
    if (is_sim(w)) {
        struct sim_conf conf = {.seed = seed};

        w->sim = sim_create(&conf);
        w->machine[0] = sim_machine_create(w->sim, "a", "10.0.0.1");
        w->env[0] = sim_process_start(w->machine[0], "a");
        w->machine[1] = w->machine[0];
        w->env[1] = w->env[0];
        if (kind == WORLD_SIM) {
            w->machine[1] = sim_machine_create(w->sim, "b", "10.0.0.2");
            w->env[1] = sim_process_start(w->machine[1], "b");
        }
    } else {
        struct host_conf conf = {.reactors = 2, .workers = 1, .no_uring = true};

        T_OK(host_create(&conf, &w->host, &why));
        w->env[0] = host_env(w->host, 0);
        w->env[1] = host_env(w->host, 1);
    }
    w->a.env = w->env[0];
    w->b.env = w->env[1];
    w->conf.allow_remote = is_sim(w);
    w->conf.hub = w->hub;
}

void world_do(struct world *w, struct node *n, void (*fn)(void *arg), void *arg)
{
    if (is_sim(w))
        sim_enter(n->env, fn, arg);
    else
        host_call(w->host, n == &w->a ? 0 : 1, fn, arg);
}

struct ask {
    bool (*cond)(void *arg);
    void *arg;
    bool yes;
};

static void ask_run(void *arg)
{
    struct ask *q = arg;

    q->yes = q->cond(q->arg);
}

bool world_wait(struct world *w, struct node *n, bool (*cond)(void *arg), void *arg, uint32_t ms)
{
    struct ask q = {cond, arg, false};

    if (is_sim(w)) {
        sim_run_until(w->sim, sim_now_ns(w->sim) + ms * NS_PER_MS, cond, arg);
        return cond(arg);
    }
    for (uint32_t i = 0; i <= ms; i++) {
        world_do(w, n, ask_run, &q);
        if (q.yes)
            return true;
        usleep(1000);
    }
    return false;
}

static void nothing(void *arg)
{
    UNUSED(arg);
}

/* After it a test may look at what its nodes' reactors did, while these have nothing more to do. */
void world_sleep(struct world *w, uint32_t ms)
{
    if (is_sim(w)) {
        sim_run_until(w->sim, sim_now_ns(w->sim) + ms * NS_PER_MS, NULL, NULL);
        return;
    }
    usleep(ms * 1000);
    world_do(w, &w->a, nothing, NULL);
    world_do(w, &w->b, nothing, NULL);
}

struct start {
    struct world *w;
    struct node *n;
    bool listen;
    int rc;
};

static void start_run(void *arg)
{
    struct start *s = arg;
    const char *at = s->n->addr.s[0]                                               ? s->n->addr.s
                     : is_sim(s->w) && s->n == &s->w->b && s->w->kind == WORLD_SIM ? "10.0.0.2:0"
                     : is_sim(s->w)                                                ? "10.0.0.1:0"
                                                                                   : "127.0.0.1:0";

    s->rc = node_start(s->n, s->n->env, s->w->conf, s->listen ? at : NULL);
}

void world_start(struct world *w, struct node *n, bool listen)
{
    struct start s = {w, n, listen, 0};

    world_do(w, n, start_run, &s);
    T_OK(s.rc);
}

static void closed_run(void *arg)
{
    ((struct node *)arg)->closed = true;
}

static void close_run(void *arg)
{
    struct node *n = arg;

    msgr_close(n->m, closed_run, n);
}

static void destroy_run(void *arg)
{
    struct node *n = arg;

    msgr_destroy(n->m);
    session_unref(n->out);
    session_unref(n->in);
    node_free_kept(n);
    n->m = NULL;
    n->out = n->in = NULL;
}

static bool is_closed(void *arg)
{
    return ((struct node *)arg)->closed;
}

void world_stop(struct world *w, struct node *n)
{
    world_do(w, n, close_run, n);
    T_TRUE(world_wait(w, n, is_closed, n, 5000));
    world_do(w, n, destroy_run, n);
}

void world_fini(struct world *w)
{
    if (w->a.m)
        world_stop(w, &w->a);
    if (w->b.m)
        world_stop(w, &w->b);
    T_EQ(w->a.wrong, 0);
    T_EQ(w->b.wrong, 0);
    if (w->sim) {
        if (sim_process_alive(w->env[0]))
            T_EQ(sim_process_end(w->env[0]), 0);
        if (w->env[1] != w->env[0] && sim_process_alive(w->env[1]))
            T_EQ(sim_process_end(w->env[1]), 0);
        sim_destroy(w->sim);
    } else {
        host_destroy(w->host);
    }
    msgr_hub_destroy(w->hub);
}

struct opening {
    struct world *w;
    struct session_conf conf;
    int rc;
};

static void open_run(void *arg)
{
    struct opening *o = arg;

    o->rc = session_open(o->w->a.m, &o->conf, &o->w->a.out);
}

int world_open(struct world *w, const struct session_conf *conf)
{
    struct opening o = {.w = w};

    if (conf)
        o.conf = *conf;
    if (!o.conf.addr.s[0])
        o.conf.addr = w->b.addr;
    world_do(w, &w->a, open_run, &o);
    return o.rc;
}

struct sending {
    struct node *n;
    uint64_t count;
    uint32_t pad, data_bytes;
};

static void send_run(void *arg)
{
    struct sending *s = arg;
    struct session *to = s->n->out ? s->n->out : s->n->in;

    for (uint64_t i = 0; i < s->count; i++) {
        struct t_note *t = t_note_make(s->n->sent + 1, s->pad, s->data_bytes);

        if (!t)
            return;
        s->n->sent++;
        session_send(to, &t->msg);
    }
}

void world_send(struct world *w, struct node *n, uint64_t count, uint32_t pad, uint32_t data_bytes)
{
    struct sending s = {n, count, pad, data_bytes};

    world_do(w, n, send_run, &s);
}

struct count_of {
    const uint64_t *what;
    uint64_t want;
};

static bool reached(void *arg)
{
    struct count_of *c = arg;

    return *c->what >= c->want;
}

bool world_got(struct world *w, struct node *n, uint64_t count, uint32_t ms)
{
    struct count_of c = {&n->got, count};

    return world_wait(w, n, reached, &c, ms);
}

bool world_resets(struct world *w, struct node *n, uint64_t count, uint32_t ms)
{
    struct count_of c = {&n->resets, count};

    return world_wait(w, n, reached, &c, ms);
}
