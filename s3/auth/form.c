/* form.c - multipart/form-data.
 *
 * Data is told as it comes.  Where it looks like the beginning of the delimiter nothing is told
 * until that is decided; if it was none, the bytes are told from our own copy of the delimiter,
 * which they equal.  The delimiter begins with CR and has no other, so where a match breaks off, a
 * new one can begin at the present byte only. */
#include "s3/auth/form.h"
#include "s3/text.h"

enum state { DATA, AFTER, AFTER_DASH, AFTER_LF, HEAD, DONE, BAD };

/* --- values of fields --- */

/* The parameter `name` of `a; b=c; d="e"`, into `out` (as large as `text`); false: not there, or
 * the text is not well-formed. */
static bool parameter(struct bytes text, const char *name, uint8_t *out, struct bytes *out_value)
{
    struct bytes skipped, key;

    if (!text_cut(&text, ';', &skipped))
        return false;
    for (;;) {
        uint32_t len = 0, i = 1;
        bool found;

        text = text_trim(text);
        if (!text_cut(&text, '=', &key))
            return false;
        found = text_is_any_case(text_trim(key), name);
        text = text_trim(text);
        if (text.len == 0 || text.data[0] != '"') { /* a token */
            struct bytes token;
            bool more = text_cut(&text, ';', &token);

            token = text_trim(more ? token : text);
            if (found) {
                memcpy(out, token.data, token.len);
                *out_value = (struct bytes){out, token.len};
                return token.len > 0;
            }
            if (!more)
                return false;
            continue;
        }
        /* Browsers write a path of theirs with its backslashes: these escape quotes only. */
        for (; i < text.len && text.data[i] != '"'; i++) {
            if (text.data[i] == '\\' && i + 1 < text.len && text.data[i + 1] == '"')
                i++;
            out[len++] = text.data[i];
        }
        if (i == text.len)
            return false;
        if (found) {
            *out_value = (struct bytes){out, len};
            return true;
        }
        text = text_trim(text_skip(text, i + 1));
        if (text.len == 0 || text.data[0] != ';')
            return false;
        text = text_skip(text, 1);
    }
}

static bool is_boundary(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if (b.data[i] < ' ' || b.data[i] > '~')
            return false;
    return b.len > 0 && b.len <= FORM_BOUNDARY_MAX && b.data[b.len - 1] != ' ';
}

bool form_init(struct form *f, struct bytes content_type)
{
    static const char type[] = "multipart/form-data";
    struct bytes boundary;

    memset(f, 0, offsetof(struct form, line));
    memset(&f->name, 0, sizeof(*f) - offsetof(struct form, name));
    if (content_type.len > sizeof(f->line) || !text_starts_any_case(content_type, type) ||
        !parameter(content_type, "boundary", f->line, &boundary) || !is_boundary(boundary))
        return false;
    memcpy(f->delimiter, "\r\n--", 4);
    memcpy(f->delimiter + 4, boundary.data, boundary.len);
    f->delimiter_len = 4 + boundary.len;
    f->matched = 2; /* the first delimiter may stand at the very beginning */
    f->state = DATA;
    return true;
}

/* --- steps --- */

static enum form_event bad(struct form *f)
{
    f->state = BAD;
    return FORM_BAD;
}

/* The rest of a delimiter's line, or the end of all. */
static enum form_event after(struct form *f, uint8_t byte)
{
    if (f->state == AFTER && byte == '-') {
        f->state = AFTER_DASH;
    } else if (f->state == AFTER_DASH) {
        f->state = byte == '-' ? DONE : BAD;
        return byte == '-' ? FORM_DONE : FORM_BAD;
    } else if (f->state == AFTER && byte == '\r') {
        f->state = AFTER_LF;
    } else if (f->state == AFTER_LF && byte == '\n') {
        f->state = HEAD;
        f->lines = f->line_len = 0;
        f->name = f->filename = (struct bytes){0};
        f->has_filename = false;
    } else if (f->state != AFTER || (byte != ' ' && byte != '\t')) {
        return bad(f);
    }
    return FORM_MORE;
}

/* Content-Disposition: form-data; name="..."; filename="..." */
static bool disposition(struct form *f, struct bytes value)
{
    uint32_t used;

    if (f->name.len || !text_starts_any_case(value, "form-data"))
        return false;
    if (!parameter(value, "name", f->text, &f->name) || f->name.len == 0)
        return false;
    used = f->name.len;
    f->has_filename = parameter(value, "filename", f->text + used, &f->filename);
    return true;
}

/* A line of a part's head; an empty one ends it. */
static enum form_event head_line(struct form *f)
{
    struct bytes line = {f->line, f->line_len}, name;

    f->line_len = 0;
    if (line.len == 0) {
        if (f->name.len == 0)
            return bad(f);
        f->state = DATA;
        f->in_part = true;
        return FORM_PART;
    }
    if (++f->lines > FORM_LINES_MAX || !text_cut(&line, ':', &name) || name.len == 0)
        return bad(f);
    if (text_is_any_case(name, "content-disposition") && !disposition(f, text_trim(line)))
        return bad(f);
    return FORM_MORE;
}

static enum form_event head(struct form *f, uint8_t byte)
{
    if (byte == '\n') {
        if (f->line_len == 0 || f->line[--f->line_len] != '\r')
            return bad(f);
        return head_line(f);
    }
    if (f->line_len == sizeof(f->line) || byte == '\0')
        return bad(f);
    f->line[f->line_len++] = byte;
    return FORM_MORE;
}

static enum form_event part_end(struct form *f)
{
    bool was = f->in_part;

    f->matched = 0;
    f->state = AFTER;
    f->in_part = false;
    return was ? FORM_END : FORM_MORE;
}

/* Bytes that are surely data: up to the next CR. */
static enum form_event data_run(struct form *f, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *from = *at, *cr = memchr(from, '\r', (size_t)(end - from));

    *at = cr ? cr : end;
    f->data = (struct bytes){from, (uint32_t)MIN((size_t)(*at - from), UINT32_MAX)};
    *at = from + f->data.len;
    return f->in_part && f->data.len ? FORM_DATA : FORM_MORE;
}

static enum form_event data(struct form *f, const uint8_t **at, const uint8_t *end)
{
    if (f->replayed < f->replay) {
        f->data = (struct bytes){f->delimiter + f->replayed, f->replay - f->replayed};
        f->replayed = f->replay;
        return f->in_part ? FORM_DATA : FORM_MORE;
    }
    f->replay = f->replayed = 0;
    while (*at < end && **at == f->delimiter[f->matched]) {
        (*at)++;
        if (++f->matched == f->delimiter_len)
            return part_end(f);
    }
    if (*at == end)
        return FORM_MORE;
    if (f->matched == 0)
        return data_run(f, at, end);
    f->replay = f->matched; /* the next step tells them */
    f->matched = 0;
    return FORM_MORE;
}

static enum form_event step(struct form *f, const uint8_t **at, const uint8_t *end)
{
    switch ((enum state)f->state) {
    case DATA:
        return data(f, at, end);
    case AFTER:
    case AFTER_DASH:
    case AFTER_LF:
        return after(f, *(*at)++);
    case HEAD:
        return head(f, *(*at)++);
    case DONE:
        *at = end;
        return FORM_MORE;
    case BAD:
        break;
    }
    return bad(f);
}

bool form_done(const struct form *f)
{
    return f->state == DONE;
}

enum form_event form_next(struct form *f, const uint8_t **at, const uint8_t *end)
{
    enum form_event event = FORM_MORE;

    while (event == FORM_MORE && (*at < end || f->replayed < f->replay))
        event = step(f, at, end);
    return event;
}

void form_took(struct form *f, size_t bytes, const uint8_t **at)
{
    size_t left = f->data.len - bytes;

    ASSERT(bytes <= f->data.len);
    if (f->replay)
        f->replayed -= (uint32_t)left;
    else
        *at -= left;
}
