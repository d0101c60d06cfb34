/* load_model.h - what objects must hold after a history of changes, and the journal of that
 * history.
 *
 * The journal is a text file with one line for each step, written before the step has consequences:
 *
 *     I OBJECT SEQ KIND OFF LEN    a change is about to be submitted
 *     A OBJECT SEQ                 it was acknowledged
 *     N OBJECT SEQ                 it did not run: refused, or found absent afterwards
 *
 * It outlives the kill of the cluster, and of the program that writes it.  An object has at most
 * one change without answer; it then holds the state before or after that change, nothing else.
 * Threads: model_* of different objects may run at once; journal_* from any thread. */
#ifndef TESTS_INTEGRATION_LOAD_MODEL_H
#define TESTS_INTEGRATION_LOAD_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_ROWS = 8, MODEL_BYTES_MAX = 4 << 20 };

enum change_kind {
    CHANGE_FULL = 'F',
    CHANGE_WRITE = 'W',
    CHANGE_APPEND = 'P',
    CHANGE_TRUNCATE = 'T',
    CHANGE_DELETE = 'D'
};
struct change {
    uint64_t seq; /* 0: none */
    enum change_kind kind;
    uint64_t off, len;
};

struct state {
    bool exists;
    unsigned char *data; /* owned */
    size_t bytes;
    uint64_t seq;              /* of the newest change, kept as an xattr of the object too */
    uint64_t rows[MODEL_ROWS]; /* omap: change SEQ sets row SEQ % MODEL_ROWS to SEQ; 0: none */
};
struct model_object {
    uint32_t id;
    struct state now;
    struct change pending; /* neither acknowledged nor known not to have run */
    uint64_t last_seq;     /* ever given to a change */
};
struct model {
    struct model_object *objects; /* owned */
    uint32_t count;
    int journal_fd;
    pthread_mutex_t lock; /* of the journal's order */
};

/* Exits with a message when there is no memory or the journal cannot be used: a test cannot go on.
 */
void model_open(struct model *m, const char *journal, uint32_t count);
void model_close(struct model *m);

void journal_intent(struct model *m, struct model_object *o, const struct change *c);
void journal_acknowledged(struct model *m, struct model_object *o); /* applies the pending change */
void journal_not_run(struct model *m, struct model_object *o);      /* drops it */

/* The bytes that a change writes: unlike those of any other change. */
void change_fill(uint32_t id, uint64_t seq, unsigned char *dst, size_t bytes);
/* A copy of the object's state with its pending change applied; release by state_free. */
void state_after_pending(const struct model_object *o, struct state *out_state);
void state_free(struct state *s);
/* NULL when they are equal, else in which way they differ (in `text`). */
const char *state_differs(const struct state *want, const struct state *got, char text[200]);

void *must_alloc(size_t bytes);

#endif
