/* bucket_int.h - what the files of the bucket layer share.
 *
 * Three layers of asynchronous work, each with one completion:
 *   call    one libcairn operation, under way or waiting for room in libcairn
 *   access  an operation on the shard of a key: resolves the bucket, adds the shard's guard, and
 *           begins anew when the shard's row has changed
 *   link    an access that replaces an entry, and begins anew when the entry has changed
 * Requests of the layer's users are struct op (core/env/op.h) around them. */
#ifndef S3_BUCKET_BUCKET_INT_H
#define S3_BUCKET_BUCKET_INT_H

#include "core/base/htable.h"
#include "core/base/plant.h"
#include "core/base/rng.h"
#include "core/base/size.h"
#include "core/client/include/cairn_env.h"
#include "core/env/op.h"
#include "s3/bucket/bucket.h"
#include "s3/bucket/rows.h"

enum { BUCKETS_CACHED_MAX = 1024, USERS_CACHED_MAX = 1024 };
enum { SHARDS_CACHED_MAX = 50000 /* of all buckets, when they were added */ };

enum call_pool { CALL_INDEX, CALL_DATA, CALL_POOLS };
enum { SLOW_SLOTS = 64 };

struct collector;

struct bucket_layer {
    struct env *env;       /* borrowed */
    struct cairn *cluster; /* borrowed */
    struct bucket_conf conf;
    struct log log;
    struct cairn_pool *index, *data; /* owned */
    uint64_t instance;
    bool ready, stopping;
    int failed;                     /* the pools could not be made: every call answers this */
    struct list calls;              /* with libcairn, by call.link */
    struct list waiting;            /* for readiness or for room in libcairn */
    struct list silent[CALL_POOLS]; /* objects that do not answer background work (silent.c) */
    uint32_t silent_count[CALL_POOLS];
    uint32_t slow_ms[CALL_POOLS][SLOW_SLOTS]; /* likewise: PGs that answer, but late; by number */
    struct env_timer retry;
    uint32_t live;            /* requests, streams, background work: a stop waits for 0 */
    struct list streams;      /* PUTs and GETs in progress, by stream.link */
    struct list moving;       /* accesses whose key is being copied away, by access.moving_link */
    struct list puts_waiting; /* for their turn, by object_put.turn_link */
    uint32_t puts_turns;      /* PUTs that have it */
    struct htable buckets;
    struct list bucket_lru; /* oldest first, by bucket.lru */
    uint32_t bucket_count;
    uint32_t shards_cached; /* of them, as they were when they were added */
    struct htable accounts; /* of quotas */
    struct list account_lru;
    uint32_t account_count;
    struct htable users;
    struct list user_lru;
    uint32_t user_count;
    struct collector *collector; /* owned */
    struct mover *mover;         /* owned */
    struct start *start;         /* owned; the way to readiness */
    struct bucket_counters n;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct env_task gone;
};

/* A stream belongs to the layer's user: a stop tells it and waits for its end. */
struct stream {
    struct list link;
    void (*stop)(struct stream *s);
};

void layer_live(struct bucket_layer *l);
void layer_dead(struct bucket_layer *l); /* the layer may be gone after it, from the loop */
struct uuid layer_uuid(struct bucket_layer *l);
struct uuid layer_uuid_dated(struct bucket_layer *l); /* in the order of the wall clock */
const char *layer_pool_name(enum call_pool pool);
static inline struct cairn_pool *layer_pool(const struct bucket_layer *l, enum call_pool pool)
{
    return pool == CALL_INDEX ? l->index : l->data;
}
/* 0, or why no new call is taken. */
int layer_takes(const struct bucket_layer *l);
bool principal_is(const struct s3_principal *who, struct bytes owner);

/* ---- calls ---- */

struct call {
    struct bucket_layer *l;
    struct cairn_op *op; /* owned; its results stay until the next call_begin or call_fini */
    uint8_t *present;    /* owned: call_present's */
    struct list link;
    struct env_task task;
    enum call_pool pool;
    char name[NAME_BYTES];
    uint64_t until_ns;            /* from then on it fails and is not submitted; 0: never */
    int code;                     /* the result: 0 or a precise negative code */
    bool busy, with_cairn, early; /* early: also before the layer is ready */
    bool frees;                   /* set by its maker: what it sets leads to space given back */
    bool background;   /* likewise: it does not wait for who does not answer (silent.c) */
    uint64_t asked_ns; /* if so */
    void (*done)(struct call *c);
};
void call_init(struct call *c, struct bucket_layer *l);
void call_fini(struct call *c); /* not while busy */
/* A new operation to build, NULL without memory (call_submit will say so). */
struct cairn_op *call_begin(struct call *c, enum call_pool pool);
/* On the object c->name; `done` comes exactly once, from the loop.  Builders' failures included. */
void call_submit(struct call *c, void (*done)(struct call *c));
/* The same, unless `rc` (of what was to be built) says that it must not be. */
void call_submit_if(struct call *c, int rc, void (*done)(struct call *c));
/* The call is of no use, and would leave what nobody finds, once a collector may have worked off
 * the intent that was written, or dated anew, after `dated_ns`.  So it is not submitted beyond half
 * of the least time which that takes, and as any call gives up a quarter later: -ETIMEDOUT
 * both times.  The note of a shard that is to be made is good for as long, too. */
void call_under_intent(struct call *c, uint64_t dated_ns);
/* That time: a collector gives an intent up at once when its bucket has gone, and works it off one
 * grace later. */
uint64_t intent_life_ns(const struct bucket_layer *l);
void call_cancel(struct call *c); /* asks; harmless when not busy */
void calls_go(struct bucket_layer *l);
/* The value under a failed guard; good until the next call_present or call_fini. */
int call_present(struct call *c, int step, struct bytes *out_value);
static inline struct bytes pair_key(struct cairn_pair p)
{
    return (struct bytes){p.key, (uint32_t)p.key_bytes};
}
static inline struct bytes pair_value(struct cairn_pair p)
{
    return (struct bytes){p.value, (uint32_t)p.value_bytes};
}
static inline struct cairn_pair pair_of(struct bytes key, struct bytes value)
{
    return (struct cairn_pair){key.data, key.len, value.data, value.len};
}
static inline struct bytes key_bytes(const struct row_key *k)
{
    return (struct bytes){k->b, k->len};
}
static inline struct bytes written(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}
/* The row of this key among the pairs of a step; false when it is not there. */
bool call_row(const struct call *c, int step, struct bytes key, struct bytes *out_value);

/* ---- buckets ---- */

/* A shard row as it was read; does not change. */
struct shard_view {
    uint32_t refs, bytes;
    struct shard_row row; /* borrows from value */
    uint8_t value[];
};
struct shard_view *shard_view_create(struct bytes value, int *out_rc); /* NULL: out_rc says why */
struct shard_view *shard_view_ref(struct shard_view *v);
void shard_view_unref(struct shard_view *v);
/* *view, a reference, becomes one to what was written in its place. */
int shard_view_next(struct shard_view **view, const struct shard_row *next);
static inline struct bytes shard_view_value(const struct shard_view *v)
{
    return (struct bytes){v->value, v->bytes};
}

struct shard {
    uint64_t no;
    struct bytes from;       /* owned: where we believe it to begin */
    struct shard_view *view; /* ref: the row we believe in; NULL: not read yet */
    uint32_t grown;          /* entries added from here since its counters were read */
};
struct bucket {
    uint32_t refs;
    struct hnode node;
    struct list lru;
    bool cached;
    char name[S3_BUCKET_NAME_MAX + 1];
    char owner[S3_USER_NAME_MAX + 1];
    struct uuid id;
    uint64_t created_ns;
    uint32_t shard_count, shard_cap, counted; /* counted: in shards_cached */
    struct shard *shards; /* owned; by from.  Pointers to one last until the next change. */
    /* What the properties said at some time after read_ns; others than the owner are judged by
     * them for BUCKET_FRESH_MS. */
    uint64_t read_ns;
    uint8_t *props; /* owned, as encoded */
    uint32_t props_bytes;
    uint8_t acl, block;
};
/* One reference for the caller; NULL: no memory.  `name` was checked.  Without shards. */
struct bucket *bucket_of_row(struct bytes name, const struct bucket_row *row);
struct bucket *bucket_ref(struct bucket *b);
void bucket_unref(struct bucket *b);
struct bucket *bucket_cached(struct bucket_layer *l, struct bytes name); /* a new ref, or NULL */
void bucket_cache_add(struct bucket_layer *l, struct bucket *b);
void bucket_cache_drop(struct bucket_layer *l, struct bucket *b);
void bucket_forget(struct bucket_layer *l, struct bytes name); /* what the cache has of it */
void bucket_cache_clear(struct bucket_layer *l);
/* The last shard that begins at or before the key, as far as we know; NULL: none is known. */
struct shard *bucket_shard(struct bucket *b, struct bytes key);
struct shard *bucket_shard_no(struct bucket *b, uint64_t no);
int bucket_shard_add(struct bucket *b, uint64_t no, struct bytes from); /* unless it is known */
void bucket_shard_forget(struct bucket *b, uint64_t no);
/* The map beside the record: a range of it (behind what map_add has seen), and what was read. */
void map_range(struct cairn_op *op, struct bytes from);
int map_add(struct bucket *b, const struct call *c, int step, struct writer *behind,
            bool *out_more);
/* A row that was read: where this shard begins and who follows.  0 or -ENOMEM. */
int bucket_learn(struct bucket *b, struct shard_view *v);

/* Believe the bucket's properties, as read by an operation sent at `read_ns`.  0, -ENOMEM, or a
 * malformed row's code. */
int bucket_props_learn(struct bucket *b, struct bytes value, uint64_t read_ns);
bool bucket_fresh(const struct bucket_layer *l, const struct bucket *b);
/* May everybody, as the ACL has it? */
static inline bool bucket_public(const struct bucket *b, enum s3_acl acl)
{
    return acl == S3_ACL_PUBLIC_READ && !(b->block & S3_BLOCK_ACLS);
}

/* ---- accesses ---- */

/* What others than the owner need: nothing helps them; the bucket's ACL; the object's, which
 * whoever reads the entry looks at (access_may_read). */
enum access_right { RIGHT_OWN, RIGHT_LIST, RIGHT_READ };

struct settle;
struct access {
    struct bucket_layer *l;
    struct call call;
    struct bucket *b;               /* ref; NULL until resolved */
    uint64_t no;                    /* the shard asked, and ... */
    struct shard_view *view;        /* ref: ... the row it is guarded by; NULL: none known */
    bool checked;                   /* whether `who` may is looked at */
    char who[S3_USER_NAME_MAX + 1]; /* who asks */
    enum access_right right;
    uint64_t asked_ns; /* for the record */
    char name[S3_BUCKET_NAME_MAX + 1];
    struct bytes key; /* borrowed: routes */
    bool reading;     /* it changes nothing: also on keys that are being copied away */
    bool pinned;      /* to the bucket of this id: another one of the same name will not do */
    struct uuid pin;
    int code;
    uint32_t tries;
    bool fresh;                /* the row was read by us just now */
    bool closed;               /* the shard was closed, else absent, when we asked */
    uint64_t absent;           /* a shard that was not there; 0: none */
    uint64_t waiting_since_ns; /* for a deletion that is under way */
    uint64_t moving_since_ns;  /* for a copy that is under way ... */
    struct uuid moving;        /* ... of this token */
    struct list moving_link;   /* layer.moving, while it waits for it */
    struct env_timer timer;
    struct settle *settle;  /* owned; NULL until it is needed */
    struct bucket *mapped;  /* owned: a bucket whose map is being read */
    struct writer old, new; /* values being replaced by a repair */
    bool busy;
    /* Adds guards, reads and writes behind the shard's guard, which is step 0; for each try anew.
     * 0, or a code that ends the access. */
    int (*build)(struct access *a, struct cairn_op *op);
    /* a->code: the operation's (-R_GUARD_FAILED is then of one of `build`'s guards), or NO_BUCKET,
     * DENIED, ... */
    void (*done)(struct access *a);
};
void access_init(struct access *a, struct bucket_layer *l, const struct s3_principal *who,
                 struct bytes bucket, struct bytes key);
void access_fini(struct access *a);
void access_run(struct access *a, int (*build)(struct access *a, struct cairn_op *op),
                void (*done)(struct access *a));
/* The same, for a build that only reads. */
void access_read(struct access *a, int (*build)(struct access *a, struct cairn_op *op),
                 void (*done)(struct access *a));
void access_pin(struct access *a, const struct uuid *bucket);
/* The move of this token is over: those who wait for it go on. */
void accesses_moved(struct bucket_layer *l, const struct uuid *token);
bool access_owns(const struct access *a); /* whoever asks; good once a row was read */
/* The entry was read, and this is its ACL; or there is none, NULL.  0, -R_DENIED, -R_NO_KEY. */
int access_may_read(const struct access *a, const uint8_t *acl);
/* A `build` of access_read: it reads the entry of the key and nothing else. */
int access_ask_entry(struct access *a, struct cairn_op *op);
/* The row under whose guard it runs, or ran. */
static inline const struct shard_row *access_row(const struct access *a)
{
    return &a->view->row;
}
static inline uint64_t access_epoch(const struct access *a)
{
    return a->view ? a->view->row.epoch : 0; /* without a row the guard fails */
}
/* Its failed step, when a->code is -R_GUARD_FAILED. */
static inline int access_failed(const struct access *a)
{
    return cairn_op_failed_step(a->call.op);
}

/* ---- links ---- */

/* Replaces the entry of a key.  The maker fills `next` (or leaves it empty: a deletion) and adds
 * what belongs to it in the two hooks. */
struct link {
    struct access a;
    struct writer next; /* the new entry row, as encoded; empty: none */
    struct writer data; /* the row beside it, if it is inline */
    struct s3_condition cond;
    bool had;        /* the entry before, as far as we know */
    uint8_t *before; /* owned: its value */
    uint32_t before_bytes;
    struct entry_row was; /* borrows from before */
    int step;             /* of the guard on the entry */
    uint32_t tries;
    /* Rows of the transaction under construction: filled by link and by `rows`. */
    struct link_rows *rows_now;
    void (*guards)(struct link *k, struct cairn_op *op);
    void (*rows)(struct link *k, struct link_rows *rows);
    void (*done)(struct link *k); /* k->a.code */
};
enum { LINK_ROWS_MAX = 8 };
struct link_rows {
    struct cairn_pair set[LINK_ROWS_MAX], gone[LINK_ROWS_MAX];
    struct row_key key[2 * LINK_ROWS_MAX];
    struct writer value[LINK_ROWS_MAX];
    uint32_t set_count, gone_count;
    int rc;
};
/* The key to fill, or the value to write: for one row of the transaction. */
struct row_key *link_gone(struct link_rows *r);
struct writer *link_set(struct link_rows *r, struct row_key **out_key);
/* Garbage of this key for stripes that nobody refers to from now on. */
void link_garbage(struct link_rows *r, struct bytes object_key, const struct uuid *id,
                  const struct garbage_row *g);
void rows_begin(struct link_rows *r);
int rows_end(struct link_rows *r, struct cairn_op *op); /* adds the steps; 0 or -ENOMEM */

void link_init(struct link *k, struct bucket_layer *l, const struct s3_principal *who,
               struct bytes bucket, struct bytes key);
void link_fini(struct link *k);
void link_run(struct link *k, void (*done)(struct link *k));

/* ---- requests ---- */

/* A request of the layer's user; its type embeds it first. */
struct req {
    struct op op;
    struct bucket_layer *l;
    struct s3_principal who;
    struct bytes bucket, key; /* in op.arena */
    void (*finish)(
        struct req *r); /* calls back; then the request is freed by `fini` and mem_free */
    void (*fini)(struct req *r);
};
/* NULL: *out_rc says why.  Zeroed beyond struct req. */
void *req_create(size_t bytes, struct bucket_layer *l, const struct s3_principal *who,
                 struct bytes bucket, struct bytes key, void (*run)(struct op *op), int *out_rc);
void req_destroy(struct req *r); /* one that was not started */
/* From here on it goes its way: run, then op_finish, finish, fini, free. */
void req_start(struct req *r, void (*finish)(struct req *r), void (*fini)(struct req *r));
/* For the `done` of a call, access or link inside a request. */
#define REQ_WAKE(member_ptr, type, member) op_wake(&CONTAINER_OF(member_ptr, type, member)->r.op)
int bytes_dup(struct arena *arena, struct bytes b, struct bytes *out); /* 0 or -ENOMEM */
/* What an entry says, for callbacks; headers and tags in the arena unless it is NULL. */
int entry_info(const struct entry_row *e, struct arena *arena, struct object_info *out_info);

/* ---- copies ---- */

/* What an opened GET reads; borrowed until it is closed. */
struct get_source {
    const struct entry_row *entry; /* its headers and tags are not there */
    const struct stripes *parts;
    const struct object_part *told; /* of a manifest */
    uint32_t part_count;
    uint32_t inline_bytes_max;
};
struct get_source object_get_source(const struct object_get *g);

/* ---- files of the layer that others start and stop ---- */

int quotas_init(struct bucket_layer *l);
void quotas_fini(struct bucket_layer *l);
int users_init(struct bucket_layer *l);
void users_fini(struct bucket_layer *l);
int collector_create(struct bucket_layer *l);
void collector_begin(struct bucket_layer *l); /* the layer is ready */
void collector_stop(struct bucket_layer *l);
void collector_destroy(struct collector *c);

#endif
