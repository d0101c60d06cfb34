/* boxes.h - what the files of the workload on buckets share. */
#ifndef TESTS_SIM_BOXES_H
#define TESTS_SIM_BOXES_H

#include "tests/sim/workload.h"
#include "tests/unit/s3/bucket/model.h"

enum { UPLOADS_LEFT_MAX = 64 };

enum phase {
    MAKE,
    LOAD,
    SETTLE,
    READ,
    LIST,
    COUNT,
    UPLOADS,
    ABORT,
    FULL,
    ROOM,
    DELETE,
    EMPTY,
    DROP,
    COLLECT,
    STOP,
    DONE
};

/* Where the split or merge of a gateway is (s3/bucket/mover.c). */
enum move_step {
    MOVE_IDLE,
    MOVE_PREPARE,
    MOVE_ANNOUNCE,
    MOVE_EARLY,
    MOVE_COPY,
    MOVE_ADOPT,
    MOVE_STEPS
};

/* Who dies, stands still or is cut off, and when (boxes_hurt.c). */
struct hurt {
    uint64_t next_ns; /* when the next one is due */
    unsigned gate, life;
    enum move_step wanted; /* whoever gets there is hurt at once; MOVE_IDLE: nobody is waited for */
    bool pause;            /* it only stands still */
    uint64_t wanted_until_ns;
    struct {
        struct sim_machine *gate, *osd; /* that do not reach each other; NULL: all do */
    } cut;
};

struct boxes {
    struct workload base;
    struct cluster *cl;
    struct model m;
    enum phase phase;
    uint64_t since_ns, until_ns;
    struct hurt hurt;
    struct act act; /* of MAKE and of the end */
    unsigned at;    /* key or upload */
    bool finals, stop_asked;
    struct s3_quota there; /* bytes and objects that were read at the end */
    unsigned left_count;
    struct {
        char key[S3_KEY_MAX + 1], upload[S3_UPLOAD_ID_LEN + 1];
    } left[UPLOADS_LEFT_MAX];
    struct node *node[CLIENTS_MAX];
};

void hurt_init(struct boxes *b);
/* With each turn of the load, when acts may just have begun. */
void hurt_some(struct boxes *b);
/* After every event. */
void hurt_step(struct boxes *b);
/* This gateway dies: what was it doing? */
void hurt_count(struct boxes *b, unsigned gate);

#endif
