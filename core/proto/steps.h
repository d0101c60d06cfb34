/* steps.h - a compound operation on one object: its sub-operations ("steps") and their results.
 *
 * The primary applies the steps of one operation atomically and in order.  Guards and reads come
 * before writes.  Each step has its own result; the first failing one ends the operation with its
 * code, nothing is changed, and a failed guard returns the present value.  A write returns no old
 * data.  This is the one mechanism behind every front end (architecture 3).
 *
 * Memory: a struct steps owns an arena for keys and values; payload is held by reference.  A zeroed
 * struct steps or struct step_results is empty and may be freed; neither may be moved.
 * Threads: one owner; its payload is shared. */
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
    STEP_PG_LIST,    /* on a PG, no object: from key (oid key) rows_max: pairs (oid key -> u64 size,
                        version), more */
    /* writes */
    STEP_CREATE,     /* flags STEP_EXCLUSIVE: -R_EXISTS when there */
    STEP_WRITE,      /* off, data, crcs */
    STEP_WRITE_FULL, /* data, crcs: replaces all bytes, keeps xattrs and omap */
    STEP_APPEND, /* data: at the present end; the crcs are made where the bytes enter, as if at 0 */
    STEP_TRUNCATE, /* off: new size */
    STEP_ZERO,     /* off, len */
    STEP_DELETE,   /* -R_NO_OBJECT when absent */
    STEP_XATTR_SET,
    STEP_XATTR_RM,
    STEP_OMAP_SET,      /* pairs_in */
    STEP_OMAP_RM,       /* keys in pairs_in */
    STEP_OMAP_RM_RANGE, /* key .. value */
    STEP_OMAP_CLEAR,
    STEP_CLONE_RANGE, /* src name (same PG only) in key, off2, len -> off; other PGs: -R_UNSUPPORTED
                       */
    STEP_XATTR_ADD,   /* key; value: rows of i64 LE, each added to the u64 LE in the same place of
                         the xattr, modulo 2^64; what is not there counts as 0 */
    STEP_KIND_END
};
enum step_cmp {
    CMP_EQ,
    CMP_NE,
    CMP_LT,
    CMP_LE,
    CMP_GT,
    CMP_GE,
    CMP_ABSENT,
    CMP_PRESENT
}; /* memcmp order */
enum {
    STEP_EXCLUSIVE = 1,
    STEP_MAY_FAIL = 2, /* this step's failure does not fail the operation (reads only) */
    STEP_FREES = 4     /* leads to space that is given back, so a full store takes it, up to a bound
                          (STEP_XATTR_SET, STEP_XATTR_ADD, STEP_OMAP_SET only) */
};
enum { STEPS_MAX = 64, STEP_PAIRS_MAX = 10000 /* of one step */ };
enum { STEP_COUNTERS_MAX = 32 /* numbers of one STEP_XATTR_ADD */ };
/* What one operation may hold beside its payload, and its results beside theirs: keys, values and
 * checksums, 64 bytes for each step and 8 for each pair.  The payload of all steps of either is at
 * most OBJECT_BYTES_MAX. */
enum { STEPS_FRONT_BYTES_MAX = 3 << 20 };

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
/* Append a step of this kind; NULL on lack of memory or past STEPS_MAX (s->rc says).  The pointer
 * is good until the next steps_add. */
struct step *steps_add(struct steps *s, uint8_t kind);
struct bytes steps_dup(struct steps *s, struct bytes b); /* into the arena */
int step_pairs_set(struct steps *s, struct step *st, const struct step_pair *pairs,
                   uint32_t count); /* copies */
/* Refs `data` and computes the crcs: for STEP_WRITE st->off must be set before. */
int step_data_set(struct steps *s, struct step *st, const struct buf *data);
/* The same steps again, payload shared.  `out` is overwritten; 0 or -ENOMEM (out is empty then). */
int steps_copy(const struct steps *from, struct steps *out);
bool steps_write(const struct steps *s);     /* any write step */
uint64_t steps_bytes(const struct steps *s); /* what they hold: payload, keys, values, checksums */
/* Order, bounds, sizes: 0; -EINVAL for what has no meaning (no step, a guard or read after a write,
 * STEP_PG_LIST beside others, a flag or field out of range, missing checksums, a STEP_XATTR_ADD
 * behind a step that changes the same xattr), -R_MIXED_STEPS for reads beside writes (a repeat
 * would not have what was read), -R_UNSUPPORTED for a kind unknown here, -EFBIG past
 * OBJECT_BYTES_MAX, -ENAMETOOLONG, -E2BIG (values, pairs, the sum). What was decoded may be
 * executed only after this. */
int steps_valid(const struct steps *s);
/* Payload is appended to `data` by reference; the outcome is in front->rc. */
void steps_encode(const struct steps *s, struct writer *front, struct buf *data);
/* `out` is initialized and empty; takes the payload off the front of `data` by reference.  On
 * failure `out` is to be freed, too. */
int steps_decode(struct cursor *front, struct buf *data, struct steps *out);

struct step_results {
    struct arena arena;
    struct step_result *result;
    uint32_t count;
};
void step_results_init(struct step_results *r);
void step_results_fini(struct step_results *r);
/* `count` zeroed results in place of those there were. */
int step_results_reserve(struct step_results *r, uint32_t count);
/* 0, or -E2BIG: more than an answer may carry (STEPS_FRONT_BYTES_MAX, OBJECT_BYTES_MAX).  The OSD
 * asks before it answers. */
int step_results_fit(const struct step_results *r);
void step_results_encode(const struct step_results *r, struct writer *front, struct buf *data);
int step_results_decode(struct cursor *front, struct buf *data,
                        struct step_results *out); /* as steps_decode */
/* Whether a guard holds.  An absent value is unequal to every value, and in no order with one: of
 * the comparisons CMP_NE alone holds. */
bool step_cmp_holds(uint8_t cmp, bool present, struct bytes have, struct bytes want);

#endif
