/* audit.c - fsck of every store, then every object of every store beside its other copies.
 *
 * A process of its own on each OSD's machine first checks the folder offline, then opens the store
 * as an OSD would and reads all it holds: for each object the bytes, attributes, omap rows and
 * version become one digest.  Copies that the map wants must be there with equal digests; an object
 * found elsewhere is a stray copy, which may still wait for its removal, but not more of them than
 * of the others. */
#include "tests/sim/audit.h"

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/client/include/cairn_env.h"
#include "core/map/osdmap.h"
#include "core/store/store.h"
#include "tests/sim/workload.h"

enum { LIST_MAX = 20000 };
#define AUDIT_LIMIT_NS (120 * NS_PER_S)

struct found {
    char name[64];
    struct version version;
    uint64_t size, digest;
};

struct auditor { /* of one store; outside of the process */
    struct cluster *cl;
    struct node *n;
    FILE *f;
    struct env *env;
    struct store *store;
    struct env_work work;
    struct fsck_report report;
    struct note why;
    int rc;
    bool done;
    struct found *found; /* owned */
    uint32_t count, at;
    uint64_t stored; /* objects, as the store counts them */
    /* in the process */
    struct arena *arena;
    struct store_list list;
    struct object_open open;
    struct store_read read;
};

static void finish(struct auditor *a, int rc)
{
    if (rc < 0 && a->rc == 0)
        a->rc = rc;
    a->done = true;
}

/* --- reading one object after the other ------------------------------------------------------- */

static void next_object(struct auditor *a);

static void fold(struct auditor *a, const void *data, size_t bytes)
{
    struct found *fo = &a->found[a->at];

    fo->digest = hash64(fo->digest ^ bytes, data, bytes);
}

static void omap_done(struct store_read *r)
{
    struct auditor *a = CONTAINER_OF(r, struct auditor, read);

    for (uint32_t i = 0; i < r->pair_count; i++) {
        fold(a, r->pairs[i].key.data, r->pairs[i].key.len);
        fold(a, r->pairs[i].value.data, r->pairs[i].value.len);
    }
    object_unref(a->open.obj);
    if (r->rc < 0) {
        note_set(&a->why, "omap of %s", a->found[a->at].name);
        finish(a, r->rc);
        return;
    }
    a->at++;
    next_object(a);
}

static void data_done(struct store_read *r)
{
    struct auditor *a = CONTAINER_OF(r, struct auditor, read);
    int rc = r->rc;

    if (rc == 0 && r->data.bytes) {
        rc = buf_flatten(&r->data);
        if (rc == 0)
            fold(a, buf_contiguous(&r->data, 0, r->data.bytes), r->data.bytes);
    }
    buf_fini(&r->data);
    if (rc < 0) {
        object_unref(a->open.obj);
        note_set(&a->why, "data of %s at %llu", a->found[a->at].name,
                 (unsigned long long)r->bad_off);
        finish(a, rc);
        return;
    }
    a->read = (struct store_read){.obj = a->open.obj,
                                  .kind = STORE_OMAP_RANGE,
                                  .rows_max = 10000,
                                  .bytes_max = 1 << 20,
                                  .arena = a->arena,
                                  .done = omap_done};
    store_read(a->store, &a->read);
}

static void opened_object(struct object_open *o)
{
    struct auditor *a = CONTAINER_OF(o, struct auditor, open);
    struct bytes name = {0}, value;

    if (o->rc < 0) {
        finish(a, o->rc);
        return;
    }
    fold(a, &a->found[a->at].size, sizeof(uint64_t));
    while (object_xattr_next(o->obj, name, &name, &value)) {
        fold(a, name.data, name.len);
        fold(a, value.data, value.len);
    }
    a->read = (struct store_read){.obj = o->obj,
                                  .kind = STORE_DATA,
                                  .len = object_size(o->obj),
                                  .arena = a->arena,
                                  .done = data_done};
    store_read(a->store, &a->read);
}

static void store_closed(void *arg)
{
    finish(arg, 0);
}

static void next_object(struct auditor *a)
{
    if (a->at == a->count) {
        store_close(TAKE(a->store), false, store_closed, a);
        return;
    }
    a->open = (struct object_open){.oid = a->list.rows[a->at].oid, .done = opened_object};
    store_object_open(a->store, &a->open);
}

static void listed(struct store_list *l)
{
    struct auditor *a = CONTAINER_OF(l, struct auditor, list);
    struct mem_scope *inside;

    if (l->rc < 0 || l->more) {
        note_set(&a->why, "listing found %u objects", l->row_count);
        finish(a, l->rc < 0 ? l->rc : -EFBIG);
        return;
    }
    inside = mem_scope_enter(NULL); /* they outlive the process */
    a->found = mem_calloc(MAX(l->row_count, 1u), sizeof(*a->found));
    (void)mem_scope_enter(inside);
    ASSERT(a->found);
    for (uint32_t i = 0; i < l->row_count; i++) {
        struct found *fo = &a->found[a->count++];
        struct bytes name = oid_name(&l->rows[i].oid);

        snprintf(fo->name, sizeof(fo->name), "%.*s", (int)name.len, (const char *)name.data);
        fo->version = l->rows[i].version;
        fo->size = l->rows[i].size;
        fo->digest = hash64_u64(fo->version.epoch.v, fo->version.seq);
    }
    next_object(a);
}

static void opened(void *arg, int rc, struct store *store, const struct note *why)
{
    static const uint8_t last[12] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    struct auditor *a = arg;
    struct store_space space;

    a->store = store;
    if (rc < 0) {
        a->why = *why;
        finish(a, rc);
        return;
    }
    if (store_salvaged(store)) {
        note_set(&a->why, "the store had to be salvaged");
        finish(a, -EIO);
        return;
    }
    store_space(store, &space);
    a->stored = space.objects;
    a->arena = mem_alloc(sizeof(*a->arena));
    ASSERT(a->arena);
    arena_init(a->arena);
    a->list = (struct store_list){
        .to = {last, sizeof(last)}, .rows_max = LIST_MAX, .arena = a->arena, .done = listed};
    store_list(store, &a->list);
}

/* --- fsck ------------------------------------------------------------------------------------- */

static void problem(void *arg, const char *text)
{
    struct auditor *a = arg;

    fprintf(a->f, "%s: fsck: %s\n", a->n->name, text);
}

static void fsck_work(struct env_work *w)
{
    struct auditor *a = CONTAINER_OF(w, struct auditor, work);

    a->rc = store_fsck(a->env, "/osd", &a->report, problem, NULL, a, &a->why);
}

static void fsck_done(struct env_work *w)
{
    struct auditor *a = CONTAINER_OF(w, struct auditor, work);
    struct store_conf conf = {.folder = "/osd"};

    if (a->rc == 0 && a->report.errors) {
        note_set(&a->why, "fsck found %llu errors", (unsigned long long)a->report.errors);
        a->rc = -EIO;
    }
    if (a->rc == 0)
        a->rc = store_open(a->env, &conf, opened, a);
    if (a->rc < 0)
        finish(a, a->rc);
}

static void audit_inside(void *arg)
{
    struct auditor *a = arg;

    a->work = (struct env_work){.work = fsck_work, .done = fsck_done};
    env_work_submit(a->env, &a->work);
}

static bool is_done(void *arg)
{
    return ((struct auditor *)arg)->done;
}

static bool audit_store(struct auditor *a)
{
    a->env = sim_process_start(a->n->machine, "audit");
    sim_enter(a->env, audit_inside, a);
    sim_run_until(a->cl->sim, sim_now_ns(a->cl->sim) + AUDIT_LIMIT_NS, is_done, a);
    if (a->done && a->rc == 0 && a->stored != a->count) {
        note_set(&a->why, "it counts %llu objects and lists %u", (unsigned long long)a->stored,
                 a->count);
        a->rc = -EIO;
    }
    sim_process_kill(a->env);
    if (a->done && a->rc == 0)
        return true;
    cluster_broken(a->cl, "the store of %s: %s: %s", a->n->name,
                   a->done ? reason_name(a->rc) : "no end", a->why.text);
    return false;
}

/* --- comparing -------------------------------------------------------------------------------- */

struct plan {
    struct audit *a;
    const struct workload *load;
    uint32_t objects;
};

static void plan_with(void *arg, const struct osdmap *map)
{
    struct plan *p = arg;
    const struct pool *pool = osdmap_pool_named(map, "hot");

    for (uint32_t i = 0; i < p->objects && i < AUDIT_OBJECTS_MAX; i++) {
        struct audit_place *at = &p->a->place[i];
        struct placement where;
        struct oid oid;

        snprintf(at->name, sizeof(at->name), "%s", p->load->object(p->load, i));
        at->copies = 0;
        if (!pool || oid_make(pool->id, BYTES_STR(at->name), &oid) < 0 ||
            osdmap_place(map, oid_pg(&oid, pool->pg_count), &where) < 0)
            continue;
        for (uint32_t c = 0; c < where.acting.count && c < AUDIT_COPIES_MAX; c++)
            at->osd[at->copies++] = (uint32_t)where.acting.osd[c].v;
        p->a->count = i + 1;
    }
}

static void plan_inside(void *arg)
{
    struct plan *p = arg;

    cairn_watch_map(p->a->cl->admin.client, plan_with, p);
    cairn_watch_map(p->a->cl->admin.client, NULL, NULL);
}

void audit_plan(struct audit *a, struct cluster *cl)
{
    const struct workload *load = cl->load;
    struct plan p = {a, load, load->objects ? load->objects(load) : 0};

    *a = (struct audit){.cl = cl};
    sim_enter(cl->admin.env, plan_inside, &p);
    if (a->count != p.objects)
        cluster_broken(cl, "the map does not place every object");
}

static const struct found *find(const struct auditor *a, const char *name)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->found[i].name, name) == 0)
            return &a->found[i];
    return NULL;
}

static void print_copies(const struct audit *a, const char *name, const struct auditor *stores,
                         FILE *f)
{
    for (uint32_t i = 0; i < a->cl->sc.osds; i++) {
        const struct found *fo = find(&stores[i], name);

        if (fo)
            fprintf(f, "  %s on osd.%u: %u'%llu, %llu bytes, digest %016llx\n", name, i,
                    fo->version.epoch.v, (unsigned long long)fo->version.seq,
                    (unsigned long long)fo->size, (unsigned long long)fo->digest);
        else
            fprintf(f, "  %s on osd.%u: absent\n", name, i);
    }
}

static bool placed_on(const struct audit_place *at, uint32_t osd)
{
    for (uint32_t c = 0; c < at->copies; c++)
        if (at->osd[c] == osd)
            return true;
    return false;
}

static bool compare(const struct audit *a, const struct audit_place *at,
                    const struct auditor *stores, FILE *f)
{
    for (uint32_t c = 1; c < at->copies; c++) {
        const struct found *x = find(&stores[at->osd[0]], at->name),
                           *y = find(&stores[at->osd[c]], at->name);

        if (!x == !y && (!x || x->digest == y->digest))
            continue;
        print_copies(a, at->name, stores, f);
        cluster_broken(a->cl, "copies of %s differ", at->name);
        return false;
    }
    for (uint32_t i = 0; i < a->cl->sc.osds; i++) {
        if (placed_on(at, i) || !find(&stores[i], at->name))
            continue;
        print_copies(a, at->name, stores, f);
        cluster_broken(a->cl, "osd.%u keeps a copy of %s that belongs elsewhere", i, at->name);
        return false;
    }
    return true;
}

/* What the workload says is gone must be gone everywhere. */
static bool leftovers(const struct audit *audit, const struct auditor *a,
                      const struct auditor *stores, FILE *f)
{
    const struct workload *load = a->cl->load;
    uint32_t count = 0, first = 0;

    for (uint32_t i = a->count; i > 0 && load->may_stay; i--)
        if (!load->may_stay(load, a->found[i - 1].name)) {
            first = i - 1;
            count++;
        }
    if (count == 0)
        return true;
    print_copies(audit, a->found[first].name, stores, f);
    cluster_broken(a->cl, "%s still holds %s and %u others", a->n->name, a->found[first].name,
                   count - 1);
    return false;
}

bool audit_run(struct audit *a, FILE *f)
{
    struct auditor *stores = mem_calloc(a->cl->sc.osds, sizeof(*stores));
    bool good = true;

    ASSERT(stores);
    for (uint32_t i = 0; i < a->cl->sc.osds && good; i++) {
        stores[i].cl = a->cl;
        stores[i].n = &a->cl->osd[i];
        stores[i].f = f;
        good = audit_store(&stores[i]);
    }
    for (uint32_t i = 0; i < a->cl->sc.osds && good; i++)
        good = leftovers(a, &stores[i], stores, f);
    for (uint32_t i = 0; i < a->count && good; i++)
        good = compare(a, &a->place[i], stores, f);
    for (uint32_t i = 0; i < a->cl->sc.osds; i++)
        mem_free(stores[i].found);
    mem_free(stores);
    return good;
}
