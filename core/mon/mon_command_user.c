/* mon_command_user.c - users, their keys, state and quota.
 *
 * A user's row and the rows by which its keys find it change in one commit, so that gateways never
 * see a key without its user or the reverse.  The secret of a key that was made elsewhere comes as
 * the command's input, never as an argument; the secret of one made here is shown when it is made,
 * and later only to gateways. */
#include <stdio.h>

#include "core/base/option.h"
#include "core/base/size.h"
#include "core/mon/mon_command.h"
#include "core/mon/mon_user.h"

enum { ACCESS_CHARS = 20, SECRET_CHARS = 40 };

struct draft_user { /* being changed */
    const char *name;
    struct mon_user u;
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

static void user_row(const char *name, char out[MON_KEY_MAX])
{
    snprintf(out, MON_KEY_MAX, "user/%s", name);
}

static void access_row(const char *access, char out[MON_KEY_MAX])
{
    snprintf(out, MON_KEY_MAX, "access/%s", access);
}

static const char *state_text(const struct mon_user *u)
{
    return u->state == MON_USER_SUSPENDED ? "suspended" : "active";
}

static json_int_t seconds(uint64_t wall_ns)
{
    return (json_int_t)(wall_ns / NS_PER_S);
}

/* null: none. */
static json_t *quota_json(uint64_t v)
{
    return v ? json_integer((json_int_t)v) : json_null();
}

/* ---- reading and writing rows ---- */

/* Readers look at what is committed, writers at what will be. */
static int user_read(struct mon_call *call, const char *name, bool draft, struct mon_user *out)
{
    char key[MON_KEY_MAX];
    struct bytes value;
    bool there = false;

    if (mon_user_name_fine(name)) {
        user_row(name, key);
        if (draft) {
            there = mon_draft_get(call->mon, key, &value);
        } else {
            const struct mon_row *row = mon_state_get(&call->mon->state, key);

            there = row != NULL;
            if (row)
                value = (struct bytes){row->value, row->value_bytes};
        }
    }
    if (!there)
        return mon_call_fail(call, -ENOENT, "there is no user %.*s", MON_USER_NAME_MAX, name);
    if (mon_user_decode(value, out) < 0)
        return mon_call_fail(call, -R_MALFORMED, "the row of user %s cannot be read", name);
    return 0;
}

static int draft_begin(struct mon_call *call, struct draft_user *d)
{
    d->name = call->argv[0];
    return user_read(call, d->name, true, &d->u);
}

static int draft_write(struct mon_call *call, const struct draft_user *d)
{
    char key[MON_KEY_MAX];
    AUTO(writer) w = {0};

    user_row(d->name, key);
    mon_user_encode(&d->u, &w);
    return w.rc < 0 ? w.rc : mon_draft_put(call->mon, key, w.data, w.len);
}

/* ---- keys ---- */

static void key_make(struct mon *mon, struct mon_user_key *k)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char row[MON_KEY_MAX];
    struct bytes had;

    do {
        random_chars(mon->env, upper, sizeof(upper) - 1, k->access, ACCESS_CHARS);
        access_row(k->access, row);
    } while (mon_draft_get(mon, row, &had));
    random_chars(mon->env, all, sizeof(all) - 1, k->secret, SECRET_CHARS);
}

/* One that another service gave out; its secret is the command's input. */
static int key_take(struct mon_call *call, const char *access, struct mon_user_key *k)
{
    struct bytes secret = call->input, had;
    char row[MON_KEY_MAX];

    if (!mon_access_fine(access))
        return mon_call_fail(call, -R_BAD_COMMAND,
                             "an access key has %d to %d of: letters, digits, . _ - @",
                             MON_ACCESS_MIN, MON_ACCESS_MAX);
    while (secret.len &&
           (secret.data[secret.len - 1] == '\n' || secret.data[secret.len - 1] == '\r'))
        secret.len--;
    if (!mon_secret_fine(secret))
        return mon_call_fail(call, -R_BAD_COMMAND,
                             "the secret key is read from the input: %d to %d characters without "
                             "blanks",
                             MON_SECRET_MIN, MON_SECRET_MAX);
    access_row(access, row);
    if (mon_draft_get(call->mon, row, &had))
        return mon_call_fail(call, -R_EXISTS, "the access key %s is in use", access);
    memcpy(k->access, access, strlen(access) + 1);
    memcpy(k->secret, secret.data, secret.len);
    k->secret[secret.len] = 0;
    return 0;
}

/* One more key, given or made, with both rows and the answer. */
static int key_add(struct mon_call *call, struct draft_user *d, const char *access)
{
    struct mon_user_key *k = &d->u.key[d->u.key_count];
    char row[MON_KEY_MAX];
    int rc = 0;

    if (d->u.key_count == MON_USER_KEYS_MAX)
        return mon_call_fail(call, -R_OVERFLOW, "user %s has %d keys, the most; remove one first",
                             d->name, MON_USER_KEYS_MAX);
    if (access)
        rc = key_take(call, access, k);
    else
        key_make(call->mon, k);
    if (rc < 0)
        return rc;
    k->created_wall_ns = env_wall_ns(call->mon->env);
    d->u.key_count++;
    access_row(k->access, row);
    rc = draft_write(call, d);
    if (rc == 0)
        rc = mon_draft_put(call->mon, row, d->name, strlen(d->name));
    if (rc < 0)
        return rc;
    mon_call_say(call, "user %s\naccess key %s\n", d->name, k->access);
    call->json = json_pack("{s:s, s:s}", "user", d->name, "access_key", k->access);
    if (!access) { /* who gave the secret has it */
        mon_call_say(call, "secret key %s\n", k->secret);
        if (call->json && json_object_set_new(call->json, "secret_key", json_string(k->secret)) < 0)
            return -ENOMEM;
    }
    return call->json ? 0 : -ENOMEM;
}

int mon_cmd_user_key_add(struct mon_call *call)
{
    struct draft_user d;
    int rc = draft_begin(call, &d);

    return rc < 0 ? rc : key_add(call, &d, call->argc == 2 ? call->argv[1] : NULL);
}

int mon_cmd_user_key_rm(struct mon_call *call)
{
    const struct mon_user_key *k;
    struct draft_user d;
    char row[MON_KEY_MAX];
    int rc = draft_begin(call, &d);

    if (rc < 0)
        return rc;
    k = mon_user_key(&d.u, call->argv[1]);
    if (!k)
        return mon_call_fail(call, -ENOENT, "user %s has no such access key", d.name);
    access_row(k->access, row);
    for (uint32_t i = (uint32_t)(k - d.u.key); i + 1 < d.u.key_count; i++)
        d.u.key[i] = d.u.key[i + 1];
    d.u.key_count--;
    rc = draft_write(call, &d);
    if (rc == 0)
        rc = mon_draft_remove(call->mon, row);
    call->json =
        rc == 0 ? json_pack("{s:s, s:s}", "user", d.name, "access_key", call->argv[1]) : NULL;
    mon_call_say(call, "access key %s of user %s is removed\n", call->argv[1], d.name);
    return rc == 0 && !call->json ? -ENOMEM : rc;
}

static json_t *keys_json(const struct mon_user *u)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < u->key_count; i++) {
        json_t *one = json_pack("{s:s, s:I}", "access_key", u->key[i].access, "created",
                                seconds(u->key[i].created_wall_ns));

        if (!one || json_array_append_new(list, one) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

int mon_cmd_user_key_ls(struct mon_call *call)
{
    struct mon_user u;
    int rc = user_read(call, call->argv[0], false, &u);

    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < u.key_count; i++)
        mon_call_say(call, "%s\n", u.key[i].access);
    call->json = keys_json(&u);
    return call->json ? 0 : -ENOMEM;
}

/* ---- users ---- */

int mon_cmd_user_create(struct mon_call *call)
{
    struct draft_user d = {.name = call->argv[0], .u = {.state = MON_USER_ACTIVE}};
    char row[MON_KEY_MAX];
    struct bytes had;

    if (!mon_user_name_fine(d.name))
        return mon_call_fail(call, -R_BAD_COMMAND,
                             "a user's name has 1 to %d of: letters, digits, . _ - @",
                             MON_USER_NAME_MAX);
    user_row(d.name, row);
    if (mon_draft_get(call->mon, row, &had))
        return mon_call_fail(call, -R_EXISTS, "there is a user %s already", d.name);
    d.u.created_wall_ns = env_wall_ns(call->mon->env);
    return key_add(call, &d, call->argc == 2 ? call->argv[1] : NULL);
}

int mon_cmd_user_rm(struct mon_call *call)
{
    struct draft_user d;
    char row[MON_KEY_MAX];
    int rc = draft_begin(call, &d);

    for (uint32_t i = 0; rc == 0 && i < d.u.key_count; i++) {
        access_row(d.u.key[i].access, row);
        rc = mon_draft_remove(call->mon, row);
    }
    if (rc < 0)
        return rc;
    user_row(d.name, row);
    rc = mon_draft_remove(call->mon, row);
    call->json = rc == 0 ? json_pack("{s:s}", "user", d.name) : NULL;
    mon_call_say(call, "user %s is removed\n", d.name);
    return rc == 0 && !call->json ? -ENOMEM : rc;
}

static int state_set(struct mon_call *call, enum mon_user_state state)
{
    struct draft_user d;
    int rc = draft_begin(call, &d);

    if (rc < 0)
        return rc;
    d.u.state = state;
    rc = draft_write(call, &d);
    call->json =
        rc == 0 ? json_pack("{s:s, s:s}", "user", d.name, "state", state_text(&d.u)) : NULL;
    mon_call_say(call, "user %s is %s\n", d.name, state_text(&d.u));
    return rc == 0 && !call->json ? -ENOMEM : rc;
}

int mon_cmd_user_suspend(struct mon_call *call)
{
    return state_set(call, MON_USER_SUSPENDED);
}

int mon_cmd_user_enable(struct mon_call *call)
{
    return state_set(call, MON_USER_ACTIVE);
}

/* ---- quota ---- */

static int quota_take(struct mon_call *call, uint32_t i, const char *name,
                      bool (*parse)(struct bytes text, uint64_t *out), uint64_t *out)
{
    const char *text = call->argv[i + 1];

    if (strcmp(text, "none") == 0)
        *out = 0;
    else if (!parse(BYTES_STR(text), out) || *out == 0 || *out > INT64_MAX)
        return mon_call_fail(call, -R_BAD_COMMAND,
                             "%s must be none, or a number above 0, perhaps with K, M, G or T",
                             name);
    return 0;
}

static void quota_say(struct mon_call *call, const char *name, uint64_t v, bool bytes)
{
    char text[SIZE_TEXT_BYTES];

    if (v > 1024 && bytes)
        mon_call_say(call, "%-8s %llu (%s)\n", name, (unsigned long long)v, bytes_print(v, text));
    else if (v == 0)
        mon_call_say(call, "%-8s none\n", name);
    else
        mon_call_say(call, "%-8s %llu\n", name, (unsigned long long)v);
}

int mon_cmd_user_quota(struct mon_call *call)
{
    struct draft_user d;
    int rc = draft_begin(call, &d);

    for (uint32_t i = 1; i < call->argc && rc == 0; i += 2) {
        if (mon_call_option(call, i, "bytes"))
            rc = quota_take(call, i, "bytes", size_parse, &d.u.quota_bytes);
        else if (mon_call_option(call, i, "objects"))
            rc = quota_take(call, i, "objects", count_parse, &d.u.quota_objects);
        else
            rc = mon_call_fail(call, -R_BAD_COMMAND,
                               "usage: user quota NAME [bytes N|none] [objects N|none]");
    }
    if (rc == 0 && call->argc > 1)
        rc = draft_write(call, &d);
    if (rc < 0)
        return rc;
    quota_say(call, "bytes", d.u.quota_bytes, true);
    quota_say(call, "objects", d.u.quota_objects, false);
    call->json = json_pack("{s:s, s:o, s:o}", "user", d.name, "bytes", quota_json(d.u.quota_bytes),
                           "objects", quota_json(d.u.quota_objects));
    return call->json ? 0 : -ENOMEM;
}

/* ---- looking ---- */

static json_t *user_json(const char *name, const struct mon_user *u)
{
    return json_pack("{s:s, s:s, s:I, s:{s:o, s:o}, s:o}", "user", name, "state", state_text(u),
                     "created", seconds(u->created_wall_ns), "quota", "bytes",
                     quota_json(u->quota_bytes), "objects", quota_json(u->quota_objects), "keys",
                     keys_json(u));
}

int mon_cmd_user_info(struct mon_call *call)
{
    struct mon_user u;
    int rc = user_read(call, call->argv[0], false, &u);

    if (rc < 0)
        return rc;
    mon_call_say(call, "%-8s %s\n%-8s %s\n", "user", call->argv[0], "state", state_text(&u));
    quota_say(call, "bytes", u.quota_bytes, true);
    quota_say(call, "objects", u.quota_objects, false);
    for (uint32_t i = 0; i < u.key_count; i++)
        mon_call_say(call, "%-8s %s\n", "key", u.key[i].access);
    call->json = user_json(call->argv[0], &u);
    return call->json ? 0 : -ENOMEM;
}

int mon_cmd_user_list(struct mon_call *call)
{
    const struct mon_row *row = mon_state_from(&call->mon->state, "user/");

    call->json = json_array();
    for (; mon_row_has_prefix(row, "user/"); row = mon_state_next(row)) {
        const char *name = row->key + strlen("user/");
        struct mon_user u;
        json_t *one = NULL;

        if (mon_user_decode((struct bytes){row->value, row->value_bytes}, &u) < 0)
            return mon_call_fail(call, -R_MALFORMED, "the row of user %s cannot be read", name);
        one = user_json(name, &u);
        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "%-32s %-9s %s%s\n", name, state_text(&u),
                     u.key_count ? u.key[0].access : "no key", u.key_count > 1 ? " ..." : "");
    }
    return 0;
}

/* For gateways: they read the JSON, which alone has the secret. */
int mon_cmd_user_find(struct mon_call *call)
{
    const struct mon_user_key *k;
    const struct mon_row *row = NULL;
    char key[MON_KEY_MAX];
    const char *name;
    struct mon_user u;
    int rc;

    if (mon_access_fine(call->argv[0])) {
        access_row(call->argv[0], key);
        row = mon_state_get(&call->mon->state, key);
    }
    if (!row)
        return mon_call_fail(call, -ENOENT, "there is no such access key");
    name = (const char *)row->value; /* terminated */
    rc = user_read(call, name, false, &u);
    if (rc < 0)
        return rc;
    k = mon_user_key(&u, call->argv[0]);
    if (!k)
        return mon_call_fail(call, -R_MALFORMED, "user %s does not know this access key", name);
    call->json =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:o, s:o}}", "user", name, "state", state_text(&u),
                  "access_key", k->access, "secret_key", k->secret, "quota", "bytes",
                  quota_json(u.quota_bytes), "objects", quota_json(u.quota_objects));
    mon_call_say(call, "%s\n", name);
    return call->json ? 0 : -ENOMEM;
}
