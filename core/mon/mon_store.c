/* mon_store.c - the log of persists.
 *
 * A record is one durable write of whole blocks: a sealed envelope with the file's generation, the
 * record's number and items (hard state, reset, cut, entries), padded with zeros.  It is written at
 * the end of the one before it, when that one is durable.  A file begins with a base record, which
 * says all that was to be kept then; when a file is used far enough the other one is begun with a
 * higher generation.  The old file stays valid until then, so each crash finds one whole log.
 *
 * At start the file with the highest generation that has a base counts.  Its records are replayed
 * up to the first that is not whole.  That one was never acknowledged if nothing was written after
 * it; a later record of the same generation proves that it had been durable, and so that it was
 * damaged since: then the role must not start, for it may have promised a vote. */
#include "core/mon/mon_store.h"

#include "core/env/file.h"
#include "core/mon/mon_store_codec.h"

enum { MON_FILE_MAX = 64 << 10 };

struct snapshot_work {
    struct env_work work;
    struct mon_store *store;
    struct writer head;
    struct buf state;
    void (*done)(void *arg, int rc);
    void *arg;
    int rc;
};

struct mon_store {
    struct env *env;
    struct mon_store_conf conf;
    char *folder;            /* owned */
    struct file_lock *lock;  /* owned */
    struct disk *log[2];     /* owned */
    const struct raft *raft; /* borrowed */
    uint64_t log_id;
    uint64_t generation, seq; /* of the next record */
    uint64_t at;              /* where it goes, in the file of this generation */
    struct writer items;      /* waiting */
    struct raft_token token;  /* of the last of them; seq 0: none */
    struct disk_io io;
    bool writing, failed, closing, end_written;
    struct raft_token io_token;
    struct snapshot_work *snapshot; /* owned while under way */
    uint64_t writes;
    void (*closed)(void *arg);
    void *closed_arg;
    struct env_task close_task;
};

void mon_stored_fini(struct mon_stored *s)
{
    buf_fini(&s->state);
    mem_free(s->entries);
    mem_free(s->image);
    memset(s, 0, sizeof(*s));
}

static char *path_of(const char *folder, const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

/* ---- mkfs ---- */

static int log_open(struct env *env, const char *folder, unsigned i, bool create, struct disk **out,
                    struct note *why)
{
    struct disk_conf conf = {.create = create, .zeroed = true, .bytes = create ? MON_LOG_BYTES : 0};
    char name[8] = {'l', 'o', 'g', '.', (char)('0' + i), 0};
    AUTO_FREE char *path = path_of(folder, name);
    int rc = path ? disk_open(env, path, &conf, out, why) : -ENOMEM;

    if (rc == 0 && disk_bytes(*out) != MON_LOG_BYTES) {
        note_set(why, "%s: its size is not a log's", path);
        disk_close(TAKE(*out));
        rc = -R_MALFORMED;
    }
    return rc;
}

static int base_write(struct env *env, const char *folder, uint64_t log_id, struct note *why)
{
    AUTO(writer) w = {0};
    struct disk *d[2] = {NULL, NULL};
    struct raft_hard hard = {0};
    int rc = log_open(env, folder, 0, true, &d[0], why);

    if (rc == 0)
        rc = log_open(env, folder, 1, true, &d[1], why);
    if (rc == 0) {
        size_t mark = mon_record_begin(&w, &(struct mon_record){.log_id = log_id,
                                                                .generation = MON_FIRST_GENERATION,
                                                                .kind = MON_RECORD_BASE});

        mon_item_hard(&w, &hard);
        mon_item_reset(&w, (struct raft_pos){0});
        mon_record_end(&w, mark);
        rc = w.rc;
    }
    if (rc == 0)
        rc = disk_write_now(d[MON_FIRST_GENERATION % 2], 0, w.data, w.len);
    if (rc == 0)
        rc = disk_flush_now(d[MON_FIRST_GENERATION % 2]);
    disk_close(d[0]);
    disk_close(d[1]);
    return rc;
}

int mon_store_mkfs(struct env *env, const char *folder, const struct mon_identity *who,
                   struct note *why)
{
    AUTO(writer) w = {0};
    AUTO(buf) old = {0};
    AUTO_FREE char *path = path_of(folder, "mon");
    struct mon_identity made = *who;
    int rc = path ? dir_create(env, folder, 0700) : -ENOMEM;

    made.log_id = env_random_u64(env);
    if (rc == 0) {
        rc = file_read(env, path, MON_FILE_MAX, &old);
        rc = rc == -ENOENT ? 0 : rc == 0 ? -EEXIST : rc;
    }
    if (rc == 0)
        rc = base_write(env, folder, made.log_id, why);
    if (rc == 0) {
        mon_identity_encode(&w, &made);
        rc = w.rc;
    }
    if (rc == 0) /* last: it makes the folder a monitor's */
        rc = file_replace(env, path, w.data, w.len, 0600);
    if (rc < 0)
        note_add(why, "%s: %s", folder,
                 rc == -EEXIST ? "a monitor is there already" : reason_text(rc));
    return rc;
}

int mon_store_peek(struct env *env, const char *folder, struct mon_identity *out_who,
                   struct note *why)
{
    AUTO(buf) data = {0};
    AUTO_FREE char *path = path_of(folder, "mon");
    struct cursor c;
    int rc = path ? file_read(env, path, MON_FILE_MAX, &data) : -ENOMEM;

    if (rc == 0) {
        c = cur_over(data.bytes ? buf_contiguous(&data, 0, data.bytes) : NULL, data.bytes);
        rc = mon_identity_decode(&c, out_who);
    }
    if (rc < 0)
        note_add(why, "%s/mon: %s", folder, reason_text(rc));
    return rc;
}

/* ---- opening ---- */

/* The whole file.  A block that cannot be read counts as torn: what follows tells whether it may.
 */
static int image_read(struct disk *d, uint8_t *image)
{
    enum { PART = 1 << 20 };

    for (uint64_t at = 0; at < MON_LOG_BYTES; at += PART) {
        if (disk_read_now(d, at, image + at, PART) == 0)
            continue;
        for (uint64_t b = at; b < at + PART; b += DISK_BLOCK)
            if (disk_read_now(d, b, image + b, DISK_BLOCK) < 0)
                memset(image + b, 0, DISK_BLOCK);
    }
    return 0;
}

static int entry_add(struct mon_stored *s, const struct raft_entry *e)
{
    if (s->entry_count == s->entry_cap) {
        size_t cap = s->entry_cap ? s->entry_cap * 2 : 64;
        struct raft_entry *grown = mem_realloc(s->entries, cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        s->entries = grown;
        s->entry_cap = cap;
    }
    s->entries[s->entry_count++] = *e;
    return 0;
}

static int item_replay(struct mon_stored *s, const struct mon_item *item)
{
    switch (item->kind) {
    case MON_ITEM_HARD:
        s->hard = item->hard;
        return 0;
    case MON_ITEM_RESET:
        s->entry_count = 0;
        return 0;
    case MON_ITEM_CUT:
        while (s->entry_count && s->entries[s->entry_count - 1].pos.index >= item->from)
            s->entry_count--;
        return 0;
    case MON_ITEM_ENTRY:
        if (s->entry_count && s->entries[s->entry_count - 1].pos.index + 1 != item->entry.pos.index)
            return -R_MALFORMED;
        return entry_add(s, &item->entry);
    }
    return -R_MALFORMED;
}

static int record_replay(struct mon_stored *s, struct cursor *body)
{
    while (body->rc == 0 && cur_left(body) > 0) {
        struct mon_item item;
        int rc = mon_item_decode(body, &item);

        if (rc == 0)
            rc = item_replay(s, &item);
        if (rc < 0)
            return rc;
    }
    return body->rc;
}

/* Is there a whole record from `at` on, of `than`'s generation or a later one, numbered above it?
 */
static bool later_record(const uint8_t *image, uint64_t at, const struct mon_record *than)
{
    struct mon_record least = *than, r;

    least.seq++;
    for (; at < MON_LOG_BYTES; at += DISK_BLOCK)
        if (mon_record_decode(image + at, MON_LOG_BYTES - at, &least, &r) == 0)
            return true;
    return false;
}

static int log_replay(struct mon_store *s, const uint8_t *image, struct mon_stored *out,
                      struct note *why)
{
    struct mon_record want = {.log_id = s->log_id, .generation = s->generation}, r;
    bool ended = false;
    int rc;

    for (s->at = 0; s->at < MON_LOG_BYTES; want.seq++) {
        if (mon_record_decode(image + s->at, MON_LOG_BYTES - s->at, &want, &r) < 0 ||
            r.generation != want.generation || r.seq != want.seq)
            break;
        rc = record_replay(out, &r.body);
        if (rc < 0) {
            note_set(why, "log record %llu: %s", (unsigned long long)r.seq, reason_text(rc));
            return rc;
        }
        ended = r.kind == MON_RECORD_END;
        s->at += r.bytes;
    }
    s->seq = want.seq;
    if (!ended && later_record(image, s->at, &want)) {
        note_set(why, "log record %llu was durable and is damaged", (unsigned long long)s->seq);
        return -R_CSUM_MISMATCH;
    }
    return 0;
}

/* The generation that counts: the highest with a base.  Records beyond a base that is gone prove
 * that it had been durable. */
static int generation_choose(struct mon_store *s, uint8_t *image[2], struct note *why)
{
    struct mon_record least = {.log_id = s->log_id, .generation = MON_FIRST_GENERATION}, r;

    s->generation = 0;
    for (unsigned i = 0; i < 2; i++)
        if (mon_record_decode(image[i], MON_LOG_BYTES, &least, &r) == 0 && r.seq == 0 &&
            r.kind == MON_RECORD_BASE && r.generation % 2 == i && r.generation > s->generation)
            s->generation = r.generation;
    least.generation = s->generation + 1;
    for (unsigned i = 0; i < 2; i++)
        if (later_record(image[i], 0, &least)) {
            note_set(why, "the log's first record is damaged");
            return -R_CSUM_MISMATCH;
        }
    if (s->generation)
        return 0;
    note_set(why, "neither log begins with a whole record");
    return -R_CSUM_MISMATCH;
}

static int logs_read(struct mon_store *s, struct mon_stored *out, struct note *why)
{
    uint8_t *image[2] = {mem_alloc(MON_LOG_BYTES), mem_alloc(MON_LOG_BYTES)};
    int rc = image[0] && image[1] ? 0 : -ENOMEM;

    for (unsigned i = 0; rc == 0 && i < 2; i++)
        rc = image_read(s->log[i], image[i]);
    if (rc == 0)
        rc = generation_choose(s, image, why);
    if (rc == 0) {
        unsigned used = s->generation % 2;

        out->image = TAKE(image[used]);
        rc = log_replay(s, out->image, out, why);
    }
    mem_free(image[0]);
    mem_free(image[1]);
    return rc;
}

static int snapshot_read(struct mon_store *s, struct mon_stored *out, struct note *why)
{
    AUTO(buf) data = {0};
    AUTO_FREE char *path = path_of(s->folder, "snapshot");
    struct cursor c;
    int rc = path ? file_read(s->env, path, MON_SNAPSHOT_MAX, &data) : -ENOMEM;

    if (rc == -ENOENT)
        return 0;
    if (rc == 0) {
        c = cur_over(data.bytes ? buf_contiguous(&data, 0, data.bytes) : NULL, data.bytes);
        rc = raft_snap_decode(&c, &out->snap);
    }
    if (rc == 0 && (cur_left(&c) != out->snap.bytes || out->snap.pos.index == 0))
        rc = -R_MALFORMED;
    if (rc == 0)
        rc = buf_slice(&data, data.bytes - out->snap.bytes, out->snap.bytes, &out->state);
    if (rc < 0)
        note_add(why, "snapshot: %s", reason_text(rc));
    return rc;
}

static int folder_lock(struct mon_store *s, struct note *why)
{
    AUTO_FREE char *path = path_of(s->folder, "lock");
    int rc = path ? file_lock(s->env, path, &s->lock) : -ENOMEM;

    if (rc == -EBUSY) {
        rc = -R_STORE_LOCKED;
        note_set(why, "another process runs this monitor");
    }
    return rc;
}

int mon_store_open(struct env *env, const char *folder, const struct mon_store_conf *conf,
                   struct mon_store **out_store, struct mon_stored *out_stored, struct note *why)
{
    struct mon_store *s = mem_zalloc(sizeof(*s));
    struct mon_stored stored = {0};
    int rc;

    if (!s)
        return -ENOMEM;
    s->env = env;
    s->conf = *conf;
    s->folder = mem_strdup(folder);
    rc = s->folder ? mon_store_peek(env, folder, &stored.who, why) : -ENOMEM;
    s->log_id = stored.who.log_id;
    if (rc == 0)
        rc = folder_lock(s, why);
    for (unsigned i = 0; rc == 0 && i < 2; i++)
        rc = log_open(env, folder, i, false, &s->log[i], why);
    if (rc == 0)
        rc = logs_read(s, &stored, why);
    if (rc == 0)
        rc = snapshot_read(s, &stored, why);
    if (rc < 0) {
        note_add(why, "%s", folder);
        mon_stored_fini(&stored);
        mon_store_destroy(s);
        return rc;
    }
    *out_store = s;
    *out_stored = stored;
    return 0;
}

void mon_store_raft_set(struct mon_store *s, const struct raft *r)
{
    s->raft = r;
}

uint64_t mon_store_writes(const struct mon_store *s)
{
    return s->writes;
}

void mon_store_destroy(struct mon_store *s)
{
    if (!s)
        return;
    ASSERT(!s->writing);
    ASSERT(!s->snapshot);
    disk_close(s->log[0]);
    disk_close(s->log[1]);
    file_unlock(s->lock);
    writer_fini(&s->items);
    mem_free(s->folder);
    mem_free(s);
}

/* ---- writing ---- */

static void write_next(struct mon_store *s);

static void store_fail(struct mon_store *s, int rc, const char *what)
{
    struct note why = {{0}};

    if (s->failed)
        return;
    s->failed = true;
    note_set(&why, "%s: %s: %s", s->folder, what, reason_text(rc));
    s->conf.failed(s->conf.arg, rc, &why);
}

static void close_finish(struct env_task *task)
{
    struct mon_store *s = CONTAINER_OF(task, struct mon_store, close_task);
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    mon_store_destroy(s);
    closed(arg);
}

static void close_if_idle(struct mon_store *s)
{
    if (!s->closing || s->writing || s->snapshot)
        return;
    s->closing = false; /* once */
    env_task_init(&s->close_task, close_finish);
    env_post(s->env, &s->close_task);
}

static void write_done(struct disk_io *io)
{
    struct mon_store *s = CONTAINER_OF(io, struct mon_store, io);
    uint64_t bytes = io->data.bytes;

    s->writing = false;
    buf_fini(&io->data);
    if (io->rc < 0) {
        store_fail(s, io->rc, "the log");
    } else {
        s->writes++;
        s->at += bytes;
        s->seq++;
        if (s->io_token.seq && !s->failed)
            s->conf.durable(s->conf.arg, s->io_token);
        write_next(s);
    }
    close_if_idle(s);
}

static int base_encode(const struct mon_store *s, struct writer *w)
{
    struct raft_status st;

    raft_status(s->raft, &st);
    mon_item_hard(w, &st.hard);
    mon_item_reset(w, st.log_base);
    for (uint64_t i = st.log_base.index + 1; i <= st.last.index; i++)
        mon_item_entry(w, raft_entry_at(s->raft, i));
    return w->rc;
}

/* The items waiting, as one record at `s->at`; or, when this file was used enough, all that is to
 * be kept as the base of the other file (which covers what waits). */
static int record_make(struct mon_store *s, struct writer *w)
{
    uint64_t room = MON_LOG_BYTES - s->at;
    bool end = s->closing && !s->token.seq;
    struct mon_record r = {.log_id = s->log_id, .generation = s->generation, .seq = s->seq};
    size_t mark;

    if (!end && (s->at > MON_LOG_TURN_BYTES || s->items.len + 2 * DISK_BLOCK > room)) {
        r = (struct mon_record){
            .log_id = s->log_id, .generation = s->generation + 1, .kind = MON_RECORD_BASE};
        mark = mon_record_begin(w, &r);
        (void)base_encode(s, w); /* w->rc tells */
        mon_record_end(w, mark);
        if (w->rc < 0)
            return w->rc;
        if (w->len > MON_LOG_BYTES)
            return -R_STORE_FULL;
        s->generation++;
        s->seq = 0;
        s->at = 0;
        return 0;
    }
    r.kind = end ? MON_RECORD_END : MON_RECORD_MORE;
    mark = mon_record_begin(w, &r);
    wr_raw(w, s->items.data, s->items.len);
    mon_record_end(w, mark);
    return w->rc < 0 ? w->rc : w->len > room ? -R_STORE_FULL : 0;
}

static void write_next(struct mon_store *s)
{
    AUTO(writer) w = {0};
    int rc;

    if (s->writing || s->failed || (!s->token.seq && (!s->closing || s->end_written)))
        return;
    s->end_written = s->closing && !s->token.seq;
    if (s->end_written && s->at + DISK_BLOCK > MON_LOG_BYTES)
        return; /* no room to say that it ended in order: the next start reads a little more */
    rc = record_make(s, &w);
    if (rc == 0)
        rc = buf_append_copy(&s->io.data, w.data, w.len);
    if (rc < 0) {
        store_fail(s, rc, "the log");
        return;
    }
    s->items.len = 0;
    s->io_token = s->token;
    s->token = (struct raft_token){0};
    s->writing = true;
    s->io.disk = s->log[s->generation % 2];
    s->io.op = DISK_WRITE;
    s->io.flags = DISK_DURABLE;
    s->io.off = s->at;
    s->io.bytes = s->io.data.bytes;
    s->io.done = write_done;
    disk_submit(s->env, &s->io);
}

int mon_store_append(struct mon_store *s, const struct raft_persist *p)
{
    size_t before = s->items.len;

    if (s->failed)
        return 0; /* the role is stopping; nothing is durable any more */
    if (p->hard_changed)
        mon_item_hard(&s->items, &p->hard);
    if (p->log_reset)
        mon_item_reset(&s->items, p->log_base);
    if (p->log_changed)
        mon_item_cut(&s->items, p->log_from);
    for (uint32_t i = 0; p->log_changed && i < p->entry_count; i++)
        mon_item_entry(&s->items, &p->entries[i]);
    if (s->items.rc < 0) {
        s->items.rc = 0;
        s->items.len = before;
        return -ENOMEM;
    }
    s->token = p->token;
    write_next(s);
    return 0;
}

/* ---- snapshots ---- */

static void snapshot_run(struct env_work *work)
{
    struct snapshot_work *sw = CONTAINER_OF(work, struct snapshot_work, work);
    AUTO_FREE char *path = path_of(sw->store->folder, "snapshot");
    size_t bytes = sw->head.len + sw->state.bytes;
    AUTO_FREE uint8_t *all = path ? mem_alloc(bytes) : NULL;

    if (!all) {
        sw->rc = -ENOMEM;
        return;
    }
    memcpy(all, sw->head.data, sw->head.len);
    buf_copy_out(&sw->state, 0, all + sw->head.len, sw->state.bytes);
    sw->rc = file_replace(work->env, path, all, bytes, 0600);
}

static void snapshot_done(struct env_work *work)
{
    struct snapshot_work *sw = CONTAINER_OF(work, struct snapshot_work, work);
    struct mon_store *s = sw->store;

    s->snapshot = NULL;
    if (!s->failed)
        sw->done(sw->arg, sw->rc);
    writer_fini(&sw->head);
    buf_fini(&sw->state);
    mem_free(sw);
    close_if_idle(s);
}

int mon_store_snapshot(struct mon_store *s, const struct raft_snap *snap, const struct buf *state,
                       void (*done)(void *arg, int rc), void *arg)
{
    struct snapshot_work *sw = mem_zalloc(sizeof(*sw));
    int rc;

    ASSERT(!s->snapshot);
    ASSERT(snap->bytes == state->bytes);
    if (!sw)
        return -ENOMEM;
    *sw = (struct snapshot_work){.store = s, .done = done, .arg = arg};
    raft_snap_encode(&sw->head, snap);
    rc = sw->head.rc < 0 ? sw->head.rc : buf_append(&sw->state, state, 0, state->bytes);
    if (rc < 0) {
        writer_fini(&sw->head);
        mem_free(sw);
        return rc;
    }
    sw->work.work = snapshot_run;
    sw->work.done = snapshot_done;
    s->snapshot = sw;
    env_work_submit(s->env, &sw->work);
    return 0;
}

void mon_store_close(struct mon_store *s, void (*closed)(void *arg), void *arg)
{
    s->closed = closed;
    s->closed_arg = arg;
    s->closing = true;
    write_next(s);
    close_if_idle(s);
}
