/* main.c - entry of the `cairn` command: options that every verb knows, and which verb it is.
 *
 * What is not a verb of this program is a command of the monitors' table, sent as it stands, so
 * that a new command there needs nothing here but to be built again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "config.h"
#include "core/base/json.h"

static int help(struct cli *cli)
{
    return cli->json ? cli_mon_command(cli) /* the monitors' own list */ : cli_help_verb(cli);
}

static const struct verb {
    const char *first, *second; /* second NULL: any */
    int (*run)(struct cli *cli);
} verbs[] = {
    {"up", NULL, cli_up},
    {"down", NULL, cli_down},
    {"object", NULL, cli_object},
    {"crush", "test", cli_crush_test},
    {"osd", "stop", cli_osd_switch},
    {"osd", "start", cli_osd_switch},
    {"osd", "fsck", cli_osd_fsck},
    {"user", "create", cli_user_create},
    {"user", "key", cli_user_key},
    {"user", "rm", cli_user_rm},
    {"bucket", NULL, cli_bucket},
    {"usage", NULL, cli_usage},
    {"help", NULL, help},
};

/* Take the value of a global option at argv[*i], in the form --name VALUE or --name=VALUE: 1; 0:
 * it is another one; negative: it has no value. */
static int option_value(char **argv, int argc, int *i, const char *name, const char **out_value)
{
    size_t len = strlen(name);

    if (strncmp(argv[*i], name, len) != 0 || (argv[*i][len] && argv[*i][len] != '='))
        return 0;
    if (argv[*i][len])
        *out_value = argv[*i] + len + 1;
    else
        *out_value = *i + 1 < argc ? argv[++*i] : "";
    if (**out_value)
        return 1;
    cli_fail("%s needs a value", name);
    return -1;
}

/* One global option: 1; 0: it is none; negative: it is wrong. */
static int option_take(struct cli *cli, int argc, char **argv, int *i, const char **out_seconds)
{
    const char *arg = argv[*i];
    int rc;

    if (strcmp(arg, "--json") == 0)
        return cli->json = true;
    if (strcmp(arg, "--quiet") == 0)
        return cli->quiet = true;
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        return cli->help = true;
    rc = option_value(argv, argc, i, "--data", &cli->data);
    if (rc == 0)
        rc = option_value(argv, argc, i, "--conf", &cli->conf);
    if (rc == 0)
        rc = option_value(argv, argc, i, "--timeout", out_seconds);
    if (rc == 0 && arg[0] == '-' && cli->argc == 0 && strcmp(arg, "--version") != 0) {
        cli_fail("no such option: '%s'; 'cairn --help' lists them", arg);
        return -1;
    }
    return rc;
}

/* Separate the global options, wherever they stand, from the verb and its arguments. */
static bool options_take(struct cli *cli, int argc, char **argv)
{
    const char *seconds = NULL;

    for (int i = 1; i < argc; i++) {
        int rc;

        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                cli->argv[cli->argc++] = argv[i];
            break;
        }
        rc = option_take(cli, argc, argv, &i, &seconds);
        if (rc < 0)
            return false;
        if (rc == 0)
            cli->argv[cli->argc++] = argv[i];
    }
    if (seconds) {
        char *end;
        unsigned long s = strtoul(seconds, &end, 10);

        if (*end || s == 0 || s > 86400) {
            cli_fail("--timeout takes seconds, 1 to 86400, not '%s'", seconds);
            return false;
        }
        cli->timeout_ms = (uint32_t)s * 1000;
    }
    return true;
}

static int run(struct cli *cli)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *v = &verbs[i];

        if (strcmp(cli->argv[0], v->first) == 0 &&
            (!v->second || (cli->argc > 1 && strcmp(cli->argv[1], v->second) == 0)))
            return v->run(cli);
    }
    return cli_mon_command(cli);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    int rc;

    json_setup();
    cli.argv = calloc((size_t)argc + 1, sizeof(*cli.argv));
    if (!cli.argv)
        return cli_fail("out of memory");
    if (!options_take(&cli, argc, argv))
        rc = 2;
    else if (cli.help)
        rc = cli_help(&cli);
    else if (cli.argc == 0)
        rc = cli_wrong(&cli);
    else if (strcmp(cli.argv[0], "--version") == 0)
        rc = printf("cairn %s\n", PACKAGE_VERSION) < 0;
    else
        rc = run(&cli);
    free(cli.argv);
    return rc;
}
