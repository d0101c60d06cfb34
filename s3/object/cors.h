/* cors.h - which pages of other sites may look at answers: CORS rules of a bucket. */
#ifndef S3_OBJECT_CORS_H
#define S3_OBJECT_CORS_H

#include "s3/object/request.h"

/* A request with an Origin field: what the bucket's rules (NULL: none) say of it goes into the
 * answer, whatever that will be. */
void cors_apply(struct s3_request *r, const struct bytes *rules);

#endif
