/* model.c - what to ask next, what the answers say, and the judge (model.h). */
#include "tests/unit/s3/bucket/model.h"

#include <stdarg.h>
#include <stdio.h>

const char *const model_keys[KEYS] = {"a", "a/1", "a/2", "b", "b/x/y", "c", "d", "d0", "d00", "e",
                                      "f", "f/1", "g",   "h", "hh",    "i", "j", "k",  "l",   "m"};

/* ---- the judge ---- */

PRINTF_LIKE(2, 3) static void finding(struct model *m, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    m->fail(m, text);
}

static void bad(struct model *m, const char *what, unsigned key, uint64_t id)
{
    finding(m, "%s: key %s, value %llu", what, model_keys[key], (unsigned long long)id);
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
        else if (!may_be_seen(m, v, r))
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
    if (v1 && v2 && v2->resp < v1->inv)
        bad(m, "an older value came back", first->key, second->id);
}

void model_judge(struct model *m)
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
    return rc == -ETIMEDOUT || rc == -ECANCELED || rc == -R_STOPPED || rc == -R_INTENT_LOST ||
           rc == -R_UNKNOWN_OP;
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
        if (strcmp(model_keys[k], a->after) <= 0 || (last && strcmp(model_keys[k], last) > 0))
            continue;
        while (row < a->row_count && strcmp(a->rows[row].name, model_keys[k]) < 0)
            row++;
        if (row < a->row_count && strcmp(a->rows[row].name, model_keys[k]) == 0)
            read_new(m, k, a->rows[row].id, a);
        else
            read_new(m, k, 0, a);
    }
}

static unsigned key_no(const char *key)
{
    for (unsigned k = 0; k < KEYS; k++)
        if (strcmp(model_keys[k], key) == 0)
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
    ok |= m->broken && (unknown(rc) || (rc == -R_DATA_LOST && a->kind == ACT_GET));
    if (!ok)
        finding(m, "act %d on %s answers %s", a->kind, a->key, reason_name(rc));
    if (a->bad_bytes)
        bad(m, "wrong bytes", key_no(a->key), a->id);
}

/* A GET saw something between its beginning and its end: it may be as old as its opening. */
static void seen(struct model *m, const struct act *a)
{
    if (a->rc == 0 || a->rc == -R_NO_KEY)
        read_new(m, key_no(a->key), a->rc == 0 ? a->id : 0, a);
}

void model_read(struct model *m, const struct act *a)
{
    rc_judge(m, a);
    if (a->kind == ACT_LIST && a->rc == 0)
        page_ended(m, a);
    else if (a->kind == ACT_GET)
        seen(m, a);
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
    if (a->kind == ACT_GET || a->kind == ACT_HEAD)
        seen(m, a);
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
    strcpy(s->a.key, model_keys[u->key]);
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
    strcpy(a->key, model_keys[rng_below(&m->rng, KEYS)]);
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
            strcpy(a->after, model_keys[rng_below(&m->rng, KEYS)]);
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
void model_gate_lost(struct model *m, unsigned gate)
{
    m->kills++;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &m->slot[i];

        if (s->busy && !s->a.done && s->a.g == &m->st.gate[gate]) {
            act_fini(&s->a);
            s->busy = false;
        }
    }
}

void model_step(struct model *m, bool fill)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &m->slot[i];

        if (s->busy && s->a.done)
            slot_ended(m, s);
        if (!s->busy && fill) {
            unsigned gate = (unsigned)rng_below(&m->rng, m->gates);

            if (m->st.gate[gate].l && plan(m, s)) {
                s->busy = true;
                act_start(&m->st, gate, &s->a);
                m->started++;
            }
        }
    }
}

bool model_any_done(void *arg)
{
    struct model *m = arg;

    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy && m->slot[i].a.done)
            return true;
    return false;
}

bool model_idle(const struct model *m)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy)
            return false;
    return true;
}
