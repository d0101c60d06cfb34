/* model.c - what to ask next, and what the answers say (model.h). */
#include "tests/unit/s3/bucket/model_int.h"

/* ---- answers ---- */

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

/* What is being copied is known once its source was opened, whatever becomes of it then. */
static void copy_known(struct model *m, const struct slot *s)
{
    struct wr *w = &m->w[s->write];

    w->id = s->a.id;
    if (!w->id)
        w->out = OUT_FAILED;
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
            u->tried = false;
            u->inv_ns = a->began_ns;
            u->there_ns = a->ended_ns;
            u->ended_ns = 0;
            memset(u->seed, 0, sizeof(u->seed));
            memset(&u->complete, 0, sizeof(u->complete));
        }
        break;
    case ACT_PUT:
        if (a->rc == 0 && strcmp(a->upload, u->id) == 0) {
            u->seed[a->part_number - 1] = a->seed;
            u->put_ns[a->part_number - 1] = a->ended_ns;
        }
        break;
    case ACT_PARTS:
        if (a->rc == 0 && strcmp(a->upload, u->id) == 0)
            model_parts(m, a, u);
        break;
    case ACT_COMPLETE:
        if (a->rc == 0) {
            m->completes++;
            if (a->id != m->w[s->write].id)
                model_bad(m, "a completion with another result", u->key, a->id);
            if (u->complete.done && u->complete.rc == 0 && strcmp(u->id, a->upload) == 0) {
                m->repeats++;
                if (u->complete.mtime_ns != a->mtime_ns)
                    model_bad(m, "a repeated completion with another result", u->key, a->id);
            }
            if (strcmp(u->id, a->upload) == 0) {
                u->complete = *a;
                u->ended_ns = a->ended_ns;
            }
        }
        break;
    default:
        if (a->rc == 0 && strcmp(u->id, a->upload) == 0) {
            u->open = false;
            u->ended_ns = a->ended_ns;
        }
        break;
    }
}

static void rc_judge(struct model *m, const struct act *a)
{
    int rc = a->rc;
    bool ok = rc == 0 || rc == -ETIMEDOUT || rc == -R_BUCKET_BUSY;

    ok |= rc == -R_NO_BUCKET && m->dropped;
    ok |= rc == -R_NO_KEY && (a->kind == ACT_GET || a->kind == ACT_HEAD || a->kind == ACT_COPY ||
                              a->kind == ACT_CHANGE);
    ok |= rc == -R_NO_UPLOAD && a->upload[0];
    ok |= rc == -R_PRECONDITION && model_conditional(a);
    ok |= rc == -R_NO_KEY && a->cond.match;
    ok |= rc == -R_BAD_PART && a->kind == ACT_COMPLETE;
    ok |= rc == -R_BUCKET_YOURS && a->kind == ACT_CREATE;
    ok |= rc == -R_BUCKET_NOT_EMPTY && a->kind == ACT_DROP;
    ok |= rc == -ECANCELED && a->give_up;
    ok |= rc == -EBUSY && a->kind == ACT_COLLECT;
    ok |= m->broken && unknown(rc);
    ok |= m->broken && rc == -R_DATA_LOST && (a->kind == ACT_GET || a->kind == ACT_COPY) &&
          a->ended_ns - a->began_ns > m->st.conf.reader_grace_ms * NS_PER_MS / 2; /* too slow */
    if (!ok)
        model_finding(m, "act %d on %s answers %s", a->kind, a->key, reason_name(rc));
    if (a->bad_bytes)
        model_bad(m, "wrong bytes", key_no(a->key), a->id);
}

/* Somebody writes while this one runs. */
static bool raced(const struct model *m)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy && (m->slot[i].a.kind == ACT_PUT || m->slot[i].a.kind == ACT_COMPLETE))
            return true;
    return false;
}

/* Was what it read replaced a grace before its end, or earlier? */
static bool outlived(const struct model *m, const struct act *a)
{
    const struct wr *v = model_write_of(m, key_no(a->key), a->id);
    uint64_t grace = m->st.conf.reader_grace_ms * NS_PER_MS;

    for (unsigned i = 0; v && i < m->writes; i++) {
        const struct wr *w = &m->w[i];

        if (w->key == v->key && w->out == OUT_OK && w->inv > v->resp && w->inv > a->began_ns &&
            w->resp + grace < a->ended_ns)
            return true;
    }
    return false;
}

/* A GET saw something between its beginning and its end: it may be as old as its opening. */
static void seen(struct model *m, const struct act *a)
{
    if (a->rc == 0 || a->rc == -R_NO_KEY)
        model_read_new(m, key_no(a->key), a->rc == 0 ? a->id : 0, a);
}

/* So did a copy, of its source. */
static void source_seen(struct model *m, const struct act *a)
{
    if (a->id || a->rc == -R_NO_KEY)
        model_read_new(m, key_no(a->from), a->id, a);
}

void model_read(struct model *m, const struct act *a)
{
    rc_judge(m, a);
    model_bucket_seen(m, a);
    if (a->kind == ACT_LIST && a->rc == 0)
        model_page(m, a);
    else if (a->kind == ACT_GET)
        seen(m, a);
}

static void slot_ended(struct model *m, struct slot *s)
{
    struct act *a = &s->a;

    rc_judge(m, a);
    model_bucket_seen(m, a);
    m->ended[a->kind] += a->rc == 0;
    if (a->kind == ACT_COPY) {
        copy_known(m, s);
        source_seen(m, a);
        m->copies += a->rc == 0;
    }
    if (s->write >= 0)
        write_ended(m, s);
    if (s->upload >= 0)
        upload_ended(m, s);
    if (model_conditional(a))
        model_condition(m, a, key_no(a->key));
    if (a->kind == ACT_CHANGE)
        model_changed(m, a, key_no(a->key));
    if (a->kind == ACT_UPLOADS && a->rc == 0)
        model_uploads(m, a);
    if (a->kind == ACT_GET || a->kind == ACT_HEAD)
        seen(m, a);
    m->outlived += a->kind == ACT_GET && a->rc == 0 && outlived(m, a);
    m->cut += a->kind == ACT_GET && a->rc == -R_DATA_LOST;
    m->raced += a->kind == ACT_DROP && raced(m);
    if (a->kind == ACT_LIST && a->rc == 0)
        model_page(m, a);
    if (a->kind == ACT_DROP && a->rc == 0) {
        m->gone++;
        for (unsigned k = 0; k < KEYS; k++)
            model_read_new(m, k, 0, a);
    }
    act_fini(a);
    s->busy = false;
}

/* ---- what to do next ---- */

static uint64_t new_id(struct model *m, uint64_t size)
{
    return ++m->next_id * 100000 + size;
}

/* One that is under way: two that want the same are worth more than each by itself. */
static const struct act *rival(const struct model *m)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy && model_conditional(&m->slot[i].a))
            return &m->slot[i].a;
    return NULL;
}

/* Only if there is nothing, or what was put there last as far as we were told. */
static void condition_plan(struct model *m, struct act *a, bool may_be_absent)
{
    const struct act *other = rng_chance(&m->rng, 3, 4) ? rival(m) : NULL;

    if (other && (may_be_absent || other->cond.match)) {
        strcpy(a->key, other->key);
        a->cond = other->cond;
        return;
    }
    if (may_be_absent && rng_chance(&m->rng, 1, 2)) {
        a->cond.absent = true;
        return;
    }
    for (unsigned i = m->writes; i > 0 && !a->cond.match; i--) {
        const struct wr *w = &m->w[i - 1];

        if (w->key != key_no(a->key) || !w->put || w->out != OUT_OK)
            continue;
        a->cond.match = true;
        md5_of_seed(w->id, a->cond.etag.md5);
    }
}

static void write_plan(struct model *m, struct slot *s, uint64_t id)
{
    struct wr *w;

    s->write = model_write_new(m, key_no(s->a.key), id);
    w = &m->w[s->write];
    w->put = id != 0;
    w->conditional = model_conditional(&s->a);
    w->expected = s->a.cond.match ? etag_id(&s->a.cond.etag) : 0;
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
    if (a->give_up)
        return;
    if (rng_chance(&m->rng, 1, 5))
        condition_plan(m, a, true);
    write_plan(m, s, a->seed);
}

static void copy_plan(struct model *m, struct slot *s)
{
    s->a.kind = ACT_COPY;
    strcpy(s->a.from, model_keys[rng_below(&m->rng, KEYS)]);
    if (rng_chance(&m->rng, 1, 5))
        condition_plan(m, &s->a, true);
    write_plan(m, s, ID_UNREAD);
    m->w[s->write].put = false; /* its ETag is not known */
    m->w[s->write].copy = true;
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
    u->tried = true;
    id = parts_id(a->parts, a->part_count);
    known = model_write_of(m, u->key, id);
    s->write = known ? (int)(known - m->w) : model_write_new(m, u->key, id);
    return true;
}

static bool upload_plan(struct model *m, struct slot *s)
{
    struct upload *u = &m->up[rng_below(&m->rng, UPLOADS_MAX)];
    unsigned what = (unsigned)rng_below(&m->rng, 12);

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
    } else if (what == 9) {
        s->a.kind = ACT_ABORT;
        u->open = false;
        u->tried = true;
    } else if (what == 10) {
        s->a.kind = ACT_PARTS;
        s->a.max = 1000;
    } else {
        s->a.kind = ACT_UPLOADS;
        s->a.max = 1000;
        s->a.upload[0] = 0;
        s->upload = -1;
    }
    return true;
}

static void list_plan(struct model *m, struct act *a)
{
    static const char *const prefixes[] = {NULL, NULL, "a", "a/", "b/", "b/x"};
    static const char *const folded[] = {"a/", "b/"};

    a->kind = ACT_LIST;
    a->max = 1 + (unsigned)rng_below(&m->rng, KEYS + 1);
    a->prefix = prefixes[rng_below(&m->rng, ARRAY_LEN(prefixes))];
    a->delimiter = rng_chance(&m->rng, 1, 3) ? "/" : NULL;
    if (a->delimiter && rng_chance(&m->rng, 1, 3)) /* as the page before would say */
        strcpy(a->after, folded[rng_below(&m->rng, ARRAY_LEN(folded))]);
    else if (rng_chance(&m->rng, 1, 2))
        strcpy(a->after, model_keys[rng_below(&m->rng, KEYS)]);
}

/* Sometimes a part of it; sometimes slowly. */
static void get_plan(struct model *m, struct act *a)
{
    a->kind = ACT_GET;
    a->pause_ns =
        rng_chance(&m->rng, 1, m->slow_gate ? 5 : 10) ? rng_below(&m->rng, 6 * NS_PER_S) : 0;
    if (!a->pause_ns && rng_chance(&m->rng, 1, 3)) {
        a->off = rng_below(&m->rng, 12000);
        a->len = 1 + rng_below(&m->rng, 9000);
    }
}

/* Tags, or an ACL. */
static void change_plan(struct model *m, struct act *a)
{
    static const struct s3_header tag = {{(const uint8_t *)"colour", 6},
                                         {(const uint8_t *)"red", 3}};

    a->kind = ACT_CHANGE;
    if (rng_chance(&m->rng, 1, 2)) {
        a->tags = &tag;
        a->tag_count = 1;
    }
    a->acl = rng_chance(&m->rng, 1, 2) ? S3_ACL_PUBLIC_READ : S3_ACL_PRIVATE;
}

static bool plan(struct model *m, struct slot *s)
{
    unsigned what = (unsigned)rng_below(&m->rng, 100);
    struct act *a = &s->a;

    memset(a, 0, sizeof(*a));
    s->write = s->upload = -1;
    strcpy(a->key, model_keys[rng_below(&m->rng, KEYS)]);
    if (m->draining && what < 92)
        what = what < 70 ? 50 : what < 78 ? 40 : what < 80 ? 90 : what < 88 ? 92 : 95;
    if (what < 20) {
        put_plan(m, s);
    } else if (what < 30) {
        copy_plan(m, s);
    } else if (what < 42) {
        get_plan(m, a);
    } else if (what < 47) {
        a->kind = ACT_HEAD;
    } else if (what < 50) {
        change_plan(m, a);
    } else if (what < 65) {
        a->kind = ACT_DELETE;
        if (m->draining && rng_chance(&m->rng, 1, 3))
            strcpy(a->key, model_keys[m->sweep++ % KEYS]);
        else if (rng_chance(&m->rng, 1, 6))
            condition_plan(m, a, false);
        write_plan(m, s, 0);
    } else if (what < 72) {
        list_plan(m, a);
    } else if (what < 90) {
        return upload_plan(m, s);
    } else if (what < 92) {
        a->kind = ACT_BUCKETS;
    } else if (what < 95) {
        a->kind = ACT_DROP;
        s->write = model_write_new(m, THE_BUCKET, 0);
        m->dropped = true;
        m->drops++;
    } else if (what < 99 || !m->dropped) {
        a->kind = ACT_CREATE;
        s->write = model_write_new(m, THE_BUCKET, new_id(m, 0));
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
            if (s->a.kind == ACT_COPY)
                copy_known(m, s);
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

            if (!m->st.gate[gate].l || !plan(m, s))
                continue;
            if (m->slow_gate && s->a.kind == ACT_GET && s->a.pause_ns)
                gate = m->slow_gate - 1;
            if (m->st.gate[gate].l) {
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
