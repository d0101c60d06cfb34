/* sigv2.h - AWS Signature Version 2: HMAC-SHA1 over a part of the head, in the Authorization field,
 * in the query, in a form.
 *
 * Older clients and `s3cmd signurl` make nothing else.  It covers less than version 4 does: not the
 * body, not the host, and of the query only sub-resources; so what it leaves open is refused here
 * where it could change what a request does.  Pure functions; refusals as of sigv4.h. */
#ifndef S3_AUTH_SIGV2_H
#define S3_AUTH_SIGV2_H

#include "s3/auth/sigv4.h"

struct sigv2 {
    enum sigv4_form form;
    struct bytes access_key;
    struct bytes when;   /* the text that is signed as its time; empty: x-amz-date is */
    int64_t at_s;        /* in the query: good until then; in the header: made then */
    const char *domains; /* borrowed: where the host names a bucket, see host.h */
    uint8_t signature[SHA1_BYTES];
};

/* Whether the request says so: "AWS ..." in the Authorization field, or AWSAccessKeyId or Signature
 * in the query. */
bool sigv2_is(const struct http_head *head, const struct uri_query *query);
/* All that belongs to the signature, well-formed; and nothing in the query that it does not cover
 * and that would matter. */
enum s3_error sigv2_parse(const struct http_head *head, const struct uri_query *query,
                          const char *domains, struct sigv2 *out_sig, const char **out_why);
/* Arguments that are the signature's own, and those that count as fields that were sent. */
bool sigv2_is_of_signature(struct bytes name);
bool sigv2_is_field(struct bytes name);
/* Of a form: the values of its awsaccesskeyid and signature. */
enum s3_error sigv2_parse_form(struct bytes access_key, struct bytes signature,
                               struct sigv2 *out_sig, const char **out_why);
/* Within SIGV4_SKEW_S of `now_s`, or not yet expired. */
enum s3_error sigv2_check_time(const struct sigv2 *sig, int64_t now_s, const char **out_why);

/* The string to sign, appended to `w`, with a slash behind the path or without; a failure stays
 * there.  What a presigned URL carries as fields is among those of `head` (auth.c). */
void sigv2_canonical(struct writer *w, const struct http_head *head, const struct uri_query *query,
                     const struct sigv2 *sig, bool with_slash);
/* All of it but the time. */
enum s3_error sigv2_verify(struct hash *h, const struct digest_kit *kit,
                           const struct http_head *head, const struct uri_query *query,
                           const struct sigv2 *sig, struct bytes secret);
/* Whether the holder of the secret signed this text: a form's policy in base64. */
enum s3_error sigv2_verify_text(struct hash *h, const struct digest_kit *kit,
                                const struct sigv2 *sig, struct bytes secret, struct bytes text);

#endif
