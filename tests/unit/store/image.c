/* image.c - durable changes are gathered in memory, in order, as the cut moves on; the others are
 * applied, as far as chance lets them, to the files of each image. */
#include "tests/unit/store/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/t.h"

enum { STEP = 64 << 10, SECTOR = 512, BLOCK = 4096 };

void image_init(struct image *im, const struct tape *r, enum image_lies lies)
{
    *im = (struct image){.r = r, .lies = lies};
    im->files = calloc((size_t)r->inode_count, sizeof(*im->files));
    for (int i = 0; i < r->inode_count; i++) {
        struct image_file *f = &im->files[i];

        f->bytes = f->cap = r->inodes[i].bytes;
        f->data = malloc(f->cap + 1);
        if (f->bytes)
            memcpy(f->data, r->inodes[i].data, f->bytes);
    }
}

void image_fini(struct image *im)
{
    for (int i = 0; i < im->r->inode_count; i++)
        free(im->files[i].data);
    free(im->files);
}

/* --- what is durable --- */

static bool is_name(const struct rec_op *op)
{
    return op->kind == REC_MAKE || op->kind == REC_MOVE || op->kind == REC_DROP;
}

static bool is_content(const struct rec_op *op)
{
    return op->kind == REC_WRITE || op->kind == REC_PUNCH || op->kind == REC_TRUNCATE;
}

static bool durable(const struct image *im, const struct rec_op *op)
{
    bool lie = (im->lies == IMAGE_NO_FOLDER_SYNCS && is_name(op)) ||
               (im->lies == IMAGE_NO_STABLE && op->stable) ||
               (im->lies == IMAGE_NO_FILE_SYNCS && is_content(op) && !op->stable);

    return !lie && op->durable < im->cut;
}

static void file_resize(struct image_file *f, uint64_t bytes)
{
    if (bytes > f->cap) {
        f->cap = MAX(bytes, 2 * f->cap);
        f->data = realloc(f->data, f->cap);
        T_TRUE(f->data != NULL);
    }
    if (bytes > f->bytes)
        memset(f->data + f->bytes, 0, bytes - f->bytes);
    f->bytes = bytes;
}

static void file_apply(struct image_file *f, const struct rec_op *op)
{
    if (op->kind == REC_TRUNCATE)
        file_resize(f, op->off);
    else if (op->kind == REC_WRITE && op->off + op->bytes > f->bytes)
        file_resize(f, op->off + op->bytes);
    if (op->kind == REC_WRITE)
        memcpy(f->data + op->off, op->data, op->bytes);
    else if (op->kind == REC_PUNCH && op->off < f->bytes)
        memset(f->data + op->off, 0, MIN(op->bytes, f->bytes - op->off));
}

/* Take in what of one file is durable and follows nothing that is not. */
static void file_advance(struct image *im, int inode)
{
    struct image_file *f = &im->files[inode];

    for (; f->next < im->r->op_count; f->next++) {
        const struct rec_op *op = &im->r->ops[f->next];

        if (op->inode != inode || !is_content(op))
            continue;
        if (!durable(im, op))
            return;
        file_apply(f, op);
    }
}

/* --- one image --- */

static void write_out(int fd, const uint8_t *data, uint64_t bytes, uint64_t off)
{
    T_EQ(pwrite(fd, data, bytes, (off_t)off), (ssize_t)bytes);
}

static void file_write(int fd, const struct image_file *f)
{
    static const uint8_t zeros[STEP];

    T_OK(ftruncate(fd, (off_t)f->bytes));
    for (uint64_t at = 0; at < f->bytes; at += STEP) {
        uint64_t n = MIN((uint64_t)STEP, f->bytes - at);

        if (memcmp(f->data + at, zeros, n) != 0)
            write_out(fd, f->data + at, n, at);
    }
}

/* How much luck the changes of one image have. */
struct luck {
    struct rng *rng;
    unsigned of_8;
    uint64_t unit; /* what the device writes whole */
};

static bool lucky(struct luck *l)
{
    return rng_chance(l->rng, l->of_8, 8);
}

/* Some units of a write, or of zeros. */
static void some_units(int fd, const struct rec_op *op, struct luck *l)
{
    static const uint8_t zeros[BLOCK];

    for (uint64_t at = op->off, n; at < op->off + op->bytes; at += n) {
        n = MIN(l->unit - at % l->unit, op->off + op->bytes - at);
        if (rng_chance(l->rng, 1, 2))
            write_out(fd, op->kind == REC_WRITE ? op->data + (at - op->off) : zeros, n, at);
    }
}

/* A part of what was appended, with garbage behind it or not. */
static void some_growth(int fd, const struct rec_op *op, struct luck *l)
{
    static const uint8_t garbage[SECTOR] = {0x5a, 0xa5, 1, 2, 3};
    uint64_t keep = rng_below(l->rng, op->bytes + 1);

    write_out(fd, op->data, keep, op->off);
    if (rng_chance(l->rng, 1, 2))
        write_out(fd, garbage, MIN((uint64_t)SECTOR, op->bytes - keep), op->off + keep);
}

/* A change that is not durable. */
static void try_content(int fd, const struct rec_op *op, struct luck *l)
{
    bool torn = rng_chance(l->rng, 1, 3);
    struct stat st;

    if (!torn && !lucky(l))
        return;
    T_OK(fstat(fd, &st));
    if (op->kind == REC_TRUNCATE)
        T_OK(ftruncate(fd, (off_t)op->off));
    else if (torn && op->buffered && op->off >= (uint64_t)st.st_size)
        some_growth(fd, op, l);
    else if (torn || op->kind == REC_PUNCH)
        some_units(fd, op, l);
    else
        write_out(fd, op->data, op->bytes, op->off);
}

static void file_leave(struct image *im, int inode, const char *path, struct luck *l)
{
    struct image_file *f = &im->files[inode];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    T_TRUE(fd >= 0);
    file_write(fd, f);
    for (size_t i = f->next; i < im->r->op_count && im->r->ops[i].begun < im->cut; i++) {
        const struct rec_op *op = &im->r->ops[i];

        if (op->inode != inode || !is_content(op))
            continue;
        if (durable(im, op) && op->kind == REC_WRITE)
            write_out(fd, op->data, op->bytes, op->off);
        else if (durable(im, op) && op->kind == REC_TRUNCATE)
            T_OK(ftruncate(fd, (off_t)op->off));
        else
            try_content(fd, op, l); /* holes too: what is under them was let go */
    }
    close(fd);
}

/* Which inode each name has. */
static int *names_leave(const struct image *im, struct luck *l)
{
    const struct tape *r = im->r;
    int *at = malloc((size_t)r->name_count * sizeof(*at));

    memcpy(at, r->first, (size_t)r->name_count * sizeof(*at));
    for (size_t i = 0; i < r->op_count && r->ops[i].begun < im->cut; i++) {
        const struct rec_op *op = &r->ops[i];

        if (!is_name(op) || (!durable(im, op) && !lucky(l)))
            continue;
        if (op->kind == REC_MAKE)
            at[op->name] = op->inode;
        else if (op->kind == REC_DROP)
            at[op->name] = -1;
        else if (at[op->name] >= 0) { /* else its making was lost */
            at[op->to] = at[op->name];
            at[op->name] = -1;
        }
    }
    return at;
}

void image_leave(struct image *im, uint64_t cut, const char *folder, struct rng *rng)
{
    const struct tape *r = im->r;
    struct luck l = {rng, (unsigned)rng_below(rng, 9), rng_chance(rng, 1, 2) ? SECTOR : BLOCK};
    char path[400];
    int *names;

    T_GE(cut, im->cut);
    im->cut = cut;
    names = names_leave(im, &l);
    for (int i = 0; i < r->name_count; i++) { /* a folder's name is known before those in it */
        const char *slash = strrchr(r->names[i], '/');

        if (names[i] < 0 || r->names[i][0] == '\0')
            continue;
        snprintf(path, sizeof(path), "%s/%.*s", folder, slash ? (int)(slash - r->names[i]) : 0,
                 r->names[i]);
        if (access(path, F_OK) < 0)
            continue; /* its folder was lost, and it with it */
        snprintf(path, sizeof(path), "%s/%s", folder, r->names[i]);
        if (r->inodes[names[i]].folder) {
            T_OK(mkdir(path, 0700));
            continue;
        }
        file_advance(im, names[i]);
        file_leave(im, names[i], path, &l);
    }
    free(names);
}

/* --- was everything recorded? --- */

static bool file_same(const char *path, const struct image_file *f)
{
    uint8_t *found = malloc(f->bytes + 2);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : pread(fd, found, f->bytes + 1, 0);
    bool same = n == (ssize_t)f->bytes && memcmp(found, f->data, f->bytes) == 0;

    if (fd >= 0)
        close(fd);
    free(found);
    return same;
}

const char *image_differs(struct image *im)
{
    const struct tape *r = im->r;
    const char *wrong = NULL;
    char path[400];

    for (int i = 0; i < r->name_count && !wrong; i++) {
        struct image_file *f = r->live[i] < 0 ? NULL : &im->files[r->live[i]];

        snprintf(path, sizeof(path), "%s/%s", r->root, r->names[i]);
        if ((access(path, F_OK) == 0) != (f != NULL))
            wrong = r->names[i];
        if (!f || wrong || r->inodes[r->live[i]].folder)
            continue;
        for (; f->next < r->op_count; f->next++)
            if (r->ops[f->next].inode == r->live[i] && is_content(&r->ops[f->next]))
                file_apply(f, &r->ops[f->next]);
        if (!file_same(path, f))
            wrong = r->names[i];
    }
    return wrong;
}
