/* chunks.c - the body format "aws-chunked", line by line. */
#include "s3/auth/chunks.h"
#include "s3/text.h"

enum state { LINE_HEAD, DATA, DATA_CR, DATA_LF, LINE_TRAILER, DONE, BAD };

enum { SIZE_DIGITS_MAX = 10 };

void chunks_init(struct chunks *c, bool is_signed)
{
    memset(c, 0, sizeof(*c));
    c->is_signed = is_signed;
    c->state = LINE_HEAD;
}

static enum chunks_event bad(struct chunks *c, enum chunks_fault fault)
{
    c->state = BAD;
    c->fault = fault;
    return CHUNKS_BAD;
}

bool chunks_whole(const struct chunks *c)
{
    return c->state == DONE;
}

static bool ends_in(const struct chunks *c, uint8_t byte)
{
    return c->line_len > 0 && c->line[c->line_len - 1] == byte;
}

/* Collect up to CRLF, or LF CRLF behind a trailer.  1: the line is here, without them; 0: more is
 * needed; -1: too long, or with a bare LF. */
static int line_take(struct chunks *c, const uint8_t **at, const uint8_t *end)
{
    while (*at < end) {
        uint8_t byte = *(*at)++;

        if (byte == '\n' && ends_in(c, '\r')) {
            c->line_len--;
            if (ends_in(c, '\n'))
                c->line_len--;
            return c->line_len && memchr(c->line, '\n', c->line_len) ? -1 : 1;
        }
        if (c->line_len == sizeof(c->line) || (byte == '\n' && c->state != LINE_TRAILER))
            return -1;
        c->line[c->line_len++] = byte;
    }
    return 0;
}

static int hex_digit(uint8_t b)
{
    if (b >= '0' && b <= '9')
        return b - '0';
    if (b >= 'a' && b <= 'f')
        return b - 'a' + 10;
    return b >= 'A' && b <= 'F' ? b - 'A' + 10 : -1;
}

/* "1000;chunk-signature=..." */
static bool head_parse(struct chunks *c)
{
    static const char mark[] = ";chunk-signature=";
    struct bytes line = {c->line, c->line_len};
    uint32_t digits = 0;

    c->left = 0;
    while (digits < line.len && hex_digit(line.data[digits]) >= 0)
        c->left = c->left << 4 | (uint64_t)hex_digit(line.data[digits++]);
    if (digits == 0 || digits > SIZE_DIGITS_MAX)
        return false;
    line.data += digits;
    line.len -= digits;
    if (!c->is_signed)
        return line.len == 0;
    if (line.len < strlen(mark) || memcmp(line.data, mark, strlen(mark)) != 0)
        return false;
    line.data += strlen(mark);
    line.len -= (uint32_t)strlen(mark);
    c->has_signature = hex_get(line, c->signature, SHA256_BYTES);
    return c->has_signature;
}

static enum chunks_event head_end(struct chunks *c)
{
    if (!head_parse(c))
        return bad(c, CHUNKS_FRAMING);
    c->line_len = 0;
    if (c->left) {
        /* Each chunk costs a signature: nobody makes us check one for every byte. */
        if (c->small)
            return bad(c, CHUNKS_TOO_SMALL);
        c->small = c->is_signed && c->left < CHUNKS_SIGNED_BYTES_MIN;
        c->state = DATA;
        return CHUNKS_MORE;
    }
    c->state = LINE_TRAILER;
    return CHUNKS_END;
}

/* An empty line ends the body; the trailer's signature is a line of its own. */
static enum chunks_event trailer_end(struct chunks *c)
{
    static const char mark[] = "x-amz-trailer-signature";
    uint8_t *colon = memchr(c->line, ':', c->line_len);

    if (c->line_len == 0) {
        c->state = DONE;
        return CHUNKS_DONE;
    }
    if (!colon || colon == c->line)
        return bad(c, CHUNKS_BAD_TRAILER);
    c->name = (struct bytes){c->line, (uint32_t)(colon - c->line)};
    c->value = text_trim((struct bytes){colon + 1, c->line_len - c->name.len - 1});
    for (uint32_t i = 0; i < c->name.len; i++)
        if (c->line[i] >= 'A' && c->line[i] <= 'Z')
            c->line[i] = (uint8_t)(c->line[i] + 32);
    c->line_len = 0;
    if (!bytes_equal(c->name, BYTES_STR(mark)))
        return CHUNKS_TRAILER;
    if (!c->is_signed || c->has_signature || !hex_get(c->value, c->signature, SHA256_BYTES))
        return bad(c, CHUNKS_BAD_TRAILER);
    c->has_signature = true;
    return CHUNKS_MORE;
}

static enum chunks_event data_take(struct chunks *c, const uint8_t **at, const uint8_t *end)
{
    size_t n = MIN((uint64_t)(end - *at), c->left);

    c->data = (struct bytes){*at, (uint32_t)MIN(n, UINT32_MAX)};
    *at += c->data.len;
    c->left -= c->data.len;
    if (c->left == 0)
        c->state = DATA_CR;
    return CHUNKS_DATA;
}

static enum chunks_event step(struct chunks *c, const uint8_t **at, const uint8_t *end)
{
    int got;

    switch ((enum state)c->state) {
    case LINE_HEAD:
    case LINE_TRAILER:
        got = line_take(c, at, end);
        if (got < 0)
            return bad(c, c->state == LINE_HEAD ? CHUNKS_FRAMING : CHUNKS_BAD_TRAILER);
        if (got == 0)
            return CHUNKS_MORE;
        return c->state == LINE_HEAD ? head_end(c) : trailer_end(c);
    case DATA:
        return data_take(c, at, end);
    case DATA_CR:
        c->state = DATA_LF;
        return *(*at)++ == '\r' ? CHUNKS_MORE : bad(c, CHUNKS_FRAMING);
    case DATA_LF:
        c->state = LINE_HEAD;
        return *(*at)++ == '\n' ? CHUNKS_END : bad(c, CHUNKS_FRAMING);
    case DONE: /* bytes after the end */
    case BAD:
        break;
    }
    return bad(c, CHUNKS_FRAMING);
}

enum chunks_event chunks_next(struct chunks *c, const uint8_t **at, const uint8_t *end)
{
    enum chunks_event event = CHUNKS_MORE;

    if (c->ended) /* its signature was used when its end was told */
        c->has_signature = c->ended = false;
    while (event == CHUNKS_MORE && *at < end)
        event = step(c, at, end);
    c->ended = event == CHUNKS_END;
    return event;
}
