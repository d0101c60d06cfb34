/* real_work.c - the worker threads, for what blocks or burns CPU.
 *
 * One queue, served in order by all threads of the pool.  What a reactor's turn submits comes in
 * one go at its end, and wakes one thread; that one wakes the next while there is more to do.
 * `done` goes back to the reactor that asked as a posted task. */
#include <signal.h>

#include "core/env/real.h"

struct workers {
    pthread_mutex_t lock; /* guards queue, idle, waking and stopping */
    pthread_cond_t more;
    struct list queue; /* env_work.task.link */
    unsigned idle;
    bool waking; /* a thread has been signalled and has not come yet */
    bool stopping;
    unsigned count;
    pthread_t threads[];
};

int thread_start(pthread_t *out_thread, void *(*run)(void *), void *arg)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* the new thread inherits it */
    rc = pthread_create(out_thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -rc;
}

static void work_done(struct env_task *task)
{
    struct env_work *w = CONTAINER_OF(task, struct env_work, task);

    reactor_of(w->env)->works--;
    w->done(w);
}

/* Whether one more thread is to be woken; the lock is held.  One is enough at a time: it wakes the
 * next before it begins. */
static bool wake_due(struct workers *p)
{
    if (p->waking || !p->idle || list_empty(&p->queue))
        return false;
    return p->waking = true;
}

/* The next work, or NULL when the pool stops. */
static struct env_work *workers_next(struct workers *p)
{
    struct list *node;
    bool wake;

    pthread_mutex_lock(&p->lock);
    while (!(node = list_pop_front(&p->queue)) && !p->stopping) {
        p->idle++;
        pthread_cond_wait(&p->more, &p->lock);
        p->idle--;
        p->waking = false;
    }
    wake = wake_due(p);
    pthread_mutex_unlock(&p->lock);
    if (wake)
        pthread_cond_signal(&p->more);
    return node ? LIST_ENTRY(node, struct env_work, task.link) : NULL;
}

static void *worker_run(void *arg)
{
    struct workers *p = arg;
    struct env_work *w;

    while ((w = workers_next(p))) {
        struct env *env = w->env;

        w->work(w);
        env_task_init(&w->task, work_done);
        env_post(env, &w->task); /* `w` is the reactor's again */
    }
    return NULL;
}

int workers_create(unsigned threads, struct workers **out_workers)
{
    struct workers *p = mem_zalloc(sizeof(*p) + threads * sizeof(p->threads[0]));

    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    list_init(&p->queue);
    for (; p->count < threads; p->count++) {
        int rc = thread_start(&p->threads[p->count], worker_run, p);

        if (rc < 0) {
            workers_destroy(p);
            return rc;
        }
    }
    *out_workers = p;
    return 0;
}

void workers_destroy(struct workers *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

void workers_submit(struct workers *p, struct list *works)
{
    bool wake;

    pthread_mutex_lock(&p->lock);
    list_splice(&p->queue, works);
    wake = wake_due(p);
    pthread_mutex_unlock(&p->lock);
    if (wake)
        pthread_cond_signal(&p->more);
}

void real_work_submit(struct env *env, struct env_work *w)
{
    struct reactor *r = reactor_of(env);

    r->works++;
    list_init(&w->task.link);
    list_push_back(&r->works_out, &w->task.link);
}

void work_turn_end(struct reactor *r)
{
    if (!list_empty(&r->works_out))
        workers_submit(r->workers, &r->works_out);
}
