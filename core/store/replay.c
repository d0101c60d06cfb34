/* replay.c - what the journal holds behind the last checkpoint.
 *
 * A scan verifies everything before anything is replayed.  It follows the chain from the
 * checkpoint's position: each group must name the store's salt, its own position and the CRC of the
 * group before.  Where the chain ends there is nothing (a torn last group, or what an earlier lap
 * left).  Since one group is in flight at a time, the head of one further on, within the lap, means
 * that the one here was acknowledged and is damaged now.  A group that knows a newer superblock
 * than the one we have means the same of the superblock: replay from an older checkpoint could
 * write old data over blocks that were used anew since. */
#include "core/store/replay.h"

enum { READ_BLOCKS = 256 };

static int superblock_read(struct disk *d, uint64_t off, uint8_t *block, struct superblock *out_sb,
                           bool *zeros)
{
    int rc = disk_read_now(d, off, block, DISK_BLOCK);

    *zeros = rc == 0;
    if (rc == 0)
        rc = superblock_decode(block, out_sb);
    for (uint32_t k = 0; k < DISK_BLOCK && *zeros; k++)
        *zeros = block[k] == 0;
    return rc;
}

int superblock_load(struct disk *d, struct disk *data, struct superblock *out_sb,
                    uint32_t *out_slot, uint32_t *out_bad)
{
    enum { COPY = SUPERBLOCK_SLOTS, PLACES };
    uint8_t *block = mem_aligned(DISK_BLOCK, DISK_BLOCK);
    struct superblock sb[PLACES];
    int best = -1, slot = -1, failed = 0;
    bool empty = true;

    if (!block)
        return -ENOMEM;
    *out_bad = 0;
    for (int i = 0; i < (data ? PLACES : COPY); i++) {
        bool zeros;
        int rc = superblock_read(i == COPY ? data : d, i == COPY ? 0 : (uint64_t)i * DISK_BLOCK,
                                 block, &sb[i], &zeros);

        if (rc == -ENOMEM || rc == -R_TOO_NEW)
            failed = rc;
        if (i < COPY)
            empty &= rc < 0 && zeros;
        *out_bad += rc < 0 && !(zeros && i == COPY);
        if (rc < 0)
            continue;
        if (i < COPY && (slot < 0 || sb[i].generation > sb[slot].generation))
            slot = i;
        if (best < 0 || sb[i].generation > sb[best].generation)
            best = i;
    }
    mem_free(block);
    if (failed == -ENOMEM || (failed && best < 0))
        return failed;
    if (empty || best < 0)
        return empty ? -ENOENT : -R_CSUM_MISMATCH;
    *out_sb = sb[best];
    *out_slot = slot < 0 ? 0 : (uint32_t)slot;
    return 0;
}

/* A run of ring blocks, wrapping.  Bad blocks of the device become zeros, and count as bad groups.
 */
static int ring_read(struct journal_scan *sc, uint64_t pos, uint64_t blocks, uint8_t *out)
{
    while (blocks) {
        uint64_t at = pos % sc->sb->journal_blocks;
        uint64_t n = MIN(MIN(blocks, sc->sb->journal_blocks - at), (uint64_t)READ_BLOCKS);
        int rc = disk_read_now(sc->disk, at * DISK_BLOCK, out, n * DISK_BLOCK);

        for (uint64_t i = 0; i < n && rc < 0 && rc != -ENOMEM; i++)
            if (disk_read_now(sc->disk, (at + i) * DISK_BLOCK, out + i * DISK_BLOCK, DISK_BLOCK) <
                0)
                memset(out + i * DISK_BLOCK, 0, DISK_BLOCK);
        if (rc == -ENOMEM)
            return rc;
        pos += n;
        blocks -= n;
        out += n * DISK_BLOCK;
    }
    return 0;
}

/* A whole group at `pos`: its head, and all its bytes (the caller frees).  -R_CSUM_MISMATCH: none.
 */
static int group_read(struct journal_scan *sc, uint64_t pos, struct group_head *out_head,
                      uint8_t **out_bytes)
{
    uint8_t *bytes = mem_aligned(DISK_BLOCK, DISK_BLOCK);
    struct group_head h;
    uint64_t blocks = 0;
    int rc = bytes ? ring_read(sc, pos, 1, bytes) : -ENOMEM;

    if (rc == 0) {
        rc = group_head_decode(bytes, &h);
        if (rc < 0 && rc != -R_TOO_NEW)
            rc = -R_CSUM_MISMATCH;
    }
    if (rc == 0) {
        blocks = group_blocks(&h);
        if (h.salt != sc->sb->salt || h.pos != pos || blocks > sc->sb->journal_blocks)
            rc = -R_CSUM_MISMATCH;
    }
    mem_free(bytes);
    if (rc < 0)
        return rc;
    bytes = mem_aligned(DISK_BLOCK, blocks * DISK_BLOCK);
    rc = bytes ? ring_read(sc, pos, blocks, bytes) : -ENOMEM;
    if (rc == 0 && crc32c(0, bytes + GROUP_HEAD_BYTES,
                          h.front_bytes + (size_t)h.block_count * STORE_BLOCK) != h.body_crc)
        rc = -R_CSUM_MISMATCH;
    if (rc < 0) {
        mem_free(bytes);
        return rc;
    }
    *out_head = h;
    *out_bytes = bytes;
    return 0;
}

/* The records of a group, given to `sink` (NULL: only checked). */
static int group_walk(const struct group_head *h, const uint8_t *bytes,
                      const struct replay_sink *sink)
{
    struct cursor fronts = cur_over(bytes + GROUP_HEAD_BYTES, h->front_bytes);
    const uint8_t *data = bytes + GROUP_HEAD_BYTES + h->front_bytes;
    uint32_t blocks = 0;

    for (uint32_t i = 0; i < h->record_count; i++) {
        struct cursor record;
        struct record_row r;
        struct pgid coll;
        int rc = record_enter(&fronts, &record, &coll);

        while (rc == 0 && (rc = record_next(&record, &r)) == 1) {
            rc = 0;
            if (r.op != REC_BLOCK) {
                if (sink)
                    rc = sink->row(sink->arg, &r);
                continue;
            }
            if (blocks == h->block_count)
                return -R_MALFORMED;
            if (sink)
                rc = sink->block(sink->arg, r.phys, r.crc, data + (size_t)blocks * STORE_BLOCK);
            blocks++;
        }
        if (rc < 0)
            return rc;
    }
    return cur_finish(&fronts) < 0 || blocks != h->block_count ? -R_MALFORMED : 0;
}

/* Was a group written behind a bad one, before the ring comes round?  Its head says so: the group
 * before it was durable by then, whatever has become of its own records. */
static int valid_behind(struct journal_scan *sc, bool *out_found)
{
    uint64_t end = sc->sb->tail_pos + sc->sb->journal_blocks;
    uint8_t *chunk = mem_aligned(DISK_BLOCK, (size_t)READ_BLOCKS * DISK_BLOCK);
    int rc = chunk ? 0 : -ENOMEM;

    *out_found = false;
    for (uint64_t pos = sc->end_pos + 1; pos < end && rc == 0 && !*out_found;) {
        uint64_t n = MIN(end - pos, (uint64_t)READ_BLOCKS);

        rc = ring_read(sc, pos, n, chunk);
        for (uint64_t i = 0; i < n && rc == 0 && !*out_found; i++) {
            struct group_head h;

            *out_found = group_head_decode(chunk + i * DISK_BLOCK, &h) == 0 && h.pos == pos + i &&
                         h.salt == sc->sb->salt && h.epoch <= sc->sb->epoch &&
                         h.seq_first > sc->end_seq;
        }
        pos += n;
    }
    mem_free(chunk);
    return rc;
}

int journal_scan(struct journal_scan *sc)
{
    const struct superblock *sb = sc->sb;
    bool found;
    int rc;

    sc->end_pos = sb->tail_pos;
    sc->end_seq = sb->tail_seq;
    sc->end_crc = sb->tail_crc;
    for (;;) {
        struct group_head h;
        uint8_t *bytes;
        uint64_t *pos;

        if (sc->end_pos >= sb->tail_pos + sb->journal_blocks)
            return 0;
        rc = group_read(sc, sc->end_pos, &h, &bytes);
        if (rc == -R_CSUM_MISMATCH)
            break;
        if (rc < 0)
            return rc;
        if (h.prev_crc != sc->end_crc || h.seq_first != sc->end_seq + 1) {
            mem_free(bytes);
            break;
        }
        rc = group_walk(&h, bytes, NULL);
        mem_free(bytes);
        if (rc < 0 || h.sb_generation > sb->generation) {
            note_set(&sc->note, "journal: group at position %llu: %s",
                     (unsigned long long)sc->end_pos,
                     rc < 0 ? "records do not decode" : "knows a newer superblock");
            sc->damaged = true;
            if (rc < 0)
                return 0;
        }
        pos = vec_push(&sc->groups, sizeof(*pos));
        if (!pos)
            return -ENOMEM;
        *pos = sc->end_pos;
        sc->end_pos += group_blocks(&h);
        sc->end_seq += h.record_count;
        sc->end_crc = h.head_crc;
        sc->records += h.record_count;
    }
    rc = valid_behind(sc, &found);
    if (rc == 0 && found) {
        note_set(&sc->note, "journal: group at position %llu is damaged",
                 (unsigned long long)sc->end_pos);
        sc->damaged = true;
    }
    return rc;
}

void journal_scan_fini(struct journal_scan *sc)
{
    vec_free(&sc->groups);
}

int journal_walk(struct journal_scan *sc, const struct replay_sink *sink)
{
    const uint64_t *pos = sc->groups.at;

    for (uint32_t i = 0; i < sc->groups.n; i++) {
        struct group_head h;
        uint8_t *bytes;
        uint32_t k = PLANTED(PLANT_REPLAY_ORDER) ? sc->groups.n - 1 - i : i;
        int rc = group_read(sc, pos[k], &h, &bytes);

        if (rc < 0)
            return rc;
        rc = group_walk(&h, bytes, sink);
        mem_free(bytes);
        if (rc < 0)
            return rc;
    }
    return 0;
}
