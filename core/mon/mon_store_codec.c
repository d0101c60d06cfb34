/* mon_store_codec.c - records of the log, and the file that says who a monitor is. */
#include "core/mon/mon_store_codec.h"

enum { RECORD_VERSION = 1, IDENTITY_VERSION = 1 };

size_t mon_record_begin(struct writer *w, const struct mon_record *r)
{
    size_t mark;

    ASSERT(w->len == 0);
    mark = wr_begin(w, RECORD_VERSION, RECORD_VERSION);
    wr_u64(w, r->log_id);
    wr_u64(w, r->generation);
    wr_u64(w, r->seq);
    wr_u8(w, r->kind);
    return mark;
}

void mon_record_end(struct writer *w, size_t mark)
{
    wr_end(w, mark);
    wr_zeros(w, ROUND_UP(w->len, DISK_BLOCK) - w->len);
}

int mon_record_decode(const uint8_t *at, uint64_t room, const struct mon_record *least,
                      struct mon_record *out_record)
{
    struct mon_record r = {0};
    struct cursor c = cur_over(at, room);
    struct cursor head = cur_over(at + SEALED_HEAD_BYTES, 24);

    /* Before the checksum is computed: nearly all blocks fail here. */
    if (at[0] < RECORD_VERSION || cur_u64(&head) != least->log_id ||
        cur_u64(&head) < least->generation || cur_u64(&head) < least->seq)
        return -R_BAD_MAGIC;
    (void)cur_enter(&c, RECORD_VERSION, &r.body);
    r.log_id = cur_u64(&r.body);
    r.generation = cur_u64(&r.body);
    r.seq = cur_u64(&r.body);
    r.kind = cur_u8(&r.body);
    if (r.body.rc == 0 && (r.kind < MON_RECORD_BASE || r.kind > MON_RECORD_END))
        cur_fail(&r.body, -R_MALFORMED);
    if (r.body.rc < 0)
        return r.body.rc;
    r.bytes = ROUND_UP((uint64_t)(r.body.end - at), DISK_BLOCK);
    if (r.bytes > room)
        return -R_TRUNCATED;
    *out_record = r;
    return 0;
}

/* ---- items ---- */

static void pos_put(struct writer *w, struct raft_pos pos)
{
    wr_u64(w, pos.index);
    wr_u64(w, pos.term);
}

void mon_item_hard(struct writer *w, const struct raft_hard *h)
{
    wr_u8(w, MON_ITEM_HARD);
    raft_hard_encode(w, h);
}

void mon_item_reset(struct writer *w, struct raft_pos base)
{
    wr_u8(w, MON_ITEM_RESET);
    pos_put(w, base);
}

void mon_item_cut(struct writer *w, uint64_t from)
{
    wr_u8(w, MON_ITEM_CUT);
    wr_u64(w, from);
}

void mon_item_entry(struct writer *w, const struct raft_entry *e)
{
    wr_u8(w, MON_ITEM_ENTRY);
    raft_entry_encode(w, e);
}

int mon_item_decode(struct cursor *c, struct mon_item *out_item)
{
    struct mon_item item = {.kind = cur_u8(c)};
    int rc = c->rc;

    switch (item.kind) {
    case MON_ITEM_HARD:
        rc = raft_hard_decode(c, &item.hard);
        break;
    case MON_ITEM_RESET:
        item.base.index = cur_u64(c);
        item.base.term = cur_u64(c);
        rc = c->rc;
        break;
    case MON_ITEM_CUT:
        item.from = cur_u64(c);
        rc = c->rc;
        break;
    case MON_ITEM_ENTRY:
        rc = raft_entry_decode(c, &item.entry);
        break;
    default:
        cur_fail(c, -R_MALFORMED);
        rc = c->rc;
    }
    if (rc == 0)
        *out_item = item;
    return rc;
}

/* ---- identity ---- */

void mon_identity_encode(struct writer *w, const struct mon_identity *who)
{
    size_t mark = wr_begin(w, IDENTITY_VERSION, IDENTITY_VERSION);

    wr_raw(w, who->fsid, sizeof(who->fsid));
    wr_u32(w, who->id);
    wr_u64(w, who->log_id);
    wr_u32(w, who->members.count);
    for (uint32_t i = 0; i < who->members.count; i++) {
        wr_u32(w, who->members.m[i].id);
        wr_str(w, who->members.m[i].addr.s);
    }
    wr_end(w, mark);
}

static void addr_get(struct cursor *c, struct net_addr *out)
{
    struct bytes text = cur_bytes(c, sizeof(out->s) - 1);
    char s[sizeof(out->s)] = {0};

    if (c->rc < 0)
        return;
    memcpy(s, text.data, text.len);
    if (memchr(s, 0, sizeof(s)) != s + text.len || net_addr_parse(s, out) < 0)
        cur_fail(c, -R_MALFORMED);
}

int mon_identity_decode(struct cursor *c, struct mon_identity *out_who)
{
    struct mon_identity who = {0};
    struct cursor body;
    struct bytes fsid;
    bool self = false;

    (void)cur_enter(c, IDENTITY_VERSION, &body);
    fsid = cur_raw(&body, sizeof(who.fsid));
    if (body.rc == 0)
        memcpy(who.fsid, fsid.data, sizeof(who.fsid));
    who.id = cur_u32(&body);
    who.log_id = cur_u64(&body);
    who.members.count = cur_count(&body, MON_MEMBERS_MAX, 8);
    for (uint32_t i = 0; i < who.members.count; i++) {
        struct mon_member *m = &who.members.m[i];

        m->id = cur_u32(&body);
        addr_get(&body, &m->addr);
        if (i > 0 && m->id <= m[-1].id)
            cur_fail(&body, -R_MALFORMED);
        self = self || m->id == who.id;
    }
    if (!self)
        cur_fail(&body, -R_MALFORMED);
    if (cur_leave(c, &body) == 0)
        *out_who = who;
    return c->rc;
}
