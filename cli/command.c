/* command.c - a command to the monitors, as it stands in argv.  How many words there are is seen
 * here; what is wrong with one of them they tell. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/json.h"
#include "core/mon/mon_table.h"

/* Gateways ask `user find` for the secret key; people see it when it is made, and not again. */
static bool told_secret(const struct cli *cli)
{
    return strcmp(cli->argv[0], "user") == 0 && strcmp(cli->argv[1], "find") == 0;
}

static int without_secret(const struct cairn_reply *reply)
{
    json_t *all = json_loadb(reply->json, reply->json_bytes, 0, NULL);
    int rc = json_object_del(all, "secret_key");

    if (rc == 0)
        rc = json_dumpf(all, stdout, JSON_COMPACT);
    json_decref(all);
    putchar('\n');
    return rc < 0 ? cli_fail("the answer of the monitors is not as it should be") : 0;
}

static int result_print(const struct cli *cli, const struct cairn_reply *reply)
{
    bool json = cli->json && reply->json_bytes;
    const char *out = json ? reply->json : reply->text;
    size_t len = strlen(out);

    if (json && told_secret(cli))
        return without_secret(reply);
    fputs(out, stdout);
    if (len && out[len - 1] != '\n')
        putchar('\n');
    return 0;
}

int cli_mon_command(struct cli *cli)
{
    return cli_mon_command_with(cli, NULL, 0);
}

int cli_mon_command_with(struct cli *cli, const void *input, size_t input_bytes)
{
    struct cairn_reply reply;
    struct note why = {{0}};
    struct cairn *c;
    uint32_t words;
    int rc;

    if (!mon_command_find((uint32_t)cli->argc, cli->argv, &words, &why))
        return cli_wrong(cli);
    c = cli_connect(cli);
    if (!c)
        return 1;
    rc = cairn_command(c, cli->argc, (const char *const *)cli->argv, input, input_bytes,
                       cli->timeout_ms, &reply);
    if (rc < 0)
        rc = cli_fail("%s", reply.text && reply.text[0] ? reply.text : cli_error_text(rc)) +
             (rc == -EINVAL); /* 2: wrong usage */
    else
        rc = result_print(cli, &reply);
    cairn_reply_free(&reply);
    cairn_shutdown(c);
    return rc ? rc : fflush(stdout) != 0;
}
