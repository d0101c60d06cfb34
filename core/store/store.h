/* store.h - one OSD's local store: journal, LevelDB and an extent-allocated data file.
 *
 * Folder: superblock, journal, data (sparse file or a link to a raw device), kv/ (LevelDB),
 * ballast, lock.  See core/store/README.md and doc/format/store.md; the rules are architecture 6.
 *
 * Order and visibility.  store_submit resolves transactions of one coll in submit order and they
 * become durable in that order.  From the moment submit returns, every later read and every getter
 * of an object handle sees its effect ("projected" state), durable or not.  `committed` comes when
 * it is durable; a failed one never completes: the store stops (store_failed), nothing is guessed.
 *
 * Reads verify checksums.  -R_CSUM_MISMATCH names the damage; the caller repairs by writing good
 * bytes through store_submit.  Damage of tables met while running stops the store with
 * -R_CSUM_MISMATCH (store_on_failure): open it again with conf.salvage.  Damage to journal, tables
 * or superblock found at open: -R_CSUM_MISMATCH, or with conf.salvage an open store that says so
 * (store_salvaged): its objects may be missing or old and the owner must treat every PG on it as
 * incomplete.
 *
 * Threads: one env; calls and completions on its reactor. */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include "core/base/metrics.h"
#include "core/env/env.h"
#include "core/env/op.h"
#include "core/store/txn.h"

struct store;

struct store_conf {
    const char *folder;
    uint64_t data_bytes;    /* creation; 0: 64 GiB */
    uint64_t journal_bytes; /* creation; 0: 64 MiB */
    uint64_t cache_bytes;   /* 0: 32 MiB */
    bool salvage;
};
struct store_id {
    uint8_t fsid[16]; /* the cluster */
    uint8_t uuid[16]; /* this store */
    int32_t osd;
};
/* Make a new one; blocks.  -EEXIST when there is one already. */
int store_mkfs(struct env *env, const struct store_conf *conf, const struct store_id *id,
               struct note *why);

/* Open: lock, superblock, replay.  Runs on workers; `opened(arg, rc, store, why)` comes from the
 * loop. -R_STORE_LOCKED, -ENOENT, -R_CSUM_MISMATCH, -R_STORE_FULL (no room to replay), ... */
int store_open(struct env *env, const struct store_conf *conf,
               void (*opened)(void *arg, int rc, struct store *store, const struct note *why),
               void *arg);
const struct store_id *store_identity(const struct store *s);
/* Also after later opens, until store_salvage_over: the transactions submitted before that call
 * have written down, in the caller's own rows, that things may be missing; when they are durable
 * the store forgets it. */
bool store_salvaged(const struct store *s);
void store_salvage_over(struct store *s);
/* How much damage this open found and mended by itself, nothing being lost. */
uint32_t store_mended(const struct store *s);
/* Called once, from the loop, when the store stops by itself after a failed write. */
void store_on_failure(struct store *s, void (*failed)(void *arg, int rc, const struct note *why),
                      void *arg);
/* Finish what was submitted, checkpoint, close; `closed(arg)` from the loop; the store is gone
 * then. With `now`: no checkpoint, in-flight work is abandoned (as a crash would). */
void store_close(struct store *s, bool now, void (*closed)(void *arg), void *arg);

/* --- objects --- */

/* A counted handle on one object's cached onode (which may say "does not exist").  It pins the
 * onode; getters are synchronous and see the projected state. */
struct object;
struct object_open {
    struct env_task task; /* store's */
    struct oid oid;       /* borrowed until done */
    struct object *obj;   /* result: one reference */
    int rc;
    void (*done)(struct object_open *o);
};
/* 1 with *out set when the onode is in the cache; else 0: use the asynchronous form. */
int store_object_peek(struct store *s, const struct oid *oid, struct object **out_obj);
void store_object_open(struct store *s, struct object_open *o);
struct object *object_ref(struct object *obj);
void object_unref(struct object *obj);
const struct oid *object_oid(const struct object *obj);
bool object_exists(const struct object *obj);
/* Its onode was found damaged: it exists, every read fails with -R_CSUM_MISMATCH, and only a
 * transaction that deletes it (and may write it anew) heals it. */
bool object_damaged(const struct object *obj);
uint64_t object_size(const struct object *obj);
struct version object_version(const struct object *obj); /* {0,0} when it does not exist */
/* Borrowed until the next submit.  0 or -R_NO_XATTR. */
int object_xattr(const struct object *obj, struct bytes name, struct bytes *out_value);
/* Names and values in memcmp order of names, from `after` (exclusive; empty: first). 1, or 0 at the
 * end. */
int object_xattr_next(const struct object *obj, struct bytes after, struct bytes *out_name,
                      struct bytes *out_value);

enum store_read_kind {
    STORE_DATA,       /* off, len -> data, crcs: short at the object's end; holes read as zeros */
    STORE_EXTENTS,    /* off, len -> rows of (u64 off, u64 len) that hold data */
    STORE_OMAP_GET,   /* keys -> pairs for those that exist */
    STORE_OMAP_RANGE, /* from (inclusive), to (exclusive, empty: none), max_rows, max_bytes ->
                         pairs, more */
};
struct store_pair {
    struct bytes key, value; /* borrowed from the read's arena */
};
struct store_read {
    struct env_task task;
    struct object *obj; /* borrowed: the caller holds a reference until done */
    enum store_read_kind kind;
    uint64_t off, len;
    bool from_device;         /* DATA: not from the cache of blocks */
    const struct bytes *keys; /* borrowed until done */
    uint32_t key_count;
    struct bytes from, to;
    uint32_t rows_max, bytes_max;
    struct arena *arena; /* borrowed until done, also by a worker: results live there */
    /* results */
    struct buf data; /* caller frees */
    uint8_t *crcs;   /* in the arena: u32 LE for each block touched, of the bytes returned in it */
    struct store_pair *pairs;
    uint32_t pair_count;
    bool more;
    int rc; /* -R_CSUM_MISMATCH: bad_off, bad_len name the first bad block */
    uint64_t bad_off, bad_len;
    void (*done)(struct store_read *r);
    void *impl;
};
/* Sees every transaction submitted before it.  `done` comes from the loop, also from cache. */
void store_read(struct store *s, struct store_read *r);

/* Scan object names (with version, size) in key order, from a key (inclusive) to a key (exclusive).
 * Sees every transaction submitted before it. */
struct store_list_row {
    struct oid oid; /* bytes in the arena */
    struct version version;
    uint64_t size;
};
struct store_list {
    struct env_task task;
    struct bytes from, to; /* oid keys; borrowed until done */
    uint32_t rows_max;
    struct arena *arena;
    struct store_list_row *rows;
    uint32_t row_count;
    bool more;
    int rc;
    void (*done)(struct store_list *l);
    void *impl;
};
void store_list(struct store *s, struct store_list *l);

/* Rows of a PG (txn_meta_set), read at start: keys in order from (inclusive) .. to (exclusive). */
struct store_meta {
    struct env_task task;
    struct pgid coll;
    struct bytes from, to;
    uint32_t rows_max;
    struct arena *arena;
    struct store_pair *pairs;
    uint32_t pair_count;
    bool more;
    int rc;
    void (*done)(struct store_meta *m);
    void *impl;
};
void store_meta(struct store *s, struct store_meta *m);
/* All colls that have rows, in order: for start-up. */
struct store_colls {
    struct env_task task;
    struct arena *arena;
    struct pgid *colls;
    uint32_t count;
    int rc;
    void (*done)(struct store_colls *c);
    void *impl;
};
void store_colls(struct store *s, struct store_colls *c);

/* --- transactions --- */

struct store_commit {
    struct env_task task;
    void (*committed)(struct store_commit *c);
    struct list link; /* store's */
    void *impl;
};
/* Every object the transaction names must be held open by the caller (object handles) until
 * `committed`.  Takes its own reference on `t`.  0, or, with nothing changed: t->rc, -ENOMEM,
 * -R_STOPPED, or for transactions that need space and were not admitted -R_STORE_FULL or
 * -R_BACK_PRESSURE (soon there is some).  Rows of PGs take no space. */
int store_submit(struct store *s, struct txn *t, struct store_commit *c);
/* How far the store has been used, and so what admission refuses. */
enum store_fill {
    STORE_ROOM,  /* nothing */
    STORE_FULL,  /* the reserve is what is left: what grows */
    STORE_SPENT, /* and of that, too, enough has been given to rows: what frees */
};
/* What a write wants. */
enum store_want {
    STORE_SHRINKS, /* takes away, or puts no more in the place of what is there */
    STORE_FREES,   /* sets rows or xattrs that lead to space given back: from the reserve */
    STORE_GROWS,
};
/* Ask before ordering a write: 0, -R_STORE_FULL when there is no room for it, -R_BACK_PRESSURE when
 * queues are at their limits.  `bytes` of payload, of what grows.  What shrinks is let through
 * longer. */
int store_admit(struct store *s, enum store_want want, uint64_t bytes);

struct store_space {
    uint64_t total_bytes, used_bytes, free_bytes; /* of what clients may use */
    uint64_t objects;
    enum store_fill fill;
};
void store_space(const struct store *s, struct store_space *out_space);
int store_metrics(struct store *s, struct metric_set *set);
void store_check(const struct store *s); /* asserts invariants; the simulator calls it */

/* --- offline --- */

struct fsck_report {
    uint64_t objects, extents, bytes_checked, omap_rows, meta_rows, journal_records;
    uint64_t errors; /* each one was given to `problem` */
};
/* Check everything: superblock, journal, each onode, each extent owned once or free, each block's
 * CRC, omap values, meta rows by `check_meta` (may be NULL; PG logs are the OSD's business).
 * Changes nothing. Blocks; needs an env of env_blocking_create or a worker. */
int store_fsck(struct env *env, const char *folder, struct fsck_report *out_report,
               void (*problem)(void *arg, const char *text),
               void (*check_meta)(void *arg, struct pgid coll, struct bytes key,
                                  struct bytes value),
               void *arg, struct note *why);

#endif
