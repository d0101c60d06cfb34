/* steps.h - a compound operation on one object: its sub-operations ("steps") and their results.
 *
 * The primary applies the steps of one operation atomically and in order.  Guards and reads come
 * before writes.  Each step has its own result; the first failing one ends the operation with its
 * code, nothing is changed, and a failed guard returns the present value.  A write returns no old
 * data.  This is the one mechanism behind every front end (architecture 3).
 *
 * Memory: a struct steps owns an arena for keys and values; payload is held by reference. */
#ifndef CORE_PROTO_STEPS_H
#define CORE_PROTO_STEPS_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/map/types.h"

enum step_kind {
    /* guards */
    STEP_ASSERT_EXISTS = 1,
    STEP_ASSERT_ABSENT,
    STEP_ASSERT_VERSION, /* version; {0,0}: absent */
    STEP_CMP_XATTR,      /* key, cmp, value: present-value CMP value */
    STEP_CMP_OMAP,       /* key, cmp, value */
    /* reads */
    STEP_READ,       /* off, len (0: to the end): data, crcs */
    STEP_EXTENTS,    /* off, len: rows of u64 off, u64 len that hold data */
    STEP_STAT,       /* size, version, mtime_wall_ns */
    STEP_XATTR_GET,  /* key: data */
    STEP_XATTR_LIST, /* pairs, all */
    STEP_OMAP_GET,   /* keys in `pairs_in`: pairs for those that exist */
    STEP_OMAP_RANGE, /* key (inclusive) .. value (exclusive; empty: end), rows_max: pairs, more */
    STEP_PG_LIST,    /* on a PG, no object: from key (oid key) rows_max: pairs (oid key -> u64 size, version), more */
    /* writes */
    STEP_CREATE,     /* flags STEP_EXCLUSIVE: -R_EXISTS when there */
    STEP_WRITE,      /* off, data, crcs */
    STEP_WRITE_FULL, /* data, crcs: replaces all bytes, keeps xattrs and omap */
    STEP_APPEND,     /* data: at the present end; the crcs are made where the bytes enter, as if at 0 */
    STEP_TRUNCATE,   /* off: new size */
    STEP_ZERO,       /* off, len */
    STEP_DELETE,     /* -R_NO_OBJECT when absent */
    STEP_XATTR_SET,
    STEP_XATTR_RM,
    STEP_OMAP_SET,   /* pairs_in */
    STEP_OMAP_RM,    /* keys in pairs_in */
    STEP_OMAP_RM_RANGE, /* key .. value */
    STEP_OMAP_CLEAR,
    STEP_CLONE_RANGE, /* src name (same PG only) in key, off2, len -> off; other PGs: -R_UNSUPPORTED */
    STEP_KIND_END
};
enum step_cmp { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_ABSENT, CMP_PRESENT }; /* memcmp order */
enum { STEP_EXCLUSIVE = 1, STEP_MAY_FAIL = 2 /* this step's failure does not fail the operation (reads only) */ };
enum { STEPS_MAX = 64, STEP_PAIRS_MAX = 10000 };

struct step_pair {
    struct bytes key, value;
};
struct step {
    uint8_t kind, cmp;
    uint16_t flags;
    uint64_t off, len, off2;
    uint32_t rows_max;
    struct version version;
    struct bytes key, value;
    struct step_pair *pairs_in;
    uint32_t pair_in_count;
    struct buf data;
    uint8_t *crcs; /* u32 LE each, per 4 KiB block of the object touched */
};
struct step_result {
    int rc;
    uint64_t size;          /* STAT */
    uint64_t mtime_wall_ns; /* STAT */
    struct version version; /* STAT; failed ASSERT_VERSION */
    struct buf data;        /* READ, EXTENTS, XATTR_GET, failed CMP_*: the present value */
    uint8_t *crcs;          /* READ */
    uint32_t crc_count;
    struct step_pair *pairs;
    uint32_t pair_count;
    bool more;
};

struct steps {
    struct arena arena;
    struct step *step; /* in the arena or owned by it */
    uint32_t count, cap;
    int rc; /* first failure while building */
};
void steps_init(struct steps *s);
void steps_fini(struct steps *s);
/* Append a step of this kind; NULL on lack of memory or past STEPS_MAX (s->rc says). */
struct step *steps_add(struct steps *s, uint8_t kind);
struct bytes steps_dup(struct steps *s, struct bytes b); /* into the arena */
int step_pairs_set(struct steps *s, struct step *st, const struct step_pair *pairs, uint32_t count); /* copies */
int step_data_set(struct steps *s, struct step *st, const struct buf *data); /* refs, computes crcs for st->off */
bool steps_write(const struct steps *s);  /* any write step */
int steps_valid(const struct steps *s);   /* order, bounds, sizes: 0 or a reason */
void steps_encode(const struct steps *s, struct writer *front, struct buf *data);
int steps_decode(struct cursor *front, struct buf *data, struct steps *out); /* out: initialized */

struct step_results {
    struct arena arena;
    struct step_result *result;
    uint32_t count;
};
void step_results_init(struct step_results *r);
void step_results_fini(struct step_results *r);
int step_results_reserve(struct step_results *r, uint32_t count); /* zeroed results */
void step_results_encode(const struct step_results *r, struct writer *front, struct buf *data);
int step_results_decode(struct cursor *front, struct buf *data, struct step_results *out);
bool step_cmp_holds(uint8_t cmp, bool present, struct bytes have, struct bytes want);

#endif
