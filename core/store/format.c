/* format.c - keys, the superblock, sealed values, journal framing.  doc/format/store.md
 *
 * Nothing here trusts its input: lengths are bounded by the cursor, numbers are checked before they
 * are used as indexes, and every value says which key it belongs to, so that a misplaced row is
 * found as surely as a flipped bit. */
#include "core/store/format.h"

#include "core/base/crc.h"

static const uint8_t sb_magic[8] = {'c', 'a', 'i', 'r', 'n', 'o', 's', 'd'};
#define GROUP_MAGIC UINT32_C(0x4a6e7243) /* "CrnJ" */

enum { SB_COMPAT = 1, GROUP_VERSION = 1, RECORD_OPS_MAX = 1 << 24 };

enum { SB_CLEAN = 1, SB_SALVAGED = 2 };

void superblock_encode(const struct superblock *sb, uint8_t *block)
{
    struct writer w = wr_over(block, DISK_BLOCK);
    size_t mark;

    memset(block, 0, DISK_BLOCK);
    wr_raw(&w, sb_magic, sizeof(sb_magic));
    mark = wr_begin(&w, 1, 1);
    wr_raw(&w, sb->id.fsid, 16);
    wr_raw(&w, sb->id.uuid, 16);
    wr_i32(&w, sb->id.osd);
    wr_u64(&w, sb->generation);
    wr_u64(&w, sb->epoch);
    wr_u64(&w, sb->salt);
    wr_u64(&w, sb->journal_blocks);
    wr_u64(&w, sb->data_blocks);
    wr_u64(&w, sb->ballast_bytes);
    wr_u64(&w, sb->tail_pos);
    wr_u64(&w, sb->tail_seq);
    wr_u32(&w, sb->tail_crc);
    wr_u64(&w, sb->next_nid);
    wr_u8(&w, (uint8_t)(sb->clean * SB_CLEAN | sb->salvaged * SB_SALVAGED));
    wr_end(&w, mark);
    ASSERT(w.rc == 0);
}

int superblock_decode(const uint8_t *block, struct superblock *out_sb)
{
    struct cursor c = cur_over(block, DISK_BLOCK), body;
    struct superblock sb = {0};
    uint8_t state;
    struct bytes magic = cur_raw(&c, sizeof(sb_magic)), fsid, uuid;

    if (!bytes_equal(magic, (struct bytes){sb_magic, sizeof(sb_magic)}))
        return -R_BAD_MAGIC;
    cur_enter(&c, SB_COMPAT, &body);
    fsid = cur_raw(&body, 16);
    uuid = cur_raw(&body, 16);
    sb.id.osd = cur_i32(&body);
    sb.generation = cur_u64(&body);
    sb.epoch = cur_u64(&body);
    sb.salt = cur_u64(&body);
    sb.journal_blocks = cur_u64(&body);
    sb.data_blocks = cur_u64(&body);
    sb.ballast_bytes = cur_u64(&body);
    sb.tail_pos = cur_u64(&body);
    sb.tail_seq = cur_u64(&body);
    sb.tail_crc = cur_u32(&body);
    sb.next_nid = cur_u64(&body);
    state = cur_u8(&body);
    sb.clean = state & SB_CLEAN;
    sb.salvaged = state & SB_SALVAGED;
    if (cur_leave(&c, &body) < 0)
        return c.rc;
    memcpy(sb.id.fsid, fsid.data, 16);
    memcpy(sb.id.uuid, uuid.data, 16);
    if (state > (SB_CLEAN | SB_SALVAGED) || sb.journal_blocks < 16 ||
        sb.journal_blocks > UINT64_C(1) << 32 || sb.data_blocks < 16 ||
        sb.data_blocks > UINT64_C(1) << 44)
        return -R_MALFORMED;
    *out_sb = sb;
    return 0;
}

/* --- keys --- */

static void wr_be32(struct writer *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    wr_raw(w, b, 4);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void wr_be64(struct writer *w, uint64_t v)
{
    wr_be32(w, (uint32_t)(v >> 32));
    wr_be32(w, (uint32_t)v);
}

void key_onode(struct writer *w, const struct oid *oid)
{
    wr_u8(w, 'o');
    oid_key_put(w, oid);
}

void key_shard(struct writer *w, uint64_t nid, uint32_t index)
{
    wr_u8(w, 'e');
    wr_be64(w, nid);
    wr_be32(w, index);
}

void key_omap(struct writer *w, uint64_t nid, struct bytes key)
{
    wr_u8(w, 'm');
    wr_be64(w, nid);
    wr_raw(w, key.data, key.len);
}

bool key_is_omap(struct bytes key)
{
    return key.len && key.data[0] == 'm';
}

void key_omap_end(struct writer *w, uint64_t nid)
{
    wr_u8(w, 'm');
    wr_be64(w, nid + 1);
}

void key_meta(struct writer *w, struct pgid pg, struct bytes key)
{
    wr_u8(w, 'p');
    wr_be32(w, pg.pool.v);
    wr_be32(w, pg.seed);
    wr_raw(w, key.data, key.len);
}

void key_meta_end(struct writer *w, struct pgid pg)
{
    uint64_t next = ((uint64_t)pg.pool.v << 32 | pg.seed) + 1;

    wr_u8(w, next ? 'p' : 'p' + 1);
    wr_be64(w, next);
}

int key_meta_get(struct bytes key, struct pgid *out_pg, struct bytes *out_rest)
{
    if (key.len < 9 || key.data[0] != 'p')
        return -R_MALFORMED;
    *out_pg = (struct pgid){{be32(key.data + 1)}, be32(key.data + 5)};
    *out_rest = (struct bytes){key.data + 9, key.len - 9};
    return 0;
}

int key_nid_get(struct bytes key, uint64_t *out_nid, struct bytes *out_rest)
{
    if (key.len < 9)
        return -R_MALFORMED;
    *out_nid = (uint64_t)be32(key.data + 1) << 32 | be32(key.data + 5);
    *out_rest = (struct bytes){key.data + 9, key.len - 9};
    return 0;
}

static uint32_t bound_crc(struct bytes key, struct bytes value)
{
    return crc32c(crc32c(0, key.data, key.len), value.data, value.len);
}

void wr_row_value(struct writer *w, struct bytes key, struct bytes value)
{
    wr_raw(w, value.data, value.len);
    wr_u32(w, bound_crc(key, value));
}

int row_value_get(struct bytes key, struct bytes stored, struct bytes *out_value)
{
    struct bytes value;
    struct cursor c;

    if (stored.len < 4)
        return -R_CSUM_MISMATCH;
    value = (struct bytes){stored.data, stored.len - 4};
    c = cur_over(stored.data + value.len, 4);
    if (cur_u32(&c) != bound_crc(key, value))
        return -R_CSUM_MISMATCH;
    *out_value = value;
    return 0;
}

/* --- the journal --- */

enum { HEAD_CRC_AT = GROUP_HEAD_BYTES - 4 };

void group_head_encode(struct group_head *h, uint8_t *out)
{
    struct writer w = wr_over(out, GROUP_HEAD_BYTES);

    wr_u32(&w, GROUP_MAGIC);
    wr_u8(&w, GROUP_VERSION);
    wr_u8(&w, GROUP_VERSION);
    wr_u16(&w, 0);
    wr_u64(&w, h->salt);
    wr_u64(&w, h->epoch);
    wr_u64(&w, h->pos);
    wr_u64(&w, h->seq_first);
    wr_u64(&w, h->sb_generation);
    wr_u32(&w, h->record_count);
    wr_u32(&w, h->front_bytes);
    wr_u32(&w, h->block_count);
    wr_u32(&w, h->prev_crc);
    wr_u32(&w, h->body_crc);
    wr_zeros(&w, HEAD_CRC_AT - w.len);
    h->head_crc = crc32c(0, out, HEAD_CRC_AT);
    wr_u32(&w, h->head_crc);
    ASSERT(w.rc == 0 && w.len == GROUP_HEAD_BYTES);
}

int group_head_decode(const uint8_t *at, struct group_head *out_head)
{
    struct cursor c = cur_over(at, GROUP_HEAD_BYTES);
    struct group_head h = {0};
    uint8_t version, compat;

    if (cur_u32(&c) != GROUP_MAGIC)
        return -R_BAD_MAGIC;
    version = cur_u8(&c);
    compat = cur_u8(&c);
    cur_zeros(&c, 2);
    h.salt = cur_u64(&c);
    h.epoch = cur_u64(&c);
    h.pos = cur_u64(&c);
    h.seq_first = cur_u64(&c);
    h.sb_generation = cur_u64(&c);
    h.record_count = cur_u32(&c);
    h.front_bytes = cur_u32(&c);
    h.block_count = cur_u32(&c);
    h.prev_crc = cur_u32(&c);
    h.body_crc = cur_u32(&c);
    cur_zeros(&c, HEAD_CRC_AT - (size_t)(c.at - at));
    h.head_crc = cur_u32(&c);
    if (c.rc)
        return c.rc;
    if (crc32c(0, at, HEAD_CRC_AT) != h.head_crc)
        return -R_CSUM_MISMATCH;
    if (compat > GROUP_VERSION)
        return -R_TOO_NEW;
    if (version < compat || compat == 0 || h.block_count > UINT32_C(1) << 20)
        return -R_MALFORMED;
    *out_head = h;
    return 0;
}

uint64_t group_blocks(const struct group_head *h)
{
    return ROUND_UP((uint64_t)GROUP_HEAD_BYTES + h->front_bytes +
                        (uint64_t)h->block_count * STORE_BLOCK,
                    DISK_BLOCK) /
           DISK_BLOCK;
}

void record_begin(struct writer *w, struct pgid coll)
{
    wr_u32(w, 0); /* length, set by record_end */
    wr_pgid(w, coll);
}

void record_put(struct writer *w, uint8_t op, struct bytes key, struct bytes value)
{
    wr_u8(w, op);
    wr_bytes(w, key);
    if (op != REC_DEL)
        wr_bytes(w, value);
}

void record_block(struct writer *w, uint64_t phys, uint32_t crc)
{
    wr_u8(w, REC_BLOCK);
    wr_u64(w, phys);
    wr_u32(w, crc);
}

void record_end(struct writer *w)
{
    if (w->rc == 0)
        wr_put_u32(w, 0, (uint32_t)(w->len - 4));
}

int record_enter(struct cursor *fronts, struct cursor *out_record, struct pgid *out_coll)
{
    struct bytes body = cur_bytes(fronts, UINT32_MAX);

    if (fronts->rc)
        return fronts->rc;
    *out_record = cur_over(body.data, body.len);
    *out_coll = cur_pgid(out_record);
    return out_record->rc;
}

int record_next(struct cursor *record, struct record_row *out_row)
{
    struct record_row r = {0};

    if (record->rc == 0 && cur_left(record) == 0)
        return 0;
    r.op = cur_u8(record);
    switch (r.op) {
    case REC_PUT:
        r.key = cur_bytes(record, STORE_KEY_MAX);
        r.value = cur_bytes(record, UINT32_MAX);
        break;
    case REC_DEL:
        r.key = cur_bytes(record, STORE_KEY_MAX);
        break;
    case REC_RANGE:
        r.key = cur_bytes(record, STORE_KEY_MAX);
        r.value = cur_bytes(record, STORE_KEY_MAX);
        break;
    case REC_BLOCK:
        r.phys = cur_u64(record);
        r.crc = cur_u32(record);
        break;
    default:
        cur_fail(record, -R_MALFORMED);
    }
    if (record->rc)
        return record->rc;
    if (r.op != REC_BLOCK && r.key.len == 0)
        return -R_MALFORMED;
    *out_row = r;
    return 1;
}
