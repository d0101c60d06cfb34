/* collect_int.h - the collector: rounds over all shards (collect.c), the work on one
 * (collect_shard.c, collect_garbage.c), and deleting data objects (release.c, eraser.c). */
#ifndef S3_BUCKET_COLLECT_INT_H
#define S3_BUCKET_COLLECT_INT_H

#include "s3/bucket/map_fix.h"
#include "s3/bucket/refs.h"
#include "s3/bucket/registry.h"
#include "s3/bucket/settle.h"

enum { WATCH_MARKS = 16, WATCHES_MAX = 16384, ERASERS = 4 };

/* Rows dated `epoch` or below were written before `at_ns`. */
struct mark {
    uint64_t epoch, at_ns;
};
/* What we remember of a shard that has something to collect. */
struct watch {
    struct hnode node;
    char name[NAME_BYTES];
    struct mark marks[WATCH_MARKS]; /* ascending in both */
    uint32_t mark_count;
    uint64_t epoch, epoch_since_ns; /* the newest one seen, and since when */
    uint64_t absent_since_ns;       /* its bucket is gone and so is it; 0: not so */
    uint64_t round;                 /* last seen */
    struct uuid moving;             /* the move that it was in when last seen, and since when */
    uint64_t moving_since_ns;
};
void watch_see(struct watch *w, uint64_t epoch, uint64_t now_ns);
bool watch_ripe(const struct watch *w, uint64_t epoch, uint64_t need_ns, uint64_t now_ns);

/* A version leaves its data objects.  `done` (0): by what `orders` says there is nothing more to
 * do; or all but the first are to be erased, then (release_end) the first, if it is still there.
 * -R_BUCKET_BUSY: others came and left faster, each time. */
struct release {
    struct call call;
    struct stripes first; /* the run of stripes whose first object tells */
    struct uuid origin, who;
    struct writer was, next; /* the xattr: as we believe it to be, as it is to be */
    enum refs_orders orders;
    uint32_t tries;
    void (*done)(struct release *r, int rc);
};
void release_init(struct release *r, struct bucket_layer *l);
void release_fini(struct release *r);
void release_run(struct release *r, const struct stripes *first, const struct uuid *origin,
                 const struct uuid *who, void (*done)(struct release *r, int rc));
void release_end(struct release *r, void (*done)(struct release *r, int rc));

/* Deletes the stripes of a list but the very first, some at a time.  Missing ones are fine.  The
 * first that does not answer ends it, or is passed over, when it is to be `thorough`; e->rc is
 * -ETIMEDOUT then. */
struct eraser {
    struct bucket_layer *l;
    struct erase {
        struct eraser *e;
        struct call call;
    } erase[ERASERS];
    const struct stripes *list; /* borrowed until done */
    uint32_t count, at;
    uint64_t stripe;
    uint32_t flying;
    bool thorough;
    int rc;
    void (*done)(struct eraser *e);
};
void eraser_init(struct eraser *e, struct bucket_layer *l);
void eraser_fini(struct eraser *e);
void eraser_run(struct eraser *e, const struct stripes *list, uint32_t count, bool thorough,
                void (*done)(struct eraser *e));

/* One shard in one round. */
struct job {
    struct bucket_layer *l;
    struct collector *c;
    struct uuid id;
    uint64_t no;
    char name[NAME_BYTES]; /* of the shard object */
    char bucket[S3_BUCKET_NAME_MAX + 1];
    struct watch *w;
    struct call page;     /* its results are the rows being worked off */
    struct call call;     /* one change, or one question */
    struct writer value;  /* the shard row as read: the guard of every change */
    struct shard_row row; /* borrows from value */
    bool absent, dead, dated_now, any_rows;
    bool unread; /* its row did not come: what we know of it stays */
    bool left;   /* a row, and that was logged */
    struct row_key garbage_from, intent_from;
    bool garbage_more, intent_more;
    size_t at;
    uint32_t budget;
    struct writer record;
    struct settle settle;
    struct map_fix fix;
    /* the garbage row at hand (collect_garbage.c) */
    struct cairn_pair pair; /* borrows from page */
    struct garbage_row g;
    struct writer claimed;
    struct bytes gkey;  /* in pair: the object's key ... */
    struct uuid gid;    /* ... and whose version or upload it is */
    struct arena arena; /* the manifest */
    struct stripes *list;
    uint32_t list_count;
    struct call parts;
    struct release release;
    struct eraser eraser;
    void (*garbage_done)(struct job *j, int rc);
    void (*done)(struct job *j);
};
void job_run(struct job *j, void (*done)(struct job *j));
/* Begins a change of the shard under its guard, step 0. */
struct cairn_op *job_change(struct job *j, struct call *c);
/* One ripe row, to its end.  -R_GUARD_FAILED: somebody else is at it, or the shard has changed;
 * -R_BUCKET_BUSY: it is left for the next round. */
void garbage_work(struct job *j, void (*done)(struct job *j, int rc));

struct collector {
    struct bucket_layer *l;
    struct env_timer timer;
    bool running, stopping;
    uint64_t round;
    uint64_t work_ns, worked_ns; /* what this one took so far, as counted, and until when */
    unsigned notes;              /* which of the registry's objects */
    struct call page;            /* notes being visited */
    size_t at;
    struct writer from; /* key of the next page */
    struct call call;   /* removes a note */
    struct job job;
    struct htable watches;
    uint32_t watch_count;
    int rc;               /* the first that could not be read of the registry */
    bucket_done_fn *done; /* of bucket_collect */
    void *arg;
};
/* NULL: too many are watched, or no memory; the shard waits. */
struct watch *watch_get(struct collector *c, const char *name);
struct watch *watch_find(struct collector *c, const char *name);
void watch_drop(struct collector *c, struct watch *w);

#endif
