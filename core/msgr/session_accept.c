/* session_accept.c - who is let in, and what becomes of older sessions.
 *
 * The same judgement serves sockets and mailboxes.  It compares what both sides know: version,
 * features, cluster, and, for a session that goes on, the entity and the two pairs of seqs.  A
 * session can be resumed only if each side still holds what the other has not received. */
#include "core/msgr/internal.h"

static const uint8_t fsid_unknown[16];

static bool fsid_known(const uint8_t fsid[16])
{
    return memcmp(fsid, fsid_unknown, sizeof(fsid_unknown)) != 0;
}

/* False: another cluster's.  A first one is kept. */
static bool fsid_meet(struct msgr *m, const uint8_t theirs[16])
{
    if (!fsid_known(theirs))
        return true;
    if (!fsid_known(m->fsid)) {
        memcpy(m->fsid, theirs, sizeof(m->fsid));
        return true;
    }
    return memcmp(m->fsid, theirs, sizeof(m->fsid)) == 0;
}

static bool entity_equal(const struct entity *a, const struct entity *b)
{
    return a->role == b->role && a->id == b->id && a->instance == b->instance;
}

void hello_make(struct session *s, struct hello *out_hello)
{
    struct hello h = {
        .protocol_min = WIRE_PROTOCOL_MIN,
        .protocol_max = WIRE_PROTOCOL_MAX,
        .features = WIRE_FEATURES,
        .self = s->m->conf.self,
        .session = s->id,
        .attempt = s->attempt,
        .fresh = !s->accepted,
        .in_seq = s->in_seq,
        .out_seq = s->out_seq,
    };

    memcpy(h.fsid, s->m->fsid, sizeof(h.fsid));
    *out_hello = h;
}

static struct answer answer_make(struct msgr *m)
{
    struct answer a = {
        .protocol = WIRE_PROTOCOL_MAX, .features = WIRE_FEATURES, .self = m->conf.self};

    memcpy(a.fsid, m->fsid, sizeof(a.fsid));
    return a;
}

void answer_refusal(struct msgr *m, int rc, struct answer *out_answer)
{
    *out_answer = answer_make(m);
    out_answer->refused = (uint32_t)-rc;
    counter_add(&m->counts.refused, 1);
}

/* What does not depend on any session. */
static int stranger_judge(struct msgr *m, const struct hello *h)
{
    if (m->closing)
        return -R_STOPPED;
    if (h->protocol_max < WIRE_PROTOCOL_MIN || h->protocol_min > WIRE_PROTOCOL_MAX)
        return -R_TOO_NEW;
    if (h->required & ~WIRE_FEATURES)
        return -R_TOO_NEW;
    if (h->self.role == ENTITY_NONE || h->self.role > ENTITY_CLIENT || h->attempt == 0)
        return -R_MALFORMED;
    if (h->auth_method != 0 || h->auth.len != 0)
        return -R_BAD_AUTH;
    return fsid_meet(m, h->fsid) ? 0 : -R_WRONG_CLUSTER;
}

static struct session *find(struct msgr *m, uint64_t id)
{
    struct hnode *node = htable_first(&m->incoming, hash64_u64(0, id));

    for (; node; node = htable_next(node)) {
        struct session *s = CONTAINER_OF(node, struct session, by_id);

        if (s->id == id)
            return s;
    }
    return NULL;
}

/* A mon, OSD or MDS has started anew: its former self will not come back.  (Clients are many under
 * one name.)  Handlers may do anything, so start over after each. */
static void reset_former(struct msgr *m, const struct entity *e)
{
    struct list *node;

    if (e->role == ENTITY_CLIENT)
        return;
    for (node = m->sessions.next; node != &m->sessions;) {
        struct session *s = LIST_ENTRY(node, struct session, link);

        node = node->next;
        if (s->incoming && s->peer.role == e->role && s->peer.id == e->id &&
            s->peer.instance != e->instance) {
            session_reset(s, -R_SESSION_RESET);
            node = m->sessions.next;
        }
    }
}

static int create(struct msgr *m, const struct hello *h, struct session **out_s)
{
    struct msgr_handler *handler = m->conf.handler;
    struct session *s;
    int rc = 0;

    reset_former(m, &h->self);
    if (m->closing)
        return -R_STOPPED;
    s = session_create(m, true);
    if (!s)
        return -ENOMEM;
    s->id = h->session;
    s->attempt = h->attempt;
    s->peer = h->self;
    htable_insert(&m->incoming, &s->by_id, hash64_u64(0, s->id));
    session_ref(s);
    if (handler->opened)
        rc = handler->opened(handler, s);
    if (rc && s->state != SESSION_DEAD)
        session_die(s, false);
    if (rc == 0 && s->state == SESSION_DEAD)
        rc = m->closing ? -R_STOPPED : -R_SESSION_RESET;
    session_unref(s); /* the messenger's reference is left, if it lives */
    if (rc == 0)
        *out_s = s;
    return rc < 0 ? rc : -rc;
}

/* The opener comes back. */
static int resume(struct session *s, const struct hello *h)
{
    if (!entity_equal(&s->peer, &h->self))
        return -R_SESSION_RESET; /* somebody else's id: not ours to end */
    if (h->attempt <= s->attempt)
        return -ESTALE;
    s->attempt = h->attempt;
    if (s->path) { /* it noticed the break before we did */
        link_drop(TAKE(s->path));
        session_broken(s);
    }
    if (s->end || h->in_seq < s->acked_seq || h->in_seq > s->out_seq || s->in_seq > h->out_seq) {
        session_reset(s, -R_SESSION_RESET);
        return -R_SESSION_RESET;
    }
    session_acked(s, h->in_seq);
    return 0;
}

int hello_judge(struct msgr *m, const struct hello *h, struct session **out_s,
                struct answer *out_answer)
{
    struct session *s = NULL;
    int rc = stranger_judge(m, h);

    if (rc == 0) {
        s = find(m, h->session);
        if (s)
            rc = resume(s, h);
        else
            rc = h->fresh ? create(m, h, &s) : -R_SESSION_RESET;
    }
    if (rc) {
        answer_refusal(m, rc, out_answer);
        return rc;
    }
    *out_answer = answer_make(m);
    out_answer->in_seq = s->in_seq;
    out_answer->out_seq = s->out_seq;
    *out_s = s;
    return 0;
}

static bool expected(const struct entity *want, const struct entity *e)
{
    return (!want->role || want->role == e->role) && (!want->id || want->id == e->id) &&
           (!want->instance || want->instance == e->instance);
}

int answer_judge(struct session *s, const struct answer *a)
{
    if (a->refused)
        return -(int)a->refused;
    if (a->protocol < WIRE_PROTOCOL_MIN || a->protocol > WIRE_PROTOCOL_MAX ||
        (a->required & ~WIRE_FEATURES))
        return -R_TOO_NEW;
    if (a->auth_method != 0)
        return -R_BAD_AUTH;
    if (!expected(&s->conf.expect, &a->self))
        return -R_WRONG_PEER;
    if (!fsid_meet(s->m, a->fsid))
        return -R_WRONG_CLUSTER;
    if (s->accepted && !entity_equal(&s->peer, &a->self))
        return -R_SESSION_RESET;
    if (a->in_seq < s->acked_seq || a->in_seq > s->out_seq || s->in_seq > a->out_seq)
        return -R_SESSION_RESET;
    s->peer = a->self;
    session_acked(s, a->in_seq);
    return 0;
}
