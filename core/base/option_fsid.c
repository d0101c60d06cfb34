/* option_fsid.c - the cluster's UUID from its text. */
#include "core/base/option.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int config_fsid(const struct config *conf, uint8_t out_fsid[16])
{
    unsigned n = 0;

    memset(out_fsid, 0, 16);
    for (const char *at = conf->cluster_fsid.s; *at; at++) {
        int digit = hex_digit(*at);

        if (*at == '-')
            continue;
        if (digit < 0 || n == 32)
            break;
        out_fsid[n / 2] |= (uint8_t)(digit << (n % 2 ? 0 : 4));
        n++;
        if (n == 32 && !at[1])
            return 0;
    }
    memset(out_fsid, 0, 16);
    return -EINVAL;
}
