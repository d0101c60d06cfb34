/* resolve.c - which bucket, which shard, and is what we believe of it still so?
 *
 * Buckets are cached by name without any time limit: nothing is done on the word of the cache.
 * Every operation on a shard is guarded by the shard row that we believe in (access_run); a failed
 * guard brings the present row.  From there:
 *
 *   open, ours         another epoch, generation or range: believe it, go again
 *   closed, or absent  read the record:
 *     absent, making, another id   NO_BUCKET, or the new bucket of that name
 *     live                         a deletion went back before the shard was reopened: reopen it
 *     deleting                     wait, up to DELETION_WAIT; then turn the record back to live
 *
 * What a repair writes is guarded on what it has read, so that any number of gateways may repair at
 * the same time, and a deleter that lives notices (bucket_drop.c). */
#include "s3/bucket/bucket_int.h"

#include "core/base/hash.h"

enum { TRIES_MAX = 60 };
#define DELETION_WAIT_NS (2 * NS_PER_S)
#define PAUSE_NS         (20 * NS_PER_MS)

/* ---- buckets ---- */

struct bucket *bucket_ref(struct bucket *b)
{
    b->refs++;
    return b;
}

void bucket_unref(struct bucket *b)
{
    if (!b || --b->refs > 0)
        return;
    for (uint32_t i = 0; b->shards && i < b->shard_count; i++) {
        mem_free((void *)b->shards[i].from.data);
        mem_free(b->shards[i].value);
    }
    mem_free(b->shards);
    mem_free(b->props);
    mem_free(b);
}

int shard_believe(struct shard *s, struct bytes value)
{
    struct shard_row row;
    uint8_t *copy = mem_dup(value.data, value.len);
    int rc;

    if (!copy)
        return -ENOMEM;
    rc = shard_row_decode((struct bytes){copy, value.len}, &row);
    if (rc < 0) {
        mem_free(copy);
        return rc;
    }
    mem_free(s->value);
    s->value = copy;
    s->value_bytes = value.len;
    s->row = row;
    return 0;
}

int shard_first_row(const struct bucket *b, uint32_t i, struct writer *w)
{
    struct shard_row row = {.bucket = b->id,
                            .no = b->shards[i].no,
                            .state = SHARD_OPEN,
                            .generation = 1,
                            .epoch = 1,
                            .from = b->shards[i].from};

    if (i + 1 < b->shard_count)
        row.to = b->shards[i + 1].from;
    shard_row_encode(&row, w);
    return w->rc;
}

static int shard_fill(struct bucket *b, uint32_t i)
{
    AUTO(writer) w = {0};
    int rc = shard_first_row(b, i, &w);

    return rc < 0 ? rc : shard_believe(&b->shards[i], written(&w));
}

static int shards_fill(struct bucket *b, const struct bucket_row *row)
{
    struct cursor c = cur_over(row->shards.data, row->shards.len);
    int rc = 0;

    for (uint32_t i = 0; i < row->shard_count && rc == 0; i++) {
        struct shard *s = &b->shards[i];
        struct bytes from;

        rc = bucket_row_shard(&c, &s->no, &from);
        if (rc == 0) {
            s->from.data = mem_dup(from.data, from.len);
            s->from.len = from.len;
            rc = s->from.data ? 0 : -ENOMEM;
        }
    }
    for (uint32_t i = 0; i < row->shard_count && rc == 0; i++)
        rc = shard_fill(b, i);
    return rc;
}

struct bucket *bucket_of_row(struct bytes name, const struct bucket_row *row)
{
    struct bucket *b = mem_zalloc(sizeof(*b));

    if (!b)
        return NULL;
    ASSERT(name.len <= S3_BUCKET_NAME_MAX && row->owner.len <= S3_USER_NAME_MAX);
    b->refs = 1;
    list_init(&b->lru);
    memcpy(b->name, name.data, name.len);
    if (row->owner.len)
        memcpy(b->owner, row->owner.data, row->owner.len);
    b->id = row->id;
    b->created_ns = row->created_ns;
    b->shard_count = row->shard_count;
    b->shards = mem_calloc(row->shard_count, sizeof(*b->shards));
    if (!b->shards || shards_fill(b, row) < 0) {
        bucket_unref(b);
        return NULL;
    }
    return b;
}

/* The last shard that begins at or before the key. */
struct shard *bucket_shard(struct bucket *b, struct bytes key)
{
    uint32_t lo = 0, hi = b->shard_count;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (bytes_compare(b->shards[mid].from, key) <= 0)
            lo = mid;
        else
            hi = mid;
    }
    return &b->shards[lo];
}

/* ---- properties ---- */

static uint8_t prop_byte(const struct s3_header *props, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal(props[i].name, BYTES_STR(name)) && props[i].value.len)
            return props[i].value.data[0];
    return 0;
}

int bucket_props_learn(struct bucket *b, struct bytes value, uint64_t read_ns)
{
    const struct s3_header *props;
    struct props_row row;
    struct arena arena;
    uint8_t *copy;
    uint32_t count;
    int rc = props_row_decode(value, &row);

    if (rc == 0 && !uuid_equal(&row.bucket, &b->id))
        rc = -R_MALFORMED;
    if (rc < 0)
        return rc;
    arena_init(&arena);
    copy = mem_dup(row.props.data, row.props.len);
    rc = copy ? headers_decode(row.props, &arena, &props, &count) : -ENOMEM;
    if (rc == 0) {
        mem_free(b->props);
        b->props = TAKE(copy);
        b->props_bytes = row.props.len;
        b->acl = prop_byte(props, count, S3_PROP_ACL);
        b->block = prop_byte(props, count, S3_PROP_BLOCK);
        b->read_ns = read_ns;
    }
    mem_free(copy);
    arena_fini(&arena);
    return rc;
}

bool bucket_fresh(const struct bucket_layer *l, const struct bucket *b)
{
    return b->props && env_now_ns(l->env) - b->read_ns < BUCKET_FRESH_MS * NS_PER_MS;
}

/* ---- the cache ---- */

static uint64_t name_hash(struct bytes name)
{
    return hash64(0, name.data, name.len);
}

struct bucket *bucket_cached(struct bucket_layer *l, struct bytes name)
{
    uint64_t hash = name_hash(name);

    for (struct hnode *n = htable_first(&l->buckets, hash); n; n = htable_next(n)) {
        struct bucket *b = CONTAINER_OF(n, struct bucket, node);

        if (bytes_equal(BYTES_STR(b->name), name)) {
            list_remove(&b->lru);
            list_push_back(&l->bucket_lru, &b->lru);
            return bucket_ref(b);
        }
    }
    return NULL;
}

void bucket_owner_known(struct bucket_layer *l, struct bytes bucket,
                        char out_owner[S3_USER_NAME_MAX + 1])
{
    struct bucket *b = bucket_cached(l, bucket);

    out_owner[0] = 0;
    if (!b)
        return;
    memcpy(out_owner, b->owner, sizeof(b->owner));
    bucket_unref(b);
}

void bucket_cache_drop(struct bucket_layer *l, struct bucket *b)
{
    if (!b->cached)
        return;
    b->cached = false;
    list_remove(&b->lru);
    htable_remove(&l->buckets, &b->node);
    l->bucket_count--;
    bucket_unref(b);
}

void bucket_cache_add(struct bucket_layer *l, struct bucket *b)
{
    struct bucket *old = bucket_cached(l, BYTES_STR(b->name));

    if (old) {
        bucket_cache_drop(l, old);
        bucket_unref(old);
    }
    if (l->bucket_count == BUCKETS_CACHED_MAX)
        bucket_cache_drop(l, LIST_FIRST(&l->bucket_lru, struct bucket, lru));
    b->cached = true;
    htable_insert(&l->buckets, &b->node, name_hash(BYTES_STR(b->name)));
    list_push_back(&l->bucket_lru, &b->lru);
    l->bucket_count++;
    bucket_ref(b);
}

void bucket_forget(struct bucket_layer *l, struct bytes name)
{
    struct bucket *b = bucket_cached(l, name);

    if (b)
        bucket_cache_drop(l, b);
    bucket_unref(b);
}

void bucket_cache_clear(struct bucket_layer *l)
{
    while (!list_empty(&l->bucket_lru))
        bucket_cache_drop(l, LIST_FIRST(&l->bucket_lru, struct bucket, lru));
}

/* ---- accesses ---- */

static void access_go(struct access *a);

static void access_end(struct access *a, int code)
{
    a->busy = false;
    a->code = code;
    a->done(a); /* it may be gone */
}

static void access_paused(struct env_timer *t)
{
    access_go(CONTAINER_OF(t, struct access, timer));
}

void access_init(struct access *a, struct bucket_layer *l, const struct s3_principal *who,
                 struct bytes bucket, struct bytes key)
{
    memset(a, 0, sizeof(*a));
    a->l = l;
    call_init(&a->call, l);
    a->checked = who != NULL;
    if (who)
        memcpy(a->who, who->name, sizeof(a->who));
    ASSERT(bucket.len <= S3_BUCKET_NAME_MAX);
    memcpy(a->name, bucket.data, bucket.len);
    a->key = key;
    env_timer_init(&a->timer, access_paused);
}

void access_fini(struct access *a)
{
    ASSERT(!a->busy);
    call_fini(&a->call);
    bucket_unref(TAKE(a->b));
    writer_fini(&a->old);
    writer_fini(&a->new);
}

/* One more round, or too many. */
static bool access_again(struct access *a)
{
    if (++a->tries < TRIES_MAX)
        return true;
    access_end(a, -R_BUCKET_BUSY);
    return false;
}

/* The record is LIVE and the shard closed: nobody is deleting. */
static void reopened(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);

    if (c->code < 0 && c->code != -R_GUARD_FAILED)
        access_end(a, c->code);
    else if (access_again(a))
        access_go(a); /* its guard tells what the row is now */
}

static void shard_reopen(struct access *a)
{
    struct cairn_op *op;
    struct shard_row row;
    int rc = shard_row_decode(written(&a->old), &row);

    if (rc < 0) {
        access_end(a, rc);
        return;
    }
    row.state = SHARD_OPEN;
    row.generation++;
    memset(&row.token, 0, sizeof(row.token));
    writer_fini(&a->new);
    shard_row_encode(&row, &a->new);
    op = a->new.rc == 0 ? call_begin(&a->call, CALL_INDEX) : NULL;
    if (op) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, a->old.data, a->old.len);
        cairn_op_xattr_set(op, "shard", a->new.data, a->new.len);
    }
    call_submit(&a->call, reopened); /* the name is the shard's still */
}

static void undeleted(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);

    if (c->code < 0 && c->code != -R_GUARD_FAILED) {
        access_end(a, c->code);
        return;
    }
    if (c->code == 0)
        counter_add(&a->l->n.deletes_undone, 1);
    if (access_again(a))
        access_go(a);
}

/* The deleter is dead, or slower than anybody wants to wait. */
static void record_undelete(struct access *a, struct bytes value, struct bucket_row row)
{
    struct cairn_op *op;

    row.state = BUCKET_LIVE;
    memset(&row.token, 0, sizeof(row.token));
    writer_fini(&a->new);
    bucket_row_encode(&row, &a->new);
    writer_fini(&a->old);
    wr_raw(&a->old, value.data, value.len);
    op = a->new.rc == 0 && a->old.rc == 0 ? call_begin(&a->call, CALL_INDEX) : NULL;
    if (op) {
        cairn_op_cmp_xattr(op, "record", CAIRN_EQ, a->old.data, a->old.len);
        cairn_op_xattr_set(op, "record", a->new.data, a->new.len);
    }
    call_submit(&a->call, undeleted);
}

/* The shard was closed or absent when we asked; the record, read after it, is this. */
static void judge_same(struct access *a, struct bytes value, const struct bucket_row *row)
{
    uint64_t now = env_now_ns(a->l->env);

    if (row->state == BUCKET_LIVE) {
        if (a->old.len == 0) {
            log_error(&a->l->log, "a bucket has lost its index shard", KV_STR("bucket", a->name));
            access_end(a, -R_DATA_LOST);
            return;
        }
        name_shard(a->call.name, &a->b->id, a->s->no);
        shard_reopen(a);
        return;
    }
    if (!a->waiting_since_ns)
        a->waiting_since_ns = now;
    if (now - a->waiting_since_ns < DELETION_WAIT_NS)
        env_timer_after(a->l->env, &a->timer, PAUSE_NS + PAUSE_NS * MIN(a->tries, 4u));
    else
        record_undelete(a, value, *row);
}

/* ---- who may ---- */

static bool access_owns(const struct access *a)
{
    return !a->checked || strcmp(a->who, a->b->owner) == 0;
}

/* As far as the bucket decides. */
static int access_may(const struct access *a)
{
    if (access_owns(a) || a->right == RIGHT_READ)
        return 0;
    return a->right == RIGHT_LIST && bucket_public(a->b, a->b->acl) ? 0 : -R_DENIED;
}

int access_may_read(const struct access *a, const uint8_t *acl)
{
    bool owns = access_owns(a);

    if (!acl) /* who may not list is not told what there is */
        return owns || bucket_public(a->b, a->b->acl) ? -R_NO_KEY : -R_DENIED;
    return owns || bucket_public(a->b, *acl) ? 0 : -R_DENIED;
}

/* ---- the record ---- */

/* 0 with the row, or why there is no such bucket. */
static int record_read(struct access *a, struct bytes *out_value, struct bucket_row *out_row)
{
    int rc = a->call.code;

    if (rc == -R_NO_OBJECT || rc == -R_NO_XATTR)
        return -R_NO_BUCKET;
    if (rc == 0)
        rc = call_present(&a->call, 0, out_value);
    if (rc == 0)
        rc = bucket_row_decode(*out_value, out_row);
    if (rc == 0 && out_row->state == BUCKET_MAKING)
        return -R_NO_BUCKET;
    return rc;
}

static void record_ask(struct access *a, void (*done)(struct call *c))
{
    struct cairn_op *op = call_begin(&a->call, CALL_INDEX);

    if (op) {
        cairn_op_xattr_get(op, "record");
        cairn_op_xattr_get(op, "properties");
    }
    a->asked_ns = env_now_ns(a->l->env);
    name_bucket(a->call.name, BYTES_STR(a->name));
    call_submit(&a->call, done);
}

/* A bucket of this record becomes the one we work on. */
static int access_adopt(struct access *a, const struct bucket_row *row)
{
    struct bytes props;
    struct bucket *b;
    int rc;

    if (a->pinned && !uuid_equal(&row->id, &a->pin))
        return -R_NO_BUCKET; /* the one we mean is gone */
    b = bucket_of_row(BYTES_STR(a->name), row);
    rc = b ? call_present(&a->call, 1, &props) : -ENOMEM;
    if (rc == 0)
        rc = bucket_props_learn(b, props, a->asked_ns);
    if (rc < 0) {
        bucket_unref(b);
        return rc;
    }
    if (a->b)
        bucket_cache_drop(a->l, a->b);
    bucket_unref(a->b);
    a->b = b;
    bucket_cache_add(a->l, b);
    return access_may(a);
}

static void judged(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);
    struct bytes value = {0};
    struct bucket_row row;
    int rc = record_read(a, &value, &row);

    if (rc == 0 && uuid_equal(&row.id, &a->b->id) && row.shard_count == a->b->shard_count) {
        judge_same(a, value, &row);
        return;
    }
    bucket_cache_drop(a->l, a->b);
    if (rc == 0)
        rc = access_adopt(a, &row);
    if (rc < 0)
        access_end(a, rc);
    else if (access_again(a))
        access_go(a);
}

/* The shard's guard did not hold. */
static void shard_changed(struct access *a)
{
    struct bytes value;
    struct shard_row row = {0};
    int rc = call_present(&a->call, 0, &value);

    counter_add(&a->l->n.shard_refreshes, 1);
    if (rc == 0 && value.len)
        rc = shard_row_decode(value, &row);
    if (rc < 0) {
        access_end(a, rc);
        return;
    }
    if (value.len && row.state == SHARD_OPEN) {
        rc = shard_believe(a->s, value);
        if (rc < 0)
            access_end(a, rc);
        else if (access_again(a))
            access_go(a);
        return;
    }
    writer_fini(&a->old);
    wr_raw(&a->old, value.data, value.len);
    if (a->old.rc < 0)
        access_end(a, a->old.rc);
    else if (access_again(a))
        record_ask(a, judged);
}

static void access_ran(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);

    if (c->code == -R_GUARD_FAILED && cairn_op_failed_step(c->op) == 0)
        shard_changed(a);
    else
        access_end(a, c->code);
}

static void access_go(struct access *a)
{
    struct cairn_op *op = call_begin(&a->call, CALL_INDEX);
    int rc = 0;

    a->s = bucket_shard(a->b, a->key);
    name_shard(a->call.name, &a->b->id, a->s->no);
    if (op) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, a->s->value, a->s->value_bytes);
        rc = a->build(a, op);
    }
    call_submit_if(&a->call, rc, access_ran);
}

static void resolved(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);
    struct bytes value = {0};
    struct bucket_row row;
    int rc = record_read(a, &value, &row);

    if (rc == 0)
        rc = access_adopt(a, &row);
    if (rc < 0) {
        bucket_unref(TAKE(a->b)); /* what the cache had is not what we may use */
        access_end(a, rc);
    } else {
        access_go(a);
    }
}

static void access_resolve(struct access *a)
{
    a->b = bucket_cached(a->l, BYTES_STR(a->name));
    if (!a->b)
        record_ask(a, resolved);
    else if (!access_owns(a) && (a->right == RIGHT_OWN || !bucket_fresh(a->l, a->b)))
        record_ask(a, resolved); /* it may be another bucket by now, or have another ACL */
    else if (a->pinned && !uuid_equal(&a->b->id, &a->pin))
        record_ask(a, resolved);
    else if (access_may(a) < 0)
        record_ask(a, resolved); /* a refusal is always of the present */
    else
        access_go(a);
}

void access_pin(struct access *a, const struct uuid *bucket)
{
    a->pinned = true;
    a->pin = *bucket;
}

void access_run(struct access *a, int (*build)(struct access *a, struct cairn_op *op),
                void (*done)(struct access *a))
{
    ASSERT(!a->busy);
    a->busy = true;
    a->tries = 0;
    a->waiting_since_ns = 0;
    a->build = build;
    a->done = done;
    if (a->b)
        access_go(a);
    else
        access_resolve(a);
}
