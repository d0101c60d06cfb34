/* wanted.h - r->want, of the head.  Threads: the env's reactor. */
#ifndef S3_OBJECT_WANTED_H
#define S3_OBJECT_WANTED_H

#include "s3/object/request.h"

/* Length, digests and checksum of the body.  `none`: the operation has none, and so must the
 * request.  `of_object`: x-amz-checksum-* is not of this body but of the object.  S3_OK, or what to
 * answer, with r->why. */
enum s3_error wanted_body(struct s3_request *r, bool none, bool of_object);
/* Digests and checksum only. */
enum s3_error wanted_sums(struct s3_request *r, bool of_object);

#endif
