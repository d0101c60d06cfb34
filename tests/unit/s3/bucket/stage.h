/* stage.h - gateways over a cluster in memory, and requests to them as plain structs.
 *
 * An act is one request: filled in, started inside a gateway's process, done some virtual time
 * later.  Its memory is libc's, so that it outlives the gateway that it was given to.  Bytes of
 * objects are made from a seed, and the seed is the ETag: whatever comes back can be checked by
 * itself. */
#ifndef TESTS_UNIT_S3_BUCKET_STAGE_H
#define TESTS_UNIT_S3_BUCKET_STAGE_H

#include "s3/bucket/bucket.h"
#include "tests/unit/s3/bucket/fake.h"
#include "tests/unit/t.h"

enum { GATES = 2, GATES_MAX = 5, ACT_ROWS = 1200, ACT_PARTS_MAX = 64, SETS_MAX = 4096 };

struct gate {
    struct sim_machine *m;
    struct env *env;
    struct bucket_layer *l; /* NULL: not started */
    unsigned life;
    bool ready, stopped;
    int ready_rc;
};
/* What a completed upload consists of. */
struct part_set {
    uint64_t id; /* as etag_id */
    unsigned count;
    uint64_t seed[ACT_PARTS_MAX], size[ACT_PARTS_MAX];
};
struct stage {
    struct sim *sim;
    struct fake fake;
    struct gate gate[GATES_MAX]; /* the first GATES, but in the simulated cluster */
    struct bucket_conf conf;
    struct part_set *sets;
    unsigned set_count;
};

enum act_kind {
    ACT_CREATE,
    ACT_DROP,
    ACT_STAT,
    ACT_PEEK,
    ACT_PROP,
    ACT_CHANGE,
    ACT_BUCKETS,
    ACT_PUT,
    ACT_GET,
    ACT_HEAD,
    ACT_DELETE,
    ACT_LIST,
    ACT_UPLOAD,
    ACT_COMPLETE,
    ACT_ABORT,
    ACT_PARTS,
    ACT_UPLOADS,
    ACT_COLLECT,
    ACT_USER,
    ACT_USAGE,
    ACT_COPY,
    ACT_ADMIT,
    ACT_KINDS
};
struct act_row {
    char name[S3_KEY_MAX + 1];
    bool is_prefix;
    uint64_t id, size;
    uint32_t number; /* of a part */
    char upload[S3_UPLOAD_ID_LEN + 1];
};
struct act {
    enum act_kind kind;
    struct stage *st;
    struct gate *g;
    unsigned life; /* of the gate */
    const char *who;
    char bucket[80], key[S3_KEY_MAX + 8];
    char from[S3_KEY_MAX + 8], from_bucket[80]; /* of a copy; no bucket: the same */
    /* in */
    uint64_t seed, size, chunk, pause_ns; /* put; get: pause between pieces */
    bool unknown_size, give_up, short_body;
    struct s3_condition cond;
    const struct s3_header *tags; /* of a change: none means its ACL */
    uint32_t tag_count;
    enum s3_acl acl;
    struct s3_sum sum;
    const char *prop;  /* its value; `key` is its name */
    uint64_t off, len; /* get; len 0: all */
    char upload[S3_UPLOAD_ID_LEN + 1];
    uint32_t part_number;
    struct upload_part parts[ACT_PARTS_MAX];
    unsigned part_count;
    const char *prefix, *delimiter;
    char after[S3_KEY_MAX + 8], after_upload[S3_UPLOAD_ID_LEN + 1];
    uint32_t max;
    const struct s3_header *headers;
    uint32_t header_count;
    /* out */
    bool started, done, truncated;
    bool bad_bytes; /* what was read is not what was written */
    int rc;
    uint64_t began_ns, ended_ns;
    uint64_t id, got_size, mtime_ns;
    uint32_t etag_parts, header_got;
    char header_name[64], header_value[64], tag_value[64];
    uint32_t tags_got, told_count;
    enum s3_acl acl_got;
    struct s3_sum sum_got;
    const struct object_part *told; /* while the get is open */
    struct object_part told_last;
    struct act_row *rows; /* ACT_ROWS of them, owned, when there are any */
    unsigned row_count;
    char next[S3_KEY_MAX + 8];
    struct bucket_usage usage;
    char user[S3_USER_NAME_MAX + 1], secret[S3_SECRET_MAX + 1];
    bool suspended;
    struct s3_quota quota; /* an admission's: of the user; in */
    struct s3_quota more;  /* ... what is asked for */
    /* under way */
    struct object_put *put;
    struct object_get *get;
    uint64_t at; /* bytes given or got */
    struct env_timer timer;
    bool waiting; /* for room */
    uint32_t pieces;
};

void stage_init(struct stage *st, uint64_t seed); /* with both gates ready */
void stage_fini(struct stage *st); /* stops what runs; checks that all was given back */
void stage_run(struct stage *st, uint64_t ns);
void gate_start(struct stage *st, unsigned i);
void gate_wait_ready(struct stage *st, unsigned i);
void gate_stop(struct stage *st, unsigned i);
void gate_kill(struct stage *st, unsigned i);

void act_start(struct stage *st, unsigned gate, struct act *a);
/* Starts it and lets time pass until it is done; returns its rc. */
int act_do(struct stage *st, unsigned gate, struct act *a);
void act_fini(struct act *a);
uint64_t etag_id(const struct s3_etag *e);
uint64_t parts_id(const struct upload_part *parts, unsigned count);
void md5_of_seed(uint64_t seed, uint8_t out[16]);
/* Every stripe has one who refers to it, and every reference its stripes.  Returns the number of
 * faults, each printed; the others count rows of the index. */
unsigned stage_audit(struct stage *st, unsigned *out_intents, unsigned *out_garbage,
                     unsigned *out_shards);

/* The same by the checker of `cairn bucket check`: how many findings, the last of them in `text`.
 */
unsigned stage_verify(struct stage *st, char text[512]);

/* Short forms, by alice in the bucket "box". */
int do_create(struct stage *st, unsigned gate, const char *bucket);
int do_drop(struct stage *st, unsigned gate, const char *bucket);
int do_put(struct stage *st, unsigned gate, const char *key, uint64_t seed, uint64_t size);
int do_delete(struct stage *st, unsigned gate, const char *key);
int do_copy(struct stage *st, unsigned gate, const char *from, const char *key);
/* rc of a GET whose bytes were checked; *out_id which version. */
int do_get(struct stage *st, unsigned gate, const char *key, uint64_t *out_id);
void do_collect(struct stage *st, unsigned gate);

/* A stage with the bucket "box"; its end, with an audit. */
void stage_begin(struct stage *st);
void stage_end(struct stage *st);
/* Everything that can be collected is. */
void collect_all(struct stage *st, unsigned gate);
unsigned data_objects(const struct stage *st);
/* Versions that refer to the data objects of this id; 0: there is no list of them. */
unsigned refs_of(struct stage *st, size_t data_object);
/* a row of names: names, common prefixes with a star, and where a cut page goes on. */
char *listing(struct stage *st, const char *prefix, const char *delimiter, const char *after,
              uint32_t max, char *out);
/* Begin an upload and put its parts (numbers 1, 4, 7, ...); sizes are in the seeds. */
void upload_begin(struct stage *st, struct act *complete, const char *key, const uint64_t *seeds,
                  unsigned count);
extern const uint64_t three_parts[3]; /* of 5000, 1000 and 7 bytes */
/* Until so many more operations have come to the cluster. */
void run_ops(struct stage *st, uint64_t n);
/* Killed, and started anew. */
void gate_again(struct stage *st, unsigned i);

/* The object "src" of several data objects, for copies; how many. */
enum { STRIPED, MANIFEST, SOURCES };
unsigned source_make(struct stage *st, unsigned kind);
void source_begin(struct stage *st, unsigned kind); /* in a stage of its own */
/* What is left of src, copy, copy2, copy3 must be whole, then go without a trace. */
void nothing_stays(struct stage *st);

#endif
