/* fake_int.h - an operation as the cluster in memory keeps it. */
#ifndef TESTS_UNIT_S3_BUCKET_FAKE_INT_H
#define TESTS_UNIT_S3_BUCKET_FAKE_INT_H

#include "tests/unit/s3/bucket/fake.h"
#include "tests/unit/t.h"

enum { STEPS = 64, PAIRS_MAX = 10000 };

enum kind {
    ASSERT_EXISTS,
    CMP_XATTR,
    CMP_OMAP,
    READ,
    STAT,
    XATTR_GET,
    OMAP_GET,
    OMAP_RANGE,
    FIRST_WRITE,
    WRITE_FULL = FIRST_WRITE,
    DELETE,
    XATTR_SET,
    XATTR_ADD,
    OMAP_SET,
    OMAP_RM,
    OMAP_RM_RANGE,
};

struct fstep {
    enum kind kind;
    enum cairn_cmp cmp;
    uint64_t off, len;
    uint32_t rows_max;
    struct fake_row kv; /* key and value, or from and to, or payload as the value */
    struct fake_rows pairs;
    /* results */
    int rc;
    uint8_t *data;
    size_t data_bytes;
    struct fake_rows out;
    bool more;
    struct buf buf; /* in the process, made when the answer arrives */
};
struct frun {
    struct list link;
    struct fake *f;
    struct env *env;
    struct cairn_op *op; /* NULL: destroyed, or its process is dead */
    struct fstep *step;  /* owned */
    unsigned steps, cap;
    unsigned pending; /* events of the simulation that will come to it */
    bool destroyed;   /* its cairn_op is */
    unsigned pool;
    char *name;
    int code, told; /* of the execution; what the client is told */
    uint32_t timeout_ms;
    bool frees;
    bool submitted, executed, answered, cancelled, never, lost;
    cairn_done_fn *done;
    void *arg;
};
struct cairn_op {
    struct frun *run;
    int rc;
};
struct cairn {
    struct list link;
    struct fake *f;
    struct env *env;
};
struct cairn_pool {
    struct cairn *c;
    unsigned pool;
};

uint8_t *fake_dup(const void *data, size_t bytes); /* and a NUL */
void fake_rows_push(struct fake_rows *r, size_t at, const void *key, size_t key_bytes,
                    const void *value, size_t value_bytes);
void fake_row_free(struct fake_row *r);
void fake_rows_free(struct fake_rows *r);
void fake_run_free(struct frun *run);
/* Operations that were built and not submitted: those of a dead process are nobody else's. */
extern struct list fake_unsent;

#endif
