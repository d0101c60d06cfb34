/* put_int.h - a PUT in progress, shared by object_put.c, put_intent.c and put_link.c. */
#ifndef S3_BUCKET_PUT_INT_H
#define S3_BUCKET_PUT_INT_H

#include "s3/bucket/bucket_int.h"

enum put_intent_state {
    INTENT_NONE,
    INTENT_ASKED,  /* its row is being written or re-dated */
    INTENT_HELD,   /* stripes may be sent, the link may be tried */
    INTENT_UNSURE, /* nobody knows whether the row is there */
};

struct object_put {
    struct stream stream;
    struct bucket_layer *l;
    struct arena arena;
    struct s3_principal who;
    struct bytes bucket, key; /* in the arena */
    struct uuid id;           /* of the version or part, and of its stripes */
    struct uuid upload;
    uint32_t part_number; /* 0: an object */
    struct s3_condition cond;
    enum s3_acl acl;
    uint64_t size; /* announced; UINT64_MAX: unknown */
    struct writer headers, tags;
    void (*room)(void *arg); /* NULL after the commit or the abort */
    void *arg;

    enum { TURN_NEVER, TURN_WAITS, TURN_HAS } turn; /* never: small, waits for nobody */
    struct list turn_link;                          /* in layer->puts_waiting */
    struct buf held;                                /* taken, not sent */
    uint64_t total;                                 /* taken so far */
    uint64_t sent;                                  /* given to stripe writes so far */
    uint64_t flying_bytes;                          /* of stripe writes under way */
    uint32_t flying;
    struct list writes; /* stripe_write.link */
    uint64_t next_stripe;
    int rc; /* the first failure */

    enum put_intent_state intent;
    struct access ia;                  /* for the intent row, one thing after the other */
    uint64_t promised, promised_asked; /* bytes of stripes that the row allows for */
    uint64_t valid_ns;                 /* the intent was there after this time */
    uint64_t asked_ns;
    struct env_timer renew;

    struct env_timer kick; /* look again, from the loop */
    bool committing, linking, finished, disposing, going;
    bool told, tell_room; /* the user: of the failure; that there is room */
    uint8_t md5[16];
    struct s3_sum sum;
    object_info_fn *done;
    void *done_arg;
    struct object_info info;
    struct link link;                   /* of an object */
    struct access pa;                   /* of a part */
    struct writer part_was, upload_was; /* rows as they were read */
    bool had_part;
    int part_step, upload_step, intent_step; /* guards */
    uint32_t part_tries;
    struct link_rows *part_rows; /* owned */
};

/* Begin what can begin; called whenever something has changed. */
void put_pump(struct object_put *p);
void put_fail(struct object_put *p, int rc);
/* put_intent.c */
void put_intent_write(struct object_put *p);
void put_intent_dispose(struct object_put *p); /* ends with put_pump */
void put_intent_fired(struct env_timer *t);
void put_intent_key(const struct object_put *p, struct row_key *k);
void put_intent_renew(struct object_put *p); /* ends with put_pump */
/* put_link.c */
void put_link(struct object_put *p); /* ends with put_linked */
void put_linked(struct object_put *p, int rc);

#endif
