/* fake_int.h - what the files of the fake bucket layer share. */
#ifndef TESTS_UNIT_S3_FAKE_INT_H
#define TESTS_UNIT_S3_FAKE_INT_H

#include "core/base/list.h"
#include "tests/unit/s3/fake_bucket.h"

struct fake_object {
    struct bytes key; /* owned */
    struct buf data;
    struct object_info info;
    struct s3_header header[S3_HEADERS_MAX], tag[S3_TAGS_MAX]; /* owned */
    struct object_part part[64];                               /* of a completed upload */
    uint32_t part_count;
};

struct fake_part {
    uint32_t number;
    struct buf data;
    uint8_t md5[16];
    struct s3_sum sum;
};

struct fake_upload {
    struct list link;
    char id[S3_UPLOAD_ID_LEN + 1];
    struct bytes bucket, key;
    struct s3_header header[S3_HEADERS_MAX], tag[S3_TAGS_MAX];
    uint32_t header_count, tag_count;
    enum s3_acl acl;
    struct s3_sum sum;
    struct fake_part part[64];
    uint32_t part_count;
};

struct fake_bucket {
    struct list link;
    char name[S3_BUCKET_NAME_MAX + 1];
    struct fake_object **object; /* owned, by key */
    uint32_t count;
    struct s3_header prop[8]; /* owned */
    uint32_t prop_count;
};

struct bucket_layer {
    struct env *env;
    struct fake_knobs knobs;
    struct list buckets, uploads;
    uint32_t open, serial, grants;
    struct bucket_counters counters;
};

struct call {
    struct env_task task;
    struct bucket_layer *l;
    int rc;
    void (*run)(struct call *c);
    union {
        bucket_done_fn *done;
        bucket_info_fn *info;
        object_info_fn *object;
        s3_user_fn *user;
        bucket_admit_fn *admit;
    };
    bool suspended; /* of a user */
    uint64_t bytes; /* of an admission */
    void *arg;
    bool owns;
    struct fake_bucket *bucket;
    struct fake_object *o; /* owned */
    struct object_get *get;
};

struct bytes fake_own(struct bytes b);
void fake_disown(struct bytes b);
void fake_own_headers(struct s3_header *to, const struct s3_header *from, uint32_t n);
void fake_disown_headers(struct s3_header *h, uint32_t n);
bool fake_begins(struct bytes b, struct bytes with);
void fake_must(int rc);
/* Alice owns everything; what others may is for ACLs to say. */
bool fake_owns(const struct s3_principal *who);
bool fake_public(const struct fake_bucket *b, enum s3_acl acl);
bool fake_listable(const struct fake_bucket *b);
const struct bytes *fake_prop(const struct fake_bucket *b, const char *name);
/* Does it hold of what is there, or not? */
int fake_judge(const struct s3_condition *c, const struct fake_object *o);
struct fake_object *fake_object_find(const struct fake_bucket *b, struct bytes key);

struct fake_bucket *fake_bucket_find(struct bucket_layer *l, struct bytes name);
struct fake_object *fake_object_copy(const struct fake_object *from);
void fake_object_store(struct fake_bucket *b, struct fake_object *o);
struct fake_upload *fake_upload_find(struct bucket_layer *l, struct bytes key, struct bytes id);
void fake_upload_free(struct fake_upload *u);
void fake_part_store(struct fake_upload *u, uint32_t number, const struct fake_object *o);

/* An answer from the loop; the caller fills in what `run` uses. */
struct call *fake_call(struct bucket_layer *l, int rc, void (*run)(struct call *), void *arg);
void fake_run_object(struct call *c);
int fake_answer(struct bucket_layer *l, int rc, bucket_done_fn *done, void *arg);

#endif
