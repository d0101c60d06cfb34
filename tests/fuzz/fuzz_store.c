/* fuzz_store.c - what a store reads from its disk, of any bytes: refused, or the same when encoded.
 *
 * The first byte chooses: the body of an onode or a shard (sealed here, so that it is reached), a
 * group's head, a record, a superblock. */
#include "core/store/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes seal(struct writer *w, const uint8_t *data, size_t size)
{
    size_t mark = wr_begin(w, 1, 1);

    wr_raw(w, data, size);
    wr_end(w, mark);
    return (struct bytes){w->data, (uint32_t)w->len};
}

static void fuzz_onode(const uint8_t *data, size_t size)
{
    AUTO(writer) sealed = {0}, again = {0};
    struct bytes key = BYTES_STR("key"), in;
    struct onode_meta m;
    uint32_t *tags, count;
    uint8_t body[4096];

    if (size + 4 > sizeof(body))
        return;
    memcpy(body + 4, data, size);
    { /* the key's own checksum, so that the rest is read */
        AUTO(writer) probe = {0};
        struct onode_meta none = {.exists = true, .nid = 1};

        onode_encode(&probe, key, &none, NULL, 0);
        memcpy(body, probe.data + 12, 4);
    }
    in = seal(&sealed, body, size + 4);
    if (onode_decode(key, in, &m, &tags, &count) < 0)
        return;
    onode_encode(&again, key, &m, tags, count);
    ASSERT(again.rc == 0 && again.len <= in.len);
    ASSERT(memcmp(again.data + 12, in.data + 12, again.len - 12) == 0);
    onode_meta_fini(&m);
    mem_free(tags);
}

static void fuzz_shard(const uint8_t *data, size_t size)
{
    AUTO(writer) sealed = {0}, again = {0};
    uint8_t body[4096] = {7};
    struct shard sh, second;
    struct bytes in;

    if (size + 12 > sizeof(body))
        return;
    memcpy(body + 12, data, size);
    in = seal(&sealed, body, size + 12);
    if (shard_decode(in, 7, 0, &sh) < 0)
        return;
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++) {
        uint32_t crc;

        ASSERT(shard_block(in, i, &crc) == sh.phys[i] && crc == sh.crc[i]);
    }
    (void)shard_encode(&again, 7, 0, &sh);
    ASSERT(shard_decode((struct bytes){again.data, (uint32_t)again.len}, 7, 0, &second) == 0);
    ASSERT(memcmp(&sh, &second, sizeof(sh)) == 0);
}

static void fuzz_record(const uint8_t *data, size_t size)
{
    struct cursor fronts = cur_over(data, size), record;
    struct record_row row;
    struct pgid coll;

    while (record_enter(&fronts, &record, &coll) == 0)
        while (record_next(&record, &row) == 1)
            ASSERT(row.op == REC_BLOCK || row.key.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t block[4096] = {0};
    struct superblock sb;
    struct group_head h;

    if (size == 0)
        return 0;
    switch (data[0] % 5) {
    case 0:
        fuzz_onode(data + 1, size - 1);
        break;
    case 1:
        fuzz_shard(data + 1, size - 1);
        break;
    case 2:
        fuzz_record(data + 1, size - 1);
        break;
    case 3:
        memcpy(block, data + 1, MIN(size - 1, sizeof(block)));
        if (group_head_decode(block, &h) == 0)
            ASSERT(group_blocks(&h) > 0);
        break;
    default:
        memcpy(block, data + 1, MIN(size - 1, sizeof(block)));
        (void)superblock_decode(block, &sb); /* must only not crash: the seal covers it */
        break;
    }
    return 0;
}
