/* put_intent.c - the intent of a PUT: written before the first stripe, re-dated while it lasts,
 * turned into garbage when nothing came of it.
 *
 * It says how many bytes of stripes there may be, since a collector has to find them all.  When the
 * length was not announced that is a few stripes at first, and doubles each time that they are used
 * up.
 *
 * One access serves all three, one at a time. */
#include "s3/bucket/put_int.h"

enum { PROMISE_STRIPES = 16 };

void put_intent_key(const struct object_put *p, struct row_key *k)
{
    row_key_of(k, ROW_INTENT, p->key, &p->id);
}

static void renew_later(struct object_put *p)
{
    env_timer_after(p->l->env, &p->renew, intent_life_ns(p->l) / 8);
}

static int intent_value(const struct object_put *p, struct writer *w)
{
    struct intent_row row = {
        .instance = p->l->instance, .kind = GARBAGE_STRIPES, .epoch = access_epoch(&p->ia)};

    row.stripes = (struct stripes){p->id, p->promised_asked, p->l->conf.stripe_bytes};
    intent_row_encode(&row, w);
    return w->rc;
}

static void intent_set(struct cairn_op *op, const struct row_key *key, const struct writer *w)
{
    struct cairn_pair pair = pair_of(key_bytes(key), written(w));

    cairn_op_omap_set(op, &pair, 1);
}

static void key_remove(struct cairn_op *op, const struct row_key *key)
{
    struct cairn_pair pair = pair_of(key_bytes(key), (struct bytes){0});

    cairn_op_omap_rm(op, &pair, 1);
}

/* ---- writing it ---- */

static int write_build(struct access *a, struct cairn_op *op)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, ia);
    AUTO(writer) w = {0};
    struct row_key key;
    int rc = intent_value(p, &w);

    if (rc < 0)
        return rc;
    p->upload_step = -1;
    if (p->part_number) { /* no upload: say so before any data */
        row_key_of(&key, ROW_UPLOAD, p->key, &p->upload);
        p->upload_step = cairn_op_cmp_omap(op, key.b, key.len, CAIRN_PRESENT, NULL, 0);
    }
    put_intent_key(p, &key);
    intent_set(op, &key, &w);
    return 0;
}

static void intent_written(struct access *a)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, ia);
    int rc = a->code;

    if (rc == 0) {
        p->intent = INTENT_HELD;
        p->promised = p->promised_asked;
        p->valid_ns = p->asked_ns;
        access_pin(&p->ia, &a->b->id); /* the intent and what it is for lie in one shard */
        access_pin(&p->pa, &a->b->id);
        access_pin(&p->link.a, &a->b->id);
        renew_later(p);
    } else if (rc == -R_GUARD_FAILED) {
        p->intent = INTENT_NONE;
        rc = -R_NO_UPLOAD;
    } else {
        p->intent = INTENT_UNSURE;
    }
    if (rc < 0)
        put_fail(p, rc);
    put_pump(p);
}

void put_intent_write(struct object_put *p)
{
    p->intent = INTENT_ASKED;
    p->promised_asked =
        p->size != UINT64_MAX ? p->size : PROMISE_STRIPES * (uint64_t)p->l->conf.stripe_bytes;
    p->asked_ns = env_now_ns(p->l->env);
    access_run(&p->ia, write_build, intent_written);
}

/* ---- re-dating it ---- */

static int renew_build(struct access *a, struct cairn_op *op)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, ia);
    AUTO(writer) w = {0};
    struct row_key key;
    int rc = intent_value(p, &w);

    if (rc < 0)
        return rc;
    put_intent_key(p, &key);
    cairn_op_cmp_omap(op, key.b, key.len, CAIRN_PRESENT, NULL, 0);
    intent_set(op, &key, &w);
    return 0;
}

static void renewed(struct access *a)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, ia);

    if (a->code == 0) {
        p->intent = INTENT_HELD;
        p->promised = p->promised_asked;
        p->valid_ns = p->asked_ns;
        counter_add(&p->l->n.renewals, 1);
    } else if (a->code == -R_GUARD_FAILED) {
        p->intent = INTENT_NONE; /* a collector has it */
        put_fail(p, -R_INTENT_LOST);
    } else if (a->code == -ENOMEM && p->promised_asked == p->promised) {
        p->intent = INTENT_HELD; /* not sent: the next time will do */
    } else {
        p->intent = INTENT_UNSURE;
        put_fail(p, a->code);
    }
    if (!p->finished && p->rc == 0)
        renew_later(p);
    put_pump(p);
}

/* Seen, re-dated, and with room for the stripes that come next. */
void put_intent_renew(struct object_put *p)
{
    p->promised_asked = p->promised;
    while (p->size == UINT64_MAX && p->promised_asked < p->sent + p->held.bytes)
        p->promised_asked *= 2;
    p->intent = INTENT_ASKED;
    p->asked_ns = env_now_ns(p->l->env);
    access_run(&p->ia, renew_build, renewed);
}

void put_intent_fired(struct env_timer *t)
{
    struct object_put *p = CONTAINER_OF(t, struct object_put, renew);

    if (p->finished || p->rc < 0 || p->linking)
        return;
    if (p->ia.busy || p->intent != INTENT_HELD) {
        renew_later(p);
        return;
    }
    put_intent_renew(p);
}

/* ---- giving it up ---- */

/* No write of a stripe begins any more; those that were cancelled may still land: two passes. */
static int dispose_build(struct access *a, struct cairn_op *op)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, ia);
    struct garbage_row g = {.state = GARBAGE_WAITING, .kind = GARBAGE_STRIPES, .passes = 1};
    AUTO(writer) w = {0};
    struct cairn_pair pair;
    struct row_key key;

    g.epoch = access_epoch(a);
    g.stripes = (struct stripes){p->id, p->sent, p->l->conf.stripe_bytes};
    garbage_row_encode(&g, &w);
    if (w.rc < 0)
        return w.rc;
    put_intent_key(p, &key);
    cairn_op_cmp_omap(op, key.b, key.len, CAIRN_PRESENT, NULL, 0);
    key_remove(op, &key);
    if (p->sent) {
        row_key_garbage(&key, p->key, g.kind, &p->id);
        pair = pair_of(key_bytes(&key), written(&w));
        cairn_op_omap_set(op, &pair, 1);
    }
    return 0;
}

static void disposed(struct access *a)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, ia);

    /* When it did not work (or nothing was there to dispose of) the collector finds what is left.
     */
    p->intent = INTENT_NONE;
    put_pump(p);
}

void put_intent_dispose(struct object_put *p)
{
    p->ia.call.frees = true;
    access_run(&p->ia, dispose_build, disposed);
}
