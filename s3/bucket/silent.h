/* silent.h - objects that did not answer background work (silent.c). */
#ifndef S3_BUCKET_SILENT_H
#define S3_BUCKET_SILENT_H

#include "s3/bucket/bucket_int.h"

/* One object proves little: its copies may be where nobody reaches them.  So many, and it is the
 * PG; and so many in a pool, and it is all of the pool. */
enum { SILENT_PG = 2, SILENT_MAX = 256 };

/* How long background work waits for an answer of this object. */
uint32_t silent_wait_ms(const struct bucket_layer *l, enum call_pool pool, const char *name);
/* It has answered; so much time after it was asked. */
void silent_heard(struct bucket_layer *l, enum call_pool pool, const char *name, uint64_t ns);

/* It has not answered in time: it is asked until it does, and is silent so long. */
void silent_add(struct bucket_layer *l, enum call_pool pool, const char *name);
/* Is an answer of this object not to be expected? */
bool silent_is(const struct bucket_layer *l, enum call_pool pool, const char *name);

#endif
