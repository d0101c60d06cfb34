/* osd_util.h - small things that the tests of the log, of missing objects and of merging share. */
#ifndef TESTS_UNIT_OSD_OSD_UTIL_H
#define TESTS_UNIT_OSD_OSD_UTIL_H

#include "core/osd/pg_copy.h"
#include "core/osd/pg_merge.h"
#include "tests/unit/t.h"

extern const struct pgid util_pg;

struct oid util_oid(char name); /* of one letter; borrowed from a constant */
struct version util_v(uint32_t epoch, uint64_t seq);
/* The next write of `c`: to object `name`, by client and op (0: none).  `del`: a deletion. */
struct pg_log_entry *util_entry(const struct pg_log *log, uint32_t epoch, char name,
                                uint64_t client, uint64_t op, uint64_t floor);
void util_write(struct pg_log *log, uint32_t epoch, char name, uint64_t client, uint64_t op,
                uint64_t floor);
void util_delete(struct pg_log *log, uint32_t epoch, char name);
/* A copy that exists and is complete, with these objects written in this epoch. */
void util_copy(struct pg_copy *c, uint32_t epoch, const char *names);
void util_append(struct pg_copy *c, uint32_t epoch, const char *names);

/* The rows that transactions left, to load from. */
struct util_rows {
    struct util_row {
        struct bytes key, value; /* owned */
    } * row;                     /* owned, in key order */
    uint32_t count;
};
void util_rows_apply(struct util_rows *r, const struct txn *txn);
void util_rows_load(const struct util_rows *r, struct pg_copy *out);
void util_rows_fini(struct util_rows *r);

#endif
