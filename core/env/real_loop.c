/* real_loop.c - a reactor: one thread, one event loop.
 *
 * One turn of a loop: wait for something (sockets, the alarm of the timers, mail from other
 * threads, completions of the ring), run what became ready, then the posted tasks, then the
 * deferred ones, and last send what the turn has queued: one write per connection, one submission
 * to the ring, one hand-over to the workers.  The loop waits only when nothing is left to run.
 *
 * Mail is a stack with one word as its head.  A loop that goes to sleep puts MAIL_ASLEEP there,
 * and whoever takes that mark away owes it a wake-up: so a batch costs one eventfd write, and a
 * loop that is awake costs its posters no system call.
 *
 * The eventfd also hears from the ring; both queues are looked at once per turn, whatever woke us.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/env/real.h"
#include "core/env/real_disk.h"

#define SLOW_NS          (5 * NS_PER_MS)
#define STOP_PATIENCE_NS (5 * NS_PER_S)
#define MAIL_ASLEEP      ((struct list *)1)
enum { POST_ROUNDS = 16 };

/* --- reactor: who runs, and for how long --- */

struct reactor *reactor_of(struct env *env)
{
    struct real_env *e = CONTAINER_OF(env, struct real_env, env);

    ASSERT(e->reactor); /* env_blocking_create has no loop */
    return e->reactor;
}

bool real_is_home(struct env *env)
{
    struct real_env *e = CONTAINER_OF(env, struct real_env, env);

    return !e->reactor || __atomic_load_n((uint64_t *)&e->reactor->thread, __ATOMIC_RELAXED) ==
                              (uint64_t)pthread_self();
}

void reactor_enter(struct reactor *r)
{
    r->mark_ns = real_now_ns(NULL);
}

void reactor_left(struct reactor *r)
{
    uint64_t now_ns = real_now_ns(NULL), ran_ns = now_ns - r->mark_ns;

    r->mark_ns = now_ns; /* the next one begins */
    counter_add(&r->tasks, 1);
    if (ran_ns > SLOW_NS)
        counter_add(&r->slow_tasks, 1);
    if (ran_ns > counter_get(&r->slowest_ns))
        counter_add(&r->slowest_ns, ran_ns - counter_get(&r->slowest_ns));
}

/* --- tasks --- */

static void reactor_wake(struct reactor *r)
{
    static const uint64_t one = 1;

    /* Counted first: what the loop then does must not find it uncounted. */
    __atomic_fetch_add((uint64_t *)&r->wakes.v, 1, __ATOMIC_RELAXED);
    /* Fails only when the counter is full, and then the loop is awake anyway. */
    (void)!write(r->wake_fd, &one, sizeof(one));
}

void real_post(struct env *env, struct env_task *task)
{
    struct reactor *r = reactor_of(env);
    struct list *head;

    if (real_is_home(env)) {
        list_push_back(&r->posted, &task->link);
        return;
    }
    head = atomic_load_explicit(&r->mail, memory_order_relaxed);
    do
        task->link.next = head == MAIL_ASLEEP ? NULL : head;
    while (!atomic_compare_exchange_weak_explicit(&r->mail, &head, &task->link,
                                                  memory_order_acq_rel, memory_order_relaxed));
    if (head == MAIL_ASLEEP)
        reactor_wake(r);
}

/* Move the mail to `posted`, oldest first. */
static void mail_take(struct reactor *r)
{
    struct list *node, *next;
    struct list batch = LIST_INIT(batch);

    if (!atomic_load_explicit(&r->mail, memory_order_relaxed))
        return;
    node = atomic_exchange_explicit(&r->mail, NULL, memory_order_acq_rel);
    if (node == MAIL_ASLEEP)
        return;
    for (; node; node = next) {
        next = node->next;
        list_init(node);
        list_push_front(&batch, node);
    }
    list_splice(&r->posted, &batch);
}

void real_defer(struct env *env, struct env_task *task)
{
    list_push_back(&reactor_of(env)->deferred, &task->link);
}

/* Run the tasks that are on the list now, not those they add. */
static void tasks_run(struct reactor *r, struct list *tasks)
{
    struct list batch = LIST_INIT(batch);
    struct list *node;

    list_splice(&batch, tasks);
    while ((node = list_pop_front(&batch))) {
        struct env_task *task = LIST_ENTRY(node, struct env_task, link);

        task->run(task); /* may free it, or post it again */
        reactor_left(r);
    }
}

/* --- timers --- */

static int timer_compare(const struct env_timer *a, const struct env_timer *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

RB_GENERATE_STATIC(timer_tree, env_timer, node, timer_compare)

void real_timer_cancel(struct env *env, struct env_timer *t)
{
    if (!t->armed)
        return;
    RB_REMOVE(timer_tree, &reactor_of(env)->timers, t);
    t->armed = false;
}

void real_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns)
{
    struct reactor *r = reactor_of(env);

    real_timer_cancel(env, t);
    t->at_ns = at_ns;
    t->order = r->timer_order++;
    t->armed = true;
    RB_INSERT(timer_tree, &r->timers, t);
}

/* Fire what is due, but nothing that was armed by these very timers: the loop must come round. */
static void timers_run(struct reactor *r)
{
    uint64_t newest = r->timer_order, now_ns;
    struct env_timer *t = RB_MIN(timer_tree, &r->timers);

    if (!t)
        return;
    now_ns = real_now_ns(NULL);
    while (t && t->at_ns <= now_ns && t->order < newest) {
        RB_REMOVE(timer_tree, &r->timers, t);
        t->armed = false;
        t->fire(t);
        reactor_left(r);
        t = RB_MIN(timer_tree, &r->timers);
    }
}

static void alarm_rang(uv_timer_t *alarm)
{
    ((struct reactor *)alarm->data)->alarm_ns = 0; /* timers_run does the work */
    /* libuv rings before it polls, too: then it must not go to sleep with nothing to wake it. */
    uv_stop(alarm->loop);
}

/* Set the loop's own timer to the earliest of ours.  It counts milliseconds and stops while the
 * machine is suspended; ours are compared with the running clock at every turn. */
static void alarm_set(struct reactor *r)
{
    const struct env_timer *first = RB_MIN(timer_tree, &r->timers);
    uint64_t at_ns = first ? first->at_ns : 0, now_ns;

    if (at_ns == r->alarm_ns)
        return;
    r->alarm_ns = at_ns;
    if (!first) {
        uv_timer_stop(&r->alarm);
        return;
    }
    now_ns = real_now_ns(NULL);
    uv_update_time(&r->loop);
    uv_timer_start(&r->alarm, alarm_rang, at_ns > now_ns ? (at_ns - now_ns - 1) / NS_PER_MS + 1 : 0,
                   0);
}

/* --- watching descriptors --- */

static void watch_gone(uv_handle_t *handle)
{
    mem_free(handle);
}

static void watch_ready(uv_poll_t *poll, int status, int events)
{
    struct env_watch *w = poll->data;
    struct reactor *r = poll->loop->data;

    UNUSED(status); /* an error is readable too: the owner will meet it */
    UNUSED(events);
    reactor_enter(r);
    w->ready(w);
    reactor_left(r);
}

int real_watch_start(struct env *env, struct env_watch *w, int fd)
{
    uv_poll_t *poll = mem_zalloc(sizeof(*poll));
    int rc;

    if (!poll)
        return -ENOMEM;
    rc = uv_poll_init(&reactor_of(env)->loop, poll, fd);
    if (rc < 0) {
        mem_free(poll);
        return rc;
    }
    poll->data = w;
    w->impl = poll;
    rc = uv_poll_start(poll, UV_READABLE, watch_ready);
    if (rc < 0)
        real_watch_stop(env, w);
    return rc;
}

void real_watch_stop(struct env *env, struct env_watch *w)
{
    UNUSED(env);
    if (w->impl)
        uv_close(w->impl, watch_gone);
    w->impl = NULL;
}

/* --- the loop --- */

static void wake_read(uv_poll_t *poll, int status, int events)
{
    struct reactor *r = poll->data;
    uint64_t count;

    UNUSED(status);
    UNUSED(events);
    (void)!read(r->wake_fd, &count, sizeof(count)); /* mail and ring are looked at in any case */
}

/* Whether the loop may wait: nothing is left to run, and no mail has come. */
static bool reactor_may_sleep(struct reactor *r)
{
    struct list *none = NULL;

    if (!list_empty(&r->posted) || !list_empty(&r->deferred) || !list_empty(&r->net_dirty) ||
        disk_turn_stuck(r))
        return false;
    return atomic_compare_exchange_strong_explicit(&r->mail, &none, MAIL_ASLEEP,
                                                   memory_order_acq_rel, memory_order_relaxed) ||
           none == MAIL_ASLEEP;
}

static void reactor_turn(struct reactor *r)
{
    uv_run(&r->loop, reactor_may_sleep(r) ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    counter_add(&r->turns, 1);
    reactor_enter(r);
    mail_take(r);
    timers_run(r);
    disk_turn_reap(r);
    for (int i = 0; i < POST_ROUNDS && !list_empty(&r->posted); i++)
        tasks_run(r, &r->posted);
    tasks_run(r, &r->deferred);
    net_turn_end(r);
    disk_turn_end(r);
    work_turn_end(r);
    alarm_set(r);
}

bool reactor_busy(const struct reactor *r)
{
    return !list_empty(&r->posted) || !list_empty(&r->deferred) || r->works || r->disk_busy;
}

void *reactor_run(void *arg)
{
    struct reactor *r = arg;
    uint64_t give_up_ns;

    __atomic_store_n((uint64_t *)&r->thread, (uint64_t)pthread_self(), __ATOMIC_RELAXED);
    while (!r->stopping)
        reactor_turn(r);
    give_up_ns = real_now_ns(NULL) + STOP_PATIENCE_NS;
    while (reactor_busy(r) && real_now_ns(NULL) < give_up_ns)
        reactor_turn(r);
    return NULL;
}

/* --- starting and stopping --- */

static void handle_close(uv_handle_t *handle, void *arg)
{
    UNUSED(arg);
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void reactor_fini(struct reactor *r)
{
    uv_walk(&r->loop, handle_close, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&r->loop); /* all its handles are closed */
    disk_ring_destroy(r->ring);
    close(r->wake_fd);
}

int reactor_init(struct reactor *r, struct workers *workers, const struct host_conf *conf)
{
    int rc;

    real_env_init(&r->env, r, conf->sink);
    r->workers = workers;
    list_init(&r->posted);
    list_init(&r->deferred);
    list_init(&r->net_dirty);
    list_init(&r->works_out);
    RB_INIT(&r->timers);
    r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->wake_fd < 0)
        return -errno;
    rc = uv_loop_init(&r->loop);
    if (rc < 0) {
        close(r->wake_fd);
        return rc;
    }
    r->loop.data = r;
    r->wake.data = r->alarm.data = r;
    rc = uv_timer_init(&r->loop, &r->alarm);
    if (rc == 0)
        rc = uv_poll_init(&r->loop, &r->wake, r->wake_fd);
    if (rc == 0)
        rc = uv_poll_start(&r->wake, UV_READABLE, wake_read);
    if (rc == 0 && !conf->no_uring)
        disk_ring_create(r->wake_fd, &r->ring); /* without it the workers do disk I/O */
    if (rc < 0)
        reactor_fini(r);
    return rc;
}
