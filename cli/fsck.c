/* fsck.c - `cairn osd fsck PATH`: prove the store of an OSD that is not running. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/json.h"
#include "core/base/size.h"
#include "core/env/env_real.h"
#include "core/store/store.h"

static void problem_print(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "%s\n", text);
}

static int report_print(const struct cli *cli, const struct fsck_report *r)
{
    char bytes[32];

    if (cli->json) {
        json_t *j = json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "objects", (json_int_t)r->objects, "extents",
            (json_int_t)r->extents, "bytes_checked", (json_int_t)r->bytes_checked, "omap_rows",
            (json_int_t)r->omap_rows, "meta_rows", (json_int_t)r->meta_rows, "journal_records",
            (json_int_t)r->journal_records, "errors", (json_int_t)r->errors);

        if (!j || json_dumpf(j, stdout, JSON_SORT_KEYS) < 0)
            return cli_fail("out of memory");
        json_decref(j);
        putchar('\n');
    } else {
        printf("%llu objects, %llu extents, %s of data and %llu omap rows checked: %llu errors\n",
               (unsigned long long)r->objects, (unsigned long long)r->extents,
               bytes_print(r->bytes_checked, bytes), (unsigned long long)r->omap_rows,
               (unsigned long long)r->errors);
    }
    return r->errors ? 1 : 0;
}

/* Or at least the rest of one; what cannot be looked into is left to the store to tell of. */
static bool is_store(const char *path)
{
    static const char *const files[] = {"superblock", "data"};
    char file[CLI_PATH_BYTES];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, files[i]);
        if (access(file, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
            return true;
    }
    return false;
}

int cli_osd_fsck(struct cli *cli)
{
    struct fsck_report report = {0};
    struct note why = {{0}};
    struct log_sink sink;
    struct env *env;
    int rc;

    if (cli->argc != 3)
        return cli_wrong(cli);
    if (!is_store(cli->argv[2]))
        return cli_fail("%s is not the folder of an OSD, such as DIR/osd.0: it has neither a "
                        "superblock nor data",
                        cli->argv[2]);
    log_sink_fd_init(&sink, 2, false, LOG_WARN, NULL);
    env = env_blocking_create(&sink);
    if (!env)
        return cli_fail("out of memory");
    rc = store_fsck(env, cli->argv[2], &report, problem_print, NULL, NULL, &why);
    env_blocking_destroy(env);
    if (rc == -R_STORE_LOCKED)
        return cli_fail(
            "%s: the OSD is running; stop it first ('cairn osd stop N', or 'cairn down')",
            cli->argv[2]);
    if (rc < 0)
        return cli_fail("%s", why.text[0] ? why.text : cli_error_text(rc));
    return report_print(cli, &report);
}
