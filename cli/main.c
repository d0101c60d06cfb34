/* main.c - entry of the `cairn` command: options that every verb knows, and which verb it is.
 *
 * What is not a verb of this program is a command of the monitors' table, sent as it stands, so
 * that a new command there needs nothing here. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "config.h"
#include "core/base/json.h"
#include "core/base/reason.h"

static const char help[] =
    "usage: cairn [--data DIR | --conf FILE] [--json] [--quiet] [--timeout SECONDS] VERB ...\n"
    "\n"
    "a cluster on this machine\n"
    "  up [--osds N] [--s3 ADDR:PORT] [--detach]   start it (made on first use), all roles in one "
    "process\n"
    "  down                                        stop it cleanly\n"
    "\n"
    "looking after it\n"
    "  status | health | help                      how it is; every command of the monitors\n"
    "  user create NAME [ACCESS] | list | info NAME | rm NAME [--force]\n"
    "                                              S3 users\n"
    "  user key ls NAME | add NAME [ACCESS] | rm NAME ACCESS\n"
    "                                              their keys; of one made elsewhere (ACCESS) "
    "the\n"
    "                                              secret is read from standard input\n"
    "  user suspend|enable NAME                    refuse a user's requests; take them again\n"
    "  user quota NAME [bytes N|none] [objects N|none]\n"
    "                                              what all its buckets may hold together\n"
    "  pool ls | create NAME | rm NAME             pools\n"
    "  osd ls | stop N | start N | out N | in N    OSDs\n"
    "  osd fsck PATH                               prove a stopped OSD's store\n"
    "  crush show                                  the CRUSH map, as text\n"
    "  crush test --map FILE --rule N --num-rep R --min-x A --max-x B [--weight ID W]...\n"
    "\n"
    "objects\n"
    "  object put POOL NAME [FILE|-]               store (up to 128 MiB)\n"
    "  object get POOL NAME [FILE|-]\n"
    "  object stat POOL NAME | ls POOL | rm POOL NAME\n"
    "  object where POOL NAME                      PG, OSDs, and each copy as its OSD reads it\n"
    "\n"
    "The cluster is found by --conf, --data, CAIRN_CONF, or ./cairn-data.  See cairn(1).\n";

static const struct verb {
    const char *first, *second; /* second NULL: any */
    int (*run)(struct cli *cli);
} verbs[] = {
    {"up", NULL, cli_up},          {"down", NULL, cli_down},
    {"object", NULL, cli_object},  {"crush", "test", cli_crush_test},
    {"osd", "fsck", cli_osd_fsck}, {"user", "create", cli_user_create},
    {"user", "key", cli_user_key}, {"user", "rm", cli_user_rm},
};

int cli_usage(const char *verb, const char *form)
{
    fprintf(stderr, "usage: cairn %s %s\n", verb, form);
    return 2;
}

int cli_fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("cairn: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

const char *cli_error_text(int rc)
{
    return strerror(-reason_errno(rc));
}

/* Take the value of a global option at argv[*i], in the form --name VALUE or --name=VALUE. */
static bool option_value(char **argv, int argc, int *i, const char *name, const char **out_value)
{
    size_t len = strlen(name);

    if (strncmp(argv[*i], name, len) != 0)
        return false;
    if (argv[*i][len] == '=') {
        *out_value = argv[*i] + len + 1;
        return true;
    }
    if (argv[*i][len] || *i + 1 >= argc)
        return false;
    *out_value = argv[++*i];
    return true;
}

/* Separate the global options, wherever they stand, from the verb and its arguments. */
static int options_take(struct cli *cli, int argc, char **argv)
{
    const char *seconds = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                cli->argv[cli->argc++] = argv[i];
            break;
        }
        if (strcmp(argv[i], "--json") == 0)
            cli->json = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            cli->quiet = true;
        else if (!option_value(argv, argc, &i, "--data", &cli->data) &&
                 !option_value(argv, argc, &i, "--conf", &cli->conf) &&
                 !option_value(argv, argc, &i, "--timeout", &seconds))
            cli->argv[cli->argc++] = argv[i];
    }
    if (seconds) {
        char *end;
        unsigned long s = strtoul(seconds, &end, 10);

        if (*end || s == 0 || s > 86400)
            return cli_fail("--timeout takes seconds, 1 to 86400, not '%s'", seconds);
        cli->timeout_ms = (uint32_t)s * 1000;
    }
    return 0;
}

bool cli_conf_path(const struct cli *cli, char out_path[CLI_PATH_BYTES])
{
    const char *env = getenv("CAIRN_CONF");

    if (cli->conf)
        snprintf(out_path, CLI_PATH_BYTES, "%s", cli->conf);
    else if (cli->data || !env)
        snprintf(out_path, CLI_PATH_BYTES, "%s/cairn.conf", cli->data ? cli->data : "./cairn-data");
    else
        snprintf(out_path, CLI_PATH_BYTES, "%s", env);
    if (access(out_path, R_OK) == 0)
        return true;
    if (errno == ENOENT && !cli->conf && !cli->data && !env)
        cli_fail("no cluster here: there is no %s; name one by --data DIR, --conf FILE or "
                 "CAIRN_CONF, or "
                 "start one with 'cairn up'",
                 out_path);
    else
        cli_fail("no cluster at %s: %s", out_path, strerror(errno));
    return false;
}

struct cairn *cli_connect(const struct cli *cli)
{
    char path[CLI_PATH_BYTES], why[256] = "";
    struct cairn *c = NULL;
    int rc;

    if (!cli_conf_path(cli, path))
        return NULL;
    rc = cairn_connect(path, cli->timeout_ms ? cli->timeout_ms : 10000, &c, why, sizeof(why));
    if (rc < 0) {
        cli_fail("cannot reach the cluster of %s: %s", path, why[0] ? why : cli_error_text(rc));
        return NULL;
    }
    return c;
}

int cli_mon_command(struct cli *cli)
{
    return cli_mon_command_with(cli, NULL, 0);
}

int cli_mon_command_with(struct cli *cli, const void *input, size_t input_bytes)
{
    struct cairn *c = cli_connect(cli);
    struct cairn_reply reply;
    int rc;

    if (!c)
        return 1;
    rc = cairn_command(c, cli->argc, (const char *const *)cli->argv, input, input_bytes,
                       cli->timeout_ms, &reply);
    if (rc < 0) {
        cli_fail("%s", reply.text && reply.text[0] ? reply.text : cli_error_text(rc));
    } else {
        const char *out = cli->json && reply.json_bytes ? reply.json : reply.text;
        size_t len = strlen(out);

        fputs(out, stdout);
        if (len && out[len - 1] != '\n')
            putchar('\n');
    }
    cairn_reply_free(&reply);
    cairn_shutdown(c);
    return rc < 0 || fflush(stdout) ? 1 : 0;
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
    rc = options_take(&cli, argc, argv);
    if (rc == 0 && (cli.argc == 0 || strcmp(cli.argv[0], "--help") == 0)) {
        fputs(help, cli.argc ? stdout : stderr);
        rc = cli.argc ? 0 : 2;
    } else if (rc == 0 && strcmp(cli.argv[0], "--version") == 0) {
        printf("cairn %s\n", PACKAGE_VERSION);
    } else if (rc == 0) {
        rc = run(&cli);
    }
    free(cli.argv);
    return rc;
}
