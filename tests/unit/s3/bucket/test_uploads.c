/* test_uploads.c - multipart uploads. */
#include <stdio.h>

#include "s3/bucket/rows.h"
#include "tests/unit/s3/bucket/stage.h"

/* ---- uploads ---- */

T(bucket, a_completed_upload_is_its_parts_in_order)
{
    struct act c;
    struct stage st;
    uint64_t id;
    char out[100];

    stage_begin(&st);
    upload_begin(&st, &c, "mp", three_parts, 3);
    T_EQ(do_get(&st, 0, "mp", NULL), -R_NO_KEY);
    T_OK(act_do(&st, 1, &c));
    T_EQ(c.got_size, 6007);
    T_EQ(c.etag_parts, 3);
    T_EQ(c.id, parts_id(c.parts, 3));
    T_OK(do_get(&st, 0, "mp", &id));
    T_EQ(id, c.id);
    for (uint64_t off = 0; off < 6007; off += 997) {
        struct act get = {.kind = ACT_GET, .key = "mp", .off = off, .len = 6007 - off};

        T_OK(act_do(&st, 0, &get));
        T_FALSE(get.bad_bytes);
    }
    T_STR_EQ(listing(&st, "", "", "", 10, out), "mp ");
    collect_all(&st, 0);
    T_OK(do_get(&st, 0, "mp", NULL));
    T_OK(do_put(&st, 0, "mp", 5, 5));
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket, a_repeated_completion_returns_the_first_result)
{
    struct act c, other;
    struct stage st;
    uint64_t mtime;

    stage_begin(&st);
    upload_begin(&st, &c, "mp", three_parts, 3);
    T_OK(act_do(&st, 0, &c));
    mtime = c.mtime_ns;
    T_OK(do_put(&st, 0, "mp", 9, 9)); /* does not change what the upload became */
    T_OK(act_do(&st, 1, &c));
    T_EQ(c.mtime_ns, mtime);
    T_EQ(c.got_size, 6007);
    other = c;
    other.part_count = 2;
    T_EQ(act_do(&st, 0, &other), -R_NO_UPLOAD);
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 0);
    T_EQ(act_do(&st, 0, &c), -R_NO_UPLOAD); /* its time is over */
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket, a_completion_is_refused_when_parts_do_not_fit)
{
    struct act c, bad;
    struct stage st;

    stage_begin(&st);
    upload_begin(&st, &c, "mp", three_parts, 3);
    bad = c;
    bad.parts[1].md5[0] ^= 1;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_PART);
    bad = c;
    bad.parts[1].number = 5;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_PART);
    bad = c;
    bad.parts[1].number = 1;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_PART_ORDER);
    bad = c;
    bad.part_count = 0;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_PART);
    bad = c; /* the small one in front of another */
    bad.parts[0] = c.parts[2];
    bad.parts[1] = (struct upload_part){.number = 9};
    bad.part_count = 2;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_PART);
    T_OK(act_do(&st, 0, &c));
    stage_end(&st);
}

T(bucket, a_small_part_may_only_be_the_last)
{
    static const uint64_t seeds[] = {1100000 + 999, 2200000 + 5000};
    struct act c;
    struct stage st;

    stage_begin(&st);
    upload_begin(&st, &c, "mp", seeds, 2);
    T_EQ(act_do(&st, 0, &c), -R_PART_TOO_SMALL);
    stage_end(&st);
}

T(bucket, parts_left_out_and_parts_replaced_are_collected)
{
    struct act part = {
        .kind = ACT_PUT, .key = "mp", .seed = 5500000 + 3000, .size = 3000, .part_number = 4};
    struct act c;
    struct stage st;

    stage_begin(&st);
    upload_begin(&st, &c, "mp", three_parts, 3);
    strcpy(part.upload, c.upload);
    T_OK(act_do(&st, 1, &part));
    T_EQ(act_do(&st, 0, &c), -R_BAD_PART); /* leaves its seal */
    part.seed = 6600000 + 3000;
    T_OK(act_do(&st, 0, &part)); /* breaks it */
    md5_of_seed(part.seed, c.parts[1].md5);
    c.part_count = 2;
    T_OK(act_do(&st, 0, &c));
    T_EQ(c.got_size, 8000);
    T_OK(do_get(&st, 0, "mp", NULL));
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 2 + 1);
    T_OK(do_get(&st, 0, "mp", NULL));
    stage_end(&st);
}

T(bucket, an_aborted_upload_is_gone_with_its_parts)
{
    struct act part = {
        .kind = ACT_PUT, .key = "mp", .seed = 5500000 + 3000, .size = 3000, .part_number = 4};
    struct act c, gone;
    struct stage st;

    stage_begin(&st);
    upload_begin(&st, &c, "mp", three_parts, 3);
    gone = c;
    gone.kind = ACT_ABORT;
    strcpy(part.upload, c.upload);
    T_OK(act_do(&st, 1, &gone));
    T_EQ(act_do(&st, 1, &gone), -R_NO_UPLOAD);
    T_EQ(act_do(&st, 0, &c), -R_NO_UPLOAD);
    T_EQ(act_do(&st, 0, &part), -R_NO_UPLOAD);
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket, uploads_of_one_key_are_listed_in_the_order_of_their_making)
{
    struct act c[6], list = {.kind = ACT_UPLOADS, .max = 10};
    struct stage st;

    stage_begin(&st);
    for (unsigned i = 0; i < ARRAY_LEN(c); i++) {
        upload_begin(&st, &c[i], "k", three_parts, 0);
        stage_run(&st, 5 * NS_PER_MS);
    }
    T_OK(act_do(&st, 0, &list));
    T_EQ(list.row_count, ARRAY_LEN(c));
    for (unsigned i = 0; i < ARRAY_LEN(c); i++)
        T_STR_EQ(list.rows[i].upload, c[i].upload);
    act_fini(&list);
    stage_end(&st);
}

T(bucket, uploads_and_parts_are_listed)
{
    struct act c[3], parts = {.kind = ACT_PARTS, .key = "dir/b", .max = 2};
    struct act list = {.kind = ACT_UPLOADS, .max = 10};
    struct stage st;

    stage_begin(&st);
    upload_begin(&st, &c[0], "dir/a", three_parts, 1);
    upload_begin(&st, &c[1], "dir/b", three_parts, 3);
    upload_begin(&st, &c[2], "e", three_parts, 0);
    strcpy(parts.upload, c[1].upload);
    T_OK(act_do(&st, 0, &parts));
    T_EQ(parts.row_count, 2);
    T_TRUE(parts.truncated);
    T_EQ(parts.rows[1].number, 4);
    T_EQ(parts.rows[1].size, 1000);
    parts.part_number = 4;
    T_OK(act_do(&st, 0, &parts));
    T_EQ(parts.row_count, 1);
    T_FALSE(parts.truncated);
    T_EQ(parts.rows[0].number, 7);
    T_OK(act_do(&st, 1, &list));
    T_EQ(list.row_count, 3);
    T_STR_EQ(list.rows[1].name, "dir/b");
    T_STR_EQ(list.rows[1].upload, c[1].upload);
    list.max = 1;
    T_OK(act_do(&st, 1, &list));
    T_TRUE(list.truncated);
    strcpy(list.after, list.rows[0].name);
    strcpy(list.after_upload, list.rows[0].upload);
    T_OK(act_do(&st, 1, &list));
    T_STR_EQ(list.rows[0].name, "dir/b");
    list = (struct act){.kind = ACT_UPLOADS, .max = 10, .delimiter = "/", .rows = list.rows};
    T_OK(act_do(&st, 1, &list));
    T_EQ(list.row_count, 2);
    T_TRUE(list.rows[0].is_prefix);
    T_STR_EQ(list.rows[0].name, "dir/");
    T_STR_EQ(list.rows[1].name, "e");
    act_fini(&list);
    act_fini(&parts);
    stage_end(&st);
}
