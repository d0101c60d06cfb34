/* test_moves.c - a range that moves from shard to shard: the steps, as rows. */
#include "s3/bucket/shard_move.h"
#include "tests/unit/t.h"

static const struct uuid token_a = {{1}}, token_b = {{2}};

/* A source and its neighbour, and how far their move has got. */
struct pair {
    struct shard_row s, d;
    bool made; /* d is there */
    struct move_range range;
};
static const struct shard_count some = {3, 4, 5};

static void split_begin(struct pair *p)
{
    *p = (struct pair){.s = {.no = 1, .state = SHARD_OPEN, .generation = 1, .to = BYTES_STR("t")},
                       .d = {.no = 2, .state = SHARD_EMPTY, .to = BYTES_STR("t"), .next = 9},
                       .range = {token_a, BYTES_STR("m"), BYTES_STR("t")}};
    p->s.next = 9;
}

static void merge_begin(struct pair *p)
{
    *p = (struct pair){
        .s = {.no = 1, .state = SHARD_OPEN, .from = BYTES_STR("m"), .mapped = MAPPED_FROM},
        .d = {.no = 2, .state = SHARD_OPEN, .to = BYTES_STR("m"), .next = 1},
        .made = true,
        .range = {token_a, BYTES_STR("m"), {0}}};
}

/* As the mover does, `steps` of them. */
static void move_steps(struct pair *p, unsigned steps)
{
    struct shard_row next;

    for (unsigned i = 0; i < steps; i++) {
        switch (i) {
        case 0:
            T_OK(move_prepare(&p->d, &p->range, p->s.no, &next));
            p->d = next;
            p->made = true;
            break;
        case 1:
            T_OK(move_announce(&p->s, &p->range, p->d.no, &next));
            p->s = next;
            break;
        case 2:
            T_OK(move_mark(&p->s, 60, &next));
            p->s = next;
            break;
        case 3:
            T_OK(move_complete(&p->d, &some, &next));
            p->d = next;
            break;
        case 4:
            T_OK(move_flip(&p->s, &some, &next));
            p->s = next;
            break;
        case 5:
            T_OK(move_adopt(&p->d, &p->s, &next));
            p->d = next;
            break;
        default:
            move_end(&p->s, &next);
            p->s = next;
            break;
        }
    }
}

/* As settle.c does, from one side. */
static void settle_pair(struct pair *p, bool from_source)
{
    struct shard_row *mine = from_source ? &p->s : &p->d, *peer = from_source ? &p->d : &p->s, next;
    const struct shard_row *seen = !from_source || p->made ? peer : NULL;

    for (unsigned i = 0; i < 10; i++) {
        switch (move_judge(mine, true, seen, true)) {
        case SETTLE_NOTHING:
            return;
        case SETTLE_UNMARK:
        case SETTLE_CLEAR:
        case SETTLE_FINISH:
            move_end(mine, &next);
            *mine = next;
            break;
        case SETTLE_UNMARK_PEER:
            move_end(peer, &next);
            *peer = next;
            break;
        case SETTLE_ADOPT:
            T_OK(move_adopt(mine, peer, &next));
            *mine = next;
            break;
        case SETTLE_ADOPT_PEER:
            T_OK(move_adopt(peer, mine, &next));
            *peer = next;
            break;
        default:
            T_FAIL("nothing is left to ask or to wait for");
        }
    }
    T_FAIL("it does not end");
}

static bool here(const struct shard_row *r, const char *key)
{
    return shard_route(r, BYTES_STR(key), true) == ROUTE_HERE;
}

T(shard_move, left_at_any_step_ends_with_one_owner_for_each_key)
{
    static const char *const keys[] = {"a", "lz", "m", "n", "s", "zz"};

    for (unsigned merge = 0; merge < 2; merge++)
        for (unsigned steps = 0; steps <= 7; steps++)
            for (unsigned first = 0; first < 2; first++) {
                struct pair p;

                if (merge)
                    merge_begin(&p);
                else
                    split_begin(&p);
                move_steps(&p, steps);
                if (p.made || first)
                    settle_pair(&p, first);
                settle_pair(&p, true);
                if (p.made)
                    settle_pair(&p, false);
                T_EQ(p.s.move, MOVE_NONE);
                T_EQ(p.d.move, MOVE_NONE);
                for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
                    T_EQ(here(&p.s, keys[i]) + here(&p.d, keys[i]),
                         merge || strcmp(keys[i], "t") < 0);
                T_EQ(here(&p.d, "n"), steps > 4); /* the flip decides */
            }
}

T(shard_move, a_split_leaves_two_neighbours_and_a_merge_one_shard)
{
    struct pair p;

    split_begin(&p);
    move_steps(&p, 7);
    T_EQ(p.s.next, 2);
    T_EQ(p.d.next, 9);
    T_TRUE(bytes_equal(p.s.to, p.d.from) && bytes_equal(p.d.to, BYTES_STR("t")));
    T_EQ(p.d.mapped, MAPPED_NOT);
    merge_begin(&p);
    p.s.to = BYTES_STR("x");
    p.s.next = 7;
    p.range.hi = BYTES_STR("p"); /* a part of it first */
    move_steps(&p, 7);
    T_TRUE(bytes_equal(p.s.from, BYTES_STR("p")) && bytes_equal(p.d.to, BYTES_STR("p")));
    T_EQ(p.d.next, 1);
    T_EQ(p.s.mapped, MAPPED_OTHER);
    T_TRUE(bytes_equal(p.s.mapped_from, BYTES_STR("m")));
    p.range = (struct move_range){token_b, BYTES_STR("p"), BYTES_STR("x")};
    move_steps(&p, 7);
    T_EQ(p.s.state, SHARD_EMPTY);
    T_EQ(p.d.next, 7);
    T_TRUE(bytes_equal(p.d.to, BYTES_STR("x")));
    T_TRUE(bytes_equal(p.s.mapped_from, BYTES_STR("m")));
}

T(shard_move, steps_out_of_place_are_refused)
{
    struct shard_row next;
    struct pair p;

    split_begin(&p);
    T_LT(move_mark(&p.s, 60, &next), 0); /* not announced */
    move_steps(&p, 2);
    T_LT(move_flip(&p.s, &some, &next), 0); /* not marked */
    split_begin(&p);
    move_steps(&p, 3);
    T_LT(move_announce(&p.s, &p.range, 2, &next), 0); /* marked already */
    T_LT(move_prepare(&p.d, &p.range, 1, &next), 0);  /* prepared already */
    T_LT(move_adopt(&p.d, &p.s, &next), 0);           /* not given */
    move_steps(&p, 0);
    T_OK(move_flip(&p.s, &some, &next));
    T_LT(move_adopt(&p.d, &next, &p.s), 0); /* not complete */
    split_begin(&p);
    p.s.state = SHARD_CLOSED;
    T_LT(move_announce(&p.s, &p.range, 2, &next), 0);
    split_begin(&p);
    p.range.hi = BYTES_STR("s"); /* not where they meet */
    T_LT(move_announce(&p.s, &p.range, 2, &next), 0);
    T_LT(move_prepare(&p.d, &p.range, 1, &next), 0);
    merge_begin(&p);
    p.range = (struct move_range){token_a, BYTES_STR("n"), BYTES_STR("o")};
    T_LT(move_announce(&p.s, &p.range, 2, &next), 0);
    T_LT(move_prepare(&p.d, &p.range, 1, &next), 0);
}

T(shard_move, a_range_on_its_way_is_read_at_its_source_and_written_nowhere)
{
    struct pair p;

    split_begin(&p);
    move_steps(&p, 2);
    T_EQ(shard_route(&p.s, BYTES_STR("n"), true), ROUTE_HERE); /* announced: as ever */
    T_EQ(move_judge(&p.d, true, &p.s, false), SETTLE_WAIT);
    T_EQ(move_judge(&p.s, false, NULL, false), SETTLE_WAIT);
    T_EQ(move_judge(&p.s, false, NULL, true), SETTLE_UNMARK);
    split_begin(&p);
    move_steps(&p, 4);
    T_EQ(shard_route(&p.s, BYTES_STR("n"), true), ROUTE_WAIT);
    T_EQ(shard_route(&p.s, BYTES_STR("n"), false), ROUTE_HERE);
    T_EQ(shard_route(&p.s, BYTES_STR("a"), true), ROUTE_HERE);
    T_EQ(shard_route(&p.d, BYTES_STR("n"), false), ROUTE_SETTLE);
    T_EQ(move_judge(&p.d, false, NULL, false), SETTLE_ASK);
    T_EQ(move_judge(&p.d, true, &p.s, false), SETTLE_WAIT);
    T_EQ(move_judge(&p.s, false, NULL, false), SETTLE_WAIT);
    move_steps(&p, 0);
    T_EQ(shard_route(&p.s, BYTES_STR("t"), false), ROUTE_RIGHT);
    T_EQ(shard_route(&p.d, BYTES_STR("a"), false), ROUTE_LEFT);
    p.s.m.token = token_b; /* another move of its source: these copies are nobody's */
    T_EQ(move_judge(&p.d, true, &p.s, false), SETTLE_CLEAR);
}
