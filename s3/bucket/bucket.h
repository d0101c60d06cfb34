/* bucket.h - buckets and objects as S3 means them, kept as objects of two pools (README.md).
 *
 * The layer below HTTP: no sockets, no XML, no signatures.  A struct bucket_layer belongs to one
 * env; any number of gateways work on the same pools at the same time, and any may die at any
 * instruction.
 *
 * Every call that takes a callback returns 0 and then calls back exactly once, from the loop, never
 * inside the call; or it returns a negative code and never calls back.  Arguments (struct bytes,
 * names, headers) are copied before the call returns.  What a callback is given is borrowed: good
 * until it returns, unless it says otherwise.
 *
 * Codes (0, -errno, -R_X), as HTTP may map them:
 *   NO_BUCKET BUCKET_EXISTS (another's) BUCKET_YOURS BUCKET_NOT_EMPTY BAD_BUCKET_NAME BUCKET_BUSY
 *   NO_KEY KEY_TOO_LONG BAD_KEY PRECONDITION NO_UPLOAD BAD_PART BAD_PART_ORDER PART_TOO_SMALL
 *   ENTITY_TOO_LARGE META_TOO_LARGE BAD_DIGEST SUM_KIND SIZE_DIFFERS DENIED NO_USER INTENT_LOST
 *   DATA_LOST COPIES_FULL
 *   -ENOMEM, -EAGAIN and the client's own (NO_POOL, STOPPED, -ETIMEDOUT, ...): 503, try again.
 * After such a failure of a change nobody knows whether it took place, as with any S3 error 5xx.
 *
 * Threads: the env's reactor. */
#ifndef S3_BUCKET_BUCKET_H
#define S3_BUCKET_BUCKET_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/base/metrics.h"
#include "core/base/note.h"
#include "core/env/env.h"
#include "s3/auth/checksum.h"

struct cairn;
struct bucket_layer;

enum {
    S3_USER_NAME_MAX = 64,
    S3_ACCESS_KEY_MAX = 128,
    S3_SECRET_MAX = 128,
    S3_BUCKET_NAME_MIN = 3,
    S3_BUCKET_NAME_MAX = 63,
    S3_KEY_MAX = 1024,           /* bytes; UTF-8 without NUL */
    S3_HEADERS_MAX = 100,        /* kept with one object */
    S3_HEADERS_BYTES_MAX = 8192, /* names and values */
    S3_TAGS_MAX = 10,            /* of one object */
    S3_BUCKET_TAGS_MAX = 50,
    S3_TAG_KEY_MAX = 512,    /* bytes: 128 characters */
    S3_TAG_VALUE_MAX = 1024, /* 256 characters */
    S3_PART_NUMBER_MAX = 10000,
    S3_UPLOAD_ID_LEN = 32, /* lower-case hexadecimal digits */
    S3_LIST_MAX = 1000,
};
#define S3_PART_BYTES_MIN   MIB(5)
#define S3_OBJECT_BYTES_MAX (UINT64_C(5) << 40)
#define S3_PUT_BYTES_MAX    (UINT64_C(5) << 30) /* of one PUT or one part */

/* What a user's buckets, or a bucket, may hold; 0: no limit. */
struct s3_quota {
    uint64_t bytes, objects;
};

/* Who asks.  Only s3/auth makes one: from a request whose signature it has verified, or, for one
 * without a signature, the anonymous one, which owns nothing and may do what is open to all. */
#define S3_ANONYMOUS "*"
struct s3_principal {
    char name[S3_USER_NAME_MAX + 1];
    bool anonymous; /* its name, S3_ANONYMOUS, is one that no user can have */
    struct s3_quota quota;
};

/* ---- the layer ---- */

struct bucket_conf {
    uint32_t stripe_bytes;          /* of one data object; 0: 4 MiB */
    uint32_t window_objects;        /* data objects in flight of one PUT or GET; 0: 4 */
    uint64_t put_bytes_max;         /* held by all PUTs together; more of them wait; 0: 256 MiB */
    uint64_t get_bytes_max;         /* held by all GETs together; then small pieces; 0: 128 MiB */
    uint32_t inline_bytes_max;      /* smaller objects lie in the index; 0: 16 KiB (the most) */
    uint32_t call_timeout_ms;       /* no operation is waited for longer; 0: 120,000 */
    uint32_t background_timeout_ms; /* of a call that nobody waits for; 0: 5,000 */
    uint32_t reader_grace_ms;       /* unlinked data is kept at least so long; 0: 900,000 */
    uint32_t intent_stale_ms;       /* an intent untouched for so long is given up; 0: 3,600,000 */
    uint32_t collect_every_ms;      /* pause between rounds of the collector; 0: 60,000 */
    uint32_t collect_rows_max;      /* rows a round works off of one shard; 0: 1,000 */
    uint32_t upload_keep_ms; /* result of a completed upload is kept for a repeat; 0: 86,400,000 */
    uint32_t part_bytes_min; /* of every part but the last; 0: 5 MiB */
    uint32_t shard_entries_max; /* more make an index shard split; 0: 10,000 */
    uint64_t shard_bytes_max;   /* likewise, bytes of its rows; 0: 32 MiB */
    uint32_t split_batch_keys; /* keys that are copied at once while their writers wait; 0: 1,000 */
    uint32_t split_wait_ms;    /* after this a writer takes back what is being copied; 0: 60 */
    uint32_t user_ttl_ms;      /* 0: 10,000 */
    uint32_t user_stale_ms;    /* an old answer stands in while none comes; 0: 600,000 */
    uint32_t no_user_ttl_ms;   /* 0: 3,000 */
    uint32_t quota_age_ms;     /* how old what is known of a bucket's contents may be; 0: 5,000 */
    uint32_t quota_user_age_ms; /* of all a user's buckets; 0: 30,000 */
    bool no_collector;          /* it runs only by bucket_collect */
    bool no_pools;              /* do not make the pools; they are there */
};

/* `cluster` (borrowed) was opened on `env` and outlives the layer.  The pools s3.index and s3.data
 * are made if they are missing, then `ready(arg, 0)`; calls may come before that, and wait.  0, or
 * -ENOMEM. */
int bucket_layer_start(struct env *env, struct cairn *cluster, const struct bucket_conf *conf,
                       void (*ready)(void *arg, int rc), void *arg,
                       struct bucket_layer **out_layer);
/* New calls fail with -R_STOPPED, what runs is cancelled and called back, then `stopped(arg)` from
 * the loop; the layer is gone then.  PUTs and GETs in progress fail (`room` and `piece` tell), and
 * their owners still abort and close them: the stop waits for that. */
void bucket_layer_stop(struct bucket_layer *l, void (*stopped)(void *arg), void *arg);

struct bucket_counters {
    struct counter puts, puts_inline, puts_aborted, gets, deletes, heads, lists;
    struct counter copies;          /* without their bytes */
    struct counter link_retries;    /* the entry had changed meanwhile */
    struct counter shard_refreshes; /* a shard's row had changed meanwhile */
    struct counter renewals;        /* of readers and of intents */
    struct counter collected_versions, collected_objects, stale_intents, shards_deleted;
    struct counter deletes_undone; /* deletions of buckets that another gateway rolled back */
    struct counter shard_splits, shard_merges, moved_entries;
    struct counter move_waits, moves_undone; /* writers that waited for a copy; that took it back */
    struct gauge gets_open, puts_open, put_bytes, get_bytes;
    struct counter silences;         /* objects that did not answer background work in time */
    struct gauge silent;             /* ... and have not yet */
    struct gauge move_freeze_us_max; /* the longest copy, from mark to adoption */
    struct gauge move_wait_us_max;   /* the longest that a write took which had to wait for one */
};
const struct bucket_counters *bucket_counters(const struct bucket_layer *l);
int bucket_metrics(struct bucket_layer *l, struct metric_set *set); /* at start-up; 0 or -ENOMEM */

/* ---- users ---- */

struct s3_user {
    char name[S3_USER_NAME_MAX + 1];
    char access_key[S3_ACCESS_KEY_MAX + 1];
    char secret_key[S3_SECRET_MAX + 1]; /* never logged */
    bool suspended;                     /* its signatures hold, and nothing is granted */
    struct s3_quota quota;              /* of all its buckets together */
};
/* -R_NO_USER when there is none.  `user` is NULL unless rc is 0.  Cached: what `cairn user` changes
 * counts within user_ttl_ms on a gateway that reaches the monitors, within user_stale_ms on one
 * that does not; requests already begun go on. */
typedef void s3_user_fn(void *arg, int rc, const struct s3_user *user);
int bucket_user(struct bucket_layer *l, struct bytes access_key, s3_user_fn *done, void *arg);

/* ---- buckets ---- */

/* 3 to 63 of a-z 0-9 . -, beginning and ending with a letter or digit, no "..", ".-", "-.", not an
 * IPv4 address. */
bool bucket_name_valid(struct bytes name);
/* It begins or ends with what S3 keeps for itself: no bucket is made of that name.  Such lists
 * grow; a bucket that is there stays. */
bool bucket_name_reserved(struct bytes name);

typedef void bucket_done_fn(void *arg, int rc);

struct s3_header { /* kept and given back as they are: content-type, x-amz-meta-..., tags */
    struct bytes name, value;
};

/* What is kept with a bucket under a name.  The layer itself looks at the first three, which decide
 * what others than the owner may do. */
#define S3_PROP_ACL       "acl"           /* a byte, enum s3_acl; absent: private */
#define S3_PROP_BLOCK     "public-access" /* a byte, S3_BLOCK_*; absent: 0 */
#define S3_PROP_OWNER     "ownership"     /* this word means S3_BLOCK_ACLS, too: */
#define S3_OWNER_ENFORCED "BucketOwnerEnforced"
#define S3_PROP_TAGS      "tags"
#define S3_PROP_CORS      "cors"
enum s3_acl { S3_ACL_PRIVATE, S3_ACL_PUBLIC_READ };
enum {
    S3_BLOCK_NEW_ACLS = 1, /* kept for whoever sets ACLs */
    S3_BLOCK_ACLS = 2,     /* ACLs give nobody anything, whatever they say */
    S3_BLOCK_NEW_POLICIES = 4,
    S3_BLOCK_POLICIES = 8,
    S3_PROPS_BYTES_MAX = 60000, /* of one bucket, names and values */
};

/* -R_BUCKET_YOURS: `who` has it already; -R_BUCKET_EXISTS: somebody else.  It begins with `props`.
 */
int bucket_create(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  const struct s3_header *props, uint32_t prop_count, bucket_done_fn *done,
                  void *arg);
/* Uploads in progress do not keep a bucket: they are aborted with it. */
int bucket_delete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  bucket_done_fn *done, void *arg);

struct bucket_info {
    struct bytes name;
    const char *owner;             /* as struct s3_principal */
    uint64_t created_ns;           /* wall clock, since 1970 UTC */
    const struct s3_header *props; /* NULL in listings */
    uint32_t prop_count;
    bool may_list; /* who asks: as the owner, or because the ACL lets everybody */
};
/* Its owner asks, and hears the present state.  `info` is NULL unless rc is 0. */
typedef void bucket_info_fn(void *arg, int rc, const struct bucket_info *info);
int bucket_stat(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                bucket_info_fn *done, void *arg);
/* Anybody asks.  What it says was so within the last BUCKET_FRESH_MS, and since the last change
 * through this gateway. */
enum { BUCKET_FRESH_MS = 2000 };
int bucket_peek(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                bucket_info_fn *done, void *arg);
/* A property by its name; NULL: there is none. */
const struct bytes *bucket_prop(const struct bucket_info *info, const char *name);
/* Its owner sets or, with an empty value, removes a property.  -R_META_TOO_LARGE. */
int bucket_change(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  const char *name, struct bytes value, bucket_done_fn *done, void *arg);
/* All buckets of `who`, by name; `owner` of each is theirs. */
typedef void bucket_list_fn(void *arg, int rc, const struct bucket_info *rows, uint32_t count);
int bucket_list(struct bucket_layer *l, const struct s3_principal *who, bucket_list_fn *done,
                void *arg);

/* Whose it is, if this gateway has met the bucket lately; else empty. */
void bucket_owner_known(struct bucket_layer *l, struct bytes bucket,
                        char out_owner[S3_USER_NAME_MAX + 1]);

struct bucket_usage {
    uint64_t objects, bytes; /* of whole objects */
    uint64_t part_bytes;     /* of uploads in progress */
    uint64_t index_bytes;
    uint32_t shards;
};
/* What lies in the bucket: counters that change with every link, read shard by shard.  Exact when
 * nothing changes meanwhile.  `who` NULL: whoever owns it.  `usage` is NULL unless rc is 0. */
typedef void bucket_usage_fn(void *arg, int rc, const struct bucket_usage *usage);
int bucket_usage(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 bucket_usage_fn *done, void *arg);

/* ---- quotas ----
 *
 * Before something is stored, there must be room for it: in its bucket, whose quota `cairn bucket
 * quota` sets, and in all buckets of the principal together.  What one gateway lets in is counted
 * at once, so it never passes a quota by itself.  What others store it knows when it reads the
 * shards' counters again, after quota_age_ms and quota_user_age_ms: together they may pass a
 * quota by what they store within that time.  Nobody is refused by what was counted before he came:
 * what was deleted counts as free at once.
 *
 * A replaced object counts until the next reading, as if it stayed: to replace one there must be
 * room for both.  Parts count from when they are stored until their upload is completed or aborted;
 * so completing one needs no more bytes. */
struct bucket_grant; /* room for one request */
/* rc 0: go on, and end the grant (NULL where nothing is limited) when it is over; -R_QUOTA; -EAGAIN
 * and others: it cannot be told, now. */
typedef void bucket_admit_fn(void *arg, int rc, struct bucket_grant *grant);
#define S3_BYTES_UNKNOWN UINT64_MAX
/* `more`: bytes, or S3_BYTES_UNKNOWN, and objects. */
int bucket_admit(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 const struct s3_quota *more, bucket_admit_fn *done, void *arg);
/* Bytes that were unknown: 0 or -R_QUOTA (nothing changes). */
int bucket_grant_more(struct bucket_grant *g, uint64_t bytes);
/* `stored`: it took place, or nobody knows. */
void bucket_grant_end(struct bucket_grant *g, bool stored);

/* ---- objects ---- */

struct s3_etag { /* "hex(md5)" or, with parts > 0, "hex(md5)-parts" */
    uint8_t md5[16];
    uint32_t parts;
};
enum { S3_ETAG_TEXT = 48 };
void s3_etag_text(const struct s3_etag *etag, char out[S3_ETAG_TEXT]); /* without quotes */
static inline bool s3_etag_equal(const struct s3_etag *a, const struct s3_etag *b)
{
    return a->parts == b->parts && memcmp(a->md5, b->md5, sizeof(a->md5)) == 0;
}

/* A checksum beside the MD5.  Composite: of the parts' checksums, one after the other. */
enum s3_sum_type { S3_SUM_FULL = 1, S3_SUM_COMPOSITE };
struct s3_sum {
    enum checksum_kind kind; /* CHECKSUM_NONE: there is none */
    enum s3_sum_type type;
    uint8_t value[CHECKSUM_BYTES_MAX];
};

struct object_info {
    uint64_t size;
    uint64_t mtime_ns; /* wall clock, since 1970 UTC */
    struct s3_etag etag;
    struct s3_sum sum;
    enum s3_acl acl;
    const struct s3_header *headers, *tags; /* NULL in listings */
    uint32_t header_count, tag_count;
    bool owned; /* who asks is the bucket's owner; false in listings */
};
typedef void object_info_fn(void *arg, int rc, const struct object_info *info);

/* Whoever may read it (its ACL and the bucket's S3_PROP_BLOCK decide).  Who may not hears
 * -R_NO_KEY only if he may list the bucket, else -R_DENIED, whether the key exists or not. */
int object_head(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                struct bytes key, object_info_fn *done, void *arg);

/* What must hold of the present object at the very commit that replaces or deletes it.  All that
 * is asked for must hold; all zero: nothing. */
struct s3_condition {
    bool absent;                /* -R_PRECONDITION: there is one */
    bool exists;                /* -R_NO_KEY: there is none */
    bool match;                 /* `etag`, of one that exists */
    bool same_size, same_mtime; /* of one that exists; nothing is said of none */
    struct s3_etag etag;
    uint64_t size, mtime_s; /* mtime to the second */
};
/* Does it hold of what is there (NULL: nothing)?  0, -R_NO_KEY or -R_PRECONDITION. */
static inline int s3_condition_judge(const struct s3_condition *c, const struct s3_etag *etag,
                                     uint64_t size, uint64_t mtime_ns)
{
    if (!etag)
        return c->exists || c->match ? -R_NO_KEY : 0;
    if (c->absent || (c->match && !s3_etag_equal(&c->etag, etag)) ||
        (c->same_size && c->size != size) || (c->same_mtime && c->mtime_s != mtime_ns / NS_PER_S))
        return -R_PRECONDITION;
    return 0;
}
/* 0 also when there is no such key, unless the condition (NULL: none) asks for one. */
int object_delete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct s3_condition *cond, bucket_done_fn *done,
                  void *arg);

/* The object's own, exchanged without making a new version of it. */
struct object_change {
    bool set_tags, set_acl;
    const struct s3_header *tags;
    uint32_t tag_count;
    enum s3_acl acl;
};
int object_change(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct object_change *change, bucket_done_fn *done,
                  void *arg);

/* ---- PUT: a stream in ----
 *
 *     object_put_open ... object_put_write* ... object_put_commit -> done, gone
 *                                          \... object_put_abort  -> gone
 *
 * Nothing is visible before `done(0)`, or after an abort.  The caller hashes what it passes on (it
 * must anyway, for signatures) and gives the MD5 at the commit; when a digest does not agree it
 * aborts instead (-R_BAD_DIGEST is its word for that). */
struct object_put;
struct object_put_args {
    struct bytes bucket, key;
    const struct s3_header *headers, *tags; /* none with an upload, which has them */
    uint32_t header_count, tag_count;
    enum s3_acl acl;
    uint64_t size;            /* announced length; UINT64_MAX: unknown */
    struct bytes upload;      /* empty: an object; else a part of this upload ... */
    uint32_t part_number;     /* ... 1 to S3_PART_NUMBER_MAX */
    struct s3_condition cond; /* objects only */
    /* There is room, or the PUT failed (object_put_write says).  From the loop, also more often
     * than needed; after the commit or the abort no more.  May be NULL if the caller never fills
     * the window. */
    void (*room)(void *arg);
    void *arg;
};
/* Whether bucket and upload exist is looked up behind the scenes; a failure shows in
 * object_put_write, object_put_rc and the commit.  At once: what can be told from the arguments. */
int object_put_open(struct bucket_layer *l, const struct s3_principal *who,
                    const struct object_put_args *args, struct object_put **out_put);
/* Takes all of `data` (its own references), however much there is.  -EAGAIN: while there is no
 * room; nothing was taken.  Otherwise a negative code: this PUT has failed and is to be aborted. */
int object_put_write(struct object_put *p, const struct buf *data);
/* Bytes that fit before the window is full; at 0 stop reading from the client until `room`. */
uint64_t object_put_room(const struct object_put *p);
int object_put_rc(const struct object_put *p); /* 0, or why it has failed already */
/* All bytes are given, these are their digests (`sum` NULL: none).  `info` (rc 0) is of the new
 * object or part; headers and tags are not given.  Always calls back; the put is gone then.
 * -ENOMEM and other failures come through `done`. */
void object_put_commit(struct object_put *p, const uint8_t md5[16], const struct s3_sum *sum,
                       object_info_fn *done, void *arg);
/* Instead of the commit.  Gone at once; cleaning up goes on by itself. */
void object_put_abort(struct object_put *p);

/* ---- GET: a stream out ----
 *
 *     object_get_open -> opened, object_get_range, { object_get_next -> piece }, object_get_close
 *
 * What was opened stays readable while it is open, whatever happens to the key, as long as the
 * reader renews (the layer does).  -R_DATA_LOST or another failure mid-body: end the connection. */
struct object_get;
/* `info` (rc 0) stays good until the close.  When rc is not 0 the get is still to be closed. */
int object_get_open(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                    struct bytes key, object_info_fn *opened, void *arg,
                    struct object_get **out_get);
/* After `opened`: the parts that it was uploaded in, by number; none, NULL.  Good until the close.
 */
struct object_part {
    uint32_t number;
    uint64_t size;
    struct s3_sum sum;
};
const struct object_part *object_get_parts(const struct object_get *g, uint32_t *out_count);
/* Once, after `opened`, within the object's size: start fetching these bytes.  Without it nothing
 * is. */
void object_get_range(struct object_get *g, uint64_t off, uint64_t bytes);
/* The next bytes in order, as one piece of any size above 0 (about a stripe at most); `data` may be
 * moved out by buf_move.  At the end: rc 0 and an empty buf.  One call at a time.  Up to
 * window_objects pieces are fetched ahead.  0, or -EBUSY. */
typedef void object_piece_fn(void *arg, int rc, struct buf *data);
int object_get_next(struct object_get *g, object_piece_fn *piece, void *arg);
/* At any time after object_get_open returned 0, callbacks included; no callback comes after it. */
void object_get_close(struct object_get *g);

/* ---- copies ----
 *
 * A new object of all the bytes that `from` has open, which are not touched: both refer to the same
 * data objects from then on, and either may go.  It has the source's ETag, checksum and parts, and
 * what `args` says of names, headers, tags, ACL and condition.  The source may be closed at any
 * time. */
/* Whether it is worth it, and possible: not when the bytes lie in the index, or could. */
bool object_copy_may(const struct object_get *from);
/* -R_COPIES_FULL: too many share them already, or want to at this moment, or nobody knows who does;
 * copy the bytes. */
int object_copy(struct bucket_layer *l, const struct s3_principal *who,
                const struct object_get *from, const struct object_put_args *args,
                object_info_fn *done, void *arg);

/* ---- listings ---- */

struct object_list_args {
    struct bytes bucket, prefix, delimiter; /* empty: none */
    /* Exclusive.  With a delimiter, a common prefix here means: behind all its keys.  What `next`
     * of the page before was, or the user's marker or start-after. */
    struct bytes after;
    uint32_t max; /* keys and common prefixes; up to S3_LIST_MAX, 0 gives an empty page */
};
struct object_list_row {
    struct bytes name; /* key, or common prefix */
    bool is_prefix;
    struct object_info info; /* of a key */
};
struct object_list {
    const struct object_list_row *rows; /* in order of their bytes, keys and prefixes mixed */
    uint32_t count;
    bool truncated;
    struct bytes next; /* of a truncated page: for `after` */
    const char *owner; /* of the bucket, and so of all */
};
typedef void object_list_fn(void *arg, int rc, const struct object_list *list);
int object_list(struct bucket_layer *l, const struct s3_principal *who,
                const struct object_list_args *args, object_list_fn *done, void *arg);

/* ---- multipart uploads ---- */

/* `upload` (rc 0): S3_UPLOAD_ID_LEN digits, terminated. */
typedef void upload_create_fn(void *arg, int rc, const char *upload);
struct upload_make { /* what the object will have */
    const struct s3_header *headers, *tags;
    uint32_t header_count, tag_count;
    enum s3_acl acl;
    /* Kind and type; the parts are then to bring checksums of this kind.  None: the object gets
     * what its parts' checksums can give, if they are all of one kind. */
    struct s3_sum sum;
};
int upload_create(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct upload_make *make, upload_create_fn *done,
                  void *arg);
/* What kind and type of checksum it was begun with.  `sum` is NULL unless rc is 0. */
typedef void upload_stat_fn(void *arg, int rc, const struct s3_sum *sum);
int upload_stat(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                struct bytes key, struct bytes upload, upload_stat_fn *done, void *arg);

struct upload_part {
    uint32_t number;
    uint8_t md5[16];
    struct s3_sum sum; /* if its kind is not NONE, it must be the part's */
};
struct upload_end {
    const struct upload_part *parts; /* in ascending order of number, at least one */
    uint32_t part_count;
    struct s3_condition cond;
    struct s3_sum sum; /* likewise, the object's; with type 0 the upload's type */
    bool has_size;
    uint64_t size; /* that the object must have */
};
/* -R_BAD_PART_ORDER, -R_BAD_PART (missing, or another ETag or checksum), -R_PART_TOO_SMALL,
 * -R_BAD_DIGEST, -R_SUM_KIND, -R_SIZE_DIFFERS.  A repeat with the same parts returns the first
 * run's result, as long as it is kept (upload_keep_ms). */
int upload_complete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                    struct bytes key, struct bytes upload, const struct upload_end *end,
                    object_info_fn *done, void *arg);
int upload_abort(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 struct bytes key, struct bytes upload, bucket_done_fn *done, void *arg);

struct upload_part_row {
    uint32_t number;
    uint64_t size, mtime_ns;
    struct s3_etag etag;
    struct s3_sum sum;
};
struct upload_parts {
    const struct upload_part_row *rows;
    uint32_t count;
    bool truncated;    /* go on after the last row's number */
    struct s3_sum sum; /* kind and type that the upload was begun with */
};
typedef void upload_parts_fn(void *arg, int rc, const struct upload_parts *parts);
int upload_list_parts(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                      struct bytes key, struct bytes upload, uint32_t after_number, uint32_t max,
                      upload_parts_fn *done, void *arg);

struct upload_list_args {
    struct bytes bucket, prefix, delimiter;
    struct bytes after_key, after_upload; /* after_upload counts only with after_key */
    uint32_t max;
};
struct upload_list_row {
    struct bytes name; /* key, or common prefix */
    bool is_prefix;
    char upload[S3_UPLOAD_ID_LEN + 1];
    const char *owner; /* who began it */
    uint64_t created_ns;
    struct s3_sum sum; /* kind and type */
};
struct upload_list {
    const struct upload_list_row *rows; /* by key, then by upload id */
    uint32_t count;
    bool truncated; /* go on after the last row's name and upload */
};
typedef void upload_list_fn(void *arg, int rc, const struct upload_list *list);
int upload_list(struct bucket_layer *l, const struct s3_principal *who,
                const struct upload_list_args *args, upload_list_fn *done, void *arg);

/* ---- the collector ---- */

/* One round now: what is ripe on every shard goes.  -EBUSY when a round is running. */
int bucket_collect(struct bucket_layer *l, bucket_done_fn *done, void *arg);
/* Invariants of the layer's own state.  Cheap enough to run after every simulated step. */
void bucket_check(const struct bucket_layer *l);

#endif
