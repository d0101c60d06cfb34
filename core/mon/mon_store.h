/* mon_store.h - what a monitor must not forget: Raft's log and hard state, a snapshot, who it is.
 *
 * A folder holds `mon` (identity; written last by mkfs), `log.0` and `log.1` (preallocated; one is
 * in use), `snapshot` and `lock`: doc/format/mon.md.
 *
 * Persists are appended in the order given; those that come while a write is under way leave
 * together with the next one, so there is one write at a time.  The first failed write ends the
 * store: nothing is reported durable after it.
 * Threads: one reactor; open, mkfs and close block. */
#ifndef CORE_MON_MON_STORE_H
#define CORE_MON_MON_STORE_H

#include "core/env/disk.h"
#include "core/mon/mon.h"
#include "core/raft/raft.h"

enum {
    MON_LOG_BYTES = 2 << 20,       /* of each of the two files: read whole at each start */
    MON_LOG_TURN_BYTES = 1 << 20,  /* beyond it the other file is begun */
    MON_RAFT_LOG_MAX = 1280 << 10, /* entries in memory, all of which the other file begins with */
    MON_CHANGE_BYTES_MAX = 512 << 10,
    MON_SNAPSHOT_MAX = 1 << 30,
};

struct mon_identity {
    uint8_t fsid[16];
    uint32_t id;
    uint64_t log_id; /* random; begins each record of the log, so that no payload passes for one */
    struct mon_members members;
};

struct mon_stored { /* what a start finds */
    struct mon_identity who;
    struct raft_hard hard;
    struct raft_snap snap;      /* pos 0: none */
    struct buf state;           /* the snapshot's; one span */
    struct raft_entry *entries; /* owned array, payloads in `image` */
    size_t entry_count, entry_cap;
    uint8_t *image; /* owned */
};
void mon_stored_fini(struct mon_stored *s);

struct mon_store;
struct mon_store_conf {
    void (*durable)(void *arg, struct raft_token token);       /* it and all before it */
    void (*failed)(void *arg, int rc, const struct note *why); /* once */
    void *arg;
};

int mon_store_mkfs(struct env *env, const char *folder, const struct mon_identity *who,
                   struct note *why);
int mon_store_peek(struct env *env, const char *folder, struct mon_identity *out_who,
                   struct note *why);
int mon_store_open(struct env *env, const char *folder, const struct mon_store_conf *conf,
                   struct mon_store **out_store, struct mon_stored *out_stored, struct note *why);
/* Whose log it is: read when the other file is begun.  Borrowed until the store is closed. */
void mon_store_raft_set(struct mon_store *s, const struct raft *r);
/* Take down a persist, now; `durable` follows from the loop.  0 or -ENOMEM (nothing was taken). */
int mon_store_append(struct mon_store *s, const struct raft_persist *p);
/* Write a snapshot's file.  `done(arg, rc)` comes from the loop; the old file is whole when it
 * failed.  One at a time.  `state` is shared.  0 or -ENOMEM. */
int mon_store_snapshot(struct mon_store *s, const struct raft_snap *snap, const struct buf *state,
                       void (*done)(void *arg, int rc), void *arg);
uint64_t mon_store_writes(const struct mon_store *s);
/* Wait for what is under way, mark the end, close.  `closed` comes from the loop; the store is gone
 * then. */
void mon_store_close(struct mon_store *s, void (*closed)(void *arg), void *arg);
/* After mon_store_open, when nothing was appended. */
void mon_store_destroy(struct mon_store *s); /* NULL is fine */

#endif
