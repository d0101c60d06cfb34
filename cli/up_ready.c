/* up_ready.c - what `cairn up` asks of its cluster before it calls it ready.
 *
 * The first user is made, or gets a new key when the files that held its key are gone.  Then every
 * PG is to be served, and, when all OSDs are up, to be clean: whoever looks at the status next sees
 * HEALTH_OK.  Waiting is bounded: a cluster that needs long to heal serves meanwhile.  One that
 * cannot serve is up all the same, since only a running cluster can be mended: with a warning. */
#include "cli/up.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/base/base.h"
#include "core/base/json.h"
#include "node/node.h"

enum { SERVED_MS = 20000, CLEAN_MS = 2000, LOOK_MS = 20 };

int up_connect(struct up *u, struct cairn **out_c, struct note *why)
{
    char path[CLI_PATH_BYTES], text[256] = "";
    int rc;

    snprintf(path, sizeof(path), "%s/cairn.conf", u->folder);
    rc = cairn_connect(path, UP_READY_MS, out_c, text, sizeof(text));
    if (rc < 0)
        note_set(why, "%s", text);
    return rc;
}

static int command(struct cairn *c, const char *const *argv, int argc, json_t **out_json,
                   struct note *why)
{
    struct cairn_reply reply;
    int rc = cairn_command(c, argc, argv, NULL, 0, 0, &reply);

    *out_json = NULL;
    if (rc < 0)
        note_set(why, "%s: %s", argv[0],
                 reply.text && reply.text[0] ? reply.text : cli_error_text(rc));
    else
        *out_json = json_parse(reply.json, reply.json_bytes, why);
    cairn_reply_free(&reply);
    return rc < 0 ? rc : *out_json ? 0 : -EBADMSG;
}

/* ---- the first user ---- */

static int keys_take(struct up *u, json_t *j)
{
    const char *access = json_string_value(json_object_get(j, "access_key"));
    const char *secret = json_string_value(json_object_get(j, "secret_key"));

    if (access && secret) {
        snprintf(u->access_key, sizeof(u->access_key), "%s", access);
        snprintf(u->secret_key, sizeof(u->secret_key), "%s", secret);
    }
    json_decref(j);
    return access && secret ? 0 : -EBADMSG;
}

int up_user_make(struct up *u, struct cairn *c, struct note *why)
{
    static const char *const create[] = {"user", "create", "admin"};
    static const char *const add[] = {"user", "key", "add", "admin"};
    json_t *j;
    int rc;

    if (!u->fresh && up_keys_read(u) == 0)
        return 0;
    rc = command(c, create, 3, &j, why);
    if (rc == -EEXIST) /* the files that hold its key are gone, or were never written */
        rc = command(c, add, 4, &j, why);
    return rc < 0 ? rc : keys_take(u, j);
}

/* ---- healthy ---- */

enum health { WAITS, SERVES, HEALS, IS_CLEAN };

/* Of the monitors' words: whether all PGs are served; whether they will be clean before long. */
static enum health health_of(struct cairn *c)
{
    static const char *const argv[] = {"status"};
    json_int_t total = -1, clean = -2, up = 0, osds = 0;
    enum health h = SERVES;
    struct note why;
    json_t *j, *checks, *check;
    size_t i;

    if (command(c, argv, 1, &j, &why) < 0)
        return WAITS;
    (void)json_unpack(j, "{s:{s:I, s:I}, s:{s:I, s:I}}", "pgs", "total", &total, "active_clean",
                      &clean, "osds", "total", &osds, "up", &up); /* what is not there waits */
    checks = json_object_get(json_object_get(j, "health"), "checks");
    json_array_foreach(checks, i, check)
    {
        const char *code = json_string_value(json_object_get(check, "code"));

        if (code && (strcmp(code, "PG_NOT_REPORTED") == 0 || strcmp(code, "PG_NOT_ACTIVE") == 0))
            h = WAITS;
    }
    json_decref(j);
    if (total == clean)
        return IS_CLEAN;
    return h == SERVES && up == osds ? HEALS : h;
}

static bool interrupted(void)
{
    sigset_t set;

    return sigpending(&set) == 0 && (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM));
}

void up_settle(struct up *u, struct node *n, struct cairn *c)
{
    enum health h = WAITS;

    for (int ms = 0; ms < SERVED_MS && !interrupted(); ms += LOOK_MS) {
        node_report(n);
        h = health_of(c);
        if (h == IS_CLEAN || h == SERVES || (h == HEALS && ms >= CLEAN_MS))
            return;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * (long)NS_PER_MS}, NULL);
    }
    up_warn(u, "not all data can be reached: 'cairn --data %s status' says why", u->folder);
}
