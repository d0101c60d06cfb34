#include "core/base/json.h"
#include "tests/unit/t.h"

static json_t *parse(const char *text, struct note *why)
{
    return json_parse(text, strlen(text), why);
}

T(json, reads_what_it_should)
{
    struct note why = {{0}};
    json_t *root;

    json_setup();
    root = parse("{\"a\": [1, -2, \"\\u20ac\", true, null, \"[[[\\\"[[\"]}", &why);
    T_TRUE(root != NULL);
    T_EQ(json_integer_value(json_array_get(json_object_get(root, "a"), 1)), -2);
    json_decref(root);
    T_STR_EQ(why.text, "");
}

T(json, refuses_what_is_ambiguous_or_broken)
{
    static const char *const bad[] = {
        "{\"a\":1,\"a\":2}",
        "{\"a\":1",
        "[1,]",
        "\"\\u0000\"",
        "[\"\\u0000\"]",
        "[\"\xff\"]",
        "[18446744073709551615]",
        "",
        "[1] [2]",
        "[01]",
        "nul",
    };

    json_setup();
    T_CASES (text, bad) {
        struct note why = {{0}};

        T_EQ(parse(*text, &why), NULL);
        T_MEM_EQ(why.text, "JSON line ", 10);
    }
    T_EQ(json_parse(NULL, 0, NULL), NULL);
    T_EQ(json_parse("[1]\0", 4, NULL), NULL);
}

T(json, bounds_nesting)
{
    char text[200];
    struct note why = {{0}};
    json_t *root;

    json_setup();
    for (unsigned depth = 63; depth <= 66; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        root = json_parse(text, 2 * depth, &why);
        T_EQ(root != NULL, depth <= 64);
        json_decref(root);
    }
    T_STR_EQ(why.text, "JSON nests deeper than 64 levels");
}

T(json, brackets_inside_strings_do_not_nest)
{
    char text[120] = "[\"\\\"";
    json_t *root;

    json_setup();
    memset(text + 4, '[', 100);
    memcpy(text + 104, "\"]", 3);
    root = parse(text, NULL);
    T_TRUE(root != NULL);
    json_decref(root);
}

T(json, messages_do_not_quote_the_text)
{
    struct note why = {{0}};

    json_setup();
    T_EQ(parse("{\"secret-token\" \"secret-token\"}", &why), NULL);
    T_TRUE(strstr(why.text, "secret") == NULL);
}

/* Every allocation of a parse fails once: no crash, no leak, and a refusal. */
T(json, short_memory_is_a_refusal)
{
    bool hit = true;
    int failures = 0;

    json_setup();
    for (int64_t nth = 0; hit; nth++) {
        json_t *root;

        mem_fail_after(nth);
        root = parse("{\"a\": [1, 2, {\"b\": \"c\"}]}", NULL);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        T_EQ(root == NULL, hit);
        json_decref(root);
        failures += hit;
    }
    T_GT(failures, 5);
}
