/* test_format.c - transactions and what stands on the disk: round trips, golden bytes, free space.
 *
 */
#include <stdio.h>

#include "core/base/rng.h"
#include "core/store/extent.h"
#include "core/store/format.h"
#include "tests/unit/t.h"

static struct txn *sample_txn(void)
{
    struct txn *t = txn_create((struct pgid){{3}, 17});
    struct oid a, b;
    struct buf data = {0};

    T_OK(oid_make((struct pool_id){3}, BYTES_STR("first"), &a));
    T_OK(oid_make((struct pool_id){3}, BYTES_STR("second"), &b));
    T_OK(buf_append_copy(&data, "some bytes that cross no block", 30));
    T_EQ(txn_object(t, &a), 0);
    T_EQ(txn_object(t, &b), 1);
    T_EQ(txn_object(t, &a), 0);
    txn_touch(t, 0);
    txn_write(t, 0, 4090, &data, NULL);
    txn_zero(t, 0, 10, 20);
    txn_truncate(t, 0, 5000);
    txn_delete(t, 1);
    txn_xattr_set(t, 0, BYTES_STR("user.x"), BYTES_STR("value"));
    txn_xattr_rm(t, 0, BYTES_STR("user.y"));
    txn_omap_set(t, 0, BYTES_STR("k"), BYTES_STR("v"));
    txn_omap_rm(t, 0, BYTES_STR("l"));
    txn_omap_rm_range(t, 0, BYTES_STR("m"), BYTES_STR("n"));
    txn_clone_range(t, 1, 0, 4096, 100, 0);
    txn_version(t, 0, (struct version){{4}, 99});
    txn_meta_set(t, BYTES_STR("info"), BYTES_STR("i"));
    txn_meta_rm(t, BYTES_STR("old"));
    txn_meta_rm_range(t, BYTES_STR("a"), (struct bytes){0});
    buf_fini(&data);
    T_EQ(t->rc, 0);
    return t;
}

static void golden(const char *name, const struct writer *w)
{
    T_EQ(w->rc, 0);
    T_GOLDEN(name, w->data, w->len);
}

T(txn, a_transaction_comes_back_as_it_went)
{
    struct txn *t = sample_txn(), *back = NULL;
    AUTO(writer) front = {0}, again = {0};
    AUTO(buf) data = {0}, data2 = {0};
    struct cursor c;

    txn_encode(t, &front, &data);
    golden("txn", &front);
    c = cur_over(front.data, front.len);
    T_OK(txn_decode(&c, &data, &back));
    T_EQ(back->op_count, t->op_count);
    T_EQ(back->payload_bytes, 30);
    txn_encode(back, &again, &data2);
    T_EQ(again.len, front.len);
    T_MEM_EQ(again.data, front.data, front.len);
    T_TRUE(buf_equal(&data, &data2));
    for (size_t cut = 0; cut < front.len; cut++) { /* never a crash, never accepted */
        struct txn *bad = NULL;

        c = cur_over(front.data, cut);
        T_LT(txn_decode(&c, &data, &bad), 0);
    }
    txn_unref(t);
    txn_unref(back);
}

T(txn, what_is_out_of_bounds_is_refused)
{
    struct txn *t = txn_create((struct pgid){{1}, 0});
    static char name[XATTR_NAME_MAX + 2];

    memset(name, 'x', sizeof(name) - 1);
    txn_zero(t, 0, OBJECT_BYTES_MAX, 1);
    T_EQ(t->rc, -R_OVERFLOW);
    txn_unref(t);
    t = txn_create((struct pgid){{1}, 0});
    txn_xattr_set(t, 0, BYTES_STR(name), BYTES_STR("v"));
    T_EQ(t->rc, -R_OVERFLOW);
    T_EQ(t->op_count, 0);
    txn_unref(t);
}

T(txn, checksums_are_per_block_of_the_object)
{
    AUTO(buf) data = {0};
    uint8_t crcs[12];

    T_OK(buf_append_zeros(&data, 8192));
    T_EQ(crc_count(100, 8192), 3);
    crcs_make(100, &data, crcs);
    T_OK(crcs_check(100, &data, crcs));
    crcs[5] ^= 1;
    T_EQ(crcs_check(100, &data, crcs), -R_CSUM_MISMATCH);
}

static void sample_shard(struct shard *sh)
{
    *sh = (struct shard){0};
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++) {
        sh->phys[i] = i % 7 == 0 ? PHYS_HOLE : i == 40 ? PHYS_LOST : 1000 + i;
        sh->crc[i] = sh->phys[i] == PHYS_HOLE ? 0 : i * 77;
    }
    sh->shared = UINT64_C(3) << 10;
}

T(format, a_block_is_found_in_a_row_without_decoding_it)
{
    static const struct {
        uint32_t first, end;
    } cases[] = {{0, 0}, {0, 1}, {63, 64}, {0, 64}, {5, 9}};
    struct shard sh;
    uint32_t crc;

    for (unsigned c = 0; c <= ARRAY_LEN(cases); c++) {
        AUTO(writer) row = {0};

        sample_shard(&sh);
        for (uint32_t i = 0; c < ARRAY_LEN(cases) && i < SHARD_BLOCKS; i++) {
            bool mapped = i >= cases[c].first && i < cases[c].end;

            sh.phys[i] = mapped ? 7000 + i : PHYS_HOLE;
            sh.crc[i] = mapped ? ~i : 0;
        }
        T_NE(shard_encode(&row, 9, 3, &sh), 0);
        for (uint32_t i = 0; i < SHARD_BLOCKS; i++) {
            T_EQ(shard_block((struct bytes){row.data, (uint32_t)row.len}, i, &crc), sh.phys[i]);
            T_EQ(crc, sh.crc[i]);
        }
    }
}

T(format, golden_bytes_of_the_disk_decode)
{
    struct shard sh, back;
    struct onode_meta m = {.exists = true,
                           .omap = true,
                           .nid = 12,
                           .size = 300000,
                           .version = {{5}, 6}},
                      mb;
    uint32_t tags[2] = {0, 99}, *tb = NULL, count = 0;
    AUTO(writer) shard = {0}, onode = {0}, head = {0}, super = {0};
    struct group_head h = {.salt = 1,
                           .epoch = 2,
                           .pos = 3,
                           .seq_first = 4,
                           .sb_generation = 5,
                           .record_count = 6,
                           .front_bytes = 7,
                           .block_count = 8,
                           .prev_crc = 9,
                           .body_crc = 10};
    struct superblock sb = {.id = {.fsid = {1}, .uuid = {2}, .osd = 3},
                            .generation = 4,
                            .epoch = 5,
                            .salt = 6,
                            .journal_blocks = 256,
                            .data_blocks = 4096,
                            .ballast_bytes = 7,
                            .tail_pos = 8,
                            .tail_seq = 9,
                            .tail_crc = 10,
                            .next_nid = 11,
                            .clean = true},
                      sb2;
    uint8_t block[DISK_BLOCK], bytes[GROUP_HEAD_BYTES];

    sample_shard(&sh);
    T_NE(shard_encode(&shard, 12, 1, &sh), 0);
    golden("store-shard", &shard);
    T_OK(shard_decode((struct bytes){shard.data, (uint32_t)shard.len}, 12, 1, &back));
    T_MEM_EQ(&sh, &back, sizeof(sh));
    T_LT(shard_decode((struct bytes){shard.data, (uint32_t)shard.len}, 12, 2, &back),
         0); /* misplaced */

    T_OK(xattrs_change(NULL, BYTES_STR("b"), BYTES_STR("2"), &m.xattrs));
    onode_encode(&onode, BYTES_STR("key"), &m, tags, 2);
    golden("store-onode", &onode);
    T_OK(onode_decode(BYTES_STR("key"), (struct bytes){onode.data, (uint32_t)onode.len}, &mb, &tb,
                      &count));
    T_EQ(count, 2);
    T_EQ(tb[1], 99);
    T_EQ(mb.size, 300000);
    T_LT(onode_peek(BYTES_STR("other"), (struct bytes){onode.data, (uint32_t)onode.len}, &mb), 0);
    onode_meta_fini(&m);
    onode_meta_fini(&mb);
    mem_free(tb);

    group_head_encode(&h, bytes);
    wr_raw(&head, bytes, sizeof(bytes));
    golden("store-group", &head);
    T_OK(group_head_decode(bytes, &h));
    bytes[20] ^= 1;
    T_EQ(group_head_decode(bytes, &h), -R_CSUM_MISMATCH);

    superblock_encode(&sb, block);
    wr_raw(&super, block, sizeof(block));
    golden("store-superblock", &super);
    T_OK(superblock_decode(block, &sb2));
    T_EQ(sb2.next_nid, 11);
}

T(format, xattrs_stay_sorted_and_whole)
{
    struct xattrs *x = NULL;
    struct bytes value, name;

    for (unsigned i = 0; i < 50; i++) {
        struct xattrs *n;
        char key[8];

        snprintf(key, sizeof(key), "k%02u", i * 17 % 50);
        T_OK(xattrs_change(x, BYTES_STR(key), BYTES_STR(key), &n));
        xattrs_unref(x);
        x = n;
    }
    name = (struct bytes){0};
    for (unsigned i = 0; i < 50; i++) {
        char key[8];

        snprintf(key, sizeof(key), "k%02u", i);
        T_TRUE(xattrs_after(x, name, &name, &value));
        T_TRUE(bytes_equal(name, BYTES_STR(key)) && bytes_equal(value, name));
    }
    T_FALSE(xattrs_after(x, name, &name, &value));
    xattrs_unref(x);
}

T(extent, free_space_is_what_nobody_took)
{
    struct extents *e = extents_create(100000, 256);
    static uint8_t used[100000], open[100000];
    struct rng r;
    uint64_t free_blocks = 99999, open_free = 0, closed = 0;

    rng_seed(&r, 3);
    used[0] = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t start, n;

        if (rng_chance(&r, 1, 40)) {
            n = extents_closed(e, rng_between(&r, 1, 2000), &start);
            extents_open(e, start, n);
            for (uint64_t b = start; b < start + n; b++) {
                T_EQ(open[b], 0);
                open[b] = 1;
                open_free += !used[b];
            }
        } else if (rng_chance(&r, 1, 60)) {
            n = extents_close_empty(e, rng_between(&r, 1, 2000), &start);
            for (uint64_t b = start; b < start + n; b++) {
                T_EQ(used[b] || !open[b], 0);
                open[b] = 0;
            }
            open_free -= n;
            closed += n;
        } else if (rng_chance(&r, 1, 2)) {
            n = extents_take(e, rng_between(&r, 1, 300),
                             rng_chance(&r, 1, 3) ? rng_below(&r, 100000) : 0, &start);
            for (uint64_t b = start; b < start + n; b++) {
                T_EQ(used[b] || !open[b], 0);
                used[b] = 1;
            }
            free_blocks -= n;
            open_free -= n;
        } else {
            uint64_t b = rng_below(&r, 99999) + 1;

            for (; b < 100000 && used[b] && rng_chance(&r, 30, 31); b++) {
                extents_release(e, b, 1);
                used[b] = 0;
                free_blocks++;
                open_free += open[b];
            }
        }
        T_EQ(extents_free_blocks(e), free_blocks);
        T_EQ(extents_open_free(e), open_free);
    }
    T_GT(closed, 1000);
    extents_check(e);
    extents_destroy(e);
}

T(extent, a_block_is_free_when_its_last_owner_let_go)
{
    struct extents *e = extents_create(1000, 64);

    T_OK(extents_mark(e, 5));
    T_OK(extents_mark(e, 5));
    T_OK(extents_share(e, 5));
    T_EQ(extents_extra(e, 5), 2);
    T_FALSE(extents_unshare(e, 5));
    T_FALSE(extents_unshare(e, 5));
    T_TRUE(extents_unshare(e, 5));
    T_EQ(extents_mark(e, 1000), -R_MALFORMED);
    T_EQ(extents_mark(e, 0), -R_MALFORMED);
    extents_destroy(e);
}
