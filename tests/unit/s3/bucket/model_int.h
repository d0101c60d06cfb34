/* model_int.h - what model.c and model_judge.c share. */
#ifndef TESTS_UNIT_S3_BUCKET_MODEL_INT_H
#define TESTS_UNIT_S3_BUCKET_MODEL_INT_H

#include "tests/unit/s3/bucket/model.h"

PRINTF_LIKE(2, 3) void model_finding(struct model *m, const char *fmt, ...);
void model_bad(struct model *m, const char *what, unsigned key, uint64_t id);
/* A write that begins now; its place in the table. */
int model_write_new(struct model *m, unsigned key, uint64_t id);
/* The PUT or the completion that made this value; copies of it may stand beside it. */
const struct wr *model_write_of(const struct model *m, unsigned key, uint64_t id);
void model_read_new(struct model *m, unsigned key, uint64_t id, const struct act *a);
/* A listing has ended well. */
void model_page(struct model *m, const struct act *a);
/* Uploads have been listed, or the parts of one. */
void model_uploads(struct model *m, const struct act *a);
void model_parts(struct model *m, const struct act *a, const struct upload *u);
/* An act with a condition has ended: what does that say of what was there? */
bool model_conditional(const struct act *a);
void model_condition(struct model *m, const struct act *a, unsigned key);
/* Tags or ACL of what was there were exchanged. */
void model_changed(struct model *m, const struct act *a, unsigned key);
/* What an answer says of the bucket itself. */
void model_bucket_seen(struct model *m, const struct act *a);

#endif
