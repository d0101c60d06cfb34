/* json.c - jansson behind our allocator and with a tighter bound on nesting.
 *
 * jansson recurses, and its own bound of 2048 levels is more stack than a reactor wants to spend;
 * so the nesting is counted before it sees a byte.  Its messages quote the text near the error:
 * that part is dropped, since tokens and keys may stand there. */
#include "core/base/json.h"

enum { JSON_DEPTH_MAX = 64 };

void json_setup(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
}

static bool nests_too_deep(const uint8_t *at, const uint8_t *end)
{
    bool in_string = false;
    unsigned depth = 0;

    for (; at < end; at++) {
        if (in_string) {
            if (*at == '\\' && at + 1 < end)
                at++;
            else if (*at == '"')
                in_string = false;
        } else if (*at == '"') {
            in_string = true;
        } else if (*at == '[' || *at == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((*at == ']' || *at == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

json_t *json_parse(const void *text, size_t bytes, struct note *why)
{
    const uint8_t *start = text ? text : (const uint8_t *)"";
    json_error_t error;
    json_t *root;
    char *near_text;

    if (nests_too_deep(start, start + bytes)) {
        note_set(why, "JSON nests deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    root = json_loadb((const char *)start, bytes, JSON_REJECT_DUPLICATES, &error);
    if (root)
        return root;
    near_text = strstr(error.text, " near ");
    if (near_text)
        *near_text = '\0';
    note_set(why, "JSON line %d column %d: %s", error.line, error.column, error.text);
    return NULL;
}
