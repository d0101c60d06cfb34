/* wanted.c - what the head of a request says of its body: how long it is, and what must agree with
 * it.  A checksum is told in a field, or announced for the trailer; not in both, and only one. */
#include "s3/object/wanted.h"
#include "s3/text.h"

/* The length of what is inside an aws-chunked body is told in a field of its own. */
static enum s3_error wanted_bytes(struct s3_request *r)
{
    const struct bytes *inside = request_field(r, "x-amz-decoded-content-length");
    enum payload_kind kind = r->auth.sig.payload_kind;

    if (kind == PAYLOAD_HASHED || kind == PAYLOAD_UNSIGNED) {
        r->want.bytes = r->head->length;
        if (!inside)
            return S3_OK;
        return request_wrong(r, S3_InvalidArgument,
                             "x-amz-decoded-content-length is there, but x-amz-content-sha256 says "
                             "that the body is not in chunks.");
    }
    if (!inside)
        return request_wrong(r, S3_MissingContentLength,
                             "You must provide the x-amz-decoded-content-length HTTP header.");
    if (number_get(*inside, S3_OBJECT_BYTES_MAX, &r->want.bytes))
        return S3_OK;
    return request_wrong(r, S3_InvalidArgument,
                         "x-amz-decoded-content-length is no length that an object can have.");
}

/* At most one in a field. */
static enum s3_error sum_in_field(struct s3_request *r)
{
    struct body_want *want = &r->want;

    for (uint32_t i = 0; i < r->head->field_count; i++) {
        const struct http_field *f = &r->head->field[i];
        enum checksum_kind sum = checksum_of_field(f->name);

        if (sum == CHECKSUM_NONE)
            continue;
        r->why = "Expecting a single x-amz-checksum- header; several are not allowed.";
        if (want->checksum_told)
            return S3_InvalidRequest;
        want->checksum = sum;
        want->checksum_told = true;
        r->why = "The value of the x-amz-checksum- header is not one.";
        if (!base64_get(f->value, want->checksum_value, checksum_bytes(sum)))
            return S3_InvalidRequest;
    }
    return S3_OK;
}

/* Announced for the trailer.  Where the payload may have one, none need come. */
static enum s3_error sum_in_trailer(struct s3_request *r)
{
    const struct bytes *trailer = request_field(r, "x-amz-trailer");
    enum payload_kind kind = r->auth.sig.payload_kind;
    struct body_want *want = &r->want;

    if (!trailer)
        return S3_OK;
    r->why = "The payload that x-amz-content-sha256 names has no trailer, but x-amz-trailer does.";
    if (kind != PAYLOAD_CHUNKS_TRAILER && kind != PAYLOAD_CHUNKS_SIGNED_TRAILER)
        return S3_InvalidRequest;
    r->why = "Expecting a single checksum, in a header or in the trailer.";
    if (want->checksum_told)
        return S3_InvalidRequest;
    want->checksum = checksum_of_field(*trailer);
    want->checksum_told = want->checksum_in_trailer = true;
    r->why = "The value specified in the x-amz-trailer header is not supported.";
    if (want->checksum != CHECKSUM_NONE)
        return S3_OK;
    return text_starts_any_case(*trailer, "x-amz-checksum-") &&
                   checksum_elsewhere(text_skip(*trailer, strlen("x-amz-checksum-")))
               ? S3_NotImplemented
               : S3_InvalidRequest;
}

/* What SDKs say they have done must be there, and be that. */
static enum s3_error sum_of_sdk(struct s3_request *r)
{
    const struct bytes *name = request_field(r, "x-amz-sdk-checksum-algorithm");
    enum checksum_kind kind;

    if (!name)
        return S3_OK;
    kind = checksum_of_name(*name);
    r->why = "The value of the x-amz-sdk-checksum-algorithm header is not supported.";
    if (kind == CHECKSUM_NONE)
        return checksum_elsewhere(*name) ? S3_NotImplemented : S3_InvalidRequest;
    r->why = "x-amz-sdk-checksum-algorithm was specified, but no corresponding x-amz-checksum-* or "
             "x-amz-trailer header was found.";
    if (!r->want.checksum_told)
        return S3_InvalidRequest;
    r->why = "The checksum is not of the algorithm that x-amz-sdk-checksum-algorithm names.";
    return kind == r->want.checksum ? S3_OK : S3_BadDigest;
}

enum s3_error wanted_sums(struct s3_request *r, bool of_object)
{
    const struct bytes *md5 = request_field(r, "content-md5");
    enum s3_error e;

    r->want.has_md5 = md5 != NULL;
    r->why = NULL;
    if (md5 && !base64_get(*md5, r->want.md5, sizeof(r->want.md5)))
        return S3_InvalidDigest;
    e = of_object ? S3_OK : sum_in_field(r);
    if (e == S3_OK)
        e = sum_in_trailer(r);
    if (e == S3_OK)
        e = sum_of_sdk(r);
    if (e == S3_OK)
        r->why = NULL;
    return e;
}

/* Nothing came and nothing was to come: what was signed must say so. */
static enum s3_error check_no_body(struct s3_request *r)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const struct sigv4 *sig = &r->auth.sig;

    if (request_has_body(r))
        return request_wrong(r, S3_InvalidRequest, "A request of this kind has no body.");
    if (sig->payload_kind == PAYLOAD_UNSIGNED)
        return S3_OK;
    return sig->payload_kind == PAYLOAD_HASHED && bytes_equal(sig->payload, BYTES_STR(empty))
               ? S3_OK
               : S3_XAmzContentSHA256Mismatch;
}

enum s3_error wanted_body(struct s3_request *r, bool none, bool of_object)
{
    enum s3_error e;

    if (none)
        return check_no_body(r);
    e = wanted_bytes(r);
    return e == S3_OK ? wanted_sums(r, of_object) : e;
}
