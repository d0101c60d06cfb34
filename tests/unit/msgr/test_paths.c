/* test_paths.c - what every kind of path must do alike: one body, five worlds. */
#include "tests/unit/msgr/world.h"
#include "tests/unit/t.h"

static void main_of(enum world_kind kind, void (*body)(struct world *w))
{
    struct world w;

    world_init(&w, kind, 1);
    body(&w);
    world_fini(&w);
}

#define ON_EACH_PATH(name)                                                                         \
    T(msgr_sim, name)                                                                              \
    {                                                                                              \
        main_of(WORLD_SIM, name);                                                                  \
    }                                                                                              \
    T(msgr_hub, name)                                                                              \
    {                                                                                              \
        main_of(WORLD_HUB, name);                                                                  \
    }                                                                                              \
    T(msgr_codecs, name)                                                                           \
    {                                                                                              \
        main_of(WORLD_CODECS, name);                                                               \
    }                                                                                              \
    T(msgr_real, name)                                                                             \
    {                                                                                              \
        main_of(WORLD_REAL, name);                                                                 \
    }                                                                                              \
    T(msgr_threads, name)                                                                          \
    {                                                                                              \
        main_of(WORLD_THREADS, name);                                                              \
    }

static void both(struct world *w)
{
    world_start(w, &w->b, true);
    world_start(w, &w->a, false);
    T_OK(world_open(w, NULL));
}

static void messages_arrive_whole_and_in_order_both_ways(struct world *w)
{
    static const struct {
        uint32_t count, pad, data_bytes;
    } rows[] = {{500, 0, 0},       {200, 100, 4096}, {50, 20000, 1}, {20, 7, 300000},
                {1, 200000, 5000}, {3, 0, 4 << 20},  {500, 3, 16}};

    both(w);
    world_send(w, &w->a, 1, 0, 0);
    T_TRUE(world_got(w, &w->b, 1, 5000));
    T_CASES (row, rows) {
        world_send(w, &w->a, row->count, row->pad, row->data_bytes);
        world_send(w, &w->b, row->count, row->pad, row->data_bytes);
    }
    T_TRUE(world_got(w, &w->b, w->a.sent, 20000));
    T_TRUE(world_got(w, &w->a, w->b.sent, 20000));
    world_sleep(w, 20);
    T_EQ(w->b.got, w->a.sent);
    T_EQ(w->a.got, w->b.sent);
    T_EQ(w->b.opened, 1);
    T_EQ(session_peer(w->a.out)->id, 2);
    T_EQ(session_peer(w->b.in)->instance, w->a.self.instance);
}
ON_EACH_PATH(messages_arrive_whole_and_in_order_both_ways)

static bool queue_is_empty(void *arg)
{
    return session_queued_bytes(((struct node *)arg)->out) == 0;
}

static void a_queue_is_empty_once_all_was_delivered(struct world *w)
{
    both(w);
    world_send(w, &w->a, 10, 10, 1000);
    T_TRUE(world_wait(w, &w->a, queue_is_empty, &w->a, 5000));
    T_TRUE(world_got(w, &w->b, 10, 0));
}
ON_EACH_PATH(a_queue_is_empty_once_all_was_delivered)

static void close_out(void *arg)
{
    session_close(((struct node *)arg)->out);
}

static void close_in(void *arg)
{
    session_close(((struct node *)arg)->in);
}

static void closing_resets_the_other_end_once_and_not_ours(struct world *w)
{
    both(w);
    world_send(w, &w->a, 5, 0, 100);
    T_TRUE(world_got(w, &w->b, 5, 5000));
    world_do(w, &w->a, close_out, &w->a);
    T_TRUE(world_resets(w, &w->b, 1, 5000));
    world_sleep(w, 50);
    T_EQ(w->b.resets, 1);
    T_EQ(w->b.why, -R_SESSION_RESET);
    T_EQ(w->a.resets, 0);
    world_send(w, &w->a, 5, 0, 100); /* dropped in silence */
    world_sleep(w, 20);
    T_EQ(w->b.got, 5);
}
ON_EACH_PATH(closing_resets_the_other_end_once_and_not_ours)

static void a_listener_may_close_a_session_too(struct world *w)
{
    both(w);
    world_send(w, &w->a, 1, 0, 0);
    T_TRUE(world_got(w, &w->b, 1, 5000));
    world_do(w, &w->b, close_in, &w->b);
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    world_sleep(w, 50);
    T_EQ(w->a.resets, 1);
    T_EQ(w->a.why, -R_SESSION_RESET);
    T_EQ(w->b.resets, 0);
}
ON_EACH_PATH(a_listener_may_close_a_session_too)

static void drop_out(void *arg)
{
    struct node *n = arg;

    session_unref(n->out);
    n->out = NULL;
    n->got = n->sent = 0;
}

static void a_new_instance_at_the_old_address_is_a_new_peer(struct world *w)
{
    uint64_t first;

    both(w);
    world_send(w, &w->a, 5, 0, 100);
    T_TRUE(world_got(w, &w->b, 5, 5000));
    first = w->b.self.instance;
    world_stop(w, &w->b);
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    T_EQ(w->a.why, -R_SESSION_RESET);
    w->b.got = 0;
    world_start(w, &w->b, true);
    world_do(w, &w->a, drop_out, &w->a);
    T_OK(world_open(w, NULL));
    world_send(w, &w->a, 5, 0, 100);
    T_TRUE(world_got(w, &w->b, 5, 5000));
    T_NE(session_peer(w->a.out)->instance, first);
    T_EQ(w->a.resets, 1);
    T_EQ(w->b.opened, 2);
}
ON_EACH_PATH(a_new_instance_at_the_old_address_is_a_new_peer)

static void free_kept(void *arg)
{
    node_free_kept(arg);
}

static void stop_keeping(void *arg)
{
    ((struct node *)arg)->keep = false;
    node_free_kept(arg);
}

static void delivery_stops_at_the_receivers_limit(struct world *w)
{
    w->conf.in_bytes_max = 100000;
    w->b.keep = true;
    both(w);
    world_send(w, &w->a, 100, 0, 10000);
    T_TRUE(world_got(w, &w->b, 10, 5000));
    world_sleep(w, 300);
    T_LE(w->b.got, 11);
    T_GE(w->b.kept_bytes, 90000);
    T_LE(w->b.kept_bytes, 100000 + 11000);
    T_GE(session_queued_bytes(w->a.out), (100 - 12) * 10000);
    T_EQ(w->a.drained, 0);
    world_do(w, &w->b, free_kept, &w->b);
    T_TRUE(world_got(w, &w->b, 20, 5000));
    world_sleep(w, 100);
    T_LE(w->b.got, 22);
    world_do(w, &w->b, stop_keeping, &w->b);
    T_TRUE(world_got(w, &w->b, 100, 5000));
    T_TRUE(world_wait(w, &w->a, queue_is_empty, &w->a, 5000));
    T_EQ(w->a.drained, 1);
}
ON_EACH_PATH(delivery_stops_at_the_receivers_limit)

static void a_session_may_end_while_its_receiver_is_full(struct world *w)
{
    w->conf.in_bytes_max = 10000;
    w->b.keep = true;
    both(w);
    world_send(w, &w->a, 10, 0, 10000);
    T_TRUE(world_got(w, &w->b, 1, 5000));
    world_do(w, &w->b, close_in, &w->b);
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    world_stop(w, &w->a);
    world_stop(w, &w->b); /* frees the kept messages when their session is long gone */
    T_EQ(w->b.got, 1);
}
ON_EACH_PATH(a_session_may_end_while_its_receiver_is_full)

static void a_role_may_refuse_a_session(struct world *w)
{
    w->b.refuse_with = -R_FENCED;
    both(w);
    world_send(w, &w->a, 3, 0, 0);
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    T_EQ(w->a.why, -R_FENCED);
    T_EQ(w->b.opened, 1);
    T_EQ(w->b.resets, 0);
    T_EQ(w->b.got, 0);
}
ON_EACH_PATH(a_role_may_refuse_a_session)

static void another_entity_than_expected_ends_the_session(struct world *w)
{
    struct session_conf conf = {.expect = {.role = ENTITY_OSD, .id = 3}};

    world_start(w, &w->b, true);
    world_start(w, &w->a, false);
    T_OK(world_open(w, &conf));
    world_send(w, &w->a, 3, 0, 0);
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    T_EQ(w->a.why, -R_WRONG_PEER);
    world_sleep(w, 500);
    T_EQ(w->b.got, 0);
}
ON_EACH_PATH(another_entity_than_expected_ends_the_session)

static void another_cluster_is_refused(struct world *w)
{
    w->conf.fsid[3] = 1;
    world_start(w, &w->b, true);
    w->conf.fsid[3] = 2;
    world_start(w, &w->a, false);
    T_OK(world_open(w, NULL));
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    T_EQ(w->a.why, -R_WRONG_CLUSTER);
    T_EQ(w->b.opened, 0);
}
ON_EACH_PATH(another_cluster_is_refused)

static void nobody_there_is_told_at_once_to_who_wants_to_know(struct world *w)
{
    struct session_conf conf = {.fast_fail = true};

    both(w);
    world_do(w, &w->a, close_out, &w->a);
    world_do(w, &w->a, drop_out, &w->a);
    world_stop(w, &w->b);
    T_OK(world_open(w, &conf));
    T_TRUE(world_resets(w, &w->a, 1, 1000));
    T_EQ(w->a.why, -ECONNREFUSED);
}
ON_EACH_PATH(nobody_there_is_told_at_once_to_who_wants_to_know)

static void patience_ends_when_nobody_comes(struct world *w)
{
    w->conf.give_up_ms = 300;
    both(w);
    world_do(w, &w->a, close_out, &w->a);
    world_do(w, &w->a, drop_out, &w->a);
    world_stop(w, &w->b);
    T_OK(world_open(w, NULL));
    world_send(w, &w->a, 3, 0, 0);
    world_sleep(w, 100);
    T_EQ(w->a.resets, 0);
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    T_EQ(w->a.why, -ETIMEDOUT);
}
ON_EACH_PATH(patience_ends_when_nobody_comes)

static void who_starts_late_is_found(struct world *w)
{
    both(w);
    world_do(w, &w->a, close_out, &w->a);
    world_do(w, &w->a, drop_out, &w->a);
    world_stop(w, &w->b);
    T_OK(world_open(w, NULL));
    world_send(w, &w->a, 3, 0, 5000);
    world_sleep(w, 100);
    world_start(w, &w->b, true);
    T_TRUE(world_got(w, &w->b, 3, 5000));
    T_EQ(w->a.resets, 0);
}
ON_EACH_PATH(who_starts_late_is_found)

static void a_queue_without_bound_resets_the_session(struct world *w)
{
    w->conf.in_bytes_max = 10000;
    w->b.keep = true;
    both(w);
    for (int i = 0; i < 9; i++) {
        world_send(w, &w->a, 4, 0, T_DATA_MAX);
        world_sleep(w, 5);
    }
    T_TRUE(world_resets(w, &w->a, 1, 5000));
    T_EQ(w->a.why, -R_BACK_PRESSURE);
    T_EQ(session_queued_bytes(w->a.out), 0);
}
ON_EACH_PATH(a_queue_without_bound_resets_the_session)
