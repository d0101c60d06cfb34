/* crush.c - `cairn crush test`: what a CRUSH map in text form would do, as crushtool prints it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/mem.h"
#include "core/crush/crush_test.h"
#include "core/crush/crush_text.h"

static int line_out(void *arg, const char *line, size_t bytes)
{
    (void)arg;
    return fwrite(line, 1, bytes, stdout) == bytes ? 0 : -EIO;
}

static bool number(const char *text, uint32_t *out)
{
    char *end;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;

    if (!text || *text < '0' || *text > '9' || *end || n > UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

static char *file_text(const char *path, size_t *out_bytes)
{
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(CRUSH_TEXT_MAX + 1) : NULL;

    if (text) {
        *out_bytes = fread(text, 1, CRUSH_TEXT_MAX + 1, f);
        if (ferror(f)) {
            free(text);
            text = NULL;
        }
    }
    if (f)
        fclose(f);
    return text;
}

struct args {
    const char *map;
    uint32_t rule;
    struct crush_test test;
    struct crush_test_weight *weights;
    bool has_rule, has_rep, has_min, has_max;
};

static bool args_take(struct cli *cli, struct args *a)
{
    for (int i = 2; i < cli->argc; i++) {
        const char *name = cli->argv[i], *value = i + 1 < cli->argc ? cli->argv[i + 1] : NULL;
        uint32_t id;

        if (strcmp(name, "--map") == 0 && value) {
            a->map = value;
            i++;
        } else if (strcmp(name, "--rule") == 0 && (a->has_rule = number(value, &a->rule))) {
            i++;
        } else if (strcmp(name, "--num-rep") == 0 &&
                   (a->has_rep = number(value, &a->test.rep_count))) {
            i++;
        } else if (strcmp(name, "--min-x") == 0 && (a->has_min = number(value, &a->test.x_min))) {
            i++;
        } else if (strcmp(name, "--max-x") == 0 && (a->has_max = number(value, &a->test.x_max))) {
            i++;
        } else if (strcmp(name, "--weight") == 0 && number(value, &id) && i + 2 < cli->argc &&
                   crush_weight_parse(cli->argv[i + 2], &a->weights[a->test.weight_count].weight) ==
                       0) {
            a->weights[a->test.weight_count++].device = (int32_t)id;
            i += 2;
        } else {
            cli_fail("crush test: cannot use '%s%s%s'", name, value ? " " : "", value ? value : "");
            return false;
        }
    }
    a->test.rule = (int)a->rule;
    a->test.weights = a->weights;
    return a->map && a->has_rule && a->has_rep && a->has_min && a->has_max;
}

static int test_map(const struct args *a)
{
    struct crush_map *map = NULL;
    struct note why = {{0}};
    size_t bytes = 0;
    char *text = file_text(a->map, &bytes);
    int rc;

    if (!text)
        return cli_fail("%s: %s", a->map, strerror(errno));
    rc = crush_text_parse(text, bytes, &map, &why);
    free(text);
    if (rc == 0)
        rc = crush_test_run(map, &a->test, line_out, NULL, &why);
    crush_destroy(map);
    if (rc == 0 && fflush(stdout))
        rc = -errno;
    return rc < 0 ? cli_fail("%s: %s", a->map, why.text[0] ? why.text : cli_error_text(rc)) : 0;
}

int cli_crush_test(struct cli *cli)
{
    struct args a = {0};
    int rc;

    a.weights = calloc((size_t)cli->argc, sizeof(*a.weights));
    if (!a.weights)
        return cli_fail("out of memory");
    rc = args_take(cli, &a) ? test_map(&a) : cli_wrong(cli);
    free(a.weights);
    return rc;
}
