/* act.c - requests to a gateway as plain structs, and the bytes that they write and check. */
#include <openssl/evp.h>
#include <stdio.h>

#include "tests/unit/s3/bucket/stage.h"

/* ---- bytes ---- */

static uint8_t byte_of(uint64_t seed, uint64_t at)
{
    return (uint8_t)(seed * 167 + at * 7 + (at >> 8) * 13 + (seed >> 8));
}

void md5_of_seed(uint64_t seed, uint8_t out[16])
{
    memset(out, 0xa5, 16);
    memcpy(out, &seed, sizeof(seed));
}

uint64_t etag_id(const struct s3_etag *e)
{
    uint64_t id;

    memcpy(&id, e->md5, sizeof(id));
    return id;
}

uint64_t parts_id(const struct upload_part *parts, unsigned count)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct s3_etag e;

    EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
    for (unsigned i = 0; i < count; i++)
        EVP_DigestUpdate(ctx, parts[i].md5, 16);
    EVP_DigestFinal_ex(ctx, e.md5, NULL);
    EVP_MD_CTX_free(ctx);
    return etag_id(&e);
}

static const struct part_set *set_of(const struct stage *st, uint64_t id)
{
    for (unsigned i = 0; i < st->set_count; i++)
        if (st->sets[i].id == id)
            return &st->sets[i];
    return NULL;
}

/* The byte of an object at a place. */
static int expected(const struct act *a, uint64_t at)
{
    const struct part_set *set = a->etag_parts ? set_of(a->st, a->id) : NULL;

    if (!a->etag_parts)
        return byte_of(a->id, at);
    for (unsigned i = 0; set && i < set->count; i++) {
        if (at < set->size[i])
            return byte_of(set->seed[i], at);
        at -= set->size[i];
    }
    return -1;
}

/* ---- acts ---- */

static struct bytes str(const char *s)
{
    return s ? BYTES_STR(s) : (struct bytes){0};
}

static void act_end(struct act *a, int rc)
{
    ASSERT(!a->done);
    a->done = true;
    a->rc = rc;
    a->ended_ns = sim_now_ns(a->st->sim);
}

static void on_done(void *arg, int rc)
{
    act_end(arg, rc);
}

static void info_take(struct act *a, const struct object_info *info)
{
    if (!info)
        return;
    a->id = etag_id(&info->etag);
    a->etag_parts = info->etag.parts;
    a->got_size = info->size;
    a->mtime_ns = info->mtime_ns;
    a->header_got = info->header_count;
    a->tags_got = info->tag_count;
    a->acl_got = info->acl;
    a->sum_got = info->sum;
    if (info->tag_count)
        snprintf(a->tag_value, sizeof(a->tag_value), "%.*s", (int)info->tags[0].value.len,
                 (const char *)info->tags[0].value.data);
    if (info->header_count) {
        snprintf(a->header_name, sizeof(a->header_name), "%.*s", (int)info->headers[0].name.len,
                 (const char *)info->headers[0].name.data);
        snprintf(a->header_value, sizeof(a->header_value), "%.*s", (int)info->headers[0].value.len,
                 (const char *)info->headers[0].value.data);
    }
}

static void on_info(void *arg, int rc, const struct object_info *info)
{
    info_take(arg, info);
    act_end(arg, rc);
}

static void on_stat(void *arg, int rc, const struct bucket_info *info)
{
    struct act *a = arg;

    if (info) {
        const struct bytes *prop = bucket_prop(info, a->key);

        snprintf(a->user, sizeof(a->user), "%s", info->owner);
        a->truncated = !info->may_list;
        snprintf(a->header_value, sizeof(a->header_value), "%.*s", prop ? (int)prop->len : 0,
                 prop ? (const char *)prop->data : "");
    }
    act_end(a, rc);
}

static struct act_row *row_add(struct act *a, struct bytes name)
{
    struct act_row *r = &a->rows[a->row_count++];

    ASSERT(a->row_count <= ACT_ROWS);
    memset(r, 0, sizeof(*r));
    ASSERT(name.len < sizeof(r->name));
    if (name.len)
        memcpy(r->name, name.data, name.len);
    return r;
}

static void on_buckets(void *arg, int rc, const struct bucket_info *rows, uint32_t count)
{
    struct act *a = arg;

    for (uint32_t i = 0; i < count; i++)
        row_add(a, rows[i].name);
    act_end(a, rc);
}

static void on_list(void *arg, int rc, const struct object_list *list)
{
    struct act *a = arg;

    for (uint32_t i = 0; list && i < list->count; i++) {
        struct act_row *r = row_add(a, list->rows[i].name);

        r->is_prefix = list->rows[i].is_prefix;
        r->id = etag_id(&list->rows[i].info.etag);
        r->size = list->rows[i].info.size;
    }
    if (list) {
        a->truncated = list->truncated;
        snprintf(a->next, sizeof(a->next), "%.*s", (int)list->next.len,
                 (const char *)list->next.data);
    }
    act_end(a, rc);
}

static void on_upload(void *arg, int rc, const char *upload)
{
    struct act *a = arg;

    if (upload)
        strcpy(a->upload, upload);
    act_end(a, rc);
}

static void on_parts(void *arg, int rc, const struct upload_parts *parts)
{
    struct act *a = arg;

    for (uint32_t i = 0; parts && i < parts->count; i++) {
        struct act_row *r = row_add(a, (struct bytes){0});

        r->number = parts->rows[i].number;
        r->size = parts->rows[i].size;
        r->id = etag_id(&parts->rows[i].etag);
    }
    if (parts)
        a->truncated = parts->truncated;
    act_end(a, rc);
}

static void on_uploads(void *arg, int rc, const struct upload_list *list)
{
    struct act *a = arg;

    for (uint32_t i = 0; list && i < list->count; i++) {
        struct act_row *r = row_add(a, list->rows[i].name);

        r->is_prefix = list->rows[i].is_prefix;
        strcpy(r->upload, list->rows[i].is_prefix ? "" : list->rows[i].upload);
    }
    if (list)
        a->truncated = list->truncated;
    act_end(a, rc);
}

static void on_user(void *arg, int rc, const struct s3_user *user)
{
    struct act *a = arg;

    if (user) {
        strcpy(a->user, user->name);
        strcpy(a->secret, user->secret_key);
        a->suspended = user->suspended;
        a->quota = user->quota;
    }
    act_end(a, rc);
}

static void on_usage(void *arg, int rc, const struct bucket_usage *usage)
{
    struct act *a = arg;

    if (usage)
        a->usage = *usage;
    act_end(a, rc);
}

static void on_admitted(void *arg, int rc, struct bucket_grant *grant)
{
    if (grant)
        bucket_grant_end(grant, false);
    act_end(arg, rc);
}

/* ---- a PUT, fed as room allows ---- */

static void put_feed(struct act *a);

static void put_fed(struct env_timer *t)
{
    put_feed(CONTAINER_OF(t, struct act, timer));
}

static void on_room(void *arg)
{
    struct act *a = arg;

    if (a->waiting) {
        a->waiting = false;
        put_feed(a);
    }
}

static void put_end(struct act *a)
{
    uint8_t md5[16];
    int rc = object_put_rc(a->put);

    if (rc < 0 || a->give_up) {
        object_put_abort(TAKE(a->put));
        act_end(a, rc < 0 ? rc : -ECANCELED);
        return;
    }
    md5_of_seed(a->seed, md5);
    object_put_commit(TAKE(a->put), md5, a->sum.kind ? &a->sum : NULL, on_info, a);
}

static void put_feed(struct act *a)
{
    uint64_t end = a->short_body ? a->size / 2 : a->size;
    uint64_t n = MIN(end - a->at, a->chunk ? a->chunk : 1000);
    uint8_t *bytes;
    AUTO(buf) b = {0};
    int rc;

    if (a->at == end || object_put_rc(a->put) < 0) {
        put_end(a);
        return;
    }
    if (!object_put_room(a->put)) {
        a->waiting = true;
        return;
    }
    bytes = malloc(n);
    for (uint64_t i = 0; i < n; i++)
        bytes[i] = byte_of(a->seed, a->at + i);
    rc = buf_append_copy(&b, bytes, n);
    free(bytes);
    if (rc == 0)
        rc = object_put_write(a->put, &b);
    ASSERT(rc != -EAGAIN);
    if (rc == 0)
        a->at += n;
    else if (object_put_rc(a->put) == 0) { /* our own lack of memory */
        object_put_abort(TAKE(a->put));
        act_end(a, rc);
        return;
    }
    env_timer_after(a->g->env, &a->timer, a->pause_ns);
}

static struct object_put_args put_args(struct act *a)
{
    return (struct object_put_args){.bucket = str(a->bucket),
                                    .key = str(a->key),
                                    .headers = a->headers,
                                    .header_count = a->header_count,
                                    .size = a->unknown_size ? UINT64_MAX : a->size,
                                    .upload = str(a->upload),
                                    .part_number = a->part_number,
                                    .tags = a->tags,
                                    .tag_count = a->tag_count,
                                    .acl = a->acl,
                                    .cond = a->cond,
                                    .room = on_room,
                                    .arg = a};
}

static int put_go(struct act *a, const struct s3_principal *who)
{
    struct object_put_args args = put_args(a);
    int rc = object_put_open(a->g->l, who, &args, &a->put);

    if (rc == 0) {
        env_timer_init(&a->timer, put_fed);
        env_timer_after(a->g->env, &a->timer, 0);
    }
    return rc;
}

/* ---- a GET ---- */

static void get_next(struct act *a);

static void get_end(struct act *a, int rc)
{
    object_get_close(TAKE(a->get));
    act_end(a, rc);
}

static void get_paused(struct env_timer *t)
{
    get_next(CONTAINER_OF(t, struct act, timer));
}

static void on_piece(void *arg, int rc, struct buf *data)
{
    struct act *a = arg;
    uint8_t *bytes;

    if (rc < 0 || !data->bytes) {
        if (rc == 0 && a->at != a->off + a->len)
            a->bad_bytes = true; /* short */
        get_end(a, rc);
        return;
    }
    a->pieces++;
    bytes = malloc(data->bytes);
    buf_copy_out(data, 0, bytes, data->bytes);
    for (uint64_t i = 0; i < data->bytes; i++)
        a->bad_bytes |= bytes[i] != expected(a, a->at + i);
    free(bytes);
    a->at += data->bytes;
    if (a->give_up && a->at > a->off + a->len / 2)
        get_end(a, -ECANCELED);
    else if (a->pause_ns)
        env_timer_after(a->g->env, &a->timer, a->pause_ns);
    else
        get_next(a);
}

static void get_next(struct act *a)
{
    int rc = object_get_next(a->get, on_piece, a);

    ASSERT(rc == 0);
}

static void on_opened(void *arg, int rc, const struct object_info *info)
{
    struct act *a = arg;

    if (rc < 0) {
        get_end(a, rc);
        return;
    }
    info_take(a, info);
    a->told = object_get_parts(a->get, &a->told_count);
    if (a->told_count)
        a->told_last = a->told[a->told_count - 1];
    if (!a->len)
        a->len = info->size - MIN(a->off, info->size);
    a->off = MIN(a->off, info->size);
    a->len = MIN(a->len, info->size - a->off);
    a->at = a->off;
    object_get_range(a->get, a->off, a->len);
    get_next(a);
}

/* ---- a copy ---- */

static struct s3_principal principal(const struct act *a)
{
    struct s3_principal who = {.anonymous = false};

    snprintf(who.name, sizeof(who.name), "%s", a->who ? a->who : "alice");
    return who;
}

static void on_copied(void *arg, int rc, const struct object_info *info)
{
    struct act *a = arg;

    info_take(a, info);
    get_end(a, rc);
}

/* What lies in the index comes as one piece. */
static void on_small(void *arg, int rc, struct buf *data)
{
    struct act *a = arg;
    uint8_t md5[16];

    if (rc == 0 && data->bytes)
        rc = object_put_write(a->put, data);
    if (rc < 0) {
        object_put_abort(TAKE(a->put));
        get_end(a, rc);
        return;
    }
    md5_of_seed(a->id, md5);
    object_put_commit(TAKE(a->put), md5, NULL, on_copied, a);
}

static void on_source(void *arg, int rc, const struct object_info *info)
{
    struct act *a = arg;
    struct s3_principal who = principal(a);
    struct object_put_args args = put_args(a);

    if (rc < 0) {
        get_end(a, rc);
        return;
    }
    info_take(a, info);
    args.size = info->size;
    if (object_copy_may(a->get)) {
        rc = object_copy(a->g->l, &who, a->get, &args, on_copied, a);
    } else {
        rc = object_put_open(a->g->l, &who, &args, &a->put);
        if (rc == 0) {
            object_get_range(a->get, 0, info->size);
            (void)object_get_next(a->get, on_small, a);
        }
    }
    if (rc < 0)
        get_end(a, rc);
}

/* ---- starting ---- */

static int act_call(struct act *a, const struct s3_principal *who)
{
    struct bucket_layer *l = a->g->l;
    struct bytes bucket = str(a->bucket), key = str(a->key);

    switch (a->kind) {
    case ACT_CREATE:
        return bucket_create(l, who, bucket, a->headers, a->header_count, on_done, a);
    case ACT_DROP:
        return bucket_delete(l, who, bucket, on_done, a);
    case ACT_STAT:
        return bucket_stat(l, who, bucket, on_stat, a);
    case ACT_PEEK:
        return bucket_peek(l, who, bucket, on_stat, a);
    case ACT_PROP:
        return bucket_change(l, who, bucket, a->key, str(a->prop), on_done, a);
    case ACT_CHANGE: {
        struct object_change change = {.set_tags = a->tags != NULL,
                                       .set_acl = !a->tags,
                                       .tags = a->tags,
                                       .tag_count = a->tag_count,
                                       .acl = a->acl};

        return object_change(l, who, bucket, key, &change, on_done, a);
    }
    case ACT_BUCKETS:
        return bucket_list(l, who, on_buckets, a);
    case ACT_PUT:
        return put_go(a, who);
    case ACT_GET:
        env_timer_init(&a->timer, get_paused);
        return object_get_open(l, who, bucket, key, on_opened, a, &a->get);
    case ACT_COPY:
        return object_get_open(l, who, a->from_bucket[0] ? str(a->from_bucket) : bucket,
                               str(a->from), on_source, a, &a->get);
    case ACT_HEAD:
        return object_head(l, who, bucket, key, on_info, a);
    case ACT_DELETE:
        return object_delete(l, who, bucket, key, &a->cond, on_done, a);
    case ACT_LIST: {
        struct object_list_args args = {.bucket = bucket,
                                        .prefix = str(a->prefix),
                                        .delimiter = str(a->delimiter),
                                        .after = str(a->after),
                                        .max = a->max};

        return object_list(l, who, &args, on_list, a);
    }
    case ACT_UPLOAD: {
        struct upload_make make = {.headers = a->headers,
                                   .header_count = a->header_count,
                                   .tags = a->tags,
                                   .tag_count = a->tag_count,
                                   .acl = a->acl,
                                   .sum = a->sum};

        return upload_create(l, who, bucket, key, &make, on_upload, a);
    }
    case ACT_COMPLETE: {
        struct upload_end end = {
            .parts = a->parts, .part_count = a->part_count, .cond = a->cond, .sum = a->sum};

        return upload_complete(l, who, bucket, key, str(a->upload), &end, on_info, a);
    }
    case ACT_ABORT:
        return upload_abort(l, who, bucket, key, str(a->upload), on_done, a);
    case ACT_PARTS:
        return upload_list_parts(l, who, bucket, key, str(a->upload), a->part_number, a->max,
                                 on_parts, a);
    case ACT_UPLOADS: {
        struct upload_list_args args = {.bucket = bucket,
                                        .prefix = str(a->prefix),
                                        .delimiter = str(a->delimiter),
                                        .after_key = str(a->after),
                                        .after_upload = str(a->after_upload),
                                        .max = a->max};

        return upload_list(l, who, &args, on_uploads, a);
    }
    case ACT_COLLECT:
        return bucket_collect(l, on_done, a);
    case ACT_USAGE:
        return bucket_usage(l, who, bucket, on_usage, a);
    case ACT_ADMIT: {
        struct s3_principal limited = *who;

        limited.quota = a->quota;
        return bucket_admit(l, &limited, bucket, &a->more, on_admitted, a);
    }
    default:
        return bucket_user(l, key, on_user, a);
    }
}

static void act_in(void *arg)
{
    struct act *a = arg;
    struct s3_principal who = principal(a);
    int rc = act_call(a, &who);

    if (rc < 0)
        act_end(a, rc);
}

void act_start(struct stage *st, unsigned gate, struct act *a)
{
    a->st = st;
    a->g = &st->gate[gate];
    a->life = a->g->life;
    if (!a->bucket[0] && a->kind != ACT_BUCKETS)
        strcpy(a->bucket, "box");
    a->done = a->bad_bytes = a->waiting = a->truncated = false;
    a->at = 0;
    a->pieces = a->row_count = 0;
    a->started = true;
    a->began_ns = sim_now_ns(st->sim);
    if (!a->rows && (a->kind == ACT_BUCKETS || a->kind == ACT_LIST || a->kind == ACT_PARTS ||
                     a->kind == ACT_UPLOADS))
        a->rows = malloc(ACT_ROWS * sizeof(*a->rows));
    if (a->kind == ACT_COMPLETE && st->set_count < SETS_MAX) {
        struct part_set *set = &st->sets[st->set_count++];

        set->id = parts_id(a->parts, a->part_count);
        set->count = a->part_count;
        for (unsigned i = 0; i < a->part_count; i++) {
            memcpy(&set->seed[i], a->parts[i].md5, 8);
            set->size[i] = set->seed[i] % 100000; /* as the tests make parts */
        }
    }
    sim_enter(a->g->env, act_in, a);
}

void act_fini(struct act *a)
{
    free(a->rows);
    a->rows = NULL;
}
