/* up.c - `cairn up`: a whole cluster in one process on one folder; and `cairn down`.
 *
 * Order: the folder and its lock, the core (up_core.c), a user, the gateway, then the files for
 * clients and the block that says how to use it.  Nothing is printed as ready before it answered.
 * With --detach the process that was called waits for that block, or for the reason why there is
 * none.  Killed at any moment, the first start too, the next one goes on from there. */
#include "cli/up.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/base/json.h"
#include "node/node.h"

enum { DOWN_MS = 60000 };

/* ---- starting ---- */

/* What listens on every address is reached by this machine's clients at its own. */
static void own_address(struct net_addr *a)
{
    const char *port = strrchr(a->s, ':');
    struct net_addr own;
    char text[sizeof(own.s)];

    if (!port || (strncmp(a->s, "0.0.0.0:", 8) != 0 && strncmp(a->s, "[::]:", 5) != 0))
        return;
    snprintf(text, sizeof(text), "%s%s", a->s[0] == '[' ? "[::1]" : "127.0.0.1", port);
    if (net_addr_parse(text, &own) == 0)
        *a = own;
}

static int s3_up(struct up *u, struct node *n, struct note *why)
{
    struct node_start start = {.role = NODE_S3};
    int rc = net_addr_parse(u->conf.s3_addr.s, &start.addr);

    if (rc < 0) {
        note_set(why, "'%s' is no address to listen on (ADDR:PORT)", u->conf.s3_addr.s);
        return rc;
    }
    rc = node_start(n, &start);
    if (rc == 0)
        rc = node_wait(n, UP_READY_MS, why);
    if (rc == -EADDRINUSE)
        note_set(why,
                 "%s is in use by another program; choose by --s3 ADDR:PORT (port 0: a free one)",
                 u->conf.s3_addr.s);
    if (rc == 0)
        rc = node_addr(n, NODE_S3, 0, &u->s3_bound);
    own_address(&u->s3_bound);
    return rc;
}

/* ---- the whole ---- */

static int all_up(struct up *u, struct node *n, struct note *why)
{
    struct cairn *c = NULL;
    int rc = up_core_start(u, n, &c, why);

    if (rc == 0)
        rc = up_user_make(u, c, why);
    if (rc == 0)
        rc = s3_up(u, n, why);
    if (rc == -R_UNSUPPORTED) /* a build without the gateway: objects only */
        rc = 0;
    if (rc == 0)
        rc = up_client_files_write(u, why);
    if (rc == 0)
        up_settle(u, n, c);
    cairn_shutdown(c);
    return rc;
}

static void signals_block(sigset_t *out_set)
{
    sigemptyset(out_set);
    sigaddset(out_set, SIGINT);
    sigaddset(out_set, SIGTERM);
    sigaddset(out_set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, out_set, NULL); /* before any thread: all of them inherit it */
    signal(SIGPIPE, SIG_IGN);
}

/* Tells whoever waits: the terminal, or the process that was called with --detach. */
static void report(FILE *to, const struct up *u, int rc, const struct note *why)
{
    if (rc == 0)
        up_block_print(u, to);
    else
        fprintf(to, "%s%s\n", u->detach ? "" : "cairn: cannot start: ",
                why->text[0] ? why->text : reason_text(rc));
    fflush(to);
}

static int serve(struct up *u, FILE *to)
{
    struct log_sink sink = {0};
    struct node *n = NULL;
    struct note why = {{0}};
    sigset_t set;
    int rc, got = 0;

    if (u->s3)
        snprintf(u->conf.s3_addr.s, sizeof(u->conf.s3_addr.s), "%s", u->s3);
    signals_block(&set);
    rc = up_node_create(u, &sink, &n, &why);
    if (rc == 0)
        rc = all_up(u, n, &why);
    if (u->detach)
        fprintf(to, "%c", rc == 0 ? '0' : '1');
    report(u->detach || rc == 0 ? to : stderr, u, rc, &why);
    if (u->detach)
        fclose(to);
    while (rc == 0 && (got = sigwaitinfo(&set, NULL)) != SIGINT && got != SIGTERM)
        if (got == SIGHUP) /* a hang-up of the terminal is no reason to stop serving */
            node_reload(n);
    if (rc == 0 && !u->detach)
        fprintf(stderr, "\nstopping\n");
    node_destroy(n);
    return rc < 0 ? 1 : 0;
}

/* Run in the background; wait for its report. */
static int detached(struct up *u)
{
    int ends[2], status = 0;
    char text[8192];
    size_t len = 0;
    ssize_t got;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return cli_fail("pipe: %s", strerror(errno));
    pid = fork();
    if (pid < 0)
        return cli_fail("fork: %s", strerror(errno));
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        struct note why = {{0}};
        FILE *to;

        close(ends[0]);
        to = fdopen(ends[1], "w");
        setsid();
        for (int fd = 0; fd < 3 && null >= 0; fd++)
            dup2(null, fd);
        if (!to)
            _exit(1);
        status = up_folder_open(u, &why); /* here: the lock belongs to this process */
        if (status == 0)
            _exit(serve(u, to));
        fprintf(to, "1");
        report(to, u, status, &why);
        fclose(to);
        _exit(1);
    }
    close(ends[1]);
    while (len + 1 < sizeof(text) &&
           ((got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0 ||
            (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    text[len] = 0;
    close(ends[0]);
    if (len && text[0] == '0') {
        fputs(text + 1, stdout);
        return fflush(stdout) ? 1 : 0;
    }
    waitpid(pid, &status, 0);
    text[strcspn(text, "\n")] = 0;
    return cli_fail("cannot start: %s",
                    len > 1 ? text + 1
                            : "it ended without a word; see the file 'log' in its folder");
}

static bool args_take(struct up *u)
{
    for (int i = 1; i < u->cli->argc; i++) {
        const char *name = u->cli->argv[i],
                   *value = i + 1 < u->cli->argc ? u->cli->argv[i + 1] : "";
        char *end;

        if (strcmp(name, "--detach") == 0) {
            u->detach = true;
        } else if (strcmp(name, "--osds") == 0) {
            unsigned long n = strtoul(value, &end, 10);

            if (!*value || *end || n < 1 || n > UP_OSDS_MAX) {
                cli_fail("--osds takes a number from 1 to %d", UP_OSDS_MAX);
                return false;
            }
            u->osds = (unsigned)n;
            i++;
        } else if (strcmp(name, "--s3") == 0 && *value) {
            struct net_addr addr;

            if (net_addr_parse(value, &addr) < 0) {
                cli_fail("--s3 takes ADDR:PORT, such as 127.0.0.1:7480, not '%s'", value);
                return false;
            }
            u->s3 = value;
            i++;
        } else {
            (void)cli_wrong(u->cli);
            return false;
        }
    }
    return true;
}

int cli_up(struct cli *cli)
{
    struct up u = {.cli = cli, .data = cli->data ? cli->data : "./cairn-data", .lock_fd = -1};
    struct note why = {{0}};
    int rc;

    if (!args_take(&u))
        return 2;
    if (u.detach)
        return detached(&u);
    rc = up_folder_open(&u, &why);
    return rc < 0 ? cli_fail("cannot start: %s", why.text[0] ? why.text : reason_text(rc))
                  : serve(&u, stdout);
}

int cli_down(struct cli *cli)
{
    struct pollfd gone = {.events = POLLIN};
    char conf[CLI_PATH_BYTES], lock[CLI_PATH_BYTES + 8];
    const char *data;
    long pid = 0;

    if (cli->argc > 1)
        return cli_wrong(cli);
    if (!cli_conf_path(cli, conf))
        return 1;
    data = dirname(conf);
    snprintf(lock, sizeof(lock), "%s/lock", data);
    if (access(lock, F_OK) < 0 && errno == ENOENT)
        return cli_fail(
            "%s is no folder of 'cairn up'; its daemons are stopped by whoever runs them", data);
    if (!up_running(data, &pid) || pid <= 0) {
        fprintf(stderr, "cairn: the cluster at %s is not running\n", data);
        return 0;
    }
    gone.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (gone.fd < 0 || kill((pid_t)pid, SIGTERM) < 0)
        return errno == ESRCH ? 0 : cli_fail("process %ld: %s", pid, strerror(errno));
    if (poll(&gone, 1, DOWN_MS) != 1)
        return cli_fail("process %ld is still stopping; see %s/log", pid, data);
    return 0;
}
