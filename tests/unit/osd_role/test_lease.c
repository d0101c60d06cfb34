/* test_lease.c - grants between two OSDs, and promises that a new primary waits out. */
#include "core/osd/lease.h"

#include "core/base/base.h"
#include "tests/unit/t.h"

enum { PPM = 1000 };

static const struct epoch e5 = {5}, e6 = {6};

T(lease, a_grant_counts_from_the_question_and_ends_before_the_promise)
{
    struct lease l = {0};
    uint64_t sent = 100 * NS_PER_S;

    lease_take(&l, sent, 1500, e5, e5, PPM);
    T_TRUE(lease_usable(&l, sent + 1400 * NS_PER_MS));
    /* The granter's clock may be faster than ours by twice the drift. */
    T_FALSE(lease_usable(&l, sent + 1500 * NS_PER_MS - 3 * NS_PER_MS));
    lease_take(&l, sent + NS_PER_S, 0, e5, e5, PPM); /* none granted */
    T_FALSE(lease_usable(&l, sent + 2 * NS_PER_S));
    lease_drop(&l);
    T_FALSE(lease_usable(&l, sent));
}

T(lease, a_grant_of_a_newer_map_waits_for_that_map)
{
    struct lease l = {0};
    uint64_t sent = 100 * NS_PER_S;

    lease_take(&l, sent, 1500, e6, e5, PPM);
    T_FALSE(lease_usable(&l, sent + 1));
    lease_map(&l, e5);
    T_FALSE(lease_usable(&l, sent + 1));
    lease_map(&l, e6);
    T_TRUE(lease_usable(&l, sent + 1));
}

T(lease, an_older_grant_does_not_shorten_a_newer_one)
{
    struct lease l = {0};
    uint64_t sent = 100 * NS_PER_S;

    lease_take(&l, sent + NS_PER_S, 1500, e5, e5, PPM);
    lease_take(&l, sent, 1500, e5, e5, PPM);
    T_TRUE(lease_usable(&l, sent + 2 * NS_PER_S));
}

T(lease, promises_are_kept_until_the_longest_of_each_ends)
{
    struct lease_holds h = {0};
    uint64_t now = 100 * NS_PER_S;

    lease_hold(&h, (struct osd_id){1}, e5, now + 10, now);
    lease_hold(&h, (struct osd_id){1}, e6, now + 5, now);
    T_EQ(h.count, 1);
    T_EQ(h.row[0].until_ns, now + 10);
    T_EQ(h.row[0].last.v, 6);
    lease_hold(&h, (struct osd_id){2}, e5, now, now); /* over already */
    T_EQ(h.count, 1);
    for (int32_t i = 0; i < LEASE_HOLDS_MAX + 5; i++)
        lease_hold(&h, (struct osd_id){i}, e5, now + 100 + (uint64_t)i, now + 20);
    T_EQ(h.count, LEASE_HOLDS_MAX);
    /* What had no row of its own is nobody's, and ends last. */
    T_EQ(h.row[LEASE_HOLDS_MAX - 1].osd.v, -1);
    T_EQ(h.row[LEASE_HOLDS_MAX - 1].until_ns, now + 100 + LEASE_HOLDS_MAX + 4);
    lease_hold(&h, (struct osd_id){9}, e5, now + 5000, now + 1000);
    T_EQ(h.count, 1);
}

static bool is_void(void *arg, const struct lease_hold_row *row)
{
    return row->osd.v == *(const int32_t *)arg;
}

T(lease, promises_to_two_name_neither_of_them)
{
    struct lease_holds h = {0};
    struct osd_id of = {7};
    int32_t gone = 1;

    T_EQ(lease_holds_left(&h, 100, is_void, &gone, &of), 0);
    lease_hold(&h, (struct osd_id){1}, e5, 150, 100);
    T_EQ(lease_holds_left(&h, 100, is_void, &gone, &of), 0);
    gone = 9;
    T_EQ(lease_holds_left(&h, 100, is_void, &gone, &of), 50);
    T_EQ(of.v, 1);
    lease_hold(&h, (struct osd_id){2}, e5, 120, 100);
    T_EQ(lease_holds_left(&h, 100, is_void, &gone, &of), 50);
    T_EQ(of.v, -1);
    T_EQ(lease_holds_left(&h, 120, is_void, &gone, &of), 30); /* the other's has ended */
    T_EQ(of.v, 1);
}
