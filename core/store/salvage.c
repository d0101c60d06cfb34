/* salvage.c - what a repaired LevelDB holds is made to fit together.
 *
 * After damage to tables or journal rows are missing, and others are older than they were or back
 * from the dead.  Each row can be trusted by itself (LevelDB and our own checksums saw to that),
 * not its company.  Kept are onodes, the shards and key/value rows that belong to one, and rows of
 * placement groups; dropped is what belongs to nobody.  A shard that its onode no longer has, or
 * has in another version, stays missing: reads of that region say -R_CSUM_MISMATCH until the caller
 * writes it anew.
 *
 * Two onodes of different age may both claim a block, for it was let go and used again.  The one
 * whose checksum fits the block has it; the other's shard is dropped.
 *
 * Key/value rows are bound to their keys only: nobody can tell whether some are gone or old.  So an
 * object that has any, or that lacks a shard, loses its version (it becomes 0'0): the caller, who
 * compares versions with other copies, brings it anew. */
#include "core/store/replay.h"

struct node { /* one object, by nid */
    struct hnode node;
    uint64_t nid;
    bool omap;
    uint32_t lacking; /* shards not found */
    uint32_t tag_count;
    uint32_t tags[];
};
struct salvage {
    struct store *s;
    struct kv_batch *batch;
    struct arena arena; /* nodes */
    struct htable nodes;
    uint64_t *alone, *clash, *kept; /* bitmaps: has an unmarked owner; has two; is given to one */
    bool clashes;
    uint8_t *block;
    uint64_t dropped, distrusted;
};

static bool bit_get(const uint64_t *map, uint64_t bit)
{
    return map[bit / 64] >> bit % 64 & 1;
}

static void bit_set(uint64_t *map, uint64_t bit)
{
    map[bit / 64] |= UINT64_C(1) << bit % 64;
}

static int flush(struct salvage *v)
{
    int rc = kv_write(v->s->kv, v->batch);

    kv_batch_destroy(v->batch);
    v->batch = kv_batch_create();
    return rc < 0 ? rc : v->batch ? 0 : -ENOMEM;
}

static int drop(struct salvage *v, struct bytes key)
{
    int rc = kv_batch_delete(v->batch, key);

    v->dropped++;
    if (rc == 0 && kv_batch_bytes(v->batch) >= APPLY_BATCH_BYTES)
        rc = flush(v);
    return rc;
}

static int each_row(struct salvage *v, uint8_t kind,
                    int (*visit)(struct salvage *v, struct bytes key, struct bytes value))
{
    uint8_t from[1] = {kind}, to[1] = {(uint8_t)(kind + 1)};
    struct bytes key, value;
    struct kv_iter *it;
    int rc = kv_iter_create(v->s->kv, (struct bytes){from, 1}, (struct bytes){to, 1}, &it);

    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1) {
        rc = visit(v, key, value);
        if (rc < 0)
            break;
    }
    kv_iter_destroy(it);
    return rc < 0 ? rc : flush(v);
}

static struct node *node_find(const struct salvage *v, uint64_t nid)
{
    for (struct hnode *n = htable_first(&v->nodes, hash64_u64(0, nid)); n; n = htable_next(n)) {
        struct node *node = CONTAINER_OF(n, struct node, node);

        if (node->nid == nid)
            return node;
    }
    return NULL;
}

/* One that does not decode stays: its name is known, and reads of it say that it is damaged. */
static int take_onode(struct salvage *v, struct bytes key, struct bytes value)
{
    struct onode_meta m;
    uint32_t *tags, count;
    struct node *n;
    int rc = onode_decode(key, value, &m, &tags, &count);

    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    n = arena_zalloc(&v->arena, sizeof(*n) + count * sizeof(*tags));
    if (n) {
        n->nid = m.nid;
        n->omap = m.omap || m.damaged;
        n->tag_count = count;
        for (uint32_t i = 0; i < count; i++)
            n->lacking += tags[i] != 0;
        if (count)
            memcpy(n->tags, tags, count * sizeof(*tags));
        htable_insert(&v->nodes, &n->node, hash64_u64(0, m.nid));
    }
    onode_meta_fini(&m);
    mem_free(tags);
    return n ? 0 : -ENOMEM;
}

/* The node that has this shard, as it is; NULL: none. */
static struct node *shard_owner(const struct salvage *v, struct bytes key, struct bytes value,
                                struct shard *out_shard)
{
    struct bytes rest;
    uint64_t nid;
    uint32_t index = 0;
    struct node *n;

    if (key_nid_get(key, &nid, &rest) < 0 || rest.len != 4)
        return NULL;
    for (uint32_t i = 0; i < rest.len; i++)
        index = index << 8 | rest.data[i];
    n = node_find(v, nid);
    if (!n || index >= n->tag_count || n->tags[index] != shard_tag(value) ||
        shard_decode(value, nid, index, out_shard) < 0)
        return NULL;
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++)
        if (out_shard->phys[i] != PHYS_LOST && out_shard->phys[i] >= v->s->sb.data_blocks)
            return NULL;
    return n;
}

/* Block i of a shard, if it is on the disk and not marked as a clone's. */
static bool block_alone(const struct shard *sh, uint32_t i)
{
    return sh->phys[i] != PHYS_HOLE && sh->phys[i] != PHYS_LOST && !(sh->shared >> i & 1);
}

static int check_shard(struct salvage *v, struct bytes key, struct bytes value)
{
    struct shard sh;
    struct node *n = shard_owner(v, key, value, &sh);

    if (!n)
        return drop(v, key);
    n->lacking--;
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++) {
        if (!block_alone(&sh, i))
            continue;
        if (bit_get(v->alone, sh.phys[i])) {
            bit_set(v->clash, sh.phys[i]);
            v->clashes = true;
        }
        bit_set(v->alone, sh.phys[i]);
    }
    return 0;
}

static int settle_shard(struct salvage *v, struct bytes key, struct bytes value)
{
    struct shard sh;
    struct node *n = shard_owner(v, key, value, &sh);

    if (!n)
        return 0; /* was dropped */
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++) {
        uint64_t phys = sh.phys[i];
        int rc;

        if (!block_alone(&sh, i) || !bit_get(v->clash, phys))
            continue;
        rc = bit_get(v->kept, phys)
                 ? -R_CSUM_MISMATCH
                 : disk_read_now(v->s->data, phys * STORE_BLOCK, v->block, STORE_BLOCK);
        if (rc == -ENOMEM)
            return rc;
        if (rc < 0 || crc32c(0, v->block, STORE_BLOCK) != sh.crc[i]) {
            n->lacking++;
            return drop(v, key);
        }
    }
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++)
        if (block_alone(&sh, i))
            bit_set(v->kept, sh.phys[i]);
    return 0;
}

static int check_omap(struct salvage *v, struct bytes key, struct bytes value)
{
    struct bytes rest, bytes;
    uint64_t nid;
    const struct node *n = key_nid_get(key, &nid, &rest) == 0 ? node_find(v, nid) : NULL;

    return n && n->omap && row_value_get(key, value, &bytes) == 0 ? 0 : drop(v, key);
}

static int distrust(struct salvage *v, struct bytes key, struct bytes value)
{
    AUTO(writer) w = {0};
    struct onode_meta m;
    uint32_t *tags, count;
    const struct node *n;
    int rc = onode_decode(key, value, &m, &tags, &count);

    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    n = node_find(v, m.nid);
    if (m.version.seq && (m.omap || n->lacking)) {
        m.version = (struct version){0};
        onode_encode(&w, key, &m, tags, count);
        rc = w.rc ? w.rc : kv_batch_put(v->batch, key, (struct bytes){w.data, (uint32_t)w.len});
        v->distrusted++;
    }
    onode_meta_fini(&m);
    mem_free(tags);
    if (rc == 0 && kv_batch_bytes(v->batch) >= APPLY_BATCH_BYTES)
        rc = flush(v);
    return rc;
}

static int check_meta(struct salvage *v, struct bytes key, struct bytes value)
{
    struct bytes rest, bytes;
    struct pgid pg;

    return key_meta_get(key, &pg, &rest) == 0 && row_value_get(key, value, &bytes) == 0
               ? 0
               : drop(v, key);
}

static int salvage_run(struct salvage *v)
{
    size_t words = v->s->sb.data_blocks / 64 + 1;
    int rc;

    v->batch = kv_batch_create();
    v->alone = mem_calloc(words, sizeof(uint64_t));
    v->clash = mem_calloc(words, sizeof(uint64_t));
    v->kept = mem_calloc(words, sizeof(uint64_t));
    v->block = mem_aligned(DISK_BLOCK, STORE_BLOCK);
    if (!v->batch || !v->alone || !v->clash || !v->kept || !v->block ||
        htable_init(&v->nodes, 1024) < 0)
        return -ENOMEM;
    rc = each_row(v, 'o', take_onode);
    if (rc == 0)
        rc = each_row(v, 'e', check_shard);
    if (rc == 0 && v->clashes)
        rc = each_row(v, 'e', settle_shard);
    if (rc == 0)
        rc = each_row(v, 'o', distrust);
    if (rc == 0)
        rc = each_row(v, 'm', check_omap);
    if (rc == 0)
        rc = each_row(v, 'p', check_meta);
    return rc < 0 ? rc : kv_checkpoint(v->s->kv);
}

int salvage_rows(struct store *s)
{
    struct salvage v = {.s = s};
    int rc;

    arena_init(&v.arena);
    rc = salvage_run(&v);
    if (v.dropped || v.distrusted)
        log_warn(&s->log, "salvage dropped rows that fit nothing", KV_U64("rows", v.dropped),
                 KV_U64("objects_in_doubt", v.distrusted));
    kv_batch_destroy(v.batch);
    htable_fini(&v.nodes);
    arena_fini(&v.arena);
    mem_free(v.alone);
    mem_free(v.clash);
    mem_free(v.kept);
    mem_free(v.block);
    return rc;
}
