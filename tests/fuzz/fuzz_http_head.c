/* fuzz_http_head.c - heads of arbitrary bytes before the guard.
 *
 * The input is the head's lines, split at LF: method, target, then "name:value".  What the guard
 * lets pass has one reading: one Host, at most one length, no control characters. */
#include <stdlib.h>

#include "s3/http.h"
#include "s3/http/guard.h"
#include "s3/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct bytes line_take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *from = *at, *lf = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;
    const uint8_t *stop = lf ? lf : end;

    *at = lf ? lf + 1 : end;
    return (struct bytes){from, (uint32_t)(stop - from)};
}

static unsigned count_of(const struct http_head *head, const char *name)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < head->field_count; i++)
        n += bytes_equal(head->field[i].name, BYTES_STR(name));
    return n;
}

static void check_passed(const struct http_head *head)
{
    ASSERT(head->target.len > 0 && head->target.data[0] == '/');
    ASSERT(count_of(head, "host") == 1);
    ASSERT(count_of(head, "content-length") + count_of(head, "transfer-encoding") <= 1);
    ASSERT(head->has_length == (count_of(head, "content-length") == 1));
    ASSERT(head->chunked == (count_of(head, "transfer-encoding") == 1));
    ASSERT(count_of(head, "authorization") <= 1);
    for (uint32_t i = 0; i < head->field_count; i++)
        for (uint32_t k = 0; k < head->field[i].value.len; k++)
            ASSERT(head->field[i].value.data[k] >= 0x20 || head->field[i].value.data[k] == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const size_t most = HTTP_HEAD_BYTES_MAX;
    const uint8_t *at = data, *end = data + MIN(bytes, most);
    struct http_head *head = mem_zalloc(sizeof(*head));
    struct bytes path, raw_query;
    struct uri_query *query = mem_zalloc(sizeof(*query));
    struct arena arena;
    const char *why = NULL;

    if (!head || !query)
        abort();
    arena_init(&arena);
    head->method = line_take(&at, end);
    head->target = line_take(&at, end);
    while (at < end && head->field_count < HTTP_FIELDS_MAX) {
        struct bytes line = line_take(&at, end);
        const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
        uint32_t name = colon ? (uint32_t)(colon - line.data) : line.len;
        uint8_t *copy = arena_alloc(&arena, name + 1u);

        if (!http_token_lower(line.data, name, copy))
            continue;
        head->field[head->field_count++] = (struct http_field){
            {copy, name},
            colon ? http_trim((struct bytes){colon + 1, line.len - name - 1}) : (struct bytes){0}};
    }
    if (http_guard(head, &why) == 0) {
        check_passed(head);
        uri_split(head->target, &path, &raw_query);
        (void)uri_query_parse(&arena, raw_query, query);
    } else {
        ASSERT(why != NULL);
    }
    arena_fini(&arena);
    mem_free(query);
    mem_free(head);
    return 0;
}
