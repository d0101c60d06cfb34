/* test_user.c - the row of a user. */
#include <stdio.h>

#include "core/mon/mon_user.h"
#include "tests/unit/t.h"

static struct mon_user sample(void)
{
    return (struct mon_user){
        .state = MON_USER_SUSPENDED,
        .created_wall_ns = 0x1122334455667788,
        .quota_bytes = 1 << 30,
        .key_count = 2,
        .key = {{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", 5}, {"moved.one", "another secret", 6}},
    };
}

static struct bytes w_bytes(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

T(mon_user, what_was_encoded_is_decoded)
{
    struct mon_user u = sample(), back;
    AUTO(writer) w = {0};

    mon_user_encode(&u, &w);
    T_OK(w.rc);
    T_OK(mon_user_decode(w_bytes(&w), &back));
    T_MEM_EQ(&back, &u, sizeof(u));
    T_TRUE(mon_user_key(&back, "moved.one") == &back.key[1]);
    T_TRUE(mon_user_key(&back, "moved") == NULL);
}

T(mon_user, version_1_is_what_it_always_was)
{
    struct mon_user u = sample();
    AUTO(writer) w = {0};

    mon_user_encode(&u, &w);
    T_GOLDEN("mon-user", w.data, w.len);
}

T(mon_user, a_row_cut_short_or_out_of_bounds_is_malformed)
{
    struct mon_user u = sample(), back;
    AUTO(writer) w = {0}, bad = {0};

    mon_user_encode(&u, &w);
    for (uint32_t n = 0; n < w.len; n++)
        T_TRUE(mon_user_decode((struct bytes){w.data, n}, &back) < 0);
    u.state = 3;
    mon_user_encode(&u, &bad);
    T_EQ(mon_user_decode(w_bytes(&bad), &back), -R_MALFORMED);
}

T(mon_user, names_and_keys_hold_only_what_paths_and_signatures_can_carry)
{
    static char long_name[MON_USER_NAME_MAX + 2], long_key[MON_ACCESS_MAX + 2];

    memset(long_name, 'a', sizeof(long_name) - 1);
    memset(long_key, 'A', sizeof(long_key) - 1);
    T_TRUE(mon_user_name_fine("a") && mon_user_name_fine("Ann.B_c-1@example.org"));
    T_FALSE(mon_user_name_fine("") || mon_user_name_fine("a/b") || mon_user_name_fine("a b"));
    T_FALSE(mon_user_name_fine(long_name));
    T_TRUE(mon_user_name_fine(long_name + 1));
    T_TRUE(mon_access_fine("abc") && mon_access_fine(long_key + 1));
    T_FALSE(mon_access_fine("ab") || mon_access_fine(long_key) || mon_access_fine("AKID/1"));
    T_TRUE(mon_secret_fine(BYTES_STR("a+b/c=~!")));
    T_FALSE(mon_secret_fine(BYTES_STR("short12")) ||
            mon_secret_fine(BYTES_STR("a secret of mine")));
    T_FALSE(mon_secret_fine(BYTES_STR("secret\177key")));
}
