/* error.c - the table of error.def, and what the codes of the layers below become. */
#include "s3/error.h"

static const struct {
    const char *code, *text;
    unsigned status;
} rows[] = {
    {"OK", "", 200},
#define S3_ERROR(code, status, text) {#code, text, status},
#include "s3/error.def"
#undef S3_ERROR
};

const char *s3_error_code(enum s3_error e)
{
    ASSERT(e < S3_ERROR_END);
    return rows[e].code;
}

const char *s3_error_text(enum s3_error e)
{
    ASSERT(e < S3_ERROR_END);
    return rows[e].text;
}

unsigned s3_error_status(enum s3_error e)
{
    ASSERT(e < S3_ERROR_END);
    return rows[e].status;
}

enum s3_error s3_error_of(int rc)
{
    if (rc >= 0)
        return S3_OK;
    switch (-rc) {
    case R_NO_BUCKET:
        return S3_NoSuchBucket;
    case R_BUCKET_EXISTS:
        return S3_BucketAlreadyExists;
    case R_BUCKET_YOURS:
        return S3_BucketAlreadyOwnedByYou;
    case R_BUCKET_NOT_EMPTY:
        return S3_BucketNotEmpty;
    case R_BAD_BUCKET_NAME:
        return S3_InvalidBucketName;
    case R_BUCKET_BUSY:
        return S3_OperationAborted;
    case R_NO_KEY:
        return S3_NoSuchKey;
    case R_KEY_TOO_LONG:
        return S3_KeyTooLongError;
    case R_BAD_KEY:
        return S3_InvalidURI;
    case R_PRECONDITION:
        return S3_PreconditionFailed;
    case R_NO_UPLOAD:
        return S3_NoSuchUpload;
    case R_BAD_PART:
        return S3_InvalidPart;
    case R_BAD_PART_ORDER:
        return S3_InvalidPartOrder;
    case R_PART_TOO_SMALL:
        return S3_EntityTooSmall;
    case R_ENTITY_TOO_LARGE:
        return S3_EntityTooLarge;
    case R_META_TOO_LARGE:
        return S3_MetadataTooLarge;
    case R_BAD_DIGEST:
        return S3_BadDigest;
    case R_SUM_KIND:
    case R_SIZE_DIFFERS:
        return S3_InvalidRequest;
    case R_DENIED:
        return S3_AccessDenied;
    case R_QUOTA:
        return S3_QuotaExceeded;
    case R_NO_USER:
        return S3_InvalidAccessKeyId;
    case R_UNSUPPORTED:
        return S3_NotImplemented;
    case R_DATA_LOST:
    case R_CSUM_MISMATCH:
        return S3_InternalError;
    case R_STORE_FULL:
        return S3_InsufficientStorage;
    case EAGAIN:
    case R_BACK_PRESSURE:
        return S3_SlowDown;
    default: /* the cluster does not answer, or not now: try again */
        return S3_ServiceUnavailable;
    }
}

const char *s3_error_why(int rc)
{
    switch (-rc) {
    case R_SUM_KIND:
        return "The checksum is of another algorithm or type than the upload was begun with.";
    case R_SIZE_DIFFERS:
        return "The value of x-amz-mp-object-size is not the sum of the sizes of the parts.";
    default:
        return NULL;
    }
}

enum s3_error s3_error_of_status(unsigned status)
{
    switch (status) {
    case 417:
        return S3_ExpectationFailed;
    case 431:
        return S3_RequestHeaderSectionTooLarge;
    case 501:
        return S3_NotImplemented;
    case 503:
        return S3_ServiceUnavailable;
    case 505:
        return S3_HTTPVersionNotSupported;
    default:
        return S3_BadRequest;
    }
}
