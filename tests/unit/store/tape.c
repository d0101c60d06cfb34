/* tape.c - the wrapped calls, and what they note.
 *
 * Each wrapper notes the call's beginning with a copy of its bytes, makes the call, and notes its
 * end.  Requests of io_uring begin when they are handed over (io_uring_submit) and end when their
 * completion is taken (io_uring_peek_batch_cqe), which is later than they were over: so no more is
 * called durable than the program itself can have known. */
#include "tests/unit/store/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/base.h"
#include "tests/unit/t.h"

enum { FDS_MAX = 4096, FLYING_MAX = 1024 };

struct open_file {
    int inode; /* 0: not one of ours, else the inode + 1 */
    uint64_t at;
    bool direct;
};
/* What is recorded now.  Wrapped calls have no argument that could lead here. */
static struct {
    pthread_mutex_t lock;
    struct tape *_Atomic r; /* NULL: nothing */
    struct open_file files[FDS_MAX];
    struct {
        uint64_t user_data;
        size_t op;
    } flying[FLYING_MAX];
    unsigned flying_count;
} now = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void die(const char *what)
{
    fprintf(stderr, "tape: %s\n", what);
    abort();
}

static void *grown(void *p, size_t count, size_t *cap, size_t each)
{
    if (count < *cap)
        return p;
    *cap = *cap ? 2 * *cap : 256;
    p = realloc(p, *cap * each);
    if (!p)
        die("no memory");
    return p;
}

/* --- names and inodes --- */

/* The path below root, or NULL when it is elsewhere. */
static const char *below(const struct tape *r, const char *path)
{
    size_t len = strlen(r->root);

    if (strncmp(path, r->root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    path += len;
    return path + strspn(path, "/");
}

static int name_of(struct tape *r, const char *name)
{
    size_t cap = (size_t)r->name_cap;

    for (int i = 0; i < r->name_count; i++)
        if (strcmp(r->names[i], name) == 0)
            return i;
    if (strlen(name) >= sizeof(r->names[0]))
        die("a long name");
    r->names = grown(r->names, (size_t)r->name_count, &cap, sizeof(r->names[0]));
    r->live = realloc(r->live, cap * sizeof(int));
    r->first = realloc(r->first, cap * sizeof(int));
    r->name_cap = (int)cap;
    strcpy(r->names[r->name_count], name);
    r->live[r->name_count] = r->first[r->name_count] = -1;
    return r->name_count++;
}

static int inode_make(struct tape *r, bool folder)
{
    size_t cap = (size_t)r->inode_cap;

    r->inodes = grown(r->inodes, (size_t)r->inode_count, &cap, sizeof(*r->inodes));
    r->inode_cap = (int)cap;
    r->inodes[r->inode_count] = (struct rec_inode){.folder = folder};
    return r->inode_count++;
}

static int folder_of(const struct tape *r, int name)
{
    const char *slash = strrchr(r->names[name], '/');
    size_t len = slash ? (size_t)(slash - r->names[name]) : 0;

    for (int i = 0; i < r->name_count; i++)
        if (r->live[i] >= 0 && strlen(r->names[i]) == len &&
            strncmp(r->names[i], r->names[name], len) == 0)
            return r->live[i];
    return -1;
}

/* --- calls --- */

static size_t op_begin(struct tape *r, struct rec_op op)
{
    op.begun = r->at++;
    op.ended = op.durable = REC_NEVER;
    r->ops = grown(r->ops, r->op_count, &r->op_cap, sizeof(*r->ops));
    r->ops[r->op_count] = op;
    return r->op_count++;
}

static void op_end(struct tape *r, size_t i)
{
    r->ops[i].ended = r->at++;
}

#define NO_OP SIZE_MAX

static void lock(void)
{
    pthread_mutex_lock(&now.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&now.lock);
}

/* Begin what a descriptor is asked for; NO_OP when it is none of ours.  Locked. */
static size_t fd_begin(int fd, struct rec_op op)
{
    if (!now.r || fd < 0 || fd >= FDS_MAX || now.files[fd].inode == 0)
        return NO_OP;
    op.inode = now.files[fd].inode - 1;
    op.buffered = !now.files[fd].direct;
    return op_begin(now.r, op);
}

static uint8_t *gathered(const struct iovec *iov, unsigned count, uint64_t *out_bytes)
{
    uint64_t bytes = 0, at = 0;
    uint8_t *data;

    for (unsigned i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    data = malloc(bytes + 1);
    for (unsigned i = 0; i < count; at += iov[i++].iov_len)
        memcpy(data + at, iov[i].iov_base, iov[i].iov_len);
    *out_bytes = bytes;
    return data;
}

static bool ours(int fd)
{
    return now.r && fd >= 0 && fd < FDS_MAX && now.files[fd].inode != 0;
}

static size_t write_begin(int fd, const struct iovec *iov, unsigned count, uint64_t off, int flags)
{
    struct rec_op op = {.kind = REC_WRITE, .off = off, .stable = flags & RWF_DSYNC};
    size_t i = NO_OP;

    lock();
    if (ours(fd)) {
        op.data = gathered(iov, count, &op.bytes);
        i = fd_begin(fd, op);
    }
    unlock();
    return i;
}

static size_t fallocate_begin(int fd, int mode, uint64_t off, uint64_t bytes)
{
    struct rec_op op = {.kind = REC_PUNCH, .off = off, .bytes = bytes};
    size_t i;

    if (!(mode & FALLOC_FL_PUNCH_HOLE))
        return NO_OP; /* changes no bytes; where it could change the size, that was set before */
    lock();
    i = fd_begin(fd, op);
    unlock();
    return i;
}

static size_t simple_begin(int fd, enum rec_kind kind, uint64_t off)
{
    size_t i;

    lock();
    i = fd_begin(fd, (struct rec_op){.kind = kind, .off = off});
    unlock();
    return i;
}

/* `good`: all that was asked for was done. */
static void end(size_t i, bool good)
{
    if (i == NO_OP)
        return;
    if (!good)
        die("a call failed, or moved fewer bytes than asked");
    lock();
    if (now.r)
        op_end(now.r, i);
    unlock();
}

/* A change of a name, in the folder that holds it.  NO_OP: not below root. */
static size_t name_begin(enum rec_kind kind, const char *path, const char *to, bool folder)
{
    struct rec_op op = {.kind = kind};
    const char *name;
    size_t i = NO_OP;

    lock();
    name = now.r ? below(now.r, path) : NULL;
    if (name && *name) {
        op.name = name_of(now.r, name);
        op.folder = folder_of(now.r, op.name);
        op.inode = kind == REC_MAKE ? inode_make(now.r, folder) : -1;
        if (to)
            op.to = name_of(now.r, below(now.r, to));
        i = op_begin(now.r, op);
    }
    unlock();
    return i;
}

static void name_end(size_t i, bool good)
{
    struct tape *r = now.r;
    struct rec_op *op;

    if (i == NO_OP)
        return;
    lock();
    op = &r->ops[i];
    if (!good && op->kind == REC_MAKE) /* no direct I/O here: it is opened again without */
        *op = (struct rec_op){.kind = REC_NOTE, .begun = op->begun, .off = UINT64_MAX};
    else if (!good)
        die("a change of a name failed");
    if (op->kind == REC_MAKE)
        r->live[op->name] = op->inode;
    if (op->kind == REC_MOVE)
        r->live[op->to] = r->live[op->name];
    if (op->kind == REC_MOVE || op->kind == REC_DROP)
        r->live[op->name] = -1;
    op_end(r, i);
    unlock();
}

/* --- the wrapped calls --- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t off);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t off);
ssize_t __real_pwritev2(int fd, const struct iovec *iov, int count, off_t off, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int count, off_t off, int flags);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes);
int __real_fallocate(int fd, int mode, off_t off, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t off, off_t bytes);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
unsigned __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
                                        unsigned count);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
                                        unsigned count);

/* Below root, and not there yet?  Then its making is begun. */
static size_t open_begin(const char *path, int flags)
{
    struct stat st;

    return (flags & O_CREAT) && stat(path, &st) < 0 && errno == ENOENT
               ? name_begin(REC_MAKE, path, NULL, false)
               : NO_OP;
}

static void opened(int fd, const char *path, int flags, bool made)
{
    const char *name;
    int inode;

    lock();
    name = now.r ? below(now.r, path) : NULL;
    if (name && fd >= 0) {
        inode = now.r->live[name_of(now.r, name)];
        if (inode < 0 || fd >= FDS_MAX)
            die("a file that the record does not know");
        now.files[fd] = (struct open_file){.inode = inode + 1, .direct = flags & O_DIRECT};
        if ((flags & O_TRUNC) && !made)
            op_end(now.r, fd_begin(fd, (struct rec_op){.kind = REC_TRUNCATE}));
    }
    unlock();
}

int __wrap_open(const char *path, int flags, ...)
{
    size_t i = open_begin(path, flags);
    va_list list;
    mode_t mode;
    int fd;

    va_start(list, flags);
    mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    fd = __real_open(path, flags, mode);
    name_end(i, fd >= 0);
    opened(fd, path, flags, i != NO_OP);
    return fd;
}

int __wrap_close(int fd)
{
    lock();
    if (fd >= 0 && fd < FDS_MAX)
        now.files[fd].inode = 0;
    unlock();
    return __real_close(fd);
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
    struct iovec iov = {(void *)(uintptr_t)data, bytes};
    size_t i = NO_OP;
    ssize_t n;

    if (fd >= 0 && fd < FDS_MAX) /* its place moves with the one thread that writes it */
        i = write_begin(fd, &iov, 1, now.files[fd].at, 0);
    n = __real_write(fd, data, bytes);
    end(i, n == (ssize_t)bytes);
    if (i != NO_OP)
        now.files[fd].at += bytes;
    return n;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t off)
{
    struct iovec iov = {(void *)(uintptr_t)data, bytes};
    size_t i = write_begin(fd, &iov, 1, (uint64_t)off, 0);
    ssize_t n = __real_pwrite(fd, data, bytes, off);

    end(i, n == (ssize_t)bytes);
    return n;
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
    size_t i = write_begin(fd, iov, (unsigned)count, (uint64_t)off, flags);
    ssize_t n = __real_pwritev2(fd, iov, count, off, flags);

    end(i, i == NO_OP || (n >= 0 && (uint64_t)n == now.r->ops[i].bytes));
    return n;
}

int __wrap_fsync(int fd)
{
    size_t i = simple_begin(fd, REC_SYNC, 0);
    int rc = __real_fsync(fd);

    end(i, rc == 0);
    return rc;
}

int __wrap_fdatasync(int fd)
{
    size_t i = simple_begin(fd, REC_SYNC, 0);
    int rc = __real_fdatasync(fd);

    end(i, rc == 0);
    return rc;
}

int __wrap_ftruncate(int fd, off_t bytes)
{
    size_t i = simple_begin(fd, REC_TRUNCATE, (uint64_t)bytes);
    int rc = __real_ftruncate(fd, bytes);

    end(i, rc == 0);
    return rc;
}

int __wrap_fallocate(int fd, int mode, off_t off, off_t bytes)
{
    size_t i = fallocate_begin(fd, mode, (uint64_t)off, (uint64_t)bytes);
    int rc = __real_fallocate(fd, mode, off, bytes);

    end(i, rc == 0);
    return rc;
}

int __wrap_rename(const char *from, const char *to)
{
    size_t i = name_begin(REC_MOVE, from, to, false);
    int rc = __real_rename(from, to);

    name_end(i, rc == 0);
    return rc;
}

int __wrap_unlink(const char *path)
{
    struct stat st;
    size_t i = stat(path, &st) == 0 ? name_begin(REC_DROP, path, NULL, false) : NO_OP;
    int rc = __real_unlink(path);

    name_end(i, rc == 0);
    return rc;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    struct stat st;
    size_t i = stat(path, &st) < 0 ? name_begin(REC_MAKE, path, NULL, true) : NO_OP;
    int rc = __real_mkdir(path, mode);

    name_end(i, rc == 0);
    return rc;
}

static void sqe_begin(const struct io_uring_sqe *sqe)
{
    size_t i = NO_OP;

    switch (sqe->opcode) {
    case IORING_OP_WRITEV:
        i = write_begin(sqe->fd, (const struct iovec *)(uintptr_t)sqe->addr, sqe->len, sqe->off,
                        sqe->rw_flags);
        break;
    case IORING_OP_FSYNC:
        i = simple_begin(sqe->fd, REC_SYNC, 0);
        break;
    case IORING_OP_FALLOCATE:
        i = fallocate_begin(sqe->fd, (int)sqe->len, sqe->off, sqe->addr);
        break;
    case IORING_OP_READV:
        break;
    default:
        die("an operation of io_uring that it does not know");
    }
    if (i == NO_OP)
        return;
    lock();
    if (now.flying_count == FLYING_MAX)
        die("too many requests under way");
    now.flying[now.flying_count].user_data = sqe->user_data;
    now.flying[now.flying_count++].op = i;
    unlock();
}

/* What was prepared since the last submit lies between sqe_head and sqe_tail. */
int __wrap_io_uring_submit(struct io_uring *ring)
{
    for (unsigned at = ring->sq.sqe_head; now.r && at != ring->sq.sqe_tail; at++)
        sqe_begin(&ring->sq.sqes[at & *ring->sq.kring_mask]);
    return __real_io_uring_submit(ring);
}

static void cqe_end(const struct io_uring_cqe *cqe)
{
    size_t i = NO_OP;

    lock();
    for (unsigned k = 0; k < now.flying_count && i == NO_OP; k++)
        if (now.flying[k].user_data == cqe->user_data) {
            i = now.flying[k].op;
            now.flying[k] = now.flying[--now.flying_count];
        }
    unlock();
    if (i != NO_OP)
        end(i, cqe->res == (now.r->ops[i].kind == REC_WRITE ? (int)now.r->ops[i].bytes : 0));
}

unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
                                        unsigned count)
{
    unsigned n = __real_io_uring_peek_batch_cqe(ring, cqes, count);

    for (unsigned i = 0; now.r && i < n; i++)
        cqe_end(cqes[i]);
    return n;
}

/* --- a record --- */

static struct tape *scanned; /* nftw has no argument for its callback */

static int scan_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct tape *r = scanned;
    int name = name_of(r, below(r, path)), inode = inode_make(r, type == FTW_D);
    struct rec_inode *f = &r->inodes[inode];

    UNUSED(ftw);
    r->live[name] = r->first[name] = inode;
    if (type == FTW_D)
        return 0;
    f->bytes = (uint64_t)st->st_size;
    f->data = calloc(1, f->bytes + 1);
    for (uint64_t at = 0; at < f->bytes;) {
        int fd = __real_open(path, O_RDONLY);
        ssize_t n = pread(fd, f->data + at, f->bytes - at, (off_t)at);

        __real_close(fd);
        if (n <= 0)
            die("a file cannot be read");
        at += (uint64_t)n;
    }
    return 0;
}

void tape_begin(struct tape *r, const char *root)
{
    memset(r, 0, sizeof(*r));
    snprintf(r->root, sizeof(r->root), "%s", root);
    scanned = r;
    if (nftw(root, scan_one, 16, FTW_PHYS) != 0)
        die("the folder cannot be read");
    lock();
    if (now.r)
        die("two records at once");
    memset(now.files, 0, sizeof(now.files));
    now.flying_count = 0;
    now.r = r;
    unlock();
}

/* Say from when on each change is durable: a stable write when it is over; any other when a sync of
 * its file (for names: of their folder) is over that began after it was. */
static void settle(struct tape *r)
{
    size_t *open = malloc((r->op_count + 1) * sizeof(*open)), count = 0;

    for (size_t i = 0; i < r->op_count; i++) {
        struct rec_op *op = &r->ops[i];
        size_t kept = 0;

        if (op->kind == REC_WRITE && op->stable)
            op->durable = op->ended;
        if (op->kind == REC_NOTE || op->durable != REC_NEVER)
            continue;
        if (op->kind != REC_SYNC) {
            open[count++] = i;
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            struct rec_op *c = &r->ops[open[k]];
            bool names = c->kind == REC_MOVE || c->kind == REC_DROP || c->kind == REC_MAKE;
            int inode = names ? c->folder : c->inode;

            if (inode == op->inode && c->ended < op->begun && op->ended < c->durable)
                c->durable = op->ended;
            if (c->durable > op->begun) /* a sync that began later may have been over sooner */
                open[kept++] = open[k];
        }
        count = kept;
    }
    free(open);
}

void tape_end(struct tape *r)
{
    lock();
    now.r = NULL;
    unlock();
    settle(r);
}

void tape_free(struct tape *r)
{
    for (size_t i = 0; i < r->op_count; i++)
        free(r->ops[i].data);
    for (int i = 0; i < r->inode_count; i++)
        free(r->inodes[i].data);
    free(r->ops);
    free(r->inodes);
    free(r->names);
    free(r->live);
    free(r->first);
}

void tape_note(uint64_t what, uint64_t n)
{
    lock();
    if (now.r)
        op_end(now.r, op_begin(now.r, (struct rec_op){
                                          .kind = REC_NOTE, .inode = -1, .off = what, .bytes = n}));
    unlock();
}
