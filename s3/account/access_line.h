/* access_line.h - a finished request as one line of the access log.  Pure.
 *
 * doc/format/access-log.md.  Whatever clients send is percent-encoded where it could break a line
 * or a field, and what a presigned URL is worth is masked. */
#ifndef S3_ACCOUNT_ACCESS_LINE_H
#define S3_ACCOUNT_ACCESS_LINE_H

#include "s3/account/facts.h"

enum access_format { ACCESS_S3, ACCESS_JSON };
enum { ACCESS_LINE_MAX = 64 * 1024 };

/* Appends the line with its end to `out`, which keeps a failure. */
void access_line(const struct request_facts *f, enum access_format format, struct writer *out);
/* "s3", "json"; false: neither. */
bool access_format_parse(const char *text, enum access_format *out_format);

#endif
