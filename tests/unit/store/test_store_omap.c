/* test_store_omap.c - point reads of omap rows: what memory answers is what the store holds.
 *
 * Rows leave the overlay with a checkpoint; so each case makes some, and then asks again. */
#include "core/store/store_int.h"
#include "tests/unit/store/stage.h"

enum { VALUE_BYTES = 64, MANY = 200, MANY_BYTES = 4000 };

struct ask {
    struct stage *st;
    struct store_commit commit;
    struct store_read read;
    struct arena arena;
    struct object *obj;
    struct bytes key;
    void (*fill)(struct txn *t, uint16_t o, unsigned arg);
    unsigned arg;
    bool over;
    int rc;
};

static void step(struct ask *a, void (*fn)(void *))
{
    a->over = false;
    a->rc = 0;
    sim_enter(a->st->env, fn, a);
    T_OK(a->rc);
    stage_wait(a->st, &a->over);
    T_TRUE(a->over);
}

static void committed(struct store_commit *c)
{
    CONTAINER_OF(c, struct ask, commit)->over = true;
}

static void submit(void *arg)
{
    struct ask *a = arg;
    struct txn *t = txn_create(stage_pg(0));
    struct oid oid = stage_oid(0, 0);

    a->fill(t, txn_object(t, &oid), a->arg);
    a->commit.committed = committed;
    a->rc = store_submit(a->st->s, t, &a->commit);
    txn_unref(t);
}

static void change(struct ask *a, void (*fill)(struct txn *t, uint16_t o, unsigned arg),
                   unsigned arg)
{
    a->fill = fill;
    a->arg = arg;
    step(a, submit);
}

static struct bytes key_of(unsigned i, char *out)
{
    return (struct bytes){(uint8_t *)out, (uint32_t)snprintf(out, 16, "key%05u", i)};
}

static void set_one(struct txn *t, uint16_t o, unsigned arg)
{
    uint8_t value[VALUE_BYTES];
    char key[16];

    memset(value, (int)arg, sizeof(value));
    txn_omap_set(t, o, key_of(1, key), (struct bytes){value, sizeof(value)});
}

static void set_many(struct txn *t, uint16_t o, unsigned arg)
{
    uint8_t value[MANY_BYTES] = {0};
    char key[16];

    for (unsigned i = arg; i < arg + 10; i++)
        txn_omap_set(t, o, key_of(100 + i, key), (struct bytes){value, sizeof(value)});
}

static void remove_one(struct txn *t, uint16_t o, unsigned arg)
{
    char key[16];

    UNUSED(arg);
    txn_omap_rm(t, o, key_of(1, key));
}

static void remove_range(struct txn *t, uint16_t o, unsigned arg)
{
    char from[16], to[16];

    txn_omap_rm_range(t, o, key_of(1, from), arg ? key_of(arg, to) : (struct bytes){0});
}

static void make_anew(struct txn *t, uint16_t o, unsigned arg)
{
    txn_delete(t, o);
    txn_touch(t, o);
    UNUSED(arg);
}

static void fill_journal(struct txn *t, uint16_t o, unsigned arg)
{
    uint8_t value[60000] = {(uint8_t)arg};

    UNUSED(o);
    txn_meta_set(t, BYTES_STR("big"), (struct bytes){value, sizeof(value)});
}

/* Every row of now is in LevelDB, and there only. */
static void settle(struct ask *a)
{
    uint64_t before = counter_get(&a->st->s->m.checkpoints);

    for (unsigned i = 0; i < 500 && counter_get(&a->st->s->m.checkpoints) < before + 2; i++)
        change(a, fill_journal, i);
    T_GE(counter_get(&a->st->s->m.checkpoints), before + 2);
}

static void read_done(struct store_read *r)
{
    CONTAINER_OF(r, struct ask, read)->over = true;
}

static void read_start(void *arg)
{
    struct ask *a = arg;

    arena_init(&a->arena);
    a->read = (struct store_read){.obj = a->obj,
                                  .kind = STORE_OMAP_GET,
                                  .keys = &a->key,
                                  .key_count = 1,
                                  .arena = &a->arena,
                                  .done = read_done};
    store_read(a->st->s, &a->read);
}

static void read_end(void *arg)
{
    arena_fini(&((struct ask *)arg)->arena);
}

/* The first byte of the value, -1 when there is none; *out_loads: how often a worker was asked. */
static int get(struct ask *a, unsigned key, uint64_t *out_loads)
{
    uint64_t before = counter_get(&a->st->s->m.loads);
    char name[16];
    int found = -1;

    a->key = key_of(key, name);
    step(a, read_start);
    T_OK(a->read.rc);
    if (a->read.pair_count) {
        T_TRUE(bytes_equal(a->read.pairs[0].key, a->key));
        found = a->read.pairs[0].value.data[0];
    }
    *out_loads = counter_get(&a->st->s->m.loads) - before;
    sim_enter(a->st->env, read_end, a);
    return found;
}

static void ask_start(struct ask *a, struct stage *st)
{
    *a = (struct ask){.st = st};
    stage_init(st, 7);
    st->conf.cache_bytes = 256 << 10;
    T_OK(stage_mkfs(st));
    T_OK(stage_open(st));
    a->obj = st->held[0][0];
}

static void ask_end(struct ask *a)
{
    T_OK(stage_close(a->st, false));
    T_OK(stage_fsck(a->st));
    T_EQ(a->st->problems, 0);
    stage_fini(a->st);
}

T(store_omap, a_row_that_was_read_is_read_from_memory_after)
{
    struct stage st;
    struct ask a;
    uint64_t loads;

    ask_start(&a, &st);
    change(&a, set_one, 5);
    T_EQ(get(&a, 1, &loads), 5); /* the overlay knows */
    T_EQ(loads, 0);
    settle(&a);
    T_EQ(get(&a, 1, &loads), 5);
    T_EQ(loads, 1);
    T_EQ(get(&a, 2, &loads), -1);
    T_EQ(loads, 1);
    T_EQ(get(&a, 1, &loads), 5);
    T_EQ(loads, 0);
    T_EQ(get(&a, 2, &loads), -1);
    T_EQ(loads, 0);
    ask_end(&a);
}

T(store_omap, memory_forgets_what_a_write_changes)
{
    static const struct {
        void (*fill)(struct txn *t, uint16_t o, unsigned arg);
        unsigned arg;
        int then;
    } cases[] = {{set_one, 9, 9},       {remove_one, 0, -1},  {remove_range, 2, -1},
                 {remove_range, 0, -1}, {remove_range, 1, 5}, {make_anew, 0, -1}};
    struct stage st;
    struct ask a;
    uint64_t loads;

    ask_start(&a, &st);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        change(&a, set_one, 5);
        settle(&a);
        T_EQ(get(&a, 1, &loads), 5);
        T_EQ(loads, 1);
        change(&a, cases[i].fill, cases[i].arg);
        T_EQ(get(&a, 1, &loads), cases[i].then);
        settle(&a);
        T_EQ(get(&a, 1, &loads), cases[i].then);
    }
    settle(&a);
    T_EQ(get(&a, 1, &loads), -1);
    change(&a, set_one, 6); /* that it was not there is forgotten too */
    settle(&a);
    T_EQ(get(&a, 1, &loads), 6);
    ask_end(&a);
}

T(store_omap, memory_for_rows_is_bounded_and_holds_the_newest)
{
    struct stage st;
    struct ask a;
    uint64_t loads;

    ask_start(&a, &st);
    for (unsigned i = 0; i < MANY; i += 10)
        change(&a, set_many, i);
    settle(&a);
    T_LT(st.s->cache_max, (uint64_t)MANY * MANY_BYTES);
    for (unsigned i = 0; i < MANY; i++) {
        T_EQ(get(&a, 100 + i, &loads), 0);
        T_EQ(loads, 1);
        T_LE(st.s->kept_bytes + st.s->onode_bytes, st.s->cache_max);
    }
    T_GE(st.s->kept_bytes, st.s->cache_max / 2); /* what onodes and blocks do not use is theirs */
    T_EQ(get(&a, 100 + MANY - 1, &loads), 0);
    T_EQ(loads, 0);
    T_EQ(get(&a, 100, &loads), 0);
    T_EQ(loads, 1);
    ask_end(&a);
}

/* Lets one object go, and looks whether its onode is still in memory. */
static void let_go(void *arg)
{
    struct ask *a = arg;

    object_unref(TAKE(a->st->held[0][1]));
}

static void look_again(void *arg)
{
    struct ask *a = arg;
    struct oid oid = stage_oid(0, 1);

    a->over = store_object_peek(a->st->s, &oid, &a->st->held[0][1]) == 1;
}

T(store_omap, many_rows_do_not_push_onodes_out)
{
    struct stage st;
    struct ask a;
    uint64_t loads;

    ask_start(&a, &st);
    sim_enter(st.env, let_go, &a);
    for (unsigned i = 0; i < MANY; i += 10)
        change(&a, set_many, i);
    settle(&a);
    for (unsigned i = 0; i < MANY; i++)
        T_EQ(get(&a, 100 + i, &loads), 0);
    sim_enter(st.env, look_again, &a);
    T_TRUE(a.over);
    ask_end(&a);
}
