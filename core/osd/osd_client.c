/* osd_client.c - one session for each client: the newest.
 *
 * A client opens another session when it has given up the one before, and asks again on it.  What
 * still lies in the old one must not run any more: a write that failed leaves no trace by which its
 * first attempt, arriving after the answer of the second, would be known.  So the old session ends
 * as the new one begins.  Operations already taken from it are in the queues of their objects,
 * before everything that comes on the new one. */
#include "core/base/hash.h"
#include "core/osd/pg.h"

enum { SWEEP = 2 };

struct client_link {
    struct hnode node; /* in osd.clients, by instance */
    struct list link;  /* osd.client_list */
    uint64_t instance;
    struct session *session; /* ref */
};

static void destroy(struct osd *o, struct client_link *c)
{
    htable_remove(&o->clients, &c->node);
    list_remove(&c->link);
    session_unref(c->session);
    mem_free(c);
}

void osd_clients_drop(struct osd *o)
{
    while (!list_empty(&o->client_list))
        destroy(o, LIST_FIRST(&o->client_list, struct client_link, link));
}

static struct client_link *find(const struct osd *o, uint64_t instance)
{
    struct hnode *n = htable_first(&o->clients, hash64_u64(0, instance));

    for (; n; n = htable_next(n)) {
        struct client_link *c = CONTAINER_OF(n, struct client_link, node);

        if (c->instance == instance)
            return c;
    }
    return NULL;
}

/* Those that are gone, a few each time: more than come. */
static void sweep(struct osd *o)
{
    for (unsigned i = 0; i < SWEEP && !list_empty(&o->client_list); i++) {
        struct client_link *c = LIST_FIRST(&o->client_list, struct client_link, link);

        list_remove(&c->link);
        list_push_back(&o->client_list, &c->link);
        if (session_dead(c->session))
            destroy(o, c);
    }
}

int osd_client_opened(struct osd *o, struct session *s)
{
    uint64_t instance = session_peer(s)->instance;
    struct client_link *c = find(o, instance);

    if (c) {
        struct session *old = c->session;

        c->session = session_ref(s);
        session_close(old);
        session_unref(old);
        return 0;
    }
    sweep(o);
    c = mem_zalloc(sizeof(*c));
    if (!c)
        return -ENOMEM; /* the client tries again */
    list_init(&c->link);
    c->instance = instance;
    c->session = session_ref(s);
    htable_insert(&o->clients, &c->node, hash64_u64(0, instance));
    list_push_back(&o->client_list, &c->link);
    return 0;
}
