/* up_core.c - the core of a cluster on one folder: its log, its stores, the monitor, the OSDs.
 *
 * `cairn up` puts a gateway on top of it; what must look at a cluster without any (`cairn bucket
 * check --offline`) runs the core alone. */
#include "cli/up.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/base.h"
#include "node/node.h"

/* ---- the log ---- */

static uint64_t wall_ns(struct log_sink *sink)
{
    struct timespec t;

    (void)sink;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int log_open(const struct up *u, struct log_sink *sink, struct note *why)
{
    char path[CLI_PATH_BYTES];
    int fd;

    snprintf(path, sizeof(path), "%s/log", u->folder);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) {
        note_set(why, "%s: %s", path, strerror(errno));
        return -EIO;
    }
    log_sink_fd_init(sink, fd, false, (enum log_level)u->conf.cluster_log_level, wall_ns);
    if (u->detach && dup2(fd, 2) < 0) /* what an assertion says as it ends the process */
        return -errno;
    return 0;
}

/* ---- starting ---- */

/* Could we listen there?  Somebody else may have taken the port since the last time. */
static bool addr_free(const struct net_addr *addr)
{
    struct sockaddr_storage sa;
    unsigned len = net_addr_sockaddr(addr, &sa);
    int one = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ours = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                bind(fd, (struct sockaddr *)&sa, len) == 0;

    if (fd >= 0)
        close(fd);
    return ours;
}

/* The monitor at its last address, or at a free one. */
static int mon_up(struct up *u, struct node *n, struct note *why)
{
    const char *last = strchr(u->conf.cluster_mons.s, '=');
    struct node_start start = {.role = NODE_MON};
    struct net_addr bound;
    int rc;

    if (!last || net_addr_parse(last + 1, &bound) < 0 || !addr_free(&bound))
        snprintf(u->conf.cluster_mons.s, sizeof(u->conf.cluster_mons.s), "0=127.0.0.1:0");
    *node_config(n) = u->conf;
    (void)up_store_there(u, "mon", 0, start.folder);
    rc = node_start(n, &start);
    if (rc == 0)
        rc = node_wait(n, UP_READY_MS, why);
    if (rc == 0)
        rc = node_addr(n, NODE_MON, 0, &bound);
    if (rc < 0)
        return rc;
    snprintf(u->conf.cluster_mons.s, sizeof(u->conf.cluster_mons.s), "0=%s", bound.s);
    *node_config(n) = u->conf;
    return up_conf_write(u, why);
}

static int osds_up(struct up *u, struct node *n, struct note *why)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < u->osd_count; i++) {
        struct node_start start = {.role = NODE_OSD, .id = (int)i, .may_wait = true};

        (void)up_store_there(u, "osd", i, start.folder);
        (void)net_addr_parse("127.0.0.1:0", &start.addr);
        rc = node_start(n, &start);
    }
    if (rc == 0)
        rc = node_wait(n, UP_READY_MS, why);
    for (unsigned i = 0; rc == 0 && i < u->osd_count; i++) {
        struct note trouble = {{0}};

        if (node_trouble(n, NODE_OSD, (int)i, &trouble))
            up_warn(u, "osd.%u does not start, the others go on without it: %s", i, trouble.text);
    }
    return rc;
}

/* ---- the whole ---- */

int up_node_create(struct up *u, struct log_sink *sink, struct node **out_n, struct note *why)
{
    struct node_conf nc = {.conf = u->conf, .sink = sink};
    int rc = log_open(u, sink, why);

    if (rc == 0 && u->fresh) /* before the stores, which are of its fsid */
        rc = up_conf_write(u, why);
    if (rc == 0)
        rc = up_stores_make(u, sink, why);
    return rc == 0 ? node_create(&nc, out_n, why) : rc;
}

int up_core_start(struct up *u, struct node *n, struct cairn **out_c, struct note *why)
{
    int rc = mon_up(u, n, why);

    if (rc == 0)
        rc = osds_up(u, n, why);
    return rc == 0 ? up_connect(u, out_c, why) : rc;
}
