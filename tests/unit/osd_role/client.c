/* client.c - the client of world.h: one operation at a time, sent again as a real one would. */
#include <stdio.h>

#include "tests/unit/osd_role/world.h"

static struct oid oid_of(struct world *w, const char *name)
{
    struct oid oid;

    T_OK(oid_make(w->pool, BYTES_STR(name), &oid));
    return oid;
}

struct pgid pg_of(struct world *w, const char *name)
{
    struct oid oid = oid_of(w, name);

    return oid_pg(&oid, osdmap_pool(w->map, w->pool)->pg_count);
}

uint32_t primary_of(struct world *w, const char *name)
{
    struct placement at;

    T_OK(osdmap_place(w->map, pg_of(w, name), &at));
    return at.primary.v < 0 ? UINT32_MAX : (uint32_t)at.primary.v;
}

static struct session *session_to(struct world *w, uint32_t i)
{
    const struct osd_info *info = &w->map->osds[i];
    struct session_conf conf = {
        .addr = info->addr, .expect = {ENTITY_OSD, i, info->instance}, .fast_fail = true};

    if (w->to[i] && session_peer(w->to[i])->role &&
        session_peer(w->to[i])->instance != info->instance) {
        session_close(w->to[i]);
        session_unref(w->to[i]);
        w->to[i] = NULL;
    }
    if (!w->to[i])
        T_OK(session_open(w->client, &conf, &w->to[i]));
    return w->to[i];
}

struct msg *op_message(struct world *w)
{
    struct msg_osd_op *m = MESSAGE_NEW(osd_op);
    struct writer front = {0};
    struct cursor c;
    struct buf data = {0};
    struct oid oid = oid_of(w, w->name);

    T_TRUE(m != NULL);
    steps_init(&m->steps);
    steps_encode(&w->steps, &front, &data);
    T_OK(front.rc);
    c = cur_over(front.data, front.len);
    T_OK(steps_decode(&c, &data, &m->steps));
    writer_fini(&front);
    buf_fini(&data);
    m->reqid = (struct reqid){w->client_id, w->op};
    m->floor = w->floor;
    m->epoch = w->map->epoch;
    m->born = w->born;
    m->attempt = ++w->attempt;
    m->pg = pg_of(w, w->name);
    if (w->steps.step[0].kind != STEP_PG_LIST)
        T_OK(oid_copy(&oid, &m->oid));
    return &m->base;
}

static void send_op(struct world *w)
{
    uint32_t to = primary_of(w, w->name);

    if (to == UINT32_MAX)
        return;
    w->sent_epoch = w->map->epoch.v;
    session_send(session_to(w, to), op_message(w));
}

void world_client_again(struct env_timer *t)
{
    struct world *w = CONTAINER_OF(t, struct world, again);

    if (w->waiting)
        send_op(w);
}

void world_client_message(struct msgr_handler *h, struct session *s, struct msg *base)
{
    struct world *w = CONTAINER_OF(h, struct world, client_handler);
    struct msg_osd_op_reply *m = MESSAGE_AS(base, osd_op_reply);

    UNUSED(s);
    if (MESSAGE_IS(base, copy_reply)) {
        msg_free(w->copy ? &w->copy->base : NULL);
        w->copy = MESSAGE_AS(base, copy_reply);
        return;
    }
    if (!MESSAGE_IS(base, osd_op_reply) || m->op != w->op || !w->waiting) {
        msg_free(base);
        return;
    }
    if (m->rc == -R_WRONG_PG || m->rc == -R_OLD_EPOCH) {
        if (m->attempt == w->attempt)
            env_timer_after(w->env0, &w->again, 20 * NS_PER_MS);
        msg_free(base);
        return;
    }
    w->waiting = false;
    w->replies++;
    msg_free(w->reply ? &w->reply->base : NULL);
    w->reply = m;
}

void world_client_reset(struct msgr_handler *h, struct session *s, int why)
{
    struct world *w = CONTAINER_OF(h, struct world, client_handler);

    UNUSED(why);
    for (uint32_t i = 0; i < WORLD_OSDS_MAX; i++)
        if (w->to[i] == s) {
            session_unref(s);
            w->to[i] = NULL;
        }
    if (w->waiting)
        env_timer_after(w->env0, &w->again, 50 * NS_PER_MS);
}

struct step *op_step(struct world *w, uint8_t kind)
{
    struct step *st = steps_add(&w->steps, kind);

    T_TRUE(st != NULL);
    return st;
}

struct step *op_new(struct world *w, const char *name, uint8_t kind)
{
    steps_fini(&w->steps);
    (void)snprintf(w->name, sizeof(w->name), "%s", name);
    return op_step(w, kind);
}

void step_data(struct world *w, struct step *st, const void *data, size_t bytes)
{
    struct buf b = {0};

    T_OK(buf_append_copy(&b, data, bytes));
    T_OK(step_data_set(&w->steps, st, &b));
    buf_fini(&b);
}

void step_key(struct world *w, struct step *st, const char *key, const char *value)
{
    struct step_pair p = {BYTES_STR(key), BYTES_STR(value ? value : "")};

    if (st->kind == STEP_OMAP_SET || st->kind == STEP_OMAP_RM || st->kind == STEP_OMAP_GET) {
        T_OK(step_pairs_set(&w->steps, st, &p, 1));
        return;
    }
    st->key = steps_dup(&w->steps, p.key);
    st->value = steps_dup(&w->steps, p.value);
}

static void start_op(void *arg)
{
    struct world *w = arg;

    w->waiting = true;
    send_op(w);
}

static bool answered(struct world *w)
{
    return !w->waiting;
}

int op_wait(struct world *w, uint32_t ms)
{
    if (!world_until(w, ms, answered))
        return -ETIMEDOUT;
    w->floor = w->op + 1;
    return w->reply->rc;
}

int op_run_for(struct world *w, uint32_t ms)
{
    T_OK(steps_valid(&w->steps));
    w->op++;
    w->attempt = 0;
    world_in0(w, start_op, w);
    return op_wait(w, ms);
}

int op_run(struct world *w)
{
    int rc = op_run_for(w, 30000);

    if (rc == -ETIMEDOUT)
        T_FAIL("no answer, seed %llu", (unsigned long long)w->seed);
    return rc;
}

int op_repeat(struct world *w)
{
    int rc;

    w->floor = w->op;
    world_in0(w, start_op, w);
    rc = op_wait(w, 30000);
    T_NE(rc, -ETIMEDOUT);
    return rc;
}

int put(struct world *w, const char *name, const void *data, size_t bytes)
{
    step_data(w, op_new(w, name, STEP_WRITE_FULL), data, bytes);
    return op_run(w);
}

int put_fill(struct world *w, const char *name, uint8_t fill, size_t bytes)
{
    uint8_t *data = malloc(bytes + 1);
    int rc;

    memset(data, fill, bytes);
    rc = put(w, name, data, bytes);
    free(data);
    return rc;
}

int get_fill(struct world *w, const char *name, uint8_t fill, size_t bytes)
{
    const struct buf *b;
    int rc;

    (void)op_new(w, name, STEP_READ);
    rc = op_run(w);
    if (rc < 0)
        return rc;
    b = &w->reply->results.result[0].data;
    if (b->bytes != bytes)
        return -EIO;
    for (uint64_t i = 0; i < bytes; i++) {
        uint8_t at;

        buf_copy_out(b, i, &at, 1);
        if (at != fill)
            return -EIO;
    }
    return 0;
}

int rm(struct world *w, const char *name)
{
    (void)op_new(w, name, STEP_DELETE);
    return op_run(w);
}

struct ask_copy {
    struct world *w;
    uint32_t i;
    const char *name;
};

static void ask_copy(void *arg)
{
    struct ask_copy *a = arg;
    struct msg_copy_query *m = MESSAGE_NEW(copy_query);
    struct oid oid = oid_of(a->w, a->name);

    m->id = 1;
    m->pg = pg_of(a->w, a->name);
    T_OK(oid_copy(&oid, &m->oid));
    session_send(session_to(a->w, a->i), &m->base);
}

static void drop_copy(void *arg)
{
    struct world *w = arg;

    msg_free(w->copy ? &w->copy->base : NULL);
    w->copy = NULL;
}

static bool have_copy(struct world *w)
{
    return w->copy != NULL;
}

int copy_of(struct world *w, uint32_t i, const char *name)
{
    struct ask_copy a = {w, i, name};

    world_in0(w, drop_copy, w);
    world_in0(w, ask_copy, &a);
    T_TRUE(world_until(w, 10000, have_copy));
    return w->copy->rc;
}

void copies_equal(struct world *w, const char *name)
{
    struct placement at;
    struct msg_copy_reply first = {.rc = 0};
    bool any = false;

    T_OK(osdmap_place(w->map, pg_of(w, name), &at));
    for (unsigned i = 0; i < at.acting.count; i++) {
        T_OK(copy_of(w, (uint32_t)at.acting.osd[i].v, name));
        if (any && !version_eq(first.version, w->copy->version))
            fprintf(stderr, "%s: osd.%d has version %llu, the one before %llu\n", name,
                    at.acting.osd[i].v, (unsigned long long)w->copy->version.seq,
                    (unsigned long long)first.version.seq);
        if (any) {
            T_TRUE(version_eq(first.version, w->copy->version));
            T_EQ(first.size, w->copy->size);
            T_EQ(first.crc32c, w->copy->crc32c);
        }
        first = *w->copy;
        any = true;
    }
}
