/* test_model.c - random requests to two gateways at the same time, gateways that die, answers that
 * are lost; then: was every answer possible, and is what lies in the pools exactly what is referred
 * to?
 *
 * Every write has a value of its own (its seed), so a read names the write it saw.  A read is wrong
 * when that write cannot have taken place, when it was surely overwritten before the read began, or
 * when an earlier read saw a write that surely came later.  A write whose answer is unknown may
 * take place at any time, or never.  A seed is one history: CAIRN_SEED=n plays just that one. */
#include <stdio.h>

#include "tests/unit/s3/bucket/stage.h"

enum { KEYS = 6, SLOTS = 8, WRITES_MAX = 2000, READS_MAX = 20000, UPLOADS_MAX = 3 };

static const char *const keys[KEYS] = {"a", "a/1", "a/2", "b", "b/x/y", "c"};

enum outcome { OUT_PENDING, OUT_OK, OUT_FAILED };
struct wr {
    unsigned key;
    uint64_t id;        /* 0: a deletion */
    uint64_t inv, resp; /* resp UINT64_MAX: unknown */
    enum outcome out;
};
struct rd {
    unsigned key;
    uint64_t id; /* 0: absent */
    uint64_t inv, resp;
};
struct upload {
    bool open;
    unsigned key;
    char id[S3_UPLOAD_ID_LEN + 1];
    uint64_t seed[4];    /* by part number - 1; 0: none known */
    struct act complete; /* the last one that went well, or that was tried */
};
struct slot {
    struct act a;
    bool busy;
    int write;  /* the write it makes, -1 */
    int upload; /* of the table, -1 */
};
struct model {
    struct stage st;
    uint64_t seed;
    struct rng rng;
    struct wr w[WRITES_MAX];
    struct rd r[READS_MAX];
    unsigned writes, reads;
    struct upload up[UPLOADS_MAX];
    struct slot slot[SLOTS];
    uint64_t next_id;
    bool draining; /* mostly deletions, so that the bucket gets empty */
    bool dropped;  /* a deletion of the bucket was tried */
    unsigned kills, drops, completes, repeats, gone;
    unsigned ended[ACT_USER + 1];
};

/* ---- the judge ---- */

static void bad(struct model *m, const char *what, unsigned key, uint64_t id)
{
    T_FAIL("seed %llu: %s: key %s, value %llu", (unsigned long long)m->seed, what, keys[key],
           (unsigned long long)id);
}

static bool surely_overwritten(const struct model *m, const struct wr *v, uint64_t before)
{
    for (unsigned i = 0; i < m->writes; i++) {
        const struct wr *w = &m->w[i];

        if (w != v && w->key == v->key && w->out == OUT_OK && w->inv > v->resp && w->resp < before)
            return true;
    }
    return false;
}

static const struct wr *write_of(const struct model *m, unsigned key, uint64_t id)
{
    for (unsigned i = 0; i < m->writes; i++)
        if (m->w[i].key == key && m->w[i].id == id)
            return &m->w[i];
    return NULL;
}

static bool may_be_seen(const struct model *m, const struct wr *v, const struct rd *r)
{
    return v->out != OUT_FAILED && v->inv < r->resp && !surely_overwritten(m, v, r->inv);
}

static void read_judge(struct model *m, const struct rd *r)
{
    const struct wr nothing_yet = {.key = r->key, .out = OUT_OK};
    const struct wr *v;

    if (r->id) {
        v = write_of(m, r->key, r->id);
        if (!v)
            bad(m, "a value nobody wrote", r->key, r->id);
        if (!may_be_seen(m, v, r))
            bad(m, "a value that cannot be there", r->key, r->id);
        return;
    }
    if (!surely_overwritten(m, &nothing_yet, r->inv))
        return;
    for (unsigned i = 0; i < m->writes; i++)
        if (m->w[i].key == r->key && m->w[i].id == 0 && may_be_seen(m, &m->w[i], r))
            return;
    bad(m, "an object is lost", r->key, 0);
}

static void order_judge(struct model *m, const struct rd *first, const struct rd *second)
{
    const struct wr *v1, *v2;

    if (first->key != second->key || first->id == second->id || !first->id || !second->id ||
        first->resp >= second->inv)
        return;
    v1 = write_of(m, first->key, first->id);
    v2 = write_of(m, second->key, second->id);
    if (v2->resp < v1->inv)
        bad(m, "an older value came back", first->key, second->id);
}

static void judge(struct model *m)
{
    for (unsigned i = 0; i < m->reads; i++)
        read_judge(m, &m->r[i]);
    for (unsigned i = 0; i < m->reads; i++)
        for (unsigned n = 0; n < m->reads; n++)
            order_judge(m, &m->r[i], &m->r[n]);
}

/* ---- facts ---- */

static int write_new(struct model *m, unsigned key, uint64_t id)
{
    ASSERT(m->writes < WRITES_MAX);
    m->w[m->writes] =
        (struct wr){.key = key, .id = id, .inv = sim_now_ns(m->st.sim), .resp = UINT64_MAX};
    return (int)m->writes++;
}

static void read_new(struct model *m, unsigned key, uint64_t id, const struct act *a)
{
    ASSERT(m->reads < READS_MAX);
    m->r[m->reads++] = (struct rd){key, id, a->began_ns, a->ended_ns};
}

/* Nobody knows whether it took place. */
static bool unknown(int rc)
{
    return rc == -ETIMEDOUT || rc == -ECANCELED || rc == -R_STOPPED || rc == -R_INTENT_LOST;
}

static void write_ended(struct model *m, struct slot *s)
{
    struct wr *w = &m->w[s->write];

    if (s->a.rc == 0) {
        if (w->out != OUT_OK)
            w->resp = s->a.ended_ns;
        w->out = OUT_OK;
    } else if (!unknown(s->a.rc) && s->a.kind != ACT_COMPLETE) {
        w->out = OUT_FAILED;
    }
}

static void page_ended(struct model *m, const struct act *a)
{
    const char *last = a->truncated ? a->next : NULL;
    unsigned row = 0;

    for (unsigned i = 1; i < a->row_count; i++)
        if (strcmp(a->rows[i - 1].name, a->rows[i].name) >= 0)
            bad(m, "a listing is out of order", 0, i);
    for (unsigned k = 0; k < KEYS; k++) {
        if (strcmp(keys[k], a->after) <= 0 || (last && strcmp(keys[k], last) > 0))
            continue;
        while (row < a->row_count && strcmp(a->rows[row].name, keys[k]) < 0)
            row++;
        if (row < a->row_count && strcmp(a->rows[row].name, keys[k]) == 0)
            read_new(m, k, a->rows[row].id, a);
        else
            read_new(m, k, 0, a);
    }
}

static unsigned key_no(const char *key)
{
    for (unsigned k = 0; k < KEYS; k++)
        if (strcmp(keys[k], key) == 0)
            return k;
    return 0;
}

static void upload_ended(struct model *m, struct slot *s)
{
    struct upload *u = &m->up[s->upload];
    struct act *a = &s->a;

    switch (a->kind) {
    case ACT_UPLOAD:
        u->open = a->rc == 0;
        if (u->open) {
            u->key = key_no(a->key);
            strcpy(u->id, a->upload);
            memset(u->seed, 0, sizeof(u->seed));
            memset(&u->complete, 0, sizeof(u->complete));
        }
        break;
    case ACT_PUT:
        if (a->rc == 0 && strcmp(a->upload, u->id) == 0)
            u->seed[a->part_number - 1] = a->seed;
        break;
    case ACT_COMPLETE:
        if (a->rc == 0) {
            m->completes++;
            if (a->id != m->w[s->write].id)
                bad(m, "a completion with another result", u->key, a->id);
            if (u->complete.done && u->complete.rc == 0 && strcmp(u->id, a->upload) == 0) {
                m->repeats++;
                if (u->complete.mtime_ns != a->mtime_ns)
                    bad(m, "a repeated completion with another result", u->key, a->id);
            }
            if (strcmp(u->id, a->upload) == 0)
                u->complete = *a;
        }
        break;
    default:
        if (a->rc == 0 && strcmp(u->id, a->upload) == 0)
            u->open = false;
        break;
    }
}

static void rc_judge(struct model *m, const struct act *a)
{
    int rc = a->rc;
    bool ok = rc == 0 || rc == -ETIMEDOUT || rc == -R_BUCKET_BUSY;

    ok |= rc == -R_NO_BUCKET && m->dropped;
    ok |= rc == -R_NO_KEY && (a->kind == ACT_GET || a->kind == ACT_HEAD);
    ok |= rc == -R_NO_UPLOAD && a->upload[0];
    ok |= rc == -R_BAD_PART && a->kind == ACT_COMPLETE;
    ok |= rc == -R_BUCKET_YOURS && a->kind == ACT_CREATE;
    ok |= rc == -R_BUCKET_NOT_EMPTY && a->kind == ACT_DROP;
    ok |= rc == -ECANCELED && a->give_up;
    ok |= rc == -EBUSY && a->kind == ACT_COLLECT;
    if (!ok)
        T_FAIL("seed %llu: act %d on %s answers %s", (unsigned long long)m->seed, a->kind, a->key,
               reason_name(rc));
    if (a->bad_bytes)
        bad(m, "wrong bytes", key_no(a->key), a->id);
}

static void slot_ended(struct model *m, struct slot *s)
{
    struct act *a = &s->a;

    rc_judge(m, a);
    m->ended[a->kind] += a->rc == 0;
    if (s->write >= 0)
        write_ended(m, s);
    if (s->upload >= 0)
        upload_ended(m, s);
    if ((a->kind == ACT_GET || a->kind == ACT_HEAD) && (a->rc == 0 || a->rc == -R_NO_KEY)) {
        struct act opened = *a;

        if (a->kind == ACT_GET) /* what it saw is as old as its opening may be */
            opened.ended_ns = a->ended_ns;
        read_new(m, key_no(a->key), a->rc == 0 ? a->id : 0, &opened);
    }
    if (a->kind == ACT_LIST && a->rc == 0)
        page_ended(m, a);
    if (a->kind == ACT_DROP && a->rc == 0) {
        m->gone++;
        for (unsigned k = 0; k < KEYS; k++)
            read_new(m, k, 0, a);
    }
    act_fini(a);
    s->busy = false;
}

/* ---- what to do next ---- */

static uint64_t new_id(struct model *m, uint64_t size)
{
    return ++m->next_id * 100000 + size;
}

static void put_plan(struct model *m, struct slot *s)
{
    struct act *a = &s->a;
    bool large = rng_chance(&m->rng, 1, 2);

    a->kind = ACT_PUT;
    a->size = rng_below(&m->rng, large ? 30000 : 600);
    a->seed = new_id(m, a->size);
    a->chunk = 500 + rng_below(&m->rng, 6000);
    a->pause_ns = rng_below(&m->rng, 20 * NS_PER_MS);
    a->give_up = rng_chance(&m->rng, 1, 10);
    a->unknown_size = rng_chance(&m->rng, 1, 10);
    if (!a->give_up)
        s->write = write_new(m, key_no(a->key), a->seed);
}

static void part_plan(struct model *m, struct slot *s, struct upload *u)
{
    struct act *a = &s->a;

    a->kind = ACT_PUT;
    a->size = 1000 + rng_below(&m->rng, 9000);
    a->seed = new_id(m, a->size);
    a->chunk = 3000;
    a->part_number = 1 + (unsigned)rng_below(&m->rng, 4);
    UNUSED(u);
}

/* The parts we know of; mostly the same list again, once one was tried. */
static bool complete_plan(struct model *m, struct slot *s, struct upload *u)
{
    struct act *a = &s->a;
    const struct wr *known;
    uint64_t id;

    a->kind = ACT_COMPLETE;
    if (u->complete.part_count && rng_chance(&m->rng, 3, 4)) {
        a->part_count = u->complete.part_count;
        memcpy(a->parts, u->complete.parts, sizeof(a->parts));
    } else {
        for (unsigned i = 0; i < 4; i++)
            if (u->seed[i]) {
                a->parts[a->part_count].number = i + 1;
                md5_of_seed(u->seed[i], a->parts[a->part_count++].md5);
            }
        if (!a->part_count)
            return false;
        memcpy(u->complete.parts, a->parts, sizeof(a->parts));
        u->complete.part_count = a->part_count;
        u->complete.done = false;
    }
    id = parts_id(a->parts, a->part_count);
    known = write_of(m, u->key, id);
    s->write = known ? (int)(known - m->w) : write_new(m, u->key, id);
    return true;
}

static bool upload_plan(struct model *m, struct slot *s)
{
    struct upload *u = &m->up[rng_below(&m->rng, UPLOADS_MAX)];
    unsigned what = (unsigned)rng_below(&m->rng, 10);

    s->upload = (int)(u - m->up);
    if (!u->open) {
        s->a.kind = ACT_UPLOAD;
        return true;
    }
    strcpy(s->a.key, keys[u->key]);
    strcpy(s->a.upload, u->id);
    if (what < 5) {
        part_plan(m, s, u);
    } else if (what < 9) {
        return complete_plan(m, s, u);
    } else {
        s->a.kind = ACT_ABORT;
        u->open = false;
    }
    return true;
}

static bool plan(struct model *m, struct slot *s)
{
    unsigned what = (unsigned)rng_below(&m->rng, 100);
    struct act *a = &s->a;

    memset(a, 0, sizeof(*a));
    s->write = s->upload = -1;
    strcpy(a->key, keys[rng_below(&m->rng, KEYS)]);
    if (m->draining && what < 92)
        what = what < 70 ? 50 : what < 80 ? 40 : what < 88 ? 92 : 95;
    if (what < 25) {
        put_plan(m, s);
    } else if (what < 40) {
        a->kind = ACT_GET;
        a->pause_ns = rng_chance(&m->rng, 1, 10) ? rng_below(&m->rng, 6 * NS_PER_S) : 0;
    } else if (what < 50) {
        a->kind = ACT_HEAD;
    } else if (what < 65) {
        a->kind = ACT_DELETE;
        s->write = write_new(m, key_no(a->key), 0);
    } else if (what < 72) {
        a->kind = ACT_LIST;
        a->max = 1 + (unsigned)rng_below(&m->rng, KEYS + 1);
        if (rng_chance(&m->rng, 1, 2))
            strcpy(a->after, keys[rng_below(&m->rng, KEYS)]);
    } else if (what < 92) {
        return upload_plan(m, s);
    } else if (what < 95) {
        a->kind = ACT_DROP;
        m->dropped = true;
        m->drops++;
    } else if (what < 99 || !m->dropped) {
        a->kind = ACT_CREATE;
    } else {
        a->kind = ACT_COLLECT;
    }
    return true;
}

/* ---- time ---- */

/* A gateway is gone; nobody knows what became of what it was asked. */
static void gate_crash(struct model *m, unsigned gate)
{
    gate_kill(&m->st, gate);
    m->kills++;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &m->slot[i];

        if (s->busy && !s->a.done && s->a.g == &m->st.gate[gate]) {
            act_fini(&s->a);
            s->busy = false;
        }
    }
    gate_start(&m->st, gate);
}

static void slots_step(struct model *m, bool fill)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &m->slot[i];

        if (s->busy && s->a.done)
            slot_ended(m, s);
        if (!s->busy && fill && plan(m, s)) {
            s->busy = true;
            act_start(&m->st, (unsigned)rng_below(&m->rng, GATES), &s->a);
        }
    }
}

static bool any_done(void *arg)
{
    struct model *m = arg;

    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy && m->slot[i].a.done)
            return true;
    return false;
}

static bool none_busy(const struct model *m)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy)
            return false;
    return true;
}

static void check_step(void *arg)
{
    struct model *m = arg;

    for (unsigned i = 0; i < GATES; i++)
        if (m->st.gate[i].l)
            bucket_check(m->st.gate[i].l);
}

static void settle(struct model *m)
{
    struct act list = {.kind = ACT_UPLOADS, .max = 1000};
    unsigned intents, garbage;

    for (unsigned i = 0; i < 2000 && !none_busy(m); i++) {
        stage_run(&m->st, 100 * NS_PER_MS);
        slots_step(m, false);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy)
            T_FAIL("seed %llu: act %d on %s does not end", (unsigned long long)m->seed,
                   m->slot[i].a.kind, m->slot[i].a.key);
    m->st.fake.delay_max_ns = NS_PER_MS;
    stage_run(&m->st, 10 * NS_PER_S); /* what was late has run */
    for (unsigned k = 0; k < KEYS; k++) {
        struct act get = {.kind = ACT_GET};

        strcpy(get.key, keys[k]);
        (void)act_do(&m->st, k % GATES, &get);
        rc_judge(m, &get);
        if (get.rc == 0 || get.rc == -R_NO_KEY)
            read_new(m, k, get.rc == 0 ? get.id : 0, &get);
    }
    if (act_do(&m->st, 0, &list) == 0)
        for (unsigned i = 0; i < list.row_count; i++) {
            struct act gone = {.kind = ACT_ABORT};

            strcpy(gone.key, list.rows[i].name);
            strcpy(gone.upload, list.rows[i].upload);
            T_OK(act_do(&m->st, 1, &gone));
        }
    act_fini(&list);
    for (unsigned i = 0; i < 30; i++) { /* the collectors of both gateways are at work */
        stage_run(&m->st, 30 * NS_PER_S);
        if (stage_audit(&m->st, &intents, &garbage, NULL))
            T_FAIL("seed %llu: the audit has found faults", (unsigned long long)m->seed);
        if (intents + garbage == 0)
            return;
    }
    T_FAIL("seed %llu: %u intents and %u garbage rows stay", (unsigned long long)m->seed, intents,
           garbage);
}

static void play(struct model *m, uint64_t seed, unsigned acts)
{
    unsigned total = 0;

    memset(m, 0, sizeof(*m));
    m->seed = seed;
    rng_seed(&m->rng, seed * 77);
    stage_init(&m->st, seed);
    gate_stop(&m->st, 0);
    gate_stop(&m->st, 1);
    m->st.conf.no_collector = false;
    for (unsigned i = 0; i < GATES; i++) {
        gate_start(&m->st, i);
        gate_wait_ready(&m->st, i);
    }
    T_OK(do_create(&m->st, 0, "box"));
    sim_on_step(m->st.sim, check_step, m);
    m->st.fake.no_room_per_mille = 20;
    m->st.fake.late_max_ns = 3 * NS_PER_S;
    m->st.fake.delay_max_ns = 1000000 + rng_below(&m->rng, 20000000);
    m->st.fake.range_bytes_max = 300 + rng_below(&m->rng, 5000);
    if (seed % 3 != 0) {
        m->st.fake.data_lost_per_mille = 10;
        m->st.fake.index_lost_per_mille = seed % 3 == 1 ? 5 : 0;
    }
    while (total++ < acts) {
        m->draining = total % 200 > 140;
        slots_step(m, true);
        sim_run_until(m->st.sim, sim_now_ns(m->st.sim) + 2 * NS_PER_S, any_done, m);
        if (rng_chance(&m->rng, 1, 150))
            gate_crash(m, (unsigned)rng_below(&m->rng, GATES));
    }
    m->st.fake.data_lost_per_mille = m->st.fake.index_lost_per_mille = 0;
    settle(m);
    sim_on_step(m->st.sim, NULL, NULL);
    judge(m);
    stage_fini(&m->st);
}

T(bucket_model, every_answer_is_possible_and_nothing_is_lost_or_left)
{
    const char *one = getenv("CAIRN_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    unsigned seeds = one ? 1 : getenv("CAIRN_TEST_ALL") ? 300 : 25;
    unsigned kills = 0, completes = 0, repeats = 0, gone = 0, puts = 0, gets = 0;
    struct model *m = malloc(sizeof(*m));

    for (uint64_t seed = first; seed < first + seeds; seed++) {
        play(m, seed, 600);
        kills += m->kills;
        completes += m->completes;
        repeats += m->repeats;
        gone += m->gone;
        puts += m->ended[ACT_PUT];
        gets += m->ended[ACT_GET];
    }
    free(m);
    printf("# kills %u, completions %u, repeated %u, buckets deleted %u, puts %u, gets %u\n", kills,
           completes, repeats, gone, puts, gets);
    if (!one) { /* what is not exercised proves nothing */
        T_GT(kills, seeds);
        T_GT(completes, seeds);
        T_GT(repeats, seeds / 2);
        T_GT(gone, seeds / 5);
        T_GT(puts, 50 * seeds);
        T_GT(gets, 20 * seeds);
    }
}
