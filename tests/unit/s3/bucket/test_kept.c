/* test_kept.c - what is kept beside bytes and headers (checksums, tags, ACLs, properties of
 * buckets), who may read it, and conditions that the commit judges. */
#include <stdio.h>

#include "core/base/crc.h"
#include "s3/bucket/sums.h"
#include "tests/unit/s3/bucket/stage.h"

#define TEXT(s)                                                                                    \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

static const struct s3_header two_tags[] = {{TEXT("colour"), TEXT("red")}, {TEXT("n"), TEXT("")}};
static const struct s3_header blue[] = {{TEXT("colour"), TEXT("blue")}};

static struct act head_of(struct stage *st, const char *key, const char *who, int rc)
{
    struct act a = {.kind = ACT_HEAD, .who = who};

    strcpy(a.key, key);
    T_EQ(act_do(st, 0, &a), rc);
    return a;
}

/* ---- checksums ---- */

static struct s3_sum crc_sum(enum checksum_kind kind, const void *data, size_t bytes)
{
    struct s3_sum s = {.kind = kind, .type = S3_SUM_FULL};
    struct checksum c = {0};
    struct digest_kit kit;

    T_OK(digest_kit_init(&kit));
    T_OK(checksum_begin(&c, &kit, kind));
    checksum_add(&c, data, bytes);
    checksum_end(&c, s.value);
    checksum_fini(&c);
    digest_kit_fini(&kit);
    return s;
}

T(bucket_kept, a_full_checksum_of_parts_is_that_of_their_bytes)
{
    static const enum checksum_kind kinds[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME};
    static const char text[] =
        "What the parts hold, one after the other, is what the object holds.";
    static const size_t cuts[] = {0, 1, 20, 20, 41, sizeof(text)};

    T_CASES (kind, kinds) {
        struct object_part parts[ARRAY_LEN(cuts) - 1];
        struct s3_sum whole = crc_sum(*kind, text, sizeof(text)), joined;

        for (unsigned i = 0; i + 1 < ARRAY_LEN(cuts); i++) {
            parts[i].size = cuts[i + 1] - cuts[i];
            parts[i].sum = crc_sum(*kind, text + cuts[i], parts[i].size);
        }
        T_OK(sums_join(*kind, S3_SUM_FULL, parts, ARRAY_LEN(parts), &joined));
        T_EQ(joined.type, S3_SUM_FULL);
        T_TRUE(sums_equal(&joined, &whole));
        parts[2].sum = (struct s3_sum){0};
        T_OK(sums_join(*kind, S3_SUM_FULL, parts, ARRAY_LEN(parts), &joined));
        T_EQ(joined.kind, CHECKSUM_NONE); /* one of them is not known */
    }
}

T(bucket_kept, a_composite_checksum_is_that_of_the_parts_checksums)
{
    for (enum checksum_kind kind = CHECKSUM_CRC32; kind < CHECKSUM_KINDS; kind++) {
        struct object_part parts[2] = {{.number = 1, .size = 3, .sum = crc_sum(kind, "abc", 3)},
                                       {.number = 2, .size = 2, .sum = crc_sum(kind, "de", 2)}};
        unsigned n = checksum_bytes(kind);
        struct s3_sum joined, want;
        uint8_t both[2 * CHECKSUM_BYTES_MAX];

        memcpy(both, parts[0].sum.value, n);
        memcpy(both + n, parts[1].sum.value, n);
        want = crc_sum(kind, both, 2 * n);
        T_OK(sums_join(kind, S3_SUM_COMPOSITE, parts, 2, &joined));
        T_TRUE(sums_equal(&joined, &want));
        T_EQ(joined.type, S3_SUM_COMPOSITE);
    }
}

T(bucket_kept, a_checksum_comes_back_with_the_object_however_it_lies)
{
    static const uint64_t sizes[] = {10, 5000};
    struct stage st;

    stage_begin(&st);
    T_CASES (size, sizes) {
        struct act put = {.kind = ACT_PUT, .key = "k", .seed = *size, .size = *size}, head;

        put.sum = crc_sum(CHECKSUM_SHA256, "x", 1);
        T_OK(act_do(&st, 0, &put));
        T_TRUE(sums_equal(&put.sum_got, &put.sum));
        head = head_of(&st, "k", NULL, 0);
        T_TRUE(sums_equal(&head.sum_got, &put.sum));
        T_EQ(head.sum_got.type, S3_SUM_FULL);
    }
    stage_end(&st);
}

static void sums_upload(struct stage *st, struct act *c, enum checksum_kind kind,
                        enum s3_sum_type type)
{
    struct act up = {.kind = ACT_UPLOAD, .key = "u", .sum = {.kind = kind, .type = type}};

    *c = (struct act){.kind = ACT_COMPLETE, .key = "u", .part_count = 2};
    T_OK(act_do(st, 0, &up));
    strcpy(c->upload, up.upload);
    for (unsigned i = 0; i < 2; i++) {
        struct act put = {.kind = ACT_PUT, .key = "u", .part_number = 3 + i, .size = 5000};

        put.seed = (7 + i) * 100000 + put.size;
        put.sum = crc_sum(kind, &put.seed, sizeof(put.seed));
        strcpy(put.upload, up.upload);
        T_OK(act_do(st, 0, &put));
        c->parts[i].number = 3 + i;
        md5_of_seed(put.seed, c->parts[i].md5);
        c->parts[i].sum = put.sum;
    }
}

T(bucket_kept, a_completed_upload_has_the_checksum_of_its_parts_and_they_theirs)
{
    struct act c, get = {.kind = ACT_GET, .key = "u"};
    struct s3_sum want;
    struct stage st;

    stage_begin(&st);
    sums_upload(&st, &c, CHECKSUM_CRC32C, S3_SUM_FULL);
    want = (struct s3_sum){.kind = CHECKSUM_CRC32C, .type = S3_SUM_FULL};
    {
        struct object_part parts[2] = {{.size = 5000, .sum = c.parts[0].sum},
                                       {.size = 5000, .sum = c.parts[1].sum}};

        T_OK(sums_join(CHECKSUM_CRC32C, S3_SUM_FULL, parts, 2, &want));
    }
    T_OK(act_do(&st, 0, &c));
    T_TRUE(sums_equal(&c.sum_got, &want));
    T_OK(act_do(&st, 1, &c)); /* the repeat tells the same */
    T_TRUE(sums_equal(&c.sum_got, &want));
    T_OK(act_do(&st, 0, &get));
    T_TRUE(sums_equal(&get.sum_got, &want));
    T_EQ(get.told_count, 2);
    T_EQ(get.told_last.number, 4);
    T_EQ(get.told_last.size, 5000);
    T_TRUE(sums_equal(&get.told_last.sum, &c.parts[1].sum));
    stage_end(&st);
}

T(bucket_kept, a_completion_is_refused_when_a_checksum_is_not_the_one_that_is_kept)
{
    struct stage st;
    struct act c, bad;

    stage_begin(&st);
    sums_upload(&st, &c, CHECKSUM_SHA1, S3_SUM_COMPOSITE);
    bad = c;
    bad.parts[0].sum.value[3] ^= 1;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_PART);
    bad = c;
    bad.sum = crc_sum(CHECKSUM_SHA1, "no", 2);
    bad.sum.type = 0;
    T_EQ(act_do(&st, 0, &bad), -R_BAD_DIGEST);
    bad = c;
    bad.sum = (struct s3_sum){.type = S3_SUM_FULL};
    T_EQ(act_do(&st, 0, &bad), -R_SUM_KIND);
    T_OK(act_do(&st, 0, &c));
    stage_end(&st);
}

T(bucket_kept, a_part_without_the_upload_s_kind_of_checksum_is_refused)
{
    struct act up = {.kind = ACT_UPLOAD, .key = "u", .sum = {CHECKSUM_CRC32, S3_SUM_FULL, {0}}};
    struct act put = {.kind = ACT_PUT, .key = "u", .part_number = 1, .size = 10, .seed = 10};
    struct stage st;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &up));
    strcpy(put.upload, up.upload);
    T_EQ(act_do(&st, 0, &put), -R_SUM_KIND);
    put.sum = crc_sum(CHECKSUM_CRC32C, "", 0);
    T_EQ(act_do(&st, 0, &put), -R_SUM_KIND);
    put.sum = crc_sum(CHECKSUM_CRC32, "", 0);
    T_OK(act_do(&st, 0, &put));
    stage_end(&st);
}

/* ---- tags and ACLs ---- */

T(bucket_kept, tags_and_acl_come_with_a_put_and_with_an_upload)
{
    struct act put = {.kind = ACT_PUT, .key = "k", .seed = 1, .size = 5, .tags = two_tags};
    struct act up = {.kind = ACT_UPLOAD, .key = "u", .tags = two_tags, .acl = S3_ACL_PUBLIC_READ};
    struct act part = {.kind = ACT_PUT, .key = "u", .part_number = 1, .size = 9, .seed = 100009};
    struct act c = {.kind = ACT_COMPLETE, .key = "u", .part_count = 1}, head;
    struct stage st;

    stage_begin(&st);
    put.tag_count = up.tag_count = 2;
    T_OK(act_do(&st, 0, &put));
    head = head_of(&st, "k", NULL, 0);
    T_EQ(head.tags_got, 2);
    T_STR_EQ(head.tag_value, "red");
    T_EQ(head.acl_got, S3_ACL_PRIVATE);
    T_OK(act_do(&st, 0, &up));
    strcpy(part.upload, up.upload);
    strcpy(c.upload, up.upload);
    T_OK(act_do(&st, 0, &part));
    c.parts[0].number = 1;
    md5_of_seed(part.seed, c.parts[0].md5);
    T_OK(act_do(&st, 0, &c));
    head = head_of(&st, "u", NULL, 0);
    T_EQ(head.tags_got, 2);
    T_EQ(head.acl_got, S3_ACL_PUBLIC_READ);
    stage_end(&st);
}

T(bucket_kept, tags_are_exchanged_without_a_new_version)
{
    struct act change = {.kind = ACT_CHANGE, .key = "k", .tags = blue, .tag_count = 1};
    struct act before, after;
    struct stage st;

    stage_begin(&st);
    T_EQ(act_do(&st, 0, &change), -R_NO_KEY);
    T_OK(do_put(&st, 0, "k", 1, 5000));
    before = head_of(&st, "k", NULL, 0);
    T_OK(act_do(&st, 1, &change));
    after = head_of(&st, "k", NULL, 0);
    T_STR_EQ(after.tag_value, "blue");
    T_EQ(after.mtime_ns, before.mtime_ns);
    T_OK(do_get(&st, 0, "k", NULL));
    change.tag_count = 0;
    T_OK(act_do(&st, 0, &change));
    T_EQ(head_of(&st, "k", NULL, 0).tags_got, 0);
    T_OK(do_put(&st, 0, "k", 2, 5)); /* a new object brings its own */
    T_EQ(head_of(&st, "k", NULL, 0).tags_got, 0);
    stage_end(&st);
}

T(bucket_kept, eleven_tags_or_one_too_long_are_refused)
{
    static struct s3_header many[S3_TAGS_MAX + 1];
    static uint8_t text[S3_TAG_VALUE_MAX + 1];
    struct act put = {.kind = ACT_PUT, .key = "k", .seed = 1, .size = 5, .tags = many};
    struct stage st;

    stage_begin(&st);
    put.tag_count = S3_TAGS_MAX + 1;
    T_EQ(act_do(&st, 0, &put), -R_META_TOO_LARGE);
    memset(text, 'x', sizeof(text));
    put.tag_count = 1;
    many[0].value = (struct bytes){text, sizeof(text)};
    T_EQ(act_do(&st, 0, &put), -R_META_TOO_LARGE);
    many[0].value.len--;
    T_OK(act_do(&st, 0, &put));
    stage_end(&st);
}

/* ---- who may ---- */

static int change_acl(struct stage *st, const char *key, enum s3_acl acl)
{
    struct act a = {.kind = ACT_CHANGE, .acl = acl};

    strcpy(a.key, key);
    return act_do(st, 0, &a);
}

static int change_prop(struct stage *st, unsigned gate, const char *name, const char *value)
{
    struct act a = {.kind = ACT_PROP, .prop = value};

    strcpy(a.key, name);
    return act_do(st, gate, &a);
}

T(bucket_kept, an_object_is_read_by_others_when_its_own_acl_says_so)
{
    struct act get = {.kind = ACT_GET, .key = "k", .who = "bob"};
    struct act put = {.kind = ACT_PUT, .key = "k", .who = "bob", .seed = 3, .size = 5};
    struct act drop = {.kind = ACT_DELETE, .key = "k", .who = "bob"};
    struct act change = {.kind = ACT_CHANGE, .key = "k", .who = "bob"};
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 1, 5000));
    T_EQ(act_do(&st, 1, &get), -R_DENIED);
    T_OK(change_acl(&st, "k", S3_ACL_PUBLIC_READ));
    T_OK(act_do(&st, 1, &get));
    (void)head_of(&st, "k", "bob", 0);
    (void)head_of(&st, "none", "bob", -R_DENIED); /* not even that there is none */
    T_EQ(act_do(&st, 0, &put), -R_DENIED);
    T_EQ(act_do(&st, 0, &drop), -R_DENIED);
    T_EQ(act_do(&st, 0, &change), -R_DENIED);
    T_OK(change_acl(&st, "k", S3_ACL_PRIVATE));
    T_EQ(act_do(&st, 1, &get), -R_DENIED);
    stage_end(&st);
}

T(bucket_kept, a_bucket_s_acl_lets_others_list_and_nothing_else)
{
    struct act list = {.kind = ACT_LIST, .who = "bob", .max = 10};
    struct act uploads = {.kind = ACT_UPLOADS, .who = "bob", .max = 10};
    struct act stat = {.kind = ACT_STAT, .who = "bob"}, peek = {.kind = ACT_PEEK, .who = "bob"};
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 1, 5));
    T_EQ(act_do(&st, 1, &list), -R_DENIED);
    T_OK(change_prop(&st, 0, S3_PROP_ACL, "\001"));
    T_OK(act_do(&st, 1, &list));
    T_EQ(list.row_count, 1);
    (void)head_of(&st, "k", "bob", -R_DENIED);
    (void)head_of(&st, "none", "bob", -R_NO_KEY); /* the listing says that, too */
    T_EQ(act_do(&st, 1, &uploads), -R_DENIED);
    T_EQ(act_do(&st, 1, &stat), -R_DENIED);
    T_OK(act_do(&st, 1, &peek));
    T_FALSE(peek.truncated); /* may list */
    T_STR_EQ(peek.user, "alice");
    act_fini(&list);
    act_fini(&uploads);
    stage_end(&st);
}

T(bucket_kept, what_is_blocked_is_not_given_whatever_acls_say)
{
    struct act list = {.kind = ACT_LIST, .who = "bob", .max = 10};
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 1, 5));
    T_OK(change_acl(&st, "k", S3_ACL_PUBLIC_READ));
    T_OK(change_prop(&st, 0, S3_PROP_ACL, "\001"));
    T_OK(change_prop(&st, 0, S3_PROP_BLOCK, "\002"));
    (void)head_of(&st, "k", "bob", -R_DENIED);
    T_EQ(act_do(&st, 0, &list), -R_DENIED);
    T_OK(change_prop(&st, 0, S3_PROP_BLOCK, ""));
    (void)head_of(&st, "k", "bob", 0);
    T_OK(act_do(&st, 0, &list));
    act_fini(&list);
    stage_end(&st);
}

T(bucket_kept, another_gateway_forgets_a_withdrawn_acl_in_time)
{
    struct act list = {.kind = ACT_LIST, .who = "bob", .max = 10};
    struct stage st;

    stage_begin(&st);
    T_OK(change_prop(&st, 0, S3_PROP_ACL, "\001"));
    T_OK(act_do(&st, 1, &list));
    T_OK(change_prop(&st, 0, S3_PROP_ACL, ""));
    T_EQ(act_do(&st, 0, &list), -R_DENIED); /* where it was changed: at once */
    stage_run(&st, BUCKET_FRESH_MS * NS_PER_MS);
    T_EQ(act_do(&st, 1, &list), -R_DENIED);
    act_fini(&list);
    stage_end(&st);
}

/* ---- properties ---- */

static void expect_prop(struct stage *st, enum act_kind kind, const char *name, const char *value)
{
    struct act a = {.kind = kind};

    strcpy(a.key, name);
    T_OK(act_do(st, 1, &a));
    T_STR_EQ(a.header_value, value);
}

T(bucket_kept, properties_are_kept_changed_and_removed_one_by_one)
{
    static const struct s3_header first[] = {{TEXT("cors"), TEXT("rules")}};
    struct act create = {.kind = ACT_CREATE, .headers = first, .header_count = 1};
    struct act bob = {.kind = ACT_PROP, .who = "bob", .key = "tags", .prop = "x"};
    struct stage st;

    stage_init(&st, 1);
    T_EQ(change_prop(&st, 0, "tags", "a"), -R_NO_BUCKET);
    T_OK(act_do(&st, 0, &create));
    expect_prop(&st, ACT_STAT, "cors", "rules");
    T_OK(change_prop(&st, 0, "tags", "a"));
    T_OK(change_prop(&st, 1, "tags", "b"));
    T_OK(change_prop(&st, 0, "ownership", "c"));
    expect_prop(&st, ACT_STAT, "tags", "b");
    expect_prop(&st, ACT_STAT, "ownership", "c");
    expect_prop(&st, ACT_PEEK, "cors", "rules");
    T_OK(change_prop(&st, 1, "tags", ""));
    expect_prop(&st, ACT_STAT, "tags", "");
    T_EQ(act_do(&st, 0, &bob), -R_DENIED);
    T_OK(do_drop(&st, 0, "box")); /* a new bucket of the name has none of them */
    create.header_count = 0;
    T_OK(act_do(&st, 1, &create));
    expect_prop(&st, ACT_PEEK, "cors", "");
    stage_end(&st);
}

T(bucket_kept, changes_of_several_gateways_all_take_place)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    static struct act a[6];
    struct stage st;

    stage_begin(&st);
    for (unsigned i = 0; i < 6; i++) {
        a[i] = (struct act){.kind = ACT_PROP, .prop = names[i]};
        strcpy(a[i].key, names[i]);
        act_start(&st, i % 2, &a[i]);
    }
    stage_run(&st, 5 * NS_PER_S);
    for (unsigned i = 0; i < 6; i++) {
        T_TRUE(a[i].done);
        T_OK(a[i].rc);
        expect_prop(&st, ACT_STAT, names[i], names[i]);
    }
    stage_end(&st);
}

/* ---- conditions ---- */

static int put_if(struct stage *st, uint64_t size, uint64_t seed, struct s3_condition cond)
{
    struct act a = {.kind = ACT_PUT, .key = "k", .seed = seed, .size = size, .cond = cond};

    return act_do(st, 0, &a);
}

static struct s3_condition is(uint64_t seed)
{
    struct s3_condition c = {.match = true};

    md5_of_seed(seed, c.etag.md5);
    return c;
}

T(bucket_kept, a_put_takes_place_only_when_its_condition_holds)
{
    static const uint64_t sizes[] = {5, 5000};
    const struct s3_condition absent = {.absent = true}, exists = {.exists = true};
    struct s3_condition parts = is(1);
    struct stage st;
    uint64_t id;

    parts.etag.parts = 1;
    stage_begin(&st);
    T_CASES (size, sizes) {
        T_EQ(put_if(&st, *size, 1, exists), -R_NO_KEY);
        T_EQ(put_if(&st, *size, 1, is(1)), -R_NO_KEY);
        T_EQ(do_get(&st, 0, "k", NULL), -R_NO_KEY);
        T_OK(put_if(&st, *size, 1, absent));
        T_EQ(put_if(&st, *size, 2, absent), -R_PRECONDITION);
        T_EQ(put_if(&st, *size, 2, is(7)), -R_PRECONDITION);
        T_EQ(put_if(&st, *size, 2, parts), -R_PRECONDITION);
        T_OK(do_get(&st, 0, "k", &id));
        T_EQ(id, 1);
        T_OK(put_if(&st, *size, 2, is(1)));
        T_OK(put_if(&st, *size, 3, exists));
        T_OK(do_get(&st, 0, "k", &id));
        T_EQ(id, 3);
        T_OK(do_delete(&st, 0, "k"));
    }
    collect_all(&st, 0); /* what was refused leaves nothing */
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket_kept, of_many_puts_that_ask_for_the_same_version_one_takes_place)
{
    static struct act a[8];
    unsigned ok = 0, refused = 0;
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 100, 5));
    for (unsigned i = 0; i < ARRAY_LEN(a); i++) {
        a[i] = (struct act){.kind = ACT_PUT, .seed = 200 + i, .size = i % 2 ? 5 : 5000};
        strcpy(a[i].key, "k");
        a[i].cond = is(100);
        act_start(&st, i % GATES, &a[i]);
    }
    stage_run(&st, 20 * NS_PER_S);
    for (unsigned i = 0; i < ARRAY_LEN(a); i++) {
        T_TRUE(a[i].done);
        ok += a[i].rc == 0;
        refused += a[i].rc == -R_PRECONDITION;
    }
    T_EQ(ok, 1);
    T_EQ(refused, ARRAY_LEN(a) - 1);
    stage_end(&st);
}

T(bucket_kept, a_deletion_takes_place_only_when_its_condition_holds)
{
    struct act a = {.kind = ACT_DELETE, .key = "k", .cond = is(2)}, head;
    struct stage st;

    stage_begin(&st);
    T_EQ(act_do(&st, 0, &a), -R_NO_KEY);
    T_OK(do_put(&st, 0, "k", 1, 5));
    head = head_of(&st, "k", NULL, 0);
    T_EQ(act_do(&st, 0, &a), -R_PRECONDITION);
    a.cond = is(1);
    a.cond.same_size = true;
    a.cond.size = 6;
    T_EQ(act_do(&st, 0, &a), -R_PRECONDITION);
    a.cond.size = 5;
    a.cond.same_mtime = true;
    a.cond.mtime_s = head.mtime_ns / NS_PER_S + 1;
    T_EQ(act_do(&st, 0, &a), -R_PRECONDITION);
    a.cond.mtime_s--;
    T_OK(act_do(&st, 0, &a));
    a.cond = (struct s3_condition){.same_size = true, .size = 5};
    T_OK(act_do(&st, 0, &a)); /* there is nothing of another size */
    a.cond = (struct s3_condition){.exists = true};
    T_EQ(act_do(&st, 0, &a), -R_NO_KEY);
    stage_end(&st);
}

T(bucket_kept, a_completion_takes_place_only_when_its_condition_holds)
{
    struct stage st;
    struct act c;

    stage_begin(&st);
    upload_begin(&st, &c, "k", three_parts, 3);
    c.cond = is(1);
    T_EQ(act_do(&st, 0, &c), -R_NO_KEY);
    T_OK(do_put(&st, 0, "k", 1, 5));
    c.cond = (struct s3_condition){.absent = true};
    T_EQ(act_do(&st, 0, &c), -R_PRECONDITION);
    c.cond = is(1);
    T_OK(act_do(&st, 0, &c));
    T_OK(do_get(&st, 0, "k", NULL));
    stage_end(&st);
}
