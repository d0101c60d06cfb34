/* xml_body.h - an operation whose body is an XML document: parsed as it comes in, acted on when it
 * is verified.
 *
 *     struct tags_in { struct xml_body xml; ... };   the state begins with it
 *     static void tags_start(r) { xml_body_start(r, sizeof(struct tags_in), &calls, NULL); }
 *     static void tags_done(r, sums) { if (xml_body_end(r)) ... act, answer }
 *     struct request_body_calls body = {NULL, xml_body_batch, tags_done};
 *
 * The calls of the parser get the state.  A document that is refused with -R_UNSUPPORTED is
 * answered with 501, with -R_MALFORMED as MalformedXML, with others by their own rows. */
#ifndef S3_OBJECT_XML_BODY_H
#define S3_OBJECT_XML_BODY_H

#include "s3/object/request.h"

struct xml_body {
    struct xml_in *xml; /* owned */
    struct s3_request *r;
    void (*fini)(struct s3_request *r); /* of what else the state owns; may be NULL */
    bool any;                           /* a byte came */
};

/* The state, or NULL: answered already.  The body is being read. */
void *xml_body_start(struct s3_request *r, size_t bytes, const struct xml_calls *calls,
                     void (*fini)(struct s3_request *r));
void xml_body_batch(struct s3_request *r, struct buf *data);
/* Whether there was a complete document that nothing refused; else it is answered. */
bool xml_body_end(struct s3_request *r);

#endif
