/* test_past_intervals.c - which intervals count, and whom a new one has to hear. */
#include "core/osd/past_intervals.h"
#include "tests/unit/t.h"

static const struct pgid pg = {{1}, 0};

struct history {
    struct osdmap *map; /* the newest */
    struct past_intervals past;
};

static void begin(struct history *h, unsigned osds, uint8_t size_min)
{
    static const uint8_t fsid[16] = {1};
    struct pool p = {.id = {1}, .name = "p", .size = 3, .size_min = size_min, .pg_count = 1};

    p.created.v = 1;
    h->past = (struct past_intervals){0};
    h->map = osdmap_create(fsid);
    T_TRUE(h->map != NULL);
    T_OK(osdmap_osds_grow(h->map, osds));
    for (unsigned i = 0; i < osds; i++) {
        char host[8];

        (void)snprintf(host, sizeof(host), "h%u", i % 100);
        h->map->osds[i].state = OSD_EXISTS | OSD_UP;
        h->map->osds[i].weight = OSD_WEIGHT_IN;
        T_OK(osdmap_crush_add(h->map, (struct osd_id){(int)i}, host, "", OSD_WEIGHT_IN));
    }
    T_OK(osdmap_pool_set(h->map, &p));
    h->map->epoch.v = 1;
    T_OK(osdmap_seal(h->map));
    past_intervals_begin(&h->past, h->map);
}

static struct osdmap *next(const struct history *h)
{
    struct osdmap *m = osdmap_clone(h->map);

    T_TRUE(m != NULL);
    m->epoch.v++;
    return m;
}

static int walk(struct history *h, struct osdmap *m)
{
    int rc;

    T_OK(osdmap_seal(m));
    rc = past_intervals_walk(&h->past, pg, h->map, m);
    T_OK(rc);
    osdmap_unref(h->map);
    h->map = m;
    return rc;
}

/* A new interval with these acting members; `up_thru`: its primary becomes able to write. */
static void interval(struct history *h, const int *ids, unsigned count, bool up_thru)
{
    struct osd_set acting = {.count = (uint8_t)count};
    struct osdmap *m = next(h);

    for (unsigned i = 0; i < count; i++)
        acting.osd[i].v = ids[i];
    T_OK(osdmap_temp_set(m, pg, &acting));
    T_EQ(walk(h, m), 1);
    if (!up_thru)
        return;
    m = next(h);
    m->osds[ids[0]].up_thru = h->map->epoch;
    T_EQ(walk(h, m), 0);
}

static void end(struct history *h)
{
    past_intervals_fini(&h->past);
    osdmap_unref(h->map);
}

T(past_intervals, keeps_those_that_could_have_taken_writes)
{
    struct history h;

    begin(&h, 6, 2);
    interval(&h, (int[]){0, 1, 2}, 3, true);
    interval(&h, (int[]){1, 2, 3}, 3, false); /* no up_thru */
    interval(&h, (int[]){3}, 1, true);        /* fewer than size_min */
    interval(&h, (int[]){4, 5}, 2, true);
    T_EQ(h.past.count, 1);
    T_EQ(h.past.row[0].first.v, 2);
    T_EQ(h.past.row[0].last.v, 3);
    T_EQ(h.past.row[0].primary.v, 0);
    interval(&h, (int[]){0, 4}, 2, false);
    T_EQ(h.past.count, 2);
    T_EQ(h.past.row[1].primary.v, 4);
    T_EQ(h.past.first.v, h.map->epoch.v);
    end(&h);
}

T(past_intervals, up_thru_of_an_earlier_interval_does_not_count)
{
    struct history h;

    begin(&h, 6, 2);
    interval(&h, (int[]){0, 1, 2}, 3, true);
    interval(&h, (int[]){0, 1}, 2, false); /* up_thru is 2, this one begins later */
    interval(&h, (int[]){4, 5}, 2, false);
    T_EQ(h.past.count, 1);
    T_EQ(h.past.row[0].acting.count, 3);
    end(&h);
}

T(past_intervals, another_incarnation_of_a_member_begins_a_new_one)
{
    struct history h;
    struct osdmap *m;

    begin(&h, 4, 2);
    interval(&h, (int[]){0, 1, 2}, 3, true);
    m = next(&h);
    m->osds[1].up_from = m->epoch;
    T_EQ(walk(&h, m), 1);
    m = next(&h);
    m->osds[3].up_from = m->epoch;
    T_EQ(walk(&h, m), osd_set_has(&h.past.row[0].up, (struct osd_id){3}));
    end(&h);
}

T(past_intervals, a_later_one_that_asks_for_more_replaces_an_earlier)
{
    struct history h;

    begin(&h, 6, 1);
    interval(&h, (int[]){0, 1, 2}, 3, true);
    interval(&h, (int[]){0, 1}, 2, true);
    interval(&h, (int[]){1, 0}, 2, true); /* another primary: its leases are its own */
    interval(&h, (int[]){4}, 1, false);
    T_EQ(h.past.count, 2);
    T_EQ(h.past.row[0].acting.count, 2);
    past_intervals_prune(&h.past, h.past.row[1].first);
    T_EQ(h.past.count, 1);
    T_EQ(h.past.row[0].primary.v, 1);
    end(&h);
}

T(past_intervals, row_codec_gives_back_what_it_got)
{
    struct pg_info info = {.pg = {{1}, 0}, .created = {1}, .les = {7}, .last_clean = {3}}, got;
    struct past_intervals past;
    AUTO(writer) w = {0};
    struct history h;
    struct cursor c;

    begin(&h, 6, 1);
    interval(&h, (int[]){0, 1, 2}, 3, true);
    interval(&h, (int[]){3, 4}, 2, true);
    interval(&h, (int[]){5}, 1, false);
    pg_info_row_encode(&info, &h.past, &w);
    T_EQ(w.rc, 0);
    for (size_t cut = 0; cut < w.len; cut++) {
        c = cur_over(w.data, cut);
        T_LT(pg_info_row_decode(&c, &got, &past), 0);
    }
    c = cur_over(w.data, w.len);
    T_OK(pg_info_row_decode(&c, &got, &past));
    T_EQ(got.les.v, 7);
    T_EQ(past.count, 2);
    T_EQ(past.first.v, h.past.first.v);
    T_EQ(past.newest.v, h.past.newest.v);
    T_TRUE(osd_set_equal(&past.row[1].acting, &h.past.row[1].acting));
    past_intervals_fini(&past);
    end(&h);
}

/* ---- judging: intervals {0,1,2} then {1,2}, size_min 1, both able to write ---- */

static struct past_answer answers[6];

static struct past_answer told(void *arg, struct osd_id id)
{
    (void)arg;
    return answers[id.v];
}

static enum past_verdict judge(const struct history *h, uint32_t les_max, int *out_blocking)
{
    struct osd_id blocking = OSD_NONE;
    enum past_verdict v =
        past_intervals_judge(&h->past, h->map, (struct epoch){les_max}, told, NULL, &blocking);

    *out_blocking = blocking.v;
    return v;
}

static void two_intervals(struct history *h)
{
    memset(answers, 0, sizeof(answers));
    begin(h, 6, 1);
    interval(h, (int[]){0, 1, 2}, 3, true); /* 2..3 */
    interval(h, (int[]){1, 2}, 2, true);    /* 4..5 */
    interval(h, (int[]){5}, 1, false);
}

static void goes_down(struct history *h, int id)
{
    struct osdmap *m = next(h);

    m->osds[id].state = OSD_EXISTS;
    (void)walk(h, m);
}

T(past_intervals, waits_for_members_that_are_up_and_is_down_without_those_that_are_not)
{
    struct history h;
    int blocking;

    two_intervals(&h);
    T_EQ(judge(&h, 0, &blocking), PAST_WAIT);
    goes_down(&h, 1);
    T_EQ(judge(&h, 0, &blocking), PAST_WAIT);
    T_EQ(blocking, 2);
    goes_down(&h, 2);
    answers[0] = (struct past_answer){.answered = true, .usable = true, .les = {2}};
    T_EQ(judge(&h, 2, &blocking), PAST_DOWN); /* osd.0 was not in the second interval */
    T_EQ(blocking, 2);
    answers[1] = (struct past_answer){.answered = true, .usable = true, .les = {4}};
    T_EQ(judge(&h, 4, &blocking), PAST_SATISFIED);
    end(&h);
}

T(past_intervals, a_member_that_never_recorded_it_proves_that_it_never_was_active)
{
    struct history h;
    int blocking;

    two_intervals(&h);
    goes_down(&h, 1);
    goes_down(&h, 0);
    answers[2] = (struct past_answer){.answered = true}; /* no copy */
    T_EQ(judge(&h, 0, &blocking), PAST_SATISFIED);
    answers[2].salvaged = true; /* what a damaged store says proves nothing */
    T_EQ(judge(&h, 0, &blocking), PAST_DOWN);
    answers[2] =
        (struct past_answer){.answered = true, .les = {4}}; /* was active, is incomplete now */
    T_EQ(judge(&h, 0, &blocking), PAST_DOWN);
    answers[2].les.v = 3; /* activated in the first one only */
    T_EQ(judge(&h, 0, &blocking), PAST_DOWN);
    end(&h);
}

T(past_intervals, a_copy_activated_later_answers_for_all_before)
{
    struct history h;
    int blocking;

    two_intervals(&h);
    goes_down(&h, 0);
    goes_down(&h, 1);
    goes_down(&h, 2);
    T_EQ(judge(&h, 4, &blocking), PAST_DOWN);
    T_EQ(judge(&h, 6, &blocking), PAST_SATISFIED);
    end(&h);
}

T(past_intervals, lost_counts_only_when_declared_afterwards)
{
    struct osdmap *m;
    struct history h;
    int blocking;

    two_intervals(&h);
    goes_down(&h, 1);
    goes_down(&h, 2);
    answers[0] = (struct past_answer){.answered = true, .usable = true, .les = {2}};
    m = next(&h);
    m->osds[1].lost_at.v = 5;
    m->osds[2].lost_at.v = m->epoch.v;
    T_EQ(walk(&h, m), 0);
    T_EQ(judge(&h, 2, &blocking), PAST_DOWN);
    T_EQ(blocking, 1);
    m = next(&h);
    m->osds[1].lost_at.v = 6;
    T_EQ(walk(&h, m), 0);
    T_EQ(judge(&h, 2, &blocking), PAST_SATISFIED);
    end(&h);
}

T(past_intervals, asks_members_that_are_up_once)
{
    struct osd_id ids[8];
    struct history h;

    two_intervals(&h);
    T_EQ(past_intervals_ask(&h.past, h.map, ids, 8), 3);
    T_EQ(ids[0].v, 0);
    T_EQ(ids[2].v, 2);
    goes_down(&h, 1);
    T_EQ(past_intervals_ask(&h.past, h.map, ids, 8), 2);
    end(&h);
}
