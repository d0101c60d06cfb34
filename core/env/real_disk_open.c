/* real_disk_open.c - opening a disk: a preallocated file, or a block device.
 *
 * A file is made aside, under `<path>.new`: sized, written with zeros if asked, synced, and only
 * then given its name.  So a file that has its name is whole, and a crash leaves at most a
 * `.new`, which the next attempt starts over.  Zeros are really written: space that is merely
 * allocated costs a metadata commit at the first write into it, and a journal must not.
 *
 * Direct I/O is tried first; where the file system refuses it (tmpfs on older kernels, some
 * network mounts) the page cache is used, and DISK_DURABLE and flushes still mean what they say. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/env/real_disk.h"

#define ZERO_STEP_BYTES MIB(1)

static int open_retry(const char *path, int flags)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* O_DIRECT if the file system can, else without; a descriptor or -errno. */
static int open_direct(const char *path, int flags)
{
    int fd = open_retry(path, flags | O_DIRECT);

    return fd == -EINVAL ? open_retry(path, flags) : fd;
}

/* --- making a file --- */

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
    uint8_t *zeros = mem_aligned(DISK_BLOCK, ZERO_STEP_BYTES);
    int rc = zeros ? 0 : -ENOMEM;

    if (rc == 0)
        memset(zeros, 0, ZERO_STEP_BYTES);
    while (rc == 0 && from < to) {
        ssize_t n = pwrite(fd, zeros, MIN(to - from, ZERO_STEP_BYTES), (off_t)from);

        if (n > 0)
            from += ROUND_DOWN(n, DISK_BLOCK);
        else if (n == 0 || errno != EINTR)
            rc = n == 0 ? -EIO : -errno;
    }
    mem_free(zeros);
    return rc;
}

/* Make the file `to` bytes long; what is new is sparse, or zeros on allocated blocks. */
static int extend(int fd, uint64_t from, uint64_t to, bool zeroed)
{
    int rc = 0;

    if (ftruncate(fd, (off_t)to) < 0)
        return -errno;
    if (zeroed && to > from) {
        /* One allocation for all of it keeps it in few extents, and finds out early when there is
         * not enough room.  A file system that cannot do it allocates as the zeros are written. */
        if (fallocate(fd, 0, (off_t)from, (off_t)(to - from)) < 0 && errno != EOPNOTSUPP)
            return -errno;
        rc = write_zeros(fd, from, to);
    }
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    return rc;
}

/* Give the finished file its name, for good. */
static int publish(const char *aside, const char *path)
{
    if (rename(aside, path) < 0)
        return -errno;
    return folder_sync_of(path);
}

static int create_whole(const char *path, const struct disk_conf *conf)
{
    char *aside = mem_printf("%s.new", path);
    int fd = aside ? open_direct(aside, O_RDWR | O_CREAT | O_TRUNC) : -ENOMEM;
    int rc = fd < 0 ? fd : extend(fd, 0, conf->bytes, conf->zeroed);

    if (rc == 0)
        rc = publish(aside, path);
    if (rc < 0 && fd >= 0)
        (void)unlink(aside); /* it would be started over anyway */
    mem_free(aside);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

/* --- opening --- */

static void alignment_learn(struct disk *d)
{
    d->direct = (fcntl(d->fd, F_GETFL) & O_DIRECT) != 0;
    d->mem_align = d->len_align = DISK_BLOCK;
#ifdef STATX_DIOALIGN
    struct statx sx;

    if (d->direct && statx(d->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
        (sx.stx_mask & STATX_DIOALIGN) && sx.stx_dio_mem_align && sx.stx_dio_offset_align) {
        d->mem_align = sx.stx_dio_mem_align;
        d->len_align = sx.stx_dio_offset_align;
    }
#endif
}

/* Learn what was opened: its size, and how its memory must lie. */
static int disk_learn(struct disk *d, const struct disk_conf *conf, struct note *why)
{
    struct stat st;
    int rc;

    if (fstat(d->fd, &st) < 0)
        return -errno;
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(d->fd, BLKGETSIZE64, &d->bytes) < 0)
            return -errno;
        d->bytes = ROUND_DOWN(d->bytes, DISK_BLOCK);
    } else if (S_ISREG(st.st_mode)) {
        d->bytes = (uint64_t)st.st_size;
    } else {
        note_add(why, "neither a file nor a block device");
        return -EINVAL;
    }
    alignment_learn(d);
    if (d->bytes % DISK_BLOCK || d->mem_align > DISK_BLOCK || d->len_align > DISK_BLOCK) {
        note_add(why, "%llu bytes, in units of %u: not made of blocks of %u",
                 (unsigned long long)d->bytes, d->len_align, (unsigned)DISK_BLOCK);
        return -EINVAL;
    }
    if (!conf->create || d->bytes >= conf->bytes)
        return 0;
    if (S_ISBLK(st.st_mode))
        return -ENOSPC;
    rc = extend(d->fd, d->bytes, conf->bytes, conf->zeroed);
    if (rc == 0)
        d->bytes = conf->bytes;
    return rc;
}

static int disk_open_fd(const char *path, const struct disk_conf *conf)
{
    int mode = conf->read_only ? O_RDONLY : O_RDWR;
    struct stat st;
    int fd;

    /* On a block device O_EXCL means: not while it is mounted, or somebody else has it so. */
    if (!conf->read_only && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
        mode |= O_EXCL;
    fd = open_direct(path, mode);
    if (fd == -ENOENT && conf->create && !conf->read_only)
        fd = create_whole(path, conf);
    return fd;
}

int real_disk_open(struct env *env, const char *path, const struct disk_conf *conf,
                   struct disk **out_disk, struct note *why)
{
    struct disk *d = NULL;
    int rc = conf->bytes % DISK_BLOCK ? -EINVAL : 0;

    if (rc == 0)
        d = mem_zalloc(sizeof(*d));
    if (d) {
        d->env = env;
        d->read_only = conf->read_only;
        d->name = mem_strdup(path);
        d->fd = d->name ? disk_open_fd(path, conf) : -ENOMEM;
        rc = d->fd < 0 ? d->fd : disk_learn(d, conf, why);
    } else if (rc == 0) {
        rc = -ENOMEM;
    }
    if (rc < 0) {
        note_add(why, "%s: %s", path, reason_text(rc));
        real_disk_close(d);
        return rc;
    }
    *out_disk = d;
    return 0;
}

void real_disk_close(struct disk *d)
{
    if (!d)
        return;
    ASSERT(__atomic_load_n((uint32_t *)&d->busy, __ATOMIC_RELAXED) == 0);
    if (d->fd >= 0)
        close(d->fd);
    mem_free(d->name);
    mem_free(d);
}
