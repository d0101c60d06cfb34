/* bucket_offline.c - `cairn bucket check --offline`: the checker on a cluster that nobody uses.
 *
 * The core of a stopped cluster of `cairn up` is started inside this process, without a gateway,
 * and stopped when the check is done.  The folder's lock is held meanwhile, so `cairn up` waits its
 * turn, and one look is exact: nothing writes and nothing collects.  Stores are opened, replayed
 * and healed as by any start; killed, this leaves what a killed cluster leaves. */
#include <string.h>
#include <unistd.h>

#include "cli/buckets.h"
#include "cli/up.h"
#include "core/base/reason.h"
#include "node/node.h"

static int check_in(struct up *u, struct node *n)
{
    struct cairn_pool *index = NULL;
    struct cairn *c = NULL;
    struct note why = {{0}};
    int rc = up_core_start(u, n, &c, &why);

    if (rc < 0)
        return cli_fail("cannot start: %s", why.text[0] ? why.text : reason_text(rc));
    up_settle(u, n, c);
    fputs(u->warnings, stderr);
    rc = buckets_open(c, &index);
    if (rc == 0)
        rc = bucket_check_run(u->cli, c, index, 1);
    if (index)
        cairn_pool_close(index);
    cairn_shutdown(c);
    return rc;
}

int bucket_check_offline(struct cli *cli)
{
    struct up u = {.cli = cli, .data = cli->data ? cli->data : "./cairn-data", .lock_fd = -1};
    char conf[CLI_PATH_BYTES];
    struct log_sink sink = {0};
    struct node *n = NULL;
    struct note why = {{0}};
    long pid = 0;
    int rc;

    snprintf(conf, sizeof(conf), "%s/cairn.conf", u.data);
    if (access(conf, R_OK) < 0)
        return cli_fail("%s is no folder of 'cairn up'; choose one by --data. Of a cluster of "
                        "daemons stop the gateways, and check without --offline",
                        u.data);
    if (up_running(u.data, &pid))
        return cli_fail("the cluster at %s runs (process %ld): check it without --offline, or "
                        "stop it by 'cairn down'",
                        u.data, pid);
    rc = up_folder_open(&u, &why);
    if (rc == 0)
        rc = up_node_create(&u, &sink, &n, &why);
    if (rc < 0)
        return cli_fail("cannot start: %s", why.text[0] ? why.text : reason_text(rc));
    rc = check_in(&u, n);
    node_destroy(n);
    return rc;
}
