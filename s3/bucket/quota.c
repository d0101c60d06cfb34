/* quota.c - whether there is room for what a request wants to store.
 *
 * An *account* stands for a bucket or for a user (the sum of the user's buckets).  It knows what
 * the shards' counters said when they were last read (a *sample*), and adds what this gateway
 * let in since that reading began:
 *
 *     used = the sample + what was stored here since + what requests under way will store
 *
 * So one gateway by itself never passes a quota.  What other gateways store is known when it is
 * read: a sample older than the account's age is read anew before anybody is let in, one older than
 * half of that behind a request's back.  Nobody is refused by an old sample: what was deleted
 * elsewhere is seen first.
 *
 * The quota of a bucket is the xattr `quota` beside its record, that of a user comes with the
 * principal.  Accounts without a quota cost one small read an age, and no counting. */
#include "core/base/hash.h"
#include "s3/bucket/bucket_int.h"
#include "s3/bucket/registry.h"

enum { ACCOUNTS_MAX = 4096 };

struct account {
    struct hnode node;
    struct list lru; /* oldest first */
    uint32_t pins;   /* grants, samples, waiting requests */
    bool is_user, known, sampling;
    char name[S3_USER_NAME_MAX + 1]; /* of the user or bucket: both fit */
    struct s3_quota limit;
    struct s3_quota sample, since, held; /* see above; `bytes` and `objects` as counts */
    uint64_t begun_ns;                   /* the sample's reading */
    struct list waiting;                 /* admit_req, by wait */
};

struct bucket_grant {
    struct bucket_layer *l;
    struct account *of[2]; /* pinned; bucket and user; NULL: no quota */
    struct s3_quota held;
};

/* ---- accounts ---- */

static uint64_t account_hash(bool is_user, struct bytes name)
{
    return hash64(is_user, name.data, name.len);
}

static struct account *account_find(struct bucket_layer *l, bool is_user, struct bytes name)
{
    for (struct hnode *n = htable_first(&l->accounts, account_hash(is_user, name)); n;
         n = htable_next(n)) {
        struct account *a = CONTAINER_OF(n, struct account, node);

        if (a->is_user == is_user && bytes_equal(BYTES_STR(a->name), name))
            return a;
    }
    return NULL;
}

static void account_destroy(struct bucket_layer *l, struct account *a)
{
    ASSERT(a->pins == 0 && list_empty(&a->waiting));
    list_remove(&a->lru);
    htable_remove(&l->accounts, &a->node);
    l->account_count--;
    mem_free(a);
}

/* Those in use stay, even beyond the limit: there are no more of them than requests. */
static void accounts_shrink(struct bucket_layer *l)
{
    LIST_EACH_SAFE (at, &l->account_lru) {
        struct account *a = LIST_ENTRY(at, struct account, lru);

        if (l->account_count < ACCOUNTS_MAX)
            return;
        if (a->pins == 0)
            account_destroy(l, a);
    }
}

/* Pinned; NULL: no memory. */
static struct account *account_get(struct bucket_layer *l, bool is_user, struct bytes name)
{
    struct account *a = account_find(l, is_user, name);

    if (!a) {
        accounts_shrink(l);
        a = mem_zalloc(sizeof(*a));
        if (!a)
            return NULL;
        ASSERT(name.len < sizeof(a->name));
        memcpy(a->name, name.data, name.len);
        a->is_user = is_user;
        list_init(&a->waiting);
        list_init(&a->lru);
        htable_insert(&l->accounts, &a->node, account_hash(is_user, name));
        l->account_count++;
    }
    list_remove(&a->lru);
    list_push_back(&l->account_lru, &a->lru);
    a->pins++;
    return a;
}

static void account_put(struct account *a)
{
    ASSERT(a->pins > 0);
    a->pins--;
}

int quotas_init(struct bucket_layer *l)
{
    return htable_init(&l->accounts, 64);
}

void quotas_fini(struct bucket_layer *l)
{
    LIST_EACH_SAFE (at, &l->account_lru) {
        account_destroy(l, LIST_ENTRY(at, struct account, lru));
    }
    htable_fini(&l->accounts);
}

static uint64_t sum(uint64_t a, uint64_t b) /* at most UINT64_MAX */
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool exceeds(uint64_t limit, uint64_t sample, uint64_t since, uint64_t held, uint64_t more)
{
    return limit && more && sum(sum(sample, since), sum(held, more)) > limit;
}

static bool has_limit(const struct account *a)
{
    return a->limit.bytes || a->limit.objects;
}

static bool fits(const struct account *a, const struct s3_quota *more)
{
    return !exceeds(a->limit.bytes, a->sample.bytes, a->since.bytes, a->held.bytes, more->bytes) &&
           !exceeds(a->limit.objects, a->sample.objects, a->since.objects, a->held.objects,
                    more->objects);
}

static uint64_t age_ns(const struct bucket_layer *l, const struct account *a)
{
    uint64_t ms = a->is_user ? l->conf.quota_user_age_ms : l->conf.quota_age_ms;

    return ms * NS_PER_MS;
}

/* ---- samples ---- */

enum sample_stage { SAMPLE_LIMIT, SAMPLE_LIMITED, SAMPLE_COUNT, SAMPLE_DONE };

struct sample_req {
    struct req r;
    struct account *a; /* pinned */
    struct call call;
    enum sample_stage stage;
    struct s3_quota limit, sum, since_before;
    struct bytes *buckets; /* of a user, in the arena */
    uint32_t bucket_count, at;
    int rc; /* of what was asked last */
};

static void limit_read(struct call *c)
{
    REQ_WAKE(c, struct sample_req, call);
}

static void limit_ask(struct sample_req *q)
{
    struct cairn_op *op = call_begin(&q->call, CALL_INDEX);

    q->stage = SAMPLE_LIMITED;
    name_bucket(q->call.name, BYTES_STR(q->a->name));
    if (op)
        cairn_op_xattr_get(op, "quota");
    call_submit(&q->call, limit_read);
}

/* 0, or why it cannot be told.  No such xattr: no quota; no such bucket: nothing to guard. */
static int limit_take(struct sample_req *q)
{
    struct bytes value = {0};
    int rc = q->call.code;

    if (rc == -R_NO_XATTR || rc == -R_NO_OBJECT)
        return 0;
    if (rc == 0)
        rc = call_present(&q->call, 0, &value);
    return rc < 0 || value.len == 0 ? rc : quota_row_decode(value, &q->limit);
}

static void counted(void *arg, int rc, const struct bucket_usage *usage)
{
    struct sample_req *q = arg;

    q->rc = rc == -R_NO_BUCKET ? 0 : rc;
    if (rc == 0) {
        q->sum.bytes = sum(q->sum.bytes, sum(usage->bytes, usage->part_bytes));
        q->sum.objects = sum(q->sum.objects, usage->objects);
    }
    op_wake(&q->r.op);
}

static void listed(void *arg, int rc, const struct bucket_info *rows, uint32_t count)
{
    struct sample_req *q = arg;

    q->rc = rc;
    if (rc == 0 && count) {
        q->buckets = arena_alloc(&q->r.op.arena, count * sizeof(*q->buckets));
        q->rc = q->buckets ? 0 : -ENOMEM;
    }
    for (uint32_t i = 0; i < count && q->rc == 0; i++) {
        q->rc = bytes_dup(&q->r.op.arena, rows[i].name, &q->buckets[i]);
        q->bucket_count += q->rc == 0;
    }
    op_wake(&q->r.op);
}

static void sample_ask(struct sample_req *q)
{
    struct s3_principal who = {.name = ""};

    q->stage = SAMPLE_COUNT;
    if (q->a->is_user) {
        memcpy(who.name, q->a->name, sizeof(who.name));
        q->rc = bucket_list(q->r.l, &who, listed, q);
    } else {
        q->bucket_count = 1;
        q->buckets = &q->r.bucket;
        op_wake(&q->r.op);
    }
}

static void sample_run(struct op *op)
{
    struct sample_req *q = CONTAINER_OF(op, struct sample_req, r.op);

    switch (q->stage) {
    case SAMPLE_LIMIT:
        if (q->a->is_user) /* its quota came with the principal */
            sample_ask(q);
        else
            limit_ask(q);
        break;
    case SAMPLE_LIMITED:
        q->rc = limit_take(q);
        if (q->rc == 0 && (q->limit.bytes || q->limit.objects))
            sample_ask(q);
        else
            q->stage = SAMPLE_DONE;
        break;
    case SAMPLE_COUNT:
        if (q->rc == 0 && q->at < q->bucket_count)
            q->rc = bucket_usage(q->r.l, NULL, q->buckets[q->at++], counted, q);
        else
            q->stage = SAMPLE_DONE;
        break;
    case SAMPLE_DONE:
        break;
    }
    if (q->rc < 0)
        op_fail(op, q->rc);
    if (q->rc < 0 || q->stage == SAMPLE_DONE)
        op_finish(op);
}

static void waiting_wake(struct account *a);

static void sample_finish(struct req *r)
{
    struct sample_req *q = CONTAINER_OF(r, struct sample_req, r);
    struct account *a = q->a;

    a->sampling = false;
    if (r->op.rc == 0) {
        a->known = true;
        if (!a->is_user)
            a->limit = q->limit;
        a->sample = q->sum;
        a->since.bytes -= q->since_before.bytes;
        a->since.objects -= q->since_before.objects;
    } else {
        a->known = false;
    }
    waiting_wake(a);
}

static void sample_fini(struct req *r)
{
    struct sample_req *q = CONTAINER_OF(r, struct sample_req, r);

    call_fini(&q->call);
    account_put(q->a);
}

/* What was stored here before the reading begins is in it; what is stored meanwhile may be. */
static int sample_begin(struct bucket_layer *l, struct account *a)
{
    static const struct s3_principal nobody = {.name = ""};
    struct bytes bucket = a->is_user ? (struct bytes){0} : BYTES_STR(a->name);
    struct sample_req *q;
    int rc = 0;

    if (a->sampling)
        return 0;
    q = req_create(sizeof(*q), l, &nobody, bucket, (struct bytes){0}, sample_run, &rc);
    if (!q)
        return rc;
    call_init(&q->call, l);
    q->a = a;
    q->since_before = a->since;
    a->pins++;
    a->sampling = true;
    a->begun_ns = env_now_ns(l->env);
    req_start(&q->r, sample_finish, sample_fini);
    return 0;
}

/* ---- requests ---- */

struct admit_req {
    struct req r;
    struct list wait;
    struct account *of[2]; /* pinned */
    uint32_t at;
    uint64_t came_ns;
    bool waited; /* for a sample of the account at hand */
    bool fresh;  /* how much it is will be known later: only a sample made after it came will do */
    struct s3_quota more;
    struct bucket_grant *grant;
    bucket_admit_fn *done;
    void *arg;
};

static void waiting_wake(struct account *a)
{
    LIST_EACH_SAFE (at, &a->waiting) {
        struct admit_req *q = LIST_ENTRY(at, struct admit_req, wait);

        list_remove(&q->wait);
        op_wake(&q->r.op);
    }
}

/* 1: it waits for a sample; 0: there is room; or why not. */
static int account_ask(struct admit_req *q, struct account *a)
{
    struct bucket_layer *l = q->r.l;
    uint64_t now = env_now_ns(l->env), age = now - a->begun_ns;
    bool room;
    int rc;

    if (a->is_user)
        a->limit = q->r.who.quota;
    room =
        a->known && fits(a, &q->more) && (!q->fresh || !has_limit(a) || a->begun_ns >= q->came_ns);
    if (q->waited && !a->known)
        return -EAGAIN; /* the cluster does not tell, now */
    if (room && (q->waited || age < age_ns(l, a))) {
        if (age >= age_ns(l, a) / 2)
            (void)sample_begin(l, a); /* the next request tries again */
        return 0;
    }
    /* A sample that was begun after we came is as new as can be. */
    if (a->known && !room && !a->sampling && a->begun_ns >= q->came_ns)
        return -R_QUOTA;
    rc = sample_begin(l, a);
    if (rc < 0)
        return rc;
    q->waited = true;
    list_push_back(&a->waiting, &q->wait);
    return 1;
}

static int grant_make(struct admit_req *q)
{
    bool needed = false;

    for (unsigned i = 0; i < ARRAY_LEN(q->of); i++)
        needed |= q->of[i] && has_limit(q->of[i]);
    if (!needed)
        return 0;
    q->grant = mem_zalloc(sizeof(*q->grant));
    if (!q->grant)
        return -ENOMEM;
    *q->grant = (struct bucket_grant){.l = q->r.l, .held = q->more};
    layer_live(q->r.l);
    for (unsigned i = 0; i < ARRAY_LEN(q->of); i++) {
        struct account *a = q->of[i];

        if (!a || !has_limit(a))
            continue;
        a->pins++;
        a->held.bytes += q->more.bytes;
        a->held.objects += q->more.objects;
        q->grant->of[i] = a;
    }
    return 0;
}

static void admit_run(struct op *op)
{
    struct admit_req *q = CONTAINER_OF(op, struct admit_req, r.op);
    int rc = 0;

    while (q->at < ARRAY_LEN(q->of) && rc == 0) {
        if (q->of[q->at])
            rc = account_ask(q, q->of[q->at]);
        if (rc == 1)
            return;
        q->waited = false;
        q->at++;
    }
    /* The first account may have filled while the second was asked. */
    for (unsigned i = 0; i < ARRAY_LEN(q->of) && rc == 0; i++)
        if (q->of[i] && !fits(q->of[i], &q->more))
            rc = -R_QUOTA;
    if (rc == 0)
        rc = grant_make(q);
    if (rc < 0)
        op_fail(op, rc);
    op_finish(op);
}

static void admit_finish(struct req *r)
{
    struct admit_req *q = CONTAINER_OF(r, struct admit_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : q->grant);
}

static void admit_fini(struct req *r)
{
    struct admit_req *q = CONTAINER_OF(r, struct admit_req, r);

    for (unsigned i = 0; i < ARRAY_LEN(q->of); i++)
        if (q->of[i])
            account_put(q->of[i]);
}

int bucket_admit(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 const struct s3_quota *more, bucket_admit_fn *done, void *arg)
{
    bool user_limited = who->quota.bytes || who->quota.objects;
    int rc = 0;
    struct admit_req *q = req_create(sizeof(*q), l, who, bucket, (struct bytes){0}, admit_run, &rc);

    if (!q)
        return rc;
    list_init(&q->wait);
    q->more = *more;
    q->fresh = more->bytes == S3_BYTES_UNKNOWN;
    if (q->fresh)
        q->more.bytes = 0;
    q->came_ns = env_now_ns(l->env);
    q->done = done;
    q->arg = arg;
    q->of[0] = account_get(l, false, q->r.bucket);
    if (user_limited)
        q->of[1] = account_get(l, true, BYTES_STR(q->r.who.name));
    if (!q->of[0] || (user_limited && !q->of[1])) {
        admit_fini(&q->r);
        req_destroy(&q->r);
        return -ENOMEM;
    }
    req_start(&q->r, admit_finish, admit_fini);
    return 0;
}

int bucket_grant_more(struct bucket_grant *g, uint64_t bytes)
{
    struct s3_quota more = {.bytes = bytes};

    if (!g)
        return 0;
    for (unsigned i = 0; i < ARRAY_LEN(g->of); i++)
        if (g->of[i] && !fits(g->of[i], &more))
            return -R_QUOTA;
    for (unsigned i = 0; i < ARRAY_LEN(g->of); i++)
        if (g->of[i])
            g->of[i]->held.bytes += bytes;
    g->held.bytes += bytes;
    return 0;
}

void bucket_grant_end(struct bucket_grant *g, bool stored)
{
    if (!g)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(g->of); i++) {
        struct account *a = g->of[i];

        if (!a)
            continue;
        a->held.bytes -= g->held.bytes;
        a->held.objects -= g->held.objects;
        if (stored) {
            a->since.bytes += g->held.bytes;
            a->since.objects += g->held.objects;
        }
        account_put(a);
    }
    layer_dead(g->l);
    mem_free(g);
}
