/* fsck.c - proof of a store, offline and without changing it.
 *
 * What LevelDB holds and what the journal would replay are read as one order of rows; blocks whose
 * deferred data still lies in the journal are taken from there.  Then: every onode decodes and says
 * which shards it has (by tag); every shard row belongs to an onode and has the tag it said; every
 * block it maps is on the disk, has one owner (more only where a clone marked it), and holds bytes
 * of the checksum; every omap row belongs to an object that has omap rows; every value fits its
 * key. */
#include "core/store/replay.h"

#include <stdarg.h>
#include <stdio.h>

struct fs_node { /* one object, by nid */
    struct hnode node;
    uint64_t nid, size;
    bool omap, damaged;
    uint32_t tag_count, seen;
    uint32_t tags[];
};
struct fs_block { /* a block with deferred data in the journal */
    struct hnode node;
    uint64_t phys;
    uint32_t crc; /* of the data that is there */
};
struct fsck {
    struct env *env;
    const char *folder;
    struct fsck_report *report;
    void (*problem)(void *arg, const char *text);
    void (*check_meta)(void *arg, struct pgid coll, struct bytes key, struct bytes value);
    void *arg;
    struct superblock sb;
    struct disk *journal, *data;
    struct kv *kv;
    struct overlay overlay;
    struct arena arena; /* rows, blocks and nodes */
    struct tx tx;       /* the rows' owner, as the overlay wants one */
    struct htable nodes, blocks;
    uint64_t *owned; /* bitmaps: has an owner; has an owner that is not marked shared */
    uint64_t *alone;
    uint8_t *block;
};

static void problem(struct fsck *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void problem(struct fsck *f, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    f->report->errors++;
    if (f->problem)
        f->problem(f->arg, text);
}

/* --- the journal in memory --- */

static int take_row(void *arg, const struct record_row *rec)
{
    struct fsck *f = arg;
    struct row *r = arena_zalloc(&f->arena, sizeof(*r));
    uint8_t *key = arena_dup(&f->arena, rec->key.data, rec->key.len);
    uint8_t *value = arena_dup(&f->arena, rec->value.data, rec->value.len);

    if (!r || !key || !value)
        return -ENOMEM;
    r->key = (struct bytes){key, rec->key.len};
    r->value = (struct bytes){value, rec->value.len};
    r->kind = rec->op == REC_PUT ? ROW_PUT : rec->op == REC_DEL ? ROW_DEL : ROW_RANGE;
    r->tx = &f->tx;
    overlay_insert(&f->overlay, r);
    return 0;
}

static struct fs_block *journal_block(const struct fsck *f, uint64_t phys)
{
    for (struct hnode *n = htable_first(&f->blocks, hash64_u64(0, phys)); n; n = htable_next(n)) {
        struct fs_block *b = CONTAINER_OF(n, struct fs_block, node);

        if (b->phys == phys)
            return b;
    }
    return NULL;
}

static int take_block(void *arg, uint64_t phys, uint32_t crc, const uint8_t *data)
{
    struct fsck *f = arg;
    struct fs_block *b = journal_block(f, phys);

    UNUSED(crc);
    if (!b) {
        b = arena_zalloc(&f->arena, sizeof(*b));
        if (!b)
            return -ENOMEM;
        b->phys = phys;
        htable_insert(&f->blocks, &b->node, hash64_u64(0, phys));
    }
    b->crc = crc32c(0, data, STORE_BLOCK);
    return 0;
}

static int load_journal(struct fsck *f)
{
    struct journal_scan sc = {.disk = f->journal, .sb = &f->sb};
    const struct replay_sink sink = {take_row, take_block, f};
    int rc = journal_scan(&sc);

    if (rc == 0 && sc.damaged)
        problem(f, "%s", sc.note.text);
    if (rc == 0)
        rc = journal_walk(&sc, &sink);
    f->report->journal_records = sc.records;
    journal_scan_fini(&sc);
    return rc;
}

/* Every row of one kind, LevelDB and journal as one order. */
static int each_row(struct fsck *f, uint8_t kind,
                    int (*visit)(struct fsck *f, struct bytes key, struct bytes value))
{
    uint8_t from[1] = {kind}, to[1] = {(uint8_t)(kind + 1)};
    struct row *p = overlay_from(&f->overlay, (struct bytes){from, 1});
    struct bytes key, value;
    struct kv_iter *it;
    int rc = kv_iter_create(f->kv, (struct bytes){from, 1}, (struct bytes){to, 1}, &it), have;

    if (rc < 0)
        return rc;
    have = kv_iter_next(it, &key, &value);
    while (rc == 0 && have >= 0) {
        bool point = p && p->key.data[0] == kind;
        int cmp = !have ? 1 : !point ? -1 : bytes_compare(key, p->key);

        if (!have && !point)
            break;
        if (cmp < 0 && !overlay_hidden(&f->overlay, key))
            rc = visit(f, key, value);
        if (cmp >= 0 && p->kind == ROW_PUT)
            rc = visit(f, p->key, p->value);
        if (cmp >= 0)
            p = overlay_next(p);
        if (cmp <= 0)
            have = kv_iter_next(it, &key, &value);
    }
    kv_iter_destroy(it);
    return rc < 0 ? rc : have < 0 ? have : 0;
}

/* --- the checks --- */

static struct fs_node *node_find(const struct fsck *f, uint64_t nid)
{
    for (struct hnode *n = htable_first(&f->nodes, hash64_u64(0, nid)); n; n = htable_next(n)) {
        struct fs_node *node = CONTAINER_OF(n, struct fs_node, node);

        if (node->nid == nid)
            return node;
    }
    return NULL;
}

static int check_onode(struct fsck *f, struct bytes key, struct bytes value)
{
    struct onode_meta m;
    uint32_t *tags, count;
    struct fs_node *n;
    int rc = onode_decode(key, value, &m, &tags, &count);

    f->report->objects++;
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0) {
        problem(f, "onode %llu in order: %s", (unsigned long long)f->report->objects,
                reason_text(rc));
        return 0;
    }
    n = arena_zalloc(&f->arena, sizeof(*n) + count * sizeof(*tags));
    if (n) {
        n->nid = m.nid;
        n->size = m.size;
        n->omap = m.omap;
        n->damaged = m.damaged;
        n->tag_count = count;
        if (count)
            memcpy(n->tags, tags, count * sizeof(*tags));
        if (node_find(f, m.nid))
            problem(f, "two objects have the number %llu", (unsigned long long)m.nid);
        if (m.damaged)
            problem(f, "object %llu is marked as damaged", (unsigned long long)m.nid);
        htable_insert(&f->nodes, &n->node, hash64_u64(0, m.nid));
    }
    onode_meta_fini(&m);
    mem_free(tags);
    return n ? 0 : -ENOMEM;
}

static bool bit_test_set(uint64_t *map, uint64_t bit)
{
    bool was = map[bit / 64] >> bit % 64 & 1;

    map[bit / 64] |= UINT64_C(1) << bit % 64;
    return was;
}

static void check_owner(struct fsck *f, uint64_t nid, uint64_t phys, bool shared)
{
    (void)bit_test_set(f->owned,
                       phys); /* several owners are fine as long as one at most is unmarked */
    if (!shared && bit_test_set(f->alone, phys))
        problem(f, "block %llu of object %llu has another owner", (unsigned long long)phys,
                (unsigned long long)nid);
}

static int check_block(struct fsck *f, const struct fs_node *n, uint64_t block,
                       const struct shard *sh, uint32_t i)
{
    unsigned long long at = (unsigned long long)block * STORE_BLOCK,
                       nid = (unsigned long long)n->nid;
    uint64_t phys = sh->phys[i];
    struct fs_block *b;
    uint32_t crc;
    int rc;

    if (at >= n->size)
        problem(f, "object %llu maps byte %llu behind its end", nid, at);
    if (phys == PHYS_LOST) {
        problem(f, "object %llu lost its bytes at %llu", nid, at);
        return 0;
    }
    if (phys >= f->sb.data_blocks) {
        problem(f, "object %llu maps byte %llu to block %llu, which is not on the disk", nid, at,
                (unsigned long long)phys);
        return 0;
    }
    check_owner(f, n->nid, phys, sh->shared >> i & 1);
    b = journal_block(f, phys);
    f->report->bytes_checked += STORE_BLOCK;
    if (b) {
        crc = b->crc;
    } else {
        rc = disk_read_now(f->data, phys * STORE_BLOCK, f->block, STORE_BLOCK);
        if (rc == -ENOMEM)
            return rc;
        if (rc < 0) {
            problem(f, "object %llu at byte %llu: block %llu cannot be read", nid, at,
                    (unsigned long long)phys);
            return 0;
        }
        crc = crc32c(0, f->block, STORE_BLOCK);
    }
    if (crc != sh->crc[i])
        problem(f, "object %llu at byte %llu: stored checksum and data disagree", nid, at);
    return 0;
}

static int check_shard(struct fsck *f, struct bytes key, struct bytes value)
{
    struct bytes rest;
    struct shard sh;
    uint64_t nid = 0;
    uint32_t index = 0;
    struct fs_node *n;
    int rc = key_nid_get(key, &nid, &rest);

    for (uint32_t i = 0; i < rest.len && rc == 0; i++)
        index = index << 8 | rest.data[i];
    n = rc == 0 ? node_find(f, nid) : NULL;
    if (!n || rest.len != 4 || index >= n->tag_count || n->tags[index] == 0) {
        problem(f, "region %u of object %llu belongs to no onode", index, (unsigned long long)nid);
        return 0;
    }
    n->seen++;
    if (shard_tag(value) != n->tags[index] || shard_decode(value, nid, index, &sh) < 0) {
        problem(f, "region %u of object %llu is not the one its onode knows", index,
                (unsigned long long)nid);
        return 0;
    }
    f->report->extents++;
    for (uint32_t i = 0; i < SHARD_BLOCKS && rc == 0; i++)
        if (sh.phys[i] != PHYS_HOLE)
            rc = check_block(f, n, (uint64_t)index * SHARD_BLOCKS + i, &sh, i);
    return rc;
}

static void check_seen(struct hnode *hn, void *arg)
{
    struct fs_node *n = CONTAINER_OF(hn, struct fs_node, node);
    struct fsck *f = arg;
    uint32_t tags = 0;

    for (uint32_t i = 0; i < n->tag_count; i++)
        tags += n->tags[i] != 0;
    if (tags != n->seen)
        problem(f, "object %llu has %u regions, its onode knows %u", (unsigned long long)n->nid,
                n->seen, tags);
}

static int check_omap(struct fsck *f, struct bytes key, struct bytes value)
{
    struct bytes rest, bytes;
    uint64_t nid = 0;
    struct fs_node *n = key_nid_get(key, &nid, &rest) == 0 ? node_find(f, nid) : NULL;

    f->report->omap_rows++;
    if (!n || (!n->omap && !n->damaged))
        problem(f, "a key/value row of object %llu belongs to no onode", (unsigned long long)nid);
    if (row_value_get(key, value, &bytes) < 0)
        problem(f, "a key/value row of object %llu is damaged", (unsigned long long)nid);
    return 0;
}

static int check_meta_row(struct fsck *f, struct bytes key, struct bytes value)
{
    struct bytes rest, bytes;
    struct pgid pg;

    f->report->meta_rows++;
    if (key_meta_get(key, &pg, &rest) < 0 || row_value_get(key, value, &bytes) < 0)
        problem(f, "row %llu of the placement groups is damaged",
                (unsigned long long)f->report->meta_rows);
    else if (f->check_meta)
        f->check_meta(f->arg, pg, rest, bytes);
    return 0;
}

/* --- the run --- */

static int open_one(struct fsck *f, const char *name, struct disk **out, struct note *why)
{
    struct disk_conf conf = {.read_only = true};
    AUTO_FREE char *path = store_path(f->folder, name);

    return path ? disk_open(f->env, path, &conf, out, why) : -ENOMEM;
}

static int load_superblock(struct fsck *f, struct note *why)
{
    struct disk *d = NULL;
    uint32_t slot, bad;
    int rc = open_one(f, "superblock", &d, why);

    if (rc == 0)
        rc = open_one(f, "data", &f->data, why);
    if (rc == 0)
        rc = superblock_load(d, f->data, &f->sb, &slot, &bad);
    if (rc == 0 && bad > !f->sb.clean) /* a crash tears one */
        problem(f, "superblock: %u of 3 are damaged", bad);
    disk_close(d);
    return rc;
}

static int fsck_open(struct fsck *f, struct note *why)
{
    struct kv_conf conf = {.read_only_check = true};
    AUTO_FREE char *kv = store_path(f->folder, "kv");
    size_t words;
    int rc = kv ? load_superblock(f, why) : -ENOMEM;

    if (rc == 0)
        rc = open_one(f, "journal", &f->journal, why);
    if (rc == 0)
        rc = kv_open(f->env, kv, &conf, &f->kv, why);
    if (rc < 0)
        return rc;
    words = f->sb.data_blocks / 64 + 1;
    f->owned = mem_calloc(words, sizeof(uint64_t));
    f->alone = mem_calloc(words, sizeof(uint64_t));
    f->block = mem_aligned(DISK_BLOCK, STORE_BLOCK);
    if (!f->owned || !f->alone || !f->block || htable_init(&f->nodes, 1024) < 0 ||
        htable_init(&f->blocks, 1024) < 0)
        return -ENOMEM;
    return 0;
}

static int fsck_run(struct fsck *f, struct note *why)
{
    int rc = fsck_open(f, why);

    if (rc == 0)
        rc = load_journal(f);
    if (rc == 0)
        rc = each_row(f, 'o', check_onode);
    if (rc == 0)
        rc = each_row(f, 'e', check_shard);
    if (rc == 0)
        htable_each(&f->nodes, check_seen, f);
    if (rc == 0)
        rc = each_row(f, 'm', check_omap);
    if (rc == 0)
        rc = each_row(f, 'p', check_meta_row);
    return rc;
}

int store_fsck(struct env *env, const char *folder, struct fsck_report *out_report,
               void (*problem_cb)(void *arg, const char *text),
               void (*check_meta)(void *arg, struct pgid coll, struct bytes key,
                                  struct bytes value),
               void *arg, struct note *why)
{
    struct fsck *f = mem_zalloc(sizeof(*f));
    AUTO_FREE char *lock_path = store_path(folder, "lock");
    struct file_lock *lock = NULL;
    int rc;

    *out_report = (struct fsck_report){0};
    if (!f || !lock_path || overlay_init(&f->overlay) < 0) {
        mem_free(f);
        return -ENOMEM;
    }
    f->env = env;
    f->folder = folder;
    f->report = out_report;
    f->problem = problem_cb;
    f->check_meta = check_meta;
    f->arg = arg;
    arena_init(&f->arena);
    rc = file_lock(env, lock_path, &lock);
    rc = rc == -EBUSY ? -R_STORE_LOCKED : rc;
    if (rc == 0)
        rc = fsck_run(f, why);
    if (rc < 0)
        note_add(why, "%s: %s", folder, reason_text(rc));
    kv_close(f->kv);
    disk_close(f->journal);
    disk_close(f->data);
    file_unlock(lock);
    htable_fini(&f->nodes);
    htable_fini(&f->blocks);
    overlay_fini(&f->overlay);
    arena_fini(&f->arena);
    mem_free(f->owned);
    mem_free(f->alone);
    mem_free(f->block);
    mem_free(f);
    return rc;
}
