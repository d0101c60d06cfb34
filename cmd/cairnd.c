/* cairnd.c - one role of a cluster as a process: cairnd mon|osd|s3 --conf FILE --id ID.
 *
 * A role's folder is made on first use; one that exists but is empty is refused, since that is what
 * a disk that was not mounted looks like.  Exit codes: 0 stopped cleanly (by a signal or by an
 * operator's `cairn osd stop`), 1 it failed, 2 wrong usage. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "config.h"
#include "core/base/json.h"
#include "core/env/env_real.h"
#include "core/env/file.h"
#include "core/mon/mon.h"
#include "core/osd/osd.h"
#include "node/node.h"

enum { READY_MS = 600000, CONF_BYTES_MAX = 1 << 20 };

struct daemon {
    enum node_role role;
    const char *role_name, *conf_path;
    int id;
    bool mkfs; /* also into an existing, empty folder */
    struct config conf;
    struct log_sink sink;
    struct node_start start;
};

static const char usage[] = "usage: cairnd mon|osd|s3 --conf FILE --id ID [--mkfs]\n"
                            "\n"
                            "Runs one role of the cluster of FILE (or CAIRN_CONF) in the "
                            "foreground.  --mkfs makes its store\n"
                            "in a folder that exists and is empty.  See cairnd(8).\n";

static int fail(const struct daemon *d, const struct note *why, int rc)
{
    fprintf(stderr, "%scairnd %s.%d: %s\n", isatty(2) ? "" : "<3>", d->role_name, d->id,
            why->text[0] ? why->text : reason_text(rc));
    return 1;
}

static bool args_take(struct daemon *d, int argc, char **argv)
{
    static const char *const names[] = {[NODE_MON] = "mon", [NODE_OSD] = "osd", [NODE_S3] = "s3"};
    const char *id = NULL;
    char *end;

    for (unsigned i = 0; argc > 1 && i < ARRAY_LEN(names); i++)
        if (strcmp(argv[1], names[i]) == 0) {
            d->role = (enum node_role)i;
            d->role_name = names[i];
        }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--mkfs") == 0)
            d->mkfs = true;
        else if (strcmp(argv[i], "--conf") == 0 && i + 1 < argc)
            d->conf_path = argv[++i];
        else if (strcmp(argv[i], "--id") == 0 && i + 1 < argc)
            id = argv[++i];
        else
            return false;
    }
    if (!d->conf_path)
        d->conf_path = getenv("CAIRN_CONF");
    if (!d->role_name || !d->conf_path || !id)
        return false;
    d->id = (int)strtol(id, &end, 10);
    return *id && !*end && d->id >= 0;
}

static int conf_read(struct daemon *d, struct note *why)
{
    struct env *env = env_blocking_create(&d->sink);
    AUTO(buf) text = {0};
    char instance[32];
    int rc = env ? file_read(env, d->conf_path, CONF_BYTES_MAX, &text) : -ENOMEM;

    if (env)
        env_blocking_destroy(env);
    config_defaults(&d->conf);
    snprintf(instance, sizeof(instance), "%s.%d", d->role_name, d->id);
    if (rc < 0)
        note_set(why, "%s: %s", d->conf_path, reason_text(rc));
    else
        rc =
            config_parse(&d->conf, d->conf_path, (const char *)buf_contiguous(&text, 0, text.bytes),
                         text.bytes, instance, why);
    if (rc == 0 && (!d->conf.cluster_fsid.s[0] || !d->conf.cluster_mons.s[0])) {
        note_set(why, "%s: cluster.fsid and cluster.mons must be set", d->conf_path);
        rc = -EINVAL;
    }
    return rc;
}

/* Where the role keeps its data, and where it listens. */
static int places_find(struct daemon *d, struct note *why)
{
    const char *own = d->role == NODE_MON ? d->conf.mon_data.s : d->conf.osd_data.s;
    const char *addr = d->role == NODE_OSD ? d->conf.osd_addr.s : d->conf.s3_addr.s;

    d->start = (struct node_start){.role = d->role, .id = d->id};
    if (d->role == NODE_MON) /* its address is that of its row in cluster.mons */
        addr = "127.0.0.1:0";
    if (own[0] && d->role != NODE_S3)
        snprintf(d->start.folder, sizeof(d->start.folder), "%s", own);
    else
        snprintf(d->start.folder, sizeof(d->start.folder), "%s/%s.%d", d->conf.cluster_data.s,
                 d->role_name, d->id);
    if (d->role == NODE_S3 && strcmp(addr, "off") == 0)
        return 0; /* no address: HTTPS only */
    if (net_addr_parse(addr, &d->start.addr) < 0) {
        note_set(why, "'%s' is no address to listen on (ADDR:PORT)", addr);
        return -EINVAL;
    }
    return 0;
}

/* 1: something is in it; 0: empty; -ENOENT: not there. */
static int folder_state(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    int state = 0;

    if (!dir)
        return -errno;
    while ((e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, "lost+found") != 0)
            state = 1;
    closedir(dir);
    return state;
}

static int store_make(struct daemon *d, struct note *why)
{
    struct env *env;
    struct mon_members members;
    uint8_t fsid[16];
    int rc = d->role == NODE_S3 ? 1 : folder_state(d->start.folder);

    if (rc == 1)
        return 0;
    if (rc == 0 && !d->mkfs) {
        note_set(why, "%s is empty: is its disk mounted?  --mkfs makes a new store there",
                 d->start.folder);
        return -ENOENT;
    }
    if (rc < 0 && rc != -ENOENT) {
        note_set(why, "%s: %s", d->start.folder, strerror(-rc));
        return rc;
    }
    env = env_blocking_create(&d->sink);
    if (!env)
        return -ENOMEM;
    rc = config_fsid(&d->conf, fsid);
    if (rc < 0) {
        note_set(why, "cluster.fsid is no UUID: '%s'", d->conf.cluster_fsid.s);
    } else if (d->role == NODE_MON) {
        rc = mon_members_parse(d->conf.cluster_mons.s, &members, why);
        if (rc == 0)
            rc = mon_mkfs(env, d->start.folder, fsid, (uint32_t)d->id, &members, why);
    } else {
        struct osd_conf oc = {.id = {d->id}, .conf = &d->conf, .folder = d->start.folder};

        rc = osd_mkfs(env, &oc, fsid, why);
    }
    env_blocking_destroy(env);
    return rc;
}

/* Until a signal asks to stop, or an operator stopped the role. */
static void serve(struct node *n, const sigset_t *set)
{
    struct pollfd fds[2] = {{.fd = signalfd(-1, set, SFD_CLOEXEC), .events = POLLIN},
                            {.fd = node_event_fd(n), .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t drop;

    while (!node_stopped_by_operator(n)) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if ((fds[1].revents & POLLIN) && read(fds[1].fd, &drop, sizeof(drop)) < 0)
            continue;
        if (!(fds[0].revents & POLLIN) ||
            read(fds[0].fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            continue;
        if (info.ssi_signo != SIGHUP)
            break;
        node_reload(n);
    }
    close(fds[0].fd);
}

static int run(struct daemon *d)
{
    struct node_conf nc = {.sink = &d->sink, .reactors = 1};
    struct node *n = NULL;
    struct note why = {{0}};
    struct net_addr addr;
    sigset_t set;
    int rc;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    rc = conf_read(d, &why);
    if (rc == 0)
        rc = places_find(d, &why);
    if (rc == 0)
        rc = store_make(d, &why);
    nc.conf = d->conf;
    d->sink.level_max = (enum log_level)d->conf.cluster_log_level;
    if (rc == 0)
        rc = node_create(&nc, &n, &why);
    if (rc == 0)
        rc = node_start(n, &d->start);
    if (rc == 0)
        rc = node_wait(n, READY_MS, &why);
    if (rc == 0 && node_addr(n, d->role, d->id, &addr) == 0) {
        printf("cairnd %s.%d is ready on %s\n", d->role_name, d->id, addr.s);
        fflush(stdout);
        serve(n, &set);
    }
    node_destroy(n);
    return rc < 0 ? fail(d, &why, rc) : 0;
}

int main(int argc, char **argv)
{
    struct daemon d = {0};

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("cairnd %s\n", PACKAGE_VERSION);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return fputs(usage, stdout) < 0;
    if (!args_take(&d, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    json_setup();
    log_sink_fd_init(&d.sink, 2, !isatty(2), LOG_INFO, NULL);
    return run(&d);
}
