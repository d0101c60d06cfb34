/* sim_kv.c - calls on key-value stores: handles, iterators, faults, poisoning.
 *
 * The content (sim_map.c) stays with the machine; a handle is gone with its process. */
#include "core/base/note.h"
#include "core/env/kv_batch.h"
#include "core/env/sim_impl.h"

enum {
    READ_MAX_NS = 20000,
    WRITE_MIN_NS = 5000,
    WRITE_MAX_NS = 100000,
    CHECKPOINT_FLUSHES = 5, /* how many disk delays a checkpoint takes */
};

struct kv {
    struct env *env;       /* first: borrowed */
    struct list link;      /* of the process's stores */
    struct sim_node *node; /* ref */
    struct list iters;     /* owned: kv_iter.link */
    bool poisoned, waits;
};

struct kv_iter {
    struct env *env;  /* first: borrowed */
    struct list link; /* of its store */
    struct kv *kv;    /* borrowed */
    uint64_t snapshot;
    struct sim_entry *at;  /* borrowed from the map, which keeps entries while we hold it */
    struct bytes from, to; /* owned */
    bool ended;
};

static struct sim_process *process_of(const struct kv *kv)
{
    return sim_process_of(kv->env);
}

/* --- opening --- */

static int map_open(struct sim_process *p, const char *folder, const struct kv_conf *conf,
                    struct sim_node **out_node)
{
    struct sim_node *n = sim_node_find(p->m, folder);
    int rc;

    if (!n && !conf->create)
        return -ENOENT;
    if (n && n->kind == SIM_FOLDER && conf->create) /* made for it beforehand */
        n->kind = SIM_KV;
    if (n && n->kind != SIM_KV)
        return n->kind == SIM_FOLDER ? -ENOENT : -ENOTDIR;
    if (n && n->map_open)
        return -EBUSY;
    if (!n) {
        rc = sim_node_make(p->m, folder, SIM_KV, &n);
        if (rc < 0)
            return rc;
    }
    if (!n->map)
        n->map = sim_map_create();
    *out_node = n;
    return 0;
}

int sim_kv_open(struct env *env, const char *folder, const struct kv_conf *conf, struct kv **out_kv,
                struct note *why)
{
    struct sim_process *p = sim_process_of(env);
    struct kv *kv = sim_try_alloc(sizeof(*kv));
    struct sim_node *n = NULL;
    int rc = -EIO;

    if (!kv)
        return -ENOMEM;
    if (sim_process_works(p))
        rc = map_open(p, folder, conf, &n);
    if (rc < 0) {
        sim_free(kv);
        note_add(why, "%s: %s", folder, reason_text(rc));
        return rc;
    }
    n->map_open = true;
    n->refs++;
    kv->env = env;
    kv->node = n;
    list_init(&kv->iters);
    list_push_back(&p->kvs, &kv->link);
    *out_kv = kv;
    return 0;
}

int sim_kv_salvage(struct env *env, const char *folder, struct note *why)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_node *n = sim_node_find(p->m, folder);
    uint64_t bytes;
    int rc = !sim_process_works(p) ? -EIO : !n || n->kind != SIM_KV ? -ENOENT : 0;

    if (rc == 0 && n->map_open)
        rc = -EBUSY;
    if (rc == 0 && !sim_io_starts(p))
        rc = -EIO;
    if (rc < 0) {
        note_add(why, "%s: %s", folder, reason_text(rc));
        return rc;
    }
    bytes = sim_map_bytes(n->map);
    sim_map_salvage(n->map);
    sim_space_give(p->m, bytes - sim_map_bytes(n->map));
    return 0;
}

void sim_kv_close(struct kv *kv)
{
    ASSERT(list_empty(&kv->iters)); /* they hold the store */
    kv->node->map_open = false;
    list_remove(&kv->link);
    sim_node_unref(kv->node);
    sim_free(kv);
}

/* A call starts.  0, or the code to fail with, the store being poisoned. */
static int call_starts(struct kv *kv)
{
    struct sim_process *p = process_of(kv);

    if (kv->poisoned)
        return -R_STORE_FAILED;
    if (!sim_process_works(p) || kv->node->lost || sim_fault_hits(&p->m->faults.kvs)) {
        kv->poisoned = true;
        return -EIO;
    }
    return 0;
}

/* As LevelDB with checksums verified: a damaged value is never returned. */
static int value_check(struct kv *kv, const struct sim_value *v)
{
    if (!v->flipped)
        return 0;
    kv->poisoned = true;
    return -R_CSUM_MISMATCH;
}

/* --- calls --- */

int sim_kv_get(struct kv *kv, struct bytes key, struct buf *out_value)
{
    struct sim_process *p = process_of(kv);
    int rc = call_starts(kv);
    struct buf value = {0};
    struct sim_value v;

    if (rc < 0)
        return rc;
    p->blocked_ns += sim_between(sim_of(p), 1, READ_MAX_NS);
    if (!sim_map_get(kv->node->map, key, &v))
        return -ENOENT;
    rc = value_check(kv, &v);
    if (rc == 0 && v.value.len > 0)
        rc = buf_append_copy(&value, v.value.data, v.value.len);
    if (rc == 0)
        *out_value = value;
    return rc;
}

int sim_kv_write(struct kv *kv, const struct kv_batch *b)
{
    struct sim_process *p = process_of(kv);
    const struct writer *w = &b->records;
    struct sim_map *map = kv->node->map;
    uint64_t bytes;
    int rc;

    if (w->rc < 0)
        return w->rc;
    rc = call_starts(kv);
    if (!sim_process_works(p))
        return rc;
    if (!sim_io_starts(p) || (rc == -EIO && rng_chance(&sim_of(p)->fault_rng, 1, 2))) {
        if (rc != -R_STORE_FAILED && !kv->node->lost)
            sim_map_log(map, w->data, w->len); /* it may be found after a crash */
        kv->poisoned = true;
        return rc < 0 ? rc : -EIO;
    }
    if (rc < 0)
        return rc;
    bytes = sim_map_bytes(map);
    if (!sim_space_take(p->m, w->len)) {
        kv->poisoned = !kv->waits;
        return -ENOSPC;
    }
    sim_map_write(map, w->data, w->len);
    sim_space_give(p->m, w->len);
    p->m->used_bytes += sim_map_bytes(map) - bytes;
    p->blocked_ns += sim_between(sim_of(p), WRITE_MIN_NS, WRITE_MAX_NS);
    return 0;
}

int sim_kv_checkpoint(struct kv *kv)
{
    struct sim_process *p = process_of(kv);
    struct sim *s = sim_of(p);
    int rc = call_starts(kv);

    if (rc < 0)
        return rc;
    if (!sim_io_starts(p)) {
        kv->poisoned = true;
        return -EIO;
    }
    p->blocked_ns +=
        CHECKPOINT_FLUSHES * (sim_between(s, s->conf.disk_delay_min_ns, s->conf.disk_delay_max_ns) +
                              p->m->faults.slow_ns);
    sim_map_checkpoint(kv->node->map);
    return 0;
}

void sim_kv_wait_for_room(struct kv *kv, bool wait)
{
    kv->waits = wait;
}

/* --- iterators --- */

static int bytes_copy(struct bytes from, struct bytes *to)
{
    uint8_t *copy;

    *to = (struct bytes){NULL, 0};
    if (from.len == 0)
        return 0;
    copy = sim_try_alloc(from.len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, from.data, from.len);
    *to = (struct bytes){copy, from.len};
    return 0;
}

static void iter_free(struct kv_iter *it)
{
    sim_free((void *)it->from.data);
    sim_free((void *)it->to.data);
    sim_free(it);
}

int sim_kv_iter_create(struct kv *kv, struct bytes from, struct bytes to, struct kv_iter **out_iter)
{
    struct kv_iter *it;
    int rc = call_starts(kv);

    if (rc < 0)
        return rc;
    it = sim_try_alloc(sizeof(*it));
    if (!it)
        return -ENOMEM;
    rc = bytes_copy(from, &it->from);
    if (rc == 0)
        rc = bytes_copy(to, &it->to);
    if (rc < 0) {
        iter_free(it);
        return rc;
    }
    it->env = kv->env;
    it->kv = kv;
    it->snapshot = sim_map_hold(kv->node->map);
    list_push_back(&kv->iters, &it->link);
    *out_iter = it;
    return 0;
}

int sim_kv_iter_next(struct kv_iter *it, struct bytes *out_key, struct bytes *out_value)
{
    struct sim_value v;
    int rc = call_starts(it->kv);

    if (rc < 0)
        return rc;
    if (it->ended)
        return 0;
    it->at = sim_map_next(it->kv->node->map, it->at, it->from, it->snapshot, &v);
    if (!it->at || (it->to.len > 0 && bytes_compare(v.key, it->to) >= 0)) {
        it->ended = true;
        return 0;
    }
    rc = value_check(it->kv, &v);
    if (rc < 0)
        return rc;
    *out_key = v.key;
    *out_value = v.value;
    return 1;
}

void sim_kv_iter_destroy(struct kv_iter *it)
{
    list_remove(&it->link);
    sim_map_release(it->kv->node->map);
    iter_free(it);
}

int sim_kv_scan(struct kv *kv, struct bytes from, struct bytes to, kv_row_fn *row, void *arg)
{
    struct bytes key, value;
    struct kv_iter *it;
    int rc = sim_kv_iter_create(kv, from, to, &it), stop = 0;

    if (rc < 0)
        return rc;
    while (stop == 0 && (rc = sim_kv_iter_next(it, &key, &value)) == 1)
        stop = row(arg, key, value);
    sim_kv_iter_destroy(it);
    return rc < 0 ? rc : stop;
}

void sim_kv_stats(struct kv *kv, struct kv_stats *out_stats)
{
    *out_stats = (struct kv_stats){.bytes_on_disk = sim_map_bytes(kv->node->map)};
}

void sim_kvs_process_dies(struct sim_process *p)
{
    while (!list_empty(&p->kvs)) {
        struct kv *kv = LIST_FIRST(&p->kvs, struct kv, link);

        while (!list_empty(&kv->iters))
            sim_kv_iter_destroy(LIST_FIRST(&kv->iters, struct kv_iter, link));
        sim_kv_close(kv);
    }
}
