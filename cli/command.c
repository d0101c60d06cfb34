/* command.c - a command to the monitors, as it stands in argv; wrong usage never leaves here. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/mon/mon_table.h"

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
