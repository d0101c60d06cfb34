/* real_host.c - reactors: threads with an event loop each.
 *
 * One turn of a loop: wait for something (sockets, the alarm of the timers, mail from other
 * threads, completions of the ring), run what became ready, then the posted tasks, then the
 * deferred ones, and last send what the turn has queued: one write per connection, one submission
 * to the ring.  The loop waits only when nothing is left to run.
 *
 * Mail is a stack with one word as its head.  A loop that goes to sleep puts MAIL_ASLEEP there,
 * and whoever takes that mark away owes it a wake-up: so a batch costs one eventfd write, and a
 * loop that is awake costs its posters no system call.
 *
 * The eventfd also hears from the ring; both queues are looked at once per turn, whatever woke us. */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/env/real.h"
#include "core/env/real_disk.h"
#include "core/env/real_kv.h"

#define SLOW_NS (5 * NS_PER_MS)
#define STOP_PATIENCE_NS (5 * NS_PER_S)
#define MAIL_ASLEEP ((struct list *)1)
enum { POST_ROUNDS = 16, REACTORS_DEFAULT = 2, REACTORS_MAX = 64, WORKERS_DEFAULT = 4 };

struct host {
    struct workers *workers;  /* owned */
    struct reactor *reactors; /* owned */
    unsigned count, started;
    struct log log;
};

/* --- clock and randomness --- */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t); /* fails for no clock that we name */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t real_now_ns(struct env *env)
{
    UNUSED(env);
    return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t real_wall_ns(struct env *env)
{
    UNUSED(env);
    return clock_ns(CLOCK_REALTIME);
}

static void entropy_fill(void *out, size_t bytes)
{
    uint8_t *at = out;

    while (bytes) {
        ssize_t n = getrandom(at, bytes, 0);

        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        }
    }
}

static void real_random_bytes(struct env *env, void *out, size_t bytes)
{
    struct real_env *e = CONTAINER_OF(env, struct real_env, env);
    uint8_t *at;

    if (bytes > ENTROPY_BYTES) {
        entropy_fill(out, bytes);
        return;
    }
    if (e->entropy_left < bytes) {
        entropy_fill(e->entropy, ENTROPY_BYTES);
        e->entropy_left = ENTROPY_BYTES;
    }
    e->entropy_left -= (unsigned)bytes;
    at = e->entropy + e->entropy_left;
    memcpy(out, at, bytes);
    explicit_bzero(at, bytes); /* what was handed out must not be found here later */
}

/* --- reactor: who runs, and for how long --- */

struct reactor *reactor_of(struct env *env)
{
    struct real_env *e = CONTAINER_OF(env, struct real_env, env);

    ASSERT(e->reactor); /* env_blocking_create has no loop */
    return e->reactor;
}

static bool real_is_home(struct env *env)
{
    struct real_env *e = CONTAINER_OF(env, struct real_env, env);

    return !e->reactor ||
           __atomic_load_n((uint64_t *)&e->reactor->thread, __ATOMIC_RELAXED) ==
               (uint64_t)pthread_self();
}

void reactor_enter(struct reactor *r)
{
    r->mark_ns = clock_ns(CLOCK_BOOTTIME);
}

void reactor_left(struct reactor *r)
{
    uint64_t now_ns = clock_ns(CLOCK_BOOTTIME), ran_ns = now_ns - r->mark_ns;

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

    /* Fails only when the counter is full, and then the loop is awake anyway. */
    if (write(r->wake_fd, &one, sizeof(one)) == sizeof(one))
        __atomic_fetch_add((uint64_t *)&r->wakes.v, 1, __ATOMIC_RELAXED);
}

static void real_post(struct env *env, struct env_task *task)
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

static void real_defer(struct env *env, struct env_task *task)
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

static void real_timer_cancel(struct env *env, struct env_timer *t)
{
    if (!t->armed)
        return;
    RB_REMOVE(timer_tree, &reactor_of(env)->timers, t);
    t->armed = false;
}

static void real_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns)
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
    now_ns = clock_ns(CLOCK_BOOTTIME);
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
    now_ns = clock_ns(CLOCK_BOOTTIME);
    uv_update_time(&r->loop);
    uv_timer_start(&r->alarm, alarm_rang,
                   at_ns > now_ns ? (at_ns - now_ns - 1) / NS_PER_MS + 1 : 0, 0);
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

static int real_watch_start(struct env *env, struct env_watch *w, int fd)
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
        real_ops()->watch_stop(env, w);
    return rc;
}

static void real_watch_stop(struct env *env, struct env_watch *w)
{
    UNUSED(env);
    if (w->impl)
        uv_close(w->impl, watch_gone);
    w->impl = NULL;
}

/* --- the table --- */

const struct env_ops *real_ops(void)
{
    static const struct env_ops ops = {
        .now_ns = real_now_ns,
        .wall_ns = real_wall_ns,
        .random_bytes = real_random_bytes,
        .is_home = real_is_home,
        .post = real_post,
        .defer = real_defer,
        .timer_at = real_timer_at,
        .timer_cancel = real_timer_cancel,
        .work_submit = real_work_submit,
        .watch_start = real_watch_start,
        .watch_stop = real_watch_stop,
        .disk_open = real_disk_open,
        .disk_close = real_disk_close,
        .disk_bytes = real_disk_bytes,
        .disk_name = real_disk_name,
        .disk_submit = real_disk_submit,
        .disk_read_now = real_disk_read_now,
        .disk_write_now = real_disk_write_now,
        .disk_flush_now = real_disk_flush_now,
        .file_read = real_file_read,
        .file_replace = real_file_replace,
        .file_remove = real_file_remove,
        .dir_create = real_dir_create,
        .dir_list = real_dir_list,
        .file_lock = real_file_lock,
        .file_unlock = real_file_unlock,
        .fs_space = real_fs_space,
        .kv_open = real_kv_open,
        .kv_close = real_kv_close,
        .kv_get = real_kv_get,
        .kv_write = real_kv_write,
        .kv_checkpoint = real_kv_checkpoint,
        .kv_iter_create = real_kv_iter_create,
        .kv_iter_next = real_kv_iter_next,
        .kv_iter_destroy = real_kv_iter_destroy,
        .kv_stats = real_kv_stats,
        .net_listen = real_net_listen,
        .net_listener_addr = real_net_listener_addr,
        .net_listener_close = real_net_listener_close,
        .net_connect = real_net_connect,
        .net_send = real_net_send,
        .net_queued_bytes = real_net_queued_bytes,
        .net_resume = real_net_resume,
        .net_close = real_net_close,
    };

    return &ops;
}

void real_env_init(struct real_env *e, struct reactor *r, struct log_sink *sink)
{
    *e = (struct real_env){.env = {.ops = real_ops(), .sink = sink}, .reactor = r};
}

struct env *env_blocking_create(struct log_sink *sink)
{
    struct real_env *e = mem_alloc(sizeof(*e));

    if (!e)
        return NULL;
    real_env_init(e, NULL, sink);
    return &e->env;
}

void env_blocking_destroy(struct env *env)
{
    mem_free(env);
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
    alarm_set(r);
}

static bool reactor_busy(const struct reactor *r)
{
    return !list_empty(&r->posted) || !list_empty(&r->deferred) || r->works || r->disk_busy;
}

static void *reactor_run(void *arg)
{
    struct reactor *r = arg;
    uint64_t give_up_ns;

    __atomic_store_n((uint64_t *)&r->thread, (uint64_t)pthread_self(), __ATOMIC_RELAXED);
    while (!r->stopping)
        reactor_turn(r);
    give_up_ns = clock_ns(CLOCK_BOOTTIME) + STOP_PATIENCE_NS;
    while (reactor_busy(r) && clock_ns(CLOCK_BOOTTIME) < give_up_ns)
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

static void reactor_fini(struct reactor *r)
{
    uv_walk(&r->loop, handle_close, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&r->loop); /* all its handles are closed */
    disk_ring_destroy(r->ring);
    close(r->wake_fd);
}

static int reactor_init(struct reactor *r, struct host *h, const struct host_conf *conf)
{
    int rc;

    real_env_init(&r->env, r, conf->sink);
    r->host = h;
    r->workers = h->workers;
    list_init(&r->posted);
    list_init(&r->deferred);
    list_init(&r->net_dirty);
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

static unsigned reactors_default(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < REACTORS_DEFAULT ? 1 : REACTORS_DEFAULT;
}

static int host_start(struct host *h, const struct host_conf *conf)
{
    int rc = 0;

    for (unsigned i = 0; i < h->count && rc == 0; i++) {
        rc = reactor_init(&h->reactors[i], h, conf);
        if (rc < 0)
            break;
        rc = thread_start(&h->reactors[i].handle, reactor_run, &h->reactors[i]);
        if (rc < 0)
            reactor_fini(&h->reactors[i]);
        else
            h->started++;
    }
    return rc;
}

int host_create(const struct host_conf *conf, struct host **out_host, struct note *why)
{
    struct host *h = mem_zalloc(sizeof(*h));
    int rc = h ? 0 : -ENOMEM;

    if (rc == 0) {
        h->count = MIN(conf->reactors ? conf->reactors : reactors_default(), REACTORS_MAX);
        log_init(&h->log, conf->sink, "host");
        h->reactors = mem_aligned(64, h->count * sizeof(*h->reactors));
        rc = h->reactors ? 0 : -ENOMEM;
    }
    if (rc == 0) {
        memset(h->reactors, 0, h->count * sizeof(*h->reactors));
        rc = workers_create(conf->workers ? conf->workers : WORKERS_DEFAULT, &h->workers);
    }
    if (rc == 0)
        rc = host_start(h, conf);
    if (rc < 0) {
        note_add(why, "starting the reactors: %s", reason_text(rc));
        host_destroy(h);
        return rc;
    }
    *out_host = h;
    return 0;
}

struct env *host_env(struct host *h, unsigned reactor)
{
    ASSERT(reactor < h->count);
    return &h->reactors[reactor].env.env;
}

unsigned host_reactors(const struct host *h)
{
    return h->count;
}

struct call {
    struct env_task task;
    void (*fn)(void *arg);
    void *arg;
    sem_t finished;
};

static void call_run(struct env_task *task)
{
    struct call *c = CONTAINER_OF(task, struct call, task);

    c->fn(c->arg);
    sem_post(&c->finished);
}

void host_call(struct host *h, unsigned reactor, void (*fn)(void *arg), void *arg)
{
    struct env *env = host_env(h, reactor);
    struct call c = {.fn = fn, .arg = arg};

    for (unsigned i = 0; i < h->count; i++)
        ASSERT(!real_is_home(host_env(h, i))); /* it would wait for itself */
    sem_init(&c.finished, 0, 0);
    env_task_init(&c.task, call_run);
    env_post(env, &c.task);
    while (sem_wait(&c.finished) < 0)
        ASSERT(errno == EINTR);
    sem_destroy(&c.finished);
}

static void reactor_stop(void *arg)
{
    ((struct reactor *)arg)->stopping = true;
}

static void leftovers_report(const struct host *h, unsigned i)
{
    const struct reactor *r = &h->reactors[i];
    bool timers = !RB_EMPTY(&r->timers);

    if (reactor_busy(r) || r->conns || timers)
        log_warn(&h->log, "a reactor stopped with work left", KV_U64("reactor", i),
                 KV_U64("conns", r->conns), KV_U64("disk_ios", r->disk_busy),
                 KV_U64("works", r->works), KV_U64("timers", timers));
}

void host_destroy(struct host *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->started; i++)
        host_call(h, i, reactor_stop, &h->reactors[i]);
    for (unsigned i = 0; i < h->started; i++)
        pthread_join(h->reactors[i].handle, NULL);
    workers_destroy(h->workers);
    for (unsigned i = 0; i < h->started; i++) {
        leftovers_report(h, i);
        reactor_fini(&h->reactors[i]);
    }
    mem_free(h->reactors);
    mem_free(h);
}

/* --- what was counted --- */

void host_stats(const struct host *h, unsigned reactor, struct host_stats *out_stats)
{
    const struct reactor *r = &h->reactors[reactor];

    ASSERT(reactor < h->count);
    *out_stats = (struct host_stats){
        .turns = counter_get(&r->turns),
        .tasks = counter_get(&r->tasks),
        .slow_tasks = counter_get(&r->slow_tasks),
        .slowest_ns = counter_get(&r->slowest_ns),
        .wakes = counter_get(&r->wakes),
        .disk_ios = counter_get(&r->disk_ios),
        .disk_submits = counter_get(&r->disk_submits),
    };
}

int host_metrics_add(const struct host *h, unsigned reactor, struct metric_set *set)
{
    const struct reactor *r = &h->reactors[reactor];
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } rows[] = {
        {"env_turns_total", "Turns of the event loop", &r->turns},
        {"env_tasks_total", "Callbacks run by the event loop", &r->tasks},
        {"env_slow_tasks_total", "Callbacks that held the loop for over 5 ms", &r->slow_tasks},
        {"env_slowest_task_ns", "Longest time one callback held the loop", &r->slowest_ns},
        {"env_wakes_total", "Wake-ups of a sleeping loop by other threads", &r->wakes},
        {"env_disk_ios_total", "Disk requests completed", &r->disk_ios},
        {"env_disk_submits_total", "System calls that started disk requests", &r->disk_submits},
    };
    char label[32];
    int rc = 0;

    ASSERT(reactor < h->count);
    snprintf(label, sizeof(label), "reactor=\"%u\"", reactor);
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric_add_counter(set, rows[i].name, rows[i].help, label, rows[i].counter);
    return rc;
}
