/* model_judge.c - was every answer possible?
 *
 * A key holds the value of the last write, or nothing; the bucket itself is one more key, of which
 * a read tells only whether there is something.  A listing is a read of each key that it covers:
 * what it shows is there, what it leaves out is not; a common prefix says that one of its keys is
 * there. */
#include <stdarg.h>
#include <stdio.h>

#include "tests/unit/s3/bucket/model_int.h"

const char *const model_keys[KEYS + 1] = {"a",  "a/1", "a/2", "b", "b/x/y", "c", "d",
                                          "d0", "d00", "e",   "f", "f/1",   "g", "h",
                                          "hh", "i",   "j",   "k", "l",     "m", "(the bucket)"};

void model_finding(struct model *m, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    m->fail(m, text);
}

void model_bad(struct model *m, const char *what, unsigned key, uint64_t id)
{
    model_finding(m, "%s: key %s, value %llu", what, model_keys[key], (unsigned long long)id);
}

/* ---- facts ---- */

int model_write_new(struct model *m, unsigned key, uint64_t id)
{
    ASSERT(m->writes < WRITES_MAX);
    m->w[m->writes] =
        (struct wr){.key = key, .id = id, .inv = sim_now_ns(m->st.sim), .resp = UINT64_MAX};
    return (int)m->writes++;
}

const struct wr *model_write_of(const struct model *m, unsigned key, uint64_t id)
{
    for (unsigned i = 0; i < m->writes; i++)
        if (m->w[i].key == key && m->w[i].id == id && !m->w[i].copy)
            return &m->w[i];
    return NULL;
}

void model_made(struct model *m, uint64_t inv)
{
    struct wr *w = &m->w[model_write_new(m, THE_BUCKET, 1)];

    w->inv = inv;
    w->resp = sim_now_ns(m->st.sim);
    w->out = OUT_OK;
}

static void read_add(struct model *m, struct rd r)
{
    ASSERT(m->reads < READS_MAX);
    m->r[m->reads++] = r;
}

void model_read_new(struct model *m, unsigned key, uint64_t id, const struct act *a)
{
    read_add(m, (struct rd){key, 1u << key, id, a->began_ns, a->ended_ns, 0});
}

/* ---- listings ---- */

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The name that a key is listed by: itself, or what it has up to the delimiter. */
static bool fold(const struct act *a, const char *key, char out[S3_KEY_MAX + 8])
{
    size_t skip = a->prefix ? strlen(a->prefix) : 0;
    const char *at = a->delimiter && strlen(key) >= skip ? strstr(key + skip, a->delimiter) : NULL;

    if (at)
        snprintf(out, S3_KEY_MAX + 8, "%.*s", (int)(at - key + 1), key);
    else
        snprintf(out, S3_KEY_MAX + 8, "%s", key);
    return at != NULL;
}

/* Is this key one of those that the page tells of, present or not? */
static bool covered(const struct act *a, unsigned k)
{
    char name[S3_KEY_MAX + 8], after[S3_KEY_MAX + 8];

    if (a->prefix && !starts_with(model_keys[k], a->prefix))
        return false;
    (void)fold(a, model_keys[k], name);
    if (strcmp(model_keys[k], a->after) <= 0)
        return false;
    if (fold(a, a->after, after) && strcmp(after, a->after) == 0 && strcmp(name, after) == 0)
        return false; /* behind a common prefix come no keys of it */
    return !a->truncated || strcmp(name, a->next) <= 0;
}

static const struct act_row *row_named(const struct act *a, const char *name, bool is_prefix)
{
    for (unsigned i = 0; i < a->row_count; i++)
        if (strcmp(a->rows[i].name, name) == 0 && a->rows[i].is_prefix == is_prefix)
            return &a->rows[i];
    return NULL;
}

void model_page(struct model *m, const struct act *a)
{
    struct rd group = {.id = ID_ANY, .inv = a->began_ns, .resp = a->ended_ns};
    unsigned explained = 0;
    char name[S3_KEY_MAX + 8];

    for (unsigned i = 1; i < a->row_count; i++)
        if (strcmp(a->rows[i - 1].name, a->rows[i].name) >= 0)
            model_finding(m, "a listing is out of order at %s", a->rows[i].name);
    if (a->row_count > a->max || (a->truncated && a->row_count < a->max))
        model_finding(m, "a page of %u has %u rows", a->max, a->row_count);
    for (unsigned k = 0; k < KEYS; k++) {
        bool folded = fold(a, model_keys[k], name);
        const struct act_row *row = row_named(a, name, folded);

        if (!covered(a, k))
            continue;
        if (!row || !folded) {
            model_read_new(m, k, row ? row->id : 0, a);
            explained += row != NULL;
            continue;
        }
        if (group.keys == 0 || strncmp(model_keys[group.key], name, strlen(name)) != 0) {
            if (group.keys)
                read_add(m, group);
            group.key = k;
            group.keys = 0;
            explained++;
        }
        group.keys |= 1u << k;
    }
    if (group.keys)
        read_add(m, group);
    if (explained != a->row_count)
        model_finding(m, "a listing shows %u rows, and %u are of keys that it covers", a->row_count,
                      explained);
}

/* ---- uploads ---- */

/* A deletion of the bucket, which takes uploads along, may have taken place since then. */
static bool may_be_dropped(const struct model *m, uint64_t since_ns)
{
    for (unsigned i = 0; i < m->writes; i++)
        if (m->w[i].key == THE_BUCKET && !m->w[i].id && m->w[i].out != OUT_FAILED &&
            m->w[i].resp > since_ns)
            return true;
    return false;
}

static const struct act_row *upload_row(const struct act *a, const struct upload *u)
{
    for (unsigned i = 0; i < a->row_count; i++)
        if (strcmp(a->rows[i].upload, u->id) == 0)
            return &a->rows[i];
    return NULL;
}

/* All of them: those that were begun and not ended are there, those that were ended are not. */
void model_uploads(struct model *m, const struct act *a)
{
    for (unsigned i = 1; i < a->row_count; i++)
        if (strcmp(a->rows[i - 1].name, a->rows[i].name) > 0)
            model_finding(m, "a listing of uploads is out of order at %s", a->rows[i].name);
    for (unsigned i = 0; i < UPLOADS_MAX; i++) {
        const struct upload *u = &m->up[i];
        const struct act_row *row = u->id[0] ? upload_row(a, u) : NULL;

        if (row && (strcmp(row->name, model_keys[u->key]) != 0 ||
                    (u->ended_ns && u->ended_ns < a->began_ns)))
            model_bad(m, "an upload that cannot be there", u->key, 0);
        if (!row && u->open && !u->tried && u->there_ns < a->began_ns &&
            !may_be_dropped(m, u->inv_ns))
            model_bad(m, "an upload is lost", u->key, 0);
    }
}

void model_parts(struct model *m, const struct act *a, const struct upload *u)
{
    for (unsigned i = 1; i < a->row_count; i++)
        if (a->rows[i - 1].number >= a->rows[i].number)
            model_bad(m, "parts are out of order", u->key, a->rows[i].id);
    for (unsigned n = 0; n < ARRAY_LEN(u->seed); n++) {
        bool there = !u->seed[n] || u->put_ns[n] > a->began_ns;

        for (unsigned i = 0; i < a->row_count && !there; i++)
            there = a->rows[i].number == n + 1;
        if (!there)
            model_bad(m, "a part is lost", u->key, u->seed[n]);
    }
}

/* ---- conditions ---- */

bool model_conditional(const struct act *a)
{
    return a->cond.absent || a->cond.match;
}

/* It was judged at one moment between beginning and end. */
void model_condition(struct model *m, const struct act *a, unsigned key)
{
    uint64_t expected = a->cond.match ? etag_id(&a->cond.etag) : 0;

    if (a->kind == ACT_COPY && !a->id)
        return; /* it did not get that far */
    if (a->rc == 0) {
        m->held++;
        model_read_new(m, key, expected, a);
    } else if (a->rc == -R_NO_KEY) {
        m->refused++;
        model_read_new(m, key, 0, a);
    } else if (a->rc == -R_PRECONDITION) {
        m->refused++;
        read_add(m, (struct rd){key, 1u << key, ID_ANY, a->began_ns, a->ended_ns, expected});
    }
}

void model_changed(struct model *m, const struct act *a, unsigned key)
{
    if (a->rc == 0)
        read_add(m, (struct rd){key, 1u << key, ID_ANY, a->began_ns, a->ended_ns, 0});
    else if (a->rc == -R_NO_KEY)
        model_read_new(m, key, 0, a);
}

/* ---- the bucket ---- */

void model_bucket_seen(struct model *m, const struct act *a)
{
    bool there, gone = a->rc == -R_NO_BUCKET;

    switch (a->kind) {
    case ACT_CREATE:
        there = a->rc == -R_BUCKET_YOURS;
        break;
    case ACT_DROP:
        there = a->rc == -R_BUCKET_NOT_EMPTY;
        break;
    case ACT_BUCKETS:
        there = a->rc == 0 && a->row_count;
        gone = a->rc == 0 && !a->row_count;
        break;
    case ACT_COLLECT:
        return;
    default:
        there = a->rc == 0 || a->rc == -R_NO_KEY;
        break;
    }
    if (there || gone)
        model_read_new(m, THE_BUCKET, there ? ID_ANY : 0, a);
}

/* ---- the judge ---- */

static bool surely_overwritten(const struct model *m, const struct wr *v, uint64_t before)
{
    for (unsigned i = 0; i < m->writes; i++) {
        const struct wr *w = &m->w[i];

        if (w != v && w->key == v->key && w->out == OUT_OK && w->inv > v->resp && w->resp < before)
            return true;
    }
    return false;
}

static bool may_be_seen(const struct model *m, const struct wr *v, const struct rd *r)
{
    return v->out != OUT_FAILED && v->inv < r->resp && !surely_overwritten(m, v, r->inv);
}

static bool some_may_be_seen(const struct model *m, const struct rd *r)
{
    for (unsigned i = 0; i < m->writes; i++)
        if (r->keys >> m->w[i].key & 1 && m->w[i].id && m->w[i].id != r->not_id &&
            may_be_seen(m, &m->w[i], r))
            return true;
    return false;
}

static bool may_be_absent(const struct model *m, const struct rd *r)
{
    const struct wr nothing_yet = {.key = r->key, .out = OUT_OK};

    if (!surely_overwritten(m, &nothing_yet, r->inv))
        return true;
    for (unsigned i = 0; i < m->writes; i++)
        if (m->w[i].key == r->key && m->w[i].id == 0 && may_be_seen(m, &m->w[i], r))
            return true;
    return false;
}

/* Some write of this value to this key may be the one that was seen. */
static bool value_may_be_seen(const struct model *m, const struct rd *r, bool *out_known)
{
    *out_known = false;
    for (unsigned i = 0; i < m->writes; i++) {
        const struct wr *v = &m->w[i];

        if (v->key != r->key || v->id != r->id)
            continue;
        *out_known = true;
        if (may_be_seen(m, v, r))
            return true;
    }
    return false;
}

static void read_judge(struct model *m, const struct rd *r)
{
    bool known;

    if (r->id == ID_ANY) {
        if (!some_may_be_seen(m, r))
            model_bad(m, "something that cannot be there", r->key, 0);
    } else if (r->id) {
        if (!value_may_be_seen(m, r, &known))
            model_bad(m, known ? "a value that cannot be there" : "a value nobody wrote", r->key,
                      r->id);
    } else if (!may_be_absent(m, r)) {
        model_bad(m, r->key == THE_BUCKET ? "the bucket is lost" : "an object is lost", r->key, 0);
    }
}

/* When a value was first asked to be written to a key, and when the last of its writes ended. */
static bool written_between(const struct model *m, unsigned key, uint64_t id, uint64_t *out_inv,
                            uint64_t *out_resp)
{
    bool found = false;

    *out_inv = UINT64_MAX;
    *out_resp = 0;
    for (unsigned i = 0; i < m->writes; i++)
        if (m->w[i].key == key && m->w[i].id == id) {
            *out_inv = MIN(*out_inv, m->w[i].inv);
            *out_resp = MAX(*out_resp, m->w[i].resp);
            found = true;
        }
    return found;
}

static void order_judge(struct model *m, const struct rd *first, const struct rd *second)
{
    uint64_t inv1, inv2, resp1, resp2;

    if (first->key != second->key || first->id == second->id || !first->id || !second->id ||
        first->id == ID_ANY || second->id == ID_ANY || first->resp >= second->inv)
        return;
    if (written_between(m, first->key, first->id, &inv1, &resp1) &&
        written_between(m, second->key, second->id, &inv2, &resp2) && resp2 < inv1)
        model_bad(m, "an older value came back", first->key, second->id);
}

/* Between two reads of the bucket that differ somebody made it, or dropped it. */
static void bucket_judge(struct model *m, const struct rd *second)
{
    const struct rd *first = NULL;

    for (unsigned i = 0; i < m->reads; i++) {
        const struct rd *r = &m->r[i];

        if (r->key == THE_BUCKET && !r->id != !second->id && r->resp < second->inv &&
            (!first || r->inv > first->inv))
            first = r;
    }
    for (unsigned i = 0; first && i < m->writes; i++) {
        const struct wr *w = &m->w[i];

        if (w->key == THE_BUCKET && !w->id == !second->id && w->out != OUT_FAILED &&
            w->inv < second->resp && w->resp > first->inv)
            return;
    }
    if (first)
        model_bad(m, second->id ? "the bucket came back" : "the bucket went away", THE_BUCKET, 0);
}

/* Two that found the same there: somebody must have put it there again in between. */
static void condition_judge(struct model *m, const struct wr *a, const struct wr *b)
{
    for (unsigned i = 0; i < m->writes; i++) {
        const struct wr *w = &m->w[i];

        if (w->key == a->key && w->id == a->expected && w->out != OUT_FAILED &&
            w->inv < MAX(a->resp, b->resp) && w->resp > MIN(a->inv, b->inv))
            return;
    }
    model_bad(m, "two writes found the same before them", a->key, a->expected);
}

static void conditions_judge(struct model *m)
{
    for (unsigned i = 0; i < m->writes; i++)
        for (unsigned n = 0; n < i; n++) {
            const struct wr *a = &m->w[i], *b = &m->w[n];

            if (a->conditional && b->conditional && a->key == b->key &&
                a->expected == b->expected && a->out == OUT_OK && b->out == OUT_OK)
                condition_judge(m, a, b);
        }
}

void model_judge(struct model *m)
{
    conditions_judge(m);
    for (unsigned i = 0; i < m->reads; i++) {
        read_judge(m, &m->r[i]);
        if (m->r[i].key == THE_BUCKET)
            bucket_judge(m, &m->r[i]);
    }
    for (unsigned i = 0; i < m->reads; i++)
        for (unsigned n = 0; n < m->reads; n++)
            order_judge(m, &m->r[i], &m->r[n]);
}
