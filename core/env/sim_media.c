/* sim_media.c - what a disk holds: the durable content of each block, and newer versions that a
 * write has completed but no flush has covered.
 *
 *      durable <- version 1 <- version 2 ... <- the newest, which reads return
 *
 * A flush makes every version that was complete when it started durable.  A power cut picks, for
 * each such block by itself, one of the row, or makes it unreadable.  Blocks lie in chunks found by
 * number; a block of zeros costs nothing but its slot, and equal content is shared by reference
 * (with the request that wrote it and with images). */
#include "core/base/hash.h"
#include "core/base/htable.h"
#include "core/env/sim_impl.h"

enum { CHUNK_BLOCKS = 64, VERSIONS_MAX = 4 };
enum { ALLOCATED = 1, UNREADABLE = 2 };

struct version {
    uint64_t mark; /* the number of this write among all that completed */
    struct sim_data *data;
};

struct dirty {
    struct list link;
    struct chunk *chunk;
    uint32_t slot, count;
    struct version versions[VERSIONS_MAX]; /* oldest first */
};

struct chunk {
    struct hnode node;
    uint64_t number;
    struct sim_data *data[CHUNK_BLOCKS]; /* ref: durable */
    struct dirty *dirty[CHUNK_BLOCKS];   /* owned; NULL: what is durable is all there is */
    uint8_t flags[CHUNK_BLOCKS];
};

struct sim_media {
    uint64_t bytes, allocated, mark;
    struct htable chunks; /* owned */
    struct list dirty;    /* owned: in the order they became dirty */
};

/* --- block contents --- */

struct sim_data *sim_data_from(const uint8_t *block)
{
    struct sim_data *d;

    if (block[0] == 0 && memcmp(block, block + 1, DISK_BLOCK - 1) == 0)
        return NULL;
    d = sim_alloc(sizeof(*d));
    d->refs = 1;
    memcpy(d->bytes, block, DISK_BLOCK);
    return d;
}

struct sim_data *sim_data_ref(struct sim_data *d)
{
    if (d)
        d->refs++;
    return d;
}

void sim_data_unref(struct sim_data *d)
{
    if (d && --d->refs == 0)
        sim_free(d);
}

/* --- chunks --- */

static struct chunk *chunk_find(const struct sim_media *md, uint64_t block)
{
    uint64_t number = block / CHUNK_BLOCKS, hash = hash64_u64(0, number);

    for (struct hnode *n = htable_first(&md->chunks, hash); n; n = htable_next(n)) {
        struct chunk *c = CONTAINER_OF(n, struct chunk, node);

        if (c->number == number)
            return c;
    }
    return NULL;
}

static struct chunk *chunk_get(struct sim_media *md, uint64_t block)
{
    struct chunk *c = chunk_find(md, block);
    struct mem_scope *before;

    if (c)
        return c;
    c = sim_alloc(sizeof(*c));
    c->number = block / CHUNK_BLOCKS;
    before = mem_scope_enter(NULL); /* a table that grows outlives the process that wrote */
    htable_insert(&md->chunks, &c->node, hash64_u64(0, c->number));
    mem_scope_enter(before);
    return c;
}

struct sim_media *sim_media_create(uint64_t bytes)
{
    struct sim_media *md = sim_alloc(sizeof(*md));
    struct mem_scope *before = mem_scope_enter(NULL);

    md->bytes = bytes;
    list_init(&md->dirty);
    while (htable_init(&md->chunks, CHUNK_BLOCKS) < 0)
        ;
    mem_scope_enter(before);
    return md;
}

static void dirty_free(struct dirty *d)
{
    list_remove(&d->link);
    for (uint32_t i = 0; i < d->count; i++)
        sim_data_unref(d->versions[i].data);
    d->chunk->dirty[d->slot] = NULL;
    sim_free(d);
}

void sim_media_destroy(struct sim_media *md)
{
    struct hnode *n;

    if (!md)
        return;
    while (!list_empty(&md->dirty))
        dirty_free(LIST_FIRST(&md->dirty, struct dirty, link));
    while ((n = htable_any(&md->chunks))) {
        struct chunk *c = CONTAINER_OF(n, struct chunk, node);

        htable_remove(&md->chunks, n);
        for (uint32_t i = 0; i < CHUNK_BLOCKS; i++)
            sim_data_unref(c->data[i]);
        sim_free(c);
    }
    htable_fini(&md->chunks);
    sim_free(md);
}

static struct dirty *dirty_make(struct sim_media *md, struct chunk *c, uint32_t slot)
{
    struct dirty *d = sim_alloc(sizeof(*d));

    d->chunk = c;
    d->slot = slot;
    c->dirty[slot] = d;
    list_push_back(&md->dirty, &d->link);
    return d;
}

static void chunk_copy(struct hnode *n, void *arg)
{
    const struct chunk *from = CONTAINER_OF(n, struct chunk, node);
    struct sim_media *to = arg;
    struct chunk *c = chunk_get(to, from->number * CHUNK_BLOCKS);

    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
        c->data[i] = sim_data_ref(from->data[i]);
        c->flags[i] = from->flags[i];
    }
}

struct sim_media *sim_media_copy(const struct sim_media *md)
{
    struct sim_media *to = sim_media_create(md->bytes);

    to->allocated = md->allocated;
    to->mark = md->mark;
    htable_each(&md->chunks, chunk_copy, to);
    LIST_EACH (l, &md->dirty) {
        const struct dirty *from = LIST_ENTRY(l, struct dirty, link);
        struct dirty *d =
            dirty_make(to, chunk_get(to, from->chunk->number * CHUNK_BLOCKS), from->slot);

        d->count = from->count;
        for (uint32_t i = 0; i < from->count; i++) {
            d->versions[i] = from->versions[i];
            sim_data_ref(d->versions[i].data);
        }
    }
    return to;
}

uint64_t sim_media_bytes(const struct sim_media *md)
{
    return md->bytes;
}

uint64_t sim_media_allocated(const struct sim_media *md)
{
    return md->allocated;
}

void sim_media_grow(struct sim_media *md, uint64_t bytes)
{
    md->bytes = MAX(md->bytes, bytes);
}

/* --- reading and writing --- */

static void durable_set(struct chunk *c, uint32_t slot, struct sim_data *data)
{
    sim_data_unref(c->data[slot]);
    c->data[slot] = data;
    c->flags[slot] &= (uint8_t)~UNREADABLE;
}

bool sim_media_allocate(struct sim_machine *m, struct sim_media *md, uint64_t block)
{
    struct chunk *c = chunk_get(md, block);
    uint8_t *flags = &c->flags[block % CHUNK_BLOCKS];

    if (*flags & ALLOCATED)
        return true;
    if (!sim_space_take(m, DISK_BLOCK))
        return false;
    *flags |= ALLOCATED;
    md->allocated++;
    return true;
}

/* The row is full: the drive wrote one of the two oldest back in the meantime, or never will. */
static void row_shorten(struct chunk *c, struct dirty *d)
{
    durable_set(c, d->slot, d->versions[0].data);
    memmove(d->versions, d->versions + 1, --d->count * sizeof(d->versions[0]));
}

bool sim_media_write(struct sim_machine *m, struct sim_media *md, uint64_t block,
                     struct sim_data *data, bool durable)
{
    struct chunk *c = chunk_get(md, block);
    uint32_t slot = block % CHUNK_BLOCKS;
    struct dirty *d;

    if (!sim_media_allocate(m, md, block))
        return false;
    md->mark++;
    if (durable) {
        if (c->dirty[slot])
            dirty_free(c->dirty[slot]);
        durable_set(c, slot, data);
        return true;
    }
    d = c->dirty[slot];
    if (!d)
        d = dirty_make(md, c, slot);
    if (d->count == VERSIONS_MAX)
        row_shorten(c, d);
    d->versions[d->count++] = (struct version){md->mark, data};
    return true;
}

void sim_media_discard(struct sim_machine *m, struct sim_media *md, uint64_t block)
{
    struct chunk *c = chunk_find(md, block);
    uint32_t slot = block % CHUNK_BLOCKS;

    if (!c || !(c->flags[slot] & ALLOCATED))
        return;
    if (c->dirty[slot])
        dirty_free(c->dirty[slot]);
    durable_set(c, slot, NULL);
    c->flags[slot] = 0;
    md->allocated--;
    sim_space_give(m, DISK_BLOCK);
}

int sim_media_read(const struct sim_media *md, uint64_t block, uint8_t *out)
{
    const struct chunk *c = chunk_find(md, block);
    uint32_t slot = block % CHUNK_BLOCKS;
    const struct sim_data *data;

    if (!c) {
        memset(out, 0, DISK_BLOCK);
        return 0;
    }
    if (c->dirty[slot])
        data = c->dirty[slot]->versions[c->dirty[slot]->count - 1].data;
    else if (c->flags[slot] & UNREADABLE)
        return -EIO;
    else
        data = c->data[slot];
    if (data)
        memcpy(out, data->bytes, DISK_BLOCK);
    else
        memset(out, 0, DISK_BLOCK);
    return 0;
}

/* --- durability --- */

uint64_t sim_media_mark(const struct sim_media *md)
{
    return md->mark;
}

/* Make the first `count` versions history and the last of them durable. */
static void settle(struct dirty *d, uint32_t count)
{
    ASSERT(count > 0 && count <= d->count);
    durable_set(d->chunk, d->slot, sim_data_ref(d->versions[count - 1].data));
    for (uint32_t i = 0; i < count; i++)
        sim_data_unref(d->versions[i].data);
    d->count -= count;
    memmove(d->versions, d->versions + count, d->count * sizeof(d->versions[0]));
}

void sim_media_flush(struct sim_media *md, uint64_t mark)
{
    LIST_EACH_SAFE (l, &md->dirty) {
        struct dirty *d = LIST_ENTRY(l, struct dirty, link);
        uint32_t covered = 0;

        while (covered < d->count && d->versions[covered].mark <= mark)
            covered++;
        if (covered > 0)
            settle(d, covered);
        if (d->count == 0)
            dirty_free(d);
    }
}

/* After a failed flush the kernel calls pages clean that never arrived. */
void sim_media_flush_fails(struct sim_media *md, struct rng *r)
{
    LIST_EACH_SAFE (l, &md->dirty) {
        if (rng_chance(r, 1, 2))
            dirty_free(LIST_ENTRY(l, struct dirty, link));
    }
}

void sim_media_power_cut(struct sim_media *md, struct rng *r, uint32_t unreadable_per_million)
{
    LIST_EACH_SAFE (l, &md->dirty) {
        struct dirty *d = LIST_ENTRY(l, struct dirty, link);
        struct chunk *c = d->chunk;
        uint32_t slot = d->slot, pick = (uint32_t)rng_below(r, d->count + 1);
        bool unreadable = rng_chance(r, unreadable_per_million, 1000000);

        if (pick > 0)
            settle(d, pick);
        dirty_free(d);
        if (unreadable) {
            durable_set(c, slot, NULL);
            c->flags[slot] |= UNREADABLE;
        }
    }
}

static void data_flip(struct sim_data **at, uint32_t byte, unsigned bit)
{
    struct sim_data *d = sim_alloc(sizeof(*d)); /* the old one may be shared */

    d->refs = 1;
    if (*at)
        memcpy(d->bytes, (*at)->bytes, DISK_BLOCK);
    d->bytes[byte] ^= (uint8_t)(1u << (bit & 7));
    sim_data_unref(*at);
    *at = d;
}

int sim_media_flip(struct sim_media *md, uint64_t byte, unsigned bit)
{
    uint32_t slot = byte / DISK_BLOCK % CHUNK_BLOCKS;
    struct chunk *c;

    if (byte >= md->bytes)
        return -ERANGE;
    c = chunk_get(md, byte / DISK_BLOCK);
    data_flip(&c->data[slot], byte % DISK_BLOCK, bit);
    if (c->dirty[slot]) {
        for (uint32_t i = 0; i < c->dirty[slot]->count; i++)
            data_flip(&c->dirty[slot]->versions[i].data, byte % DISK_BLOCK, bit);
    }
    return 0;
}
