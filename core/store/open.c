/* open.c - a store is made, and opened: lock, superblock, replay, free space.
 *
 * Opening replays the journal into LevelDB and the data disk, makes both durable, and writes a
 * superblock whose checkpoint is the journal's end, so a running store starts with an empty ring. A
 * crash during replay leaves the old superblock: the same replay runs again.  Nothing is replayed
 * before the whole journal was verified.
 *
 * Free space is what no shard maps.  It is derived here, by one scan of LevelDB, and nowhere
 * stored. */
#include "core/store/replay.h"

#include <stdio.h>

enum { CACHE_DEFAULT = 32 << 20, JOURNAL_BLOCKS_MIN = 256 };
#define DATA_DEFAULT    GIB(64)
#define JOURNAL_DEFAULT MIB(64)
#define BALLAST_MAX     MIB(64)

char *store_path(const char *folder, const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

struct opening {
    struct env_work work;
    struct store *s;
    struct note why;
    int rc;
    void (*opened)(void *arg, int rc, struct store *store, const struct note *why);
    void *arg;
};

static int open_disk(struct env *env, const char *folder, const char *name,
                     const struct disk_conf *conf, struct disk **out, struct note *why)
{
    AUTO_FREE char *path = store_path(folder, name);

    return path ? disk_open(env, path, conf, out, why) : -ENOMEM;
}

static int open_kv(struct env *env, const char *folder, const struct kv_conf *conf, struct kv **out,
                   struct note *why)
{
    AUTO_FREE char *path = store_path(folder, "kv");

    return path ? kv_open(env, path, conf, out, why) : -ENOMEM;
}

static int lock_store(struct env *env, const char *folder, struct file_lock **out)
{
    AUTO_FREE char *path = store_path(folder, "lock");
    int rc = path ? file_lock(env, path, out) : -ENOMEM;

    return rc == -EBUSY ? -R_STORE_LOCKED : rc;
}

static int superblock_put(struct disk *d, uint64_t off, const struct superblock *sb)
{
    uint8_t *block = mem_aligned(DISK_BLOCK, DISK_BLOCK);
    int rc = -ENOMEM;

    if (block) {
        superblock_encode(sb, block);
        rc = disk_write_now(d, off, block, DISK_BLOCK);
    }
    mem_free(block);
    return rc < 0 ? rc : disk_flush_now(d);
}

int superblock_write_now(struct disk *d, struct disk *data, struct superblock *sb, uint32_t *slot)
{
    int rc;

    sb->generation++;
    rc = superblock_put(d, (uint64_t)(1 - *slot) * DISK_BLOCK, sb);
    if (rc == 0) {
        *slot = 1 - *slot;
        rc = superblock_put(data, 0, sb);
    }
    return rc == -ENOSPC ? 0 : rc; /* the copy is one more than needed */
}

/* --- mkfs --- */

static int mkfs_superblock(struct env *env, const struct store_conf *conf, struct superblock *sb,
                           struct note *why)
{
    struct disk_conf sb_conf = {
        .create = true, .zeroed = true, .bytes = SUPERBLOCK_SLOTS * DISK_BLOCK};
    struct disk_conf data_conf = {0};
    struct disk *d = NULL, *data = NULL;
    uint32_t slot = 1;
    int rc = open_disk(env, conf->folder, "superblock", &sb_conf, &d, why);

    if (rc == 0)
        rc = open_disk(env, conf->folder, "data", &data_conf, &data, why);
    for (int i = 0; i < SUPERBLOCK_SLOTS && rc == 0; i++)
        rc = superblock_write_now(d, data, sb, &slot);
    disk_close(data);
    disk_close(d);
    return rc;
}

static int mkfs_files(struct env *env, const struct store_conf *conf, const struct superblock *sb,
                      struct note *why)
{
    struct disk_conf journal = {
        .create = true, .zeroed = true, .bytes = sb->journal_blocks * DISK_BLOCK};
    struct disk_conf data = {.create = true, .bytes = sb->data_blocks * DISK_BLOCK};
    struct kv_conf kv_conf = {.create = true};
    struct disk *d = NULL;
    struct kv *kv = NULL;
    int rc = open_disk(env, conf->folder, "journal", &journal, &d, why);

    disk_close(d);
    d = NULL;
    if (rc == 0)
        rc = open_disk(env, conf->folder, "data", &data, &d, why);
    disk_close(d);
    d = NULL;
    if (rc == 0 && sb->ballast_bytes)
        rc = ballast_make(env, conf->folder, sb->ballast_bytes, &d);
    disk_close(d);
    if (rc == 0)
        rc = open_kv(env, conf->folder, &kv_conf, &kv, why);
    if (rc == 0)
        rc = kv_checkpoint(kv);
    kv_close(kv);
    return rc;
}

/* -ENOENT: nothing there, or a mkfs that did not finish. */
static int mkfs_probe(struct env *env, const char *folder)
{
    struct disk_conf conf = {.read_only = true};
    struct superblock sb;
    struct disk *d = NULL;
    struct note why = {0};
    uint32_t slot, bad;
    int rc = open_disk(env, folder, "superblock", &conf, &d, &why);

    if (rc == 0 && disk_bytes(d) < SUPERBLOCK_SLOTS * DISK_BLOCK)
        rc = -ENOENT;
    if (rc == 0)
        rc = superblock_load(d, NULL, &sb, &slot, &bad);
    disk_close(d);
    return rc;
}

int store_mkfs(struct env *env, const struct store_conf *conf, const struct store_id *id,
               struct note *why)
{
    uint64_t data = conf->data_bytes ? conf->data_bytes : DATA_DEFAULT;
    uint64_t journal = conf->journal_bytes ? conf->journal_bytes : JOURNAL_DEFAULT;
    struct superblock sb = {.id = *id, .next_nid = 1, .clean = true};
    struct file_lock *lock = NULL;
    int rc;

    sb.salt = env_random_u64(env);
    sb.data_blocks = data / STORE_BLOCK;
    sb.journal_blocks = journal / DISK_BLOCK;
    sb.ballast_bytes = MIN((uint64_t)BALLAST_MAX, ROUND_DOWN(data / 64, DISK_BLOCK));
    if (sb.journal_blocks < JOURNAL_BLOCKS_MIN || sb.data_blocks < JOURNAL_BLOCKS_MIN) {
        note_add(why, "%s: journal and data must have 1 MiB at least", conf->folder);
        return -EINVAL;
    }
    rc = dir_create(env, conf->folder, 0700);
    if (rc == 0)
        rc = lock_store(env, conf->folder, &lock);
    if (rc == 0) {
        rc = mkfs_probe(env, conf->folder);
        rc = rc == -ENOENT ? 0 : rc == 0 || rc == -R_CSUM_MISMATCH ? -EEXIST : rc;
    }
    if (rc == 0)
        rc = mkfs_files(env, conf, &sb, why);
    if (rc == 0) /* last: without it there is no store */
        rc = mkfs_superblock(env, conf, &sb, why);
    file_unlock(lock);
    if (rc < 0)
        note_add(why, "%s: making a store: %s", conf->folder, reason_text(rc));
    return rc;
}

/* --- replay --- */

struct replaying {
    struct store *s;
    struct kv_batch *batch;
};

static int replay_flush(struct replaying *r)
{
    int rc = kv_write(r->s->kv, r->batch);

    kv_batch_destroy(r->batch);
    r->batch = kv_batch_create();
    return rc < 0 ? rc : r->batch ? 0 : -ENOMEM;
}

static int replay_range(struct replaying *r, const struct record_row *row)
{
    struct kv_iter *it;
    struct bytes key, value;
    int rc = replay_flush(r); /* what came before must be there to be deleted */

    if (rc == 0)
        rc = kv_iter_create(r->s->kv, row->key, row->value, &it);
    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1) {
        rc = kv_batch_delete(r->batch, key);
        if (rc == 0 && kv_batch_bytes(r->batch) >= APPLY_BATCH_BYTES)
            rc = replay_flush(r);
        if (rc < 0)
            break;
    }
    kv_iter_destroy(it);
    return rc;
}

static int replay_row(void *arg, const struct record_row *row)
{
    struct replaying *r = arg;
    int rc;

    if (row->op == REC_RANGE)
        return replay_range(r, row);
    if (row->op == REC_PUT)
        rc = kv_batch_put(r->batch, row->key, row->value);
    else
        rc = kv_batch_delete(r->batch, row->key);
    if (rc == 0 && kv_batch_bytes(r->batch) >= APPLY_BATCH_BYTES)
        rc = replay_flush(r);
    return rc;
}

static int replay_block(void *arg, uint64_t phys, uint32_t crc, const uint8_t *data)
{
    struct replaying *r = arg;

    UNUSED(
        crc); /* the group's own CRC covers the data; this one may be wrong on purpose (blocks.c) */
    if (phys == 0 || phys >= r->s->sb.data_blocks)
        return -R_MALFORMED;
    return disk_write_now(r->s->data, phys * STORE_BLOCK, data, STORE_BLOCK);
}

static int ballast_remove(struct store *s)
{
    AUTO_FREE char *ballast = store_path(s->folder, "ballast");
    int rc = ballast ? file_remove(s->env, ballast) : -ENOMEM;

    return rc == -ENOENT ? 0 : rc;
}

/* Room for what replay will write, or the ballast goes. */
static int replay_room(struct store *s, const struct journal_scan *sc)
{
    uint64_t need = (sc->end_pos - s->sb.tail_pos) * DISK_BLOCK + MIB(1);
    int rc = fs_space(s->env, s->folder, &s->fs);

    if (rc < 0 || s->fs.free_bytes >= need || sc->records == 0)
        return rc;
    rc = ballast_remove(s);
    if (rc < 0)
        return rc;
    rc = fs_space(s->env, s->folder, &s->fs);
    return rc < 0 ? rc : s->fs.free_bytes >= need ? 0 : -R_STORE_FULL;
}

static int replay(struct store *s, struct journal_scan *sc)
{
    struct replaying r = {.s = s, .batch = kv_batch_create()};
    const struct replay_sink sink = {replay_row, replay_block, &r};
    int rc = r.batch ? replay_room(s, sc) : -ENOMEM;

    if (rc == 0)
        rc = journal_walk(sc, &sink);
    if (rc == 0)
        rc = kv_write(s->kv, r.batch);
    kv_batch_destroy(r.batch);
    if (rc == 0)
        rc = disk_flush_now(s->data);
    if (rc == 0)
        rc = kv_checkpoint(s->kv);
    return rc;
}

static int journal_open(struct store *s, struct note *why)
{
    struct journal_scan sc = {.disk = s->journal.disk, .sb = &s->sb};
    bool damaged;
    int rc = journal_scan(&sc);

    damaged = rc == 0 && sc.damaged;
    if (damaged) {
        note_add(why, "%s", sc.note.text);
        if (!s->conf.salvage)
            rc = -R_CSUM_MISMATCH;
        s->salvaged = s->salvaging = true;
    }
    if (rc == 0 && (sc.records || damaged))
        rc = replay(s, &sc);
    if (rc == 0) {
        if (sc.records)
            log_info(&s->log, "replayed the journal", KV_U64("records", sc.records));
        s->sb.tail_pos = sc.end_pos;
        if (damaged) /* a lap further: what is behind the damage must never continue the chain
                      */
            s->sb.tail_pos += 2 * s->sb.journal_blocks;
        s->sb.tail_seq = sc.end_seq;
        s->sb.tail_crc = sc.end_crc;
    }
    journal_scan_fini(&sc);
    return rc;
}

/* --- free space --- */

static int scan_onodes(struct store *s)
{
    static const uint8_t from[1] = {'o'}, to[1] = {'o' + 1};
    struct kv_iter *it;
    struct bytes key, value;
    int rc = kv_iter_create(s->kv, (struct bytes){from, 1}, (struct bytes){to, 1}, &it);

    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1) {
        struct onode_meta m;

        s->object_count++;
        if (onode_peek(key, value, &m) == 0)
            s->next_nid = MAX(s->next_nid, m.nid + 1);
    }
    kv_iter_destroy(it);
    return rc;
}

static int mark_shard(struct store *s, const struct shard *sh)
{
    int rc = 0;

    for (uint32_t i = 0; i < SHARD_BLOCKS && rc == 0; i++)
        if (sh->phys[i] != PHYS_HOLE && sh->phys[i] != PHYS_LOST)
            rc = extents_mark(s->extents, sh->phys[i]);
    return rc;
}

static int scan_shards(struct store *s)
{
    static const uint8_t from[1] = {'e'}, to[1] = {'e' + 1};
    struct kv_iter *it;
    struct bytes key, value;
    int rc = kv_iter_create(s->kv, (struct bytes){from, 1}, (struct bytes){to, 1}, &it);

    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1) {
        struct bytes rest;
        struct shard sh;
        uint64_t nid = 0;
        uint32_t index = 0;

        rc = key_nid_get(key, &nid, &rest);
        for (uint32_t i = 0; rc == 0 && i < rest.len; i++)
            index = index << 8 | rest.data[i];
        if (rc == 0)
            rc = shard_decode(value, nid, index, &sh);
        if (rc < 0) { /* reads of that object find it; its blocks are nobody's now */
            log_error(&s->log, "the map of an object's region is damaged", KV_U64("nid", nid),
                      KV_RC(rc));
            continue;
        }
        s->next_nid = MAX(s->next_nid, nid + 1);
        rc = mark_shard(s, &sh);
        if (rc < 0)
            break;
    }
    kv_iter_destroy(it);
    return rc;
}

/* --- open --- */

static int open_superblock(struct store *s, struct note *why)
{
    struct disk_conf conf = {0};
    uint32_t bad;
    int rc = open_disk(s->env, s->folder, "superblock", &conf, &s->sb_disk, why);

    if (rc == 0)
        rc = open_disk(s->env, s->folder, "data", &conf, &s->data, why);
    if (rc == 0)
        rc = superblock_load(s->sb_disk, s->data, &s->sb, &s->sb_slot, &bad);
    if (rc < 0) {
        note_add(why, "superblock");
        return rc;
    }
    /* One at a time is written, and none after a clean close: more is damage, not a torn write. */
    if (bad > !s->sb.clean) {
        log_warn(&s->log, "a damaged superblock is made anew from its copy",
                 KV_U64("damaged", bad));
        s->mended++;
    }
    s->id = s->sb.id;
    s->next_nid = s->sb.next_nid;
    s->salvaged = s->sb.salvaged;
    s->ballast_bytes = s->sb.ballast_bytes;
    return 0;
}

static int open_disks(struct store *s, struct note *why)
{
    struct disk_conf conf = {0};
    int rc = open_disk(s->env, s->folder, "journal", &conf, &s->journal.disk, why);

    if (rc == 0 && (disk_bytes(s->journal.disk) < s->sb.journal_blocks * DISK_BLOCK ||
                    disk_bytes(s->data) < s->sb.data_blocks * STORE_BLOCK)) {
        note_add(why, "journal or data is shorter than the superblock says");
        rc = -R_CSUM_MISMATCH;
    }
    return rc;
}

/* A store that met damage while it ran leaves a file that says so: the next open looks at every
 * row, which it would else not. */
void damage_note(struct store *s)
{
    AUTO_FREE char *path = store_path(s->folder, "damaged");

    if (path) /* if it fails, the damage is met again */
        (void)file_replace(s->env, path, "tables\n", 7, 0600);
}

static bool damage_noted(struct store *s)
{
    AUTO_FREE char *path = store_path(s->folder, "damaged");
    AUTO(buf) text = {0};

    return path && file_read(s->env, path, 100, &text) == 0;
}

static void damage_forget(struct store *s)
{
    AUTO_FREE char *path = store_path(s->folder, "damaged");

    if (path && s->conf.salvage)
        (void)file_remove(s->env, path); /* most often there is none */
}

/* Whether every row can be read. */
static int rows_read(struct kv *kv)
{
    struct kv_iter *it;
    struct bytes key, value;
    int rc = kv_iter_create(kv, (struct bytes){0}, (struct bytes){0}, &it);

    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1)
        ;
    kv_iter_destroy(it);
    return rc;
}

/* Not an I/O error: that may be over the next time, and repairing would drop what it hit. */
static bool tables_damaged(int rc)
{
    return rc == -R_CSUM_MISMATCH || rc == -ENOENT;
}

static int open_tables(struct store *s, struct note *why)
{
    struct kv_conf conf = {0};
    int rc = open_kv(s->env, s->folder, &conf, &s->kv, why);

    if (rc == -ENOSPC && ballast_remove(s) == 0)
        rc = open_kv(s->env, s->folder, &conf, &s->kv, why);
    if (rc == 0 && s->conf.salvage && damage_noted(s))
        rc = rows_read(s->kv);
    if (rc < 0)
        note_add(why, "key-value store");
    return rc;
}

/* The flag first: should the power go, nobody may believe that all is there. */
static int salvage_tables(struct store *s, struct note *why)
{
    AUTO_FREE char *path = store_path(s->folder, "kv");
    int rc = path ? 0 : -ENOMEM;

    kv_close(TAKE(s->kv));
    extents_destroy(TAKE(s->extents));
    s->object_count = 0;
    s->salvaged = s->salvaging = s->sb.salvaged = true;
    if (rc == 0)
        rc = superblock_write_now(s->sb_disk, s->data, &s->sb, &s->sb_slot);
    return rc < 0 ? rc : kv_salvage(s->env, path, why);
}

static int open_space(struct store *s)
{
    int rc;

    s->unit_blocks = grow_unit_blocks(s->sb.data_blocks);
    s->extents = extents_create(s->sb.data_blocks, s->unit_blocks);
    rc = s->extents ? scan_onodes(s) : -ENOMEM;
    if (rc == 0)
        rc = scan_shards(s);
    if (rc == 0)
        rc = fs_space(s->env, s->folder, &s->fs);
    return rc;
}

/* The ballast stands, or is made if there is room for it beside the reserve. */
static void open_ballast(struct store *s)
{
    struct disk_conf conf = {0};
    struct note why = {0};

    if (s->ballast_bytes == 0)
        return;
    if (open_disk(s->env, s->folder, "ballast", &conf, &s->ballast, &why) == 0) {
        if (disk_bytes(s->ballast) >= s->ballast_bytes)
            return;
        disk_close(TAKE(s->ballast));
    }
    if (s->fs.free_bytes > 4 * s->ballast_bytes)
        (void)ballast_make(s->env, s->folder, s->ballast_bytes,
                           &s->ballast); /* space.c tries again */
}

static int open_rows(struct store *s, struct note *why)
{
    int rc = open_tables(s, why);

    if (rc == 0)
        rc = journal_open(s, why);
    if (rc == 0 && s->salvaging)
        rc = salvage_rows(s);
    return rc < 0 ? rc : open_space(s);
}

static int open_steps(struct store *s, struct note *why)
{
    bool disks;
    int rc = lock_store(s->env, s->folder, &s->lock);

    if (rc == 0)
        rc = open_superblock(s, why);
    if (rc == 0)
        rc = open_disks(s, why);
    disks = rc == 0;
    if (disks)
        rc = open_rows(s, why);
    if (disks && s->conf.salvage && tables_damaged(rc)) {
        log_error(&s->log, "the key-value store is damaged; what can be read is kept", KV_RC(rc));
        rc = salvage_tables(s, why);
        if (rc == 0)
            rc = open_rows(s, why);
    }
    if (rc < 0)
        return rc;
    s->sb.epoch++;
    s->sb.next_nid = s->next_nid;
    s->sb.clean = false;
    s->sb.salvaged = s->salvaged;
    rc = superblock_write_now(s->sb_disk, s->data, &s->sb, &s->sb_slot);
    if (rc == 0)
        open_ballast(s);
    if (rc == 0)
        damage_forget(s);
    return rc;
}

static void open_work(struct env_work *w)
{
    struct opening *o = CONTAINER_OF(w, struct opening, work);
    struct store *s = o->s;

    o->rc = open_steps(s, &o->why);
    if (o->rc == -ENOSPC)
        o->rc = -R_STORE_FULL;
    if (o->rc < 0) {
        note_add(&o->why, "%s: %s", s->folder, reason_text(o->rc));
        store_files_close(s);
    }
}

/* When the first blocks have their room, or cannot have it. */
void open_tell(struct store *s)
{
    struct opening *o = s->opening;

    if (s->grow_busy)
        return;
    s->opening = NULL;
    space_start(s);
    o->opened(o->arg, 0, s, &o->why);
    mem_free(o);
}

static void open_done(struct env_work *w)
{
    struct opening *o = CONTAINER_OF(w, struct opening, work);
    struct store *s = o->s;
    struct journal *j = &s->journal;

    if (o->rc < 0) {
        store_free(s);
        s = NULL;
    } else {
        j->blocks = s->sb.journal_blocks;
        j->head = j->tail = j->durable_pos = s->sb.tail_pos;
        j->seq = j->durable_seq = s->applied_seq = s->sb.tail_seq;
        j->chain_crc = j->durable_crc = s->sb.tail_crc;
        s->items_max = (uint32_t)MIN((uint64_t)TX_ITEMS_MAX, j->blocks / 16);
        s->ballast_up = s->ballast != NULL;
        kv_wait_for_room(s->kv, true);
        s->opening = o;
        grow_run(s);
        open_tell(s);
        return;
    }
    o->opened(o->arg, o->rc, s, &o->why);
    mem_free(o);
}

static int store_init(struct store *s)
{
    list_init(&s->lru);
    list_init(&s->kept_lru);
    RB_INIT(&s->omap_cache);
    list_init(&s->coll_list);
    list_init(&s->scans);
    list_init(&s->reads);
    list_init(&s->readers);
    list_init(&s->directs);
    list_init(&s->flush_wait);
    list_init(&s->flushing);
    list_init(&s->records);
    list_init(&s->resolved);
    RB_INIT(&s->dirty);
    journal_init(s);
    if (htable_init(&s->objects, 1024) < 0 || htable_init(&s->colls_busy, 64) < 0 ||
        htable_init(&s->dblocks, 1024) < 0 || htable_init(&s->data_cache, 1024) < 0 ||
        overlay_init(&s->overlay) < 0)
        return -ENOMEM;
    return 0;
}

int store_open(struct env *env, const struct store_conf *conf,
               void (*opened)(void *arg, int rc, struct store *store, const struct note *why),
               void *arg)
{
    struct store *s = mem_zalloc(sizeof(*s));
    struct opening *o = mem_zalloc(sizeof(*o));

    if (!s || !o) {
        mem_free(s);
        mem_free(o);
        return -ENOMEM;
    }
    s->env = env;
    s->conf = *conf;
    s->cache_max = conf->cache_bytes ? conf->cache_bytes : CACHE_DEFAULT;
    s->folder = mem_strdup(conf->folder);
    s->conf.folder = s->folder;
    log_init(&s->log, env_log_sink(env), "store %s", conf->folder);
    if (store_init(s) < 0 || !s->folder) {
        store_free(s);
        mem_free(o);
        return -ENOMEM;
    }
    o->s = s;
    o->opened = opened;
    o->arg = arg;
    o->work.work = open_work;
    o->work.done = open_done;
    env_work_submit(env, &o->work);
    return 0;
}
