/* note.c - building the one line that says where an error happened. */
#include "core/base/note.h"

#include <stdarg.h>
#include <stdio.h>

/* Cut what a full note would leave of a UTF-8 character: `len` bytes are kept at most. */
static size_t whole_chars(const char *text, size_t len)
{
    size_t start = len;

    while (start > 0 && len - start < 4 && ((uint8_t)text[start] & 0xc0) == 0x80)
        start--;
    return ((uint8_t)text[start] & 0xc0) == 0xc0 ? start : len;
}

/* Append text to the `len` bytes of `out`; what does not fit is cut. */
static size_t put(char out[NOTE_BYTES], size_t len, const char *text)
{
    size_t bytes = strlen(text), room = NOTE_BYTES - 1 - len;

    if (bytes > room)
        bytes = whole_chars(text, room);
    memcpy(out + len, text, bytes);
    out[len + bytes] = '\0';
    return len + bytes;
}

static void set(struct note *why, bool keep, const char *fmt, va_list args)
{
    char front[2 * NOTE_BYTES]; /* more than fits, so that the cut is made in one place */
    struct note before = *why;
    size_t len;

    before.text[NOTE_BYTES - 1] = '\0';
    if (vsnprintf(front, sizeof(front), fmt, args) < 0)
        front[0] = '\0';
    len = put(why->text, 0, front);
    if (!keep || !before.text[0])
        return;
    len = put(why->text, len, ": ");
    put(why->text, len, before.text);
}

void note_add(struct note *why, const char *fmt, ...)
{
    va_list args;

    if (!why)
        return;
    va_start(args, fmt);
    set(why, true, fmt, args);
    va_end(args);
}

void note_set(struct note *why, const char *fmt, ...)
{
    va_list args;

    if (!why)
        return;
    va_start(args, fmt);
    set(why, false, fmt, args);
    va_end(args);
}
