/* host.c - bucket names in host names. */
#include "s3/host.h"
#include "s3/text.h"

/* Without the port, and without the dot that ends a name at the root. */
static struct bytes host_name(struct bytes host)
{
    struct bytes name;

    if (!text_cut(&host, ':', &name))
        name = host;
    if (name.len && name.data[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool ends_any_case(struct bytes text, struct bytes end)
{
    return text.len >= end.len && strncasecmp((const char *)text.data + text.len - end.len,
                                              (const char *)end.data, end.len) == 0;
}

bool host_bucket(struct bytes host, const char *domains, struct bytes *out_bucket)
{
    struct bytes rest = BYTES_STR(domains), domain, name = host_name(host);
    uint32_t longest = 0;
    bool more = true;

    while (more) {
        more = text_cut(&rest, ',', &domain);
        domain = text_trim(more ? domain : rest);
        if (domain.len == 0 || !ends_any_case(name, domain))
            continue;
        if (name.len == domain.len)
            return false;
        if (domain.len > longest && name.len > domain.len + 1 &&
            name.data[name.len - domain.len - 1] == '.')
            longest = domain.len;
    }
    if (longest == 0)
        return false;
    *out_bucket = (struct bytes){name.data, name.len - longest - 1};
    return true;
}
