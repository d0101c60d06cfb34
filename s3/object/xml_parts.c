/* xml_parts.c - elements that several answers share. */
#include <stdio.h>

#include "s3/object/meta.h"
#include "s3/object/xml_parts.h"
#include "s3/uri.h"

void xml_put_owner(struct writer *w, const char *element, const char *name)
{
    xml_open(w, element);
    xml_put_str(w, "ID", name);
    xml_put_str(w, "DisplayName", name);
    xml_close(w, element);
}

void xml_put_etag(struct writer *w, const struct s3_etag *etag)
{
    char text[S3_ETAG_TEXT];

    s3_etag_text(etag, text);
    xml_open(w, "ETag");
    wr_raw(w, "&quot;", 6);
    wr_raw(w, text, strlen(text));
    wr_raw(w, "&quot;", 6);
    xml_close(w, "ETag");
}

void xml_put_sum(struct writer *w, const struct s3_sum *sum, uint32_t parts)
{
    char element[32], text[SUM_TEXT];

    if (sum->kind == CHECKSUM_NONE)
        return;
    (void)snprintf(element, sizeof(element), "Checksum%s", checksum_name(sum->kind));
    sum_text(sum, parts, text);
    xml_put_str(w, element, text);
}

void xml_text_key(struct writer *w, struct bytes key, bool url)
{
    if (url)
        uri_encode(w, key, true);
    else
        xml_text(w, key);
}

void xml_put_key(struct writer *w, const char *element, struct bytes key, bool url)
{
    xml_open(w, element);
    xml_text_key(w, key, url);
    xml_close(w, element);
}
