/* journal.c - records become durable, many in one write.
 *
 * The journal is a ring of blocks on its own preallocated disk.  A group of records is one durable
 * write; while it is under way, further records gather for the next.  With one group in flight
 * there is a simple rule at replay: only the last group can be torn, so a bad one that is followed
 * by a valid one is damage.  A group names its position, which grows for ever, the store's salt,
 * the epoch of this opening, and the CRC of the group before it: what an earlier lap or an earlier
 * life left in the ring never continues the chain.
 *
 * The ring never overwrites what a checkpoint does not cover: a group that does not fit waits. */
#include "core/store/store_int.h"

enum { GROUP_MEMORY_KEPT = 1 << 20, GROUP_MEMORY_STEP = 64 << 10 };

static void journal_write(struct store *s);

static void kick_run(struct env_task *task)
{
    struct journal *j = CONTAINER_OF(task, struct journal, kick);
    struct store *s = CONTAINER_OF(j, struct store, journal);

    j->kicked = false;
    if (!store_dead(s))
        journal_write(s);
    store_busy_end(s);
}

void journal_init(struct store *s)
{
    struct journal *j = &s->journal;

    list_init(&j->pending);
    list_init(&j->group.txs);
    env_task_init(&j->kick, kick_run);
}

/* At the end of this turn of the loop, so that one group takes all that is ready now. */
void journal_kick(struct store *s)
{
    struct journal *j = &s->journal;

    if (j->kicked || j->writing || list_empty(&j->pending) || store_dead(s))
        return;
    j->kicked = true;
    store_busy(s);
    env_defer(s->env, &j->kick);
}

void journal_add(struct tx *tx)
{
    struct journal *j = &tx->s->journal;

    tx->seq = ++j->seq;
    tx->stage = TX_JOURNAL;
    list_push_back(&j->pending, &tx->link);
    journal_kick(tx->s);
}

static void tx_committed(struct tx *tx)
{
    struct store *s = tx->s;
    struct store_commit *c = tx->c;

    ASSERT(s->queued_bytes >= tx->cost);
    s->in_flight--;
    if (tx->ticket <= s->over_ticket && --s->over_left == 0)
        salvage_over(s);
    s->queued_bytes -= tx->cost;
    s->queued_journal -= tx_journal_cost(tx);
    tx->stage = TX_DURABLE;
    histogram_add(&s->m.commit, env_now_ns(s->env) - tx->start_ns);
    tx_release_objects(tx);
    records_add(tx);
    defer_durable(tx);
    tx->c = NULL;
    c->committed(c);
}

static void group_durable(struct store *s)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;
    struct list txs, *l;

    list_init(&txs);
    list_splice(&txs, &g->txs);
    j->writing = false;
    j->durable_pos = g->pos + g->blocks;
    j->durable_crc = g->crc;
    if (!list_empty(&txs)) /* else it was a mark */
        j->durable_seq = LIST_LAST(&txs, struct tx, link)->seq;
    s->last_commit_ns = env_now_ns(s->env);
    journal_kick(s); /* the next group first: acknowledging takes time */
    while ((l = list_pop_front(&txs))) {
        if (s->close_now) /* by a callback */
            list_push_back(&g->txs, l);
        else
            tx_committed(CONTAINER_OF(l, struct tx, link));
    }
    if (!store_dead(s))
        store_progress(s);
}

static void part_done(struct disk_io *io, struct group *g)
{
    struct store *s = g->s;

    if (io->rc < 0 && g->rc == 0)
        g->rc = io->rc;
    buf_fini(&io->data);
    if (--g->parts_left == 0) {
        if (g->rc < 0)
            store_fail(s, g->rc, "journal write");
        else if (!store_dead(s))
            group_durable(s);
    }
    store_busy_end(s);
}

static void part0_done(struct disk_io *io)
{
    part_done(io, CONTAINER_OF(io, struct group, io[0]));
}

static void part1_done(struct disk_io *io)
{
    part_done(io, CONTAINER_OF(io, struct group, io[1]));
}

/* How many pending records the next group takes; their size in *out_head. */
static uint32_t group_size(struct store *s, struct group_head *out_head)
{
    struct journal *j = &s->journal;
    uint64_t max = MIN((uint64_t)GROUP_BYTES_MAX, j->blocks * DISK_BLOCK / 4);
    struct group_head h = {0};

    LIST_EACH (l, &j->pending) {
        struct tx *tx = CONTAINER_OF(l, struct tx, link);
        uint64_t bytes = h.front_bytes + tx->front_bytes +
                         (uint64_t)(h.block_count + tx->item_count) * STORE_BLOCK;

        if (h.record_count && bytes > max)
            break;
        h.record_count++;
        h.front_bytes += tx->front_bytes;
        h.block_count += tx->item_count;
    }
    *out_head = h;
    return h.record_count;
}

/* Memory for a group: one is under way at a time, so the same block serves again and again.  NULL
 * when there is none; else a reference for the caller. */
static struct blob *group_memory(struct journal *j, uint64_t bytes)
{
    if (bytes > GROUP_MEMORY_KEPT)
        return blob_create(bytes);
    if (j->memory && (j->memory->bytes < bytes || j->memory->refs > 1)) {
        blob_unref(j->memory);
        j->memory = NULL;
    }
    if (!j->memory)
        j->memory = blob_create(ROUND_UP(bytes, GROUP_MEMORY_STEP));
    return j->memory ? blob_ref(j->memory) : NULL;
}

/* Head, fronts and data of the first `count` pending records, padded to blocks.  Direct I/O wants
 * aligned memory, and records are not; so all of it is copied here, once. */
static int group_encode(struct store *s, struct group_head *h, struct buf *out)
{
    uint64_t bytes = group_blocks(h) * DISK_BLOCK;
    struct blob *memory = group_memory(&s->journal, bytes);
    uint32_t left = h->record_count;
    uint8_t *front, *block;
    int rc = memory ? buf_append_blob(out, memory, 0, (uint32_t)bytes) : -ENOMEM;

    if (rc == 0) {
        front = memory->data + GROUP_HEAD_BYTES;
        block = front + h->front_bytes;
        LIST_EACH (l, &s->journal.pending) {
            struct tx *tx = CONTAINER_OF(l, struct tx, link);

            if (left-- == 0)
                break;
            memcpy(front, tx->front, tx->front_bytes);
            front += tx->front_bytes;
            for (uint32_t i = 0; i < tx->item_count; i++, block += STORE_BLOCK)
                buf_copy_out(&tx->items[i].data, 0, block, STORE_BLOCK);
        }
        memset(block, 0, bytes - (size_t)(block - memory->data));
        h->body_crc = crc32c(0, memory->data + GROUP_HEAD_BYTES,
                             (size_t)(block - memory->data) - GROUP_HEAD_BYTES);
        group_head_encode(h, memory->data);
    }
    blob_unref(memory);
    return rc;
}

static int group_submit(struct store *s, struct buf *data)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;
    uint64_t at = g->pos % j->blocks, first = MIN(g->blocks, j->blocks - at) * DISK_BLOCK;
    unsigned flags = PLANTED(PLANT_JOURNAL_FLUSH) ? 0 : DISK_DURABLE;
    int rc = 0;

    g->parts_left = first < data->bytes ? 2 : 1;
    g->io[0] = (struct disk_io){.disk = j->disk,
                                .op = DISK_WRITE,
                                .flags = flags,
                                .off = at * DISK_BLOCK,
                                .done = part0_done};
    g->io[1] = (struct disk_io){
        .disk = j->disk, .op = DISK_WRITE, .flags = flags, .off = 0, .done = part1_done};
    if (g->parts_left == 2) {
        rc = buf_slice(data, 0, first, &g->io[0].data);
        if (rc == 0)
            rc = buf_slice(data, first, data->bytes - first, &g->io[1].data);
        if (rc < 0) {
            buf_fini(&g->io[0].data);
            return rc;
        }
    } else {
        g->io[0].data = buf_move(data);
    }
    for (uint32_t i = 0; i < g->parts_left; i++) {
        g->io[i].bytes = g->io[i].data.bytes;
        store_busy(s);
        counter_add(&s->m.journal_bytes, g->io[i].bytes);
        disk_submit(s->env, &g->io[i]);
    }
    return 0;
}

static void journal_write(struct store *s)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;
    struct group_head h;
    AUTO(buf) data = {0};
    uint32_t count = j->writing ? 0 : group_size(s, &h);
    bool mark = count == 0 && j->mark && !j->writing;

    if (count == 0 && !mark)
        return;
    if (j->head + group_blocks(&h) - j->tail > j->blocks) {
        counter_add(&s->m.journal_full, 1);
        s->ck_wanted = true;
        store_progress(s);
        return; /* the checkpoint's end kicks again */
    }
    h.salt = s->sb.salt;
    h.epoch = s->sb.epoch;
    h.pos = j->head;
    h.seq_first = mark ? j->seq + 1 : LIST_FIRST(&j->pending, struct tx, link)->seq;
    h.sb_generation = s->sb.generation;
    h.prev_crc = j->chain_crc;
    *g = (struct group){.s = s, .pos = j->head, .txs = {&g->txs, &g->txs}};
    if (group_encode(s, &h, &data) < 0) {
        store_later(s);
        return;
    }
    g->blocks = group_blocks(&h);
    g->crc = h.head_crc;
    if (group_submit(s, &data) < 0) {
        store_later(s);
        return;
    }
    j->writing = true;
    j->marked = mark;
    j->head += g->blocks;
    j->chain_crc = h.head_crc;
    counter_add(&s->m.groups, 1);
    while (count--) {
        struct tx *tx = CONTAINER_OF(list_pop_front(&j->pending), struct tx, link);

        tx->end_pos = j->head;
        tx->end_crc = h.head_crc;
        list_push_back(&g->txs, &tx->link);
    }
}

/* When nothing happens: an empty group behind the last one.  Only a group with a valid one behind
 * it can be told from a torn tail, and the last acknowledged one should not stay alone for long. */
void journal_mark(struct store *s)
{
    struct journal *j = &s->journal;

    if (j->writing || j->marked || j->head == j->tail || !list_empty(&j->pending) ||
        store_dead(s) || j->head + 1 - j->tail > j->blocks)
        return;
    j->mark = true;
    journal_write(s);
    j->mark = false;
}
