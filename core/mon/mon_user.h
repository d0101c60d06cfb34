/* mon_user.h - a user of the front ends, as a row of the monitors' table.
 *
 * "user/NAME" holds the row, "access/KEY" the name of the key's user; both change in one commit.
 * doc/format/mon.md.  Pure. */
#ifndef CORE_MON_MON_USER_H
#define CORE_MON_MON_USER_H

#include "core/base/cursor.h"

enum {
    MON_USER_NAME_MAX = 64,
    MON_USER_KEYS_MAX = 16, /* enough to rotate any number of programs, each at its time */
    MON_ACCESS_MIN = 3,
    MON_ACCESS_MAX = 128,
    MON_SECRET_MIN = 8,
    MON_SECRET_MAX = 128,
};

enum mon_user_state { MON_USER_ACTIVE = 1, MON_USER_SUSPENDED };

struct mon_user_key {
    char access[MON_ACCESS_MAX + 1], secret[MON_SECRET_MAX + 1];
    uint64_t created_wall_ns;
};

struct mon_user {
    uint8_t state;
    uint64_t created_wall_ns;
    uint64_t quota_bytes, quota_objects; /* 0: none */
    uint32_t key_count;                  /* oldest first */
    struct mon_user_key key[MON_USER_KEYS_MAX];
};

void mon_user_encode(const struct mon_user *u, struct writer *w);
int mon_user_decode(struct bytes value, struct mon_user *out_user);
const struct mon_user_key *mon_user_key(const struct mon_user *u, const char *access); /* or NULL */

/* What a name, an access key, a secret key may consist of. */
bool mon_user_name_fine(const char *name); /* letters, digits, . _ - @ */
bool mon_access_fine(const char *access);  /* the same: it stands between '/' in signatures */
bool mon_secret_fine(struct bytes secret); /* printable ASCII without blanks */

#endif
