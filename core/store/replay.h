/* replay.h - reading the journal, for opening and for fsck.  Blocks: workers and tools. */
#ifndef CORE_STORE_REPLAY_H
#define CORE_STORE_REPLAY_H

#include "core/store/store_int.h"

/* What is in the ring behind a checkpoint. */
struct journal_scan {
    struct disk *disk; /* borrowed */
    const struct superblock *sb;
    struct vec groups; /* uint64_t: positions, in order */
    uint64_t end_pos, end_seq, records;
    uint32_t end_crc;
    bool damaged; /* a bad group that is not a torn tail, or an older superblock than the groups
                     know */
    struct note note;
};
/* Find and verify every group from the tail on.  0 (also when it is damaged), or a failure. */
int journal_scan(struct journal_scan *sc);
void journal_scan_fini(struct journal_scan *sc);
/* Give every row and block of the groups found to `each`, in order; stop at its first failure. */
struct replay_sink {
    int (*row)(void *arg, const struct record_row *r);
    int (*block)(void *arg, uint64_t phys, uint32_t crc, const uint8_t *data);
    void *arg;
};
int journal_walk(struct journal_scan *sc, const struct replay_sink *sink);

/* The other slot gets it and becomes the current one, then the copy on the data disk. */
int superblock_write_now(struct disk *d, struct disk *data, struct superblock *sb, uint32_t *slot);
/* Both slots and the copy (`data` may be NULL) are read; the newest good one counts.  *out_slot:
 * the better of the slots; *out_bad: how many of the three hold something that is no superblock.
 * -ENOENT: never written; -R_CSUM_MISMATCH: none is good. */
int superblock_load(struct disk *d, struct disk *data, struct superblock *out_sb,
                    uint32_t *out_slot, uint32_t *out_bad);

/* salvage.c: LevelDB was repaired and the journal replayed: drop rows that fit nothing. */
int salvage_rows(struct store *s);

#endif
