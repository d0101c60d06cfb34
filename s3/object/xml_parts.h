/* xml_parts.h - elements that several answers share.  Pure functions over a writer. */
#ifndef S3_OBJECT_XML_PARTS_H
#define S3_OBJECT_XML_PARTS_H

#include "s3/bucket/bucket.h"
#include "s3/xml.h"

void xml_put_owner(struct writer *w, const char *element, const char *name);
void xml_put_etag(struct writer *w, const struct s3_etag *etag); /* in quotes */
/* ChecksumCRC32 or its kin; nothing, where there is none. */
void xml_put_sum(struct writer *w, const struct s3_sum *sum, uint32_t parts);
/* A key or prefix, percent-encoded when `url`. */
void xml_text_key(struct writer *w, struct bytes key, bool url);
void xml_put_key(struct writer *w, const char *element, struct bytes key, bool url);

#endif
