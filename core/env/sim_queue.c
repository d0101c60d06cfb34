/* sim_queue.c - the queue of events: a heap ordered by (virtual time, sequence).
 *
 * Four children per node and the keys beside the pointers: a step down the heap reads one or two
 * cache lines.  Events lie in what they are about (a connection, a process, an I/O) and know their
 * place, so that they can be moved or taken out when that dies. */
#include "core/env/sim_impl.h"

enum { FAN_OUT = 4, SLOTS_MIN = 256 };

void sim_event_init(struct sim_event *ev, struct sim_process *p, enum sim_kind kind, uint64_t id,
                    void (*run)(struct sim_event *))
{
    *ev = (struct sim_event){.pos = SIM_IDLE, .kind = kind, .id = id, .p = p, .run = run};
}

static inline bool before(const struct sim_slot *a, const struct sim_slot *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

static inline void place(struct sim_queue *q, uint32_t pos, struct sim_slot slot)
{
    q->slots[pos] = slot;
    slot.ev->pos = pos;
}

static void sift_up(struct sim_queue *q, uint32_t pos, struct sim_slot slot)
{
    while (pos > 0) {
        uint32_t parent = (pos - 1) / FAN_OUT;

        if (!before(&slot, &q->slots[parent]))
            break;
        place(q, pos, q->slots[parent]);
        pos = parent;
    }
    place(q, pos, slot);
}

static void sift_down(struct sim_queue *q, uint32_t pos, struct sim_slot slot)
{
    for (;;) {
        uint32_t child = pos * FAN_OUT + 1, least = child;
        uint32_t end = MIN(child + FAN_OUT, q->count);

        if (child >= q->count)
            break;
        for (uint32_t i = child + 1; i < end; i++) {
            if (before(&q->slots[i], &q->slots[least]))
                least = i;
        }
        if (!before(&q->slots[least], &slot))
            break;
        place(q, pos, q->slots[least]);
        pos = least;
    }
    place(q, pos, slot);
}

static void queue_grow(struct sim_queue *q)
{
    uint32_t cap = q->cap ? q->cap * 2 : SLOTS_MIN;
    struct sim_slot *slots = sim_alloc(cap * sizeof(*slots));

    if (q->count)
        memcpy(slots, q->slots, q->count * sizeof(*slots));
    sim_free(q->slots);
    q->slots = slots;
    q->cap = cap;
}

void sim_schedule(struct sim *s, struct sim_event *ev, uint64_t at_ns)
{
    struct sim_queue *q = &s->queue;
    struct sim_slot slot;

    ASSERT(at_ns >= s->now_ns);
    sim_unschedule(s, ev);
    if (q->count == q->cap)
        queue_grow(q);
    ev->at_ns = at_ns;
    ev->seq = ++s->seq;
    slot = (struct sim_slot){at_ns, ev->seq, ev};
    sift_up(q, q->count++, slot);
}

void sim_unschedule(struct sim *s, struct sim_event *ev)
{
    struct sim_queue *q = &s->queue;
    uint32_t pos = ev->pos;
    struct sim_slot last;

    if (pos == SIM_IDLE)
        return;
    ASSERT(q->slots[pos].ev == ev);
    ev->pos = SIM_IDLE;
    last = q->slots[--q->count];
    if (last.ev == ev)
        return;
    if (pos > 0 && before(&last, &q->slots[(pos - 1) / FAN_OUT]))
        sift_up(q, pos, last);
    else
        sift_down(q, pos, last);
}

struct sim_event *sim_queue_first(const struct sim_queue *q)
{
    return q->count ? q->slots[0].ev : NULL;
}

void sim_queue_fini(struct sim_queue *q)
{
    sim_free(q->slots);
    *q = (struct sim_queue){0};
}
