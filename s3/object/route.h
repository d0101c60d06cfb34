/* route.h - which operation a request is, and whether all that it says is understood.
 * Threads: the env's reactor. */
#ifndef S3_OBJECT_ROUTE_H
#define S3_OBJECT_ROUTE_H

#include "s3/object/request.h"

/* Bucket and key of r->path, by path or by host.  0, -ENOMEM or -R_MALFORMED. */
int route_target(struct s3_request *r);
/* An authenticated request: start its operation, or answer that there is none.  What the request
 * says beyond what the operation understands is refused with 501, not ignored (README). */
void route(struct s3_request *r);
/* The same for a form that has become the head of a PUT: S3_OK, and op_post_object has begun (it
 * may have answered); otherwise nothing has. */
enum s3_error route_post(struct s3_request *r);

/* Of the table of operations; NULL behind its end.  One may come several times. */
const struct s3_op *route_op(uint32_t i);

/* The operations, each in the file that the row says. */
extern const struct s3_op op_list_buckets, op_create_bucket, op_delete_bucket, op_head_bucket,
    op_get_location;                                 /* bucket_ops.c */
extern const struct s3_op op_fixed, op_fixed_delete; /* fixed.c */
extern const struct s3_op op_get_bucket_acl, op_put_bucket_acl, op_get_object_acl,
    op_put_object_acl; /* acl.c */
extern const struct s3_op op_get_bucket_tagging, op_put_bucket_tagging, op_delete_bucket_tagging,
    op_get_object_tagging, op_put_object_tagging, op_delete_object_tagging; /* tags.c */
extern const struct s3_op op_get_bucket_cors, op_put_bucket_cors, op_delete_bucket_cors,
    op_preflight; /* cors.c */
extern const struct s3_op op_get_ownership, op_put_ownership, op_delete_ownership,
    op_get_public_block, op_put_public_block, op_delete_public_block,
    op_get_policy_status;                                                        /* controls.c */
extern const struct s3_op op_get_attributes;                                     /* attributes.c */
extern const struct s3_op op_list_v1, op_list_v2, op_list_versions;              /* list.c */
extern const struct s3_op op_get_object, op_head_object;                         /* get.c */
extern const struct s3_op op_put_object, op_upload_part;                         /* put.c */
extern const struct s3_op op_post_object;                                        /* post.c */
extern const struct s3_op op_delete_object, op_delete_objects;                   /* delete.c */
extern const struct s3_op op_copy_object, op_part_copy;                          /* copy.c */
extern const struct s3_op op_create_upload, op_complete_upload, op_abort_upload; /* upload.c */
extern const struct s3_op op_list_parts, op_list_uploads;                        /* upload_list.c */

#endif
