/* read.c - an object's bytes, verified.
 *
 * A read waits until the after-images of every transaction submitted before it exist, brings the
 * shards it needs into memory, and notes which block (and which checksum) each piece is: that is
 * the state it answers with.  Blocks not yet on the device come from memory, the others in as few
 * device reads as their places allow.  Then every block is verified.
 *
 * Meanwhile the object may change, and its old blocks may be overwritten in place or reused: a
 * mismatch counts as damage only if the object's map has not changed since; else the read starts
 * again with the new state. */
#include "core/store/read.h"

enum { RESTARTS_MAX = 64 };

static void read_step(struct read_op *op);

static void read_answer(struct read_op *op)
{
    struct store_read *r = op->r;
    struct store *s = op->s;

    list_remove(&op->all_link);
    r->rc = op->rc;
    r->impl = NULL;
    object_unref(op->obj);
    r->done(r); /* `op` lies in its arena: gone */
    store_busy_end(s);
}

static void read_posted(struct env_task *task)
{
    struct store_read *r = CONTAINER_OF(task, struct store_read, task);

    read_answer(r->impl);
}

static void segs_drop(struct read_op *op)
{
    for (uint32_t i = 0; i < op->seg_count; i++)
        buf_fini(&op->segs[i].data);
    op->seg_count = 0;
}

void read_finish(struct read_op *op, int rc)
{
    segs_drop(op);
    op->rc = rc;
    if (rc < 0)
        buf_fini(&op->r->data);
    if (op->in_call) {
        env_task_init(&op->r->task, read_posted);
        env_post(op->s->env, &op->r->task);
    } else {
        read_answer(op);
    }
}

static void read_bad(struct read_op *op, uint64_t block)
{
    struct store_read *r = op->r;

    counter_add(&op->s->m.csum_errors, 1);
    log_error(&op->s->log, "damaged data", KV_U64("nid", op->obj->nid),
              KV_U64("off", block * STORE_BLOCK));
    r->bad_off = block * STORE_BLOCK;
    r->bad_len = STORE_BLOCK;
    read_finish(op, -R_CSUM_MISMATCH);
}

/* --- the answer --- */

static int append_crcs(struct read_op *op)
{
    struct store_read *r = op->r;
    uint64_t first = op->off / STORE_BLOCK;
    uint32_t count = crc_count(op->off, r->data.bytes);
    struct writer w;

    r->crcs = arena_alloc(r->arena, 4 * (size_t)count + 1);
    if (!r->crcs)
        return -ENOMEM;
    w = wr_over(r->crcs, 4 * (size_t)count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = MAX((first + i) * STORE_BLOCK, op->off);
        uint64_t end = MIN((first + i + 1) * STORE_BLOCK, op->end);

        wr_u32(&w, end - start == STORE_BLOCK ? op->crcs[i]
                                              : buf_crc32c(&r->data, start - op->off, end - start));
    }
    return 0;
}

static int assemble(struct read_op *op)
{
    struct store_read *r = op->r;
    uint64_t skip = op->off % STORE_BLOCK, bytes = op->end - op->off;
    int rc = 0;

    for (uint32_t i = 0; i < op->seg_count && rc == 0; i++) {
        struct seg *seg = &op->segs[i];

        if (seg->kind == SEG_HOLE)
            rc = buf_append_zeros(&r->data, (uint64_t)seg->blocks * STORE_BLOCK);
        else
            rc = buf_append(&r->data, &seg->data, 0, seg->data.bytes);
    }
    if (rc < 0)
        return rc;
    buf_drop_front(&r->data, skip);
    buf_truncate(&r->data, bytes);
    return append_crcs(op);
}

static bool block_good(const struct read_op *op, const struct seg *seg, uint32_t i)
{
    if (seg->kind == SEG_HOLE)
        return true;
    if (seg->kind == SEG_LOST || seg->data.bytes != (uint64_t)seg->blocks * STORE_BLOCK)
        return false;
    return buf_crc32c(&seg->data, (uint64_t)i * STORE_BLOCK, STORE_BLOCK) ==
           op->crcs[seg->first + i - op->off / STORE_BLOCK];
}

/* Short reads come again; long ones would only push them out. */
static void read_keep(struct read_op *op)
{
    if (op->end - op->off > READ_CACHED_MAX)
        return;
    for (uint32_t i = 0; i < op->seg_count; i++)
        for (uint32_t k = 0; k < op->segs[i].blocks && op->segs[i].kind == SEG_DEVICE; k++)
            data_cache_put(op->s, op->segs[i].io.off / STORE_BLOCK + k, &op->segs[i].data,
                           (uint64_t)k * STORE_BLOCK);
}

static void read_verify(struct read_op *op)
{
    for (uint32_t i = 0; i < op->seg_count; i++)
        for (uint32_t k = 0; k < op->segs[i].blocks; k++) {
            if (block_good(op, &op->segs[i], k))
                continue;
            if (op->data_gen != op->obj->data_gen && op->restarts++ < RESTARTS_MAX) {
                segs_drop(op);
                read_step(op);
            } else {
                read_bad(op, op->segs[i].first + k);
            }
            return;
        }
    read_keep(op);
    read_finish(op, assemble(op));
}

/* --- the plan --- */

static uint64_t read_phys(const struct object *obj, uint64_t block, uint32_t *out_crc)
{
    uint64_t index = block / SHARD_BLOCKS, phys = PHYS_HOLE;

    if (index < obj->shard_cap && obj->shards[index])
        phys = shard_block(shard_row_bytes(obj->shards[index]), block % SHARD_BLOCKS, out_crc);
    if (phys == PHYS_HOLE)
        *out_crc = crc32c_zeros(0, STORE_BLOCK);
    return phys;
}

/* Continue the last segment, or begin one. */
static struct seg *seg_for(struct read_op *op, enum seg_kind kind, uint64_t block, uint64_t phys)
{
    struct seg *last = op->seg_count ? &op->segs[op->seg_count - 1] : NULL;

    if (last && last->kind == kind &&
        (kind != SEG_DEVICE || (last->io.off == (phys - last->blocks) * STORE_BLOCK &&
                                last->blocks < READ_IO_MAX / STORE_BLOCK))) {
        last->blocks++;
        return last;
    }
    last = &op->segs[op->seg_count++];
    *last = (struct seg){.op = op, .kind = kind, .first = block, .blocks = 1};
    last->io.off = phys * STORE_BLOCK;
    return last;
}

static int plan(struct read_op *op)
{
    uint64_t first = op->off / STORE_BLOCK, end = (op->end + STORE_BLOCK - 1) / STORE_BLOCK;
    struct arena *a = op->r->arena;

    op->seg_count = 0;
    op->segs = arena_alloc(a, (size_t)(end - first) * sizeof(*op->segs));
    op->crcs = arena_alloc(a, (size_t)(end - first) * sizeof(*op->crcs));
    if (!op->segs || !op->crcs)
        return -ENOMEM;
    op->data_gen = op->obj->data_gen;
    for (uint64_t b = first; b < end; b++) {
        uint64_t phys = read_phys(op->obj, b, &op->crcs[b - first]);
        AUTO(buf) memory = {0};
        enum seg_kind kind = SEG_DEVICE;
        struct seg *seg;
        int rc = 0;

        if (phys == PHYS_HOLE)
            kind = SEG_HOLE;
        else if (phys == PHYS_LOST)
            kind = SEG_LOST;
        else if (block_in_memory(op->s, phys, &memory, &rc) ||
                 (!op->r->from_device &&
                  data_cache_get(op->s, phys, op->crcs[b - first], &memory, &rc)))
            kind = SEG_MEMORY;
        if (rc < 0)
            return rc;
        seg = seg_for(op, kind, b, phys);
        if (kind == SEG_MEMORY && buf_append(&seg->data, &memory, 0, STORE_BLOCK) < 0)
            return -ENOMEM;
        counter_add(&op->s->m.read_memory_blocks, kind == SEG_MEMORY);
    }
    return 0;
}

static void seg_read(struct disk_io *io)
{
    struct seg *seg = CONTAINER_OF(io, struct seg, io);
    struct read_op *op = seg->op;

    if (io->rc == 0)
        seg->data = buf_move(&io->data);
    else if (io->rc == -ENOMEM)
        op->rc = -ENOMEM; /* says nothing about the blocks */
    else
        log_error(&op->s->log, "the data disk cannot be read", KV_U64("off", io->off),
                  KV_RC(io->rc));
    if (--op->ios)
        return;
    if (store_dead(op->s))
        read_finish(op, op->s->failed ? -R_STORE_FAILED : -R_STOPPED);
    else if (op->rc < 0)
        read_finish(op, op->rc);
    else
        read_verify(op);
}

static void read_device(struct read_op *op)
{
    for (uint32_t i = 0; i < op->seg_count; i++)
        op->ios += op->segs[i].kind == SEG_DEVICE;
    if (op->ios == 0) {
        read_verify(op);
        return;
    }
    for (uint32_t i = 0; i < op->seg_count; i++) {
        struct seg *seg = &op->segs[i];

        if (seg->kind != SEG_DEVICE)
            continue;
        seg->io.disk = op->s->data;
        seg->io.op = DISK_READ;
        seg->io.bytes = (uint64_t)seg->blocks * STORE_BLOCK;
        seg->io.done = seg_read;
        counter_add(&op->s->m.read_bytes, seg->io.bytes);
        disk_submit(op->s->env, &seg->io);
    }
}

static void read_extents(struct read_op *op)
{
    struct writer w = {0};
    uint64_t start = 0, len = 0;
    int rc;

    for (uint64_t at = op->off; at < op->end;) {
        uint64_t next = MIN((at / STORE_BLOCK + 1) * STORE_BLOCK, op->end);
        uint32_t crc;

        if (read_phys(op->obj, at / STORE_BLOCK, &crc) != PHYS_HOLE) {
            if (len == 0)
                start = at;
            len += next - at;
        } else if (len) {
            wr_u64(&w, start);
            wr_u64(&w, len);
            len = 0;
        }
        at = next;
    }
    if (len) {
        wr_u64(&w, start);
        wr_u64(&w, len);
    }
    rc = w.rc ? w.rc : w.len ? buf_append_copy(&op->r->data, w.data, w.len) : 0;
    writer_fini(&w);
    read_finish(op, rc);
}

/* --- driving --- */

static void shards_ready(void *arg, int rc)
{
    struct read_op *op = arg;

    if (store_dead(op->s))
        rc = op->s->failed ? -R_STORE_FAILED : -R_STOPPED;
    if (rc < 0)
        read_finish(op, rc);
    else
        read_step(op);
}

static void read_data(struct read_op *op)
{
    struct store_read *r = op->r;
    struct object *obj = op->obj;
    struct shard_load want = {.obj = obj};
    int rc;

    op->off = MIN(r->off, obj->size);
    op->end = MIN(obj->size, op->off + MIN(r->len, (uint64_t)OBJECT_BYTES_MAX));
    if (op->off == op->end) {
        read_finish(op, 0);
        return;
    }
    want.first = (uint32_t)(op->off / SHARD_BYTES);
    want.count = (uint32_t)((op->end - 1) / SHARD_BYTES) - want.first + 1;
    rc = shards_load(op->s, &want, 1, shards_ready, op);
    if (rc == 1)
        return;
    if (rc == 0 && r->kind == STORE_EXTENTS) {
        read_extents(op);
        return;
    }
    if (rc == 0)
        rc = plan(op);
    if (rc < 0)
        read_finish(op, rc);
    else
        read_device(op);
}

static void read_step(struct read_op *op)
{
    if (op->obj->resolved < op->want) {
        op->waiting = true;
        list_push_back(&op->obj->waiters, &op->link);
        return;
    }
    if (op->obj->damaged) {
        read_bad(op, op->r->off / STORE_BLOCK);
        return;
    }
    if (op->r->kind == STORE_DATA || op->r->kind == STORE_EXTENTS)
        read_data(op);
    else
        omap_read(op);
}

static void read_wake(struct env_task *task)
{
    struct store_read *r = CONTAINER_OF(task, struct store_read, task);
    struct read_op *op = r->impl;

    if (store_dead(op->s))
        read_finish(op, op->s->failed ? -R_STORE_FAILED : -R_STOPPED);
    else
        read_step(op);
}

/* By a task: the caller is in the middle of a resolve. */
void object_wake(struct object *obj)
{
    while (!list_empty(&obj->waiters)) {
        struct read_op *op = LIST_FIRST(&obj->waiters, struct read_op, link);

        if (obj->resolved < op->want)
            break;
        list_remove(&op->link);
        op->waiting = false;
        env_task_init(&op->r->task, read_wake);
        env_post(op->s->env, &op->r->task);
    }
}

void readers_fail(struct store *s)
{
    LIST_EACH_SAFE (l, &s->reads) {
        struct read_op *op = CONTAINER_OF(l, struct read_op, all_link);

        if (!op->waiting)
            continue; /* its I/O or its task comes back */
        list_remove(&op->link);
        op->waiting = false;
        env_task_init(&op->r->task, read_wake);
        env_post(s->env, &op->r->task);
    }
    scans_wake(s);
}

static void read_refused(struct env_task *task)
{
    struct store_read *r = CONTAINER_OF(task, struct store_read, task);

    r->done(r);
}

void store_read(struct store *s, struct store_read *r)
{
    struct read_op *op = arena_zalloc(r->arena, sizeof(*op));

    r->data = (struct buf){0};
    r->crcs = NULL;
    r->pairs = NULL;
    r->pair_count = 0;
    r->more = false;
    r->bad_off = r->bad_len = 0;
    r->rc = 0;
    r->impl = op;
    if (!op || store_dead(s)) {
        r->rc = !op ? -ENOMEM : s->failed ? -R_STORE_FAILED : -R_STOPPED;
        env_task_init(&r->task, read_refused);
        env_post(s->env, &r->task);
        return;
    }
    op->s = s;
    op->r = r;
    op->obj = object_ref(r->obj);
    op->want = op->obj->submitted;
    list_init(&op->link);
    list_push_back(&s->reads, &op->all_link);
    counter_add(&s->m.reads, 1);
    store_busy(s);
    op->in_call = true;
    read_step(op);
    op->in_call = false;
}
