/* test_verify.c - the checker finds each kind of damage, and nothing in what is whole. */
#include <stdio.h>

#include "s3/bucket/refs.h"
#include "tests/unit/s3/bucket/fake_int.h"
#include "tests/unit/s3/bucket/stage.h"

/* A bucket with a bit of everything: inline and striped objects, one of parts, an upload in
 * progress, garbage, and several shards. */
static void full_begin(struct stage *st)
{
    struct act c;
    char key[32];

    stage_init(st, 5);
    gate_stop(st, 0);
    st->conf.shard_entries_max = 8;
    gate_start(st, 0);
    gate_wait_ready(st, 0);
    T_OK(do_create(st, 0, "box"));
    for (unsigned i = 0; i < 30; i++) {
        snprintf(key, sizeof(key), "k%02u", i);
        T_OK(do_put(st, 0, key, 100 + i, i % 3 ? 100 : 9000));
    }
    upload_begin(st, &c, "whole", three_parts, 3);
    T_OK(act_do(st, 0, &c));
    upload_begin(st, &c, "begun", three_parts, 2);
    T_OK(do_put(st, 0, "k03", 7, 100)); /* leaves garbage */
    stage_run(st, NS_PER_S);
}

/* The first row of a letter, with its shard. */
static struct fake_object *row_at(struct stage *st, char letter, size_t *out_at)
{
    struct fake *f = &st->fake;

    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++) {
        struct fake_object *o = f->object[FAKE_INDEX][i];

        for (size_t n = 0; strncmp(o->name, "shard.", 6) == 0 && n < o->omap.count; n++)
            if (o->omap.row[n].key[0] == letter) {
                *out_at = n;
                return o;
            }
    }
    T_FAIL("no row %c", letter);
    return NULL;
}

static void row_rm(struct stage *st, char letter)
{
    size_t at;
    struct fake_object *o = row_at(st, letter, &at);

    fake_row_free(&o->omap.row[at]);
    memmove(&o->omap.row[at], &o->omap.row[at + 1],
            (o->omap.count - at - 1) * sizeof(*o->omap.row));
    o->omap.count--;
}

static void damage(struct stage *st, unsigned kind)
{
    static const char *const letters = "degimpu";
    struct fake *f = &st->fake;
    struct fake_object *o;
    struct fake_row *r;
    size_t at;

    switch (kind) {
    case 0: /* a data object is gone */
        fake_remove(f, FAKE_DATA, f->object[FAKE_DATA][0]->name);
        break;
    case 1: /* ... or shorter */
        f->object[FAKE_DATA][0]->bytes--;
        break;
    case 2: /* a row rots */
        row_at(st, 'e', &at)->omap.row[at].value[20] ^= 1;
        break;
    case 3: /* the counters are wrong */
        row_at(st, 'e', &at)->xattrs.row[0].value[0] ^= 1;
        break;
    case 4: /* a shard begins elsewhere: its row rots */
        o = row_at(st, 'e', &at);
        o->xattrs.row[1].value[30] ^= 1;
        break;
    case 5: /* the last shard is gone */
        o = f->object[FAKE_INDEX][f->count[FAKE_INDEX] - 1];
        for (size_t i = 0; i < f->count[FAKE_INDEX]; i++)
            if (strncmp(f->object[FAKE_INDEX][i]->name, "shard.", 6) == 0 &&
                strcmp(strrchr(f->object[FAKE_INDEX][i]->name, '.'), ".0") != 0)
                o = f->object[FAKE_INDEX][i];
        fake_remove(f, FAKE_INDEX, o->name);
        break;
    case 6: /* the map leads astray */
        o = fake_find(f, FAKE_INDEX, "bucket.box");
        r = &o->omap.row[1];
        r->value[0] ^= 1;
        break;
    case 7: /* a row in a shard that is not its own */
        o = row_at(st, 'd', &at);
        o->omap.row[at].key[1] = 0x7e;
        break;
    default: /* the first row of a letter is gone */
        row_rm(st, letters[kind - 8]);
        break;
    }
}

T(bucket_verify, a_bucket_that_is_whole_has_no_findings)
{
    struct stage st;
    char text[512];

    full_begin(&st);
    if (stage_verify(&st, text))
        T_FAIL("%s", text);
    T_OK(do_delete(&st, 0, "whole"));
    for (unsigned i = 0; i < 2; i++)
        collect_all(&st, 0);
    if (stage_verify(&st, text))
        T_FAIL("%s", text);
    stage_fini(&st);
}

T(bucket_verify, each_kind_of_damage_is_found)
{
    for (unsigned kind = 0; kind < 15; kind++) {
        struct stage st;
        char text[512];

        if (kind == 11)
            continue; /* there is no intent here */
        full_begin(&st);
        damage(&st, kind);
        if (!stage_verify(&st, text))
            T_FAIL("damage %u is not found", kind);
        printf("# %u: %s\n", kind, text);
        stage_fini(&st);
    }
}

/* The first data object that carries a list. */
static struct fake_object *listed(struct stage *st)
{
    for (size_t i = 0; i < data_objects(st); i++)
        if (refs_of(st, i))
            return st->fake.object[FAKE_DATA][i];
    T_FAIL("nothing is shared");
    return NULL;
}

static void refs_take(struct stage *st, const char *first, struct writer *out)
{
    const struct fake_row *r =
        fake_row_find(&fake_find(&st->fake, FAKE_DATA, first)->xattrs, REFS_XATTR, 4);

    wr_raw(out, r->value, r->value_bytes);
}

static void refs_give(struct stage *st, const char *first, const struct writer *w)
{
    fake_xattr_set(&st->fake, FAKE_DATA, first, REFS_XATTR,
                   (struct bytes){w->data, (uint32_t)w->len});
}

/* Lists of references: one is gone, one forgets a copy, one names somebody who never was. */
T(bucket_verify, a_list_of_references_that_is_wrong_is_found)
{
    static const char *const wanted[] = {"is not among those for whom",
                                         "is not among those for whom", "which is not there",
                                         "cannot be read"};

    for (unsigned kind = 0; kind < 2 * ARRAY_LEN(wanted); kind++) {
        struct refs two = {0};
        struct uuid name[3] = {{{1}}};
        AUTO(writer) next = {0};
        struct fake_object *o;
        const struct fake_row *r;
        struct stage st;
        struct act c;
        char text[512];

        stage_begin(&st);
        upload_begin(&st, &c, "parts", three_parts, 2);
        T_OK(act_do(&st, 0, &c));
        if (kind / ARRAY_LEN(wanted))
            T_OK(do_delete(&st, 0, "parts"));
        else
            T_OK(do_copy(&st, 1, "parts", "copy"));
        collect_all(&st, 0);
        if (kind / ARRAY_LEN(wanted)) {
            T_OK(do_put(&st, 0, "k", 7, 9000));
            T_OK(do_copy(&st, 1, "k", "copy"));
        }
        T_EQ(stage_verify(&st, text), 0);
        o = st.fake.object[FAKE_DATA][0];
        for (size_t i = 0; i < data_objects(&st); i++)
            if (refs_of(&st, i))
                o = st.fake.object[FAKE_DATA][i];
        r = fake_row_find(&o->xattrs, REFS_XATTR, 4);
        T_TRUE(r != NULL);
        T_OK(refs_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, &two));
        T_EQ(two.count, 2);
        memcpy(&name[1], two.ids, 2 * sizeof(name[0]));
        refs_encode(&(struct refs){kind % 4 == 2 ? 3 : 1, kind % 4 == 2 ? name[0].b : name[1].b},
                    &next);
        if (kind % 4 == 3)
            next.data[20] ^= 1;
        if (kind % 4 == 0)
            o->xattrs.count = 0; /* it has no other */
        else
            fake_xattr_set(&st.fake, FAKE_DATA, o->name, REFS_XATTR,
                           (struct bytes){next.data, (uint32_t)next.len});
        T_GT(stage_verify(&st, text), 0);
        if (kind % 4 < 3)
            T_TRUE(strstr(text, wanted[kind % 4]) != NULL);
        printf("# %u: %s\n", kind, text);
        if (kind % 4 == 0)
            fake_row_free(&o->xattrs.row[0]);
        stage_fini(&st);
    }
}

/* A pass reads the lists, then a version is made, then it reads the rows; and so does the next. */
T(bucket_verify, what_two_passes_find_of_two_versions_is_not_found_twice)
{
    char text[2][512] = {"", ""};
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "src", 3, 20000));
    T_OK(do_copy(&st, 0, "src", "src"));
    for (unsigned pass = 0; pass < 2; pass++) {
        const char *first = listed(&st)->name;
        AUTO(writer) early = {0}, late = {0};

        refs_take(&st, first, &early);
        T_OK(do_copy(&st, 0, "src", "src"));
        refs_take(&st, first, &late);
        refs_give(&st, first, &early);
        T_EQ(stage_verify(&st, text[pass]), 1);
        refs_give(&st, first, &late);
    }
    T_TRUE(strcmp(text[0], text[1]) != 0);
    T_EQ(stage_verify(&st, text[0]), 0);
    stage_fini(&st);
}

/* Likewise, of data that lies in the index: it was read before the object was put anew. */
T(bucket_verify, what_two_passes_find_of_two_small_objects_is_not_found_twice)
{
    char text[2][512] = {"", ""};
    struct fake_object *o;
    struct stage st;
    size_t at;

    stage_begin(&st);
    for (unsigned pass = 0; pass < 2; pass++) {
        struct fake_row was, now;

        T_OK(do_put(&st, 0, "k", 1 + pass, 100));
        o = row_at(&st, 'd', &at);
        was = o->omap.row[at];
        was.value = fake_dup(was.value, was.value_bytes);
        T_OK(do_put(&st, 0, "k", 7 + pass, 100));
        o = row_at(&st, 'd', &at);
        now = o->omap.row[at];
        o->omap.row[at].value = was.value;
        T_GT(stage_verify(&st, text[pass]), 0);
        o->omap.row[at].value = now.value;
        free(was.value);
    }
    T_TRUE(strcmp(text[0], text[1]) != 0);
    T_EQ(stage_verify(&st, text[0]), 0);
    stage_fini(&st);
}

/* Without the list of parts nobody can tell which of them are left over. */
T(bucket_verify, parts_stay_when_the_list_of_parts_is_lost)
{
    struct stage st;
    struct act c;
    char text[512];
    unsigned all;

    stage_begin(&st);
    upload_begin(&st, &c, "whole", three_parts, 3);
    c.part_count = 2;
    T_OK(act_do(&st, 0, &c));
    all = data_objects(&st);
    row_rm(&st, 'm');
    collect_all(&st, 0);
    T_EQ(data_objects(&st), all);
    T_GT(stage_verify(&st, text), 0);
    stage_fini(&st);
}

T(bucket_verify, data_that_nobody_refers_to_is_found)
{
    struct act put = {
        .kind = ACT_PUT, .key = "k", .seed = 1, .size = 90000, .pause_ns = 20 * NS_PER_MS};
    struct stage st;
    char text[512];

    stage_begin(&st);
    act_start(&st, 0, &put);
    stage_run(&st, NS_PER_S);
    gate_kill(&st, 0);
    stage_run(&st, NS_PER_S);
    T_EQ(stage_verify(&st, text), 0); /* its intent refers to it */
    row_rm(&st, 'i');
    T_EQ(stage_verify(&st, text), 1);
    T_TRUE(strncmp(text, "nobody refers to the ", 21) == 0);
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    stage_fini(&st);
}

/* Is a range between its flip and its adoption? */
static bool given(void *arg)
{
    struct fake *f = &((struct stage *)arg)->fake;
    struct shard_row row;

    for (size_t i = 0; i < f->count[FAKE_INDEX]; i++) {
        const struct fake_row *r = fake_row_find(&f->object[FAKE_INDEX][i]->xattrs, "shard", 5);

        if (r && shard_row_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, &row) == 0 &&
            row.move == MOVE_GIVEN)
            return true;
    }
    return false;
}

/* Objects of one and of several parts, shared ones, an upload, garbage and an intent: in a range
 * that its old shard has given away and its new one does not know to be its own. */
T(bucket_verify, what_is_referred_to_between_two_shards_is_referred_to)
{
    struct act put = {
        .kind = ACT_PUT, .key = "k60", .seed = 1, .size = 90000, .pause_ns = 50 * NS_PER_MS};
    struct stage st;
    struct act c;
    char text[512], key[32];

    stage_init(&st, 5);
    gate_stop(&st, 0);
    st.conf.shard_entries_max = 8;
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    T_OK(do_create(&st, 0, "box"));
    T_OK(do_put(&st, 1, "k10", 7, 9000));
    upload_begin(&st, &c, "k40", three_parts, 3);
    T_OK(act_do(&st, 1, &c));
    T_OK(do_copy(&st, 1, "k10", "k50"));
    T_OK(do_copy(&st, 1, "k40", "k70"));
    T_OK(do_put(&st, 1, "k20", 8, 9000));
    upload_begin(&st, &c, "k90", three_parts, 2);
    T_OK(do_put(&st, 1, "k80", 9, 9000));
    T_OK(do_put(&st, 1, "k80", 7, 100)); /* leaves garbage */
    act_start(&st, 1, &put);
    stage_run(&st, NS_PER_S);
    for (unsigned i = 0; i < 8 && !given(&st); i++) {
        snprintf(key, sizeof(key), "k%u5", i);
        T_OK(do_put(&st, 0, key, 20 + i, 9000));
        sim_run_until(st.sim, sim_now_ns(st.sim) + 200 * NS_PER_MS, given, &st);
    }
    T_TRUE(given(&st));
    gate_kill(&st, 0);
    gate_kill(&st, 1);
    stage_run(&st, NS_PER_S);
    T_TRUE(given(&st));
    if (stage_verify(&st, text))
        T_FAIL("%s", text);
    for (unsigned i = 0; i < GATES; i++) {
        gate_start(&st, i);
        gate_wait_ready(&st, i);
    }
    for (unsigned i = 0; i < 2; i++)
        collect_all(&st, 0);
    T_FALSE(given(&st));
    if (stage_verify(&st, text))
        T_FAIL("%s", text);
    stage_fini(&st);
}
