/* kvread.c - points and ranges of LevelDB, read on a worker.
 *
 * The worker sees LevelDB at some moment after the start; the reactor merges the overlay when the
 * answer is back.  A row that was applied in between may be in both, but never in neither: while a
 * read is under way, rows applied since its start stay in the overlay (overlay_release). */
#include "core/store/store_int.h"

void *vec_push(struct vec *v, size_t item_bytes)
{
    uint8_t *item;

    if (v->n == v->cap) {
        uint32_t cap = v->cap ? v->cap * 2 : 16;
        void *at = mem_realloc(v->at, cap * item_bytes);

        if (!at)
            return NULL;
        v->at = at;
        v->cap = cap;
    }
    item = (uint8_t *)v->at + (size_t)v->n++ * item_bytes;
    memset(item, 0, item_bytes);
    return item;
}

struct kvread *kvread_create(struct store *s, void (*done)(struct kvread *), void *arg)
{
    struct kvread *k = mem_alloc(sizeof(*k));

    if (!k)
        return NULL;
    memset(k, 0, offsetof(struct kvread, arena));
    arena_init(&k->arena);
    memset((char *)k + offsetof(struct kvread, keys), 0,
           sizeof(*k) - offsetof(struct kvread, keys));
    k->s = s;
    k->rows = &k->arena;
    list_init(&k->link);
    k->done = done;
    k->arg = arg;
    return k;
}

int kvread_keys(struct kvread *k, uint32_t count)
{
    k->keys = arena_zalloc(&k->arena, count * sizeof(*k->keys));
    k->values = arena_zalloc(&k->arena, count * sizeof(*k->values));
    if (!k->keys || !k->values)
        return -ENOMEM;
    k->key_count = count;
    return 0;
}

int kvread_copy(struct kvread *k, struct bytes b, struct bytes *out)
{
    uint8_t *p = arena_dup(&k->arena, b.data, b.len);

    if (!p)
        return -ENOMEM;
    *out = (struct bytes){p, b.len};
    return 0;
}

static int read_points(struct kvread *k)
{
    for (uint32_t i = 0; i < k->key_count; i++) {
        AUTO(buf) value = {0};
        uint8_t *p;
        int rc = kv_get(k->s->kv, k->keys[i], &value);

        if (rc == -ENOENT)
            continue;
        if (rc < 0)
            return rc;
        p = arena_alloc(&k->arena, value.bytes + 1);
        if (!p)
            return -ENOMEM;
        buf_copy_out(&value, 0, p, value.bytes);
        k->values[i] = (struct bytes){p, (uint32_t)value.bytes};
    }
    return 0;
}

static int add_row(void *arg, struct bytes key, struct bytes value)
{
    struct kvread *k = arg;
    struct kvrow *row;
    uint8_t *p;

    if (k->leg_rows &&
        (k->leg_rows >= k->rows_max || k->leg_bytes + key.len + value.len > k->bytes_max)) {
        k->more = true;
        return 1;
    }
    row = arena_alloc(k->rows, sizeof(*row) + key.len + value.len);
    if (!row)
        return -ENOMEM;
    p = (uint8_t *)(row + 1);
    memcpy(p, key.data, key.len);
    if (value.len)
        memcpy(p + key.len, value.data, value.len);
    *row = (struct kvrow){NULL, {p, key.len}, {p + key.len, value.len}};
    if (k->last)
        k->last->next = row;
    else
        k->first = row;
    k->last = row;
    k->leg_rows++;
    k->leg_bytes += key.len + value.len;
    return 0;
}

static int read_range(struct kvread *k)
{
    struct bytes from = k->from;
    int rc;

    if (k->last) { /* a later leg: from the row behind the last one */
        uint8_t *p = arena_alloc(&k->arena, k->last->key.len + 1);

        if (!p)
            return -ENOMEM;
        memcpy(p, k->last->key.data, k->last->key.len);
        p[k->last->key.len] = 0;
        from = (struct bytes){p, k->last->key.len + 1};
    }
    k->more = false;
    k->leg_rows = k->leg_bytes = 0;
    rc = kv_scan(k->s->kv, from, k->to, add_row, k);
    return rc < 0 ? rc : 0;
}

static void kvread_work(struct env_work *w)
{
    struct kvread *k = CONTAINER_OF(w, struct kvread, work);

    k->rc = k->keys ? read_points(k) : read_range(k);
}

static void kvread_done(struct env_work *w)
{
    struct kvread *k = CONTAINER_OF(w, struct kvread, work);
    struct store *s = k->s;

    if (k->rc < 0 && k->rc != -ENOMEM)
        store_fail(s, k->rc, "read of the key-value store");
    k->done(k);
    store_busy_end(s);
}

/* Also for a further leg of the same read: the pin goes on. */
void kvread_start(struct kvread *k)
{
    struct store *s = k->s;

    if (!list_linked(&k->link)) {
        k->stamp = s->applied_batches;
        list_push_back(&s->readers, &k->link);
    }
    k->work.work = kvread_work;
    k->work.done = kvread_done;
    counter_add(&s->m.loads, 1);
    store_busy(s);
    env_work_submit(s->env, &k->work);
}

void kvread_finish(struct kvread *k)
{
    struct store *s = k->s;

    if (list_linked(&k->link)) {
        list_remove(&k->link);
        overlay_release(s);
    }
    arena_fini(&k->arena);
    mem_free(k);
}
