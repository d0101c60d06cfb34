/* messages_osd.c - codecs of what an OSD tells the monitors, its peers' heartbeats, and clients.
 *
 * The rules of messages.c hold: fields in the order of the struct, failures left to fini. */
#include "core/proto/messages.h"
#include "core/proto/wire.h"

enum { FRONT_SMALL = 4096 };
enum { TEMP_BYTES_MIN = 9, STAT_BYTES_MIN = 74, FRONT_TEMPS = 8 << 20, FRONT_STATS = 16 << 20 };
enum { FRONT_OP = STEPS_FRONT_BYTES_MAX + 2 * FRONT_SMALL };

/* ---- osd_boot ---- */

static void osd_boot_put(const struct msg_osd_boot *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_i32(w, m->osd.v);
    wr_raw(w, m->uuid, sizeof(m->uuid));
    wr_u64(w, m->instance);
    wire_text_put(w, m->addr.s, sizeof(m->addr.s));
    wr_u32(w, m->newest.v);
    wr_u64(w, m->total_bytes);
    wire_text_put(w, m->host, sizeof(m->host));
    wire_text_put(w, m->device_class, sizeof(m->device_class));
}

static void osd_boot_get(struct msg_osd_boot *m, struct cursor *c, struct buf *data)
{
    struct bytes uuid;

    UNUSED(data);
    m->osd.v = cur_i32(c);
    uuid = cur_raw(c, sizeof(m->uuid));
    memcpy(m->uuid, uuid.data, uuid.len);
    m->instance = cur_u64(c);
    wire_addr(c, &m->addr);
    m->newest.v = cur_u32(c);
    m->total_bytes = cur_u64(c);
    wire_text(c, m->host, sizeof(m->host));
    wire_text(c, m->device_class, sizeof(m->device_class));
}

MESSAGE_CODEC(osd_boot, FRONT_SMALL, 0, NULL)

/* ---- osd_failure, osd_stopping, osd_up_thru ---- */

static void osd_failure_put(const struct msg_osd_failure *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_i32(w, m->reporter.v);
    wr_i32(w, m->target.v);
    wr_u64(w, m->target_instance);
    wr_u32(w, m->epoch.v);
    wr_bool(w, m->refused);
    wr_bool(w, m->alive);
    wr_u32(w, m->silent_ms);
}

static void osd_failure_get(struct msg_osd_failure *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->reporter.v = cur_i32(c);
    m->target.v = cur_i32(c);
    m->target_instance = cur_u64(c);
    m->epoch.v = cur_u32(c);
    m->refused = cur_bool(c);
    m->alive = cur_bool(c);
    m->silent_ms = cur_u32(c);
}

MESSAGE_CODEC(osd_failure, FRONT_SMALL, 0, NULL)

static void osd_stopping_put(const struct msg_osd_stopping *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_i32(w, m->osd.v);
    wr_u64(w, m->instance);
}

static void osd_stopping_get(struct msg_osd_stopping *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->osd.v = cur_i32(c);
    m->instance = cur_u64(c);
}

MESSAGE_CODEC(osd_stopping, FRONT_SMALL, 0, NULL)

static void osd_up_thru_put(const struct msg_osd_up_thru *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_i32(w, m->osd.v);
    wr_u64(w, m->instance);
    wr_u32(w, m->want.v);
}

static void osd_up_thru_get(struct msg_osd_up_thru *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->osd.v = cur_i32(c);
    m->instance = cur_u64(c);
    m->want.v = cur_u32(c);
}

MESSAGE_CODEC(osd_up_thru, FRONT_SMALL, 0, NULL)

/* ---- osd_pg_temp ---- */

static void osd_pg_temp_put(const struct msg_osd_pg_temp *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    ASSERT(m->count <= OSD_REPORT_PGS_MAX);
    wr_i32(w, m->osd.v);
    wr_u32(w, m->epoch.v);
    wr_u32(w, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        wr_pgid(w, m->want[i].pg);
        wr_osd_set(w, &m->want[i].acting);
    }
}

static void osd_pg_temp_get(struct msg_osd_pg_temp *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->osd.v = cur_i32(c);
    m->epoch.v = cur_u32(c);
    m->count = cur_count(c, OSD_REPORT_PGS_MAX, TEMP_BYTES_MIN);
    m->want = wire_rows(c, &m->count, sizeof(*m->want));
    for (uint32_t i = 0; i < m->count; i++) {
        m->want[i].pg = cur_pgid(c);
        m->want[i].acting = cur_osd_set(c);
    }
}

static void osd_pg_temp_fini(struct msg *base)
{
    mem_free(MESSAGE_AS(base, osd_pg_temp)->want);
}

MESSAGE_CODEC(osd_pg_temp, FRONT_TEMPS, 0, osd_pg_temp_fini)

/* ---- osd_stats ---- */

static void stat_put(struct writer *w, const struct pg_stat *s)
{
    wr_pgid(w, s->pg);
    wr_u32(w, s->epoch.v);
    wr_u32(w, s->state);
    wr_version(w, s->last_update);
    wr_u64(w, s->objects);
    wr_u64(w, s->bytes);
    wr_u64(w, s->objects_degraded);
    wr_u64(w, s->objects_misplaced);
    wr_u64(w, s->objects_unfound);
    wr_u32(w, s->last_clean.v);
    wr_osd_set(w, &s->up);
    wr_osd_set(w, &s->acting);
}

static void stat_get(struct cursor *c, struct pg_stat *s)
{
    s->pg = cur_pgid(c);
    s->epoch.v = cur_u32(c);
    s->state = cur_u32(c);
    s->last_update = cur_version(c);
    s->objects = cur_u64(c);
    s->bytes = cur_u64(c);
    s->objects_degraded = cur_u64(c);
    s->objects_misplaced = cur_u64(c);
    s->objects_unfound = cur_u64(c);
    s->last_clean.v = cur_u32(c);
    s->up = cur_osd_set(c);
    s->acting = cur_osd_set(c);
}

static void osd_stats_put(const struct msg_osd_stats *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    ASSERT(m->count <= OSD_REPORT_PGS_MAX);
    wr_i32(w, m->osd.v);
    wr_u64(w, m->instance);
    wr_u64(w, m->total_bytes);
    wr_u64(w, m->used_bytes);
    wr_u64(w, m->objects);
    wr_bool(w, m->full);
    wr_u64(w, m->corrupt_found);
    wr_u64(w, m->corrupt_repaired);
    wr_u32(w, m->count);
    for (uint32_t i = 0; i < m->count; i++)
        stat_put(w, &m->pgs[i]);
}

static void osd_stats_get(struct msg_osd_stats *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->osd.v = cur_i32(c);
    m->instance = cur_u64(c);
    m->total_bytes = cur_u64(c);
    m->used_bytes = cur_u64(c);
    m->objects = cur_u64(c);
    m->full = cur_bool(c);
    m->corrupt_found = cur_u64(c);
    m->corrupt_repaired = cur_u64(c);
    m->count = cur_count(c, OSD_REPORT_PGS_MAX, STAT_BYTES_MIN);
    m->pgs = wire_rows(c, &m->count, sizeof(*m->pgs));
    for (uint32_t i = 0; i < m->count; i++)
        stat_get(c, &m->pgs[i]);
}

static void osd_stats_fini(struct msg *base)
{
    mem_free(MESSAGE_AS(base, osd_stats)->pgs);
}

MESSAGE_CODEC(osd_stats, FRONT_STATS, 0, osd_stats_fini)

/* ---- osd_ping ---- */

static void osd_ping_put(const struct msg_osd_ping *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_bool(w, m->answer);
    wr_i32(w, m->from.v);
    wr_u64(w, m->instance);
    wr_u32(w, m->epoch.v);
    wr_u64(w, m->sent_ns);
    wr_u32(w, m->granted_ms);
    wr_u8(w, m->fill);
}

static void osd_ping_get(struct msg_osd_ping *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->answer = cur_bool(c);
    m->from.v = cur_i32(c);
    m->instance = cur_u64(c);
    m->epoch.v = cur_u32(c);
    m->sent_ns = cur_u64(c);
    m->granted_ms = cur_u32(c);
    m->fill = cur_u8(c);
}

MESSAGE_CODEC(osd_ping, FRONT_SMALL, 0, NULL)

/* ---- osd_op, osd_op_reply ---- */

static void osd_op_put(const struct msg_osd_op *m, struct writer *w, struct buf *data)
{
    wr_reqid(w, m->reqid);
    wr_u64(w, m->floor);
    wr_u32(w, m->epoch.v);
    wr_u32(w, m->born.v);
    wr_u32(w, m->attempt);
    wr_pgid(w, m->pg);
    wr_oid(w, &m->oid);
    steps_encode(&m->steps, w, data);
}

static void osd_op_get(struct msg_osd_op *m, struct cursor *c, struct buf *data)
{
    steps_init(&m->steps);
    m->reqid = cur_reqid(c);
    m->floor = cur_u64(c);
    m->epoch.v = cur_u32(c);
    m->born.v = cur_u32(c);
    m->attempt = cur_u32(c);
    m->pg = cur_pgid(c);
    wire_oid(c, &m->oid);
    (void)steps_decode(c, data, &m->steps); /* the cursor keeps its failure */
}

static void osd_op_fini(struct msg *base)
{
    struct msg_osd_op *m = MESSAGE_AS(base, osd_op);

    oid_fini(&m->oid);
    steps_fini(&m->steps);
}

MESSAGE_CODEC(osd_op, FRONT_OP, OBJECT_BYTES_MAX, osd_op_fini)

static void osd_op_reply_put(const struct msg_osd_op_reply *m, struct writer *w, struct buf *data)
{
    wr_u64(w, m->op);
    wr_u32(w, m->attempt);
    wr_u32(w, m->epoch.v);
    wr_i32(w, m->rc);
    wr_version(w, m->version);
    step_results_encode(&m->results, w, data);
}

static void osd_op_reply_get(struct msg_osd_op_reply *m, struct cursor *c, struct buf *data)
{
    step_results_init(&m->results);
    m->op = cur_u64(c);
    m->attempt = cur_u32(c);
    m->epoch.v = cur_u32(c);
    m->rc = cur_i32(c);
    m->version = cur_version(c);
    (void)step_results_decode(c, data, &m->results); /* the cursor keeps its failure */
}

static void osd_op_reply_fini(struct msg *base)
{
    step_results_fini(&MESSAGE_AS(base, osd_op_reply)->results);
}

MESSAGE_CODEC(osd_op_reply, FRONT_OP, OBJECT_BYTES_MAX, osd_op_reply_fini)

/* ---- copy_query, copy_reply ---- */

static void copy_query_put(const struct msg_copy_query *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_u64(w, m->id);
    wr_pgid(w, m->pg);
    wr_oid(w, &m->oid);
}

static void copy_query_get(struct msg_copy_query *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->id = cur_u64(c);
    m->pg = cur_pgid(c);
    wire_oid(c, &m->oid);
}

static void copy_query_fini(struct msg *base)
{
    oid_fini(&MESSAGE_AS(base, copy_query)->oid);
}

MESSAGE_CODEC(copy_query, FRONT_SMALL, 0, copy_query_fini)

static void copy_reply_put(const struct msg_copy_reply *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_u64(w, m->id);
    wr_i32(w, m->from.v);
    wr_i32(w, m->rc);
    wr_u64(w, m->size);
    wr_version(w, m->version);
    wr_u32(w, m->crc32c);
}

static void copy_reply_get(struct msg_copy_reply *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->id = cur_u64(c);
    m->from.v = cur_i32(c);
    m->rc = cur_i32(c);
    m->size = cur_u64(c);
    m->version = cur_version(c);
    m->crc32c = cur_u32(c);
}

MESSAGE_CODEC(copy_reply, FRONT_SMALL, 0, NULL)
