/* bucket_cache.c - buckets by name, and what we believe their shards to be.
 *
 * Buckets are cached without any time limit: nothing is done on the word of the cache.  It begins
 * with the map beside the record; from then on each shard row that is read corrects it: where the
 * shard begins, and who begins where it ends (resolve.c). */
#include "s3/bucket/bucket_int.h"

#include "core/base/hash.h"

enum { MAP_ROWS = 10000 };

/* ---- rows as they were read ---- */

struct shard_view *shard_view_create(struct bytes value, int *out_rc)
{
    struct shard_view *v = mem_alloc(sizeof(*v) + value.len);

    if (!v) {
        *out_rc = -ENOMEM;
        return NULL;
    }
    v->refs = 1;
    v->bytes = value.len;
    memcpy(v->value, value.data, value.len);
    *out_rc = shard_row_decode(shard_view_value(v), &v->row);
    if (*out_rc == 0)
        return v;
    mem_free(v);
    return NULL;
}

struct shard_view *shard_view_ref(struct shard_view *v)
{
    if (v)
        v->refs++;
    return v;
}

void shard_view_unref(struct shard_view *v)
{
    if (v && --v->refs == 0)
        mem_free(v);
}

int shard_view_next(struct shard_view **view, const struct shard_row *next)
{
    AUTO(writer) w = {0};
    struct shard_view *v;
    int rc;

    shard_row_encode(next, &w);
    if (w.rc < 0)
        return w.rc;
    v = shard_view_create(written(&w), &rc); /* `next` may borrow from the old one */
    if (!v)
        return rc;
    shard_view_unref(*view);
    *view = v;
    return 0;
}

/* ---- buckets ---- */

struct bucket *bucket_ref(struct bucket *b)
{
    b->refs++;
    return b;
}

static void shard_fini(struct shard *s)
{
    mem_free((void *)s->from.data);
    shard_view_unref(s->view);
}

void bucket_unref(struct bucket *b)
{
    if (!b || --b->refs > 0)
        return;
    for (uint32_t i = 0; i < b->shard_count; i++)
        shard_fini(&b->shards[i]);
    mem_free(b->shards);
    mem_free(b->props);
    mem_free(b);
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
    return b;
}

/* How many shards begin at or before the key. */
static uint32_t shards_upto(const struct bucket *b, struct bytes key)
{
    uint32_t lo = 0, hi = b->shard_count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (bytes_compare(b->shards[mid].from, key) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct shard *bucket_shard(struct bucket *b, struct bytes key)
{
    uint32_t n = shards_upto(b, key);

    return n ? &b->shards[n - 1] : NULL;
}

struct shard *bucket_shard_no(struct bucket *b, uint64_t no)
{
    for (uint32_t i = 0; i < b->shard_count; i++)
        if (b->shards[i].no == no)
            return &b->shards[i];
    return NULL;
}

int bucket_shard_add(struct bucket *b, uint64_t no, struct bytes from)
{
    uint32_t at = shards_upto(b, from);
    struct shard *grown;
    uint8_t *copy;

    if (bucket_shard_no(b, no))
        return 0;
    if (b->shard_count == b->shard_cap) {
        uint32_t cap = b->shard_cap ? 2 * b->shard_cap : 1;

        grown = mem_realloc(b->shards, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        b->shards = grown;
        b->shard_cap = cap;
    }
    copy = mem_dup(from.data, from.len);
    if (!copy)
        return -ENOMEM;
    memmove(&b->shards[at + 1], &b->shards[at], (b->shard_count - at) * sizeof(*b->shards));
    b->shard_count++;
    b->shards[at] = (struct shard){.no = no, .from = {copy, from.len}};
    return 0;
}

void bucket_shard_forget(struct bucket *b, uint64_t no)
{
    struct shard *s = bucket_shard_no(b, no);
    size_t behind;

    if (!s)
        return;
    shard_fini(s);
    behind = (size_t)(&b->shards[b->shard_count] - s) - 1;
    memmove(s, s + 1, behind * sizeof(*s));
    b->shard_count--;
}

int bucket_learn(struct bucket *b, struct shard_view *v)
{
    const struct shard_row *r = &v->row;
    struct shard *s = bucket_shard_no(b, r->no);
    uint32_t grown = s ? s->grown : 0;
    int rc;

    if (s && (r->state == SHARD_EMPTY || !bytes_equal(s->from, r->from))) {
        bucket_shard_forget(b, r->no);
        s = NULL;
    }
    if (r->state == SHARD_EMPTY)
        return 0;
    rc = s ? 0 : bucket_shard_add(b, r->no, r->from);
    if (rc < 0)
        return rc;
    s = bucket_shard_no(b, r->no);
    s->grown = grown;
    shard_view_ref(v);
    shard_view_unref(s->view);
    s->view = v;
    return r->to.len ? bucket_shard_add(b, r->next, r->to) : 0;
}

/* ---- the map ---- */

void map_range(struct cairn_op *op, struct bytes from)
{
    static const uint8_t end = MAP_PREFIX + 1;
    struct row_key key;

    row_key_map(&key, from);
    cairn_op_omap_range(op, key.b, key.len, &end, 1, MAP_ROWS);
}

int map_add(struct bucket *b, const struct call *c, int step, struct writer *behind, bool *out_more)
{
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, step, out_more) : 0;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        struct cairn_pair p = cairn_op_pair(c->op, step, i);
        struct bytes from = {pair_key(p).data + 1, pair_key(p).len - 1};
        uint64_t no;

        rc = map_row_decode(pair_value(p), &no);
        if (rc == 0)
            rc = bucket_shard_add(b, no, from);
        if (i + 1 < n)
            continue;
        writer_fini(behind);
        wr_raw(behind, from.data, from.len);
        wr_u8(behind, 0);
    }
    *out_more = n && *out_more;
    return rc < 0 ? rc : behind->rc;
}

/* ---- properties ---- */

static struct bytes prop_of(const struct s3_header *props, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal(props[i].name, BYTES_STR(name)))
            return props[i].value;
    return (struct bytes){0};
}

static uint8_t first_byte(struct bytes b)
{
    return b.len ? b.data[0] : 0;
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
        b->acl = first_byte(prop_of(props, count, S3_PROP_ACL));
        b->block = first_byte(prop_of(props, count, S3_PROP_BLOCK));
        if (bytes_equal(prop_of(props, count, S3_PROP_OWNER), BYTES_STR(S3_OWNER_ENFORCED)))
            b->block |= S3_BLOCK_ACLS;
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
    l->shards_cached -= b->counted;
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
    while (l->bucket_count && (l->bucket_count == BUCKETS_CACHED_MAX ||
                               l->shards_cached + b->shard_count > SHARDS_CACHED_MAX))
        bucket_cache_drop(l, LIST_FIRST(&l->bucket_lru, struct bucket, lru));
    b->cached = true;
    b->counted = b->shard_count;
    l->shards_cached += b->counted;
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
