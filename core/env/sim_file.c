/* sim_file.c - the tree of files of one machine: folders, small files, and by path the disks and
 * key-value stores, which outlive the processes that open them.
 *
 * Every change here is atomic and durable when its call returns; when the power goes as it starts,
 * it happened or it did not. */
#include "core/env/sim_impl.h"

enum { PATH_BYTES = 512, ONE_IN = 2 };

struct file_lock {
    struct env *env;       /* first: borrowed */
    struct list link;      /* of the machine's locks */
    struct sim_node *node; /* ref */
};

static int sim_node_compare(struct sim_node *a, struct sim_node *b)
{
    return strcmp(a->path, b->path);
}

RB_GENERATE(sim_tree, sim_node, node, sim_node_compare)

/* --- paths and nodes --- */

/* "./a//b/" is "a/b"; the root and the working folder are "".  False: too long. */
static bool path_normal(const char *path, char out[PATH_BYTES])
{
    size_t len = 0;

    while (*path) {
        size_t part = strcspn(path, "/");

        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (len + part + 2 > PATH_BYTES)
                return false;
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, path, part);
            len += part;
        }
        path += part;
        path += strspn(path, "/");
    }
    out[len] = '\0';
    return true;
}

static struct sim_node *find_normal(struct sim_machine *m, char *path)
{
    struct sim_node key = {.path = path};

    return RB_FIND(sim_tree, &m->tree, &key);
}

struct sim_node *sim_node_find(struct sim_machine *m, const char *path)
{
    char normal[PATH_BYTES];

    return path_normal(path, normal) ? find_normal(m, normal) : NULL;
}

static int folder_check(struct sim_machine *m, char *path) /* of this (normal) path; restores it */
{
    char *slash = strrchr(path, '/');
    struct sim_node *folder;

    if (!slash)
        return 0;
    *slash = '\0';
    folder = find_normal(m, path);
    *slash = '/';
    if (!folder)
        return -ENOENT;
    return folder->kind == SIM_FOLDER ? 0 : -ENOTDIR;
}

static struct sim_node *node_create(const char *path, enum sim_node_kind kind)
{
    struct sim_node *n = sim_alloc(sizeof(*n));
    size_t bytes = strlen(path) + 1;

    n->path = sim_alloc(bytes);
    memcpy(n->path, path, bytes);
    n->kind = kind;
    n->refs = 1;
    return n;
}

int sim_node_make(struct sim_machine *m, const char *path, enum sim_node_kind kind,
                  struct sim_node **out_node)
{
    char normal[PATH_BYTES];
    int rc;

    if (!path_normal(path, normal))
        return -ENAMETOOLONG;
    if (!normal[0] || find_normal(m, normal))
        return -EEXIST;
    rc = folder_check(m, normal);
    if (rc < 0)
        return rc;
    *out_node = node_create(normal, kind);
    RB_INSERT(sim_tree, &m->tree, *out_node);
    return 0;
}

void sim_node_unref(struct sim_node *n)
{
    if (--n->refs > 0)
        return;
    sim_media_destroy(n->media);
    sim_map_destroy(n->map);
    sim_free(n->data);
    sim_free(n->path);
    sim_free(n);
}

uint64_t sim_node_space(const struct sim_node *n)
{
    switch (n->kind) {
    case SIM_FOLDER:
        return 0;
    case SIM_FILE:
        return ROUND_UP(n->bytes, DISK_BLOCK);
    case SIM_DISK:
        return sim_media_allocated(n->media) * DISK_BLOCK;
    case SIM_KV:
        return sim_map_bytes(n->map);
    }
    UNREACHABLE();
}

/* Its space is free at once; who has it open finds it lost. */
void sim_node_remove(struct sim_machine *m, struct sim_node *n)
{
    sim_space_give(m, sim_node_space(n));
    RB_REMOVE(sim_tree, &m->tree, n);
    n->lost = true;
    sim_node_unref(n);
}

struct sim_node *sim_node_copy(const struct sim_node *n)
{
    struct sim_node *to = node_create(n->path, n->kind);

    if (n->data) {
        to->data = sim_alloc(n->bytes);
        memcpy(to->data, n->data, n->bytes);
        to->bytes = n->bytes;
    }
    if (n->media)
        to->media = sim_media_copy(n->media);
    if (n->map)
        to->map = sim_map_copy(n->map);
    return to;
}

void sim_tree_clear(struct sim_tree *t)
{
    struct sim_node *n;

    while ((n = RB_MIN(sim_tree, t))) {
        RB_REMOVE(sim_tree, t, n);
        n->lost = true;
        sim_node_unref(n);
    }
}

/* --- files --- */

int sim_file_read(struct env *env, const char *path, uint64_t bytes_max, struct buf *out_data)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_node *n = sim_node_find(p->m, path);
    struct buf data = {0};
    int rc;

    if (!sim_process_works(p))
        return -EIO;
    if (!n)
        return -ENOENT;
    if (n->kind != SIM_FILE)
        return n->kind == SIM_DISK ? -EFBIG : -EISDIR;
    if (n->bytes > bytes_max)
        return -EFBIG;
    rc = n->bytes ? buf_append_copy(&data, n->data, n->bytes) : 0;
    if (rc == 0)
        *out_data = data;
    return rc;
}

static int file_set(struct sim_machine *m, const char *path, const void *data, size_t bytes)
{
    struct sim_node *n = sim_node_find(m, path);
    uint8_t *copy;
    int rc;

    if (n && n->kind != SIM_FILE)
        return -EISDIR;
    if (!sim_space_take(m, ROUND_UP(bytes, DISK_BLOCK))) /* beside the old one, until renamed */
        return -ENOSPC;
    copy = sim_try_alloc(bytes);
    rc = copy ? 0 : -ENOMEM;
    if (rc == 0 && !n)
        rc = sim_node_make(m, path, SIM_FILE, &n);
    if (rc < 0) {
        sim_space_give(m, ROUND_UP(bytes, DISK_BLOCK));
        sim_free(copy);
        return rc;
    }
    sim_space_give(m, sim_node_space(n));
    if (bytes > 0)
        memcpy(copy, data, bytes);
    sim_free(n->data);
    n->data = copy;
    n->bytes = bytes;
    return 0;
}

/* A change of the tree starts: whether it happens, and whether its caller still gets to know. */
static bool change_starts(struct sim_process *p, bool *out_happens)
{
    struct sim *s = sim_of(p);
    bool lives = sim_process_works(p) && sim_io_starts(p);

    p->blocked_ns += sim_between(s, s->conf.disk_delay_min_ns, s->conf.disk_delay_max_ns);
    *out_happens = lives || rng_chance(&s->fault_rng, 1, ONE_IN);
    return lives;
}

int sim_file_replace(struct env *env, const char *path, const void *data, size_t bytes,
                     unsigned mode)
{
    struct sim_process *p = sim_process_of(env);
    bool lives, happens;
    int rc = -EIO;

    UNUSED(mode); /* nobody else is there */
    if (!sim_process_works(p))
        return -EIO;
    lives = change_starts(p, &happens);
    if (happens)
        rc = file_set(p->m, path, data, bytes);
    return lives ? rc : -EIO;
}

int sim_file_append(struct env *env, const char *path, const void *data, size_t bytes,
                    unsigned mode)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_node *n = sim_node_find(p->m, path);
    size_t before = n && n->kind == SIM_FILE ? n->bytes : 0;
    uint8_t *whole = sim_try_alloc(before + bytes);
    int rc;

    if (!whole)
        return -ENOMEM;
    if (before)
        memcpy(whole, n->data, before);
    if (bytes)
        memcpy(whole + before, data, bytes);
    rc = sim_file_replace(env, path, whole, before + bytes, mode);
    sim_free(whole);
    return rc;
}

int sim_file_remove(struct env *env, const char *path)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_node *n = sim_node_find(p->m, path);
    bool lives, happens;

    if (!sim_process_works(p))
        return -EIO;
    if (!n)
        return -ENOENT;
    if (n->kind == SIM_FOLDER || n->kind == SIM_KV)
        return -EISDIR;
    lives = change_starts(p, &happens);
    if (happens)
        sim_node_remove(p->m, n);
    return lives ? 0 : -EIO;
}

/* --- folders --- */

static int folders_make(struct sim_machine *m, char *path)
{
    for (char *end = path;; end++) {
        char kept = *end;
        struct sim_node *n;

        if (kept != '/' && kept != '\0')
            continue;
        *end = '\0';
        n = path[0] ? find_normal(m, path) : NULL;
        if (n && n->kind != SIM_FOLDER)
            return -ENOTDIR;
        if (!n && path[0])
            (void)sim_node_make(m, path, SIM_FOLDER, &n); /* its folder is there, it is not */
        *end = kept;
        if (!kept)
            return 0;
    }
}

int sim_dir_create(struct env *env, const char *path, unsigned mode)
{
    struct sim_process *p = sim_process_of(env);
    char normal[PATH_BYTES];
    bool lives, happens;
    int rc = -EIO;

    UNUSED(mode);
    if (!sim_process_works(p))
        return -EIO;
    if (!path_normal(path, normal))
        return -ENAMETOOLONG;
    lives = change_starts(p, &happens);
    if (happens)
        rc = folders_make(p->m, normal);
    return lives ? rc : -EIO;
}

/* The names right below `folder` (normal form), each with its NUL. */
static void names_collect(struct sim_machine *m, const char *folder, struct writer *names)
{
    size_t len = strlen(folder);
    struct sim_node *n;

    RB_FOREACH (n, sim_tree, &m->tree) {
        const char *name = n->path;

        if (len > 0) {
            if (strncmp(n->path, folder, len) != 0 || n->path[len] != '/')
                continue;
            name += len + 1;
        }
        if (!strchr(name, '/'))
            wr_raw(names, name, strlen(name) + 1);
    }
}

int sim_dir_list(struct env *env, const char *path, void (*each)(void *arg, const char *name),
                 void *arg)
{
    struct sim_process *p = sim_process_of(env);
    AUTO(writer) names = {0}; /* `each` may change the folder */
    char normal[PATH_BYTES];
    struct sim_node *n;

    if (!sim_process_works(p))
        return -EIO;
    if (!path_normal(path, normal))
        return -ENAMETOOLONG;
    n = normal[0] ? find_normal(p->m, normal) : NULL;
    if (!n && normal[0])
        return -ENOENT;
    if (n && n->kind != SIM_FOLDER)
        return n->kind == SIM_KV ? 0 : -ENOTDIR;
    names_collect(p->m, normal, &names);
    if (names.rc < 0)
        return names.rc;
    for (size_t at = 0; at < names.len; at += strlen((char *)names.data + at) + 1)
        each(arg, (char *)names.data + at);
    return 0;
}

/* --- locks and space --- */

int sim_file_lock(struct env *env, const char *path, struct file_lock **out_lock)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_node *n = sim_node_find(p->m, path);
    struct file_lock *lock;
    int rc;

    if (!sim_process_works(p))
        return -EIO;
    if (n && n->kind != SIM_FILE)
        return -EISDIR;
    LIST_EACH (l, &p->m->locks) {
        if (LIST_ENTRY(l, struct file_lock, link)->node == n)
            return -EBUSY;
    }
    lock = sim_try_alloc(sizeof(*lock));
    if (!lock)
        return -ENOMEM;
    rc = n ? 0 : sim_node_make(p->m, path, SIM_FILE, &n);
    if (rc < 0) {
        sim_free(lock);
        return rc;
    }
    lock->env = env;
    lock->node = n;
    n->refs++;
    list_push_back(&p->m->locks, &lock->link);
    *out_lock = lock;
    return 0;
}

void sim_file_unlock(struct file_lock *lock)
{
    list_remove(&lock->link);
    sim_node_unref(lock->node);
    sim_free(lock);
}

void sim_locks_drop(struct sim_process *p)
{
    LIST_EACH_SAFE (l, &p->m->locks) {
        struct file_lock *lock = LIST_ENTRY(l, struct file_lock, link);

        if (lock->env == &p->env)
            sim_file_unlock(lock);
    }
}

uint64_t sim_locks_held(const struct sim_process *p)
{
    uint64_t count = 0;

    LIST_EACH (l, &p->m->locks)
        count += LIST_ENTRY(l, struct file_lock, link)->env == &p->env;
    return count;
}

int sim_fs_space(struct env *env, const char *path, struct fs_space *out_space)
{
    struct sim_machine *m = sim_process_of(env)->m;

    UNUSED(path); /* one file system per machine */
    out_space->total_bytes = m->total_bytes;
    out_space->free_bytes = m->total_bytes > m->used_bytes ? m->total_bytes - m->used_bytes : 0;
    return 0;
}
