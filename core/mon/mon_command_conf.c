/* mon_command_conf.c - stored settings, the blocklist.  "conf/KEY" is a row of the table. */
#include <stdio.h>

#include "core/mon/mon_command.h"

enum { BLOCK_SECONDS = 3600 };

/* ---- stored settings ---- */

static int conf_key(struct mon_call *call, char out[MON_KEY_MAX])
{
    size_t n = strlen(call->argv[0]);

    if (n == 0 || n > 256)
        return mon_call_fail(call, -R_BAD_COMMAND, "a key has 1 to 256 bytes");
    snprintf(out, MON_KEY_MAX, "conf/%s", call->argv[0]);
    return 0;
}

int mon_cmd_key_get(struct mon_call *call)
{
    char key[MON_KEY_MAX];
    const struct mon_row *row;
    int rc = conf_key(call, key);

    if (rc < 0)
        return rc;
    row = mon_state_get(&call->mon->state, key);
    if (!row)
        return mon_call_fail(call, -ENOENT, "there is no such key");
    call->json = json_pack("{s:s, s:s#}", "key", call->argv[0], "value", (const char *)row->value,
                           (size_t)row->value_bytes);
    wr_raw(&call->text, row->value, row->value_bytes);
    wr_u8(&call->text, '\n');
    return call->json ? 0 : mon_call_fail(call, -EILSEQ, "the key or its value is no text");
}

int mon_cmd_key_set(struct mon_call *call)
{
    struct bytes value = call->argc == 2 ? BYTES_STR(call->argv[1]) : call->input;
    char key[MON_KEY_MAX];
    int rc = conf_key(call, key);

    if (rc == 0 && value.len > MON_VALUE_MAX)
        return mon_call_fail(call, -R_OVERFLOW, "a value has at most %d bytes", MON_VALUE_MAX);
    if (rc == 0)
        rc = mon_draft_put(call->mon, key, value.data, value.len);
    return rc;
}

int mon_cmd_key_rm(struct mon_call *call)
{
    char key[MON_KEY_MAX];
    struct bytes had;
    int rc = conf_key(call, key);

    if (rc == 0 && !mon_draft_get(call->mon, key, &had))
        return mon_call_fail(call, -ENOENT, "there is no such key");
    return rc < 0 ? rc : mon_draft_remove(call->mon, key);
}

int mon_cmd_key_ls(struct mon_call *call)
{
    const struct mon_row *row = mon_state_from(&call->mon->state, "conf/");

    call->json = json_array();
    for (; mon_row_has_prefix(row, "conf/"); row = mon_state_next(row)) {
        json_t *name = json_string(row->key + 5);

        if (!name)
            continue; /* not UTF-8: can be had by get only */
        if (!call->json || json_array_append_new(call->json, name) < 0)
            return -ENOMEM;
        mon_call_say(call, "%s\n", row->key + 5);
    }
    return 0;
}

/* ---- the blocklist ---- */

int mon_cmd_block_add(struct mon_call *call)
{
    uint64_t client, seconds = BLOCK_SECONDS;
    int rc = mon_call_number(call, 0, "the instance", UINT64_MAX, &client);

    if (rc == 0 && call->argc == 2)
        rc = mon_call_number(call, 1, "SECONDS", 10ull * 365 * 86400, &seconds);
    if (rc < 0)
        return rc;
    if (seconds == 0 || client == 0)
        return mon_call_fail(call, -R_BAD_COMMAND, "neither may be 0");
    if (!mon_call_map(call))
        return -ENOMEM;
    rc = osdmap_block_set(call->map, client, env_wall_ns(call->mon->env) + seconds * NS_PER_S);
    call->json = rc == 0 ? json_pack("{s:s, s:I, s:I}", "instance", call->argv[0], "seconds",
                                     (json_int_t)seconds, "epoch", (json_int_t)call->map->epoch.v)
                         : NULL;
    mon_call_say(call, "client %s is fenced from epoch %u on\n", call->argv[0], call->map->epoch.v);
    return rc == 0 && !call->json ? -ENOMEM : rc;
}

int mon_cmd_block_rm(struct mon_call *call)
{
    uint64_t client;
    int rc = mon_call_number(call, 0, "the instance", UINT64_MAX, &client);

    if (rc < 0)
        return rc;
    if (!osdmap_blocked(mon_view(call->mon), client))
        return mon_call_fail(call, -ENOENT, "this client is not fenced");
    if (!mon_call_map(call))
        return -ENOMEM;
    return osdmap_block_set(call->map, client, 0);
}

int mon_cmd_block_ls(struct mon_call *call)
{
    const struct osdmap *m = call->mon->state.map;

    call->json = json_array();
    for (uint32_t i = 0; i < m->blocked_count; i++) {
        char client[24];
        json_t *one;

        snprintf(client, sizeof(client), "%llu", (unsigned long long)m->blocked[i].client);
        one = json_pack("{s:s, s:I}", "instance", client, "until",
                        (json_int_t)(m->blocked[i].until_wall_ns / NS_PER_S));
        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "%s\n", client);
    }
    return 0;
}
