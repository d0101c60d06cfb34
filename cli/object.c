/* object.c - `cairn object`: whole objects in and out, and where they are.
 *
 * put replaces an object in one atomic operation, so a reader sees the old or the new bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/object.h"
#include "core/base/crc.h"
#include "core/base/json.h"
#include "core/base/size.h"

enum { READ_BYTES = 4 << 20 };

/* ---- put ---- */

int object_fail(const struct session *s, int rc)
{
    return cli_fail("%s/%s: %s", s->pool_name, s->name,
                    rc == -ENOENT   ? "no such object"
                    : rc == -ENOSPC ? "no space left in the cluster; 'cairn health' says more"
                                    : cli_error_text(rc));
}

/* All of a descriptor, up to the limit and one byte. */
static int read_all(int fd, struct progress *p, char **out_data, size_t *out_bytes)
{
    size_t cap = 0, len = 0;
    char *data = NULL;

    for (;;) {
        ssize_t n;

        if (len == cap) {
            size_t more = cap ? cap * 2 : READ_BYTES;
            char *bigger;

            if (len > CAIRN_OBJECT_BYTES_MAX) {
                free(data);
                return -EFBIG;
            }
            bigger = realloc(data, more);
            if (!bigger) {
                free(data);
                return -ENOMEM;
            }
            data = bigger;
            cap = more;
        }
        n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(data);
            return -errno;
        }
        if (n == 0)
            break;
        len += (size_t)n;
        progress_add(p, (uint64_t)n);
    }
    if (len > CAIRN_OBJECT_BYTES_MAX) {
        free(data);
        return -EFBIG;
    }
    *out_data = data;
    *out_bytes = len;
    return 0;
}

static int put(struct session *s)
{
    bool standard = !s->file || strcmp(s->file, "-") == 0;
    int fd = standard ? 0 : open(s->file, O_RDONLY | O_CLOEXEC);
    struct progress p;
    struct stat st;
    char *data = NULL;
    size_t bytes = 0;
    int rc;

    if (fd < 0)
        return cli_fail("%s: %s", s->file, strerror(errno));
    progress_start(&p, s->cli, s->name,
                   fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    rc = read_all(fd, &p, &data, &bytes);
    if (!standard)
        close(fd);
    if (rc < 0)
        progress_end(&p);
    if (rc < 0)
        return cli_fail("%s: %s", standard ? "standard input" : s->file,
                        rc == -EFBIG ? "larger than an object can be (128 MiB): File too large"
                                     : strerror(-rc));
    progress_note(&p, "until every copy has it");
    rc = cairn_write_full(s->pool, s->name, data, bytes);
    progress_end(&p);
    free(data);
    return rc < 0 ? object_fail(s, rc) : 0;
}

/* ---- the rest ---- */

static int remove_one(struct session *s)
{
    int rc = cairn_remove(s->pool, s->name);

    return rc < 0 ? object_fail(s, rc) : 0;
}

/* A JSON document to standard output. */
static int json_out(json_t *j)
{
    int rc = j ? json_dumpf(j, stdout, JSON_COMPACT | JSON_SORT_KEYS) : -1;

    json_decref(j);
    putchar('\n');
    return rc < 0 ? cli_fail("out of memory") : 0;
}

static int stat_one(struct session *s)
{
    struct cairn_stat st;
    int rc = cairn_stat(s->pool, s->name, &st);
    char size[32];

    if (rc < 0)
        return object_fail(s, rc);
    if (s->cli->json)
        return json_out(json_pack(
            "{s:s, s:I, s:I, s:o}", "name", s->name, "bytes", (json_int_t)st.bytes, "mtime_ns",
            (json_int_t)st.mtime_ns, "version",
            json_sprintf("%u'%llu", st.version_epoch, (unsigned long long)st.version_seq)));
    printf("%s: %llu bytes (%s), version %u'%llu\n", s->name, (unsigned long long)st.bytes,
           bytes_print(st.bytes, size), st.version_epoch, (unsigned long long)st.version_seq);
    return 0;
}

static int list_row(void *arg, const void *name, size_t bytes, const struct cairn_stat *st)
{
    struct session *s = arg;

    if (s->cli->json) {
        json_t *j = json_pack("{s:o, s:I}", "name", json_stringn(name, bytes), "bytes",
                              (json_int_t)st->bytes);

        if (!j) /* a name that is no UTF-8 cannot be a JSON string: as bytes in hexadecimal */
            j = json_pack("{s:I}", "bytes", (json_int_t)st->bytes);
        return json_out(j);
    }
    fwrite(name, 1, bytes, stdout);
    return putchar('\n') == EOF ? -EIO : 0;
}

static int list(struct session *s)
{
    int rc = cairn_list(s->pool, list_row, s);

    return rc < 0 ? cli_fail("cannot list: %s", cli_error_text(rc)) : rc;
}

static void set_print(const char *label, const int *osds, int count)
{
    printf("%s [", label);
    for (int i = 0; i < count; i++)
        printf("%s%d", i ? "," : "", osds[i]);
    printf("]");
}

static json_t *set_json(const int *osds, int count)
{
    json_t *a = json_array();

    for (int i = 0; i < count; i++)
        json_array_append_new(a, json_integer(osds[i]));
    return a;
}

static int where_json(const char *name, const struct cairn_where *w)
{
    json_t *copies = json_array();

    for (int i = 0; i < w->copy_count; i++) {
        const struct cairn_copy *copy = &w->copy[i];

        if (copy->rc < 0)
            json_array_append_new(
                copies, json_pack("{s:i, s:s}", "osd", copy->osd, "error", strerror(-copy->rc)));
        else
            json_array_append_new(copies,
                                  json_pack("{s:i, s:I, s:o, s:o}", "osd", copy->osd, "bytes",
                                            (json_int_t)copy->bytes, "version",
                                            json_sprintf("%u'%llu", copy->version_epoch,
                                                         (unsigned long long)copy->version_seq),
                                            "crc32c", json_sprintf("%08x", copy->crc32c)));
    }
    return json_out(json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "name", name, "epoch",
                              (int)w->epoch, "pg", json_sprintf("%u.%x", w->pool, w->pg), "up",
                              set_json(w->up, w->up_count), "acting",
                              set_json(w->acting, w->acting_count), "copies", copies));
}

static int where(struct session *s)
{
    struct cairn_where w;
    int rc = cairn_where(s->pool, s->name, &w);

    if (rc < 0)
        return object_fail(s, rc);
    if (s->cli->json)
        return where_json(s->name, &w);
    printf("%s  pg %u.%x  epoch %u  ", s->name, w.pool, w.pg, w.epoch);
    set_print("up", w.up, w.up_count);
    set_print("  acting", w.acting, w.acting_count);
    putchar('\n');
    for (int i = 0; i < w.copy_count; i++) {
        const struct cairn_copy *copy = &w.copy[i];

        if (copy->rc < 0)
            printf("  osd.%d  %s\n", copy->osd, strerror(-copy->rc));
        else
            printf("  osd.%d  version %u'%llu  %llu bytes  crc32c %08x\n", copy->osd,
                   copy->version_epoch, (unsigned long long)copy->version_seq,
                   (unsigned long long)copy->bytes, copy->crc32c);
    }
    return 0;
}

int cli_object(struct cli *cli)
{
    static const struct {
        const char *verb;
        int args_min, args_max; /* after the verb */
        int (*run)(struct session *);
    } verbs[] = {{"put", 2, 3, put}, {"get", 2, 3, object_get}, {"stat", 2, 2, stat_one},
                 {"ls", 1, 1, list}, {"rm", 2, 2, remove_one},  {"where", 2, 2, where}};
    struct session s = {.cli = cli};
    int rc;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (cli->argc < 2 || strcmp(cli->argv[1], verbs[i].verb) != 0)
            continue;
        if (cli->argc - 2 < verbs[i].args_min || cli->argc - 2 > verbs[i].args_max)
            break;
        s.pool_name = cli->argv[2];
        s.name = cli->argc > 3 ? cli->argv[3] : NULL;
        s.file = cli->argc > 4 ? cli->argv[4] : NULL;
        if (s.name && !s.name[0])
            return cli_fail("an object's name has at least one byte");
        s.c = cli_connect(cli);
        if (!s.c)
            return 1;
        rc = cairn_pool_open(s.c, cli->argv[2], &s.pool);
        rc = rc < 0 ? cli_fail("no pool '%s'; 'cairn pool ls' lists them", cli->argv[2])
                    : verbs[i].run(&s);
        cairn_pool_close(s.pool);
        cairn_shutdown(s.c);
        return fflush(stdout) ? cli_fail("standard output: %s", strerror(errno)) : rc;
    }
    return cli_wrong(cli);
}
