/* mon_command_user.c - users, stored settings, the blocklist.
 *
 * Rows: "user/NAME" holds {access, secret, created}, "access/KEY" the name of its user, "conf/KEY"
 * a stored setting. */
#include <stdio.h>

#include "core/mon/mon_command.h"

enum { ACCESS_CHARS = 20, SECRET_CHARS = 40, NAME_CHARS_MAX = 64, BLOCK_SECONDS = 3600 };

struct user {
    char access[ACCESS_CHARS + 1], secret[SECRET_CHARS + 1];
    uint64_t created_wall_ns;
};

static void random_chars(struct env *env, const char *alphabet, size_t letters, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t byte;

        do /* no letter more likely than another */
            env_random_bytes(env, &byte, 1);
        while (byte >= 256 / letters * letters);
        out[i] = alphabet[byte % letters];
    }
    out[n] = 0;
}

static void user_encode(struct writer *w, const struct user *u)
{
    size_t mark = wr_begin_plain(w, 1, 1);

    wr_str(w, u->access);
    wr_str(w, u->secret);
    wr_u64(w, u->created_wall_ns);
    wr_end_plain(w, mark);
}

static int user_decode(struct bytes value, struct user *out)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct bytes access, secret;
    struct user u = {0};

    (void)cur_enter_plain(&c, 1, &body);
    access = cur_bytes(&body, ACCESS_CHARS);
    secret = cur_bytes(&body, SECRET_CHARS);
    u.created_wall_ns = cur_u64(&body);
    if (cur_leave(&c, &body) < 0)
        return c.rc;
    memcpy(u.access, access.data, access.len);
    memcpy(u.secret, secret.data, secret.len);
    *out = u;
    return 0;
}

static bool name_is_fine(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > NAME_CHARS_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
              (name[i] >= '0' && name[i] <= '9') || strchr("._-@", name[i])))
            return false;
    return true;
}

static void user_key(const char *name, char out[MON_KEY_MAX])
{
    snprintf(out, MON_KEY_MAX, "user/%s", name);
}

static void access_key(const char *access, char out[MON_KEY_MAX])
{
    snprintf(out, MON_KEY_MAX, "access/%s", access);
}

int mon_cmd_user_create(struct mon_call *call)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct mon *mon = call->mon;
    struct user u = {.created_wall_ns = env_wall_ns(mon->env)};
    const char *name = call->argv[0];
    char key[MON_KEY_MAX], by_access[MON_KEY_MAX];
    AUTO(writer) w = {0};
    struct bytes had;
    int rc;

    if (!name_is_fine(name))
        return mon_call_fail(call, -R_BAD_COMMAND,
                             "a user's name has 1 to %d of: letters, digits, . _ - @",
                             NAME_CHARS_MAX);
    user_key(name, key);
    if (mon_draft_get(mon, key, &had))
        return mon_call_fail(call, -R_EXISTS, "there is a user %s already", name);
    do {
        random_chars(mon->env, upper, sizeof(upper) - 1, u.access, ACCESS_CHARS);
        access_key(u.access, by_access);
    } while (mon_draft_get(mon, by_access, &had));
    random_chars(mon->env, all, sizeof(all) - 1, u.secret, SECRET_CHARS);
    user_encode(&w, &u);
    rc = w.rc < 0 ? w.rc : mon_draft_put(mon, key, w.data, w.len);
    if (rc == 0)
        rc = mon_draft_put(mon, by_access, name, strlen(name));
    if (rc < 0)
        return rc;
    call->json =
        json_pack("{s:s, s:s, s:s}", "user", name, "access_key", u.access, "secret_key", u.secret);
    mon_call_say(call, "user %s\naccess key %s\nsecret key %s\n", name, u.access, u.secret);
    return call->json ? 0 : -ENOMEM;
}

int mon_cmd_user_rm(struct mon_call *call)
{
    char key[MON_KEY_MAX], by_access[MON_KEY_MAX];
    struct bytes value;
    struct user u;
    int rc;

    if (!name_is_fine(call->argv[0]))
        return mon_call_fail(call, -ENOENT, "there is no such user");
    user_key(call->argv[0], key);
    if (!mon_draft_get(call->mon, key, &value))
        return mon_call_fail(call, -ENOENT, "there is no user %s", call->argv[0]);
    rc = user_decode(value, &u);
    if (rc == 0) {
        access_key(u.access, by_access);
        rc = mon_draft_remove(call->mon, by_access);
    }
    if (rc == 0)
        rc = mon_draft_remove(call->mon, key);
    call->json = rc == 0 ? json_pack("{s:s}", "user", call->argv[0]) : NULL;
    if (rc == 0)
        mon_call_say(call, "user %s is removed\n", call->argv[0]);
    return rc == 0 && !call->json ? -ENOMEM : rc;
}

static bool has_prefix(const struct mon_row *row, const char *prefix)
{
    return row && strncmp(row->key, prefix, strlen(prefix)) == 0;
}

int mon_cmd_user_list(struct mon_call *call)
{
    const struct mon_row *row = mon_state_from(&call->mon->state, "user/");

    call->json = json_array();
    for (; has_prefix(row, "user/"); row = mon_state_next(row)) {
        struct user u;
        json_t *one = NULL;

        if (user_decode((struct bytes){row->value, row->value_bytes}, &u) == 0)
            one = json_pack("{s:s, s:s, s:I}", "user", row->key + 5, "access_key", u.access,
                            "created", (json_int_t)(u.created_wall_ns / NS_PER_S));
        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "%-32s %s\n", row->key + 5, u.access);
    }
    return 0;
}

int mon_cmd_user_key(struct mon_call *call)
{
    const struct mon_state *s = &call->mon->state;
    char key[MON_KEY_MAX];
    const struct mon_row *row = NULL;
    struct user u;
    const char *name;

    if (strlen(call->argv[0]) <= ACCESS_CHARS) {
        access_key(call->argv[0], key);
        row = mon_state_get(s, key);
    }
    if (!row)
        return mon_call_fail(call, -ENOENT, "there is no such access key");
    name = (const char *)row->value; /* terminated */
    user_key(name, key);
    row = mon_state_get(s, key);
    if (!row || user_decode((struct bytes){row->value, row->value_bytes}, &u) < 0)
        return mon_call_fail(call, -R_MALFORMED, "the user of this access key cannot be read");
    call->json =
        json_pack("{s:s, s:s, s:s}", "user", name, "access_key", u.access, "secret_key", u.secret);
    mon_call_say(call, "%s\n", name); /* the secret is for gateways, which read the JSON */
    return call->json ? 0 : -ENOMEM;
}

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
    for (; has_prefix(row, "conf/"); row = mon_state_next(row)) {
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
