/* model.h - random requests to several gateways at the same time, and whether the answers make
 * sense.
 *
 * Every write has a value of its own (its seed), so a read names the write it saw.  A read is wrong
 * when that write cannot have taken place, when it was surely overwritten before the read began, or
 * when an earlier read saw a write that surely came later.  A write whose answer is unknown may
 * take place at any time, or never.  Its owner starts gateways, lets time pass, and tells which
 * gateway died. */
#ifndef TESTS_UNIT_S3_BUCKET_MODEL_H
#define TESTS_UNIT_S3_BUCKET_MODEL_H

#include "tests/unit/s3/bucket/stage.h"

enum { KEYS = 20, SLOTS = 8, WRITES_MAX = 4000, READS_MAX = 40000, UPLOADS_MAX = 3 };
enum { THE_BUCKET = KEYS }; /* as a key: created, dropped, seen */
#define ID_ANY UINT64_MAX   /* some value */

extern const char *const model_keys[KEYS + 1];

#define ID_UNREAD (UINT64_MAX - 1)
enum outcome { OUT_PENDING, OUT_OK, OUT_FAILED };
struct wr {
    unsigned key;
    uint64_t id;        /* 0: a deletion */
    bool copy;          /* its value is that of another write, of any key; ID_UNREAD till then */
    uint64_t inv, resp; /* resp UINT64_MAX: unknown */
    enum outcome out;
    bool put;          /* a PUT's: its ETag is known */
    bool conditional;  /* it takes place only where there is ... */
    uint64_t expected; /* ... this value; 0: nothing */
};
struct rd {
    unsigned key;
    uint32_t keys; /* bits of keys; several: ID_ANY is of one of them */
    uint64_t id;   /* 0: absent */
    uint64_t inv, resp;
    uint64_t not_id; /* with ID_ANY: any but this */
};
struct upload {
    bool open, tried;          /* tried: an end of it was asked for */
    uint64_t inv_ns, there_ns; /* when it was asked for, and answered */
    uint64_t ended_ns;         /* when its end was answered, or 0 */
    unsigned key;
    char id[S3_UPLOAD_ID_LEN + 1];
    uint64_t seed[4];    /* by part number - 1; 0: none known */
    uint64_t put_ns[4];  /* when that was answered */
    struct act complete; /* the last one that went well, or that was tried */
};
struct slot {
    struct act a;
    bool busy;
    int write;  /* the write it makes, -1 */
    int upload; /* of the table, -1 */
};
struct model {
    /* A finding.  What comes after it is judged no more. */
    void (*fail)(struct model *m, const char *text);
    unsigned gates;     /* how many of the stage are played on */
    unsigned slow_gate; /* who slow readers use, + 1; 0: any */
    bool broken;        /* operations may fail for good: the cluster below is being hurt */
    struct stage st;
    uint64_t seed;
    struct rng rng;
    struct wr w[WRITES_MAX];
    struct rd r[READS_MAX];
    unsigned writes, reads, started;
    struct upload up[UPLOADS_MAX];
    struct slot slot[SLOTS];
    uint64_t next_id;
    unsigned sweep;                            /* over the keys, while draining */
    bool draining;                             /* mostly deletions, so that the bucket gets empty */
    bool dropped;                              /* a deletion of the bucket was tried */
    unsigned splits, merges, undone, silences; /* of gateways that are gone */
    unsigned kills, drops, completes, repeats, gone, raced, outlived, cut, copies;
    unsigned held, refused; /* conditions */
    unsigned ended[ACT_KINDS];
};

/* Take in what has ended; with `fill`, start something new in each free slot. */
void model_step(struct model *m, bool fill);
/* A gateway is gone; nobody knows what became of what it was asked. */
void model_gate_lost(struct model *m, unsigned gate);
bool model_any_done(void *model);
bool model_idle(const struct model *m);
/* The bucket was made by the owner of the model, who began that at `inv`. */
void model_made(struct model *m, uint64_t inv);
/* A read of ours has ended. */
void model_read(struct model *m, const struct act *a);
/* Was every answer possible? */
void model_judge(struct model *m);

#endif
