/* fake_bucket.c - buckets and objects in memory.
 *
 * Sorted arrays, looked through from the front; every answer is a task of its own, so that
 * callbacks come from the loop as the contract says. */
#include "tests/unit/s3/fake_int.h"

#include <stdio.h>
#include <stdlib.h>

struct object_put {
    struct bucket_layer *l;
    struct object_put_args args; /* names and headers owned */
    struct s3_header header[S3_HEADERS_MAX], tag[S3_TAGS_MAX];
    struct buf data;
    uint64_t in_flight;
    int rc;
    struct env_task drain;
    bool draining, dead;
};

struct object_get {
    struct bucket_layer *l;
    struct fake_object *o; /* a copy of its own */
    uint64_t at, end;
    bool calling, closed;
};

/* --- memory --- */

struct bytes fake_own(struct bytes b)
{
    return (struct bytes){mem_dup(b.len ? b.data : (const uint8_t *)"", b.len), b.len};
}

void fake_disown(struct bytes b)
{
    mem_free((void *)b.data);
}

void fake_own_headers(struct s3_header *to, const struct s3_header *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = (struct s3_header){fake_own(from[i].name), fake_own(from[i].value)};
}

void fake_disown_headers(struct s3_header *h, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        fake_disown(h[i].name);
        fake_disown(h[i].value);
    }
}

static void object_free(struct fake_object *o)
{
    fake_disown(o->key);
    buf_fini(&o->data);
    fake_disown_headers(o->header, o->info.header_count);
    fake_disown_headers(o->tag, o->info.tag_count);
    mem_free(o);
}

void fake_must(int rc)
{
    ASSERT(rc == 0);
}

/* --- answers from the loop --- */

static void call_task(struct env_task *task)
{
    struct call *c = CONTAINER_OF(task, struct call, task);

    c->l->open--;
    c->run(c);
    if (c->o)
        object_free(c->o);
    mem_free(c);
}

struct call *fake_call(struct bucket_layer *l, int rc, void (*run)(struct call *), void *arg)
{
    struct call *c = mem_zalloc(sizeof(*c));

    c->l = l;
    c->rc = rc;
    c->run = run;
    c->arg = arg;
    l->open++;
    env_task_init(&c->task, call_task);
    env_post(l->env, &c->task);
    return c;
}

static void run_done(struct call *c)
{
    c->done(c->arg, c->rc);
}

int fake_answer(struct bucket_layer *l, int rc, bucket_done_fn *done, void *arg)
{
    fake_call(l, rc, run_done, arg)->done = done;
    return 0;
}

void fake_run_object(struct call *c)
{
    c->object(c->arg, c->rc, c->rc ? NULL : &c->o->info);
}

struct fake_object *fake_object_copy(const struct fake_object *from)
{
    struct fake_object *o = mem_zalloc(sizeof(*o));

    o->key = fake_own(from->key);
    fake_must(buf_append(&o->data, &from->data, 0, from->data.bytes));
    o->info = from->info;
    o->info.headers = o->header;
    o->info.tags = o->tag;
    fake_own_headers(o->header, from->header, from->info.header_count);
    fake_own_headers(o->tag, from->tag, from->info.tag_count);
    memcpy(o->part, from->part, sizeof(o->part));
    o->part_count = from->part_count;
    return o;
}

/* --- who may, and when --- */

bool fake_owns(const struct s3_principal *who)
{
    return strcmp(who->name, "alice") == 0;
}

const struct bytes *fake_prop(const struct fake_bucket *b, const char *name)
{
    for (uint32_t i = 0; i < b->prop_count; i++)
        if (bytes_equal(b->prop[i].name, BYTES_STR(name)))
            return &b->prop[i].value;
    return NULL;
}

bool fake_public(const struct fake_bucket *b, enum s3_acl acl)
{
    const struct bytes *block = fake_prop(b, S3_PROP_BLOCK);
    const struct bytes *owner = fake_prop(b, S3_PROP_OWNER);

    if (owner && bytes_equal(*owner, BYTES_STR(S3_OWNER_ENFORCED)))
        return false;
    return acl == S3_ACL_PUBLIC_READ && !(block && block->data[0] & S3_BLOCK_ACLS);
}

bool fake_listable(const struct fake_bucket *b)
{
    const struct bytes *acl = fake_prop(b, S3_PROP_ACL);

    return acl && fake_public(b, acl->data[0]);
}

int fake_judge(const struct s3_condition *c, const struct fake_object *o)
{
    if (!o)
        return c->exists || c->match ? -R_NO_KEY : 0;
    if (c->absent || (c->same_size && c->size != o->info.size) ||
        (c->same_mtime && c->mtime_s != o->info.mtime_ns / NS_PER_S) ||
        (c->match &&
         (memcmp(c->etag.md5, o->info.etag.md5, 16) != 0 || c->etag.parts != o->info.etag.parts)))
        return -R_PRECONDITION;
    return 0;
}

/* What somebody who asks for an object hears. */
static int read_rc(const struct fake_bucket *b, const struct fake_object *o,
                   const struct s3_principal *who)
{
    if (!b)
        return -R_NO_BUCKET;
    if (!o)
        return fake_owns(who) || fake_listable(b) ? -R_NO_KEY : -R_DENIED;
    return fake_owns(who) || fake_public(b, o->info.acl) ? 0 : -R_DENIED;
}

/* --- lookups --- */

struct fake_bucket *fake_bucket_find(struct bucket_layer *l, struct bytes name)
{
    LIST_EACH (pos, &l->buckets) {
        struct fake_bucket *b = LIST_ENTRY(pos, struct fake_bucket, link);

        if (bytes_equal(BYTES_STR(b->name), name))
            return b;
    }
    return NULL;
}

static uint32_t key_position(const struct fake_bucket *b, struct bytes key)
{
    uint32_t i = 0;

    while (i < b->count && bytes_compare(b->object[i]->key, key) < 0)
        i++;
    return i;
}

struct fake_object *fake_object_find(const struct fake_bucket *b, struct bytes key)
{
    uint32_t i = b ? key_position(b, key) : 0;

    return b && i < b->count && bytes_equal(b->object[i]->key, key) ? b->object[i] : NULL;
}

void fake_object_store(struct fake_bucket *b, struct fake_object *o)
{
    uint32_t i = key_position(b, o->key);

    if (i < b->count && bytes_equal(b->object[i]->key, o->key)) {
        object_free(b->object[i]);
    } else {
        b->object = mem_realloc(b->object, (b->count + 1) * sizeof(b->object[0]));
        memmove(&b->object[i + 1], &b->object[i], (b->count - i) * sizeof(b->object[0]));
        b->count++;
    }
    b->object[i] = o;
}

static void object_drop(struct fake_bucket *b, struct bytes key)
{
    uint32_t i = key_position(b, key);

    if (i == b->count || !bytes_equal(b->object[i]->key, key))
        return;
    object_free(b->object[i]);
    memmove(&b->object[i], &b->object[i + 1], (b->count - i - 1) * sizeof(b->object[0]));
    b->count--;
}

/* --- the layer --- */

struct bucket_layer *fake_create(struct env *env)
{
    struct bucket_layer *l = mem_zalloc(sizeof(*l));

    l->env = env;
    list_init(&l->buckets);
    list_init(&l->uploads);
    return l;
}

struct fake_knobs *fake_knobs(struct bucket_layer *l)
{
    return &l->knobs;
}

uint32_t fake_open(const struct bucket_layer *l)
{
    return l->open + l->grants;
}

static void bucket_free(struct fake_bucket *b)
{
    list_remove(&b->link);
    while (b->count)
        object_free(b->object[--b->count]);
    mem_free(b->object);
    fake_disown_headers(b->prop, b->prop_count);
    mem_free(b);
}

void fake_destroy(struct bucket_layer *l)
{
    LIST_EACH_SAFE (pos, &l->uploads)
        fake_upload_free(LIST_ENTRY(pos, struct fake_upload, link));
    LIST_EACH_SAFE (pos, &l->buckets)
        bucket_free(LIST_ENTRY(pos, struct fake_bucket, link));
    mem_free(l);
}

static void run_user(struct call *c)
{
    static const struct s3_user alice = {"alice", FAKE_KEY, FAKE_SECRET, false, {0}},
                                sue = {"sue", FAKE_SUSPENDED_KEY, FAKE_SECRET, true, {0}};

    c->user(c->arg, c->rc, c->rc ? NULL : c->suspended ? &sue : &alice);
}

int bucket_user(struct bucket_layer *l, struct bytes access_key, s3_user_fn *done, void *arg)
{
    bool suspended = bytes_equal(access_key, BYTES_STR(FAKE_SUSPENDED_KEY));
    int rc = suspended || bytes_equal(access_key, BYTES_STR(FAKE_KEY)) ? 0 : -R_NO_USER;
    struct call *c = fake_call(l, rc, run_user, arg);

    c->suspended = suspended;
    c->user = done;
    return 0;
}

/* --- buckets --- */

int bucket_create(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  const struct s3_header *props, uint32_t prop_count, bucket_done_fn *done,
                  void *arg)
{
    struct fake_bucket *b;

    ASSERT(strcmp(who->name, "alice") == 0);
    if (bucket.len < S3_BUCKET_NAME_MIN || bucket.len > S3_BUCKET_NAME_MAX)
        return fake_answer(l, -R_BAD_BUCKET_NAME, done, arg);
    if (fake_bucket_find(l, bucket))
        return fake_answer(l, -R_BUCKET_YOURS, done, arg);
    b = mem_zalloc(sizeof(*b));
    memcpy(b->name, bucket.data, bucket.len);
    b->prop_count = prop_count;
    fake_own_headers(b->prop, props, prop_count);
    list_push_back(&l->buckets, &b->link);
    return fake_answer(l, 0, done, arg);
}

int bucket_delete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  bucket_done_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);

    if (!fake_owns(who))
        return fake_answer(l, -R_DENIED, done, arg);
    if (!b || b->count)
        return fake_answer(l, b ? -R_BUCKET_NOT_EMPTY : -R_NO_BUCKET, done, arg);
    bucket_free(b);
    return fake_answer(l, 0, done, arg);
}

static void run_bucket(struct call *c)
{
    struct bucket_info info = {0};

    if (c->rc == 0)
        info = (struct bucket_info){.name = BYTES_STR(c->bucket->name),
                                    .owner = "alice",
                                    .props = c->bucket->prop,
                                    .prop_count = c->bucket->prop_count,
                                    .may_list = c->owns || fake_listable(c->bucket)};
    c->info(c->arg, c->rc, c->rc ? NULL : &info);
}

static int bucket_ask(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                      bool owner_only, bucket_info_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);
    bool owns = fake_owns(who);
    struct call *c = fake_call(l,
                               !b                    ? -R_NO_BUCKET
                               : owns || !owner_only ? 0
                                                     : -R_DENIED,
                               run_bucket, arg);

    c->info = done;
    c->bucket = b;
    c->owns = owns;
    return 0;
}

int bucket_stat(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                bucket_info_fn *done, void *arg)
{
    return bucket_ask(l, who, bucket, true, done, arg);
}

int bucket_peek(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                bucket_info_fn *done, void *arg)
{
    return bucket_ask(l, who, bucket, false, done, arg);
}

const struct bytes *bucket_prop(const struct bucket_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->prop_count; i++)
        if (bytes_equal(info->props[i].name, BYTES_STR(name)))
            return &info->props[i].value;
    return NULL;
}

int bucket_change(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  const char *name, struct bytes value, bucket_done_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);
    struct s3_header next = {BYTES_STR(name), value};

    if (!b || !fake_owns(who))
        return fake_answer(l, b ? -R_DENIED : -R_NO_BUCKET, done, arg);
    for (uint32_t i = 0; i < b->prop_count; i++) {
        if (!bytes_equal(b->prop[i].name, next.name))
            continue;
        fake_disown_headers(&b->prop[i], 1);
        b->prop[i] = b->prop[--b->prop_count];
    }
    ASSERT(b->prop_count < ARRAY_LEN(b->prop));
    if (value.len)
        fake_own_headers(&b->prop[b->prop_count++], &next, 1);
    return fake_answer(l, 0, done, arg);
}

struct list_call {
    struct env_task task;
    struct bucket_layer *l;
    bucket_list_fn *done;
    void *arg;
};

static void run_list(struct env_task *task)
{
    struct list_call *c = CONTAINER_OF(task, struct list_call, task);
    struct bucket_info rows[16];
    uint32_t n = 0;

    LIST_EACH (pos, &c->l->buckets)
        if (n < ARRAY_LEN(rows))
            rows[n++] = (struct bucket_info){
                .name = BYTES_STR(LIST_ENTRY(pos, struct fake_bucket, link)->name),
                .owner = "alice",
                .created_ns = UINT64_C(1440938160) * NS_PER_S};
    c->l->open--;
    c->done(c->arg, 0, rows, n);
    mem_free(c);
}

int bucket_list(struct bucket_layer *l, const struct s3_principal *who, bucket_list_fn *done,
                void *arg)
{
    struct list_call *c;

    if (who->anonymous)
        return -R_DENIED;
    c = mem_zalloc(sizeof(*c));
    c->l = l;
    c->done = done;
    c->arg = arg;
    l->open++;
    env_task_init(&c->task, run_list);
    env_post(l->env, &c->task);
    return 0;
}

/* --- objects --- */

void s3_etag_text(const struct s3_etag *etag, char out[S3_ETAG_TEXT])
{
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", etag->md5[i]);
    if (etag->parts)
        (void)snprintf(out + 32, S3_ETAG_TEXT - 32, "-%u", etag->parts);
}

int object_head(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                struct bytes key, object_info_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);
    struct fake_object *o = fake_object_find(b, key);
    struct call *c = fake_call(l, read_rc(b, o, who), fake_run_object, arg);

    c->object = done;
    c->o = o ? fake_object_copy(o) : NULL;
    if (o)
        c->o->info.owned = fake_owns(who);
    return 0;
}

int object_delete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct s3_condition *cond, bucket_done_fn *done,
                  void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);
    int rc = b ? 0 : -R_NO_BUCKET;

    if (rc == 0 && !fake_owns(who))
        rc = -R_DENIED;
    if (rc == 0 && cond)
        rc = fake_judge(cond, fake_object_find(b, key));
    if (rc == 0)
        object_drop(b, key);
    return fake_answer(l, rc, done, arg);
}

int object_change(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct object_change *change, bucket_done_fn *done,
                  void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);
    struct fake_object *o = fake_object_find(b, key);

    if (!o || !fake_owns(who))
        return fake_answer(l, o ? -R_DENIED : b ? -R_NO_KEY : -R_NO_BUCKET, done, arg);
    if (change->set_acl)
        o->info.acl = change->acl;
    if (change->set_tags) {
        fake_disown_headers(o->tag, o->info.tag_count);
        o->info.tag_count = change->tag_count;
        fake_own_headers(o->tag, change->tags, change->tag_count);
    }
    return fake_answer(l, 0, done, arg);
}

/* --- PUT --- */

static void put_free(struct object_put *p)
{
    fake_disown(p->args.bucket);
    fake_disown(p->args.key);
    fake_disown(p->args.upload);
    fake_disown_headers(p->header, p->args.header_count);
    fake_disown_headers(p->tag, p->args.tag_count);
    buf_fini(&p->data);
    p->l->open--;
    mem_free(p);
}

static void put_drain(struct env_task *task)
{
    struct object_put *p = CONTAINER_OF(task, struct object_put, drain);

    p->draining = false;
    p->in_flight = 0;
    if (p->dead)
        put_free(p);
    else if (p->args.room)
        p->args.room(p->args.arg);
}

int object_put_open(struct bucket_layer *l, const struct s3_principal *who,
                    const struct object_put_args *args, struct object_put **out_put)
{
    struct object_put *p = mem_zalloc(sizeof(*p));
    struct fake_bucket *b = fake_bucket_find(l, args->bucket);

    p->l = l;
    p->args = *args;
    p->args.bucket = fake_own(args->bucket);
    p->args.key = fake_own(args->key);
    p->args.upload = fake_own(args->upload);
    fake_own_headers(p->header, args->headers, args->header_count);
    fake_own_headers(p->tag, args->tags, args->tag_count);
    p->rc = !b ? -R_NO_BUCKET : fake_owns(who) ? l->knobs.put_rc : -R_DENIED;
    if (!p->rc && args->upload.len && !fake_upload_find(l, args->key, args->upload))
        p->rc = -R_NO_UPLOAD;
    env_task_init(&p->drain, put_drain);
    l->open++;
    *out_put = p;
    return 0;
}

uint64_t object_put_room(const struct object_put *p)
{
    if (!p->l->knobs.window_bytes)
        return UINT64_MAX;
    return p->in_flight < p->l->knobs.window_bytes ? p->l->knobs.window_bytes - p->in_flight : 0;
}

int object_put_rc(const struct object_put *p)
{
    return p->rc;
}

int object_put_write(struct object_put *p, const struct buf *data)
{
    if (p->rc)
        return p->rc;
    if (object_put_room(p) == 0)
        return -EAGAIN;
    fake_must(buf_append(&p->data, data, 0, data->bytes));
    p->in_flight += data->bytes;
    if (!p->draining && p->l->knobs.window_bytes) {
        p->draining = true;
        env_post(p->l->env, &p->drain);
    }
    return 0;
}

static void put_end(struct object_put *p)
{
    p->dead = true;
    if (!p->draining)
        put_free(p);
}

static struct fake_object *object_of(struct object_put *p, const uint8_t md5[16],
                                     const struct s3_sum *sum)
{
    struct fake_object *o = mem_zalloc(sizeof(*o));

    o->key = fake_own(p->args.key);
    o->data = buf_move(&p->data);
    o->info.size = o->data.bytes;
    o->info.mtime_ns = env_wall_ns(p->l->env);
    memcpy(o->info.etag.md5, md5, 16);
    o->info.headers = o->header;
    o->info.header_count = p->args.header_count;
    fake_own_headers(o->header, p->header, p->args.header_count);
    o->info.tags = o->tag;
    o->info.tag_count = p->args.tag_count;
    fake_own_headers(o->tag, p->tag, p->args.tag_count);
    o->info.acl = p->args.acl;
    if (sum)
        o->info.sum = *sum;
    return o;
}

void object_put_commit(struct object_put *p, const uint8_t md5[16], const struct s3_sum *sum,
                       object_info_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(p->l, p->args.bucket);
    struct fake_object *o = NULL;
    struct fake_upload *u = fake_upload_find(p->l, p->args.key, p->args.upload);
    int rc = p->rc ? p->rc : p->l->knobs.commit_rc;
    struct call *c;

    if (rc == 0 && !u)
        rc = fake_judge(&p->args.cond, fake_object_find(b, p->args.key));
    if (rc == 0 && u && u->sum.kind && (!sum || sum->kind != u->sum.kind))
        rc = -R_SUM_KIND;
    if (rc == 0) {
        o = object_of(p, md5, sum);
        if (u)
            fake_part_store(u, p->args.part_number, o);
        else
            fake_object_store(b, fake_object_copy(o));
    }
    c = fake_call(p->l, rc, fake_run_object, arg);
    c->object = done;
    c->o = o;
    put_end(p);
}

void object_put_abort(struct object_put *p)
{
    put_end(p);
}

/* --- GET --- */

static void run_opened(struct call *c)
{
    struct object_get *g = c->get;

    g->calling = false;
    if (!g->closed) {
        c->object(c->arg, c->rc, c->rc ? NULL : &g->o->info);
        return;
    }
    if (g->o)
        object_free(g->o);
    mem_free(g);
}

int object_get_open(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                    struct bytes key, object_info_fn *opened, void *arg,
                    struct object_get **out_get)
{
    struct fake_bucket *b = fake_bucket_find(l, bucket);
    struct fake_object *o = fake_object_find(b, key);
    struct object_get *g = mem_zalloc(sizeof(*g));
    struct call *c = fake_call(l, read_rc(b, o, who), run_opened, arg);

    g->l = l;
    g->o = o ? fake_object_copy(o) : NULL;
    if (o)
        g->o->info.owned = fake_owns(who);
    g->calling = true;
    c->object = opened;
    c->get = g;
    l->open++;
    *out_get = g;
    return 0;
}

const struct object_part *object_get_parts(const struct object_get *g, uint32_t *out_count)
{
    *out_count = g->o->part_count;
    return g->o->part_count ? g->o->part : NULL;
}

void object_get_range(struct object_get *g, uint64_t off, uint64_t bytes)
{
    ASSERT(off + bytes <= g->o->info.size);
    g->at = off;
    g->end = off + bytes;
}

struct piece_call {
    struct env_task task;
    struct object_get *g;
    object_piece_fn *piece;
    void *arg;
};

static void run_piece(struct env_task *task)
{
    struct piece_call *c = CONTAINER_OF(task, struct piece_call, task);
    struct object_get *g = c->g;
    uint64_t n = g->end - g->at;
    AUTO(buf) data = {0};
    int rc = 0;

    g->calling = false;
    if (g->closed) {
        object_free(g->o);
        mem_free(g);
        mem_free(c);
        return;
    }
    if (g->l->knobs.piece_bytes)
        n = MIN(n, g->l->knobs.piece_bytes);
    if (g->l->knobs.get_fails_at && g->at >= g->l->knobs.get_fails_at)
        rc = -R_DATA_LOST;
    else
        fake_must(buf_append(&data, &g->o->data, g->at, n));
    g->at += n;
    c->piece(c->arg, rc, &data);
    mem_free(c);
}

int object_get_next(struct object_get *g, object_piece_fn *piece, void *arg)
{
    struct piece_call *c;

    if (g->calling)
        return -EBUSY;
    c = mem_zalloc(sizeof(*c));
    g->calling = true;
    c->g = g;
    c->piece = piece;
    c->arg = arg;
    env_task_init(&c->task, run_piece);
    env_post(g->l->env, &c->task);
    return 0;
}

/* --- copies --- */

bool object_copy_may(const struct object_get *from)
{
    return from->l->knobs.share_from && from->o->info.size >= from->l->knobs.share_from;
}

static struct fake_object *shared_with(const struct object_get *from,
                                       const struct object_put_args *args)
{
    struct fake_object *o = mem_zalloc(sizeof(*o));

    o->key = fake_own(args->key);
    fake_must(buf_append(&o->data, &from->o->data, 0, from->o->data.bytes));
    o->info = from->o->info;
    o->info.headers = o->header;
    o->info.header_count = args->header_count;
    fake_own_headers(o->header, args->headers, args->header_count);
    o->info.tags = o->tag;
    o->info.tag_count = args->tag_count;
    fake_own_headers(o->tag, args->tags, args->tag_count);
    o->info.acl = args->acl;
    memcpy(o->part, from->o->part, sizeof(o->part));
    o->part_count = from->o->part_count;
    return o;
}

int object_copy(struct bucket_layer *l, const struct s3_principal *who,
                const struct object_get *from, const struct object_put_args *args,
                object_info_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, args->bucket);
    int rc = l->knobs.copy_rc;
    struct call *c;

    UNUSED(who);
    if (rc == 0)
        rc = fake_judge(&args->cond, fake_object_find(b, args->key));
    c = fake_call(l, rc, fake_run_object, arg);
    c->object = done;
    if (rc == 0) {
        c->o = shared_with(from, args);
        fake_object_store(b, fake_object_copy(c->o));
    }
    return 0;
}

void object_get_close(struct object_get *g)
{
    g->closed = true;
    g->l->open--;
    if (g->calling)
        return;
    if (g->o)
        object_free(g->o);
    mem_free(g);
}
