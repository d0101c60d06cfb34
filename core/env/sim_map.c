/* sim_map.c - the content of a key-value store: an ordered map with versions.
 *
 * Each entry has a row of versions, newest first.  Kept are the newest, the one of the last
 * checkpoint, and while an iterator lives all of them.  `changed` lists the entries with more than
 * one version or a deletion on top: those a checkpoint, the last iterator's end or a power cut has
 * to look at.  The batches since the checkpoint are kept as they came; a power cut goes back to the
 * checkpoint and applies a random subset of them in order. */
#include "core/env/kv_batch.h"
#include "core/env/sim_impl.h"

struct version {
    struct version *older; /* owned */
    uint64_t seq;
    bool put; /* else the key is deleted */
    bool flipped;
    uint32_t len;
    uint8_t value[];
};

struct sim_entry {
    RB_ENTRY(sim_entry) node;
    struct list changed;
    struct version *newest; /* owned; never NULL */
    uint32_t key_len;
    const uint8_t *key; /* behind this struct; a search key's: borrowed */
};

struct batch {
    struct list link;
    size_t bytes;
    uint8_t records[];
};

RB_HEAD(entries, sim_entry);
struct sim_map {
    struct entries entries; /* owned */
    struct list changed;    /* sim_entry.changed */
    struct list log;        /* owned: batch.link, since the checkpoint */
    uint64_t seq, checkpoint;
    uint64_t holds; /* iterators */
    uint64_t bytes; /* of the newest versions and their keys */
};

static struct bytes key_of(const struct sim_entry *e)
{
    return (struct bytes){e->key, e->key_len};
}

static int entry_compare(struct sim_entry *a, struct sim_entry *b)
{
    return bytes_compare(key_of(a), key_of(b));
}

RB_GENERATE_STATIC(entries, sim_entry, node, entry_compare)

static struct sim_entry *entry_find(const struct sim_map *map, struct bytes key)
{
    struct sim_entry at = {.key = key.data, .key_len = key.len};

    return RB_FIND(entries, (struct entries *)&map->entries, &at);
}

static struct sim_entry *entry_make(struct sim_map *map, struct bytes key)
{
    struct sim_entry *e = sim_alloc(sizeof(*e) + key.len);

    e->key = (const uint8_t *)(e + 1);
    e->key_len = key.len;
    if (key.len)
        memcpy(e + 1, key.data, key.len);
    list_init(&e->changed);
    RB_INSERT(entries, &map->entries, e);
    return e;
}

static struct version *version_make(struct bytes value, bool put, uint64_t seq)
{
    struct version *v = sim_alloc(sizeof(*v) + value.len);

    v->seq = seq;
    v->put = put;
    v->len = value.len;
    if (value.len)
        memcpy(v->value, value.data, value.len);
    return v;
}

static void versions_free(struct version *v)
{
    while (v) {
        struct version *older = v->older;

        sim_free(v);
        v = older;
    }
}

static void entry_free(struct sim_map *map, struct sim_entry *e)
{
    RB_REMOVE(entries, &map->entries, e);
    list_remove(&e->changed);
    versions_free(e->newest);
    sim_free(e);
}

static uint64_t entry_bytes(const struct sim_entry *e)
{
    return e->newest && e->newest->put ? (uint64_t)e->key_len + e->newest->len : 0;
}

/* Keep the newest version and the one of the checkpoint. */
static void entry_prune(struct sim_map *map, struct sim_entry *e)
{
    struct version *kept = e->newest;

    if (kept->seq > map->checkpoint) {
        while (kept->older && kept->older->seq > map->checkpoint) {
            struct version *gone = kept->older;

            kept->older = gone->older;
            sim_free(gone);
        }
        kept = kept->older;
    }
    if (kept) {
        versions_free(kept->older);
        kept->older = NULL;
    }
    if (e->newest->seq > map->checkpoint)
        return;
    list_remove(&e->changed);
    if (!e->newest->put)
        entry_free(map, e);
}

static void changed_prune(struct sim_map *map)
{
    if (map->holds > 0)
        return;
    LIST_EACH_SAFE (l, &map->changed)
        entry_prune(map, LIST_ENTRY(l, struct sim_entry, changed));
}

/* --- life --- */

struct sim_map *sim_map_create(void)
{
    struct sim_map *map = sim_alloc(sizeof(*map));

    RB_INIT(&map->entries);
    list_init(&map->changed);
    list_init(&map->log);
    return map;
}

static void log_clear(struct sim_map *map)
{
    struct list *l;

    while ((l = list_pop_front(&map->log)))
        sim_free(LIST_ENTRY(l, struct batch, link));
}

void sim_map_destroy(struct sim_map *map)
{
    struct sim_entry *e;

    if (!map)
        return;
    while ((e = RB_ROOT(&map->entries)))
        entry_free(map, e);
    log_clear(map);
    sim_free(map);
}

static struct version *versions_copy(const struct version *from)
{
    struct version *first = NULL, **at = &first;

    for (; from; from = from->older) {
        *at = version_make((struct bytes){from->value, from->len}, from->put, from->seq);
        (*at)->flipped = from->flipped;
        at = &(*at)->older;
    }
    return first;
}

struct sim_map *sim_map_copy(const struct sim_map *map)
{
    struct sim_map *to = sim_map_create();
    struct sim_entry *e;

    to->seq = map->seq;
    to->checkpoint = map->checkpoint;
    to->bytes = map->bytes;
    RB_FOREACH (e, entries, (struct entries *)&map->entries) {
        struct sim_entry *copy = entry_make(to, key_of(e));

        copy->newest = versions_copy(e->newest);
        if (list_linked(&e->changed))
            list_push_back(&to->changed, &copy->changed);
    }
    LIST_EACH (l, &map->log) {
        const struct batch *b = LIST_ENTRY(l, struct batch, link);

        sim_map_log(to, b->records, b->bytes);
    }
    changed_prune(to); /* iterators are not copied */
    return to;
}

uint64_t sim_map_bytes(const struct sim_map *map)
{
    return map->bytes;
}

/* --- writing --- */

static void record_apply(struct sim_map *map, const struct kv_record *r)
{
    struct sim_entry *e = entry_find(map, r->key);
    struct version *v, *old;

    if (!e && !r->put)
        return;
    if (!e)
        e = entry_make(map, r->key);
    map->bytes -= entry_bytes(e);
    v = version_make(r->value, r->put, map->seq);
    old = e->newest;
    if (old && old->seq > map->checkpoint && (map->holds == 0 || old->seq == map->seq)) {
        v->older = old->older; /* nobody can see it any more */
        sim_free(old);
    } else {
        v->older = old;
    }
    e->newest = v;
    map->bytes += entry_bytes(e);
    if (!list_linked(&e->changed))
        list_push_back(&map->changed, &e->changed);
}

static void records_apply(struct sim_map *map, const void *records, size_t bytes)
{
    struct cursor at = cur_over(records, bytes);
    struct kv_record r;

    map->seq++;
    while (kv_batch_next(&at, &r))
        record_apply(map, &r);
}

void sim_map_log(struct sim_map *map, const void *records, size_t bytes)
{
    struct batch *b = sim_alloc(sizeof(*b) + bytes);

    b->bytes = bytes;
    if (bytes)
        memcpy(b->records, records, bytes);
    list_push_back(&map->log, &b->link);
}

void sim_map_write(struct sim_map *map, const void *records, size_t bytes)
{
    sim_map_log(map, records, bytes);
    records_apply(map, records, bytes);
}

void sim_map_checkpoint(struct sim_map *map)
{
    map->checkpoint = map->seq;
    log_clear(map);
    changed_prune(map);
}

/* --- the power goes --- */

static void go_back(struct sim_map *map)
{
    LIST_EACH_SAFE (l, &map->changed) {
        struct sim_entry *e = LIST_ENTRY(l, struct sim_entry, changed);

        map->bytes -= entry_bytes(e);
        while (e->newest && e->newest->seq > map->checkpoint) {
            struct version *gone = e->newest;

            e->newest = gone->older;
            sim_free(gone);
        }
        map->bytes += entry_bytes(e);
        if (e->newest)
            entry_prune(map, e);
        else
            entry_free(map, e);
    }
}

void sim_map_power_cut(struct sim_map *map, struct rng *r)
{
    uint32_t kept_of_8 = (uint32_t)rng_below(r, 9); /* none, nearly none, ..., all of them */
    struct list *l;

    ASSERT(map->holds == 0);
    go_back(map);
    while ((l = list_pop_front(&map->log))) {
        struct batch *b = LIST_ENTRY(l, struct batch, link);

        if (rng_chance(r, kept_of_8, 8))
            records_apply(map, b->records, b->bytes);
        sim_free(b);
    }
    sim_map_checkpoint(map); /* what is there now is on the disk */
}

int sim_map_flip(struct sim_map *map, uint64_t byte, unsigned bit)
{
    struct sim_entry *e;

    RB_FOREACH (e, entries, &map->entries) {
        struct version *v = e->newest;

        if (!v->put)
            continue;
        if (byte < v->len) {
            v->value[byte] ^= (uint8_t)(1u << (bit & 7));
            v->flipped = true;
            return 0;
        }
        byte -= v->len;
    }
    return -ERANGE;
}

void sim_map_salvage(struct sim_map *map)
{
    struct sim_entry *e, *next;

    ASSERT(map->holds == 0);
    sim_map_checkpoint(map); /* it writes new tables */
    RB_FOREACH_SAFE (e, entries, &map->entries, next) {
        if (!e->newest->flipped)
            continue;
        map->bytes -= entry_bytes(e);
        entry_free(map, e);
    }
}

/* --- reading --- */

uint64_t sim_map_hold(struct sim_map *map)
{
    map->holds++;
    return map->seq;
}

void sim_map_release(struct sim_map *map)
{
    ASSERT(map->holds > 0);
    map->holds--;
    changed_prune(map);
}

static bool entry_read(const struct sim_entry *e, uint64_t snapshot, struct sim_value *out_value)
{
    const struct version *v = e->newest;

    while (v && v->seq > snapshot)
        v = v->older;
    if (!v || !v->put)
        return false;
    *out_value = (struct sim_value){key_of(e), {v->value, v->len}, v->flipped};
    return true;
}

bool sim_map_get(const struct sim_map *map, struct bytes key, struct sim_value *out_value)
{
    const struct sim_entry *e = entry_find(map, key);

    return e && entry_read(e, UINT64_MAX, out_value);
}

struct sim_entry *sim_map_next(struct sim_map *map, struct sim_entry *at, struct bytes from,
                               uint64_t snapshot, struct sim_value *out_value)
{
    struct sim_entry key = {.key = from.data, .key_len = from.len};

    at = at ? RB_NEXT(entries, &map->entries, at) : RB_NFIND(entries, &map->entries, &key);
    while (at && !entry_read(at, snapshot, out_value))
        at = RB_NEXT(entries, &map->entries, at);
    return at;
}
