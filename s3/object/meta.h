/* meta.h - what is kept with an object beside its bytes, and what a read asks of it. */
#ifndef S3_OBJECT_META_H
#define S3_OBJECT_META_H

#include "s3/object/request.h"
#include "s3/object/tags.h"

enum { META_USER_BYTES_MAX = 2048 };

struct meta {
    struct s3_header header[S3_HEADERS_MAX]; /* borrowed from the request */
    uint32_t count;
    struct tag_set tags; /* x-amz-tagging */
    enum s3_acl acl;     /* x-amz-acl */
};

/* Content-Type and its kin, x-amz-meta-*, tags and ACL. */
enum s3_error meta_collect(struct s3_request *r, struct meta *out_meta);

/* The fields of an answer that tell of an object, as GET and HEAD give them. */
enum s3_error meta_reply(struct s3_request *r, const struct object_info *info, bool whole);
/* A checksum and its type, as fields; `parts` of a composite one. */
enum s3_error meta_reply_sum(struct s3_request *r, const struct s3_sum *sum, uint32_t parts);
/* Its value as it is told: base64, "-parts" behind a composite one. */
enum { SUM_TEXT = CHECKSUM_TEXT + 12 };
void sum_text(const struct s3_sum *sum, uint32_t parts, char out[SUM_TEXT]);
const char *sum_type_name(enum s3_sum_type type); /* FULL_OBJECT, COMPOSITE */
/* An ETag in quotes, as a field. */
enum s3_error meta_reply_etag(struct s3_request *r, const struct s3_etag *etag);

/* If-Match, If-None-Match, If-(Un)Modified-Since of a read, with `prefix` before their names:
 * S3_OK, S3_NotModified or S3_PreconditionFailed. */
enum s3_error conditions_check(const struct http_head *head, const char *prefix,
                               const struct object_info *info);

/* What is asked of the present object when a PUT, copy or completion replaces it, or a deletion
 * removes it.  S3_OK, or why it cannot be asked. */
enum s3_error conditions_of_write(const struct http_head *head, struct s3_condition *out_cond);
enum s3_error conditions_of_delete(const struct http_head *head, struct s3_condition *out_cond);
/* A call with a condition failed, or the client has gone: request_call_failed, but that others were
 * in the way is told as S3 tells it of conditions. */
void condition_failed(struct s3_request *r, int rc, const struct s3_condition *c);
/* With or without quotes.  What is no ETag of ours is one that no object has. */
void etag_parse(struct bytes text, struct s3_etag *out_etag);

/* The next of a list, without blanks around it; false: there is no more. */
bool list_item(struct bytes *list, struct bytes *out_item);

/* A Range field: S3_OK (bytes of the object, maybe less than asked for), S3_InvalidRange,
 * S3_InvalidArgument, S3_NotImplemented (several ranges).  A unit other than bytes is no range:
 * then `out_whole` is true. */
enum s3_error range_parse(struct bytes text, uint64_t size, uint64_t *out_off, uint64_t *out_bytes,
                          bool *out_whole);

#endif
