/* host.h - bucket names in host names.  Pure. */
#ifndef S3_HOST_H
#define S3_HOST_H

#include "core/base/cursor.h"

/* The bucket that `host` (as of the Host field) names under one of `domains` (separated by commas):
 * "photos" of "photos.s3.example.org:7480" under "s3.example.org".  The longest domain counts.
 * False: it names none, and the bucket is in the path; so it is when the host is a domain itself.
 */
bool host_bucket(struct bytes host, const char *domains, struct bytes *out_bucket);

#endif
