/* head.h - a head, copied out of the library's buffer and checked. */
#ifndef S3_HTTP_HEAD_H
#define S3_HTTP_HEAD_H

#include <microhttpd.h>

#include "s3/http.h"

/* In the access handler's first call, by its arguments; `raw_target` is where the library's buffer
 * has the target, which `head` has already.  0, or the status to refuse with (`out_why` is a
 * constant then), or -ENOMEM. */
int http_head_build(struct MHD_Connection *conn, const char *raw_target, const char *method,
                    const char *version, struct arena *arena, struct http_head *head,
                    const char **out_why);

#endif
