/* fuzz_mon_user.c - reads arbitrary values as rows of users: names, keys, quotas.
 *
 * Input: u8 form, bytes.  Form 0: the bytes are the value.  Form 1: they are what stands in its
 * envelope, which is made here.  What was understood keeps to the rules of names and keys, and
 * comes out the same when it is written and read again. */
#include "core/base/mem.h"
#include "core/mon/mon_user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int recode(struct bytes value, struct writer *w)
{
    struct mon_user *u = mem_zalloc(sizeof(*u)); /* all of it, for ASan to watch */
    int rc = u ? mon_user_decode(value, u) : -ENOMEM;

    if (rc == 0) {
        ASSERT(u->key_count <= MON_USER_KEYS_MAX);
        for (uint32_t i = 0; i < u->key_count; i++) {
            ASSERT(strnlen(u->key[i].access, sizeof(u->key[i].access)) <= MON_ACCESS_MAX);
            ASSERT(strnlen(u->key[i].secret, sizeof(u->key[i].secret)) <= MON_SECRET_MAX);
            ASSERT(mon_user_key(u, u->key[i].access) != NULL);
        }
        mon_user_encode(u, w);
    }
    mem_free(u);
    return rc;
}

static void texts(struct bytes raw)
{
    char text[256];

    memcpy(text, raw.data, MIN(raw.len, sizeof(text) - 1));
    text[MIN(raw.len, sizeof(text) - 1)] = '\0';
    if (mon_user_name_fine(text))
        ASSERT(strlen(text) <= MON_USER_NAME_MAX);
    if (mon_access_fine(text))
        ASSERT(strlen(text) <= MON_ACCESS_MAX && !strchr(text, '/'));
    if (mon_secret_fine(raw))
        ASSERT(raw.len <= MON_SECRET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    AUTO(writer) sealed = {0};
    AUTO(writer) once = {0};
    AUTO(writer) twice = {0};
    struct bytes value;
    int rc;

    if (bytes < 1 || bytes > 1 << 16)
        return 0;
    value = (struct bytes){data + 1, (uint32_t)bytes - 1};
    texts(value);
    if (data[0] & 1) {
        size_t mark = wr_begin(&sealed, 1, 1);

        wr_raw(&sealed, value.data, value.len);
        wr_end(&sealed, mark);
        ASSERT(sealed.rc == 0);
        value = (struct bytes){sealed.data, (uint32_t)sealed.len};
    }
    if (recode(value, &once) < 0)
        return 0;
    ASSERT(once.rc == 0);
    rc = recode((struct bytes){once.data, (uint32_t)once.len}, &twice);
    ASSERT(rc == 0 && twice.rc == 0);
    ASSERT(once.len == twice.len);
    ASSERT(memcmp(once.data, twice.data, once.len) == 0);
    return 0;
}
