/* linear.c - the search for an order.
 *
 * Answered operations stand in the order of their answers.  The first one not yet placed bounds
 * what may come next: whatever was called before it returned.  Of these the search tries the
 * earliest answer first, which is nearly always right, and operations without an answer last.  A
 * dead end takes the last one placed away again.  What was reached once, the same operations placed
 * and the same state, leads nowhere a second time.
 *
 * Tags shorten it: once an answer shows a tag, the operation that wrote it has run.  So an
 * operation counts as answered at the latest when its first witness was.  One without answer and
 * witness most likely never ran: a first search leaves these out; only when that finds nothing do
 * they join. */
#include "tests/sim/linear.h"

#include <stdlib.h>

#include "core/base/hash.h"
#include "tests/sim/model.h"

struct seen_set { /* of 128-bit hashes; open addressing */
    uint64_t (*slot)[2];
    uint64_t count, cap; /* cap: a power of two */
};

struct frame {
    struct model before; /* the state in which `op` was placed */
    uint32_t op;
};

struct candidate {
    const struct hop *op;
    uint64_t ret_ns; /* it has run by then; UINT64_MAX: nobody knows */
};

struct search {
    struct candidate *op; /* those that ran, by answer; then the others by invocation */
    uint64_t *first_call; /* of those that ran, from here to the end */
    uint32_t count, answered;
    bool *placed;
    uint32_t first;      /* the first answered one not placed */
    uint64_t zobrist[2]; /* of what is placed */
    struct model now;
    struct frame *frame;
    uint32_t depth, answered_placed;
    struct seen_set seen;
    uint64_t states;
    uint32_t *best; /* the longest order: op numbers */
    uint32_t best_depth, best_answered;
};

/* --- what was reached before ------------------------------------------------------------------ */

static void *must(void *p)
{
    ASSERT(p);
    return p;
}

static bool seen_put(struct seen_set *s, uint64_t a, uint64_t b);

static void seen_grow(struct seen_set *s)
{
    struct seen_set old = *s;

    s->cap = old.cap ? 2 * old.cap : 1024;
    s->count = 0;
    s->slot = must(mem_calloc(s->cap, sizeof(*s->slot)));
    for (uint64_t i = 0; i < old.cap; i++)
        if (old.slot[i][0])
            (void)seen_put(s, old.slot[i][0], old.slot[i][1]);
    mem_free(old.slot);
}

/* False: it was there. */
static bool seen_put(struct seen_set *s, uint64_t a, uint64_t b)
{
    uint64_t at;

    a |= 1; /* 0 marks a free slot */
    if (2 * s->count >= s->cap)
        seen_grow(s);
    for (at = b & (s->cap - 1); s->slot[at][0]; at = (at + 1) & (s->cap - 1))
        if (s->slot[at][0] == a && s->slot[at][1] == b)
            return false;
    s->slot[at][0] = a;
    s->slot[at][1] = b;
    s->count++;
    return true;
}

static void toggle(struct search *s, uint32_t op)
{
    s->zobrist[0] ^= hash64_u64(1, op);
    s->zobrist[1] ^= hash64_u64(2, op);
}

/* --- steps of the search ---------------------------------------------------------------------- */

static bool place(struct search *s, uint32_t i)
{
    struct frame *fr = &s->frame[s->depth];
    uint64_t state;

    model_copy(&fr->before, &s->now);
    s->states++;
    if (!model_apply(&s->now, s->op[i].op, NULL)) {
        model_fini(&fr->before);
        return false;
    }
    toggle(s, i);
    state = model_hash(&s->now);
    if (!seen_put(&s->seen, hash64_u64(s->zobrist[0], state), hash64_u64(s->zobrist[1], state))) {
        toggle(s, i);
        model_fini(&s->now);
        s->now = fr->before;
        return false;
    }
    fr->op = i;
    s->placed[i] = true;
    s->depth++;
    s->answered_placed += i < s->answered;
    while (s->first < s->answered && s->placed[s->first])
        s->first++;
    if (s->answered_placed > s->best_answered || s->best_depth == 0) {
        s->best_answered = s->answered_placed;
        s->best_depth = s->depth;
        for (uint32_t d = 0; d < s->depth; d++)
            s->best[d] = s->frame[d].op;
    }
    return true;
}

static uint32_t take_back(struct search *s)
{
    struct frame *fr = &s->frame[--s->depth];

    model_fini(&s->now);
    s->now = fr->before;
    s->placed[fr->op] = false;
    s->answered_placed -= fr->op < s->answered;
    toggle(s, fr->op);
    if (fr->op < s->first)
        s->first = fr->op;
    return fr->op;
}

/* The next candidate from number `i` on; s->count: none. */
static uint32_t candidate(const struct search *s, uint32_t i)
{
    uint64_t bound = s->op[s->first].ret_ns;

    i = MAX(i, s->first);
    while (i < s->answered && s->first_call[i] <= bound) {
        if (!s->placed[i] && s->op[i].op->call_ns <= bound)
            return i;
        i++;
    }
    for (i = MAX(i, s->answered); i < s->count && s->op[i].op->call_ns <= bound; i++)
        if (!s->placed[i])
            return i;
    return s->count;
}

static enum linear run(struct search *s, uint64_t states_max)
{
    uint32_t next = 0;

    while (s->first < s->answered) {
        uint32_t i = candidate(s, next);

        if (i == s->count) {
            if (s->depth == 0)
                return LINEAR_NO;
            next = take_back(s) + 1;
        } else if (place(s, i)) {
            next = 0;
        } else {
            next = i + 1;
        }
        if (s->states > states_max)
            return LINEAR_GAVE_UP;
    }
    return LINEAR_YES;
}

/* --- telling ---------------------------------------------------------------------------------- */

enum { TOLD_BEFORE = 25, TOLD_AFTER = 30 };

static void tell(FILE *f, const struct history *h, struct search *s, enum linear result)
{
    struct model m;
    uint32_t from = s->best_depth > TOLD_BEFORE ? s->best_depth - TOLD_BEFORE : 0, told = 0;

    fprintf(f, "object %s: %s; %u of %u answered operations fit, %llu states\n", h->name,
            result == LINEAR_NO ? "no order explains the answers" : "no order found in the bound",
            s->best_answered, s->answered, (unsigned long long)s->states);
    model_init(&m);
    memset(s->placed, 0, s->count * sizeof(*s->placed));
    if (from)
        fprintf(f, "  (%u before)\n", from);
    for (uint32_t d = 0; d < s->best_depth; d++) {
        (void)model_apply(&m, s->op[s->best[d]].op, NULL);
        s->placed[s->best[d]] = true;
        if (d >= from)
            hop_print(f, s->op[s->best[d]].op);
    }
    model_print(f, &m);
    s->first = 0;
    while (s->first < s->answered && s->placed[s->first])
        s->first++;
    fprintf(f, "  what could have come next:\n");
    for (uint32_t i = candidate(s, 0); i < s->count && told++ < TOLD_AFTER;
         i = candidate(s, i + 1)) {
        struct model after;
        const char *why = NULL;

        model_copy(&after, &m);
        (void)model_apply(&after, s->op[i].op, &why);
        hop_print(f, s->op[i].op);
        fprintf(f, "         %s\n", why ? why : "fits, but leads nowhere");
        model_fini(&after);
    }
    model_fini(&m);
}

/* --- witnesses -------------------------------------------------------------------------------- */

struct witness { /* of a tag */
    uint32_t tag;
    bool alone; /* its bytes hold one word at most */
    uint64_t call_ns;
    uint64_t ret_ns; /* the earliest answer that shows it */
};
struct witnesses {
    struct witness *of; /* by tag */
    uint32_t count;
};

static int by_tag(const void *a, const void *b)
{
    uint32_t x = ((const struct witness *)a)->tag, y = ((const struct witness *)b)->tag;

    return x < y ? -1 : x > y;
}

static void tag_write(struct witnesses *w, uint64_t call_ns, uint32_t tag, uint64_t bytes)
{
    if (tag != TAG_NONE)
        w->of[w->count++] = (struct witness){tag, bytes < 2 * 8, call_ns, UINT64_MAX};
}

static struct witness *witness_of(const struct witnesses *w, uint32_t tag)
{
    struct witness key = {.tag = tag};

    return bsearch(&key, w->of, w->count, sizeof(*w->of), by_tag);
}

static void tag_shown(struct witnesses *w, uint32_t tag, uint64_t ret_ns)
{
    struct witness *at = tag == TAG_NONE ? NULL : witness_of(w, tag);

    if (at && ret_ns > at->call_ns) /* else it only looks like it */
        at->ret_ns = MIN(at->ret_ns, ret_ns);
}

struct word {
    uint32_t tag, place;
};

/* The word of a write at `at`, or tag TAG_NONE. */
static struct word word_at(const struct hstep *st, size_t at)
{
    struct word word = {TAG_NONE, 0};

    if (at + sizeof(word) <= st->data_bytes)
        memcpy(&word, st->data + at, sizeof(word));
    return word.place >> 24 == TAG_PLACE >> 24 ? word : (struct word){TAG_NONE, 0};
}

static bool follows(struct word a, struct word b)
{
    return a.tag == b.tag && a.place + 1 == b.place;
}

/* Where one write ends within the word of another the two may look like a word of a third: another
 * word of the same write stands beside it, unless there is no other. */
static bool shows(const struct witnesses *w, const struct hstep *st, size_t at)
{
    struct word word = word_at(st, at);
    const struct witness *of = word.tag == TAG_NONE ? NULL : witness_of(w, word.tag);

    if (!of)
        return false;
    return of->alone ? (word.place & 0xffffff) == 0
                     : follows(word, word_at(st, at + 8)) ||
                           (at >= 8 && follows(word_at(st, at - 8), word));
}

/* At any byte a word of a write may begin: its tag, and its number in that write. */
static void data_shown(struct witnesses *w, const struct hstep *st, uint64_t ret_ns)
{
    for (size_t i = 0; i + sizeof(struct word) <= st->data_bytes;) {
        if (!shows(w, st, i)) {
            i++;
            continue;
        }
        tag_shown(w, word_at(st, i).tag, ret_ns);
        i += sizeof(struct word);
    }
}

static void witnesses_init(struct witnesses *w, const struct history *h)
{
    w->of = must(
        mem_calloc((size_t)h->count * HOP_STEPS_MAX * (HOP_PAIRS_MAX + 1) + 1, sizeof(*w->of)));
    w->count = 0;
    for (uint32_t i = 0; i < h->count; i++)
        for (uint32_t s = 0; s < h->op[i]->step_count; s++) {
            const struct hstep *st = &h->op[i]->step[s];

            if (st->kind < STEP_CREATE)
                continue; /* a guard's value was written by another */
            tag_write(w, h->op[i]->call_ns, st->tag, st->len);
            for (uint32_t p = 0; p < st->pair_count; p++)
                tag_write(w, h->op[i]->call_ns, st->pair[p].tag, 0);
        }
    qsort(w->of, w->count, sizeof(*w->of), by_tag);
    for (uint32_t i = 0; i < h->count; i++)
        for (uint32_t s = 0; s < h->op[i]->step_count; s++) {
            const struct hstep *st = &h->op[i]->step[s];

            if (h->op[i]->end == HOP_OPEN)
                continue;
            data_shown(w, st, h->op[i]->ret_ns);
            for (uint32_t r = 0; r < st->result_count; r++)
                tag_shown(w, st->pairs[r].tag, h->op[i]->ret_ns);
        }
}

static uint64_t ran_by(const struct witnesses *w, const struct hop *op)
{
    uint64_t ret = op->end == HOP_OPEN ? UINT64_MAX : op->ret_ns;

    for (uint32_t s = 0; s < op->step_count; s++) {
        const struct hstep *st = &op->step[s];
        const struct witness *at;

        if (st->kind < STEP_CREATE)
            continue;
        for (uint32_t p = 0; p < st->pair_count; p++)
            if ((at = witness_of(w, st->pair[p].tag)))
                ret = MIN(ret, at->ret_ns);
        if ((at = witness_of(w, st->tag)))
            ret = MIN(ret, at->ret_ns);
    }
    return ret;
}

/* --- preparing -------------------------------------------------------------------------------- */

static int by_answer(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->ret_ns != y->ret_ns)
        return x->ret_ns < y->ret_ns ? -1 : 1;
    return x->op->number < y->op->number ? -1 : x->op->number > y->op->number;
}

static void prepare(struct search *s, const struct history *h, const struct witnesses *w, bool all)
{
    s->op = must(mem_calloc(h->count + 1u, sizeof(*s->op)));
    for (uint32_t i = 0; i < h->count; i++) {
        const struct hop *op = h->op[i];
        uint64_t ret = ran_by(w, op);

        if (ret == UINT64_MAX && (!all || !hop_writes(op)))
            continue; /* tells nothing, or is kept for later */
        s->op[s->count++] = (struct candidate){op, ret};
        s->answered += ret != UINT64_MAX;
    }
    qsort(s->op, s->count, sizeof(*s->op), by_answer);
    s->first_call = must(mem_calloc(s->count + 1u, sizeof(*s->first_call)));
    s->first_call[s->answered] = UINT64_MAX;
    for (uint32_t i = s->answered; i-- > 0;)
        s->first_call[i] = MIN(s->first_call[i + 1], s->op[i].op->call_ns);
    s->placed = must(mem_calloc(s->count + 1u, sizeof(*s->placed)));
    s->best = must(mem_calloc(s->count + 1u, sizeof(*s->best)));
    s->frame = must(mem_calloc(s->count + 1u, sizeof(*s->frame)));
    model_init(&s->now);
}

static void search_fini(struct search *s)
{
    mem_free(s->seen.slot);
    mem_free(s->op);
    mem_free(s->first_call);
    mem_free(s->placed);
    mem_free(s->best);
    mem_free(s->frame);
}

static enum linear one_search(const struct history *h, const struct witnesses *w, bool all,
                              uint64_t states_max, FILE *f, struct linear_report *report)
{
    struct search s = {0};
    enum linear result;

    prepare(&s, h, w, all);
    result = run(&s, states_max);
    *report = (struct linear_report){report->states + s.states, s.best_answered, s.answered};
    while (s.depth)
        (void)take_back(&s);
    model_fini(&s.now);
    if (f && result != LINEAR_YES)
        tell(f, h, &s, result);
    search_fini(&s);
    return result;
}

enum linear linear_check(const struct history *h, uint64_t states_max, FILE *f,
                         struct linear_report *out_report)
{
    struct linear_report report = {0};
    struct witnesses w;
    enum linear result;

    witnesses_init(&w, h);
    result = one_search(h, &w, false, states_max, NULL, &report);
    if (result != LINEAR_YES)
        result = one_search(h, &w, true, states_max, f, &report);
    mem_free(w.of);
    if (out_report)
        *out_report = report;
    return result;
}
