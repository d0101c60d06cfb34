/* test_osd_full.c - what a full OSD takes: room is made, and nobody takes the reserve for it. */
#include <stdio.h>

#include "tests/unit/osd_role/world.h"

enum { OSDS = 3, VALUE_BYTES = 4000, SETS_MAX = 6000 };

struct full {
    struct world w;
    uint32_t osd; /* that is full */
    char value[VALUE_BYTES + 1];
};

static int add(struct full *f, const char *xattr, unsigned numbers)
{
    static const uint8_t ones[16] = {1, 0, 0, 0, 0, 0, 0, 0, 1};
    struct step *st = op_new(&f->w, "o", STEP_XATTR_ADD);

    st->flags = STEP_FREES;
    st->key = steps_dup(&f->w.steps, BYTES_STR(xattr));
    st->value = (struct bytes){ones, 8 * numbers};
    return op_run(&f->w);
}

/* One file system is nearly full: of the primary, or of another member. */
static void full_begin(struct full *f, bool primary)
{
    world_init(&f->w, 31, OSDS, OSDS, 1);
    memset(f->value, 'v', VALUE_BYTES);
    f->value[VALUE_BYTES] = 0;
    f->osd = primary_of(&f->w, "o");
    if (!primary)
        f->osd = (f->osd + 1) % OSDS;
    T_OK(put_fill(&f->w, "o", 1, 5000));
    step_key(&f->w, op_new(&f->w, "o", STEP_OMAP_SET), "here", f->value);
    T_OK(op_run(&f->w));
    step_key(&f->w, op_new(&f->w, "o", STEP_XATTR_SET), "here", "state 1");
    T_OK(op_run(&f->w));
    T_OK(add(f, "numbers", 1));
    sim_disk_fault(f->w.osd[f->osd].m, SIM_DISK_FULL, MIB(1));
    world_run(&f->w, 3000);
}

static int set_new(struct full *f, unsigned i, unsigned flags)
{
    struct step *st = op_new(&f->w, "o", STEP_OMAP_SET);
    char key[16];

    (void)snprintf(key, sizeof(key), "k%u", i);
    st->flags = (uint16_t)flags;
    step_key(&f->w, st, key, f->value);
    return op_run(&f->w);
}

/* Sets that are said to free, one after the other: how many are taken? */
static unsigned sets_taken(struct full *f, unsigned from)
{
    unsigned n = from;

    while (n < from + SETS_MAX && set_new(f, n, STEP_FREES) == 0)
        if (++n % 20 == 0) /* the primary hears of a member now and then */
            world_run(&f->w, 500);
    return n - from;
}

/* A row or an xattr in the place of the one that is there; `shorter` or longer than it. */
static int replace(struct full *f, uint8_t guard, uint8_t set, const char *was, const char *next)
{
    struct step *st = op_new(&f->w, "o", guard);

    st->cmp = CMP_EQ;
    st->key = steps_dup(&f->w.steps, BYTES_STR("here"));
    st->value = steps_dup(&f->w.steps, BYTES_STR(was));
    st = op_step(&f->w, set);
    st->flags = STEP_FREES;
    step_key(&f->w, st, "here", next);
    return op_run(&f->w);
}

static struct step_pair *pairs_of(struct full *f, unsigned count)
{
    return arena_alloc(&f->w.steps.arena, count * sizeof(struct step_pair));
}

/* The row `was`, with its value, goes, and these come. */
static int exchange(struct full *f, const char *was, const char *value, const char *next,
                    const char *other, uint32_t value_bytes)
{
    struct step *st = op_new(&f->w, "o", STEP_CMP_OMAP);
    struct bytes come = {(const uint8_t *)f->value, value_bytes};

    st->cmp = CMP_EQ;
    st->key = steps_dup(&f->w.steps, BYTES_STR(was));
    st->value = steps_dup(&f->w.steps, BYTES_STR(value));
    step_key(&f->w, op_step(&f->w, STEP_OMAP_RM), was, NULL);
    st = op_step(&f->w, STEP_OMAP_SET);
    st->flags = STEP_FREES;
    st->pair_in_count = other ? 2 : 1;
    st->pairs_in = pairs_of(f, 2);
    st->pairs_in[0] = (struct step_pair){steps_dup(&f->w.steps, BYTES_STR(next)), come};
    if (other)
        st->pairs_in[1] = (struct step_pair){steps_dup(&f->w.steps, BYTES_STR(other)), come};
    return op_run(&f->w);
}

/* In its place, and so out of no reserve. */
static void xattr_changes(struct full *f, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct step *st = op_new(&f->w, "o", STEP_XATTR_SET);

        st->flags = STEP_FREES;
        f->value[0] = (char)('a' + i % 26);
        step_key(&f->w, st, "long", f->value);
        T_OK(op_run(&f->w));
    }
    f->value[0] = 'v';
}

/* Rows for rows, numbers that go up and down: what deletes and collects does it. */
static void what_cannot_grow_passes(struct full *f)
{
    T_EQ(add(f, "not there", 1), -R_STORE_FULL);
    T_EQ(add(f, "numbers", 2), -R_STORE_FULL);
    T_OK(add(f, "numbers", 1));
    T_EQ(exchange(f, "k1", f->value, "m1", NULL, VALUE_BYTES + 1), -R_STORE_FULL);
    T_EQ(exchange(f, "k1", f->value, "longer", NULL, VALUE_BYTES), -R_STORE_FULL);
    T_EQ(exchange(f, "k1", f->value, "m1", "m2", 100), -R_STORE_FULL);  /* two for one */
    T_EQ(exchange(f, "k1", f->value, "k1", "m2", 1000), -R_STORE_FULL); /* it stays */
    T_OK(exchange(f, "k1", f->value, "m1", NULL, VALUE_BYTES));
    T_EQ(exchange(f, "k1", f->value, "m3", NULL, VALUE_BYTES), -R_GUARD_FAILED);
}

static void what_is_told_to_free_is_bounded(bool primary)
{
    struct full *f = calloc(1, sizeof(*f));
    char longer[VALUE_BYTES + 2], shorter[VALUE_BYTES];
    unsigned n, more;

    full_begin(f, primary);
    T_EQ(set_new(f, 0, 0), -R_STORE_FULL);
    xattr_changes(f, 2100);
    world_run(&f->w, 500);
    n = sets_taken(f, 0);
    printf("# %u rows of %u bytes were taken\n", n, VALUE_BYTES);
    T_GT(n, 20);
    T_LT(n, SETS_MAX / 2);
    T_EQ(set_new(f, n, STEP_FREES), -R_STORE_FULL);
    op_new(&f->w, "none", STEP_TRUNCATE)->off = 4096;
    T_EQ(op_run(&f->w), -R_STORE_FULL);

    memset(longer, 'l', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    memset(shorter, 's', sizeof(shorter) - 1);
    shorter[sizeof(shorter) - 1] = 0;
    T_EQ(replace(f, STEP_CMP_OMAP, STEP_OMAP_SET, f->value, longer), -R_STORE_FULL);
    T_OK(replace(f, STEP_CMP_OMAP, STEP_OMAP_SET, f->value, shorter));
    T_EQ(replace(f, STEP_CMP_XATTR, STEP_OMAP_SET, "state 1", "state 2"), -R_STORE_FULL);
    T_EQ(replace(f, STEP_CMP_XATTR, STEP_XATTR_SET, "state 1", "state 10"), -R_STORE_FULL);
    T_OK(replace(f, STEP_CMP_XATTR, STEP_XATTR_SET, "state 1", "state 2"));
    what_cannot_grow_passes(f);
    step_key(&f->w, op_new(&f->w, "o", STEP_OMAP_RM), "k0", NULL);
    T_OK(op_run(&f->w));
    T_OK(rm(&f->w, "o"));

    sim_disk_fault(f->w.osd[f->osd].m, SIM_DISK_FULL, UINT64_MAX);
    world_run(&f->w, 2000);
    T_OK(put_fill(&f->w, "o", 2, 5000));
    sim_disk_fault(f->w.osd[f->osd].m, SIM_DISK_FULL, MIB(1));
    world_run(&f->w, 3000);
    T_EQ(set_new(f, 0, 0), -R_STORE_FULL);
    more = sets_taken(f, 0);
    T_GT(more, 20); /* the count began anew */
    sim_disk_fault(f->w.osd[f->osd].m, SIM_DISK_FULL, UINT64_MAX);
    world_run(&f->w, 2000);
    T_EQ(get_fill(&f->w, "o", 2, 5000), 0);
    copies_equal(&f->w, "o");
    world_fini(&f->w);
    free(f);
}

T(osd_full, a_primary_takes_only_so_much_of_what_is_said_to_free)
{
    what_is_told_to_free_is_bounded(true);
}

T(osd_full, a_member_that_took_enough_of_it_is_spared)
{
    what_is_told_to_free_is_bounded(false);
}
