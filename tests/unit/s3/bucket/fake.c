/* fake.c - libcairn's functions over objects in memory. */
#include <stdio.h>

#include "core/base/hash.h"

#include "tests/unit/s3/bucket/fake_int.h"

struct list fake_unsent = LIST_INIT(fake_unsent);

/* ---- rows ---- */

uint8_t *fake_dup(const void *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1);

    if (bytes)
        memcpy(copy, data, bytes);
    copy[bytes] = 0;
    return copy;
}

static int key_cmp(const struct fake_row *r, const void *key, size_t bytes)
{
    size_t n = r->key_bytes < bytes ? r->key_bytes : bytes;
    int d = n ? memcmp(r->key, key, n) : 0;

    return d ? d : r->key_bytes < bytes ? -1 : r->key_bytes > bytes;
}

static size_t row_at(const struct fake_rows *r, const void *key, size_t bytes)
{
    size_t lo = 0, hi = r->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (key_cmp(&r->row[mid], key, bytes) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct fake_row *fake_row_find(const struct fake_rows *r, const void *key, size_t bytes)
{
    size_t at = row_at(r, key, bytes);

    return at < r->count && key_cmp(&r->row[at], key, bytes) == 0 ? &r->row[at] : NULL;
}

void fake_rows_push(struct fake_rows *r, size_t at, const void *key, size_t key_bytes,
                    const void *value, size_t value_bytes)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 8;
        r->row = realloc(r->row, r->cap * sizeof(*r->row));
    }
    memmove(&r->row[at + 1], &r->row[at], (r->count - at) * sizeof(*r->row));
    r->count++;
    r->row[at] = (struct fake_row){fake_dup(key, key_bytes), fake_dup(value, value_bytes),
                                   key_bytes, value_bytes};
}

void fake_row_free(struct fake_row *r)
{
    free(r->key);
    free(r->value);
}

static void rows_rm(struct fake_rows *r, const void *key, size_t bytes)
{
    size_t at = row_at(r, key, bytes);

    if (at == r->count || key_cmp(&r->row[at], key, bytes) != 0)
        return;
    fake_row_free(&r->row[at]);
    memmove(&r->row[at], &r->row[at + 1], (r->count - at - 1) * sizeof(*r->row));
    r->count--;
}

static void rows_set(struct fake_rows *r, const struct fake_row *kv)
{
    rows_rm(r, kv->key, kv->key_bytes);
    fake_rows_push(r, row_at(r, kv->key, kv->key_bytes), kv->key, kv->key_bytes, kv->value,
                   kv->value_bytes);
}

void fake_xattr_set(struct fake *f, unsigned pool, const char *name, const char *xattr,
                    struct bytes value)
{
    struct fake_object *o = fake_find(f, pool, name);
    struct fake_row kv = {(uint8_t *)xattr, (uint8_t *)value.data, strlen(xattr), value.len};

    ASSERT(o);
    rows_set(&o->xattrs, &kv);
}

void fake_rows_free(struct fake_rows *r)
{
    for (size_t i = 0; i < r->count; i++)
        fake_row_free(&r->row[i]);
    free(r->row);
    *r = (struct fake_rows){0};
}

/* ---- objects ---- */

static size_t object_at(struct fake *f, unsigned pool, const char *name)
{
    size_t lo = 0, hi = f->count[pool];

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (strcmp(f->object[pool][mid]->name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct fake_object *fake_find(struct fake *f, unsigned pool, const char *name)
{
    size_t at = object_at(f, pool, name);

    return at < f->count[pool] && strcmp(f->object[pool][at]->name, name) == 0 ? f->object[pool][at]
                                                                               : NULL;
}

static struct fake_object *object_make(struct fake *f, unsigned pool, const char *name)
{
    size_t at = object_at(f, pool, name);
    struct fake_object *o = calloc(1, sizeof(*o));

    if (f->count[pool] == f->cap[pool]) {
        f->cap[pool] = f->cap[pool] ? 2 * f->cap[pool] : 64;
        f->object[pool] = realloc(f->object[pool], f->cap[pool] * sizeof(o));
    }
    memmove(&f->object[pool][at + 1], &f->object[pool][at], (f->count[pool] - at) * sizeof(o));
    f->count[pool]++;
    o->name = strdup(name);
    return f->object[pool][at] = o;
}

static void object_free(struct fake_object *o)
{
    free(o->name);
    free(o->data);
    fake_rows_free(&o->xattrs);
    fake_rows_free(&o->omap);
    free(o);
}

void fake_remove(struct fake *f, unsigned pool, const char *name)
{
    size_t at = object_at(f, pool, name);

    if (!fake_find(f, pool, name))
        return;
    object_free(f->object[pool][at]);
    f->count[pool]--;
    memmove(&f->object[pool][at], &f->object[pool][at + 1],
            (f->count[pool] - at) * sizeof(*f->object[pool]));
}

/* ---- running an operation ---- */

static bool cmp_holds(const struct fstep *st, const struct fake_row *have)
{
    struct fake_row value;
    int d;

    if (st->cmp == CAIRN_ABSENT || st->cmp == CAIRN_PRESENT)
        return !have == (st->cmp == CAIRN_ABSENT);
    if (!have)
        return st->cmp == CAIRN_NE;
    value = (struct fake_row){.key = have->value, .key_bytes = have->value_bytes};
    d = key_cmp(&value, st->kv.value, st->kv.value_bytes);
    return st->cmp == CAIRN_EQ ? d == 0 : d != 0;
}

static int guard(struct fstep *st, const struct fake_rows *rows, bool raced)
{
    const struct fake_row *have = rows ? fake_row_find(rows, st->kv.key, st->kv.key_bytes) : NULL;

    if (!raced && cmp_holds(st, have))
        return 0;
    if (have) {
        st->data = fake_dup(have->value, have->value_bytes);
        st->data_bytes = have->value_bytes;
    }
    return -R_GUARD_FAILED;
}

static void range(const struct fake *f, struct fstep *st, const struct fake_rows *rows)
{
    size_t bytes = 0;

    for (size_t i = row_at(rows, st->kv.key, st->kv.key_bytes); i < rows->count; i++) {
        const struct fake_row *r = &rows->row[i];

        if (st->kv.value_bytes && key_cmp(r, st->kv.value, st->kv.value_bytes) >= 0)
            return;
        bytes += r->key_bytes + r->value_bytes;
        if (st->out.count == st->rows_max || (st->out.count && bytes > f->range_bytes_max)) {
            st->more = true;
            return;
        }
        fake_rows_push(&st->out, st->out.count, r->key, r->key_bytes, r->value, r->value_bytes);
    }
}

static int read_step(const struct fake *f, struct fstep *st, struct fake_object *o)
{
    const struct fake_row *r;

    if (!o)
        return -R_NO_OBJECT;
    switch (st->kind) {
    case READ:
        if (st->off < o->bytes) {
            st->data_bytes = st->len && st->len < o->bytes - st->off ? st->len : o->bytes - st->off;
            st->data = fake_dup(o->data + st->off, st->data_bytes);
        }
        return 0;
    case XATTR_GET:
        r = fake_row_find(&o->xattrs, st->kv.key, st->kv.key_bytes);
        if (!r)
            return -R_NO_XATTR;
        st->data = fake_dup(r->value, r->value_bytes);
        st->data_bytes = r->value_bytes;
        return 0;
    case OMAP_GET:
        for (size_t i = 0; i < st->pairs.count; i++) {
            r = fake_row_find(&o->omap, st->pairs.row[i].key, st->pairs.row[i].key_bytes);
            if (r)
                fake_rows_push(&st->out, st->out.count, r->key, r->key_bytes, r->value,
                               r->value_bytes);
        }
        return 0;
    case OMAP_RANGE:
        range(f, st, &o->omap);
        return 0;
    default:
        return 0;
    }
}

/* What must exist for this write? */
static int write_check(const struct fstep *st, bool *exists)
{
    if (st->kind == DELETE || st->kind == OMAP_RM || st->kind == OMAP_RM_RANGE) {
        if (!*exists)
            return -R_NO_OBJECT;
        *exists = st->kind != DELETE;
    } else {
        *exists = true;
    }
    return 0;
}

/* As core/osd does: u64 each, little-endian. */
static void xattr_add(struct fake_object *o, const struct fake_row *kv)
{
    const struct fake_row *have = fake_row_find(&o->xattrs, kv->key, kv->key_bytes);
    size_t n = have && have->value_bytes > kv->value_bytes ? have->value_bytes : kv->value_bytes;
    struct fake_row sum = {kv->key, calloc(1, n), kv->key_bytes, n};

    if (have)
        memcpy(sum.value, have->value, have->value_bytes);
    for (size_t at = 0; at < kv->value_bytes; at += 8) {
        uint64_t a, b;

        memcpy(&a, sum.value + at, 8);
        memcpy(&b, kv->value + at, 8);
        a += b;
        memcpy(sum.value + at, &a, 8);
    }
    rows_set(&o->xattrs, &sum);
    free(sum.value);
}

static void rows_rm_range(struct fake_rows *r, const struct fake_row *span)
{
    size_t at = row_at(r, span->key, span->key_bytes), end = at;

    while (end < r->count &&
           (!span->value_bytes || key_cmp(&r->row[end], span->value, span->value_bytes) < 0))
        fake_row_free(&r->row[end++]);
    if (end > at)
        memmove(&r->row[at], &r->row[end], (r->count - end) * sizeof(*r->row));
    r->count -= end - at;
}

static void write_step(struct frun *run, struct fstep *st)
{
    struct fake *f = run->f;
    struct fake_object *o = fake_find(f, run->pool, run->name);

    if (st->kind == DELETE) {
        fake_remove(f, run->pool, run->name);
        return;
    }
    if (!o)
        o = object_make(f, run->pool, run->name);
    switch (st->kind) {
    case WRITE_FULL:
        free(o->data);
        o->bytes = st->kv.value_bytes;
        o->data = fake_dup(st->kv.value, o->bytes);
        break;
    case XATTR_SET:
        rows_set(&o->xattrs, &st->kv);
        break;
    case XATTR_ADD:
        xattr_add(o, &st->kv);
        break;
    case OMAP_RM_RANGE:
        rows_rm_range(&o->omap, &st->kv);
        break;
    case OMAP_SET:
        for (size_t i = 0; i < st->pairs.count; i++)
            rows_set(&o->omap, &st->pairs.row[i]);
        break;
    case OMAP_RM:
        for (size_t i = 0; i < st->pairs.count; i++)
            rows_rm(&o->omap, st->pairs.row[i].key, st->pairs.row[i].key_bytes);
        break;
    default:
        break;
    }
}

static bool grows(const struct frun *run)
{
    for (unsigned i = 0; i < run->steps; i++) {
        enum kind kind = run->step[i].kind;

        if (kind == WRITE_FULL ||
            (!run->frees && (kind == XATTR_SET || kind == XATTR_ADD || kind == OMAP_SET)))
            return true;
    }
    return false;
}

/* As core/osd/exec_room.c has it. */
static bool shown(const struct frun *run, enum kind guard, const struct fake_row *kv)
{
    for (unsigned i = 0; i < run->steps; i++) {
        const struct fstep *st = &run->step[i];

        if (st->kind == guard && st->cmp == CAIRN_EQ &&
            key_cmp(&st->kv, kv->key, kv->key_bytes) == 0 && st->kv.value_bytes >= kv->value_bytes)
            return true;
    }
    return false;
}

static bool pairs_have(const struct frun *run, enum kind kind, const struct fake_row *key)
{
    for (unsigned i = 0; i < run->steps; i++) {
        const struct fake_rows *rows = &run->step[i].pairs;

        for (size_t k = 0; run->step[i].kind == kind && k < rows->count; k++)
            if (key_cmp(&rows->row[k], key->key, key->key_bytes) == 0)
                return true;
    }
    return false;
}

/* Rows may also stand for others, which are removed and were shown: no more, and no longer. */
static bool shrinks(const struct frun *run, const struct fake_object *o)
{
    int64_t rows = 0, bytes = 0;

    for (unsigned i = 0; i < run->steps; i++) {
        const struct fstep *st = &run->step[i];
        const struct fake_row *kv = &st->kv, *have;

        if (st->kind == XATTR_SET && !shown(run, CMP_XATTR, kv))
            return false;
        have =
            st->kind == XATTR_ADD && o ? fake_row_find(&o->xattrs, kv->key, kv->key_bytes) : NULL;
        if (st->kind == XATTR_ADD && (!have || have->value_bytes < kv->value_bytes))
            return false;
        if (st->kind == CMP_OMAP && st->cmp == CAIRN_EQ && pairs_have(run, OMAP_RM, kv) &&
            !pairs_have(run, OMAP_SET, kv)) {
            rows++;
            bytes += (int64_t)(kv->key_bytes + kv->value_bytes);
        }
        for (size_t k = 0; st->kind == OMAP_SET && k < st->pairs.count; k++) {
            kv = &st->pairs.row[k];
            if (shown(run, CMP_OMAP, kv))
                continue;
            rows--;
            bytes -= (int64_t)(kv->key_bytes + kv->value_bytes);
        }
    }
    return rows >= 0 && bytes >= 0;
}

static int run_steps(struct frun *run)
{
    struct fake *f = run->f;
    struct fake_object *o = fake_find(f, run->pool, run->name);
    bool exists = o, raced = f->raced && strcmp(f->raced, run->name) == 0;
    unsigned i;

    if ((f->full && grows(run)) || (f->spent && !shrinks(run, o)))
        return -R_STORE_FULL;
    for (i = 0; i < run->steps; i++) {
        struct fstep *st = &run->step[i];

        if (st->kind == ASSERT_EXISTS)
            st->rc = o ? 0 : -R_NO_OBJECT;
        else if (st->kind == CMP_XATTR)
            st->rc = guard(st, o ? &o->xattrs : NULL, raced);
        else if (st->kind == CMP_OMAP)
            st->rc = guard(st, o ? &o->omap : NULL, raced);
        else if (st->kind < FIRST_WRITE)
            st->rc = read_step(f, st, o);
        else
            st->rc = write_check(st, &exists);
        if (st->rc < 0)
            return st->rc;
    }
    for (i = 0; i < run->steps; i++)
        if (run->step[i].kind >= FIRST_WRITE) {
            write_step(run, &run->step[i]);
            f->writes[run->pool]++;
        }
    return 0;
}

static void answer_in(void *arg)
{
    struct frun *run = arg;

    for (unsigned i = 0; i < run->steps && run->told != -ECANCELED; i++) {
        struct fstep *st = &run->step[i];

        if (st->data_bytes && buf_append_copy(&st->buf, st->data, st->data_bytes) < 0)
            run->told = -ENOMEM;
    }
    run->submitted = false;
    run->op->rc = run->told;
    run->done(run->op, reason_errno(run->told), run->arg); /* op may be gone */
}

static void run_at(struct frun *run, uint64_t at_ns, void (*event)(void *arg))
{
    run->pending++;
    sim_at(run->f->s, at_ns, event, run);
}

/* One of its events has come.  Without more of them nobody but its cairn_op needs it. */
static void run_came(struct frun *run)
{
    run->pending--;
    if (!run->pending && (run->destroyed || !sim_process_alive(run->env)))
        fake_run_free(run);
}

/* Nothing of a gateway that is held comes through; then it all does. */
static bool held(struct frun *run, void (*event)(void *arg))
{
    struct fake *f = run->f;

    if (run->env != f->held || sim_now_ns(f->s) >= f->held_until_ns)
        return false;
    run_at(run, f->held_until_ns, event);
    return true;
}

uint32_t fake_pg(const char *name)
{
    return (uint32_t)(hash64(0, name, strlen(name)) % FAKE_PGS);
}

static bool inactive(const struct frun *run)
{
    const struct fake *f = run->f;

    return sim_now_ns(f->s) < f->inactive_until_ns &&
           (f->inactive[run->pool] >> fake_pg(run->name) & 1 ||
            (run->pool == FAKE_DATA && f->inactive_object &&
             strcmp(f->inactive_object, run->name) == 0));
}

static void answer(void *arg)
{
    struct frun *run = arg;

    if (held(run, answer)) {
        run_came(run);
        return;
    }
    if (!run->answered) {
        run->answered = true;
        if (!run->cancelled && !run->lost)
            run->told = run->code;
        if (sim_process_alive(run->env))
            sim_enter(run->env, answer_in, run);
    }
    run_came(run);
}

/* The client gives up; what it has sent may run yet.  Who is held sleeps, and so do its timers. */
static void timed_out(void *arg)
{
    struct frun *run = arg;
    struct fake *f = run->f;

    if (run->env == f->held && sim_now_ns(f->s) < f->held_until_ns) {
        run_at(run, f->held_until_ns + run->timeout_ms * NS_PER_MS, timed_out);
        run_came(run);
        return;
    }
    if (!run->answered && !run->executed)
        run->never = rng_chance(&f->rng, 1, 3);
    run->code = -ETIMEDOUT;
    if (run->answered)
        run_came(run);
    else
        answer(run);
}

static uint64_t some_ns(struct fake *f)
{
    return 1000 + f->delay_min_ns + rng_below(&f->rng, f->delay_max_ns);
}

static void execute(void *arg)
{
    struct frun *run = arg;
    struct fake *f = run->f;

    if (!f->held_asleep && held(run, execute)) {
        run_came(run);
        return;
    }
    if (!run->never && inactive(run)) {
        run_at(run, sim_now_ns(f->s) + 20 * NS_PER_MS, execute);
        run_came(run);
        return;
    }
    if (!run->never) {
        run->executed = true;
        f->ops[run->pool]++;
        run->code = f->pool[run->pool] ? run_steps(run) : -R_NO_POOL;
        if (!run->lost && !run->answered)
            run_at(run, sim_now_ns(f->s) + some_ns(f), answer);
    }
    run_came(run);
}

static bool writes(const struct frun *run)
{
    return run->steps && run->step[run->steps - 1].kind >= FIRST_WRITE;
}

int cairn_submit(struct cairn_pool *p, const void *name, size_t name_bytes, struct cairn_op *op,
                 cairn_done_fn *done, void *arg)
{
    struct frun *run = op->run;
    struct fake *f = p->c->f;
    uint64_t now = sim_now_ns(f->s);
    uint32_t per_mille = p->pool == FAKE_DATA ? f->data_lost_per_mille : f->index_lost_per_mille;

    ASSERT(!run->submitted && !run->executed);
    if (op->rc < 0)
        return op->rc;
    if (p->c->env == f->no_room_of || rng_chance(&f->rng, f->no_room_per_mille, 1000))
        return -EAGAIN;
    run->submitted = true;
    run->f = f;
    run->env = p->c->env;
    run->op = op;
    run->pool = p->pool;
    run->name = (char *)fake_dup(name, name_bytes);
    run->done = done;
    run->arg = arg;
    list_remove(&run->link);
    list_push_back(&f->runs, &run->link);
    if (writes(run) && rng_chance(&f->rng, per_mille, 1000)) {
        uint64_t wait = run->timeout_ms ? run->timeout_ms * NS_PER_MS : NS_PER_S;

        run->lost = true;
        run->told = -ETIMEDOUT;
        run->never = rng_chance(&f->rng, 1, 3);
        run_at(run, now + wait, answer);
        run_at(run, now + rng_below(&f->rng, wait + f->late_max_ns), execute);
        return 0;
    }
    run_at(run, now + some_ns(f), execute);
    if (run->timeout_ms)
        run_at(run, now + run->timeout_ms * NS_PER_MS, timed_out);
    return 0;
}

int cairn_pg_env(struct cairn_pool *p, const char *name, uint32_t *out_pg)
{
    *out_pg = fake_pg(name);
    return p->c->f->pool[p->pool] ? 0 : -R_NO_POOL;
}

void cairn_op_cancel(struct cairn_op *op)
{
    struct frun *run = op->run;

    if (!run->submitted || run->cancelled)
        return;
    run->cancelled = true;
    run->told = -ECANCELED;
    run->never |= rng_chance(&run->f->rng, 1, 2);
    run_at(run, sim_now_ns(run->f->s) + 1000, answer);
}

/* ---- pools and commands ---- */

int cairn_pool_open_env(struct cairn *c, const char *name, struct cairn_pool **out_pool)
{
    struct cairn_pool *p = mem_zalloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->c = c;
    p->pool = strcmp(name, "s3.data") == 0 ? FAKE_DATA : FAKE_INDEX;
    *out_pool = p;
    return 0;
}

void cairn_pool_close(struct cairn_pool *p)
{
    mem_free(p);
}

struct fcommand {
    struct fake *f;
    struct env *env;
    char argv[3][160];
    int rc;
    char json[512];
    cairn_command_fn *done;
    void *arg;
};

static void command_in(void *arg)
{
    struct fcommand *k = arg;

    k->done(k->arg, k->rc, "", k->json, strlen(k->json));
}

static void command_answer(void *arg)
{
    struct fcommand *k = arg;

    if (sim_process_alive(k->env))
        sim_enter(k->env, command_in, k);
    free(k);
}

static void command_run(void *arg)
{
    struct fcommand *k = arg;
    struct fake *f = k->f;

    f->commands++;
    if (f->command_rc) {
        k->rc = f->command_rc;
    } else if (strcmp(k->argv[1], "list") == 0) {
        strcpy(k->json, "[{\"user\":\"alice\"},{\"user\":\"bob\"}]");
    } else if (strcmp(k->argv[0], "pool") == 0) {
        unsigned pool = strcmp(k->argv[2], "s3.data") == 0 ? FAKE_DATA : FAKE_INDEX;

        k->rc = f->pool[pool] ? -R_EXISTS : 0;
        f->pool[pool] = true;
    } else if (strcmp(k->argv[2], "AKNOWN") == 0) {
        snprintf(k->json, sizeof(k->json),
                 "{\"user\":\"alice\",\"state\":\"%s\",\"access_key\":\"%s\","
                 "\"secret_key\":\"hush\",\"quota\":{\"bytes\":null,\"objects\":7}}",
                 f->suspended ? "suspended" : "active", k->argv[2]);
    } else {
        k->rc = -ENOENT;
    }
    sim_at(f->s, sim_now_ns(f->s) + some_ns(f), command_answer, k);
}

int cairn_command_env(struct cairn *c, int argc, const char *const *argv, const void *input,
                      size_t input_bytes, uint32_t timeout_ms, cairn_command_fn *done, void *arg)
{
    struct fcommand *k = calloc(1, sizeof(*k));

    UNUSED(input);
    UNUSED(input_bytes);
    UNUSED(timeout_ms);
    ASSERT(argc <= 3);
    for (int i = 0; i < argc; i++)
        snprintf(k->argv[i], sizeof(k->argv[i]), "%s", argv[i]);
    k->f = c->f;
    k->env = c->env;
    k->done = done;
    k->arg = arg;
    sim_at(c->f->s, sim_now_ns(c->f->s) + some_ns(c->f), command_run, k);
    return 0;
}

/* ---- the cluster ---- */

struct cairn *fake_connect(struct fake *f, struct env *env)
{
    struct cairn *c = calloc(1, sizeof(*c));

    c->f = f;
    c->env = env;
    list_push_back(&f->clusters, &c->link);
    return c;
}

void fake_init(struct fake *f, struct sim *s, uint64_t seed)
{
    memset(f, 0, sizeof(*f));
    f->s = s;
    rng_seed(&f->rng, seed);
    list_init(&f->runs);
    list_init(&f->clusters);
    ASSERT(list_empty(&fake_unsent));
    f->delay_max_ns = 2 * NS_PER_MS;
    f->range_bytes_max = 3 << 19;
}

void fake_fini(struct fake *f)
{
    list_splice(&f->runs, &fake_unsent);
    while (!list_empty(&f->runs))
        fake_run_free(LIST_FIRST(&f->runs, struct frun, link));
    while (!list_empty(&f->clusters)) {
        struct cairn *c = LIST_FIRST(&f->clusters, struct cairn, link);

        list_remove(&c->link);
        free(c);
    }
    for (unsigned p = 0; p < FAKE_POOLS; p++) {
        while (f->count[p])
            fake_remove(f, p, f->object[p][0]->name);
        free(f->object[p]);
    }
}
