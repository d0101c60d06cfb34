/* osd.c - `cairn osd stop N` and `osd start N`: told to the monitors, then waited for.
 *
 * The monitors only note the wish; whoever runs the OSD follows it.  That takes a moment within
 * `cairn up`, and a start may take for ever where nobody runs it, so the wait is short. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "core/base/json.h"

enum { WAIT_MS = 5000, LOOK_MS = 50 };

static bool is_up(struct cairn *c, long id, bool up)
{
    static const char *const argv[] = {"osd", "ls"};
    struct cairn_reply reply;
    struct note why;
    json_t *list = NULL, *one;
    bool found = false;
    size_t i;

    if (cairn_command(c, 2, argv, NULL, 0, WAIT_MS, &reply) == 0)
        list = json_parse(reply.json, reply.json_bytes, &why);
    cairn_reply_free(&reply);
    json_array_foreach(list, i, one) found |=
        json_integer_value(json_object_get(one, "osd")) == id &&
        json_is_true(json_object_get(one, "up")) == up;
    json_decref(list);
    return found;
}

int cli_osd_switch(struct cli *cli)
{
    bool up = strcmp(cli->argv[1], "start") == 0, done = false;
    const char *name;
    struct cairn *c;
    long id;
    int rc = cli_mon_command(cli);

    if (rc != 0)
        return rc;
    name = cli->argv[2]; /* "2" or "osd.2": the monitors took it */
    id = strtol(strncmp(name, "osd.", 4) == 0 ? name + 4 : name, NULL, 10);
    c = cli_connect(cli);
    for (int ms = 0; c && !done && ms < WAIT_MS; ms += LOOK_MS) {
        done = is_up(c, id, up);
        if (!done)
            nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    cairn_shutdown(c);
    if (!done)
        fprintf(stderr, "cairn: osd.%ld is not %s yet%s\n", id, up ? "up" : "down",
                up ? ": whoever runs it starts it ('cairn up', a service manager)" : "");
    else if (!cli->json)
        printf("osd.%ld is %s\n", id, up ? "up" : "down");
    return fflush(stdout) ? 1 : 0;
}
