/* real_kv.c - key-value stores on LevelDB (ldb.h).
 *
 * The first failed call poisons the store: a LevelDB whose log could not be written goes on as if
 * nothing had happened, and what it says after that is worth nothing.  Only a key that is not
 * there, and lack of memory before LevelDB was asked, are no failures of the store. */
#include "core/env/real_kv.h"
#include "core/env/kv_batch.h"
#include "core/env/real.h"

#define CACHE_BYTES_DEFAULT  MIB(8)
#define WRITE_BUFFER_DEFAULT MIB(8)
#define STALL_NS             NS_PER_MS /* LevelDB's own brake is one millisecond a write */

struct kv {
    struct env *env;     /* borrowed, first */
    struct ldb *db;      /* owned */
    _Atomic bool failed; /* poisoned */
    _Atomic uint64_t stalls, stall_ns;
};

struct kv_iter {
    struct env *env;     /* borrowed, first */
    struct kv *kv;       /* borrowed: outlives it */
    struct ldb_iter *it; /* owned */
    struct bytes to;     /* `to_key`, or empty: no end */
    uint8_t to_key[];
};

static bool kv_failed(const struct kv *kv)
{
    return atomic_load_explicit(&kv->failed, memory_order_acquire);
}

/* What LevelDB answered; a failure is the store's last word. */
static int kv_answer(struct kv *kv, int rc)
{
    if (rc < 0 && rc != -ENOENT)
        atomic_store_explicit(&kv->failed, true, memory_order_release);
    return rc == -EBADMSG ? -R_CSUM_MISMATCH : rc;
}

int real_kv_open_hooked(struct env *env, const char *folder, const struct kv_conf *conf,
                        const struct ldb_hooks *hooks, struct kv **out_kv, struct note *why)
{
    struct ldb_conf ldb_conf = {
        .create = conf->create,
        .cache_bytes = conf->cache_bytes ? conf->cache_bytes : CACHE_BYTES_DEFAULT,
        .write_buffer_bytes =
            conf->write_buffer_bytes ? conf->write_buffer_bytes : WRITE_BUFFER_DEFAULT,
        .hooks = hooks,
    };
    struct kv *kv = mem_zalloc(sizeof(*kv));
    char text[NOTE_BYTES] = "no memory";
    int rc = kv ? ldb_open(folder, &ldb_conf, &kv->db, text, sizeof(text)) : -ENOMEM;

    if (rc < 0) {
        note_add(why, "%s: %s", folder, text);
        mem_free(kv);
        return rc == -EBADMSG ? -R_CSUM_MISMATCH : rc;
    }
    kv->env = env;
    *out_kv = kv;
    return 0;
}

int real_kv_open(struct env *env, const char *folder, const struct kv_conf *conf,
                 struct kv **out_kv, struct note *why)
{
    return real_kv_open_hooked(env, folder, conf, NULL, out_kv, why);
}

int real_kv_salvage(struct env *env, const char *folder, struct note *why)
{
    char text[NOTE_BYTES] = "";
    int rc = ldb_salvage(folder, text, sizeof(text));

    UNUSED(env);
    if (rc < 0)
        note_add(why, "%s: %s", folder, text);
    return rc == -EBADMSG ? -R_CSUM_MISMATCH : rc;
}

void real_kv_close(struct kv *kv)
{
    ldb_close(kv->db);
    mem_free(kv);
}

static int value_copy(void *arg, const void *data, size_t bytes)
{
    struct buf copy = {0};
    struct buf *out_value = arg;
    int rc = buf_append_copy(&copy, data, bytes);

    if (rc == 0)
        *out_value = copy;
    return rc;
}

int real_kv_get(struct kv *kv, struct bytes key, struct buf *out_value)
{
    int rc;

    if (kv_failed(kv))
        return -R_STORE_FAILED;
    rc = ldb_get(kv->db, key.data, key.len, value_copy, out_value);
    return rc == -ENOMEM ? rc : kv_answer(kv, rc);
}

static void stall_note(struct kv *kv, uint64_t took_ns)
{
    if (took_ns < STALL_NS)
        return;
    atomic_fetch_add_explicit(&kv->stalls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&kv->stall_ns, took_ns, memory_order_relaxed);
}

int real_kv_write(struct kv *kv, const struct kv_batch *b)
{
    struct cursor at = cur_over(b->records.data, b->records.len);
    struct kv_record record;
    struct ldb_batch *copy;
    uint64_t from_ns;
    int rc;

    if (kv_failed(kv))
        return -R_STORE_FAILED;
    if (b->records.rc < 0) /* a record was lost for want of memory: half a batch must not be seen */
        return b->records.rc;
    copy = ldb_batch_create();
    while (kv_batch_next(&at, &record)) {
        if (record.put)
            ldb_batch_put(copy, record.key.data, record.key.len, record.value.data,
                          record.value.len);
        else
            ldb_batch_delete(copy, record.key.data, record.key.len);
    }
    from_ns = real_now_ns(kv->env);
    rc = ldb_write(kv->db, copy);
    stall_note(kv, real_now_ns(kv->env) - from_ns);
    ldb_batch_destroy(copy);
    return kv_answer(kv, rc);
}

int real_kv_checkpoint(struct kv *kv)
{
    return kv_failed(kv) ? -R_STORE_FAILED : kv_answer(kv, ldb_checkpoint(kv->db));
}

void real_kv_wait_for_room(struct kv *kv, bool wait)
{
    ldb_wait_for_room(kv->db, wait);
}

int real_kv_iter_create(struct kv *kv, struct bytes from, struct bytes to,
                        struct kv_iter **out_iter)
{
    struct kv_iter *it;

    if (kv_failed(kv))
        return -R_STORE_FAILED;
    it = mem_alloc(sizeof(*it) + to.len);
    if (!it)
        return -ENOMEM;
    *it = (struct kv_iter){.env = kv->env, .kv = kv, .to = {it->to_key, to.len}};
    if (to.len)
        memcpy(it->to_key, to.data, to.len);
    it->it = ldb_iter_create(kv->db, from.data, from.len);
    *out_iter = it;
    return 0;
}

int real_kv_iter_next(struct kv_iter *it, struct bytes *out_key, struct bytes *out_value)
{
    const void *key, *value;
    size_t key_bytes, value_bytes;
    int rc;

    if (kv_failed(it->kv))
        return -R_STORE_FAILED;
    rc = kv_answer(it->kv, ldb_iter_next(it->it, &key, &key_bytes, &value, &value_bytes));
    if (rc <= 0)
        return rc;
    *out_key = (struct bytes){key, (uint32_t)key_bytes};
    if (it->to.len && bytes_compare(*out_key, it->to) >= 0)
        return 0;
    *out_value = (struct bytes){value, (uint32_t)value_bytes};
    return 1;
}

void real_kv_iter_destroy(struct kv_iter *it)
{
    ldb_iter_destroy(it->it);
    mem_free(it);
}

struct scan {
    kv_row_fn *row;
    void *arg;
    int stop; /* what `row` returned last */
};

static int scan_row(void *arg, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
    struct scan *sc = arg;

    sc->stop = sc->row(sc->arg, (struct bytes){key, (uint32_t)key_bytes},
                       (struct bytes){value, (uint32_t)value_bytes});
    return sc->stop;
}

int real_kv_scan(struct kv *kv, struct bytes from, struct bytes to, kv_row_fn *row, void *arg)
{
    struct scan sc = {.row = row, .arg = arg};
    int rc;

    if (kv_failed(kv))
        return -R_STORE_FAILED;
    rc = kv_answer(kv, ldb_scan(kv->db, from.data, from.len, to.data, to.len, scan_row, &sc));
    return rc < 0 ? rc : sc.stop;
}

void real_kv_stats(struct kv *kv, struct kv_stats *out_stats)
{
    out_stats->bytes_on_disk = ldb_bytes_on_disk(kv->db);
    out_stats->stalls = atomic_load_explicit(&kv->stalls, memory_order_relaxed);
    out_stats->stall_ns = atomic_load_explicit(&kv->stall_ns, memory_order_relaxed);
}
