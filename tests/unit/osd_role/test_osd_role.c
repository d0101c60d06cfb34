/* test_osd_role.c - operations against a small healthy cluster. */
#include "tests/unit/osd_role/world.h"

T(osd_role, what_is_written_is_read_back_from_equal_copies)
{
    struct world w;

    world_init(&w, 1, 3, 3, 8);
    T_OK(put_fill(&w, "a", 'x', 10000));
    T_OK(get_fill(&w, "a", 'x', 10000));
    T_OK(put_fill(&w, "large", 'y', 5 << 20));
    T_OK(get_fill(&w, "large", 'y', 5 << 20));
    world_wait_clean(&w, 20000);
    copies_equal(&w, "a");
    copies_equal(&w, "large");
    world_fini(&w);
}

T(osd_role, a_failed_guard_changes_nothing_and_tells_the_present_value)
{
    struct world w;
    struct step *st;
    uint8_t value[8] = {0};

    world_init(&w, 2, 3, 3, 4);
    st = op_new(&w, "a", STEP_XATTR_SET);
    step_key(&w, st, "color", "blue");
    T_OK(op_run(&w));
    st = op_new(&w, "a", STEP_CMP_XATTR);
    st->cmp = CMP_EQ;
    step_key(&w, st, "color", "red");
    step_data(&w, op_step(&w, STEP_WRITE_FULL), "zzz", 3);
    T_EQ(op_run(&w), -R_GUARD_FAILED);
    T_EQ(w.reply->results.result[0].data.bytes, 4);
    buf_copy_out(&w.reply->results.result[0].data, 0, value, 4);
    T_MEM_EQ(value, "blue", 4);
    (void)op_new(&w, "a", STEP_STAT);
    T_OK(op_run(&w));
    T_EQ(w.reply->results.result[0].size, 0);
    st = op_new(&w, "b", STEP_ASSERT_EXISTS);
    step_data(&w, op_step(&w, STEP_WRITE_FULL), "zzz", 3);
    T_EQ(op_run(&w), -R_NO_OBJECT);
    T_EQ(get_fill(&w, "b", 0, 0), -R_NO_OBJECT);
    world_fini(&w);
}

T(osd_role, steps_of_one_operation_stand_on_each_other)
{
    struct world w;
    struct step *st;
    uint8_t got[6] = {0};

    world_init(&w, 3, 3, 3, 4);
    st = op_new(&w, "a", STEP_CREATE);
    st->flags = STEP_EXCLUSIVE;
    step_data(&w, op_step(&w, STEP_APPEND), "abc", 3);
    step_data(&w, op_step(&w, STEP_APPEND), "def", 3);
    step_key(&w, op_step(&w, STEP_OMAP_SET), "k1", "v1");
    step_key(&w, op_step(&w, STEP_OMAP_SET), "k2", "v2");
    step_key(&w, op_step(&w, STEP_OMAP_RM), "k1", NULL);
    T_OK(op_run(&w));
    st = op_new(&w, "a", STEP_READ);
    st = op_step(&w, STEP_OMAP_RANGE);
    st->rows_max = 10;
    (void)op_step(&w, STEP_STAT);
    (void)op_step(&w, STEP_XATTR_LIST);
    T_OK(op_run(&w));
    T_EQ(w.reply->results.result[0].data.bytes, 6);
    buf_copy_out(&w.reply->results.result[0].data, 0, got, 6);
    T_MEM_EQ(got, "abcdef", 6);
    T_EQ(w.reply->results.result[1].pair_count, 1);
    T_MEM_EQ(w.reply->results.result[1].pairs[0].key.data, "k2", 2);
    T_EQ(w.reply->results.result[2].size, 6);
    T_GT(w.reply->results.result[2].mtime_wall_ns, 0);
    T_EQ(w.reply->results.result[3].pair_count, 0); /* what is ours is not shown */
    st = op_new(&w, "a", STEP_CREATE);
    st->flags = STEP_EXCLUSIVE;
    T_EQ(op_run(&w), -R_EXISTS);
    world_wait_clean(&w, 20000);
    copies_equal(&w, "a");
    T_OK(rm(&w, "a"));
    T_EQ(rm(&w, "a"), -R_NO_OBJECT);
    T_EQ(get_fill(&w, "a", 0, 0), -R_NO_OBJECT);
    world_fini(&w);
}

T(osd_role, a_repeat_gets_the_first_outcome_and_does_not_run_again)
{
    struct world w;
    struct version v;

    world_init(&w, 4, 3, 3, 4);
    T_OK(put_fill(&w, "a", 'x', 10));
    step_data(&w, op_new(&w, "a", STEP_APPEND), "yy", 2);
    T_OK(op_run(&w));
    v = w.reply->version;
    T_OK(op_repeat(&w));
    T_TRUE(version_eq(v, w.reply->version));
    (void)op_new(&w, "a", STEP_STAT);
    T_OK(op_run(&w));
    T_EQ(w.reply->results.result[0].size, 12);
    T_GT(osd_counters(w.osd[primary_of(&w, "a")].osd)->resends_answered, 0);
    world_fini(&w);
}

static void add(struct world *w, const char *name, const int64_t *numbers, uint32_t count)
{
    struct step *st = op_new(w, name, STEP_XATTR_ADD);
    uint8_t raw[64];
    struct writer to = wr_over(raw, sizeof(raw));

    for (uint32_t i = 0; i < count; i++)
        wr_u64(&to, (uint64_t)numbers[i]);
    st->key = steps_dup(&w->steps, BYTES_STR("count"));
    st->value = steps_dup(&w->steps, (struct bytes){raw, (uint32_t)to.len});
}

static uint64_t counter(struct world *w, const char *name, uint32_t i)
{
    uint8_t raw[64] = {0};
    struct cursor c = cur_over(raw + 8 * i, 8);

    step_key(w, op_new(w, name, STEP_XATTR_GET), "count", NULL);
    T_OK(op_run(w));
    T_GE(w->reply->results.result[0].data.bytes, 8 * i + 8);
    buf_copy_out(&w->reply->results.result[0].data, 0, raw, w->reply->results.result[0].data.bytes);
    return cur_u64(&c);
}

T(osd_role, numbers_are_added_once_and_survive_on_every_copy)
{
    static const int64_t first[] = {5, 7}, next[] = {-2}, wide[] = {0, -8, INT64_MAX};
    struct world w;

    world_init(&w, 21, 3, 3, 4);
    add(&w, "a", first, 2); /* it makes the object */
    T_OK(op_run(&w));
    T_OK(op_repeat(&w));
    add(&w, "a", next, 1);
    T_OK(op_run(&w));
    T_OK(op_repeat(&w));
    T_EQ(counter(&w, "a", 0), 3);
    T_EQ(counter(&w, "a", 1), 7);
    add(&w, "a", wide, 3);
    T_OK(op_run(&w));
    T_EQ(counter(&w, "a", 0), 3);
    T_EQ(counter(&w, "a", 1), UINT64_MAX);
    T_EQ(counter(&w, "a", 2), INT64_MAX);
    world_wait_clean(&w, 20000);
    world_osd_kill(&w, primary_of(&w, "a"), true);
    T_EQ(counter(&w, "a", 0), 3); /* as another copy has it */
    world_fini(&w);
}

T(osd_role, numbers_are_not_added_to_what_is_none)
{
    static const int64_t one[] = {1};
    struct world w;

    world_init(&w, 22, 1, 1, 4);
    step_key(&w, op_new(&w, "a", STEP_XATTR_SET), "count", "twelve bytes");
    T_OK(op_run(&w));
    add(&w, "a", one, 1);
    T_EQ(op_run(&w), -R_MALFORMED);
    T_OK(rm(&w, "a"));
    add(&w, "a", one, 1);
    T_OK(op_run(&w));
    T_EQ(counter(&w, "a", 0), 1);
    world_fini(&w);
}

T(osd_role, every_object_of_a_pg_is_listed_once)
{
    struct world w;
    struct step *st;
    uint32_t seen = 0;

    world_init(&w, 5, 3, 3, 1);
    for (unsigned i = 0; i < 20; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "o%u", i);
        T_OK(put_fill(&w, name, 'x', i));
    }
    st = op_new(&w, "ignored", STEP_PG_LIST);
    st->rows_max = 7;
    for (;;) {
        struct step_result *r;
        struct bytes last;
        uint8_t key[OID_KEY_MAX + 1];

        T_OK(op_run(&w));
        r = &w.reply->results.result[0];
        seen += r->pair_count;
        if (!r->more)
            break;
        T_EQ(r->pair_count, 7);
        last = r->pairs[6].key;
        memcpy(key, last.data, last.len);
        key[last.len] = 0;
        st = op_new(&w, "ignored", STEP_PG_LIST);
        st->rows_max = 7;
        st->key = steps_dup(&w.steps, (struct bytes){key, last.len + 1});
    }
    T_EQ(seen, 20);
    world_fini(&w);
}

T(osd_role, a_clone_has_the_bytes_of_its_source)
{
    struct world w;
    struct step *st;

    world_init(&w, 6, 3, 3, 1);
    T_OK(put_fill(&w, "src", 'q', 20000));
    st = op_new(&w, "dst", STEP_CLONE_RANGE);
    st->key = steps_dup(&w.steps, BYTES_STR("src"));
    st->len = 20000;
    T_OK(op_run(&w));
    T_OK(put_fill(&w, "src", 'r', 10));
    T_OK(get_fill(&w, "dst", 'q', 20000));
    world_wait_clean(&w, 20000);
    copies_equal(&w, "dst");
    st = op_new(&w, "dst", STEP_CLONE_RANGE);
    st->key = steps_dup(&w.steps, BYTES_STR("nothing"));
    st->len = 20000;
    T_EQ(op_run(&w), -R_NO_OBJECT);
    world_fini(&w);
}

T(osd_role, a_fenced_client_is_refused)
{
    struct world w;
    struct osdmap *d;

    world_init(&w, 7, 3, 3, 4);
    T_OK(put_fill(&w, "a", 'x', 10));
    d = world_draft(&w);
    T_OK(osdmap_block_set(d, w.client_id, UINT64_MAX));
    world_publish(&w, d);
    T_EQ(put_fill(&w, "a", 'y', 10), -R_FENCED);
    w.client_id++;
    T_OK(get_fill(&w, "a", 'x', 10));
    world_fini(&w);
}

T(osd_role, a_dropped_pool_takes_its_objects_along)
{
    struct world w;
    struct osdmap *d;

    world_init(&w, 8, 3, 3, 4);
    for (unsigned i = 0; i < 10; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "o%u", i);
        T_OK(put_fill(&w, name, 'x', 5000));
    }
    d = world_draft(&w);
    osdmap_pool_drop(d, w.pool);
    world_publish(&w, d);
    world_run(&w, 5000);
    world_pool(&w, "q", 3, 4);
    T_OK(put_fill(&w, "a", 'x', 10));
    world_wait_clean(&w, 20000);
    world_fini(&w);
}

/* What was said before such a map counts no more, though nothing changed for the PG. */
T(osd_role, statistics_come_at_once_when_it_changes_who_is_in)
{
    struct world w;
    struct placement at;
    struct osdmap *d;
    uint32_t other = 0;

    world_init(&w, 9, 4, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 10));
    world_wait_clean(&w, 20000);
    world_run(&w, 7000);
    T_OK(osdmap_place(w.map, pg_of(&w, "a"), &at));
    while (osd_set_has(&at.up, (struct osd_id){(int32_t)other}))
        other++;
    d = world_draft(&w);
    d->osds[other].weight = OSD_WEIGHT_IN / 2;
    world_publish(&w, d);
    world_run(&w, 700);
    T_EQ(w.stat.epoch.v, w.map->epoch.v);
    world_fini(&w);
}

T(osd_role, statistics_count_the_objects)
{
    struct world w;

    world_init(&w, 9, 3, 3, 1);
    for (unsigned i = 0; i < 10; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "o%u", i);
        T_OK(put_fill(&w, name, 'x', 5000));
    }
    T_OK(rm(&w, "o3"));
    world_run(&w, 3000);
    T_EQ(w.stat.objects, 9);
    T_EQ(w.stat.bytes, 9 * 5000);
    T_TRUE(w.stat.state & PG_S_CLEAN);
    world_fini(&w);
}
