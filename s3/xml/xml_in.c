/* xml_in.c - libxml2's push parser, kept on a short leash.
 *
 * Only start, end and text are listened to.  A DOCTYPE stops the parser at its first word, before
 * anything it declares is looked at; so there are no entities but XML's own five. */
#include <libxml/parser.h>

#include "s3/xml.h"

struct xml_in {
    xmlParserCtxtPtr parser; /* owned */
    const struct xml_calls *calls;
    void *arg;
    uint64_t bytes;
    unsigned depth; /* of open elements */
    int rc;
    uint32_t text_len;
    uint8_t text[XML_TEXT_MAX];
};

static void refuse(struct xml_in *x, int rc)
{
    if (x->rc == 0)
        x->rc = rc;
    xmlStopParser(x->parser);
}

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    UNUSED(name);
    UNUSED(id);
    UNUSED(system);
    refuse(ctx, -R_MALFORMED);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted, const xmlChar **attributes)
{
    struct xml_in *x = ctx;
    int rc;

    UNUSED(prefix);
    UNUSED(uri);
    UNUSED(namespace_count);
    UNUSED(namespaces);
    UNUSED(attribute_count);
    UNUSED(defaulted);
    UNUSED(attributes);
    if (x->rc)
        return;
    if (x->depth == XML_DEPTH_MAX) {
        refuse(x, -R_MALFORMED);
        return;
    }
    x->text_len = 0;
    rc = x->calls->start(x->arg, x->depth++, (const char *)name);
    if (rc < 0)
        refuse(x, rc);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct xml_in *x = ctx;
    int rc;

    UNUSED(prefix);
    UNUSED(uri);
    if (x->rc)
        return;
    ASSERT(x->depth > 0);
    rc =
        x->calls->end(x->arg, --x->depth, (const char *)name, (struct bytes){x->text, x->text_len});
    x->text_len = 0;
    if (rc < 0)
        refuse(x, rc);
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
    struct xml_in *x = ctx;

    if (x->rc)
        return;
    if ((uint32_t)len > sizeof(x->text) - x->text_len) {
        refuse(x, -R_MALFORMED);
        return;
    }
    memcpy(x->text + x->text_len, text, (size_t)len);
    x->text_len += (uint32_t)len;
}

static void on_error(void *ctx, const char *fmt, ...)
{
    UNUSED(ctx); /* the parser's state says it too */
    UNUSED(fmt);
}

struct xml_in *xml_in_create(const struct xml_calls *calls, void *arg)
{
    struct xml_in *x = mem_zalloc(sizeof(*x));
    xmlSAXHandler sax = {
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = on_doctype,
        .externalSubset = on_doctype,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_text,
        .warning = on_error,
        .error = on_error,
        .fatalError = on_error,
    };

    if (!x)
        return NULL;
    x->calls = calls;
    x->arg = arg;
    x->parser = xmlCreatePushParserCtxt(&sax, x, NULL, 0, NULL);
    if (!x->parser) {
        mem_free(x);
        return NULL;
    }
    (void)xmlCtxtUseOptions(x->parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    return x;
}

void xml_in_destroy(struct xml_in *x)
{
    if (!x)
        return;
    xmlFreeParserCtxt(x->parser);
    mem_free(x);
}

static int feed(struct xml_in *x, const void *data, size_t bytes, bool end)
{
    int rc;

    if (x->rc)
        return x->rc;
    x->bytes += bytes;
    if (x->bytes > XML_BYTES_MAX) {
        x->rc = -R_MALFORMED;
        return x->rc;
    }
    rc = xmlParseChunk(x->parser, data, (int)bytes, end);
    if (x->rc == 0 && rc != XML_ERR_OK)
        x->rc = rc == XML_ERR_NO_MEMORY ? -ENOMEM : -R_MALFORMED;
    return x->rc;
}

int xml_in_add(struct xml_in *x, const void *data, size_t bytes)
{
    return feed(x, data, bytes, false);
}

int xml_in_end(struct xml_in *x)
{
    return feed(x, "", 0, true);
}
