/* replica.c - a member's side of replication: keep what the primary ordered, say when it is
 * durable.
 *
 * Writes come in log order on one session.  After a break the primary sends again what was not
 * confirmed: what we have is confirmed again, and a write that does not follow our head is dropped,
 * since the one before it is on its way.  One answer per turn of the loop says how far we are. */
#include "core/osd/pg.h"

static void answer_now(struct env_task *task)
{
    struct pg *pg = CONTAINER_OF(task, struct pg, answer_task);
    struct session *s = TAKE(pg->answer_to);
    struct msg_rep_reply *m = NULL;

    pg->answer_posted = false;
    pg->busy--;
    if (s && osd_serving(pg->o))
        m = MESSAGE_NEW(rep_reply);
    if (m) {
        m->pg = pg->id;
        m->interval = pg_since(pg);
        m->from = pg->o->id;
        m->durable = pg->durable;
        session_send(s, &m->base);
    } else if (s) {
        session_close(s); /* the primary sends again, and is answered then */
    }
    if (s && version_lt(pg->durable, pg->copy.log.head) && pg->phase == PG_LIVE)
        pg->answer_to = s; /* more is owed */
    else
        session_unref(s);
    pg_maybe_free(pg);
}

void replica_init(struct pg *pg)
{
    env_task_init(&pg->answer_task, answer_now);
}

void replica_durable(struct pg *pg)
{
    if (!pg->answer_to || pg->answer_posted)
        return;
    pg->answer_posted = true;
    pg->busy++;
    env_defer(pg->o->env, &pg->answer_task);
}

void replica_interval(struct pg *pg)
{
    session_unref(TAKE(pg->answer_to));
    session_unref(TAKE(pg->asker));
}

static void owe(struct pg *pg, struct session *s)
{
    if (pg->answer_to == s)
        return;
    session_unref(pg->answer_to);
    pg->answer_to = session_ref(s);
}

static void member_durable(struct pg_sub *sub, bool done)
{
    UNUSED(done);
    mem_free(sub);
}

/* 0, or -ENOMEM with nothing changed. */
static int keep(struct pg *pg, struct msg_rep_op *m)
{
    struct pg_sub *sub = mem_alloc(sizeof(*sub));
    int rc = sub ? pg_sub_init(sub, pg, m->txn, NULL) : -ENOMEM;

    if (rc == 0) {
        sub->version = m->entry->version;
        sub->durable = member_durable;
        rc = pg_log_append(&pg->copy.log, m->entry);
        if (rc < 0)
            pg_sub_fini(sub);
    }
    if (rc < 0) {
        mem_free(sub);
        return rc;
    }
    m->entry = NULL; /* the log's */
    pg_submit(sub);
    return 0;
}

void replica_op(struct pg *pg, struct session *s, struct msg_rep_op *m)
{
    const struct version head = pg->copy.log.head;
    int rc = 0;

    if (pg->peering.state != PEERING_REPLICA_ACTIVE || !m->entry || !m->txn) {
        msg_free(&m->base);
        return;
    }
    owe(pg, s);
    if (m->entry->version.seq <= head.seq) {
        replica_durable(pg); /* a repeat */
    } else if (m->entry->version.seq == head.seq + 1 && !version_lt(m->entry->version, head)) {
        rc = keep(pg, m);
    }
    if (version_lt(pg->committed_to, m->committed_to))
        pg->committed_to = m->committed_to;
    if (rc == 0 && (pg->trim_skip++ >= 16 || pg->copy.log.bytes > pg_log_bytes_keep(pg))) {
        pg->trim_skip = 0;
        pg_trim(pg, version_lt(m->trim_to, pg->committed_to) ? m->trim_to : pg->committed_to);
    }
    if (rc < 0) {
        log_warn(&pg->log, "no memory for a write: its session ends", KV_RC(rc));
        session_close(s);
    }
    msg_free(&m->base);
}
