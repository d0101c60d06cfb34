/* test_store_rot.c - bits flip: in data, tables, journal and superblock, live and before an open.
 *
 * Whatever happens, bytes that are given out are right; damage is said to be damage; and what a
 * salvaged store says it has in a version is what that version was, for that is what other copies
 * are compared with. */
#include "core/store/replay.h"
#include "tests/unit/store/stage.h"

#include <stdio.h>

static void killed(struct stage *st)
{
    sim_process_kill(st->env);
    stage_start_process(st);
}

/* Bits flip in a stopped store: an open must refuse, or everything read is right, or said to be
 * damaged; never wrong. */
static void flip(const char *path, uint64_t seed, uint64_t bytes, uint64_t *out_found)
{
    struct stage st;
    int rc;

    stage_start(&st, seed);
    stage_work(&st, 20);
    if (seed % 2)
        T_OK(stage_close(&st, false));
    killed(&st);
    if (sim_disk_flip(st.m, path, rng_below(&st.rng, bytes), (unsigned)rng_below(&st.rng, 8)) < 0) {
        stage_fini(&st);
        return;
    }
    rc = stage_open(&st);
    if (rc == 0) {
        rc = stage_recovered(&st);
        if (rc == 0)
            rc = stage_check_all(&st);
    }
    if (rc < 0 && rc != -R_CSUM_MISMATCH && rc != -R_STORE_FAILED && rc != -EIO)
        stage_bad(&st, seed, path, rc);
    *out_found += rc < 0;
    stage_fini(&st);
}

T(store_rot, a_flipped_bit_is_never_served)
{
    uint64_t data = 0, journal = 0, super = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        flip("osd/data", 200 + seed, MIB(1), &data);
        flip("osd/superblock", 400 + seed, seed % 2 ? 170 : 4096 + 170, &super);
        if (seed > 30)
            flip("osd/journal", 600 + seed * 2, 200 << 10, &journal);
    }
    printf("found: data %llu, superblock %llu, journal %llu\n", (unsigned long long)data,
           (unsigned long long)super, (unsigned long long)journal);
    T_GE(data, 10);
}

T(store_rot, damage_of_the_last_acknowledged_group_is_not_taken_for_a_torn_tail)
{
    unsigned found = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct stage st;
        int rc;

        stage_start(&st, 700 + seed);
        stage_work(&st, 3);
        sim_run_until(st.sim, sim_now_ns(st.sim) + NS_PER_S, NULL, NULL);
        sim_machine_power_cut(st.m);
        stage_start_process(&st);
        T_OK(sim_disk_flip(st.m, "osd/journal", rng_below(&st.rng, 60000), 1));
        rc = stage_open(&st);
        found += rc == -R_CSUM_MISMATCH;
        if (rc != -R_CSUM_MISMATCH) { /* a byte of padding, or behind the end */
            T_OK(rc);
            if (stage_recovered(&st) < 0)
                stage_bad(&st, seed, "recovered", 0);
        }
        stage_fini(&st);
    }
    T_GE(found, 20);
}

T(store_rot, a_damaged_journal_is_salvaged_when_asked)
{
    unsigned salvaged = 0;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct stage st;

        stage_start(&st, 900 + seed);
        stage_work(&st, 12);
        killed(&st);
        T_OK(sim_disk_flip(st.m, "osd/journal", 100 + seed * 3000, 3));
        if (stage_open(&st) != -R_CSUM_MISMATCH) {
            stage_fini(&st);
            continue;
        }
        st.conf.salvage = true;
        T_OK(stage_open(&st));
        T_TRUE(store_salvaged(st.s));
        salvaged++;
        /* What it has is a prefix of each coll; writing goes on. */
        st.acked[0] = st.acked[1] = st.acked[2] = 0;
        st.in_doubt = true;
        T_OK(stage_recovered(&st));
        T_OK(stage_check_all(&st));
        stage_work(&st, 5);
        T_OK(stage_check_all(&st));
        T_OK(stage_close(&st, false));
        T_OK(stage_fsck(&st));
        T_EQ(st.problems, 0);
        stage_fini(&st);
    }
    T_GE(salvaged, 3);
}

/* --- the superblock --- */

static const struct {
    const char *path;
    uint64_t at;
} places[] = {{"osd/superblock", 0}, {"osd/superblock", 4096}, {"osd/data", 0}};

static void flip_place(struct stage *st, unsigned place)
{
    uint64_t byte = places[place].at + rng_below(&st->rng, 100);

    T_OK(sim_disk_flip(st->m, places[place].path, byte, (unsigned)rng_below(&st->rng, 8)));
}

/* Flips in any places but one, in a store that runs or one that does not. */
static void superblocks_lost(uint64_t seed, unsigned keep, bool live, bool clean)
{
    struct stage st;
    int rc;

    stage_start(&st, seed);
    stage_work(&st, 6 + (unsigned)(seed % 20));
    if (clean)
        T_OK(stage_close(&st, false));
    if (!live)
        killed(&st);
    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        if (i != keep)
            flip_place(&st, i);
    if (live)
        killed(&st);
    rc = stage_open(&st);
    if (rc == -R_CSUM_MISMATCH && keep < 2) { /* the older slot: the journal says that it is */
        st.conf.salvage = true;
        rc = stage_open(&st);
        if (rc < 0 || !store_salvaged(st.s))
            stage_bad(&st, keep, "an old superblock was believed", rc);
        stage_fini(&st);
        return;
    }
    if (rc == 0)
        rc = stage_recovered(&st);
    if (rc == 0)
        rc = stage_check_all(&st);
    if (rc < 0)
        stage_bad(&st, keep, "open with one superblock", rc);
    T_FALSE(store_salvaged(st.s));
    T_EQ(store_mended(st.s), 1);
    T_OK(stage_close(&st, false));
    T_OK(stage_fsck(&st));
    T_EQ(st.problems, 0);
    T_OK(stage_open(&st));
    T_EQ(store_mended(st.s), 0);
    stage_fini(&st);
}

T(store_rot, one_superblock_of_three_is_enough)
{
    for (uint64_t seed = 1; seed <= 72; seed++)
        superblocks_lost(seed, (unsigned)(seed % 3), seed / 3 % 2, seed / 6 % 2);
}

T(store_rot, flips_in_any_one_superblock_cost_nothing)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct stage st;

        stage_start(&st, 1000 + seed);
        stage_work(&st, 10);
        if (seed % 2)
            T_OK(stage_close(&st, false));
        killed(&st);
        flip_place(&st, (unsigned)(seed % 3));
        T_OK(stage_open(&st));
        T_FALSE(store_salvaged(st.s));
        T_OK(stage_recovered(&st));
        T_OK(stage_check_all(&st));
        stage_fini(&st);
    }
}

T(store_rot, a_store_without_any_superblock_is_refused)
{
    struct stage st;

    stage_start(&st, 5);
    stage_work(&st, 10);
    killed(&st);
    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        flip_place(&st, i);
    T_EQ(stage_open(&st), -R_CSUM_MISMATCH);
    st.conf.salvage = true;
    T_EQ(stage_open(&st), -R_CSUM_MISMATCH);
    stage_fini(&st);
}

/* --- the end of the journal --- */

struct groups {
    struct stage *st;
    uint64_t pos[64]; /* in the ring */
    uint32_t count;
};

static void find_groups(void *arg)
{
    struct groups *g = arg;
    struct disk_conf conf = {.read_only = true};
    struct disk *sb_disk = NULL, *journal = NULL;
    struct superblock sb;
    struct journal_scan sc = {.sb = &sb};
    struct note why = {{0}};
    uint32_t slot, bad_places;

    T_OK(disk_open(g->st->env, "osd/superblock", &conf, &sb_disk, &why));
    T_OK(disk_open(g->st->env, "osd/journal", &conf, &journal, &why));
    T_OK(superblock_load(sb_disk, NULL, &sb, &slot, &bad_places));
    sc.disk = journal;
    T_OK(journal_scan(&sc));
    for (g->count = 0; g->count < MIN(sc.groups.n, (uint32_t)ARRAY_LEN(g->pos)); g->count++)
        g->pos[g->count] = ((uint64_t *)sc.groups.at)[g->count] % sb.journal_blocks;
    journal_scan_fini(&sc);
    disk_close(journal);
    disk_close(sb_disk);
}

/* Records of the last groups rot, all of them: the heads still tell that they were there. */
T(store_rot, rotten_records_are_not_the_end_of_the_journal)
{
    unsigned tried = 0;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct groups g;
        struct stage st;

        stage_start(&st, 1500 + seed);
        stage_work(&st, 8);
        killed(&st);
        g.st = &st;
        sim_enter(st.env, find_groups, &g);
        if (g.count > 2) {
            tried++;
            for (uint32_t i = g.count - 2; i < g.count; i++)
                T_OK(sim_disk_flip(st.m, "osd/journal", g.pos[i] * DISK_BLOCK + 90, 2));
            T_EQ(stage_open(&st), -R_CSUM_MISMATCH);
        }
        stage_fini(&st);
    }
    T_GE(tried, 20);
}

/* --- damaged tables --- */

/* What a caller of a salvaged store does with objects that cannot be read: it makes them anew
 * (here: deletes them).  Returns how many. */
static unsigned refill(struct stage *st)
{
    unsigned bad_objects = 0;

    for (unsigned c = 0; c < STAGE_COLLS; c++)
        for (unsigned i = 0; i < STAGE_OBJECTS; i++) {
            int rc = stage_read_object(st, c, i);

            T_TRUE(rc == 0 || rc == -R_CSUM_MISMATCH);
            if (rc == 0)
                continue;
            T_OK(stage_delete(st, c, i));
            bad_objects++;
        }
    return bad_objects;
}

/* Objects that other copies would count as equal.  Returns how many. */
static unsigned trusted_are_right(struct stage *st)
{
    unsigned trusted = 0;

    for (unsigned c = 0; c < STAGE_COLLS; c++)
        for (unsigned i = 0; i < STAGE_OBJECTS; i++) {
            int rc = stage_same_version(st, c, i) ? stage_check_object(st, c, i) : -ESTALE;

            if (rc < 0 && rc != -ESTALE)
                stage_bad(st, c * 100 + i, "an object in doubt kept its version", rc);
            trusted += rc == 0;
        }
    return trusted;
}

struct damage {
    unsigned refused, live, salvaged, lost, trusted;
};

static void damage_tables(uint64_t seed, struct damage *d)
{
    struct stage st;
    bool live = seed % 2;
    int rc;

    stage_start(&st, seed);
    stage_work(&st, 20);
    T_OK(stage_close(&st, false));
    if (live)
        T_OK(stage_open(&st)); /* with a cache of next to nothing */
    for (unsigned i = 0; i <= seed % 3; i++)
        (void)sim_disk_flip(st.m, "osd/kv", rng_below(&st.rng, 6000), 3);
    rc = live ? 0 : stage_open(&st);
    d->refused += rc < 0;
    if (rc == 0) { /* not met yet: right, or said to be damaged, or the store stops */
        rc = stage_check_all(&st);
        if (rc < 0 && rc != -R_CSUM_MISMATCH && rc != -R_STORE_FAILED)
            stage_bad(&st, seed, "damage was served", rc);
        sim_run_until(st.sim, sim_now_ns(st.sim) + NS_PER_MS, NULL, NULL);
        d->live += st.failed;
    } else if (rc != -R_CSUM_MISMATCH) {
        stage_bad(&st, seed, "open of a damaged store", rc);
    }
    if (st.s)
        (void)stage_close(&st, true); /* a store that stopped notes why */
    killed(&st);
    st.conf.salvage = true;
    rc = stage_open(&st);
    if (rc < 0)
        stage_bad(&st, seed, "salvage", rc);
    if (store_salvaged(st.s)) {
        d->salvaged++;
        d->trusted += trusted_are_right(&st);
        d->lost += refill(&st);
        T_FALSE(st.failed);
        if (seed % 4 < 2) { /* until the caller has noted it, every open says so */
            killed(&st);
            st.conf.salvage = false;
            T_OK(stage_open(&st));
            T_TRUE(store_salvaged(st.s));
        }
        T_OK(stage_salvage_over(&st));
    }
    T_OK(stage_close(&st, false));
    rc = stage_fsck(&st);
    if (rc < 0 || st.problems)
        stage_bad(&st, seed, "fsck after salvage and refill", rc);
    st.conf.salvage = false;
    T_OK(stage_open(&st));
    T_FALSE(store_salvaged(st.s));
    T_EQ(refill(&st), 0);
    stage_fini(&st);
}

T(store_rot, damaged_tables_are_salvaged_and_clean_after_the_refill)
{
    struct damage d = {0};

    for (uint64_t seed = 5001; seed <= 5080; seed++)
        damage_tables(seed, &d);
    printf("refused at open %u, stopped while running %u, salvaged %u, objects damaged %u, "
           "kept %u\n",
           d.refused, d.live, d.salvaged, d.lost, d.trusted);
    T_GE(d.refused, 10);
    T_GE(d.live, 5);
    T_GE(d.salvaged, 50);
    T_GE(d.lost, 10);
    T_GE(d.trusted, 10);
}
