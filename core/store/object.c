/* object.c - the cache of onodes, and the handles that pin them.
 *
 * A cached object carries two views.  `meta` is projected: what getters see, after everything that
 * was submitted.  `tags`, `shards` and `nid` are resolved: after the transactions whose
 * after-images exist.  The two differ only while a transaction waits for a load.  Shards come into
 * memory one by one; an object leaves memory as a whole, the least recently used first, when nobody
 * holds it.
 *
 * An onode that cannot be read gives a handle that says "damaged": reads fail, and only a delete in
 * a transaction heals it. */
#include "core/store/store_int.h"

struct object *object_find(struct store *s, const struct oid *oid)
{
    for (struct hnode *n = htable_first(&s->objects, oid_hash64(oid)); n; n = htable_next(n)) {
        struct object *obj = CONTAINER_OF(n, struct object, node);

        if (oid_equal(&obj->oid, oid))
            return obj;
    }
    return NULL;
}

void object_destroy(struct object *obj)
{
    list_remove(&obj->lru);
    for (uint32_t i = 0; i < obj->shard_cap; i++)
        mem_free(obj->shards[i]);
    mem_free(obj->shards);
    mem_free(obj->tags);
    onode_meta_fini(&obj->meta);
    oid_fini(&obj->oid);
    mem_free(obj);
}

static void object_free(struct object *obj)
{
    struct store *s = obj->s;

    htable_remove(&s->objects, &obj->node);
    s->onode_bytes -= obj->cost;
    object_destroy(obj);
}

static struct object *object_create(struct store *s, const struct oid *oid)
{
    struct object *obj = mem_zalloc(sizeof(*obj));

    if (!obj)
        return NULL;
    if (oid_copy(oid, &obj->oid) < 0) {
        mem_free(obj);
        return NULL;
    }
    obj->s = s;
    list_init(&obj->lru);
    list_init(&obj->opens);
    list_init(&obj->waiters);
    htable_insert(&s->objects, &obj->node, oid_hash64(oid));
    object_cost(obj);
    return obj;
}

void object_cost(struct object *obj)
{
    uint32_t cost =
        (uint32_t)(sizeof(*obj) + 64 + obj->oid.ns_bytes + obj->oid.name_bytes +
                   obj->shard_cap * (sizeof(*obj->tags) + sizeof(*obj->shards)) + obj->shard_bytes);

    if (obj->meta.xattrs)
        cost += obj->meta.xattrs->bytes;
    obj->s->onode_bytes += cost;
    obj->s->onode_bytes -= obj->cost;
    obj->cost = cost;
}

struct object *object_ref(struct object *obj)
{
    if (obj->refs++ == 0)
        list_remove(&obj->lru);
    return obj;
}

void object_unref(struct object *obj)
{
    struct store *s;

    if (!obj)
        return;
    s = obj->s;
    ASSERT(obj->refs > 0);
    if (--obj->refs)
        return;
    if (!obj->loaded || obj->load_rc) {
        object_free(obj);
        return;
    }
    list_push_back(&s->lru, &obj->lru);
    while (s->onode_bytes > s->cache_max / 2 && !list_empty(&s->lru))
        object_free(LIST_FIRST(&s->lru, struct object, lru));
    kept_trim(s);
}

int object_room(struct object *obj, uint32_t shard_count)
{
    uint32_t cap = MAX(obj->shard_cap, 1u);
    struct shard_row **shards;
    uint32_t *tags;

    if (shard_count <= obj->shard_cap)
        return 0;
    while (cap < shard_count)
        cap *= 2;
    shards = mem_realloc(obj->shards, cap * sizeof(*shards));
    if (!shards)
        return -ENOMEM;
    obj->shards = shards;
    tags = mem_realloc(obj->tags, cap * sizeof(*tags));
    if (!tags)
        return -ENOMEM;
    obj->tags = tags;
    memset(shards + obj->shard_cap, 0, (cap - obj->shard_cap) * sizeof(*shards));
    memset(tags + obj->shard_cap, 0, (cap - obj->shard_cap) * sizeof(*tags));
    obj->shard_cap = cap;
    return 0;
}

/* --- opening --- */

static int onode_load(struct object *obj, struct bytes key, struct bytes value)
{
    struct onode_meta meta;
    uint32_t *tags = NULL, count = 0;
    int rc = onode_decode(key, value, &meta, &tags, &count);

    if (rc == -ENOMEM)
        return rc;
    if (rc < 0) {
        counter_add(&obj->s->m.csum_errors, 1);
        log_error(&obj->s->log, "an onode cannot be read", KV_RC(rc));
        obj->meta = (struct onode_meta){.exists = true, .damaged = true};
        obj->exists = obj->damaged = true;
        obj->loaded = true;
        return 0;
    }
    if (object_room(obj, count) < 0) {
        onode_meta_fini(&meta);
        mem_free(tags);
        return -ENOMEM;
    }
    if (count)
        memcpy(obj->tags, tags, count * sizeof(*tags));
    mem_free(tags);
    obj->meta = meta;
    obj->nid = meta.nid;
    obj->size = meta.size;
    obj->exists = true;
    obj->damaged = meta.damaged;
    obj->loaded = true;
    return 0;
}

static void open_done(struct env_task *task)
{
    struct object_open *o = CONTAINER_OF(task, struct object_open, task);
    struct store *s = o->obj ? o->obj->s : NULL;

    if (o->rc < 0) {
        object_unref(o->obj);
        o->obj = NULL;
    }
    o->done(o);
    if (s)
        store_busy_end(s);
}

/* Answer from the loop; every answer holds a reference and one of the store's busy marks. */
static void open_answer(struct object *obj, struct object_open *o, int rc)
{
    o->obj = object_ref(obj);
    o->rc = rc;
    store_busy(obj->s);
    env_task_init(&o->task, open_done);
    env_post(obj->s->env, &o->task);
}

static void load_finish(struct object *obj, int rc)
{
    struct list *l;

    obj->loading = false;
    obj->load_rc = obj->loaded ? 0 : rc;
    if (obj->loaded)
        object_cost(obj);
    while ((l = list_pop_front(&obj->opens)))
        open_answer(obj, CONTAINER_OF(l, struct object_open, task.link), obj->load_rc);
    object_unref(obj);
}

static void onode_read(struct kvread *k)
{
    struct object *obj = k->arg;
    struct bytes value;
    int rc = k->rc, newer = overlay_get(&k->s->overlay, k->keys[0], &value);

    if (store_dead(k->s))
        rc = k->s->failed ? -R_STORE_FAILED : -R_STOPPED;
    if (rc == 0) {
        if (newer == ROW_PUT)
            rc = onode_load(obj, k->keys[0], value);
        else if (newer == 0 && k->values[0].data)
            rc = onode_load(obj, k->keys[0], k->values[0]);
        else
            obj->loaded = true;
    }
    kvread_finish(k);
    load_finish(obj, rc);
}

static int onode_fetch(struct object *obj)
{
    struct store *s = obj->s;
    uint8_t memory[STORE_KEY_MAX];
    struct writer w = wr_over(memory, sizeof(memory));
    struct bytes key, value;
    struct kvread *k;
    int newer;

    key_onode(&w, &obj->oid);
    key = (struct bytes){memory, (uint32_t)w.len};
    newer = overlay_get(&s->overlay, key, &value);
    if (newer == ROW_PUT)
        return onode_load(obj, key, value);
    if (newer) {
        obj->loaded = true;
        return 0;
    }
    k = kvread_create(s, onode_read, obj);
    if (!k || kvread_keys(k, 1) < 0 || kvread_copy(k, key, &k->keys[0]) < 0) {
        if (k)
            kvread_finish(k);
        return -ENOMEM;
    }
    kvread_start(k);
    return 1;
}

int store_object_peek(struct store *s, const struct oid *oid, struct object **out_obj)
{
    struct object *obj = object_find(s, oid);

    if (!obj || !obj->loaded)
        return 0;
    *out_obj = object_ref(obj);
    return 1;
}

static void open_refused(struct env_task *task)
{
    struct object_open *o = CONTAINER_OF(task, struct object_open, task);

    o->done(o);
}

void store_object_open(struct store *s, struct object_open *o)
{
    struct object *obj = object_find(s, &o->oid);
    int rc = 0;

    o->obj = NULL;
    if (store_dead(s))
        rc = s->failed ? -R_STORE_FAILED : -R_STOPPED;
    else if (!obj && !(obj = object_create(s, &o->oid)))
        rc = -ENOMEM;
    else if (!obj->loaded && !obj->loading) {
        obj->loading = true;
        list_push_back(&obj->opens, &o->task.link);
        object_ref(obj); /* the loader's */
        rc = onode_fetch(obj);
        if (rc <= 0)
            load_finish(obj, rc);
        return;
    }
    if (rc < 0) {
        o->rc = rc;
        env_task_init(&o->task, open_refused);
        env_post(s->env, &o->task);
    } else if (obj->loading) {
        list_push_back(&obj->opens, &o->task.link);
    } else {
        open_answer(obj, o, 0);
    }
}

const struct oid *object_oid(const struct object *obj)
{
    return &obj->oid;
}

bool object_exists(const struct object *obj)
{
    return obj->meta.exists;
}

uint64_t object_size(const struct object *obj)
{
    return obj->meta.size;
}

struct version object_version(const struct object *obj)
{
    return obj->meta.version;
}

bool object_damaged(const struct object *obj)
{
    return obj->meta.damaged;
}

int object_xattr(const struct object *obj, struct bytes name, struct bytes *out_value)
{
    return xattrs_find(obj->meta.xattrs, name, out_value) ? 0 : -R_NO_XATTR;
}

int object_xattr_next(const struct object *obj, struct bytes after, struct bytes *out_name,
                      struct bytes *out_value)
{
    return xattrs_after(obj->meta.xattrs, after, out_name, out_value) ? 1 : 0;
}

/* --- shards --- */

struct fetch {
    struct object **objs; /* ref, one per key (arena of the kvread) */
    uint32_t *indexes;
    void (*done)(void *arg, int rc);
    void *arg;
};

struct shard_row *shard_row_create(struct bytes stored)
{
    struct shard_row *r = mem_alloc(sizeof(*r) + stored.len);

    if (r) {
        r->bytes = stored.len;
        memcpy(r->data, stored.data, stored.len);
    }
    return r;
}

static uint32_t shard_row_cost(const struct shard_row *r)
{
    return r ? (uint32_t)sizeof(*r) + r->bytes + 16 : 0; /* and what an allocation takes */
}

void object_shard_set(struct object *obj, uint32_t i, struct shard_row *row)
{
    struct shard_row *old = obj->shards[i];

    obj->shard_bytes += shard_row_cost(row);
    obj->shard_bytes -= shard_row_cost(old);
    obj->shards[i] = row;
    mem_free(old);
}

static struct shard_row *shard_row_lost(struct object *obj, uint32_t i)
{
    uint8_t memory[SHARD_ROW_MAX];
    struct writer w = wr_over(memory, sizeof(memory));
    struct shard sh;

    counter_add(&obj->s->m.csum_errors, 1);
    log_error(&obj->s->log, "the map of an object's region cannot be read", KV_U64("nid", obj->nid),
              KV_U64("region", i));
    shard_lose(&sh, SHARD_BLOCKS);
    (void)shard_encode(&w, obj->nid, i, &sh); /* what it was is still in its tag */
    return shard_row_create((struct bytes){memory, (uint32_t)w.len});
}

/* Put one shard into memory from the value found; a bad one comes in as lost. */
static int shard_install(struct object *obj, uint32_t i, struct bytes value)
{
    struct shard_row *row;
    struct shard sh;

    if (obj->tags[i] == 0 || obj->shards[i])
        return 0;
    if (!value.data || shard_tag(value) != obj->tags[i] ||
        shard_decode(value, obj->nid, i, &sh) < 0)
        row = shard_row_lost(obj, i);
    else
        row = shard_row_create(value);
    if (!row)
        return -ENOMEM;
    object_shard_set(obj, i, row);
    object_cost(obj);
    return 0;
}

static void shards_read(struct kvread *k)
{
    struct fetch *f = k->arg;
    struct store *s = k->s;
    void (*done)(void *arg, int rc) = f->done;
    void *arg = f->arg;
    int rc = k->rc;

    for (uint32_t i = 0; i < k->key_count; i++) {
        struct object *obj = f->objs[i];
        struct bytes value = k->values[i];
        uint64_t nid = 0;
        struct bytes rest;

        (void)key_nid_get(k->keys[i], &nid, &rest); /* our own key */
        if (rc == 0 && !store_dead(s) && nid == obj->nid) {
            int newer = overlay_get(&s->overlay, k->keys[i], &value);

            if (newer == ROW_DEL)
                value = (struct bytes){0};
            rc = shard_install(obj, f->indexes[i], value);
        }
        object_unref(obj);
    }
    kvread_finish(k);
    done(arg, rc);
}

static int fetch_create(struct store *s, uint32_t count, struct kvread **out_k)
{
    struct kvread *k = kvread_create(s, shards_read, NULL);
    struct fetch *f = k ? arena_zalloc(&k->arena, sizeof(*f)) : NULL;

    if (!f || kvread_keys(k, count) < 0)
        goto no_memory;
    f->objs = arena_alloc(&k->arena, count * sizeof(*f->objs));
    f->indexes = arena_alloc(&k->arena, count * sizeof(*f->indexes));
    if (!f->objs || !f->indexes)
        goto no_memory;
    k->arg = f;
    *out_k = k;
    return 0;
no_memory:
    if (k)
        kvread_finish(k);
    return -ENOMEM;
}

static bool shard_missing(const struct object *obj, uint32_t i)
{
    return i < obj->shard_cap && obj->tags[i] && !obj->shards[i];
}

/* Fill in the keys that LevelDB must answer; what the overlay has comes in at once. */
static int fetch_fill(struct store *s, struct kvread *k, const struct shard_load *want,
                      uint32_t count)
{
    struct fetch *f = k->arg;
    uint32_t n = 0;

    for (uint32_t w = 0; w < count; w++)
        for (uint32_t i = want[w].first; i < want[w].first + want[w].count; i++) {
            uint8_t memory[16];
            struct writer key = wr_over(memory, sizeof(memory));
            struct bytes value = {0};
            struct object *obj = want[w].obj;
            int newer, rc = 0;

            if (!shard_missing(obj, i))
                continue;
            key_shard(&key, obj->nid, i);
            newer = overlay_get(&s->overlay, (struct bytes){memory, (uint32_t)key.len}, &value);
            if (newer)
                rc = shard_install(obj, i, newer == ROW_PUT ? value : (struct bytes){0});
            else if ((rc = kvread_copy(k, (struct bytes){memory, (uint32_t)key.len},
                                       &k->keys[n])) == 0) {
                f->objs[n] = obj;
                f->indexes[n++] = i;
            }
            if (rc < 0)
                return rc;
        }
    k->key_count = n;
    return 0;
}

int shards_load(struct store *s, const struct shard_load *want, uint32_t count,
                void (*done)(void *arg, int rc), void *arg)
{
    uint32_t missing = 0;
    struct kvread *k;
    struct fetch *f;
    int rc;

    for (uint32_t w = 0; w < count; w++)
        for (uint32_t i = want[w].first; i < want[w].first + want[w].count; i++)
            missing += shard_missing(want[w].obj, i);
    if (missing == 0)
        return 0;
    rc = fetch_create(s, missing, &k);
    if (rc < 0)
        return rc;
    rc = fetch_fill(s, k, want, count);
    if (rc < 0 || k->key_count == 0) {
        kvread_finish(k);
        return rc;
    }
    f = k->arg;
    for (uint32_t i = 0; i < k->key_count; i++)
        object_ref(f->objs[i]);
    f->done = done;
    f->arg = arg;
    kvread_start(k);
    return 1;
}
