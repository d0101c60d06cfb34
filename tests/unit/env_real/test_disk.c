/* test_disk.c - disks of the real env: through the ring, through workers, and without direct I/O.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "core/env/disk.h"
#include "tests/unit/env_real/rig.h"

enum { DISK_BYTES = 8 << 20, BLOCKS = DISK_BYTES / DISK_BLOCK };

static const struct disk_conf sparse = {.create = true, .bytes = DISK_BYTES};
static const struct disk_conf zeroed = {.create = true, .zeroed = true, .bytes = DISK_BYTES};

/* --- one request, waited for --- */

struct one {
    struct disk_io io;
    struct env *env;
    bool submitting;
    unsigned done;
};

static void one_done(struct disk_io *io)
{
    struct one *o = CONTAINER_OF(io, struct one, io);

    ASSERT(!o->submitting);
    ASSERT(env_is_home(o->env));
    o->done++;
}

static void one_submit(void *arg)
{
    struct one *o = arg;

    o->submitting = true;
    disk_submit(o->env, &o->io);
    o->submitting = false;
}

static bool one_is_done(void *arg)
{
    return ((struct one *)arg)->done > 0;
}

static int one_run(struct rig *g, struct one *o)
{
    o->env = g->env;
    o->done = 0;
    o->io.done = one_done;
    rig_on(g, one_submit, o);
    T_TRUE(rig_wait(g, one_is_done, o));
    T_EQ(o->done, 1);
    return o->io.rc;
}

static int do_simple(struct rig *g, struct disk *d, enum disk_op op, uint64_t off, uint64_t bytes)
{
    struct one o = {.io = {.disk = d, .op = op, .off = off, .bytes = bytes}};

    return one_run(g, &o);
}

/* Takes over `data`. */
static int do_write(struct rig *g, struct disk *d, uint64_t off, struct buf *data, unsigned flags)
{
    struct one o = {.io = {.disk = d, .op = DISK_WRITE, .off = off, .flags = flags}};
    int rc;

    o.io.data = buf_move(data);
    rc = one_run(g, &o);
    buf_fini(&o.io.data);
    return rc;
}

static int do_read(struct rig *g, struct disk *d, uint64_t off, uint64_t bytes, struct buf *out)
{
    struct one o = {.io = {.disk = d, .op = DISK_READ, .off = off, .bytes = bytes}};
    int rc = one_run(g, &o);

    *out = o.io.data;
    return rc;
}

/* Bytes that say where they belong, in `spans` pieces at odd places in memory. */
static struct buf pattern(uint64_t off, uint64_t bytes, unsigned spans)
{
    struct buf b = {0};
    uint64_t made = 0;

    for (unsigned i = 0; i < spans; i++) {
        uint32_t n = (uint32_t)(i + 1 < spans ? bytes / spans : bytes - made);
        struct blob *blob = blob_create(n + (spans > 1 ? 3 : 0));
        uint32_t skip = spans > 1 ? 3 : 0;

        T_TRUE(blob != NULL);
        for (uint32_t j = 0; j < n; j++)
            blob->data[skip + j] = (uint8_t)((off + made + j) * 13 + (off >> 12));
        T_OK(buf_append_blob(&b, blob, skip, n));
        blob_unref(blob);
        made += n;
    }
    return b;
}

static void expect(struct rig *g, struct disk *d, uint64_t off, uint64_t bytes)
{
    struct buf want = pattern(off, bytes, 1), got = {0};

    T_OK(do_read(g, d, off, bytes, &got));
    T_EQ(got.bytes, bytes);
    T_EQ(got.span_count, 1);
    T_EQ((uintptr_t)span_data(buf_spans(&got)) % DISK_BLOCK, 0);
    T_TRUE(buf_equal(&want, &got));
    buf_fini(&want);
    buf_fini(&got);
}

static void expect_zeros(struct rig *g, struct disk *d, uint64_t off, uint64_t bytes)
{
    struct buf want = {0}, got = {0};

    T_OK(buf_append_zeros(&want, bytes));
    T_OK(do_read(g, d, off, bytes, &got));
    T_TRUE(buf_equal(&want, &got));
    buf_fini(&want);
    buf_fini(&got);
}

static struct disk *open_disk(struct rig *g, const char *path, const struct disk_conf *conf)
{
    struct note why = {""};
    struct disk *d = NULL;

    T_OK(disk_open(g->env, path, conf, &d, &why));
    return d;
}

/* --- what every kind of disk does --- */

static void writes_come_back(struct rig *g, struct disk *d)
{
    struct buf b = pattern(0, DISK_BLOCK, 1);

    T_OK(do_write(g, d, 0, &b, DISK_DURABLE));
    b = pattern(5 * DISK_BLOCK, 64 * DISK_BLOCK, 7); /* misaligned: copied once */
    T_OK(do_write(g, d, 5 * DISK_BLOCK, &b, DISK_DURABLE));
    b = pattern(100 * DISK_BLOCK, 16 * DISK_BLOCK, 3000); /* more pieces than a call takes */
    T_OK(do_write(g, d, 100 * DISK_BLOCK, &b, 0));
    T_OK(do_simple(g, d, DISK_FLUSH, 0, 0));
    b = (struct buf){0};
    for (int i = 0; i < 40; i++) { /* aligned pieces: handed over as they lie */
        struct buf part = pattern((200 + (uint64_t)i) * DISK_BLOCK, DISK_BLOCK, 1);

        T_OK(buf_append(&b, &part, 0, DISK_BLOCK));
        buf_fini(&part);
    }
    T_OK(do_write(g, d, 200 * DISK_BLOCK, &b, DISK_DURABLE));
    expect(g, d, 0, DISK_BLOCK);
    expect(g, d, 5 * DISK_BLOCK, 64 * DISK_BLOCK);
    expect(g, d, 100 * DISK_BLOCK, 16 * DISK_BLOCK);
    for (uint64_t i = 200; i < 240; i++)
        expect(g, d, i * DISK_BLOCK, DISK_BLOCK);
    expect_zeros(g, d, DISK_BLOCK, 4 * DISK_BLOCK);
    expect_zeros(g, d, 69 * DISK_BLOCK, DISK_BLOCK);
}

static void bad_requests_fail(struct rig *g, struct disk *d)
{
    struct buf b = pattern(0, DISK_BLOCK + 512, 1);

    T_EQ(do_write(g, d, 0, &b, 0), -EINVAL);
    b = pattern(0, DISK_BLOCK, 1);
    T_EQ(do_write(g, d, 512, &b, 0), -EINVAL);
    b = pattern(0, 2 * DISK_BLOCK, 1);
    T_EQ(do_write(g, d, DISK_BYTES - DISK_BLOCK, &b, 0), -ERANGE);
    T_EQ(do_read(g, d, 0, 0, &b), -EINVAL);
    T_EQ(do_read(g, d, DISK_BYTES, DISK_BLOCK, &b), -ERANGE);
    T_EQ(do_read(g, d, UINT64_MAX - DISK_BLOCK + 1, DISK_BLOCK, &b), -ERANGE);
    b = pattern(0, DISK_BLOCK, 1); /* and the disk is well */
    T_OK(do_write(g, d, 0, &b, DISK_DURABLE));
}

static void discarded_is_zero_or_old(struct rig *g, struct disk *d)
{
    struct buf got = {0}, b = pattern(300 * DISK_BLOCK, DISK_BLOCK, 1);

    T_OK(do_write(g, d, 300 * DISK_BLOCK, &b, DISK_DURABLE));
    T_OK(do_simple(g, d, DISK_DISCARD, 300 * DISK_BLOCK, DISK_BLOCK));
    T_OK(do_read(g, d, 300 * DISK_BLOCK, DISK_BLOCK, &got));
    b = pattern(300 * DISK_BLOCK, DISK_BLOCK, 1);
    if (!buf_equal(&got, &b))
        expect_zeros(g, d, 300 * DISK_BLOCK, DISK_BLOCK);
    buf_fini(&b);
    buf_fini(&got);
}

/* --- many at once --- */

enum { MANY = BLOCKS };
struct many;
struct many_one {
    struct disk_io io;
    struct many *m;
};
struct many {
    struct many_one ones[MANY];
    struct env *env;
    unsigned done, failed;
};

static void many_done(struct disk_io *io)
{
    struct many *m = CONTAINER_OF(io, struct many_one, io)->m;

    m->done++;
    m->failed += io->rc != 0;
    buf_fini(&io->data);
}

static void many_submit(void *arg)
{
    struct many *m = arg;

    for (unsigned i = 0; i < MANY; i++)
        disk_submit(m->env, &m->ones[i].io);
    ASSERT(m->done == 0);
}

static bool many_are_done(void *arg)
{
    return ((struct many *)arg)->done == MANY;
}

static void many_at_once_all_complete(struct rig *g, struct disk *d)
{
    struct many *m = calloc(1, sizeof(*m));
    struct rng rng;

    rng_seed(&rng, 3);
    m->env = g->env;
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t off = (uint64_t)i * DISK_BLOCK;

        m->ones[i].m = m;
        m->ones[i].io = (struct disk_io){.disk = d,
                                         .op = DISK_WRITE,
                                         .off = off,
                                         .flags = rng_chance(&rng, 1, 3) ? DISK_DURABLE : 0,
                                         .done = many_done};
        m->ones[i].io.data = pattern(off, DISK_BLOCK, rng_chance(&rng, 1, 8) ? 2 : 1);
    }
    rig_on(g, many_submit, m);
    T_TRUE(rig_wait(g, many_are_done, m));
    T_EQ(m->failed, 0);
    for (unsigned i = 0; i < MANY; i += 17)
        expect(g, d, (uint64_t)i * DISK_BLOCK, DISK_BLOCK);
    free(m);
}

static void blocking_forms_agree(struct disk *d)
{
    static uint8_t out[3 * DISK_BLOCK + 1], in[3 * DISK_BLOCK + 1];

    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 29 + i / 256);
    for (int odd = 0; odd < 2; odd++) {
        T_OK(disk_write_now(d, 400 * DISK_BLOCK, out + odd, 3 * DISK_BLOCK));
        T_OK(disk_flush_now(d));
        T_OK(disk_read_now(d, 400 * DISK_BLOCK, in + 1 - odd, 3 * DISK_BLOCK));
        T_MEM_EQ(in + 1 - odd, out + odd, 3 * DISK_BLOCK);
    }
    T_EQ(disk_read_now(d, 1, in, DISK_BLOCK), -EINVAL);
    T_EQ(disk_write_now(d, DISK_BYTES, in, DISK_BLOCK), -ERANGE);
}

static void all_of_it(struct rig *g, const char *path)
{
    struct disk *d = open_disk(g, path, &sparse);

    T_EQ(disk_bytes(d), DISK_BYTES);
    T_STR_EQ(disk_name(d), path);
    writes_come_back(g, d);
    bad_requests_fail(g, d);
    discarded_is_zero_or_old(g, d);
    blocking_forms_agree(d);
    many_at_once_all_complete(g, d);
    disk_close(d);
    d = open_disk(g, path, &(struct disk_conf){.read_only = true});
    expect(g, d, 51 * DISK_BLOCK, DISK_BLOCK);
    T_EQ(do_simple(g, d, DISK_DISCARD, 0, DISK_BLOCK), -EROFS);
    disk_close(d);
}

T(disk, requests_do_what_they_say_through_the_ring)
{
    struct rig g;
    struct host_stats stats;

    rig_start(&g, NULL);
    all_of_it(&g, rig_path(&g, "disk"));
    host_stats(g.h, 0, &stats);
    T_GT(stats.disk_ios, MANY);
    if (stats.disk_submits == 0)
        T_SKIP("io_uring is not there: workers did it");
    T_LT(stats.disk_submits, stats.disk_ios / 3); /* batched */
    rig_stop(&g);
}

T(disk, requests_do_what_they_say_through_workers)
{
    struct rig g;
    struct host_stats stats;

    rig_start(&g, &(struct host_conf){.reactors = 1, .no_uring = true});
    all_of_it(&g, rig_path(&g, "disk"));
    host_stats(g.h, 0, &stats);
    T_EQ(stats.disk_submits, 0);
    rig_stop(&g);
}

/* ramfs has no direct I/O at all. */
T(disk, requests_do_what_they_say_where_direct_io_is_refused)
{
    char folder[128];
    struct rig g;

    folder_make(folder, sizeof(folder));
    if (!mount_here("ramfs", folder, NULL)) {
        folder_drop(folder);
        T_SKIP("may not mount");
    }
    for (int no_uring = 0; no_uring < 2; no_uring++) {
        char path[160];

        rig_start(&g, &(struct host_conf){.reactors = 1, .no_uring = no_uring});
        snprintf(path, sizeof(path), "%s/disk%d", folder, no_uring);
        all_of_it(&g, path);
        rig_stop(&g);
    }
    unmount_here(folder);
    folder_drop(folder);
}

/* --- opening --- */

T(disk, opening_makes_a_disk_only_when_told_and_keeps_what_is_there)
{
    struct rig g;
    struct note why = {""};
    struct disk *d = NULL;
    struct buf b;
    const char *path;
    int fd;

    rig_start(&g, NULL);
    path = rig_path(&g, "disk");
    T_EQ(disk_open(g.env, path, &(struct disk_conf){0}, &d, &why), -ENOENT);
    T_TRUE(strstr(why.text, path) != NULL);
    T_EQ(disk_open(g.env, path, &(struct disk_conf){.create = true, .bytes = 100}, &d, &why),
         -EINVAL);
    T_EQ(access(path, F_OK), -1);

    fd = open(rig_path(&g, "disk.new"), O_WRONLY | O_CREAT, 0600); /* left by a crash */
    T_EQ(write(fd, "rubbish", 7), 7);
    close(fd);
    d = open_disk(&g, path, &zeroed);
    T_EQ(access(rig_path(&g, "disk.new"), F_OK), -1);
    expect_zeros(&g, d, 0, DISK_BYTES);
    b = pattern(0, DISK_BLOCK, 1);
    T_OK(do_write(&g, d, 0, &b, DISK_DURABLE));
    disk_close(d);

    d = open_disk(&g, path, &zeroed);
    expect(&g, d, 0, DISK_BLOCK);
    disk_close(d);
    d = open_disk(&g, path, &(struct disk_conf){.create = true, .bytes = 2 * DISK_BYTES});
    T_EQ(disk_bytes(d), 2 * DISK_BYTES); /* grown */
    expect(&g, d, 0, DISK_BLOCK);
    expect_zeros(&g, d, 2 * DISK_BYTES - DISK_BLOCK, DISK_BLOCK);
    disk_close(d);

    T_OK(truncate(path, DISK_BYTES + 5));
    T_EQ(disk_open(g.env, path, &(struct disk_conf){0}, &d, &why), -EINVAL);
    T_LT(disk_open(g.env, g.folder, &(struct disk_conf){0}, &d, &why), 0);
    T_EQ(disk_open(g.env, "/dev/null", &(struct disk_conf){0}, &d, &why), -EINVAL);
    disk_close(NULL);
    rig_stop(&g);
}

T(disk, a_zeroed_disk_has_no_extent_that_is_merely_allocated)
{
    struct rig g;
    struct stat st;
    struct fiemap *map = calloc(1, sizeof(*map) + 64 * sizeof(struct fiemap_extent));
    struct disk *d;
    int fd;

    rig_start(&g, NULL);
    d = open_disk(&g, rig_path(&g, "disk"), &zeroed);
    disk_close(d);
    fd = open(rig_path(&g, "disk"), O_RDONLY);
    T_OK(fstat(fd, &st));
    T_GE(st.st_blocks * 512, DISK_BYTES);
    map->fm_length = DISK_BYTES;
    map->fm_extent_count = 64;
    if (ioctl(fd, FS_IOC_FIEMAP, map) == 0) {
        T_GT(map->fm_mapped_extents, 0);
        for (unsigned i = 0; i < map->fm_mapped_extents; i++)
            T_EQ(map->fm_extents[i].fe_flags & (FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_DELALLOC),
                 0);
    }
    close(fd);
    free(map);
    rig_stop(&g);
}

T(disk, opening_fails_cleanly_at_every_allocation)
{
    struct rig g;
    bool opened = false;

    rig_start(&g, NULL);
    for (int n = 0; !opened; n++) {
        struct disk *d = NULL;
        struct note why = {""};
        int rc;

        T_LT(n, 20);
        mem_fail_after(n);
        rc = disk_open(g.env, rig_path(&g, "disk"), &zeroed, &d, &why);
        opened = !mem_fail_hit();
        mem_fail_after(-1);
        T_EQ(rc, opened ? 0 : -ENOMEM);
        T_EQ(access(rig_path(&g, "disk"), F_OK), opened ? 0 : -1);
        disk_close(d);
    }
    rig_stop(&g);
}

/* --- failures --- */

static void one_submit_starved(void *arg)
{
    struct one *o = arg;

    mem_fail_after((int64_t)o->io.off); /* used as the number; put right below */
    o->io.off = 0;
    disk_submit(o->env, &o->io);
    mem_fail_after(-1);
}

T(disk, lack_of_memory_fails_one_request_and_not_the_disk)
{
    struct rig g;
    struct disk *d;
    struct buf b;

    rig_start(&g, NULL);
    d = open_disk(&g, rig_path(&g, "disk"), &sparse);
    for (uint64_t n = 0; n < 2; n++) {
        struct one o = {.io = {.disk = d, .op = DISK_WRITE, .off = n, .done = one_done},
                        .env = g.env};

        o.io.data = pattern(0, DISK_BLOCK, 2); /* needs a copy: two allocations */
        rig_on(&g, one_submit_starved, &o);
        T_TRUE(rig_wait(&g, one_is_done, &o));
        T_EQ(o.io.rc, -ENOMEM);
        buf_fini(&o.io.data);
    }
    b = pattern(0, DISK_BLOCK, 2);
    T_OK(do_write(&g, d, 0, &b, DISK_DURABLE));
    expect(&g, d, 0, DISK_BLOCK);
    disk_close(d);
    rig_stop(&g);
}

/* Another program takes all there is. */
static void fill(const char *path)
{
    static const uint8_t data[DISK_BLOCK];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    T_GE(fd, 0);
    while (write(fd, data, sizeof(data)) > 0)
        ;
    close(fd);
}

static void allocated_takes_writes(struct rig *g, const char *path)
{
    struct disk *d = open_disk(g, path, &sparse);
    struct buf b = pattern(8 * DISK_BLOCK, 4 * DISK_BLOCK, 1);
    char filler[200];

    T_OK(do_simple(g, d, DISK_ALLOCATE, 8 * DISK_BLOCK, 4 * DISK_BLOCK));
    expect_zeros(g, d, 8 * DISK_BLOCK, 4 * DISK_BLOCK);
    snprintf(filler, sizeof(filler), "%s.filler", path);
    fill(filler);
    T_EQ(do_simple(g, d, DISK_ALLOCATE, 64 * DISK_BLOCK, 4 << 20), -ENOSPC);
    T_OK(do_write(g, d, 8 * DISK_BLOCK, &b, DISK_DURABLE));
    /* again: no room is needed */
    T_OK(do_simple(g, d, DISK_ALLOCATE, 8 * DISK_BLOCK, 4 * DISK_BLOCK));
    expect(g, d, 8 * DISK_BLOCK, 4 * DISK_BLOCK);
    disk_close(d);
    T_OK(unlink(filler));
    T_OK(unlink(path));
}

static void full_disk_fails(struct rig *g, const char *path)
{
    struct disk *d = open_disk(g, path, &sparse);
    struct note why = {""};
    struct disk *other = NULL;
    struct buf b = pattern(0, 4 << 20, 1);
    char second[200];

    T_EQ(do_write(g, d, 0, &b, DISK_DURABLE), -ENOSPC);
    b = pattern(0, DISK_BLOCK, 1);
    T_EQ(do_write(g, d, 0, &b, DISK_DURABLE), -R_STORE_FAILED);
    T_EQ(do_simple(g, d, DISK_FLUSH, 0, 0), -R_STORE_FAILED);
    T_EQ(disk_flush_now(d), -R_STORE_FAILED);
    T_OK(do_read(g, d, DISK_BYTES - DISK_BLOCK, DISK_BLOCK, &b)); /* reading goes on */
    buf_fini(&b);
    disk_close(d);
    T_OK(unlink(path));
    snprintf(second, sizeof(second), "%s2", path);
    T_EQ(disk_open(g->env, second, &zeroed, &other, &why), -ENOSPC);
    T_EQ(access(second, F_OK), -1);
    snprintf(second, sizeof(second), "%s2.new", path);
    T_EQ(access(second, F_OK), -1);
}

T(disk, a_full_file_system_fails_the_write_and_everything_durable_after_it)
{
    char folder[128];
    struct rig g;

    folder_make(folder, sizeof(folder));
    if (!mount_here("tmpfs", folder, "size=2m")) {
        folder_drop(folder);
        T_SKIP("may not mount");
    }
    for (int no_uring = 0; no_uring < 2; no_uring++) {
        char path[160];

        rig_start(&g, &(struct host_conf){.reactors = 1, .no_uring = no_uring});
        snprintf(path, sizeof(path), "%s/disk", folder);
        allocated_takes_writes(&g, path);
        full_disk_fails(&g, path);
        rig_stop(&g);
    }
    unmount_here(folder);
    folder_drop(folder);
}

T(disk, a_file_cut_short_behind_our_back_is_a_read_error)
{
    struct rig g;
    struct disk *d;
    struct buf b = {0};
    static uint8_t block[2 * DISK_BLOCK];

    rig_start(&g, NULL);
    d = open_disk(&g, rig_path(&g, "disk"), &sparse);
    T_OK(truncate(rig_path(&g, "disk"), DISK_BLOCK));
    T_EQ(do_read(&g, d, DISK_BLOCK, DISK_BLOCK, &b), -EIO);
    T_EQ(b.bytes, 0);
    T_EQ(do_read(&g, d, 0, 2 * DISK_BLOCK, &b), -EIO); /* a part of it is there */
    T_EQ(b.bytes, 0);
    T_EQ(disk_read_now(d, 0, block, sizeof(block)), -EIO);
    T_OK(do_read(&g, d, 0, DISK_BLOCK, &b));
    buf_fini(&b);
    disk_close(d);
    rig_stop(&g);
}
