/* tape.h - every system call of this program that changes something below one folder.
 *
 * The test program is linked with --wrap for the calls by which our code (and LevelDB through our
 * Env) changes files, io_uring included; while a record runs, each is noted with what it wrote,
 * when it was asked for and when it was over.  From that image.h rebuilds what a power cut leaves.
 *
 * Moments are numbers that grow by one with each beginning and each end.  Only whole, successful
 * calls are understood; others fail the test, as does anything that the record cannot follow.
 *
 * Threads: recorded calls from any; the functions here from the test's own. */
#ifndef TESTS_UNIT_STORE_TAPE_H
#define TESTS_UNIT_STORE_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rec_kind {
    REC_WRITE,
    REC_PUNCH,    /* bytes become zeros */
    REC_TRUNCATE, /* to `off` bytes */
    REC_SYNC,     /* of a file, or of a folder: its names */
    REC_MAKE,     /* a name for a new inode */
    REC_MOVE,     /* `name` to `to` */
    REC_DROP,
    REC_NOTE /* the test's own: `off` and `bytes` are what it said */
};
#define REC_NEVER UINT64_MAX

struct rec_op {
    enum rec_kind kind;
    bool stable;   /* WRITE: durable when it is over */
    bool buffered; /* WRITE: not direct */
    int inode;     /* which file or folder; MAKE: the new one */
    int folder;    /* MAKE, MOVE, DROP: the folder whose names change ... */
    int name, to;  /* ... and which of them */
    uint64_t off, bytes;
    uint8_t *data;         /* owned */
    uint64_t begun, ended; /* REC_NEVER: it was not over when the record ended */
    uint64_t durable;      /* from this moment on it is there whatever happens */
};
struct rec_inode {
    bool folder;
    uint8_t *data; /* owned: what it held when the record began */
    uint64_t bytes;
};
struct tape {
    char root[200]; /* all names are below it */
    struct rec_op *ops;
    size_t op_count, op_cap;
    struct rec_inode *inodes;
    int inode_count, inode_cap;
    char (*names)[120]; /* paths below root */
    int name_count, name_cap;
    int *live;   /* of each name: its inode, or -1 */
    int *first;  /* ... when the record began */
    uint64_t at; /* the next moment */
};

/* One record at a time.  What the folder holds now counts as durable. */
void tape_begin(struct tape *r, const char *root);
void tape_end(struct tape *r);
void tape_free(struct tape *r);
void tape_note(uint64_t what, uint64_t n);

#endif
