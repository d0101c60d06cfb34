/* workload.h - what the clients of a simulated cluster do, and how it is judged.
 *
 * A workload owns its memory outside of processes.  It is told when a client can work and when its
 * process is gone; all it submits goes through libcairn on that client's env. */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include <stdio.h>

#include "tests/sim/cluster.h"

struct workload {
    /* Inside the process of `n`: its cluster is open, the load may begin or go on. */
    void (*client_up)(struct workload *w, struct node *n);
    /* Inside: it is about to be closed cleanly; every operation was answered. */
    void (*client_stops)(struct workload *w, struct node *n);
    /* It may be about to die: what has it counted?  Outside; may be NULL. */
    void (*client_count)(struct workload *w, struct node *n);
    /* The process is gone: what it had not been told, nobody knows.  Outside. */
    void (*client_down)(struct workload *w, struct node *n);
    /* After every event, outside; may be NULL. */
    void (*stepped)(struct workload *w);
    /* Everything was asked; everything was answered. */
    bool (*issued)(const struct workload *w);
    bool (*answered)(const struct workload *w);
    /* Inside the process of a client of the healthy cluster: read what is there at the end. */
    void (*final)(struct workload *w, struct node *n);
    /* The objects of the pool "hot", whose copies the audit compares; may be NULL. */
    uint32_t (*objects)(const struct workload *w);
    const char *(*object)(const struct workload *w, uint32_t i);
    /* May a store hold an object of this name after all that?  NULL: any. */
    bool (*may_stay)(const struct workload *w, const char *name);
    /* Judge.  False: reported through cluster_broken; details to `f`. */
    bool (*verify)(struct workload *w, FILE *f);
    /* Tell what is not answered. */
    void (*print)(const struct workload *w, FILE *f);
    /* Tell all that was asked of one object. */
    void (*print_history)(const struct workload *w, const char *name, FILE *f);
    void (*destroy)(struct workload *w);
};

/* Reads and writes of every kind on few objects; histories are checked for linearizability. */
struct workload *hot_create(struct cluster *cl);
/* Requests to gateways' bucket layers; answers are judged, and what is left in the stores. */
struct workload *boxes_create(struct cluster *cl);

#endif
