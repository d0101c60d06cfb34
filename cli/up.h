/* up.h - the parts of `cairn up`. */
#ifndef CLI_UP_H
#define CLI_UP_H

#include <stdio.h>

#include "cli/cli.h"
#include "core/base/addr.h"
#include "core/base/log.h"
#include "core/base/note.h"
#include "core/base/option.h"

struct up {
    struct cli *cli;
    const char *data;              /* as given */
    char folder[OPTION_STR_BYTES]; /* absolute */
    unsigned osds;                 /* asked for; 0: three, or as many as there are */
    const char *s3;                /* asked for, or NULL */
    bool detach;
    bool fresh; /* this run made the folder */
    int lock_fd;
    struct config conf;
    struct net_addr s3_bound;
    unsigned osd_count;
    char warnings[1024]; /* lines of the block */
    char access_key[64], secret_key[128];
};

enum { UP_OSDS_MAX = 64, UP_READY_MS = 60000 };

/* up_make.c */
int up_stores_make(struct up *u, struct log_sink *sink, struct note *why); /* sets osd_count */
/* Is there the store "mon.0", "osd.2"?  Its path either way. */
bool up_store_there(const struct up *u, const char *kind, unsigned id, char out[CLI_PATH_BYTES]);

/* up_core.c: a node of this folder, with log and stores; then monitor and OSDs in it, and a client
 * of them.  0, or a negative code with `why`. */
struct node;
int up_node_create(struct up *u, struct log_sink *sink, struct node **out_n, struct note *why);
int up_core_start(struct up *u, struct node *n, struct cairn **out_c, struct note *why);

/* up_ready.c: what `cairn up` asks of its cluster, as a client of it. */
int up_connect(struct up *u, struct cairn **out_c, struct note *why);
int up_user_make(struct up *u, struct cairn *c, struct note *why); /* sets the keys */
void up_settle(struct up *u, struct node *n, struct cairn *c);

/* up_files.c: the folder and what stands in it.  0, or a negative code with `why`. */
int up_folder_open(struct up *u,
                   struct note *why); /* makes it, locks it, reads or makes cairn.conf */
int up_conf_write(struct up *u,
                  struct note *why); /* cairn.conf with the addresses that were chosen */
int up_client_files_write(struct up *u, struct note *why); /* env, s3cfg, rclone.conf */
int up_keys_read(struct up *u); /* from env of an earlier run: 0 or -ENOENT */
bool up_running(const char *data, long *out_pid);
/* A line for the block; one that does not fit is left out. */
void up_warn(struct up *u, const char *fmt, ...) PRINTF_LIKE(2, 3);
void up_block_print(const struct up *u, FILE *out);

#endif
