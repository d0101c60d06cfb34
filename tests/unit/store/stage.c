/* stage.c - random transactions, and the model that says what they must leave. */
#include "tests/unit/store/stage.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/plant.h"

#ifdef CAIRN_PLANT /* STORE_PLANT=mask: these tests must then fail */
__attribute__((constructor)) static void plants(void)
{
    plant_set(getenv("STORE_PLANT") ? (uint32_t)strtoul(getenv("STORE_PLANT"), NULL, 0) : 0);
}
#endif

/* --- the model --- */

void model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    for (unsigned c = 0; c < STAGE_COLLS; c++)
        for (unsigned o = 0; o < STAGE_OBJECTS; o++)
            m->o[c][o].data = calloc(1, STAGE_BYTES_MAX);
}

void model_fini(struct model *m)
{
    for (unsigned c = 0; c < STAGE_COLLS; c++)
        for (unsigned o = 0; o < STAGE_OBJECTS; o++)
            free(m->o[c][o].data);
}

static void object_clear(struct model_object *o)
{
    uint8_t *data = o->data;

    memset(data, 0, o->size);
    *o = (struct model_object){.data = data};
}

void model_clear(struct model *m, unsigned coll)
{
    for (unsigned o = 0; o < STAGE_OBJECTS; o++)
        object_clear(&m->o[coll][o]);
    m->head[coll] = 0;
}

static void grow(struct model_object *o, uint64_t end)
{
    o->exists = true;
    if (end > o->size)
        o->size = end;
}

struct oid stage_oid(unsigned coll, unsigned o)
{
    static const char *names[STAGE_COLLS][STAGE_OBJECTS] = {
        {"a0", "a1", "a2", "a3"}, {"b0", "b1", "b2", "b3"}, {"c0", "c1", "c2", "c3"}};
    struct oid oid = {0};

    (void)oid_make((struct pool_id){1}, BYTES_STR(names[coll][o]), &oid); /* short names */
    return oid;
}

struct pgid stage_pg(unsigned coll)
{
    return (struct pgid){{1}, coll};
}

const char stage_xattr_names[STAGE_XATTRS][4] = {"u.a", "u.b", "u.c", "u.d"};

void stage_omap_key(unsigned k, char *out)
{
    snprintf(out, 16, "key%04u", k);
}

/* A value of a length that depends on the number. */
struct bytes stage_value(uint32_t v, uint8_t *buf)
{
    uint32_t len = 4 + v % 200;

    memset(buf, (int)(v * 7), len);
    memcpy(buf, &v, 4);
    return (struct bytes){buf, len};
}

static void fill(uint8_t *p, uint64_t len, uint64_t seed)
{
    uint64_t v = seed | 1;

    for (; len >= 8; len -= 8, p += 8) {
        v += UINT64_C(0x9e3779b97f4a7c15);
        memcpy(p, &v, 8);
    }
    v += UINT64_C(0x9e3779b97f4a7c15);
    memcpy(p, &v, len);
}

/* --- one transaction: to the model, and (inside the process) to a txn --- */

#define SEED_DELETES (UINT64_C(1) << 63) /* in a transaction's seed: it only deletes */

struct play {
    struct model *m;
    struct model_object *before; /* may be NULL: of each object that changes, what it was */
    struct txn *t;               /* may be NULL */
    unsigned coll;
    uint32_t n;
    struct rng r;
    bool small_only, deletes_only, saved[STAGE_OBJECTS];
};

static void play_write(struct play *p, struct model_object *o, uint16_t to)
{
    static const uint64_t sizes[] = {1, 100, 4096, 4096, 8192, 20000, 65536, 70000, 300000};
    uint64_t len = sizes[rng_below(&p->r, p->small_only ? 6 : 9)],
             off = rng_below(&p->r, STAGE_BYTES_MAX - len);
    uint64_t seed = rng_u64(&p->r);

    if (rng_chance(&p->r, 1, 2))
        off = ROUND_DOWN(off, 4096);
    if (rng_chance(&p->r, 1, 3))
        off = o->size < STAGE_BYTES_MAX - len ? o->size : 0; /* append */
    fill(o->data + off, len, seed);
    grow(o, off + len);
    if (p->t) {
        struct buf b = {0};

        p->t->rc = p->t->rc ? p->t->rc : buf_append_copy(&b, o->data + off, len);
        txn_write(p->t, to, off, &b, NULL);
        buf_fini(&b);
    }
}

static void play_zero(struct play *p, struct model_object *o, uint16_t to)
{
    uint64_t off = rng_below(&p->r, STAGE_BYTES_MAX), len = rng_below(&p->r, 100000);

    if (off < o->size)
        memset(o->data + off, 0, MIN(len, o->size - off));
    if (p->t)
        txn_zero(p->t, to, off, MIN(len, (uint64_t)STAGE_BYTES_MAX - off));
}

static void play_truncate(struct play *p, struct model_object *o, uint16_t to)
{
    uint64_t size =
        rng_chance(&p->r, 1, 2) ? rng_below(&p->r, STAGE_BYTES_MAX) : ROUND_DOWN(o->size / 2, 4096);

    if (size < o->size)
        memset(o->data + size, 0, o->size - size);
    o->size = size;
    o->exists = true;
    if (p->t)
        txn_truncate(p->t, to, size);
}

static void play_clone(struct play *p, struct model_object *dst, uint16_t to)
{
    struct model_object *src = &p->m->o[p->coll][rng_below(&p->r, STAGE_OBJECTS)];
    uint64_t len = rng_below(&p->r, 200000), from = rng_below(&p->r, 200000),
             at = rng_below(&p->r, 200000), n;
    struct oid oid = stage_oid(p->coll, (unsigned)(src - p->m->o[p->coll]));

    if (rng_chance(&p->r, 2, 3)) {
        from = ROUND_DOWN(from, 4096);
        at = ROUND_DOWN(at, 4096);
    }
    n = from < src->size ? MIN(len, src->size - from) : 0;
    if (p->t) /* an index of its own, before the model may change `src` (which may be `dst`) */
        txn_clone_range(p->t, to, txn_object(p->t, &oid), from, len, at);
    dst->exists = true;
    memmove(dst->data + at, src->data + from, n);
    if (n)
        grow(dst, at + n);
}

static void play_xattr(struct play *p, struct model_object *o, uint16_t to)
{
    unsigned i = (unsigned)rng_below(&p->r, STAGE_XATTRS);
    uint32_t v = (uint32_t)rng_below(&p->r, 1000) + 1;
    uint8_t memory[256];

    if (rng_chance(&p->r, 1, 4)) {
        o->xattr[i] = 0;
        if (p->t)
            txn_xattr_rm(p->t, to, BYTES_STR(stage_xattr_names[i]));
        return;
    }
    o->exists = true;
    o->xattr[i] = v;
    if (p->t)
        txn_xattr_set(p->t, to, BYTES_STR(stage_xattr_names[i]), stage_value(v, memory));
}

static void play_omap(struct play *p, struct model_object *o, uint16_t to)
{
    unsigned k = (unsigned)rng_below(&p->r, STAGE_KEYS), k2 = k + (unsigned)rng_below(&p->r, 8);
    uint32_t v = (uint32_t)rng_below(&p->r, 100000) + 1, kind = (uint32_t)rng_below(&p->r, 6);
    uint8_t memory[256];
    char key[16], key2[16];

    stage_omap_key(k, key);
    stage_omap_key(k2, key2);
    if (kind == 0) {
        o->omap[k] = 0;
        if (p->t)
            txn_omap_rm(p->t, to, BYTES_STR(key));
    } else if (kind == 1) {
        for (unsigned i = k; i < STAGE_KEYS && i < k2; i++)
            o->omap[i] = 0;
        if (p->t)
            txn_omap_rm_range(p->t, to, BYTES_STR(key), BYTES_STR(key2));
    } else {
        o->exists = true;
        o->omap[k] = v;
        if (p->t)
            txn_omap_set(p->t, to, BYTES_STR(key), stage_value(v, memory));
    }
}

/* `to` becomes a copy; behind an object's size all is zero, in both. */
static void object_copy(struct model_object *to, const struct model_object *from)
{
    uint8_t *data = to->data;

    memcpy(data, from->data, from->size);
    if (to->size > from->size)
        memset(data + from->size, 0, to->size - from->size);
    *to = *from;
    to->data = data;
}

static void play_object(struct play *p)
{
    unsigned i = (unsigned)rng_below(&p->r, STAGE_OBJECTS);
    struct model_object *o = &p->m->o[p->coll][i];
    struct oid oid = stage_oid(p->coll, i);
    uint16_t to = p->t ? txn_object(p->t, &oid) : 0;
    unsigned ops = 1 + (unsigned)rng_below(&p->r, 3);

    if (p->before && !p->saved[i]) {
        p->saved[i] = true;
        object_copy(&p->before[i], o);
    }
    while (ops--) {
        uint64_t kind = p->deletes_only ? 19 : rng_below(&p->r, 20);

        if (kind < 10)
            play_write(p, o, to);
        else if (kind < 11)
            play_zero(p, o, to);
        else if (kind < 12)
            play_truncate(p, o, to);
        else if (kind < 14)
            play_clone(p, o, to);
        else if (kind < 16)
            play_xattr(p, o, to);
        else if (kind < 19)
            play_omap(p, o, to);
        else {
            object_clear(o);
            if (p->t)
                txn_delete(p->t, to);
        }
    }
    if (o->exists)
        o->version = (struct version){{1}, p->n};
    if (p->t)
        txn_version(p->t, to, (struct version){{1}, p->n});
}

static void play_txn(struct play *p, uint64_t seed)
{
    char key[16], from[16], to[16];
    uint8_t memory[256];

    rng_seed(&p->r, seed);
    p->deletes_only = seed & SEED_DELETES;
    play_object(p);
    if (rng_chance(&p->r, 1, 4))
        play_object(p);
    p->m->head[p->coll] = p->n;
    if (!p->t)
        return;
    snprintf(key, sizeof(key), "log%08u", p->n);
    snprintf(from, sizeof(from), "log%08u", 0);
    snprintf(to, sizeof(to), "log%08u", p->n > STAGE_LOG_KEEP ? p->n - STAGE_LOG_KEEP : 0);
    txn_meta_set(p->t, BYTES_STR("head"), (struct bytes){(uint8_t *)&p->n, 4});
    txn_meta_set(p->t, BYTES_STR(key), stage_value(p->n, memory));
    txn_meta_rm_range(p->t, BYTES_STR(from), BYTES_STR(to));
}

/* --- the stage --- */

int stage_run(struct stage *st, void (*fn)(void *), void *arg)
{
    if (!stage_alive(st))
        return -ESHUTDOWN;
    st->done = false;
    st->rc = -ESHUTDOWN;
    stage_enter(st, fn, arg);
    return 0;
}

struct waiter {
    struct stage *st;
    bool *flag;
};

static bool wait_over(void *arg)
{
    struct waiter *w = arg;

    return *w->flag || !stage_alive(w->st);
}

void stage_wait(struct stage *st, bool *flag)
{
    struct waiter w = {st, flag};

    if (!stage_until(st, wait_over, &w))
        T_FAIL("seed %llu: nothing came back in 100 s", (unsigned long long)st->seed);
}

static void do_mkfs(void *arg)
{
    struct stage *st = arg;
    struct store_id id = {.osd = 7};
    struct note why = {0};

    st->rc = store_mkfs(st->env, &st->conf, &id, &why);
    snprintf(st->why, sizeof(st->why), "%s", why.text);
}

int stage_mkfs(struct stage *st)
{
    int rc = stage_run(st, do_mkfs, st);

    return rc < 0 ? rc : st->rc;
}

static void on_failure(void *arg, int rc, const struct note *why)
{
    struct stage *st = arg;

    st->failed = true;
    snprintf(st->why, sizeof(st->why), "%d %.200s", rc, why->text);
}

static void on_opened(void *arg, int rc, struct store *s, const struct note *why)
{
    struct stage *st = arg;

    st->rc = rc;
    st->s = s;
    st->failed = false;
    if (s)
        store_on_failure(s, on_failure, st);
    snprintf(st->why, sizeof(st->why), "%s", why->text);
    st->done = true;
}

static void do_open(void *arg)
{
    struct stage *st = arg;
    int rc = store_open(st->env, &st->conf, on_opened, st);

    if (rc < 0) {
        st->rc = rc;
        st->done = true;
    }
}

struct hold {
    struct object_open o;
    struct stage *st;
    struct object **slot;
};

static void on_held(struct object_open *o)
{
    struct hold *h = CONTAINER_OF(o, struct hold, o);

    if (o->rc < 0)
        h->st->rc = o->rc;
    else
        *h->slot = o->obj;
    if (--h->st->waiting == 0)
        h->st->done = true;
    mem_free(h);
}

static void do_hold(void *arg)
{
    struct stage *st = arg;

    st->rc = 0;
    st->waiting = 0;
    for (unsigned c = 0; c < STAGE_COLLS; c++)
        for (unsigned i = 0; i < STAGE_OBJECTS; i++) {
            struct hold *h = mem_zalloc(sizeof(*h));

            if (!h) {
                st->rc = -ENOMEM;
                continue;
            }
            h->o.oid = stage_oid(c, i);
            h->o.done = on_held;
            h->st = st;
            h->slot = &st->held[c][i];
            st->waiting++;
            store_object_open(st->s, &h->o);
        }
    if (st->waiting == 0)
        st->done = true;
}

int stage_open(struct stage *st)
{
    int rc = stage_run(st, do_open, st);

    if (rc == 0)
        stage_wait(st, &st->done);
    if (rc < 0 || st->rc < 0)
        return rc < 0 ? rc : st->rc;
    rc = stage_run(st, do_hold, st);
    if (rc == 0)
        stage_wait(st, &st->done);
    return rc < 0 ? rc : st->rc;
}

static void on_closed(void *arg)
{
    struct stage *st = arg;

    st->s = NULL;
    st->rc = 0;
    st->done = true;
}

struct closing {
    struct stage *st;
    bool now;
};

static void do_close(void *arg)
{
    struct closing *c = arg;

    for (unsigned k = 0; k < STAGE_COLLS; k++)
        for (unsigned i = 0; i < STAGE_OBJECTS; i++) {
            object_unref(c->st->held[k][i]);
            c->st->held[k][i] = NULL;
        }
    store_close(c->st->s, c->now, on_closed, c->st);
}

int stage_close(struct stage *st, bool now)
{
    struct closing c = {st, now};
    int rc = stage_run(st, do_close, &c);

    if (rc == 0)
        stage_wait(st, &st->done);
    return rc < 0 ? rc : st->rc;
}

struct commit {
    struct store_commit c;
    struct stage *st;
    unsigned coll;
    uint32_t n;
};

static void on_committed(struct store_commit *sc)
{
    struct commit *c = CONTAINER_OF(sc, struct commit, c);

    if (c->n != c->st->acked[c->coll] + 1)
        c->st->order_errors++;
    c->st->acked[c->coll] = c->n;
    if (c->st->noted)
        c->st->noted(c->st, c->coll, c->n, true);
    mem_free(c);
}

struct submission {
    struct stage *st;
    unsigned coll;
    uint64_t seed;
    int rc;
};

static void play_undo(struct play *p, uint32_t head)
{
    for (unsigned i = 0; i < STAGE_OBJECTS; i++)
        if (p->saved[i])
            object_copy(&p->m->o[p->coll][i], &p->before[i]);
    p->m->head[p->coll] = head;
}

/* A refusal must leave the model unchanged. */
static void do_submit(void *arg)
{
    struct submission *sub = arg;
    struct stage *st = sub->st;
    static struct model before; /* libc memory, reused: one thread */
    uint32_t head = st->model.head[sub->coll];
    struct play p = {.m = &st->model,
                     .coll = sub->coll,
                     .n = st->submitted[sub->coll] + 1,
                     .small_only = st->small_only};
    struct commit *c = mem_zalloc(sizeof(*c));

    if (!before.o[0][0].data)
        model_init(&before);
    p.before = before.o[0];
    p.t = txn_create(stage_pg(sub->coll));
    if (!p.t || !c) {
        sub->rc = -ENOMEM;
    } else {
        play_txn(&p, sub->seed);
        c->c.committed = on_committed;
        c->st = st;
        c->coll = sub->coll;
        c->n = p.n;
        if (st->noted)
            st->noted(st, sub->coll, p.n, false);
        sub->rc = store_submit(st->s, p.t, &c->c);
    }
    if (sub->rc < 0) {
        play_undo(&p, head);
        mem_free(c);
    }
    txn_unref(p.t);
}

void stage_play(struct stage *st, struct model *m, unsigned coll, uint32_t n)
{
    struct play p = {.m = m, .coll = coll, .n = n, .small_only = st->small_only};

    play_txn(&p, st->history[coll][n - 1]);
}

int stage_submit(struct stage *st, unsigned coll)
{
    struct submission sub = {.st = st, .coll = coll, .seed = rng_u64(&st->rng) | SEED_DELETES};
    unsigned tries = 0;

    if (!st->deletes_only)
        sub.seed &= ~SEED_DELETES;
    T_LT(st->submitted[coll], STAGE_TXNS_MAX);
    st->history[coll][st->submitted[coll]] = sub.seed; /* a power cut may come inside */
    do {
        if (tries)
            stage_pass(st, 5 * NS_PER_MS);
        if (!stage_alive(st))
            return -ESHUTDOWN;
        stage_enter(st, do_submit, &sub);
    } while (sub.rc == -R_BACK_PRESSURE && ++tries < 100);
    if (sub.rc < 0)
        return sub.rc;
    st->submitted[coll]++;
    return 0;
}

struct admission {
    struct stage *st;
    enum store_want want;
    uint64_t bytes;
    int rc;
};

static void do_admit(void *arg)
{
    struct admission *a = arg;

    a->rc = store_admit(a->st->s, a->want, a->bytes);
}

int stage_admit(struct stage *st, enum store_want want, uint64_t bytes)
{
    struct admission a = {.st = st, .want = want, .bytes = bytes};

    stage_enter(st, do_admit, &a);
    return a.rc;
}

static bool drained(void *arg)
{
    struct stage *st = arg;

    if (st->failed || !stage_alive(st))
        return true;
    for (unsigned c = 0; c < STAGE_COLLS; c++)
        if (st->acked[c] != st->submitted[c])
            return false;
    return true;
}

void stage_drain(struct stage *st)
{
    if (!stage_until(st, drained, st))
        T_FAIL("seed %llu: transactions were not acknowledged in 100 s",
               (unsigned long long)st->seed);
}

/* ---- what tests of failures share ---- */

void stage_bad(struct stage *st, uint64_t n, const char *what, int rc)
{
    T_FAIL("seed %llu, n %llu: %s: %s (%s)", (unsigned long long)st->seed, (unsigned long long)n,
           what, reason_name(rc), st->why);
}

void stage_work(struct stage *st, unsigned txns)
{
    for (unsigned i = 0; i < txns && !st->failed; i++) {
        if (stage_submit(st, (unsigned)rng_below(&st->rng, STAGE_COLLS)) < 0)
            break;
        if (i % 4 == 3)
            stage_drain(st);
    }
    stage_drain(st);
}
