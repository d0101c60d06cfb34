/* error.h - the errors of S3, one row of error.def each.  Constants and pure functions. */
#ifndef S3_ERROR_H
#define S3_ERROR_H

#include "core/base/base.h"

enum s3_error {
    S3_OK = 0,
#define S3_ERROR(code, status, text) S3_##code,
#include "s3/error.def"
#undef S3_ERROR
    S3_ERROR_END
};

const char *s3_error_code(enum s3_error e); /* "NoSuchKey"; for an error, not for S3_OK */
const char *s3_error_text(enum s3_error e);
unsigned s3_error_status(enum s3_error e); /* of HTTP */
/* What the bucket layer said: 0 or a negative code. */
enum s3_error s3_error_of(int rc);
/* A sentence that says more than its error's own; NULL: there is none. */
const char *s3_error_why(int rc);
/* What the guard of HTTP said. */
enum s3_error s3_error_of_status(unsigned status);

#endif
