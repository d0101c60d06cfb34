/* cli.c - what every verb needs: messages, and the cluster that is meant. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/reason.h"

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
    if (cli_cluster_stopped(path)) {
        cli_fail("the cluster of %s is not running; 'cairn up' starts it", path);
        return NULL;
    }
    rc = cairn_connect(path, cli->timeout_ms ? cli->timeout_ms : 10000, &c, why, sizeof(why));
    if (rc < 0) {
        cli_fail("cannot reach the cluster of %s: %s", path, why[0] ? why : cli_error_text(rc));
        return NULL;
    }
    return c;
}
