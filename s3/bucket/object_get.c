/* object_get.c - an object becomes a stream of bytes.
 *
 * Opening is one operation: entry and, if it is inline, its data; a manifest costs a second one.
 * Then the wanted range is cut at the borders of stripes into pieces, which are fetched a window
 * ahead and handed out in order.  When all GETs together hold get_bytes_max, because their clients
 * read slowly, each goes on with one small piece at a time.
 *
 * The version stays readable because we renew (README.md): every eighth of the collector's grace we
 * look whether the entry still has it; once it is replaced, its garbage row gets the shard's
 * present epoch, as often as needed.  If a collector has claimed the row we were too slow, and the
 * stream fails; stripes that are missing fail it as well.  So nothing here depends on time for
 * being right, only for going well. */
#include "s3/bucket/bucket_int.h"

enum {
    LOOK_TRIES_MAX = 8,
    PIECE_BYTES_MIN = 256 * 1024, /* whose turn it is gets so much, whatever the others hold */
};

enum get_stage {
    GET_OPENING,
    GET_OPENED,
    GET_STREAMING,
};

struct piece {
    struct call call;
    struct object_get *g;
    struct list link; /* in g->pieces, in order */
    struct buf data;
    uint64_t bytes;
    bool ready;
};

struct object_get {
    struct stream stream;
    struct bucket_layer *l;
    struct arena arena;
    struct bytes bucket, key; /* in the arena */
    enum get_stage stage;
    int rc; /* the stream's first failure */
    bool closed, going;

    struct access a;    /* opening, then looking after the version */
    struct entry_row e; /* its headers lie in the arena */
    struct object_info info;
    struct buf near;       /* the data of an inline object */
    struct stripes *parts; /* in the arena; one, or those of the manifest */
    uint64_t *ends;        /* in the arena: where each part ends in the object */
    uint32_t part_count;
    struct object_part *told; /* in the arena; of the manifest */
    object_info_fn *opened;
    void *arg;

    struct writer garbage_was; /* the row that is to get another date */
    uint8_t garbage_kind;
    uint32_t look_tries;
    struct env_timer renew;

    uint64_t at, end; /* the next byte to fetch, the end of the range */
    struct list pieces;
    uint32_t piece_count;
    uint64_t handed; /* bytes of the piece that the user has now */
    bool wanted;     /* a next is waiting */
    object_piece_fn *piece;
    void *piece_arg;
    struct env_timer kick; /* hand out, or go, from the loop */
};

static void get_kick(struct object_get *g)
{
    env_timer_after(g->l->env, &g->kick, 0);
}

static void get_fail(struct object_get *g, int rc)
{
    if (g->rc == 0)
        g->rc = rc;
    get_kick(g);
}

/* ---- its end ---- */

static void bytes_held(const struct object_get *g, int64_t change)
{
    struct gauge *held = &g->l->n.get_bytes;

    gauge_set(held, gauge_get(held) + change);
}

static void handed_back(struct object_get *g)
{
    bytes_held(g, -(int64_t)g->handed);
    g->handed = 0;
}

static void piece_destroy(struct piece *p)
{
    bytes_held(p->g, -(int64_t)p->bytes);
    list_remove(&p->link);
    p->g->piece_count--;
    call_fini(&p->call);
    buf_fini(&p->data);
    mem_free(p);
}

/* The user is gone: when nothing is under way any more, so are we. */
static void get_wind_up(struct object_get *g)
{
    LIST_EACH_SAFE (at, &g->pieces) {
        struct piece *p = LIST_ENTRY(at, struct piece, link);

        if (!p->call.busy)
            piece_destroy(p);
        else
            call_cancel(&p->call);
    }
    if (g->a.busy)
        call_cancel(&g->a.call);
    if (!g->piece_count && !g->a.busy) {
        g->going = true;
        get_kick(g);
    }
}

static void get_gone(struct object_get *g)
{
    struct bucket_layer *l = g->l;

    env_timer_cancel(l->env, &g->renew);
    list_remove(&g->stream.link);
    access_fini(&g->a);
    buf_fini(&g->near);
    writer_fini(&g->garbage_was);
    arena_fini(&g->arena);
    mem_free(g);
    gauge_set(&l->n.gets_open, gauge_get(&l->n.gets_open) - 1);
    layer_dead(l);
}

/* ---- fetching ---- */

static void piece_read(struct call *c)
{
    struct piece *p = CONTAINER_OF(c, struct piece, call);
    struct object_get *g = p->g;
    const struct buf *data = c->code == 0 ? cairn_op_data_buf(c->op, 0) : NULL;
    int rc = c->code;

    if (rc == 0 && data->bytes != p->bytes)
        rc = -R_DATA_LOST;
    else if (rc == -R_NO_OBJECT || rc == -R_CSUM_MISMATCH)
        rc = -R_DATA_LOST;
    if (rc == 0 && buf_slice(data, 0, data->bytes, &p->data) < 0)
        rc = -ENOMEM;
    call_fini(c); /* its reply holds room of a session: ours may wait for a slow client */
    p->ready = true;
    if (rc < 0)
        get_fail(g, rc);
    else
        get_kick(g);
}

/* The part that holds this byte. */
static uint32_t part_at(const struct object_get *g, uint64_t at)
{
    uint32_t lo = 0, hi = g->part_count;

    while (lo < hi) { /* the first one that ends behind it */
        uint32_t mid = lo + (hi - lo) / 2;

        if (g->ends[mid] > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static void piece_ask(struct object_get *g, struct piece *p, uint64_t bytes_max)
{
    uint32_t n = part_at(g, g->at);
    const struct stripes *s = &g->parts[n];
    uint64_t off, stripe;
    struct cairn_op *op;

    ASSERT(n < g->part_count);
    off = g->at - (n ? g->ends[n - 1] : 0);
    stripe = off / s->stripe;
    off %= s->stripe;
    p->bytes = MIN(MIN(MIN(g->end, g->ends[n]) - g->at, s->stripe - off), bytes_max);
    op = call_begin(&p->call, CALL_DATA);
    if (op)
        cairn_op_read(op, off, p->bytes);
    name_stripe(p->call.name, &s->id, stripe);
    call_submit(&p->call, piece_read);
}

static void fetch(struct object_get *g)
{
    const struct bucket_conf *conf = &g->l->conf;

    while (g->rc == 0 && g->at < g->end && g->piece_count < conf->window_objects) {
        bool room = (uint64_t)gauge_get(&g->l->n.get_bytes) < conf->get_bytes_max;
        struct piece *p;

        if (!room && (g->piece_count || g->handed))
            return;
        p = mem_zalloc(sizeof(*p));

        if (!p) {
            get_fail(g, -ENOMEM);
            return;
        }
        p->g = g;
        call_init(&p->call, g->l);
        list_push_back(&g->pieces, &p->link);
        g->piece_count++;
        if (g->e.place == ENTRY_INLINE) {
            p->bytes = g->end - g->at;
            p->ready = true;
            if (buf_slice(&g->near, g->at, p->bytes, &p->data) < 0)
                get_fail(g, -ENOMEM);
            get_kick(g);
        } else {
            piece_ask(g, p, room ? UINT64_MAX : PIECE_BYTES_MIN);
        }
        bytes_held(g, (int64_t)p->bytes);
        g->at += p->bytes;
    }
}

/* ---- handing out ---- */

static void hand_out(struct object_get *g, int rc, struct buf *data)
{
    object_piece_fn *piece = TAKE(g->piece);

    g->wanted = false;
    piece(g->piece_arg, rc, data); /* g may be closed now, not gone */
}

static void get_kicked(struct env_timer *t)
{
    struct object_get *g = CONTAINER_OF(t, struct object_get, kick);
    struct piece *p = list_empty(&g->pieces) ? NULL : LIST_FIRST(&g->pieces, struct piece, link);
    AUTO(buf) data = {0};

    if (g->going) {
        get_gone(g);
        return;
    }
    if (g->closed) {
        get_wind_up(g);
        return;
    }
    if (!g->wanted)
        return;
    if (g->rc < 0) {
        hand_out(g, g->rc, &data);
    } else if (p && p->ready) {
        data = buf_move(&p->data);
        g->handed = p->bytes;
        bytes_held(g, (int64_t)g->handed);
        piece_destroy(p);
        fetch(g);
        hand_out(g, 0, &data);
    } else if (!p && g->at == g->end) {
        hand_out(g, 0, &data);
    }
}

/* ---- looking after the version ---- */

static void look(struct object_get *g);

static void renew_later(struct object_get *g)
{
    env_timer_after(g->l->env, &g->renew, g->l->conf.reader_grace_ms * NS_PER_MS / 8);
}

static void garbage_key(const struct object_get *g, struct row_key *k)
{
    row_key_garbage(k, g->key, g->garbage_kind, &g->e.version);
}

/* The entry, and the garbage row that there is when it has gone. */
static int look_build(struct access *a, struct cairn_op *op)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    struct row_key entry, garbage;
    struct cairn_pair pairs[2];

    row_key_named(&entry, ROW_ENTRY, g->key);
    garbage_key(g, &garbage);
    pairs[0] = pair_of(key_bytes(&entry), (struct bytes){0});
    pairs[1] = pair_of(key_bytes(&garbage), (struct bytes){0});
    cairn_op_omap_get(op, pairs, 2);
    return 0;
}

static int date_build(struct access *a, struct cairn_op *op)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    struct garbage_row row;
    AUTO(writer) w = {0};
    struct cairn_pair pair;
    struct row_key key;
    int rc = garbage_row_decode(written(&g->garbage_was), &row);

    if (rc < 0)
        return rc;
    garbage_key(g, &key);
    cairn_op_cmp_omap(op, key.b, key.len, CAIRN_EQ, g->garbage_was.data, g->garbage_was.len);
    if (row.epoch == access_epoch(a) || PLANTED(PLANT_NO_REDATE))
        return 0;
    row.epoch = access_epoch(a);
    garbage_row_encode(&row, &w);
    pair = pair_of(key_bytes(&key), written(&w));
    if (w.rc == 0)
        cairn_op_omap_set(op, &pair, 1);
    return w.rc;
}

static void looked_well(struct object_get *g)
{
    g->look_tries = 0;
    counter_add(&g->l->n.renewals, 1);
    renew_later(g);
}

/* 0: look again; or it has changed under us too often. */
static int look_try_again(struct object_get *g)
{
    return ++g->look_tries < LOOK_TRIES_MAX ? 0 : -R_DATA_LOST;
}

static void dated(struct access *a)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    int rc = a->code;

    if (g->closed) {
        get_wind_up(g);
        return;
    }
    if (rc == 0) {
        looked_well(g);
        return;
    }
    if (rc == -R_GUARD_FAILED) /* another reader has dated it, or a collector claimed it */
        rc = look_try_again(g);
    if (rc == -ENOMEM)
        renew_later(g);
    else if (rc < 0)
        get_fail(g, rc);
    else
        look(g);
}

/* The garbage row among what was read: 0 and it is in garbage_was, or -R_DATA_LOST. */
static int garbage_find(struct object_get *g)
{
    struct garbage_row row;
    struct row_key key;
    struct bytes value;

    garbage_key(g, &key);
    if (!call_row(&g->a.call, 1, key_bytes(&key), &value) || garbage_row_decode(value, &row) < 0 ||
        row.state != GARBAGE_WAITING)
        return -R_DATA_LOST;
    writer_fini(&g->garbage_was);
    wr_raw(&g->garbage_was, value.data, value.len);
    return g->garbage_was.rc;
}

static void looked(struct access *a)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    struct entry_row now;
    struct row_key key;
    struct bytes value;
    int rc = a->code;

    if (g->closed) {
        get_wind_up(g);
        return;
    }
    row_key_named(&key, ROW_ENTRY, g->key);
    if (rc == 0 && call_row(&a->call, 1, key_bytes(&key), &value) &&
        entry_row_decode(value, &now) == 0 && uuid_equal(&now.version, &g->e.version)) {
        looked_well(g);
        return;
    }
    if (rc == 0)
        rc = garbage_find(g);
    if (rc == 0)
        access_run(a, date_build, dated);
    else if (rc == -ENOMEM)
        renew_later(g);
    else
        get_fail(g, rc);
}

static void look(struct object_get *g)
{
    access_read(&g->a, look_build, looked);
}

static void renew_fired(struct env_timer *t)
{
    struct object_get *g = CONTAINER_OF(t, struct object_get, renew);

    if (g->closed || g->rc < 0 || (g->stage == GET_STREAMING && g->at == g->end && !g->piece_count))
        return; /* all is fetched */
    g->look_tries = 0;
    look(g);
}

/* ---- opening ---- */

static void open_end(struct object_get *g, int rc)
{
    object_info_fn *opened = TAKE(g->opened);

    if (g->closed) {
        get_wind_up(g);
        return;
    }
    g->stage = GET_OPENED;
    if (rc < 0) {
        g->rc = rc;
    } else {
        counter_add(&g->l->n.gets, 1);
        if (g->e.place != ENTRY_INLINE)
            renew_later(g);
    }
    opened(g->arg, rc, rc < 0 ? NULL : &g->info);
}

static int parts_set(struct object_get *g, struct stripes *parts, uint32_t count)
{
    uint64_t end = 0;

    g->ends = arena_alloc(&g->arena, MAX(count, 1u) * sizeof(*g->ends));
    if (!g->ends)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        g->ends[i] = end += parts[i].size;
    g->parts = parts;
    g->part_count = count;
    return end == g->e.size ? 0 : -R_DATA_LOST;
}

static int manifest_build(struct access *a, struct cairn_op *op)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    struct cairn_pair pair;
    struct row_key key;

    row_key_of(&key, ROW_MANIFEST, g->key, &g->e.version);
    pair = pair_of(key_bytes(&key), (struct bytes){0});
    cairn_op_omap_get(op, &pair, 1);
    return 0;
}

static void manifest_read(struct access *a)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    struct stripes *parts = NULL;
    struct row_key key;
    struct bytes value;
    uint32_t count = 0;
    int rc = a->code;

    row_key_of(&key, ROW_MANIFEST, g->key, &g->e.version);
    if (rc == 0 && !call_row(&a->call, 1, key_bytes(&key), &value))
        rc = -R_DATA_LOST;
    if (rc == 0)
        rc = manifest_decode(value, &g->arena, &parts, &count);
    if (rc == 0)
        rc = manifest_parts_decode(value, &g->arena, &g->told, &count);
    if (rc == 0)
        rc = parts_set(g, parts, count);
    open_end(g, rc);
}

static int open_build(struct access *a, struct cairn_op *op)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    struct row_key entry, data;
    struct cairn_pair pairs[2];

    row_key_named(&entry, ROW_ENTRY, g->key);
    row_key_named(&data, ROW_DATA, g->key);
    pairs[0] = pair_of(key_bytes(&entry), (struct bytes){0});
    pairs[1] = pair_of(key_bytes(&data), (struct bytes){0});
    cairn_op_omap_get(op, pairs, 2);
    return 0;
}

/* An inline object: its data row came along. */
static int near_take(struct object_get *g)
{
    struct uuid version;
    struct bytes value, data;
    struct row_key key;
    int rc = 0;

    row_key_named(&key, ROW_DATA, g->key);
    if (!call_row(&g->a.call, 1, key_bytes(&key), &value))
        return -R_DATA_LOST;
    rc = inline_row_decode(value, &version, &data);
    if (rc == 0 && (!uuid_equal(&version, &g->e.version) || data.len != g->e.size))
        rc = -R_DATA_LOST;
    if (rc == 0 && data.len)
        rc = buf_append_copy(&g->near, data.data, data.len);
    return rc;
}

static int stripes_take(struct object_get *g)
{
    struct stripes *s = arena_alloc(&g->arena, sizeof(*s));

    if (!s)
        return -ENOMEM;
    g->garbage_kind = GARBAGE_STRIPES;
    *s = (struct stripes){g->e.origin, g->e.size, g->e.stripe};
    return parts_set(g, s, 1);
}

static int entry_take(struct object_get *g)
{
    struct bytes value;
    struct row_key key;
    int rc;

    row_key_named(&key, ROW_ENTRY, g->key);
    if (!call_row(&g->a.call, 1, key_bytes(&key), &value))
        return access_may_read(&g->a, NULL);
    rc = entry_row_decode(value, &g->e);
    if (rc == 0)
        rc = access_may_read(&g->a, &g->e.acl);
    if (rc == 0)
        rc = entry_info(&g->e, &g->arena, &g->info);
    if (rc < 0)
        return rc;
    g->info.owned = access_owns(&g->a);
    g->e.headers = g->e.tags = (struct bytes){0}; /* they belong to the answer; info has them */
    switch (g->e.place) {
    case ENTRY_INLINE:
        return near_take(g);
    case ENTRY_STRIPES:
        return stripes_take(g);
    default:
        g->garbage_kind = GARBAGE_MANIFEST;
        return 0;
    }
}

static void open_read(struct access *a)
{
    struct object_get *g = CONTAINER_OF(a, struct object_get, a);
    int rc = a->code;

    if (rc == 0) {
        access_pin(a, &a->b->id);
        rc = entry_take(g);
    }
    if (rc == 0 && g->e.place == ENTRY_MANIFEST && !g->closed)
        access_read(a, manifest_build, manifest_read);
    else
        open_end(g, rc);
}

/* ---- what the user calls ---- */

static void get_stop(struct stream *s)
{
    struct object_get *g = CONTAINER_OF(s, struct object_get, stream);

    if (g->stage != GET_OPENING)
        get_fail(g, -R_STOPPED); /* an opening is cancelled with its call */
}

int object_get_open(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                    struct bytes key, object_info_fn *opened, void *arg,
                    struct object_get **out_get)
{
    struct object_get *g;
    int rc = layer_takes(l);

    if (rc == 0 && !bucket_name_valid(bucket))
        rc = -R_NO_BUCKET;
    if (rc == 0)
        rc = s3_key_check(key);
    if (rc < 0)
        return rc;
    g = mem_zalloc(sizeof(*g));
    if (!g)
        return -ENOMEM;
    arena_init(&g->arena);
    if (bytes_dup(&g->arena, bucket, &g->bucket) < 0 || bytes_dup(&g->arena, key, &g->key) < 0) {
        arena_fini(&g->arena);
        mem_free(g);
        return -ENOMEM;
    }
    g->l = l;
    g->opened = opened;
    g->arg = arg;
    list_init(&g->pieces);
    g->stream.stop = get_stop;
    list_push_back(&l->streams, &g->stream.link);
    env_timer_init(&g->renew, renew_fired);
    env_timer_init(&g->kick, get_kicked);
    access_init(&g->a, l, who, g->bucket, g->key);
    g->a.right = RIGHT_READ;
    g->a.call.frees = true; /* it writes a later date into a row that is there */
    gauge_set(&l->n.gets_open, gauge_get(&l->n.gets_open) + 1);
    layer_live(l);
    access_read(&g->a, open_build, open_read);
    *out_get = g;
    return 0;
}

const struct object_part *object_get_parts(const struct object_get *g, uint32_t *out_count)
{
    *out_count = g->told ? g->part_count : 0;
    return g->told;
}

struct get_source object_get_source(const struct object_get *g)
{
    ASSERT(g->stage != GET_OPENING);
    return (struct get_source){&g->e, g->parts, g->told, g->part_count,
                               g->l->conf.inline_bytes_max};
}

void object_get_range(struct object_get *g, uint64_t off, uint64_t bytes)
{
    ASSERT(g->stage == GET_OPENED && off <= g->info.size && bytes <= g->info.size - off);
    g->stage = GET_STREAMING;
    g->at = off;
    g->end = off + bytes;
    fetch(g);
}

int object_get_next(struct object_get *g, object_piece_fn *piece, void *arg)
{
    ASSERT(g->stage == GET_STREAMING && !g->closed);
    if (g->wanted)
        return -EBUSY;
    handed_back(g);
    fetch(g);
    g->wanted = true;
    g->piece = piece;
    g->piece_arg = arg;
    get_kick(g);
    return 0;
}

void object_get_close(struct object_get *g)
{
    ASSERT(!g->closed);
    g->closed = true;
    handed_back(g);
    env_timer_cancel(g->l->env, &g->renew);
    get_kick(g);
}
