/* object_copy.c - an object of the bytes that another one has: it shares their data objects.
 *
 *   INTENT  on the shard of the new key, before anything else: "this version may refer to those". A
 *           manifest of its own comes with it, since whoever gives the intent up has to know all
 *           that may have to be erased
 *   REFER   the version comes into the list that the first of the data objects carries (refs.h),
 *           guarded on what was read and on that object being there.  Whoever leaves looks at the
 *           list in the operation that decides: so from here on nothing is erased
 *   LINK    as of any version, guarded on the intent, which goes
 *
 * What fails after the intent leaves a garbage row, as a collector makes one when we die: it leaves
 * the list, if we have come so far.  The source may be replaced or deleted meanwhile: the list
 * counts, not its entry.
 *
 * We must not come into the list after that garbage was worked off, nobody would take us out: so
 * the asking ends while the intent is young (call_under_intent). */
#include "s3/bucket/bucket_int.h"
#include "s3/bucket/refs.h"

/* Others come into the list at the same time: one of them gets on, the others pause and try again.
 * Copying bytes is better than to try on and on. */
enum { REFER_TRIES_MAX = 20, REFER_PAUSE_MS = 8, REFER_PAUSE_MS_MAX = 256 };

struct copy_req {
    struct req r;
    struct access ia; /* of the intent */
    struct call refer;
    struct link link;
    struct entry_row entry;
    struct intent_row intent;
    struct stripes first; /* the run of stripes whose first object tells */
    struct writer headers, tags;
    struct writer manifest; /* empty: there is none */
    struct writer was;      /* the list, as we believe it to be */
    uint64_t asked_ns;      /* for the intent */
    uint32_t tries;
    struct env_timer pause; /* between two of them */
    int rc;
    object_info_fn *done;
    void *arg;
};

static void copy_end(struct copy_req *q)
{
    if (q->rc < 0)
        op_fail(&q->r.op, q->rc);
    op_finish(&q->r.op);
}

static void intent_key(const struct copy_req *q, struct row_key *k)
{
    row_key_of(k, ROW_INTENT, q->r.key, &q->entry.version);
}

/* ---- giving up ---- */

/* Two passes: what we asked for and do not know of may still come. */
static int dispose_build(struct access *a, struct cairn_op *op)
{
    struct copy_req *q = CONTAINER_OF(a, struct copy_req, ia);
    struct garbage_row g = {.state = GARBAGE_WAITING,
                            .kind = q->intent.kind,
                            .passes = 1,
                            .stripes = q->intent.stripes,
                            .origin = q->intent.origin,
                            .epoch = access_epoch(a)};
    AUTO(writer) w = {0};
    struct row_key intent, garbage;
    struct cairn_pair gone, set;

    garbage_row_encode(&g, &w);
    if (w.rc < 0)
        return w.rc;
    intent_key(q, &intent);
    row_key_garbage(&garbage, q->r.key, g.kind, &q->entry.version);
    gone = pair_of(key_bytes(&intent), (struct bytes){0});
    set = pair_of(key_bytes(&garbage), written(&w));
    cairn_op_cmp_omap(op, intent.b, intent.len, CAIRN_PRESENT, NULL, 0);
    cairn_op_omap_rm(op, &gone, 1);
    cairn_op_omap_set(op, &set, 1);
    return 0;
}

static void disposed(struct access *a)
{
    copy_end(CONTAINER_OF(a, struct copy_req, ia)); /* else a collector finds the intent */
}

static void give_up(struct copy_req *q, int rc)
{
    q->rc = rc;
    if (q->r.l->stopping) {
        copy_end(q);
        return;
    }
    q->ia.call.frees = true;
    access_run(&q->ia, dispose_build, disposed);
}

/* ---- the link ---- */

static void copy_guards(struct link *k, struct cairn_op *op)
{
    struct row_key key;

    intent_key(CONTAINER_OF(k, struct copy_req, link), &key);
    cairn_op_cmp_omap(op, key.b, key.len, CAIRN_PRESENT, NULL, 0);
}

static void copy_rows(struct link *k, struct link_rows *rows)
{
    intent_key(CONTAINER_OF(k, struct copy_req, link), link_gone(rows));
}

static void copy_linked(struct link *k)
{
    struct copy_req *q = CONTAINER_OF(k, struct copy_req, link);

    if (k->a.code == 0) {
        counter_add(&q->r.l->n.copies, 1);
        copy_end(q);
        return;
    }
    give_up(q, k->a.code == -R_GUARD_FAILED ? -R_INTENT_LOST : k->a.code);
}

static void copy_link(struct copy_req *q)
{
    q->entry.mtime_ns = env_wall_ns(q->r.l->env);
    entry_row_encode(&q->entry, &q->link.next);
    q->link.guards = copy_guards;
    q->link.rows = copy_rows;
    link_run(&q->link, copy_linked);
}

/* ---- coming into the list ---- */

static void refer(struct copy_req *q);

static void refer_again(struct env_timer *t)
{
    refer(CONTAINER_OF(t, struct copy_req, pause));
}

static void refer_later(struct copy_req *q)
{
    struct env *env = q->r.l->env;
    uint64_t most_ms = MIN(REFER_PAUSE_MS << MIN(q->tries, 10u), REFER_PAUSE_MS_MAX);

    env_timer_after(env, &q->pause, env_random_u64(env) % (most_ms * NS_PER_MS));
}

/* Believe what the failed guard has shown. */
static int was_learn(struct copy_req *q)
{
    struct bytes value;
    int rc = call_present(&q->refer, cairn_op_failed_step(q->refer.op), &value);

    if (rc < 0)
        return rc;
    writer_fini(&q->was);
    wr_raw(&q->was, value.data, value.len);
    return ++q->tries == REFER_TRIES_MAX ? -R_COPIES_FULL : q->was.rc;
}

static void referred(struct call *c)
{
    struct copy_req *q = CONTAINER_OF(c, struct copy_req, refer);
    int rc = c->code;

    if (rc == 0) {
        copy_link(q);
        return;
    }
    if (rc == -R_GUARD_FAILED) {
        rc = was_learn(q);
        if (rc == 0) {
            refer_later(q);
            return;
        }
    }
    give_up(q, rc == -R_NO_OBJECT ? -R_DATA_LOST : rc);
}

static void refer(struct copy_req *q)
{
    struct cairn_op *op;
    AUTO(writer) next = {0};
    int rc = refs_add(written(&q->was), &q->entry.origin, &q->entry.version, &next);

    if (rc < 0) { /* a list that cannot be read lets nobody in; the bytes may be as good as ever */
        give_up(q, rc == -R_DATA_LOST || rc == -ENOMEM ? rc : -R_COPIES_FULL);
        return;
    }
    op = call_begin(&q->refer, CALL_DATA);
    name_stripe(q->refer.name, &q->first.id, 0);
    if (op) {
        cairn_op_assert_exists(op);
        cairn_op_cmp_xattr(op, REFS_XATTR, q->was.len ? CAIRN_EQ : CAIRN_ABSENT, q->was.data,
                           q->was.len);
        cairn_op_xattr_set(op, REFS_XATTR, next.data, next.len);
    }
    call_under_intent(&q->refer, q->asked_ns);
    call_submit(&q->refer, referred);
}

/* ---- the intent ---- */

static int intent_build(struct access *a, struct cairn_op *op)
{
    struct copy_req *q = CONTAINER_OF(a, struct copy_req, ia);
    struct cairn_pair set[2];
    struct row_key intent, manifest;
    AUTO(writer) w = {0};
    unsigned n = 0;

    q->asked_ns = env_now_ns(a->l->env);
    q->intent.epoch = access_epoch(a);
    intent_row_encode(&q->intent, &w);
    if (w.rc < 0)
        return w.rc;
    intent_key(q, &intent);
    set[n++] = pair_of(key_bytes(&intent), written(&w));
    row_key_of(&manifest, ROW_MANIFEST, q->r.key, &q->entry.version);
    if (q->manifest.len)
        set[n++] = pair_of(key_bytes(&manifest), written(&q->manifest));
    cairn_op_omap_set(op, set, n);
    return 0;
}

static void intent_written(struct access *a)
{
    struct copy_req *q = CONTAINER_OF(a, struct copy_req, ia);

    if (a->code < 0) {
        give_up(q, a->code); /* nobody knows whether it is there */
        return;
    }
    access_pin(&q->ia, &a->b->id); /* the intent and what it is for lie in one shard */
    access_pin(&q->link.a, &a->b->id);
    if (PLANTED(PLANT_COPY_UNLISTED))
        copy_link(q);
    else
        refer(q);
}

static void copy_run(struct op *op)
{
    struct copy_req *q = CONTAINER_OF(op, struct copy_req, r.op);

    access_run(&q->ia, intent_build, intent_written);
}

/* ---- the request ---- */

static void copy_finish(struct req *r)
{
    struct copy_req *q = CONTAINER_OF(r, struct copy_req, r);
    struct object_info info;
    int rc = r->op.rc;

    if (rc == 0)
        rc = entry_info(&q->entry, NULL, &info);
    q->done(q->arg, rc, rc < 0 ? NULL : &info);
}

static void copy_fini(struct req *r)
{
    struct copy_req *q = CONTAINER_OF(r, struct copy_req, r);

    access_fini(&q->ia);
    call_fini(&q->refer);
    link_fini(&q->link);
    writer_fini(&q->headers);
    writer_fini(&q->tags);
    writer_fini(&q->manifest);
    writer_fini(&q->was);
}

/* What the source has, and what is to be said of the copy. */
static int copy_fill(struct copy_req *q, const struct get_source *from,
                     const struct object_put_args *args)
{
    bool whole = from->entry->place == ENTRY_STRIPES;

    headers_encode(args->headers, args->header_count, &q->headers);
    if (args->tag_count)
        headers_encode(args->tags, args->tag_count, &q->tags);
    if (!whole)
        manifest_encode(from->parts, from->told, from->part_count, &q->manifest);
    q->first = from->parts[0]; /* only the last part may be empty, and there is data */
    q->entry = *from->entry;
    q->entry.version = layer_uuid(q->r.l);
    q->entry.headers = written(&q->headers);
    q->entry.tags = written(&q->tags);
    q->entry.acl = (uint8_t)args->acl;
    q->intent = (struct intent_row){.instance = q->r.l->instance,
                                    .kind = whole ? GARBAGE_STRIPES : GARBAGE_MANIFEST};
    if (whole)
        q->intent.stripes = q->first;
    else
        q->intent.origin = q->entry.origin;
    return q->headers.rc < 0 ? q->headers.rc : q->tags.rc < 0 ? q->tags.rc : q->manifest.rc;
}

bool object_copy_may(const struct object_get *from)
{
    struct get_source s = object_get_source(from);

    return s.entry->place != ENTRY_INLINE && s.entry->size > s.inline_bytes_max;
}

int object_copy(struct bucket_layer *l, const struct s3_principal *who,
                const struct object_get *from, const struct object_put_args *args,
                object_info_fn *done, void *arg)
{
    struct get_source source = object_get_source(from);
    struct copy_req *q = NULL;
    int rc = s3_key_check(args->key);

    ASSERT(object_copy_may(from) && !args->upload.len);
    if (rc == 0)
        rc = s3_headers_check(args->headers, args->header_count);
    if (rc == 0)
        rc = s3_tags_check(args->tags, args->tag_count);
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, args->bucket, args->key, copy_run, &rc);
    if (!q)
        return rc;
    access_init(&q->ia, l, who, q->r.bucket, q->r.key);
    call_init(&q->refer, l);
    env_timer_init(&q->pause, refer_again);
    link_init(&q->link, l, who, q->r.bucket, q->r.key);
    q->link.cond = args->cond;
    q->done = done;
    q->arg = arg;
    rc = copy_fill(q, &source, args);
    if (rc < 0) {
        copy_fini(&q->r);
        req_destroy(&q->r);
        return rc;
    }
    req_start(&q->r, copy_finish, copy_fini);
    return 0;
}
