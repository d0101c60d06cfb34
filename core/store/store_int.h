/* store_int.h - what the files of core/store share.  Nobody else includes it.
 *
 * The path of a transaction, file by file:
 *   submit.c     checks it, projects what getters see, queues it in its coll
 *   resolve.c    (with blocks.c) turns it into after-images: rows, deferred blocks, direct writes
 *   journal.c    makes it durable, in groups; then `committed`
 *   deferred.c   moves small writes to their blocks
 *   checkpoint.c applies rows to LevelDB, then frees the journal behind them
 * and beside it: overlay.c (rows not in LevelDB yet), kvread.c (worker reads), object.c (cache),
 * read.c, omap.c, list.c (readers), extent.c (free space), grow.c (room for it), space.c
 * (admission), cache.c, omap_cache.c (blocks and rows that come again), open.c, replay.c, fsck.c.
 */
#ifndef CORE_STORE_STORE_INT_H
#define CORE_STORE_STORE_INT_H

#include "core/base/arena.h"
#include "core/base/crc.h"
#include "core/base/hash.h"
#include "core/base/htable.h"
#include "core/base/metrics.h"
#include "core/base/plant.h"
#include "core/base/size.h"
#include "core/env/disk.h"
#include "core/env/file.h"
#include "core/env/kv.h"
#include "core/store/extent.h"
#include "core/store/format.h"
#include "core/store/store.h"

enum {
    DIRECT_BYTES_MIN = 65536,    /* a write above this goes to fresh extents, not the journal */
    TX_ITEMS_MAX = 256,          /* deferred blocks of one transaction; the rest goes direct */
    GROUP_BYTES_MAX = 4 << 20,   /* a journal group stops growing here */
    DEFER_START_BYTES = 4 << 20, /* durable deferred data that starts the writer */
    DEFER_IO_MAX = 1 << 20,      /* one deferred device write */
    DEFER_DEPTH = 16,
    APPLY_START_BYTES = 16 << 20,   /* unapplied rows that do not wait for the checkpoint */
    APPLY_BATCH_BYTES = 128 << 10,  /* one LevelDB batch */
    RECORDS_MAX = 32768,            /* records since the checkpoint that start the next one */
    UNAPPLIED_BYTES_MAX = 48 << 20, /* admission refuses above: rows and deferred data in memory */
    QUEUED_BYTES_MAX = 64 << 20,    /* admission refuses above: submitted, not durable */
    READ_CACHED_MAX = 16 << 10,     /* blocks of reads up to this are kept in memory */
    READ_IO_MAX = 1 << 20,          /* one device read */
    DIRECT_IO_BLOCKS = 1024,        /* one device write of a large write */
    NO_MEMORY_RETRY_MS = 10
};

struct tx;
struct row;

/* A growing array that keeps its memory for the next use. */
struct vec {
    void *at;
    uint32_t n, cap;
};
void *vec_push(struct vec *v, size_t item_bytes); /* a zeroed new last item, or NULL */
static inline void vec_free(struct vec *v)
{
    mem_free(v->at);
    *v = (struct vec){0};
}

/* --- the overlay: rows that readers of LevelDB would miss ----------------------------------------
 */

enum row_kind { ROW_PUT = 1, ROW_DEL, ROW_RANGE };
struct row {
    union {
        RB_ENTRY(row) node; /* overlay.points or overlay.ranges, by kind */
        struct list fresh;  /* overlay.fresh: a point that is not in its tree yet */
    };
    struct hnode hash; /* overlay.index: points */
    struct bytes key,
        value;        /* borrowed from tx->front; RANGE: from (inclusive) .. to (exclusive) */
    struct row *next; /* the row that replaced this one (a later put, delete or range) */
    struct tx *tx;    /* borrowed */
    uint64_t order;   /* of insertion; the ranges' second key */
    uint8_t kind;
    bool linked; /* in the overlay */
    bool sorted; /* in its tree */
};
RB_HEAD(row_tree, row);
struct overlay {
    struct row_tree points, ranges;
    struct htable index;
    struct list fresh;
    uint64_t order;
};
MUST_CHECK int overlay_init(struct overlay *o);        /* 0 or -ENOMEM */
void overlay_fini(struct overlay *o);                  /* does not touch rows */
void overlay_insert(struct overlay *o, struct row *r); /* takes the place of what it covers */
void overlay_remove(struct overlay *o, struct row *r); /* fine if it was replaced */
/* The newest word on `key`: ROW_PUT with *out_value, ROW_DEL, or 0: LevelDB knows. */
int overlay_get(const struct overlay *o, struct bytes key, struct bytes *out_value);
struct row *overlay_from(struct overlay *o, struct bytes from); /* first point >= from */
struct row *overlay_next(struct row *r);
bool overlay_hidden(const struct overlay *o, struct bytes key); /* a range covers it */

/* --- reads of LevelDB on a worker --- */

struct kvrow {
    struct kvrow *next;
    struct bytes key, value;
};
/* While one is under way no applied row leaves the overlay: what LevelDB showed to the worker plus
 * the overlay at `done` is exactly the present state. */
struct kvread {
    struct env_work work;
    struct store *s;
    struct list link; /* store.readers, oldest first */
    uint64_t stamp;   /* store.applied_batches at the start */
    struct arena arena;
    struct bytes *keys;   /* points: key_count of them (arena) */
    struct bytes *values; /* data NULL: not there */
    uint32_t key_count;
    struct bytes from, to;        /* or a range (arena) */
    uint32_t rows_max, bytes_max; /* of one leg */
    struct arena *rows; /* borrowed: where the range's rows are put; ours if nobody says */
    struct kvrow *first, *last;
    uint32_t leg_rows, leg_bytes;
    bool more; /* the range goes on behind `last` */
    int rc;
    void (*done)(struct kvread *k);
    void *arg;
};
struct kvread *kvread_create(struct store *s, void (*done)(struct kvread *), void *arg);
int kvread_keys(struct kvread *k,
                uint32_t count); /* room for them; the caller fills in arena bytes */
int kvread_copy(struct kvread *k, struct bytes b, struct bytes *out);
void kvread_start(struct kvread *k);
void kvread_finish(struct kvread *k); /* ends the pin, frees it */

/* Walk LevelDB's rows and the overlay's as one order. */
struct merge {
    const struct overlay *overlay;
    struct kvrow *kv;  /* next of LevelDB's */
    struct row *point; /* next of the overlay's */
    bool from_kv;      /* whose the last one was */
    struct bytes to;   /* exclusive; empty: none */
    struct bytes last; /* nothing behind this key is known; data NULL: all is */
    bool ranges;       /* some row may be hidden by a range */
};
void merge_start(struct merge *m, struct store *s, const struct kvread *k);
bool merge_next(struct merge *m, struct bytes *out_key, struct bytes *out_value);

/* --- objects --- */

/* A shard in the cache: its row, verified.  Of a small object that is a twentieth of a struct
 * shard.
 */
struct shard_row {
    uint32_t bytes;
    uint8_t data[];
};
struct shard_row *shard_row_create(struct bytes stored); /* for mem_free; NULL: no memory */
static inline struct bytes shard_row_bytes(const struct shard_row *r)
{
    return (struct bytes){r->data, r->bytes};
}

struct object {
    struct hnode node; /* store.objects by oid_hash64 */
    struct list lru;   /* store.lru when nobody holds it */
    struct store *s;
    struct oid oid; /* owned */
    uint32_t refs;
    bool loaded, loading;
    int load_rc;
    struct list opens;         /* object_open.task.link, while loading */
    struct onode_meta meta;    /* projected: after everything that was submitted */
    struct shard_row **shards; /* owned; resolved.  NULL: absent (tag 0) or not in memory */
    uint32_t *tags;            /* owned; resolved: 0 is absent */
    uint32_t shard_cap, shard_bytes;
    uint64_t nid, size;           /* resolved: of the shards; 0 when it does not exist */
    bool exists, damaged;         /* resolved */
    uint64_t submitted, resolved; /* transactions on it, counted */
    uint64_t data_gen;            /* grows when its mapping changes */
    struct list waiters;          /* store_read impl, until resolved reaches theirs */
    uint32_t cost;                /* bytes charged to store.onode_bytes */
};
struct object *object_find(struct store *s, const struct oid *oid); /* in the cache and loaded */
void object_cost(struct object *obj);                               /* recount */
int object_room(struct object *obj, uint32_t shard_count); /* tags and shards for so many */
void object_shard_set(struct object *obj, uint32_t i,
                      struct shard_row *row); /* taken; NULL: none */
/* Load absent ones of `count` shards: 0 all in memory, 1 under way (done comes later), -ENOMEM. */
struct shard_load {
    struct object *obj;
    uint32_t first, count;
};
int shards_load(struct store *s, const struct shard_load *want, uint32_t count,
                void (*done)(void *arg, int rc), void *arg);
void object_wake(struct object *obj); /* readers whose transactions are resolved now */
void scans_wake(struct store *s);     /* likewise for scans */

/* --- transactions inside the store --- */

struct tx_object {
    struct object *obj;     /* ref until committed */
    struct onode_meta meta; /* after this transaction */
    uint64_t nid_before;
    bool touched;
};
struct tx_op {
    uint64_t nid;         /* of the object when the op runs; DELETE: the one that goes */
    uint64_t len;         /* CLONE_RANGE: clamped to the source */
    uint64_t size_before; /* of the object */
    uint64_t src_size;
    bool omap; /* DELETE: there may be rows */
};
/* One deferred block. */
struct item {
    struct list link; /* dblock.versions, newest first */
    struct dblock *block;
    struct tx *tx;
    struct buf data; /* STORE_BLOCK bytes */
    bool done;
};
struct dblock {
    struct hnode node;           /* store.dblocks by phys */
    RB_ENTRY(dblock) dirty_node; /* store.dirty: has a durable version to write */
    uint64_t phys;
    struct list versions;
    struct item *writing;
    bool dirty;
};
RB_HEAD(dirty_tree, dblock);
RB_HEAD(omap_tree, omap_cached);
/* One run of blocks written to fresh extents before the journal links them. */
struct direct {
    struct disk_io io;
    struct tx *tx;
    struct list link; /* store.directs while under way */
    uint64_t phys;
    uint32_t blocks;
};
enum tx_stage {
    TX_QUEUED,
    TX_WAITING /* for a load */,
    TX_WRITING /* direct data */,
    TX_READY,
    TX_JOURNAL,
    TX_DURABLE
};
struct tx {
    struct list link;          /* coll.queue, then journal.pending, then store.records */
    struct list resolved_link; /* coll.orders, then store.resolved, in resolve order */
    struct store *s;
    struct txn *t;          /* ref until committed */
    struct store_commit *c; /* borrowed until committed */
    struct coll *coll;
    struct tx_object *objs;
    struct tx_op *opx;
    struct list flush_link; /* store.flush_wait */
    enum tx_stage stage;
    uint64_t seq;      /* journal order, from 1 */
    uint64_t end_pos;  /* journal position after its group */
    uint32_t end_crc;  /* and that group's crc, for the chain */
    uint64_t ticket;   /* order of submission, over all colls */
    uint64_t reserved; /* blocks promised at submit */
    uint64_t cost;
    uint64_t start_ns;
    void *mem; /* owned: rows, items, front */
    struct row *rows;
    struct item *items;
    uint8_t *front;
    uint32_t row_count, front_bytes, row_bytes, item_count, items_left;
    bool rows_dropped;
    struct direct *directs; /* owned */
    uint32_t direct_count, directs_left;
    uint64_t *frees; /* owned */
    uint32_t free_count;
    struct vec olds; /* struct old_block, loaded for partial merges */
    bool covered;    /* by a checkpoint */
};
struct old_block {
    uint64_t phys;
    struct buf data; /* empty: the device could not read it */
};
struct coll {
    struct hnode node; /* store.colls_busy */
    struct pgid id;
    struct store *s;
    struct list queue;  /* tx.link: submitted, not in the journal */
    struct list orders; /* tx.resolved_link: those without after-images */
    bool running;       /* coll_run is on the stack */
    bool waiting;       /* for a load or the retry timer */
    uint32_t loads;     /* parts of the load under way */
    int load_rc;
    struct env_timer retry;
    struct list link; /* store.coll_list */
};

/* What a build works on: everything is staged here and nothing else changes until it succeeds. */
struct work_shard {
    uint32_t o, index;
    struct shard *sh;      /* owned */
    struct shard_row *row; /* owned until committed: what it becomes; NULL: nothing */
    uint32_t tag;
};
struct work_item {
    uint64_t phys;
    uint32_t crc;
    struct buf data;
    struct dblock *block;
};
struct work_direct {
    uint64_t phys;
    uint32_t blocks;
    struct buf data;
};
struct work_run {
    uint64_t start, count;
};
struct work_row {
    uint8_t kind;
    uint32_t key_at, key_len, value_at, value_len;
};
struct work_need {
    struct object *obj; /* a shard of it, or NULL: the block `phys` */
    uint32_t index;
    uint64_t phys;
};
struct build {
    struct store *s;
    struct tx *tx;
    struct writer *w;
    struct vec *rows, *items, *directs, *allocs, *frees, *shares, *shards, *needs;
    uint64_t hint;  /* where the next block would be contiguous */
    int rc;         /* the first failure */
    bool dropped[]; /* by object index: its shards from before are gone */
};
/* blocks.c: what each data operation does to the shards.  Failures stay in b->rc, things to load in
 * b->needs (the build is then void). */
void blocks_op(struct build *b, const struct txn_op *op, const struct tx_op *x);
struct shard *work_shard_find(struct build *b, uint32_t o, uint32_t index);

void coll_run(struct coll *c);
void coll_ready(struct tx *tx); /* its direct writes are on disk */
/* Build after-images.  0: done and visible; 1: waits for a load, coll_run comes again; -ENOMEM. */
int resolve_tx(struct tx *tx);
void coll_loaded(struct coll *c, int rc); /* one part of a load ended */
void tx_drop_olds(struct tx *tx);
void tx_release_objects(struct tx *tx); /* when it is durable */
void tx_free(struct tx *tx);
void tx_release_rows(struct tx *tx); /* when neither the overlay nor an item needs its memory */
/* The newest bytes of a block that is not (surely) on the device: an item's or a direct's. */
bool block_in_memory(const struct store *s, uint64_t phys, struct buf *out_shared, int *out_rc);

/* --- the journal --- */

struct group {
    struct disk_io io[2]; /* two when it wraps */
    struct store *s;
    uint32_t parts_left;
    uint64_t pos, blocks;
    uint32_t crc;
    struct list txs;
    int rc;
};
struct journal {
    struct disk *disk;   /* owned */
    uint64_t blocks;     /* of the ring */
    uint64_t head, tail; /* positions in blocks, ever growing; at `head` the next group goes */
    uint64_t seq;        /* the last one given out */
    uint64_t durable_seq, durable_pos;
    uint32_t chain_crc; /* of the group before head */
    uint32_t durable_crc;
    struct list pending; /* tx.link: ready, in order */
    struct group group;
    struct blob *memory; /* owned; of groups, for the next one */
    bool writing, kicked;
    bool mark, marked; /* the group being made, the last one made: an empty one */
    struct env_task kick;
};
void salvage_over(struct store *s);
/* Something lacked memory: store_progress soon. */
void store_later(struct store *s);
void journal_init(struct store *s);
/* What this transaction takes of the journal, before it is known better. */
static inline uint64_t tx_journal_cost(const struct tx *tx)
{
    return MIN(tx->cost, (uint64_t)DIRECT_BYTES_MIN + STORE_BLOCK);
}
void journal_add(struct tx *tx);
void journal_kick(struct store *s);
void journal_mark(struct store *s);

/* --- checkpoint --- */

enum ck_stage { CK_IDLE, CK_WRITE_BACK, CK_FLUSH, CK_KV, CK_SUPERBLOCK };
struct apply {
    struct env_work work;
    struct store *s;
    struct vec rows; /* struct row *: ranges first, each kind in order */
    uint64_t upto;
    bool checkpoint; /* kv_checkpoint instead */
    int rc;
};
struct applied_batch {
    uint64_t upto, stamp;
};

struct store_metrics {
    struct counter txns, groups, journal_bytes, direct_bytes, deferred_blocks, checkpoints,
        applied_rows, reads, read_bytes, read_memory_blocks, omap_memory_rows, csum_errors, loads,
        no_memory, journal_full, allocated_bytes, discarded_bytes;
    struct gauge used_bytes, free_bytes, cache_bytes, overlay_bytes, deferred_bytes, queued_bytes,
        full, objects;
    struct histogram commit;
};

struct store {
    struct env *env; /* borrowed */
    struct store_conf conf;
    char *folder; /* owned */
    struct log log;
    struct store_id id;
    struct superblock sb;
    uint32_t sb_slot;         /* the one that holds `sb` */
    bool salvaged, salvaging; /* salvaging: this time */
    uint32_t mended;          /* damage found and mended by this open */
    struct file_lock *lock;
    struct disk *sb_disk, *data;
    struct kv *kv;
    struct disk *ballast; /* open while it stands */

    struct extents *extents;
    uint64_t reserved_blocks; /* promised to submitted, unresolved transactions */
    uint64_t next_nid;
    uint64_t object_count;

    struct htable objects;
    struct list lru;
    uint64_t cache_max; /* for onodes, blocks and omap rows together */
    uint64_t onode_bytes;
    struct htable data_cache;    /* cache.c */
    struct omap_tree omap_cache; /* omap_cache.c */
    struct list kept_lru;        /* struct kept of both, the oldest first */
    uint64_t kept_bytes;

    uint32_t items_max; /* deferred blocks of one transaction */
    struct htable colls_busy;
    struct list coll_list;
    uint64_t ticket;
    struct list scans; /* of list.c: wait for transactions that came before them */
    struct list reads; /* of read.c: all under way */
    struct overlay overlay;
    struct list readers; /* kvread.link */
    struct htable dblocks;
    struct dirty_tree dirty;
    uint64_t dirty_count;
    uint64_t item_bytes; /* of all items not done */
    uint32_t defer_ios;
    bool defer_drain; /* write until none is dirty */
    struct list directs, flush_wait;
    struct list flushing;
    struct disk_io flush_io;
    bool flush_busy;

    struct journal journal;
    struct list records;  /* tx.link in seq order, from journal to covered */
    struct list resolved; /* tx.resolved_link */
    uint64_t record_count, unapplied_bytes, queued_bytes;
    uint64_t in_flight; /* transactions submitted, not durable */
    /* store_salvage_over: so many of those up to this ticket are not durable yet */
    uint64_t over_left, over_ticket;
    uint64_t queued_journal; /* of queued_bytes, about what goes through the journal */
    uint64_t applied_seq, dropped_seq;
    uint64_t applied_batches;
    struct vec drops; /* struct applied_batch: applied, still held in the overlay by readers */
    struct apply apply;
    bool apply_busy;
    struct tx *apply_next, *drop_next,
        *ck_next; /* first of `records` not yet applied, dropped, clean */
    struct env_timer later;
    bool later_armed;

    enum ck_stage ck;
    bool ck_wanted;
    uint64_t ck_seq, ck_pos;
    uint32_t ck_crc;
    struct disk_io ck_io;
    uint64_t ck_nid;
    struct superblock ck_sb;
    bool ck_kv_done;

    struct vec scratch_rows, scratch_items, scratch_directs, scratch_allocs, scratch_frees,
        scratch_shares, scratch_shards, scratch_needs;
    struct build *scratch_build;
    uint32_t scratch_build_objects;
    struct writer scratch, scratch_value;

    uint32_t unit_blocks;
    struct disk_io grow_io;
    bool grow_busy, grow_full; /* full: the last step could not be had */
    uint64_t grow_step;        /* the next one at most; 0: as usual */
    uint64_t grow_wanted;      /* blocks that somebody was refused */
    uint64_t grow_asked;       /* the most of it lately: whoever asked comes back for it */
    struct opening *opening;   /* waits for the first steps */

    struct fs_space fs, space_seen;
    bool space_busy, space_stopped;
    bool no_room;           /* LevelDB waits for some */
    uint64_t reserve_taken; /* by xattrs and omap rows, since the store was last not full */
    struct env_timer space_timer;
    struct env_work space_work;
    bool ballast_up; /* as the reactor knows it; `ballast` belongs to space_work while it runs */
    int space_rc;
    uint64_t ballast_bytes;
    uint64_t last_commit_ns;

    bool failed, stopping, stopped, in_progress, close_checkpointed;
    int fail_rc;
    struct note fail_note;
    struct env_task fail_task, close_task;
    void (*on_failure)(void *arg, int rc, const struct note *why);
    void *on_failure_arg;
    bool failure_told;
    void (*closed)(void *arg);
    void *closed_arg;
    bool close_now;
    uint32_t busy; /* I/Os, works and posted tasks that will come back here */
    struct env_work close_work;

    struct store_metrics m;
};

/* The store stops: nothing is acknowledged from here on. */
void store_fail(struct store *s, int rc, const char *what);
/* Something ended: maybe a close can go on. */
void store_busy_end(struct store *s);
static inline void store_busy(struct store *s)
{
    s->busy++;
}
static inline bool store_dead(const struct store *s)
{
    return s->failed || s->close_now;
}
void store_progress(struct store *s); /* start what is due: groups, write-back, apply, checkpoint */

void readers_fail(struct store *s); /* answer those that wait for something that will not come */
void object_destroy(struct object *obj); /* its memory; it is in no table */
void store_free(struct store *s);
void store_files_close(struct store *s);

/* A block or an omap row that is kept in memory.  `bytes` and `drop` are the maker's. */
struct kept {
    struct list lru;
    uint32_t bytes;
    void (*drop)(struct store *s, struct kept *k); /* out of its table, removed and freed */
};
void kept_add(struct store *s, struct kept *k);
void kept_used(struct store *s, struct kept *k);
void kept_remove(struct store *s, struct kept *k);
void kept_trim(struct store *s); /* to what the onodes leave */
void kept_drop_all(struct store *s);
void data_cache_put(struct store *s, uint64_t phys, const struct buf *data, uint64_t off);
bool data_cache_get(struct store *s, uint64_t phys, uint32_t crc, struct buf *out, int *out_rc);
/* True when it is known: *out_value (data NULL: no such row) is borrowed until the next put. */
bool omap_cache_get(struct store *s, struct bytes key, struct bytes *out_value);
void omap_cache_put(struct store *s, struct bytes key, struct bytes value);
void omap_cache_forget(struct store *s, const struct row *r); /* whatever it changes */

void defer_add(struct item *it);   /* visible to readers */
void defer_durable(struct tx *tx); /* its items may be written to their blocks */
void defer_run(struct store *s);
void direct_submit(struct tx *tx);
void direct_flush(struct store *s);

void apply_run(struct store *s, bool all);
void records_add(struct tx *tx); /* durable now */
void overlay_release(struct store *s);
void checkpoint_run(struct store *s);

void space_start(struct store *s);
void space_stop(struct store *s);
void space_look(struct store *s);              /* at the file system, now */
uint64_t space_fs_free(const struct store *s); /* bytes above the reserve */
uint64_t space_reserve_bytes(uint64_t total);
uint32_t grow_unit_blocks(uint64_t data_blocks);
uint64_t grow_margin_blocks(const struct store *s);
uint64_t grow_open_blocks(const struct store *s); /* allocatable and not promised */
void grow_run(struct store *s);
/* So many are not there: get them.  -R_BACK_PRESSURE: soon; -R_STORE_FULL. */
int grow_for(struct store *s, uint64_t blocks);
void open_tell(struct store *s);
void damage_note(struct store *s); /* worker */
int ballast_make(struct env *env, const char *folder, uint64_t bytes, struct disk **out_disk);
char *store_path(const char *folder, const char *name);

#endif
