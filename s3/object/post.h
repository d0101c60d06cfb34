/* post.h - PostObject: an object from a browser's form.  Threads: the env's reactor. */
#ifndef S3_OBJECT_POST_H
#define S3_OBJECT_POST_H

#include "s3/object/request.h"

/* Is this request one, by its head? */
bool post_is_form(const struct s3_request *r);
/* Instead of authentication and routing: both come out of the form. */
void post_begin(struct s3_request *r);
void post_fini(struct s3_request *r);
/* As of struct http_sink. */
size_t post_data(struct s3_request *r, const uint8_t *data, size_t bytes);
void post_end(struct s3_request *r);

/* A field of the form, by its name in lower case; or NULL. */
const struct bytes *post_field(const struct s3_request *r, const char *name);
/* The object is there: say so (post_answer.c). */
void post_answer(struct s3_request *r);

#endif
