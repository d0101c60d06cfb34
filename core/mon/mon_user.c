/* mon_user.c - the row of a user: its codec, and what names and keys may look like. */
#include "core/mon/mon_user.h"

enum { VERSION = 1, KEY_BYTES_MIN = 4 + 4 + 8 };

void mon_user_encode(const struct mon_user *u, struct writer *w)
{
    size_t mark = wr_begin_plain(w, VERSION, VERSION);

    wr_u8(w, u->state);
    wr_u64(w, u->created_wall_ns);
    wr_u64(w, u->quota_bytes);
    wr_u64(w, u->quota_objects);
    wr_u32(w, u->key_count);
    for (uint32_t i = 0; i < u->key_count; i++) {
        wr_str(w, u->key[i].access);
        wr_str(w, u->key[i].secret);
        wr_u64(w, u->key[i].created_wall_ns);
    }
    wr_end_plain(w, mark);
}

static void cur_text(struct cursor *c, char *out, uint32_t max)
{
    struct bytes text = cur_bytes(c, max);

    memcpy(out, text.len ? (const char *)text.data : "", text.len);
    out[text.len] = 0;
}

int mon_user_decode(struct bytes value, struct mon_user *out_user)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct mon_user u;

    memset(&u, 0, sizeof(u));
    (void)cur_enter_plain(&c, VERSION, &body);
    u.state = cur_u8(&body);
    if (u.state < MON_USER_ACTIVE || u.state > MON_USER_SUSPENDED)
        cur_fail(&body, -R_MALFORMED);
    u.created_wall_ns = cur_u64(&body);
    u.quota_bytes = cur_u64(&body);
    u.quota_objects = cur_u64(&body);
    u.key_count = cur_count(&body, MON_USER_KEYS_MAX, KEY_BYTES_MIN);
    for (uint32_t i = 0; i < u.key_count; i++) {
        cur_text(&body, u.key[i].access, MON_ACCESS_MAX);
        cur_text(&body, u.key[i].secret, MON_SECRET_MAX);
        u.key[i].created_wall_ns = cur_u64(&body);
    }
    if (cur_leave(&c, &body) == 0)
        *out_user = u;
    explicit_bzero(&u, sizeof(u));
    return c.rc;
}

const struct mon_user_key *mon_user_key(const struct mon_user *u, const char *access)
{
    for (uint32_t i = 0; i < u->key_count; i++)
        if (strcmp(u->key[i].access, access) == 0)
            return &u->key[i];
    return NULL;
}

static bool plain_text(const char *text, size_t min, size_t max)
{
    size_t n = strlen(text);

    if (n < min || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
              (text[i] >= '0' && text[i] <= '9') || strchr("._-@", text[i])))
            return false;
    return true;
}

bool mon_user_name_fine(const char *name)
{
    return plain_text(name, 1, MON_USER_NAME_MAX);
}

bool mon_access_fine(const char *access)
{
    return plain_text(access, MON_ACCESS_MIN, MON_ACCESS_MAX);
}

bool mon_secret_fine(struct bytes secret)
{
    for (uint32_t i = 0; i < secret.len; i++)
        if (secret.data[i] <= ' ' || secret.data[i] > '~')
            return false;
    return secret.len >= MON_SECRET_MIN && secret.len <= MON_SECRET_MAX;
}
