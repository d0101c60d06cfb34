/* codec.c - Raft's bytes: messages between members, and the records a driver keeps on disk.
 *
 * doc/format/raft.md is the contract.  A message is a head and, in a fixed order, those fields that
 * its type has; one table says which, for both directions.  What is checked here is what the format
 * promises (sizes, counts, known types); whether a message makes sense now is raft_step's. */
#include "core/raft/raft.h"

enum { MSG_VERSION = 1, ENTRY_VERSION = 1, HARD_VERSION = 1, SNAP_VERSION = 1 };
enum { WIRE_ENTRY_BYTES_MIN = 13, MEMBER_BYTES = 5 };

enum field { /* in the order in which they are written */
             F_POS = 1 << 0,
             F_REFUSED = 1 << 1,
             F_COMMIT = 1 << 2,
             F_ROUND = 1 << 3, /* round and sent_ms */
             F_OK = 1 << 4,
             F_FORCE = 1 << 5,
             F_ENTRIES = 1 << 6,
             F_SNAP = 1 << 7, /* but for its position, which is `pos` */
             F_OFFSET = 1 << 8,
             F_CHUNK = 1 << 9,
             F_READ = 1 << 10,
};

static const struct {
    const char *name;
    uint32_t fields;
} kinds[] = {
    [RAFT_MSG_VOTE] = {"vote", F_POS | F_FORCE},
    [RAFT_MSG_VOTE_REPLY] = {"vote-reply", F_OK},
    [RAFT_MSG_PREVOTE] = {"prevote", F_POS},
    [RAFT_MSG_PREVOTE_REPLY] = {"prevote-reply", F_OK},
    [RAFT_MSG_APPEND] = {"append", F_POS | F_COMMIT | F_ROUND | F_ENTRIES},
    [RAFT_MSG_APPEND_REPLY] = {"append-reply", F_POS | F_REFUSED | F_ROUND | F_OK},
    [RAFT_MSG_HEARTBEAT] = {"heartbeat", F_COMMIT | F_ROUND},
    [RAFT_MSG_HEARTBEAT_REPLY] = {"heartbeat-reply", F_POS | F_COMMIT | F_ROUND | F_OK},
    [RAFT_MSG_SNAPSHOT] = {"snapshot", F_POS | F_ROUND | F_SNAP | F_OFFSET | F_CHUNK},
    [RAFT_MSG_SNAPSHOT_REPLY] = {"snapshot-reply", F_POS | F_ROUND | F_OK | F_OFFSET},
    [RAFT_MSG_READ] = {"read", F_READ},
    [RAFT_MSG_READ_REPLY] = {"read-reply", F_COMMIT | F_OK | F_READ},
    [RAFT_MSG_TIMEOUT_NOW] = {"timeout-now", 0},
};

const char *raft_msg_name(enum raft_msg_type type)
{
    return type >= 1 && (size_t)type < ARRAY_LEN(kinds) ? kinds[type].name : "unknown";
}

/* ---- parts ---- */

static void pos_encode(struct writer *w, struct raft_pos pos)
{
    wr_u64(w, pos.index);
    wr_u64(w, pos.term);
}

static struct raft_pos pos_decode(struct cursor *c)
{
    struct raft_pos pos;

    pos.index = cur_u64(c);
    pos.term = cur_u64(c);
    if (pos.index > RAFT_NUMBER_MAX || pos.term > RAFT_NUMBER_MAX)
        cur_fail(c, -R_MALFORMED);
    if ((pos.index == 0) != (pos.term == 0))
        cur_fail(c, -R_MALFORMED);
    return pos;
}

static void members_encode(struct writer *w, const struct raft_members *ms)
{
    wr_u32(w, ms->count);
    for (uint32_t i = 0; i < ms->count; i++) {
        wr_u32(w, ms->m[i].id);
        wr_bool(w, ms->m[i].learner);
    }
}

static void members_decode(struct cursor *c, struct raft_members *ms)
{
    ms->count = cur_count(c, RAFT_MEMBERS_MAX, MEMBER_BYTES);
    for (uint32_t i = 0; i < ms->count; i++) {
        ms->m[i].id = cur_u32(c);
        ms->m[i].learner = cur_bool(c);
        if (ms->m[i].id == 0 || (i > 0 && ms->m[i].id <= ms->m[i - 1].id))
            cur_fail(c, -R_MALFORMED);
    }
}

static enum raft_entry_type entry_type_decode(struct cursor *c)
{
    uint8_t type = cur_u8(c);

    if (type < RAFT_NOOP || type > RAFT_CONFIG)
        cur_fail(c, -R_MALFORMED);
    return (enum raft_entry_type)type;
}

/* ---- messages ---- */

static void entries_encode(struct writer *w, const struct raft_msg *m)
{
    wr_u32(w, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        wr_u64(w, m->entries[i].pos.term);
        wr_u8(w, (uint8_t)m->entries[i].type);
        wr_bytes(w, m->entries[i].data);
    }
}

static int entries_decode(struct cursor *c, struct raft_msg *m)
{
    uint32_t count = cur_count(c, RAFT_APPEND_ENTRIES_MAX, WIRE_ENTRY_BYTES_MIN);

    if (count == 0)
        return 0;
    m->owned = mem_calloc(count, sizeof(*m->owned));
    if (!m->owned)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct raft_entry *e = &m->owned[i];

        e->pos.index = m->pos.index + 1 + i;
        e->pos.term = cur_u64(c);
        e->type = entry_type_decode(c);
        e->data = cur_bytes(c, RAFT_ENTRY_BYTES_MAX);
        if (e->pos.term == 0 || e->pos.term > RAFT_NUMBER_MAX)
            cur_fail(c, -R_MALFORMED);
    }
    m->entries = m->owned;
    m->entry_count = count;
    return 0;
}

void raft_msg_encode(struct writer *w, const struct raft_msg *m)
{
    uint32_t fields = kinds[m->type].fields;
    size_t mark = wr_begin_plain(w, MSG_VERSION, MSG_VERSION);

    wr_u8(w, (uint8_t)m->type);
    wr_u32(w, m->from);
    wr_u32(w, m->to);
    wr_u64(w, m->term);
    if (fields & F_POS)
        pos_encode(w, m->pos);
    if (fields & F_REFUSED)
        wr_u64(w, m->refused_index);
    if (fields & F_COMMIT)
        wr_u64(w, m->commit);
    if (fields & F_ROUND) {
        wr_u64(w, m->round);
        wr_u64(w, m->sent_ms);
    }
    if (fields & F_OK)
        wr_bool(w, m->ok);
    if (fields & F_FORCE)
        wr_bool(w, m->force);
    if (fields & F_ENTRIES)
        entries_encode(w, m);
    if (fields & F_SNAP) {
        wr_u64(w, m->snap.bytes);
        members_encode(w, &m->snap.members);
    }
    if (fields & F_OFFSET)
        wr_u64(w, m->offset);
    if (fields & F_CHUNK)
        wr_bytes(w, m->chunk);
    if (fields & F_READ)
        wr_u64(w, m->read_id);
    wr_end_plain(w, mark);
}

static int fields_decode(struct cursor *c, uint32_t fields, struct raft_msg *m)
{
    int rc = 0;

    if (fields & F_POS)
        m->pos = pos_decode(c);
    if (fields & F_REFUSED)
        m->refused_index = cur_u64(c);
    if (fields & F_COMMIT)
        m->commit = cur_u64(c);
    if (fields & F_ROUND) {
        m->round = cur_u64(c);
        m->sent_ms = cur_u64(c);
    }
    if (fields & F_OK)
        m->ok = cur_bool(c);
    if (fields & F_FORCE)
        m->force = cur_bool(c);
    if (fields & F_ENTRIES)
        rc = entries_decode(c, m);
    if (fields & F_SNAP) {
        m->snap.pos = m->pos;
        m->snap.bytes = cur_u64(c);
        members_decode(c, &m->snap.members);
    }
    if (fields & F_OFFSET)
        m->offset = cur_u64(c);
    if (fields & F_CHUNK)
        m->chunk = cur_bytes(c, RAFT_CHUNK_BYTES_MAX);
    if (fields & F_READ)
        m->read_id = cur_u64(c);
    return rc;
}

int raft_msg_decode(struct cursor *c, struct raft_msg *out_msg)
{
    struct raft_msg m = {0};
    struct cursor body;
    uint32_t type;
    int rc = 0;

    (void)cur_enter_plain(c, MSG_VERSION, &body); /* one version so far */
    type = cur_u8(&body);
    if (type == 0 || type >= ARRAY_LEN(kinds)) {
        cur_fail(&body, -R_MALFORMED);
        return cur_leave(c, &body);
    }
    m.type = (enum raft_msg_type)type;
    m.from = cur_u32(&body);
    m.to = cur_u32(&body);
    m.term = cur_u64(&body);
    if (m.from == 0 || m.to == 0 || m.term > RAFT_NUMBER_MAX)
        cur_fail(&body, -R_MALFORMED);
    rc = fields_decode(&body, kinds[type].fields, &m);
    if (cur_leave(c, &body) < 0)
        rc = c->rc;
    if (rc == 0)
        *out_msg = m;
    else
        raft_msg_fini(&m);
    return rc;
}

void raft_msg_fini(struct raft_msg *m)
{
    mem_free(TAKE(m->owned));
    m->entries = NULL;
    m->entry_count = 0;
}

/* ---- stored records ---- */

void raft_entry_encode(struct writer *w, const struct raft_entry *e)
{
    size_t mark = wr_begin(w, ENTRY_VERSION, ENTRY_VERSION);

    pos_encode(w, e->pos);
    wr_u8(w, (uint8_t)e->type);
    wr_bytes(w, e->data);
    wr_end(w, mark);
}

int raft_entry_decode(struct cursor *c, struct raft_entry *out_entry)
{
    struct raft_entry e = {0};
    struct cursor body;

    (void)cur_enter(c, ENTRY_VERSION, &body); /* one version so far */
    e.pos = pos_decode(&body);
    e.type = entry_type_decode(&body);
    e.data = cur_bytes(&body, RAFT_ENTRY_BYTES_MAX);
    if (e.pos.index == 0)
        cur_fail(&body, -R_MALFORMED);
    if (cur_leave(c, &body) == 0)
        *out_entry = e;
    return c->rc;
}

void raft_hard_encode(struct writer *w, const struct raft_hard *h)
{
    size_t mark = wr_begin(w, HARD_VERSION, HARD_VERSION);

    wr_u64(w, h->term);
    wr_u32(w, h->vote);
    wr_end(w, mark);
}

int raft_hard_decode(struct cursor *c, struct raft_hard *out_hard)
{
    struct raft_hard h = {0};
    struct cursor body;

    (void)cur_enter(c, HARD_VERSION, &body); /* one version so far */
    h.term = cur_u64(&body);
    h.vote = cur_u32(&body);
    if (h.term > RAFT_NUMBER_MAX || (h.term == 0 && h.vote != 0))
        cur_fail(&body, -R_MALFORMED);
    if (cur_leave(c, &body) == 0)
        *out_hard = h;
    return c->rc;
}

void raft_snap_encode(struct writer *w, const struct raft_snap *s)
{
    size_t mark = wr_begin(w, SNAP_VERSION, SNAP_VERSION);

    pos_encode(w, s->pos);
    wr_u64(w, s->bytes);
    members_encode(w, &s->members);
    wr_end(w, mark);
}

int raft_snap_decode(struct cursor *c, struct raft_snap *out_snap)
{
    struct raft_snap s = {0};
    struct cursor body;

    (void)cur_enter(c, SNAP_VERSION, &body); /* one version so far */
    s.pos = pos_decode(&body);
    s.bytes = cur_u64(&body);
    members_decode(&body, &s.members);
    if (cur_leave(c, &body) == 0)
        *out_snap = s;
    return c->rc;
}
