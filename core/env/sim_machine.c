/* sim_machine.c - machines and the processes on them: their start, their deaths, their disks' fate.
 *
 * A process dies in one order: I/O under way is resolved, its connections and listeners break, its
 * works, tasks and timers are forgotten, its handles are closed, its locks released, and last its
 * memory is dropped.  Nothing after that may call into it.  The struct itself stays until the end
 * of the simulation, so that an env can always be asked whether it is alive.
 *
 * A power cut kills every process of a machine that way, then lets each disk and each key-value
 * store decide what of its unsynced state is still there. */
#include <stdio.h>

#include "core/env/sim_impl.h"

#define MACHINE_BYTES (UINT64_C(1) << 40)
#define CLOCK_MAX_NS  (1000 * NS_PER_S) /* up when the simulation starts */
#define BOOT_MIN_NS   (5 * NS_PER_S)    /* from power to the first process */
#define BOOT_MAX_NS   (30 * NS_PER_S)
enum { WALL_ERROR_MS = 500, PORT_FIRST = 30000, CLIENT_PORT_FIRST = 40000 };

const struct env_ops sim_ops = {
    .now_ns = sim_now_in,
    .wall_ns = sim_wall_in,
    .random_bytes = sim_random_bytes,
    .is_home = sim_is_home,
    .post = sim_post,
    .defer = sim_defer,
    .timer_at = sim_timer_at,
    .timer_cancel = sim_timer_cancel,
    .work_submit = sim_work_submit,
    .watch_start = sim_watch_start,
    .watch_stop = sim_watch_stop,
    .disk_open = sim_disk_open,
    .disk_close = sim_disk_close,
    .disk_bytes = sim_disk_bytes,
    .disk_name = sim_disk_name,
    .disk_submit = sim_disk_submit,
    .disk_read_now = sim_disk_read_now,
    .disk_write_now = sim_disk_write_now,
    .disk_flush_now = sim_disk_flush_now,
    .file_read = sim_file_read,
    .file_replace = sim_file_replace,
    .file_append = sim_file_append,
    .file_remove = sim_file_remove,
    .dir_create = sim_dir_create,
    .dir_list = sim_dir_list,
    .file_lock = sim_file_lock,
    .file_unlock = sim_file_unlock,
    .fs_space = sim_fs_space,
    .kv_open = sim_kv_open,
    .kv_salvage = sim_kv_salvage,
    .kv_close = sim_kv_close,
    .kv_get = sim_kv_get,
    .kv_write = sim_kv_write,
    .kv_checkpoint = sim_kv_checkpoint,
    .kv_wait_for_room = sim_kv_wait_for_room,
    .kv_iter_create = sim_kv_iter_create,
    .kv_iter_next = sim_kv_iter_next,
    .kv_iter_destroy = sim_kv_iter_destroy,
    .kv_scan = sim_kv_scan,
    .kv_stats = sim_kv_stats,
    .net_listen = sim_net_listen,
    .net_listener_addr = sim_net_listener_addr,
    .net_listener_close = sim_net_listener_close,
    .net_connect = sim_net_connect,
    .net_send = sim_net_send,
    .net_queued_bytes = sim_net_queued_bytes,
    .net_resume = sim_net_resume,
    .net_close = sim_net_close,
};

/* --- machines --- */

struct sim_machine *sim_machine_create(struct sim *s, const char *name, const char *ip)
{
    struct sim_machine *m = sim_alloc(sizeof(*m));
    struct net_addr checked;

    m->sim = s;
    m->number = ++s->last_machine;
    if (net_addr_make(ip, 0, &checked) < 0)
        UNREACHABLE(); /* the driver names no host */
    snprintf(m->name, sizeof(m->name), "%s", name);
    snprintf(m->ip, sizeof(m->ip), "%s", ip);
    m->powered = true;
    m->boot_ns = sim_between(s, BOOT_MIN_NS, CLOCK_MAX_NS);
    m->boot_since_ns = s->now_ns;
    m->wall_offset_ns = (int64_t)(sim_between(s, 0, 2 * WALL_ERROR_MS) * NS_PER_MS) -
                        (int64_t)(WALL_ERROR_MS * NS_PER_MS);
    m->total_bytes = MACHINE_BYTES;
    m->last_port = PORT_FIRST;
    m->last_client_port = CLIENT_PORT_FIRST;
    RB_INIT(&m->tree);
    list_init(&m->processes);
    list_init(&m->listeners);
    list_init(&m->locks);
    list_push_back(&s->machines, &m->link);
    return m;
}

uint64_t sim_machine_clock(const struct sim_machine *m)
{
    return m->boot_ns + (m->sim->now_ns - m->boot_since_ns);
}

void sim_machine_stop(struct sim_machine *m)
{
    LIST_EACH (l, &m->processes) {
        struct sim_process *p = LIST_ENTRY(l, struct sim_process, link);

        if (p->alive)
            sim_process_die(p, false);
    }
}

void sim_machine_destroy(struct sim_machine *m)
{
    struct list *l;

    list_remove(&m->link);
    while ((l = list_pop_front(&m->processes)))
        sim_free(LIST_ENTRY(l, struct sim_process, link));
    ASSERT(list_empty(&m->listeners));
    ASSERT(list_empty(&m->locks));
    sim_tree_clear(&m->tree);
    sim_free(m->cut_to.number);
    sim_free(m->refuses.number);
    sim_free(m);
}

bool sim_space_take(struct sim_machine *m, uint64_t bytes)
{
    if (bytes > m->total_bytes || m->used_bytes > m->total_bytes - bytes)
        return false;
    m->used_bytes += bytes;
    return true;
}

void sim_space_give(struct sim_machine *m, uint64_t bytes)
{
    ASSERT(bytes <= m->used_bytes);
    m->used_bytes -= bytes;
}

/* --- processes --- */

/* The line gets the virtual time and the process in front. */
static void line_write(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    struct sim_process *p = CONTAINER_OF(sink, struct sim_process, sink);
    uint64_t now_ns = sim_of(p)->now_ns;
    char text[1024];
    int head =
        snprintf(text, sizeof(text), "%llu.%09llu %s/%s ", (unsigned long long)(now_ns / NS_PER_S),
                 (unsigned long long)(now_ns % NS_PER_S), p->m->name, p->name);
    size_t body = MIN(bytes, sizeof(text) - (size_t)head - 1);
    struct log_sink *out = sim_of(p)->conf.sink;

    memcpy(text + head, line, body);
    if (body < bytes)
        text[head + (int)body - 1] = '\n';
    out->write(out, level, text, (size_t)head + body);
}

struct env *sim_process_start(struct sim_machine *m, const char *name)
{
    struct sim *s = m->sim;
    struct sim_process *p;

    if (s->reaping && s->depth == 0)
        sim_reap(s);
    ASSERT(!m->doomed);
    if (!m->powered) {
        m->powered = true;
        m->boot_ns = sim_between(s, BOOT_MIN_NS, BOOT_MAX_NS);
        m->boot_since_ns = s->now_ns;
    }
    p = sim_alloc(sizeof(*p));
    p->m = m;
    p->number = ++s->last_process;
    p->env.ops = &sim_ops;
    snprintf(p->name, sizeof(p->name), "%s", name);
    if (s->conf.sink) {
        p->sink = (struct log_sink){.write = line_write, .level_max = s->conf.sink->level_max};
        p->env.sink = &p->sink;
    }
    do
        p->scope = mem_scope_create();
    while (!p->scope); /* an injected failure is not meant for us */
    rng_seed(&p->rng, rng_u64(&s->rng));
    list_init(&p->ios);
    list_init(&p->disks);
    list_init(&p->kvs);
    list_init(&p->listeners);
    list_init(&p->conns);
    sim_loop_init(p);
    p->alive = true;
    list_push_back(&m->processes, &p->link);
    return &p->env;
}

struct sim_frame sim_inside(struct sim_process *p)
{
    struct sim *s = sim_of(p);
    struct sim_frame before = {.outer = s->inside};

    ASSERT(p->alive);
    s->depth++;
    s->inside = p;
    before.scope = mem_scope_enter(p->scope);
    return before;
}

void sim_outside(struct sim_process *p, struct sim_frame before)
{
    struct sim *s = sim_of(p);

    mem_scope_enter(before.scope);
    s->inside = before.outer;
    s->depth--;
    if (p->blocked_ns > 0) { /* calls that block, on the loop: it stood still for that long */
        p->paused_until_ns = MAX(p->paused_until_ns, s->now_ns) + p->blocked_ns;
        p->blocked_ns = 0;
    }
}

void sim_enter(struct env *env, void (*fn)(void *arg), void *arg)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_frame before;

    if (!sim_process_works(p))
        return;
    before = sim_inside(p);
    fn(arg);
    sim_outside(p, before);
    if (sim_of(p)->reaping && sim_of(p)->depth == 0)
        sim_reap(sim_of(p));
}

bool sim_process_alive(const struct env *env)
{
    return sim_process_works(sim_process_of(env));
}

void sim_process_pause(struct env *env, uint64_t for_ns)
{
    struct sim_process *p = sim_process_of(env);

    p->paused_until_ns = MAX(p->paused_until_ns, sim_of(p)->now_ns + for_ns);
}

/* --- deaths --- */

void sim_process_die(struct sim_process *p, bool power_cut)
{
    ASSERT(p->alive && sim_of(p)->depth == 0);
    p->doomed = true;
    sim_disks_process_dies(p, power_cut);
    sim_net_process_dies(p, power_cut);
    sim_loop_stop(p);
    sim_kvs_process_dies(p);
    sim_locks_drop(p);
    mem_scope_drop(p->scope);
    p->scope = NULL;
    p->alive = false;
}

static void power_goes(struct sim_machine *m)
{
    struct sim *s = m->sim;
    struct sim_node *n;

    LIST_EACH (l, &m->processes) {
        struct sim_process *p = LIST_ENTRY(l, struct sim_process, link);

        if (p->alive)
            sim_process_die(p, true);
    }
    RB_FOREACH (n, sim_tree, &m->tree) {
        if (n->kind == SIM_DISK)
            sim_media_power_cut(n->media, &s->fault_rng, s->conf.unreadable_per_million);
        if (n->kind != SIM_KV)
            continue;
        m->used_bytes -= sim_map_bytes(n->map);
        sim_map_power_cut(n->map, &s->fault_rng);
        m->used_bytes += sim_map_bytes(n->map);
    }
    m->doomed = false;
    m->powered = false;
}

void sim_reap(struct sim *s)
{
    ASSERT(s->depth == 0);
    s->reaping = false;
    LIST_EACH (ml, &s->machines) {
        struct sim_machine *m = LIST_ENTRY(ml, struct sim_machine, link);

        if (m->doomed) {
            power_goes(m);
            continue;
        }
        LIST_EACH (pl, &m->processes) {
            struct sim_process *p = LIST_ENTRY(pl, struct sim_process, link);

            if (p->alive && p->doomed)
                sim_process_die(p, false);
        }
    }
}

void sim_process_kill(struct env *env)
{
    struct sim_process *p = sim_process_of(env);
    struct sim *s = sim_of(p);

    p->doomed = true;
    s->reaping = true;
    if (s->depth == 0)
        sim_reap(s);
}

void sim_machine_power_cut(struct sim_machine *m)
{
    m->doomed = true;
    m->sim->reaping = true;
    if (m->sim->depth == 0)
        sim_reap(m->sim);
}

static uint64_t list_count(const struct list *l)
{
    uint64_t count = 0;

    LIST_EACH (pos, l)
        count++;
    return count;
}

struct mem_scope *sim_process_memory(struct env *env)
{
    return sim_process_of(env)->scope;
}

uint64_t sim_process_end(struct env *env)
{
    struct sim_process *p = sim_process_of(env);
    uint64_t left;

    if (sim_of(p)->reaping && sim_of(p)->depth == 0)
        sim_reap(sim_of(p));
    ASSERT(p->alive);
    left = mem_scope_bytes(p->scope) + sim_loop_pending(p) + sim_locks_held(p) +
           list_count(&p->ios) + list_count(&p->disks) + list_count(&p->kvs) +
           list_count(&p->listeners) + list_count(&p->conns);
    sim_process_die(p, false);
    return left;
}

bool sim_io_starts(struct sim_process *p)
{
    struct sim_machine *m = p->m;

    m->ios++;
    if (m->cut_at_io == 0 || m->ios < m->cut_at_io)
        return true;
    m->cut_at_io = 0;
    m->doomed = true;
    m->sim->reaping = true;
    return false;
}

uint64_t sim_machine_ios(const struct sim_machine *m)
{
    return m->ios;
}

void sim_machine_cut_at_io(struct sim_machine *m, uint64_t io)
{
    m->cut_at_io = io;
}

/* --- faults --- */

bool sim_fault_hits(uint64_t *n)
{
    return *n > 0 && --*n == 0;
}

void sim_disk_fault(struct sim_machine *m, enum sim_disk_fault fault, uint64_t n)
{
    switch (fault) {
    case SIM_DISK_READ_EIO:
        m->faults.reads = n;
        return;
    case SIM_DISK_WRITE_EIO:
        m->faults.writes = n;
        return;
    case SIM_KV_EIO:
        m->faults.kvs = n;
        return;
    case SIM_DISK_SLOW:
        m->faults.slow_ns = n;
        return;
    case SIM_DISK_FULL:
        m->total_bytes = n == UINT64_MAX ? MACHINE_BYTES : m->used_bytes + n;
        return;
    }
    UNREACHABLE();
}

int sim_disk_flip(struct sim_machine *m, const char *path, uint64_t byte, unsigned bit)
{
    struct sim_node *n = sim_node_find(m, path);

    if (!n)
        return -ENOENT;
    switch (n->kind) {
    case SIM_FOLDER:
        return -EISDIR;
    case SIM_FILE:
        if (byte >= n->bytes)
            return -ERANGE;
        n->data[byte] ^= (uint8_t)(1u << (bit & 7));
        return 0;
    case SIM_DISK:
        return sim_media_flip(n->media, byte, bit);
    case SIM_KV:
        return sim_map_flip(n->map, byte, bit);
    }
    UNREACHABLE();
}

void sim_disk_wipe(struct sim_machine *m)
{
    sim_tree_clear(&m->tree);
    m->used_bytes = 0;
}

/* --- images --- */

struct sim_image {
    struct sim_tree tree; /* owned */
    uint64_t used_bytes;
};

static void tree_copy(const struct sim_tree *from, struct sim_tree *to)
{
    struct sim_node *n;

    RB_FOREACH (n, sim_tree, (struct sim_tree *)from)
        RB_INSERT(sim_tree, to, sim_node_copy(n));
}

struct sim_image *sim_machine_save(struct sim_machine *m)
{
    struct sim_image *img = sim_alloc(sizeof(*img));

    RB_INIT(&img->tree);
    tree_copy(&m->tree, &img->tree);
    img->used_bytes = m->used_bytes;
    return img;
}

void sim_machine_restore(struct sim_machine *m, const struct sim_image *img)
{
    if (m->sim->reaping && m->sim->depth == 0)
        sim_reap(m->sim);
    LIST_EACH (l, &m->processes)
        ASSERT(!LIST_ENTRY(l, struct sim_process, link)->alive);
    sim_tree_clear(&m->tree);
    tree_copy(&img->tree, &m->tree);
    m->used_bytes = img->used_bytes;
}

void sim_image_destroy(struct sim_image *img)
{
    if (!img)
        return;
    sim_tree_clear(&img->tree);
    sim_free(img);
}
