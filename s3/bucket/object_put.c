/* object_put.c - a stream of bytes becomes an object or a part.
 *
 * Bytes wait in `held`.  A small object stays there until the commit and then travels inside the
 * link. Otherwise the intent is written first; then `held` is cut into stripes, a bounded number of
 * which are under way.  The commit sends the rest, waits for every answer, and links (put_link.c).
 *
 * However it ends, the user hears of it once; what is left behind (an intent and stripes that
 * nobody will refer to) is turned into garbage afterwards, in the background: `finished` means that
 * the user is gone, `disposing` that this has begun.  A failure is kept in `rc`: nothing new is
 * begun, what is under way is waited for. */
#include "s3/bucket/put_int.h"

struct stripe_write {
    struct list link;
    struct object_put *p;
    struct call call;
    uint64_t bytes;
};

/* Its share of what all may hold: a stripe at least, so that each gets on. */
static uint64_t window_bytes(const struct object_put *p)
{
    const struct bucket_conf *c = &p->l->conf;
    uint64_t share = c->put_bytes_max / MAX(p->l->puts_turns, 1u);

    return MIN(MAX(share, (uint64_t)c->stripe_bytes),
               (uint64_t)c->window_objects * c->stripe_bytes);
}

/* Too large, or of unknown length and grown too large, for the index; parts always are. */
static bool put_striped(const struct object_put *p)
{
    uint32_t max = p->l->conf.inline_bytes_max;

    return p->part_number || p->total > max || (p->size != UINT64_MAX && p->size > max);
}

static void put_kick(struct object_put *p)
{
    env_timer_after(p->l->env, &p->kick, 0);
}

static void writes_cancel(struct object_put *p)
{
    LIST_EACH_SAFE (at, &p->writes) {
        call_cancel(&LIST_ENTRY(at, struct stripe_write, link)->call);
    }
}

/* ---- turns: as many take bytes as may hold a stripe each, the others wait in order ---- */

static void turn_take(struct object_put *p)
{
    struct bucket_layer *l = p->l;

    if (!put_striped(p) && p->size != UINT64_MAX)
        return;
    if (l->puts_turns < l->conf.put_bytes_max / l->conf.stripe_bytes) {
        p->turn = TURN_HAS;
        l->puts_turns++;
    } else {
        p->turn = TURN_WAITS;
        list_push_back(&l->puts_waiting, &p->turn_link);
    }
}

static void turn_pass(struct object_put *p)
{
    struct bucket_layer *l = p->l;
    struct object_put *next;

    list_remove(&p->turn_link);
    if (p->turn != TURN_HAS)
        return;
    l->puts_turns--;
    if (list_empty(&l->puts_waiting))
        return;
    next = LIST_FIRST(&l->puts_waiting, struct object_put, turn_link);
    list_remove(&next->turn_link);
    next->turn = TURN_HAS;
    l->puts_turns++;
    next->tell_room = true;
    put_kick(next);
}

/* ---- its end ---- */

static void put_gone(struct object_put *p)
{
    struct bucket_layer *l = p->l;

    env_timer_cancel(l->env, &p->renew);
    turn_pass(p);
    list_remove(&p->stream.link);
    buf_fini(&p->held);
    access_fini(&p->ia);
    access_fini(&p->pa);
    link_fini(&p->link);
    writer_fini(&p->headers);
    writer_fini(&p->tags);
    writer_fini(&p->part_was);
    writer_fini(&p->upload_was);
    mem_free(p->part_rows);
    arena_fini(&p->arena);
    mem_free(p);
    gauge_set(&l->n.puts_open, gauge_get(&l->n.puts_open) - 1);
    layer_dead(l);
}

/* The user is gone: wait for what is under way, clean up, go. */
static void put_wind_up(struct object_put *p)
{
    if (p->flying || p->ia.busy || p->linking || p->going)
        return;
    if (p->intent != INTENT_NONE && !p->disposing && !p->l->stopping) {
        p->disposing = true;
        put_intent_dispose(p);
        return;
    }
    p->going = true; /* from the loop: whoever called us still looks at it */
    put_kick(p);
}

static void put_finish(struct object_put *p, int rc)
{
    object_info_fn *done = TAKE(p->done);

    p->finished = true;
    p->room = NULL;
    buf_fini(&p->held);
    if (rc < 0)
        counter_add(&p->l->n.puts_aborted, 1);
    else
        counter_add(&p->l->n.puts, 1);
    if (done)
        done(p->done_arg, rc, rc < 0 ? NULL : &p->info);
    put_wind_up(p);
}

void put_linked(struct object_put *p, int rc)
{
    p->linking = false;
    if (rc == 0)
        p->intent = INTENT_NONE; /* the link took it away */
    put_finish(p, rc);
}

void put_fail(struct object_put *p, int rc)
{
    if (p->rc < 0 || p->finished)
        return;
    p->rc = rc;
    put_kick(p);
}

/* ---- stripes ---- */

static void stripe_end(struct stripe_write *w)
{
    struct object_put *p = w->p;
    struct bucket_layer *l = p->l;

    list_remove(&w->link);
    p->flying--;
    p->flying_bytes -= w->bytes;
    gauge_set(&l->n.put_bytes, gauge_get(&l->n.put_bytes) - (int64_t)w->bytes);
    call_fini(&w->call);
    mem_free(w);
}

static void stripe_written(struct call *c)
{
    struct stripe_write *w = CONTAINER_OF(c, struct stripe_write, call);
    struct object_put *p = w->p;
    int code = c->code;

    stripe_end(w);
    if (code < 0)
        put_fail(p, code);
    else if (p->room && p->rc == 0 && object_put_room(p))
        p->tell_room = true;
    put_kick(p);
}

static void stripe_send(struct object_put *p)
{
    uint64_t bytes = MIN(p->held.bytes, (uint64_t)p->l->conf.stripe_bytes);
    struct stripe_write *w = mem_zalloc(sizeof(*w));
    AUTO(buf) data = {0};
    struct cairn_op *op;

    if (!w || buf_slice(&p->held, 0, bytes, &data) < 0) {
        mem_free(w);
        put_fail(p, -ENOMEM);
        return;
    }
    w->p = p;
    w->bytes = bytes;
    call_init(&w->call, p->l);
    op = call_begin(&w->call, CALL_DATA);
    if (op)
        cairn_op_write_full_buf(op, &data);
    call_under_intent(&w->call, p->valid_ns);
    name_stripe(w->call.name, &p->id, p->next_stripe++);
    list_push_back(&p->writes, &w->link);
    p->flying++;
    p->flying_bytes += bytes;
    p->sent += bytes;
    buf_drop_front(&p->held, bytes);
    gauge_set(&p->l->n.put_bytes, gauge_get(&p->l->n.put_bytes) + (int64_t)bytes);
    call_submit(&w->call, stripe_written);
}

static void stripes_send(struct object_put *p)
{
    uint32_t stripe = p->l->conf.stripe_bytes;

    while (p->rc == 0 && p->flying < p->l->conf.window_objects &&
           (p->held.bytes >= stripe || (p->committing && p->held.bytes))) {
        if (p->sent + MIN(p->held.bytes, (uint64_t)stripe) > p->promised) {
            put_intent_renew(p); /* and then on */
            return;
        }
        stripe_send(p);
    }
}

void put_pump(struct object_put *p)
{
    if (p->finished) {
        put_wind_up(p);
        return;
    }
    if (p->rc == 0 && put_striped(p)) {
        if (p->intent == INTENT_NONE)
            put_intent_write(p);
        else if (p->intent == INTENT_HELD)
            stripes_send(p);
    }
    if (!p->committing || p->linking || p->flying || p->ia.busy)
        return;
    if (p->rc < 0) {
        put_finish(p, p->rc);
    } else if (!put_striped(p) || (p->intent == INTENT_HELD && !p->held.bytes)) {
        p->linking = true;
        put_link(p);
    }
}

/* ---- what the user calls ---- */

static void put_stop(struct stream *s)
{
    struct object_put *p = CONTAINER_OF(s, struct object_put, stream);

    put_fail(p, -R_STOPPED); /* its calls are cancelled by the layer */
}

static int args_check(const struct bucket_layer *l, const struct object_put_args *a,
                      struct uuid *out_upload)
{
    int rc = layer_takes(l);

    if (rc == 0 && !bucket_name_valid(a->bucket))
        rc = -R_NO_BUCKET;
    if (rc == 0)
        rc = s3_key_check(a->key);
    if (rc == 0)
        rc = s3_headers_check(a->headers, a->header_count);
    if (rc == 0)
        rc = s3_tags_check(a->tags, a->tag_count);
    if (rc == 0 && a->size != UINT64_MAX && a->size > S3_PUT_BYTES_MAX)
        rc = -R_ENTITY_TOO_LARGE;
    if (rc == 0 && a->upload.len) {
        if (a->part_number < 1 || a->part_number > S3_PART_NUMBER_MAX)
            rc = -EINVAL;
        else if (uuid_parse(a->upload, out_upload) < 0)
            rc = -R_NO_UPLOAD;
    }
    return rc;
}

static int put_fill(struct object_put *p, const struct object_put_args *a)
{
    int rc = bytes_dup(&p->arena, a->bucket, &p->bucket);

    if (rc == 0)
        rc = bytes_dup(&p->arena, a->key, &p->key);
    headers_encode(a->headers, a->header_count, &p->headers);
    if (a->tag_count)
        headers_encode(a->tags, a->tag_count, &p->tags);
    if (rc == 0)
        rc = p->headers.rc;
    return rc < 0 ? rc : p->tags.rc;
}

static void put_kicked(struct env_timer *t)
{
    struct object_put *p = CONTAINER_OF(t, struct object_put, kick);

    if (p->going) {
        put_gone(p);
        return;
    }
    if (p->rc < 0 && !p->told) {
        p->told = true;
        writes_cancel(p);
        if (p->room) {
            p->room(p->arg);
            return; /* which may have ended it; if not, what was cancelled goes on */
        }
    }
    put_pump(p);
    if (p->tell_room && p->room && p->rc == 0) {
        p->tell_room = false;
        p->room(p->arg);
    }
}

int object_put_open(struct bucket_layer *l, const struct s3_principal *who,
                    const struct object_put_args *args, struct object_put **out_put)
{
    struct uuid upload = {{0}};
    struct object_put *p;
    int rc = args_check(l, args, &upload);

    if (rc < 0)
        return rc;
    p = mem_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    arena_init(&p->arena);
    p->l = l;
    p->who = *who;
    p->upload = upload;
    p->part_number = args->upload.len ? args->part_number : 0;
    if (!p->part_number)
        p->cond = args->cond;
    p->acl = args->acl;
    p->size = args->size;
    p->room = args->room;
    p->arg = args->arg;
    rc = put_fill(p, args);
    if (rc < 0) {
        writer_fini(&p->headers);
        writer_fini(&p->tags);
        arena_fini(&p->arena);
        mem_free(p);
        return rc;
    }
    p->id = layer_uuid(l);
    list_init(&p->writes);
    list_init(&p->turn_link);
    turn_take(p);
    p->stream.stop = put_stop;
    list_push_back(&l->streams, &p->stream.link);
    access_init(&p->ia, l, who, p->bucket, p->key);
    access_init(&p->pa, l, who, p->bucket, p->key);
    link_init(&p->link, l, who, p->bucket, p->key);
    env_timer_init(&p->renew, put_intent_fired);
    env_timer_init(&p->kick, put_kicked);
    put_kick(p);
    gauge_set(&l->n.puts_open, gauge_get(&l->n.puts_open) + 1);
    layer_live(l);
    *out_put = p;
    return 0;
}

int object_put_rc(const struct object_put *p)
{
    return p->rc;
}

uint64_t object_put_room(const struct object_put *p)
{
    uint64_t used = p->held.bytes + p->flying_bytes;

    if (p->turn == TURN_WAITS)
        return 0;
    return p->rc == 0 && used < window_bytes(p) ? window_bytes(p) - used : 0;
}

int object_put_write(struct object_put *p, const struct buf *data)
{
    uint64_t total;

    ASSERT(!p->committing && !p->finished);
    if (p->rc < 0)
        return p->rc;
    if (!data->bytes)
        return 0;
    if (!object_put_room(p))
        return -EAGAIN;
    if (size_add(p->total, data->bytes, &total) < 0 || total > S3_PUT_BYTES_MAX)
        return p->rc = -R_ENTITY_TOO_LARGE;
    if (p->size != UINT64_MAX && total > p->size)
        return p->rc = -R_ENTITY_TOO_LARGE; /* than announced */
    if (buf_append(&p->held, data, 0, data->bytes) < 0)
        return p->rc = -ENOMEM;
    p->total = total;
    put_pump(p);
    return p->rc;
}

void object_put_commit(struct object_put *p, const uint8_t md5[16], const struct s3_sum *sum,
                       object_info_fn *done, void *arg)
{
    ASSERT(!p->committing && !p->finished);
    memcpy(p->md5, md5, 16);
    if (sum)
        p->sum = *sum;
    p->done = done;
    p->done_arg = arg;
    p->room = NULL;
    p->committing = true;
    if (p->rc == 0 && p->size != UINT64_MAX && p->total != p->size)
        p->rc = -R_ENTITY_TOO_SMALL;
    put_kick(p);
}

void object_put_abort(struct object_put *p)
{
    ASSERT(!p->committing && !p->finished);
    if (p->rc == 0)
        p->rc = -ECANCELED;
    writes_cancel(p);
    put_finish(p, p->rc);
}
