/* format.h - what stands on the disk: superblock, keys, onodes, shards, journal groups.
 *
 * Pure encoding and decoding, doc/format/store.md.  Every decoder takes any bytes. */
#ifndef CORE_STORE_FORMAT_H
#define CORE_STORE_FORMAT_H

#include "core/env/disk.h"
#include "core/store/store.h"

static_assert((int)OID_KEY_MAX < (int)OMAP_KEY_MAX, "the bound of keys");

enum {
    SHARD_BLOCKS = 64,
    SHARD_BYTES = SHARD_BLOCKS * STORE_BLOCK,
    SHARDS_MAX = OBJECT_BYTES_MAX / SHARD_BYTES,
    XATTRS_BYTES_MAX = 1 << 20,
    STORE_KEY_MAX = 9 + OMAP_KEY_MAX, /* the longest: an omap row's */
    SUPERBLOCK_SLOTS = 2,
    GROUP_HEAD_BYTES = 80
};
#define PHYS_HOLE UINT64_C(0) /* block 0 of the data disk is the superblock's copy */
#define PHYS_LOST UINT64_MAX  /* was mapped; where is no longer known */

struct superblock {
    struct store_id id;
    uint64_t generation; /* grows with each one written */
    uint64_t epoch;      /* grows with each open */
    uint64_t salt;       /* of this store's journal */
    uint64_t journal_blocks, data_blocks, ballast_bytes;
    uint64_t tail_pos, tail_seq; /* the checkpoint: the next group, the last record before it */
    uint32_t tail_crc;           /* of the group before tail_pos */
    uint64_t next_nid;
    bool clean;    /* closed: the journal is empty */
    bool salvaged; /* what was lost may not have been refilled yet */
};
/* Into one block of DISK_BLOCK bytes. */
void superblock_encode(const struct superblock *sb, uint8_t *block);
int superblock_decode(const uint8_t *block,
                      struct superblock *out_sb); /* -R_BAD_MAGIC: zeros or other */

/* Keys are written to `w`. */
void key_onode(struct writer *w, const struct oid *oid);
void key_shard(struct writer *w, uint64_t nid, uint32_t index);
void key_omap(struct writer *w, uint64_t nid, struct bytes key);
bool key_is_omap(struct bytes key);
void key_omap_end(struct writer *w, uint64_t nid); /* behind all of nid's */
void key_meta(struct writer *w, struct pgid pg, struct bytes key);
void key_meta_end(struct writer *w, struct pgid pg);
int key_meta_get(struct bytes key, struct pgid *out_pg, struct bytes *out_rest);
int key_nid_get(struct bytes key, uint64_t *out_nid, struct bytes *out_rest); /* 'e' and 'm' keys */

/* Omap and meta values: the bytes, then a CRC of key and bytes. */
void wr_row_value(struct writer *w, struct bytes key, struct bytes value);
int row_value_get(struct bytes key, struct bytes stored,
                  struct bytes *out_value); /* -R_CSUM_MISMATCH */

/* Immutable, counted: u16 name length, u32 value length, name, value; in memcmp order of names. */
struct xattrs {
    uint32_t refs, count, bytes;
    uint8_t data[];
};
struct xattrs *xattrs_ref(struct xattrs *x); /* NULL is none */
void xattrs_unref(struct xattrs *x);
/* A changed copy; value.data NULL removes.  *out may be NULL: none are left. */
int xattrs_change(const struct xattrs *x, struct bytes name, struct bytes value,
                  struct xattrs **out);
bool xattrs_find(const struct xattrs *x, struct bytes name, struct bytes *out_value);
bool xattrs_after(const struct xattrs *x, struct bytes after, struct bytes *out_name,
                  struct bytes *out_value);

struct onode_meta {
    bool exists;
    bool omap;    /* may have omap rows */
    bool damaged; /* its onode could not be read: only a delete heals it */
    uint64_t nid, size;
    struct version version;
    struct xattrs *xattrs; /* ref */
};
void onode_meta_copy(struct onode_meta *to, const struct onode_meta *from); /* takes a ref */
void onode_meta_fini(struct onode_meta *m);
/* `tags`: the shard tags, trailing zeros dropped by the caller. */
void onode_encode(struct writer *w, struct bytes key, const struct onode_meta *m,
                  const uint32_t *tags, uint32_t tag_count);
/* *out_tags: mem_alloc'ed (NULL when there are none), for the caller to free. */
int onode_decode(struct bytes key, struct bytes stored, struct onode_meta *out_meta,
                 uint32_t **out_tags, uint32_t *out_tag_count);
/* Only what a listing needs. */
int onode_peek(struct bytes key, struct bytes stored, struct onode_meta *out_meta_borrowed);

/* The map of one 256 KiB region of an object. */
struct shard {
    uint64_t phys[SHARD_BLOCKS]; /* in blocks, PHYS_HOLE or PHYS_LOST */
    uint32_t crc[SHARD_BLOCKS];  /* of all STORE_BLOCK bytes; zero behind the object's end */
    uint64_t shared;             /* bit i: phys[i] has other owners by a clone */
};
enum { SHARD_ROW_MAX = SHARD_BLOCKS * 16 + 64 }; /* of its row */
bool shard_empty(const struct shard *sh);
uint32_t shard_encode(struct writer *w, uint64_t nid, uint32_t index,
                      const struct shard *sh); /* the tag */
uint32_t shard_tag(struct bytes stored);       /* never 0 */
int shard_decode(struct bytes stored, uint64_t nid, uint32_t index, struct shard *out_shard);
/* One block of a row that was encoded or decoded before: PHYS_HOLE, PHYS_LOST or where it is. */
uint64_t shard_block(struct bytes stored, uint32_t i, uint32_t *out_crc);
void shard_lose(struct shard *sh,
                uint32_t blocks); /* every block up to `blocks` becomes PHYS_LOST */

/* A journal group: head, record fronts, data of deferred blocks, zeros up to a block. */
struct group_head {
    uint64_t salt, epoch, pos, seq_first, sb_generation;
    uint32_t record_count, front_bytes,
        block_count;   /* block_count: deferred blocks behind the fronts */
    uint32_t prev_crc; /* of the group before */
    uint32_t body_crc; /* fronts and data */
    uint32_t head_crc; /* of the head, with body_crc in it: names the group in the chain */
};
void group_head_encode(struct group_head *h, uint8_t *out); /* GROUP_HEAD_BYTES; sets head_crc */
int group_head_decode(const uint8_t *at, struct group_head *out_head);
uint64_t group_blocks(const struct group_head *h); /* on the ring */

/* One record's front: rows and the places of its deferred blocks. */
enum record_op { REC_PUT = 1, REC_DEL, REC_RANGE, REC_BLOCK };
struct record_row {
    enum record_op op;
    struct bytes key, value;
    uint64_t phys;
    uint32_t crc;
};
void record_begin(struct writer *w, struct pgid coll);
void record_put(struct writer *w, uint8_t op, struct bytes key, struct bytes value);
void record_block(struct writer *w, uint64_t phys, uint32_t crc);
void record_end(struct writer *w); /* from the start of `w` */
/* Walk: record_enter on the fronts, then record_next until 0. */
int record_enter(struct cursor *fronts, struct cursor *out_record, struct pgid *out_coll);
int record_next(struct cursor *record,
                struct record_row *out_row); /* 1, 0 at the end, or negative */

#endif
