/* txn.h - a transaction on one OSD's store: what to change, before it is resolved.
 *
 * The primary builds it once; the same bytes go to each replica and to the local store.  A sealed
 * transaction is immutable and counted atomically, so replicas in the same process share it.
 * Sub-operations name objects and rows; the store resolves them to after-images (store.h).
 *
 * Payload checksums: `crcs` are CRC32C values of each piece of the write that lies in one 4 KiB
 * block of the object (first and last piece may be partial), made where the bytes entered. */
#ifndef CORE_STORE_TXN_H
#define CORE_STORE_TXN_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/map/types.h"

enum {
    STORE_BLOCK = 4096,
    XATTR_NAME_MAX = 255,
    XATTR_VALUE_MAX = 65536,
    OMAP_KEY_MAX = 4096,
    OMAP_VALUE_MAX = 1 << 20,
    OBJECT_BYTES_MAX = 128 << 20,
    TXN_BYTES_MAX = 132 << 20
};

enum txn_kind {
    TXN_TOUCH = 1,     /* create if missing */
    TXN_WRITE,         /* off, data, crcs; creates, extends */
    TXN_ZERO,          /* off, len: a hole; never extends */
    TXN_TRUNCATE,      /* off = new size; extends with a hole */
    TXN_DELETE,        /* object with xattrs and omap; fine if missing */
    TXN_XATTR_SET,     /* key, value */
    TXN_XATTR_RM,      /* key; fine if missing */
    TXN_OMAP_SET,      /* key, value */
    TXN_OMAP_RM,       /* key; fine if missing */
    TXN_OMAP_RM_RANGE, /* key (inclusive) .. value (exclusive; empty: no end) */
    TXN_CLONE_RANGE,   /* from `src` off2..off2+len to off; shares extents where aligned */
    TXN_VERSION,       /* the object's version from now on (each object op list ends with one) */
    TXN_META_SET,      /* row `key` of the PG named by the transaction's coll = value */
    TXN_META_RM,
    TXN_META_RM_RANGE, /* key (inclusive) .. value (exclusive) */
};

struct txn_op {
    uint8_t kind;
    uint16_t object, src; /* index into the objects of the transaction */
    uint64_t off, len, off2;
    struct bytes key, value; /* borrowed from the transaction's memory */
    struct buf data;         /* TXN_WRITE */
    const uint8_t *crcs;     /* TXN_WRITE: u32 LE each, one per block touched */
    struct version version;  /* TXN_VERSION */
};

struct txn {
    _Atomic uint32_t refs;
    struct pgid coll;    /* orders it: transactions of one coll become durable in submit order */
    struct oid *objects; /* owned */
    uint32_t object_count, object_cap;
    struct txn_op *ops; /* owned */
    uint32_t op_count, op_cap;
    struct arena *arena;    /* owned: keys, values, crcs */
    uint64_t payload_bytes; /* of all writes */
    uint64_t cost_bytes;    /* memory it holds */
    int rc;                 /* the first failure while building; store_submit refuses it */
};

struct txn *txn_create(struct pgid coll); /* refs 1; NULL: no memory */
struct txn *txn_ref(struct txn *t);
void txn_unref(struct txn *t);

/* Builders; failures are kept in t->rc.  txn_object returns an index (existing or new). */
uint16_t txn_object(struct txn *t, const struct oid *oid);
void txn_touch(struct txn *t, uint16_t o);
/* Takes references to `data`; crcs NULL: computed here. */
void txn_write(struct txn *t, uint16_t o, uint64_t off, const struct buf *data,
               const uint8_t *crcs);
void txn_zero(struct txn *t, uint16_t o, uint64_t off, uint64_t len);
void txn_truncate(struct txn *t, uint16_t o, uint64_t size);
void txn_delete(struct txn *t, uint16_t o);
void txn_xattr_set(struct txn *t, uint16_t o, struct bytes name, struct bytes value);
void txn_xattr_rm(struct txn *t, uint16_t o, struct bytes name);
void txn_omap_set(struct txn *t, uint16_t o, struct bytes key, struct bytes value);
void txn_omap_rm(struct txn *t, uint16_t o, struct bytes key);
void txn_omap_rm_range(struct txn *t, uint16_t o, struct bytes from, struct bytes to);
void txn_clone_range(struct txn *t, uint16_t dst, uint16_t src, uint64_t src_off, uint64_t len,
                     uint64_t dst_off);
void txn_version(struct txn *t, uint16_t o, struct version v);
void txn_meta_set(struct txn *t, struct bytes key, struct bytes value);
void txn_meta_rm(struct txn *t, struct bytes key);
void txn_meta_rm_range(struct txn *t, struct bytes from, struct bytes to);

/* Plain envelope; payload of writes goes to `data` in order, by reference.  doc/format/txn.md */
void txn_encode(const struct txn *t, struct writer *front, struct buf *data);
int txn_decode(struct cursor *front, struct buf *data, struct txn **out_txn);

/* How many crcs a write of `bytes` at `off` carries: the blocks it touches. */
static inline uint32_t crc_count(uint64_t off, uint64_t bytes)
{
    return bytes ? (uint32_t)((off + bytes - 1) / STORE_BLOCK - off / STORE_BLOCK + 1) : 0;
}
/* Compute them (u32 LE into out, 4 * crc_count bytes), or check given ones: 0 or -R_CSUM_MISMATCH.
 */
void crcs_make(uint64_t off, const struct buf *data, uint8_t *out);
int crcs_check(uint64_t off, const struct buf *data, const uint8_t *crcs);

#endif
