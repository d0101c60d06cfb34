/* usage.c - `cairn usage`: who used how much, summed over hours.
 *
 * Rows of requests are added up over gateways.  Samples say what a bucket held in an hour; an hour
 * whose samples are not whole (no gateway ran, or it died) counts as the one before it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/buckets.h"
#include "core/base/json.h"
#include "core/base/size.h"
#include "s3/usage/rows.h"

enum { HOURS_OF_DAY = 24 };

struct line { /* of one user and bucket */
    char user[S3_USER_NAME_MAX + 1], bucket[S3_BUCKET_NAME_MAX + 1];
    struct usage_tally tally;
    struct usage_sample held; /* the last one */
    uint32_t held_hour;       /* up to which hour it is accounted for; 0: never */
    uint64_t byte_hours, object_hours;
};

struct report {
    struct cli *cli;
    struct cairn_pool *index;
    const char *user, *bucket; /* NULL: all */
    uint32_t from, to;         /* hours since 1970; to is exclusive */
    struct line *lines;        /* owned */
    size_t count, cap, last;
    uint32_t day;             /* at hand, since 1970 */
    bool whole[HOURS_OF_DAY]; /* its samples are whole */
};

/* ---- lines ---- */

/* Rows of an hour come in the order of their names, and so do mostly the lines: the next one is
 * looked at first. */
static struct line *line_get(struct report *r, const struct usage_key *k)
{
    for (size_t i = 0; i < r->count; i++) {
        size_t at = (r->last + i) % r->count;

        if (strcmp(r->lines[at].user, k->user) == 0 &&
            strcmp(r->lines[at].bucket, k->bucket) == 0) {
            r->last = at + 1;
            return &r->lines[at];
        }
    }
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        struct line *grown = realloc(r->lines, cap * sizeof(*grown));

        if (!grown)
            return NULL;
        r->lines = grown;
        r->cap = cap;
    }
    r->lines[r->count] = (struct line){.held_hour = 0};
    memcpy(r->lines[r->count].user, k->user, sizeof(k->user));
    memcpy(r->lines[r->count].bucket, k->bucket, sizeof(k->bucket));
    return &r->lines[r->count++];
}

static bool wanted(const struct report *r, const struct usage_key *k)
{
    return (!r->user || strcmp(r->user, k->user) == 0) &&
           (!r->bucket || strcmp(r->bucket, k->bucket) == 0);
}

/* Account for the hours up to `hour` (exclusive; of the day at hand) as the sample before them
 * says. A bucket without a sample in an hour whose samples are whole is gone. */
static void carry(const struct report *r, struct line *l, uint32_t hour)
{
    while (l->held_hour && l->held_hour + 1 < hour) {
        uint32_t h = l->held_hour + 1;

        if (r->whole[h % HOURS_OF_DAY]) {
            l->held = (struct usage_sample){0};
            l->held_hour = 0;
            return;
        }
        l->byte_hours += l->held.bytes;
        l->object_hours += l->held.objects;
        l->held_hour = h;
    }
}

static int row_take(void *arg, struct cairn_pair p)
{
    struct report *r = arg;
    struct bytes value = {p.value, (uint32_t)p.value_bytes};
    struct usage_sample sample;
    struct usage_tally tally;
    struct usage_key k;
    struct line *l;
    uint32_t hour;
    int rc = usage_key_decode((struct bytes){p.key, (uint32_t)p.key_bytes}, &k);

    if (rc < 0)
        return rc;
    hour = r->day * HOURS_OF_DAY + k.hour;
    if (hour < r->from || hour >= r->to || (k.kind != 'm' && !wanted(r, &k)))
        return 0;
    if (k.kind == 'm') { /* these rows come first */
        r->whole[k.hour] = true;
        return 0;
    }
    l = line_get(r, &k);
    rc = !l              ? -ENOMEM
         : k.kind == 'r' ? usage_tally_decode(value, &tally)
                         : usage_sample_decode(value, &sample);
    if (rc < 0)
        return rc;
    if (k.kind == 'r') {
        usage_tally_add(&l->tally, &tally);
        return 0;
    }
    carry(r, l, hour);
    l->held = sample;
    l->held_hour = hour;
    l->byte_hours += sample.bytes;
    l->object_hours += sample.objects;
    return 0;
}

static void day_end(struct report *r)
{
    for (size_t i = 0; i < r->count; i++)
        carry(r, &r->lines[i], MIN((r->day + 1) * HOURS_OF_DAY, r->to));
    memset(r->whole, 0, sizeof(r->whole));
}

static int day_read(struct report *r, uint32_t day)
{
    char name[USAGE_NAME_BYTES];
    int rc;

    usage_day_name(day, name);
    r->day = day;
    rc = rows_each(r->index, name, row_take, r);
    if (rc == 0)
        day_end(r);
    return rc;
}

/* ---- printing ---- */

static int by_names(const void *a, const void *b)
{
    const struct line *l = a, *k = b;
    int order = strcmp(l->user, k->user);

    return order ? order : strcmp(l->bucket, k->bucket);
}

static json_t *line_json(const struct line *l)
{
    json_t *requests = json_object();

    for (unsigned i = 0; requests && i < USAGE_KINDS; i++)
        (void)json_object_set_new(requests, usage_kind_names[i],
                                  json_integer((json_int_t)l->tally.requests[i]));
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "user", l->user,
                     "bucket", l->bucket, "requests", requests, "failed",
                     (json_int_t)l->tally.failed, "bytes_in", (json_int_t)l->tally.bytes_in,
                     "bytes_out", (json_int_t)l->tally.bytes_out, "byte_hours",
                     (json_int_t)l->byte_hours, "object_hours", (json_int_t)l->object_hours,
                     "bytes", (json_int_t)l->held.bytes, "objects", (json_int_t)l->held.objects);
}

static int print_json(const struct report *r)
{
    json_t *rows = json_array(), *all;
    int rc = rows ? 0 : -1;

    for (size_t i = 0; i < r->count && rc == 0; i++)
        rc = json_array_append_new(rows, line_json(&r->lines[i]));
    all = json_pack("{s:I, s:I, s:o}", "from", (json_int_t)r->from * 3600, "to",
                    (json_int_t)r->to * 3600, "usage", rows);
    rc = rc == 0 && all ? json_dumpf(all, stdout, JSON_COMPACT) : -1;
    json_decref(all);
    putchar('\n');
    return rc < 0 ? cli_fail("out of memory") : 0;
}

static int print_text(const struct report *r)
{
    printf("%-20s %-24s %10s %10s %10s %10s %14s\n", "user", "bucket", "requests", "in", "out",
           "held", "GiB-hours");
    if (r->count == 0 && !r->cli->quiet)
        fputs("nothing was counted in these hours; gateways write what they counted every minute\n",
              stderr);
    for (size_t i = 0; i < r->count; i++) {
        const struct line *l = &r->lines[i];
        char in[32], out[32], held[32];
        uint64_t requests = 0;

        for (unsigned k = 0; k < USAGE_KINDS; k++)
            requests += l->tally.requests[k];
        printf("%-20s %-24s %10llu %10s %10s %10s %14.3f\n", l->user,
               l->bucket[0] ? l->bucket : "-", (unsigned long long)requests,
               bytes_print(l->tally.bytes_in, in), bytes_print(l->tally.bytes_out, out),
               bytes_print(l->held.bytes, held), (double)l->byte_hours / (double)(1 << 30));
    }
    return 0;
}

/* ---- arguments ---- */

/* 2026-11-21 or 2026-11-21T13, UTC. */
static bool hour_parse(const char *text, uint32_t *out_hour)
{
    size_t len = strlen(text);
    unsigned hour = 0;
    uint32_t day;
    char rest;

    if (len == 13 &&
        (text[10] != 'T' || sscanf(text + 11, "%2u%c", &hour, &rest) != 1 || hour > 23))
        return false;
    if ((len != 10 && len != 13) ||
        !usage_day_parse((struct bytes){(const uint8_t *)text, 10}, &day))
        return false;
    *out_hour = day * HOURS_OF_DAY + hour;
    return true;
}

/* False: told, or (what takes no value) for the usage to tell. */
static bool time_take(const char *name, const char *text, uint32_t *out_hour)
{
    if (hour_parse(text, out_hour))
        return true;
    cli_fail("%s: '%s' is no time: say 2026-11-21 or, for an hour, 2026-11-21T13 (UTC)", name,
             text);
    return false;
}

static bool args_take(struct cli *cli, struct report *r)
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    r->to = (uint32_t)(now / 3600) + 1;
    r->from = r->to - 1 - (uint32_t)tm.tm_hour - HOURS_OF_DAY * ((uint32_t)tm.tm_mday - 1);
    for (int i = 1; i < cli->argc; i += 2) {
        const char *name = cli->argv[i], *value = cli->argv[i + 1];

        if (i + 1 == cli->argc)
            return false;
        if (strcmp(name, "--user") == 0)
            r->user = value;
        else if (strcmp(name, "--bucket") == 0)
            r->bucket = value;
        else if (strcmp(name, "--from") == 0
                     ? !time_take(name, value, &r->from)
                     : strcmp(name, "--to") != 0 || !time_take(name, value, &r->to))
            return false;
    }
    r->to = MIN(r->to, (uint32_t)(now / 3600) + 1);
    if (r->from >= r->to)
        cli_fail("--from must be before --to, and before now");
    return r->from < r->to;
}

int cli_usage(struct cli *cli)
{
    struct report r = {.cli = cli};
    struct cairn *c;
    int rc;

    if (!args_take(cli, &r))
        return cli_wrong(cli);
    c = cli_connect(cli);
    if (!c)
        return 1;
    rc = buckets_open(c, &r.index);
    for (uint32_t day = r.from / HOURS_OF_DAY;
         rc == 0 && r.index && day <= (r.to - 1) / HOURS_OF_DAY; day++)
        if ((rc = day_read(&r, day)) < 0)
            rc = cli_fail("usage cannot be read: %s", cli_error_text(rc));
    if (r.index)
        cairn_pool_close(r.index);
    cairn_shutdown(c);
    qsort(r.lines, r.count, sizeof(*r.lines), by_names);
    if (rc == 0)
        rc = cli->json ? print_json(&r) : print_text(&r);
    free(r.lines);
    return rc ? rc : fflush(stdout) != 0;
}
