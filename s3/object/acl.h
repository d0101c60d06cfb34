/* acl.h - ACLs as S3 names and writes them: private and public-read are those that there are. */
#ifndef S3_OBJECT_ACL_H
#define S3_OBJECT_ACL_H

#include "s3/object/request.h"

/* A canned ACL.  S3_NotImplemented: S3 knows it, we do not; S3_InvalidArgument: nobody does. */
enum s3_error acl_of_name(struct bytes name, enum s3_acl *out_acl);
/* May an ACL be set on the bucket or an object of it?  `told` is what acl_of_name said of it. */
enum s3_error acl_allowed(const struct bucket_info *bucket, enum s3_error told, enum s3_acl acl);

#endif
