/* tags.h - tags of objects and buckets: rules, header and XML forms. */
#ifndef S3_OBJECT_TAGS_H
#define S3_OBJECT_TAGS_H

#include "s3/object/request.h"

struct tag_set {
    struct s3_header tag[S3_BUCKET_TAGS_MAX]; /* in the request's arena */
    uint32_t count;
};

/* x-amz-tagging: key=value&key=value, encoded; a form has a document instead.  S3_OK or InvalidTag,
 * InvalidArgument, BadRequest.
 */
enum s3_error tags_of_header(struct s3_request *r, struct bytes text, struct tag_set *out_set);
/* One more, whose bytes are copied: the rules of S3 hold of it and of the set. */
enum s3_error tag_add(struct s3_request *r, struct tag_set *set, uint32_t count_max,
                      struct bytes key, struct bytes value);
void tags_put_xml(struct writer *w, const struct s3_header *tags, uint32_t count);

#endif
