/* cli.h - what the verbs of the `cairn` command share.
 *
 * Exit codes: 0 done, 1 it failed (one line on stderr says why), 2 wrong usage.
 * stdout carries results only; everything said about them goes to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/client/include/cairn.h"

enum { CLI_PATH_BYTES = 4096 };

struct cli {
    const char *data;    /* --data; NULL: not given */
    const char *conf;    /* --conf; NULL: not given */
    bool json;           /* --json */
    bool quiet;          /* --quiet: no progress */
    bool help;           /* --help, -h */
    uint32_t timeout_ms; /* --timeout SECONDS; 0: the default */
    int argc;            /* the verb and what follows it */
    char **argv;
};

/* Each returns the exit code. */
int cli_up(struct cli *cli);
int cli_down(struct cli *cli);
int cli_object(struct cli *cli);
int cli_crush_test(struct cli *cli);
int cli_osd_fsck(struct cli *cli);
int cli_osd_switch(struct cli *cli); /* osd stop, osd start */
int cli_bucket(struct cli *cli);
int cli_usage(struct cli *cli);
int cli_user_create(struct cli *cli);
int cli_user_key(struct cli *cli);
int cli_user_rm(struct cli *cli);
int cli_mon_command(struct cli *cli); /* argv as it is, to the monitors' table */
int cli_mon_command_with(struct cli *cli, const void *input, size_t input_bytes);

int cli_help(struct cli *cli);      /* of the verb in argv, or the overview: to stdout */
int cli_help_verb(struct cli *cli); /* `cairn help [VERB]` */
int cli_wrong(struct cli *cli);     /* the same for wrong usage: to stderr; returns 2 */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* prints; returns 1 */
const char *cli_error_text(int rc);                                       /* of a libcairn errno */

/* The configuration's path, by --conf, --data, CAIRN_CONF or ./cairn-data.  False, with a message
 * printed, when there is none. */
bool cli_conf_path(const struct cli *cli, char out_path[CLI_PATH_BYTES]);
/* Is it the configuration of a `cairn up` that does not run? */
bool cli_cluster_stopped(const char *conf);
/* Connect, or print why not and return NULL. */
struct cairn *cli_connect(const struct cli *cli);

/* A line that is redrawn while something long runs; silent unless stderr is a terminal. */
struct progress {
    const char *what;
    uint64_t total; /* 0: unknown */
    uint64_t done, started_ns, shown_ns;
    bool on;
};
void progress_start(struct progress *p, const struct cli *cli, const char *what, uint64_t total);
void progress_add(struct progress *p, uint64_t bytes);
void progress_note(struct progress *p, const char *what); /* all of it went; this is awaited */
void progress_end(struct progress *p);                    /* clears the line */

#endif
