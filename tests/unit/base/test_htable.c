/* Hash tables and lists. */
#include "core/base/hash.h"
#include "core/base/htable.h"
#include "core/base/list.h"
#include "core/base/rng.h"
#include "tests/unit/t.h"

enum { ITEMS = 3000 };

struct item {
    struct hnode node;
    uint32_t key;
    bool in;
};

static struct item *find(const struct htable *t, uint64_t hash, uint32_t key)
{
    for (struct hnode *n = htable_first(t, hash); n; n = htable_next(n))
        if (CONTAINER_OF(n, struct item, node)->key == key)
            return CONTAINER_OF(n, struct item, node);
    return NULL;
}

/* Few distinct hashes, so that many keys share one. */
static uint64_t hash_of(uint32_t key)
{
    return hash64_u64(0, key % 1000);
}

/* Random insertions and removals against a flag per item; also with slots that cannot grow. */
static void run_model(bool starved)
{
    struct item *items = mem_calloc(ITEMS, sizeof(*items));
    uint32_t count = 0;
    struct htable t;
    struct rng rng;

    rng_seed(&rng, 6);
    T_OK(htable_init(&t, 0));
    for (int step = 0; step < 40000; step++) {
        struct item *item = &items[rng_below(&rng, ITEMS)];

        item->key = (uint32_t)(item - items);
        T_EQ(find(&t, hash_of(item->key), item->key), item->in ? item : NULL);
        if (starved)
            mem_fail_after(0);
        if (item->in)
            htable_remove(&t, &item->node);
        else
            htable_insert(&t, &item->node, hash_of(item->key));
        mem_fail_after(-1);
        item->in = !item->in;
        count += item->in ? 1 : (uint32_t)-1;
        T_EQ(t.count, count);
        T_EQ(htable_any(&t) != NULL, count > 0);
    }
    T_EQ(t.slot_count > 1024, !starved);
    for (struct hnode *n; (n = htable_any(&t)); count--) {
        T_TRUE(CONTAINER_OF(n, struct item, node)->in);
        htable_remove(&t, n);
    }
    T_EQ(count, 0);
    htable_fini(&t);
    mem_free(items);
}

T(htable, finds_exactly_what_is_in_it)
{
    run_model(false);
}

T(htable, works_on_when_slots_cannot_grow)
{
    run_model(true);
}

struct visited {
    uint32_t keys[ITEMS];
    unsigned count;
};

static void visit(struct hnode *n, void *arg)
{
    struct visited *v = arg;

    v->keys[v->count++] = CONTAINER_OF(n, struct item, node)->key;
}

/* The same keys at other addresses and inserted in another order. */
T(htable, iteration_order_depends_on_hashes_alone)
{
    static struct item near[ITEMS], far[ITEMS];
    static struct visited a, b;
    struct htable s, t;

    T_OK(htable_init(&s, 16));
    T_OK(htable_init(&t, 16));
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t back = ITEMS - 1 - i;

        near[i].key = i;
        htable_insert(&s, &near[i].node, hash64_u64(9, i));
        far[i].key = back;
        htable_insert(&t, &far[i].node, hash64_u64(9, back));
    }
    htable_each(&s, visit, &a);
    htable_each(&t, visit, &b);
    T_EQ(a.count, ITEMS);
    T_EQ(b.count, ITEMS);
    T_MEM_EQ(a.keys, b.keys, sizeof(a.keys));
    htable_fini(&s);
    htable_fini(&t);
}

T(htable, removing_a_stranger_is_caught)
{
    struct item stranger = {0};
    struct htable t;

    T_OK(htable_init(&t, 0));
    T_ABORTS(htable_remove(&t, &stranger.node));
    htable_fini(&t);
}

T(htable, init_reports_short_memory)
{
    struct htable t;

    mem_fail_after(0);
    T_EQ(htable_init(&t, 0), -ENOMEM);
    mem_fail_after(-1);
}

struct entry {
    struct list link;
    int n;
};

T(list, keeps_order_and_forgives_removing_twice)
{
    struct entry e[5];
    struct list a = LIST_INIT(a), b = LIST_INIT(b);
    int want = 0;

    for (int i = 0; i < 5; i++) {
        e[i].n = i;
        list_init(&e[i].link);
    }
    list_push_back(&a, &e[1].link);
    list_push_front(&a, &e[0].link);
    list_push_back(&b, &e[2].link);
    list_push_back(&b, &e[3].link);
    list_insert_before(&e[3].link, &e[4].link);
    list_remove(&e[4].link);
    list_remove(&e[4].link);
    T_FALSE(list_linked(&e[4].link));
    list_splice(&a, &b);
    list_splice(&a, &b); /* empty now */
    T_TRUE(list_empty(&b));
    T_EQ(LIST_FIRST(&a, struct entry, link)->n, 0);
    T_EQ(LIST_LAST(&a, struct entry, link)->n, 3);
    LIST_EACH (pos, &a)
        T_EQ(LIST_ENTRY(pos, struct entry, link)->n, want++);
    T_EQ(want, 4);
    LIST_EACH_SAFE (pos, &a)
        list_remove(pos);
    T_EQ(list_pop_front(&a), NULL);
}
