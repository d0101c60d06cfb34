/* node.h - the roles of one process: started, watched, restarted, stopped.
 *
 * `cairn up` puts every role of a small cluster into one node, `cairnd` one role.  Roles are spread
 * over the reactors; those of one node reach each other through mailboxes.
 *
 * A role that stops itself (its disk failed, say) is stopped cleanly and started again after a
 * pause that doubles up to 30 s; the others go on.  An OSD that an operator stopped (`cairn osd
 * stop N`) stays down until the osdmap says that it may run again.
 *
 * Threads: create, start, stop and destroy from one thread that is no reactor (main). */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "core/base/addr.h"
#include "core/base/log.h"
#include "core/base/note.h"
#include "core/base/option.h"

struct node;
struct node_conf {
    struct config conf;    /* the node's own copy */
    struct log_sink *sink; /* borrowed */
    unsigned reactors;     /* 0: what the configuration says */
};
int node_create(const struct node_conf *conf, struct node **out_node, struct note *why);
/* Stops what runs, in the order: gateways, OSDs, monitors.  NULL is fine. */
void node_destroy(struct node *n);
struct config *
node_config(struct node *n); /* for changes between starts: addresses that were chosen */

enum node_role { NODE_MON, NODE_OSD, NODE_S3 };
struct node_start {
    enum node_role role;
    int id;
    char folder[4096];    /* mon, osd */
    struct net_addr addr; /* where it listens; port 0: a free one */
    bool may_wait;        /* OSD: one that an operator stopped counts as ready, and one that cannot
                             start while others do: it is tried again and again */
};
/* Begin to start a role; node_wait tells how it went.  0 or -ENOMEM. */
int node_start(struct node *n, const struct node_start *start);
/* Wait until every role that was started is ready, or one failed to start: 0, or its code with
 * `why` ("osd.2: ...").  -ETIMEDOUT after `timeout_ms`. */
int node_wait(struct node *n, uint32_t timeout_ms, struct note *why);
/* What an operator may have replaced is read again: the certificate of HTTPS. */
void node_reload(struct node *n);
/* The address a role came to listen on; 0 or -ENOENT. */
int node_addr(struct node *n, enum node_role role, int id, struct net_addr *out_addr);
/* Did its last start fail, and why? */
bool node_trouble(struct node *n, enum node_role role, int id, struct note *out_why);
/* How many of these roles are there. */
unsigned node_count(struct node *n, enum node_role role);
/* Let every OSD tell the monitors at once how its PGs are. */
void node_report(struct node *n);
/* The one role of this process ended because an operator stopped it (cairnd exits then), and a
 * descriptor that becomes readable when that may have changed. */
bool node_stopped_by_operator(struct node *n);
int node_event_fd(struct node *n);

#endif
