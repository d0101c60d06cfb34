/* test_form.c - multipart/form-data taken apart. */
#include <stdio.h>

#include "core/base/rng.h"
#include "s3/auth/form.h"
#include "tests/unit/t.h"

#define TYPE "multipart/form-data; boundary=b"

/* The events as text; the input comes in steps, and of data at most `most` bytes are taken at a
 * time. */
static void run(const char *type, const char *body, size_t bytes, size_t step, size_t most,
                char *out)
{
    const uint8_t *at = (const uint8_t *)body, *end = at + bytes;
    enum form_event event = FORM_MORE;
    static struct form f;

    if (!form_init(&f, BYTES_STR(type))) {
        strcpy(out, "no");
        return;
    }
    while (event != FORM_BAD && at < end) {
        const uint8_t *stop = at + MIN(step, (size_t)(end - at));

        do {
            event = form_next(&f, &at, stop);
            if (event == FORM_PART)
                out += sprintf(out, f.has_filename ? "[%.*s|%.*s|" : "[%.*s|", (int)f.name.len,
                               (const char *)f.name.data, (int)f.filename.len,
                               (const char *)f.filename.data);
            else if (event == FORM_END)
                out += sprintf(out, "]");
            else if (event == FORM_DONE)
                out += sprintf(out, "D");
            else if (event == FORM_BAD)
                out += sprintf(out, "B");
            if (event == FORM_DATA) {
                size_t n = MIN(most, f.data.len);

                memcpy(out, f.data.data, n);
                out += n;
                form_took(&f, n, &at);
            }
        } while (event != FORM_MORE && event != FORM_BAD);
    }
    *out = '\0';
}

#define PART(name, value)                                                                          \
    "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART(filename, value)                                                                 \
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" filename                   \
    "\"\r\nContent-Type: text/plain\r\n\r\n" value "\r\n"
#define LAST "--b--\r\n"

static const struct {
    const char *type, *body, *want;
} rows[] = {
    {TYPE, PART("key", "a/b") FILE_PART("x.txt", "data") LAST, "[key|a/b][file|x.txt|data]D"},
    {TYPE, PART("key", "") LAST, "[key|]D"},
    {TYPE, LAST, "D"},
    {TYPE, "preamble\r\n" PART("k", "v") LAST "epilogue\r\n--b\r\n", "[k|v]D"},
    {TYPE, PART("k", "\r\n--\r\n-b\r\r\n--c\r\n--") LAST, "[k|\r\n--\r\n-b\r\r\n--c\r\n--]D"},
    {TYPE, PART("k", "--b") LAST, "[k|--b]D"},
    {TYPE, "--b \t\r\nContent-Disposition: form-data; name=k\r\n\r\nv\r\n--b--", "[k|v]D"},
    {TYPE, FILE_PART("C:\\dir\\a.txt", "") LAST, "[file|C:\\dir\\a.txt|]D"},
    {TYPE, FILE_PART("a\\\"b\\\".txt", "") LAST, "[file|a\"b\".txt|]D"},
    {TYPE, FILE_PART("", "x") LAST, "[file||x]D"},
    {TYPE, "--b\r\nX: y\r\ncontent-disposition:form-data;name=\"k\"\r\n\r\nv\r\n" LAST, "[k|v]D"},
    {"Multipart/Form-Data; charset=utf-8; Boundary=\"b c\"",
     "--b c\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n--b c--", "[k|v]D"},
    /* refused */
    {"multipart/form-data", "", "no"},
    {"multipart/form-data; boundary=", "", "no"},
    {"multipart/form-data; boundary=\"b", "", "no"},
    {"multipart/form-data; boundary=\"\"", "", "no"},
    {"multipart/mixed; boundary=b", "", "no"},
    {"text/plain", "", "no"},
    {"multipart/form-data; boundary="
     "12345678901234567890123456789012345678901234567890123456789012345678901",
     "", "no"},
    {TYPE, "--b\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\r\nContent-Type: a\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\r\nContent-Disposition: form-data\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\r\nContent-Disposition: form-data; name=\"k\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\r\nContent-Disposition: attachment; name=\"k\"\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\nContent-Disposition: form-data; name=\"k\"\n\nv\n--b--", "B"},
    {TYPE, "--b\r\nContent-Disposition: form-data; name=\"k\"\n\r\n", "B"},
    {TYPE, "--b\r\nContent-Disposition: form-data; x=\"1\" name=\"k\"\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--b\r\nContent-Disposition: form-data; x=\"1\"\r\n\r\nv\r\n" LAST, "B"},
    {TYPE,
     "--b\r\nContent-Disposition: form-data; name=k\r\nContent-Disposition: form-data; name=l\r\n"
     "\r\nv\r\n" LAST,
     "B"},
    {TYPE, "--b\r\nno colon\r\n\r\nv\r\n" LAST, "B"},
    {TYPE, "--bx\r\n", "B"},
    {TYPE, "--b-x", "B"},
    /* not whole */
    {TYPE, PART("k", "v"), "[k|v"},
    {TYPE, PART("k", "v") "--b", "[k|v]"},
    {TYPE, "", ""},
};

T(s3_form, parts_are_taken_apart_or_refused)
{
    char out[1024];

    T_CASES (row, rows) {
        run(row->type, row->body, strlen(row->body), SIZE_MAX, SIZE_MAX, out);
        T_STR_EQ(out, row->want);
    }
}

T(s3_form, where_the_input_is_cut_and_how_much_is_taken_does_not_matter)
{
    char out[1024];

    T_CASES (row, rows)
        for (size_t step = 1; step < 12; step++)
            for (size_t most = 1; most < 4; most++) {
                run(row->type, row->body, strlen(row->body), step, most, out);
                T_STR_EQ(out, row->want);
            }
}

/* Data made of what the delimiter is made of. */
T(s3_form, data_that_looks_like_the_delimiter_is_data)
{
    static const char letters[] = "\r\n-b";
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < 3000; i++) {
        char data[64], body[256], want[256], out[256];
        size_t len = rng_below(&rng, 40);

        for (size_t k = 0; k < len; k++)
            data[k] = letters[rng_below(&rng, 4)];
        data[len] = '\0';
        if (strstr(data, "\r\n--b"))
            continue;
        (void)snprintf(body, sizeof(body), PART("k", "%s") LAST, data);
        (void)snprintf(want, sizeof(want), "[k|%s]D", data);
        run(TYPE, body, strlen(body), 1 + rng_below(&rng, 9), 1 + rng_below(&rng, 9), out);
        T_STR_EQ(out, want);
    }
}

T(s3_form, heads_without_end_are_refused)
{
    static char body[2 * FORM_LINE_MAX];
    char out[256];

    memset(body, 'a', sizeof(body));
    memcpy(body, "--b\r\n", 5);
    run(TYPE, body, sizeof(body), SIZE_MAX, SIZE_MAX, out);
    T_STR_EQ(out, "B");
    for (size_t i = 5; i + 5 < sizeof(body); i += 5)
        memcpy(body + i, "a:b\r\n", 5);
    run(TYPE, body, sizeof(body), SIZE_MAX, SIZE_MAX, out);
    T_STR_EQ(out, "B");
}
