/* bucket.c - `cairn bucket`: which there are, what is in one, what it may hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/buckets.h"
#include "cli/layer.h"
#include "core/base/json.h"
#include "core/base/option.h"
#include "core/base/reason.h"
#include "core/base/size.h"

/* ---- printing ---- */

static void time_print(uint64_t wall_ns, char out[32])
{
    time_t t = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;

    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
}

static int json_out(json_t *j)
{
    int rc = j ? json_dumpf(j, stdout, JSON_COMPACT) : -1;

    json_decref(j);
    putchar('\n');
    return rc < 0 ? cli_fail("out of memory") : 0;
}

static json_t *limit_json(uint64_t v)
{
    return v ? json_integer((json_int_t)v) : json_null();
}

static json_t *quota_json(const struct s3_quota *q)
{
    return json_pack("{s:o, s:o}", "bytes", limit_json(q->bytes), "objects",
                     limit_json(q->objects));
}

/* For people, too, where that is shorter. */
static void size_out(const char *name, uint64_t bytes)
{
    char text[SIZE_TEXT_BYTES];

    if (bytes > 1024)
        printf("%-14s %llu (%s)\n", name, (unsigned long long)bytes, bytes_print(bytes, text));
    else
        printf("%-14s %llu\n", name, (unsigned long long)bytes);
}

static void quota_print(const char *prefix, const struct s3_quota *q)
{
    char name[32];

    snprintf(name, sizeof(name), "%sbytes", prefix);
    if (q->bytes)
        size_out(name, q->bytes);
    else
        printf("%-14s none\n", name);
    snprintf(name, sizeof(name), "%sobjects", prefix);
    if (q->objects)
        printf("%-14s %llu\n", name, (unsigned long long)q->objects);
    else
        printf("%-14s none\n", name);
}

/* ---- ls ---- */

struct listing {
    struct cli *cli;
    struct cairn_pool *index;
    const char *owner; /* of the rows at hand */
    json_t *rows;
    size_t count;
    int rc;
};

static int bucket_row_out(void *arg, const char *name, uint64_t created_ns)
{
    struct listing *l = arg;
    char created[32];
    json_t *one;

    l->count++;
    time_print(created_ns, created);
    if (!l->cli->json) {
        printf("%s %-20s %s\n", created, l->owner, name);
        return 0;
    }
    one = json_pack("{s:s, s:s, s:I}", "bucket", name, "owner", l->owner, "created",
                    (json_int_t)(created_ns / NS_PER_S));
    return one && json_array_append_new(l->rows, one) == 0 ? 0 : -ENOMEM;
}

static int owner_list(struct listing *l, const char *owner)
{
    l->owner = owner;
    return buckets_of(l->index, owner, bucket_row_out, l);
}

/* Owners are found by the objects that hold their rows: so those without a user are, too. */
static int object_seen(void *arg, const void *name, size_t name_bytes, const struct cairn_stat *st)
{
    static const char prefix[] = "buckets.";
    struct listing *l = arg;
    char owner[S3_USER_NAME_MAX + 1];
    size_t n = name_bytes - strlen(prefix);

    (void)st;
    if (name_bytes <= strlen(prefix) || memcmp(name, prefix, strlen(prefix)) != 0 ||
        n >= sizeof(owner))
        return 0;
    memcpy(owner, (const char *)name + strlen(prefix), n);
    owner[n] = 0;
    return owner_list(l, owner);
}

/* 1, told: nobody has this name.  Buckets may have outlived their user, so this is asked only where
 * there are none. */
static int user_missing(struct cli *cli, struct cairn *c, const char *name)
{
    const char *const words[] = {"user", "info", name};
    struct cairn_reply reply;
    int rc = cairn_command(c, 3, words, NULL, 0, cli->timeout_ms, &reply);

    cairn_reply_free(&reply);
    return rc == -ENOENT ? cli_fail("there is no user %s, and no bucket of one", name) : 0;
}

static int ls(struct cli *cli, struct cairn *c, struct cairn_pool *index)
{
    struct listing l = {.cli = cli, .index = index, .rows = json_array()};
    int rc = 0;

    if (!l.rows)
        return cli_fail("out of memory");
    if (index)
        rc = cli->argc == 3 ? owner_list(&l, cli->argv[2]) : cairn_list(index, object_seen, &l);
    if (rc < 0) {
        json_decref(l.rows);
        return cli_fail("the buckets cannot be listed: %s", cli_error_text(rc));
    }
    if (l.count == 0 && cli->argc == 3 && user_missing(cli, c, cli->argv[2])) {
        json_decref(l.rows);
        return 1;
    }
    if (cli->json)
        return json_out(l.rows);
    json_decref(l.rows);
    return 0;
}

/* ---- quota ---- */

static int quota_read(struct cairn_pool *index, const char *bucket, struct s3_quota *out_quota)
{
    struct cairn_op *op = cairn_op_create();
    char object[NAME_BYTES];
    uint8_t raw[256];
    size_t n;
    int rc;

    if (!op)
        return -ENOMEM;
    name_bucket(object, BYTES_STR(bucket));
    (void)cairn_op_xattr_get(op, "quota");
    rc = cairn_run(index, object, strlen(object), op);
    *out_quota = (struct s3_quota){0};
    if (rc == 0) {
        n = cairn_op_data(op, 0, 0, raw, sizeof(raw));
        rc = quota_row_decode((struct bytes){raw, (uint32_t)n}, out_quota);
    } else if (rc == -ENODATA) {
        rc = 0;
    }
    cairn_op_destroy(op);
    return rc;
}

/* Only while the bucket is the one whose record we read. */
static int quota_write(struct cairn_pool *index, const struct bucket_record *r,
                       const struct s3_quota *quota)
{
    struct cairn_op *op = cairn_op_create();
    AUTO(writer) w = {0};
    char object[NAME_BYTES];
    int rc;

    quota_row_encode(quota, &w);
    if (!op || w.rc < 0) {
        cairn_op_destroy(op);
        return -ENOMEM;
    }
    name_bucket(object, BYTES_STR(r->name));
    (void)cairn_op_cmp_xattr(op, "record", CAIRN_EQ, r->raw, r->raw_bytes);
    (void)cairn_op_xattr_set(op, "quota", w.data, w.len);
    rc = cairn_run(index, object, strlen(object), op);
    cairn_op_destroy(op);
    return rc;
}

static bool limit_take(const char *name, const char *text,
                       bool (*parse)(struct bytes text, uint64_t *out), uint64_t *out)
{
    if (strcmp(text, "none") == 0) {
        *out = 0;
        return true;
    }
    if (parse(BYTES_STR(text), out) && *out > 0 && *out <= INT64_MAX)
        return true;
    cli_fail("%s must be none, or a number above 0, perhaps with K, M, G or T", name);
    return false;
}

/* "bytes N objects N", each with -- or without.  False: told, or for the usage to tell. */
static bool limits_take(struct cli *cli, struct s3_quota *q)
{
    for (int i = 3; i < cli->argc; i += 2) {
        const char *name = cli->argv[i];

        name += strncmp(name, "--", 2) == 0 ? 2 : 0;
        if (i + 1 == cli->argc)
            return false;
        if (strcmp(name, "bytes") == 0
                ? !limit_take(name, cli->argv[i + 1], size_parse, &q->bytes)
                : strcmp(name, "objects") != 0 ||
                      !limit_take(name, cli->argv[i + 1], count_parse, &q->objects))
            return false;
    }
    return true;
}

static int quota(struct cli *cli, struct cairn_pool *index, const struct bucket_record *r)
{
    struct s3_quota q;
    int rc = quota_read(index, r->name, &q);

    if (rc == 0 && !limits_take(cli, &q))
        return cli_wrong(cli);
    if (rc == 0 && cli->argc > 3)
        rc = quota_write(index, r, &q);
    if (rc == -ECANCELED)
        return cli_fail("bucket %s changed meanwhile; try again", r->name);
    if (rc < 0)
        return cli_fail("the quota of %s: %s", r->name, cli_error_text(rc));
    if (cli->json)
        return json_out(json_pack("{s:s, s:o, s:o}", "bucket", r->name, "bytes",
                                  limit_json(q.bytes), "objects", limit_json(q.objects)));
    quota_print("", &q);
    return 0;
}

/* ---- stat ---- */

static int stat_print(const struct cli *cli, const struct bucket_record *r,
                      const struct bucket_usage *u, const struct s3_quota *q)
{
    char owner[S3_USER_NAME_MAX + 1], created[32], id[2 * UUID_BYTES + 1], bytes[32];

    snprintf(owner, sizeof(owner), "%.*s", (int)r->row.owner.len, (const char *)r->row.owner.data);
    uuid_text(&r->row.id, id);
    if (cli->json)
        return json_out(json_pack(
            "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "bucket", r->name, "owner", owner,
            "id", id, "created", (json_int_t)(r->row.created_ns / NS_PER_S), "objects",
            (json_int_t)u->objects, "bytes", (json_int_t)u->bytes, "part_bytes",
            (json_int_t)u->part_bytes, "index_bytes", (json_int_t)u->index_bytes, "shards",
            (json_int_t)u->shards, "quota", quota_json(q)));
    time_print(r->row.created_ns, created);
    printf("%-14s %s\n%-14s %s\n%-14s %s\n", "bucket", r->name, "owner", owner, "created", created);
    printf("%-14s %s\n%-14s %llu\n", "id", id, "objects", (unsigned long long)u->objects);
    size_out("bytes", u->bytes);
    size_out("parts", u->part_bytes); /* of unfinished uploads */
    printf("%-14s %u, %s of index\n", "shards", u->shards, bytes_print(u->index_bytes, bytes));
    quota_print("quota ", q);
    return 0;
}

static int stat_bucket(struct cli *cli, struct cairn_pool *index, const struct bucket_record *r)
{
    struct bucket_usage usage;
    struct s3_quota q;
    struct layer *l;
    int rc = quota_read(index, r->name, &q);

    if (rc < 0)
        return cli_fail("the quota of %s: %s", r->name, cli_error_text(rc));
    l = layer_open(cli);
    if (!l)
        return 1;
    rc = layer_usage(l, r->name, &usage);
    layer_close(l);
    if (rc < 0)
        return cli_fail("bucket %s: %s", r->name, reason_text(rc));
    return stat_print(cli, r, &usage, &q);
}

/* ---- the verb ---- */

static int of_one(struct cli *cli, struct cairn_pool *index)
{
    struct bucket_record r;
    int rc = index ? bucket_record_read(index, cli->argv[2], &r) : -R_NO_BUCKET;

    if (rc == -R_NO_BUCKET)
        return cli_fail("there is no bucket %s", cli->argv[2]);
    if (rc < 0)
        return cli_fail("bucket %s: %s", cli->argv[2], reason_text(rc));
    rc = strcmp(cli->argv[1], "stat") == 0 ? stat_bucket(cli, index, &r) : quota(cli, index, &r);
    bucket_record_fini(&r);
    return rc;
}

static bool words_right(const struct cli *cli)
{
    const char *verb = cli->argc > 1 ? cli->argv[1] : "";

    if (strcmp(verb, "ls") == 0 || strcmp(verb, "check") == 0)
        return cli->argc <= 3;
    if (strcmp(verb, "stat") == 0)
        return cli->argc == 3;
    return strcmp(verb, "quota") == 0 && cli->argc >= 3 && cli->argc <= 7;
}

int cli_bucket(struct cli *cli)
{
    struct cairn_pool *index = NULL;
    struct cairn *c;
    int rc;

    if (cli->argc > 2 && strcmp(cli->argv[1], "check") == 0 &&
        strcmp(cli->argv[cli->argc - 1], "--offline") == 0) {
        cli->argc--;
        return words_right(cli) ? bucket_check_offline(cli) : cli_wrong(cli);
    }
    if (!words_right(cli))
        return cli_wrong(cli);
    c = cli_connect(cli);
    if (!c)
        return 1;
    rc = buckets_open(c, &index);
    if (rc == 0)
        rc = strcmp(cli->argv[1], "ls") == 0      ? ls(cli, c, index)
             : strcmp(cli->argv[1], "check") == 0 ? bucket_check_run(cli, c, index, CHECK_PASSES)
                                                  : of_one(cli, index);
    if (index)
        cairn_pool_close(index);
    cairn_shutdown(c);
    return rc ? rc : fflush(stdout) != 0;
}
