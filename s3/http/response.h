/* response.h - answers in the library's form.  Threads: the env's reactor. */
#ifndef S3_HTTP_RESPONSE_H
#define S3_HTTP_RESPONSE_H

#include <microhttpd.h>

#include "core/base/buf.h"
#include "core/base/cursor.h"

/* Of payload, which is moved out and not copied; NULL: memory is short. */
struct MHD_Response *response_of_buf(struct buf *buf);
int response_add(struct MHD_Response *response, struct bytes name, struct bytes value);

#endif
