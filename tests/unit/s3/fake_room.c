/* fake_room.c - quotas, and what else is asked about buckets by the way. */
#include "tests/unit/s3/fake_int.h"

/* Room is what the knob says, for each request by itself. */
struct bucket_grant {
    struct bucket_layer *l;
    uint64_t bytes;
};

static void run_admit(struct call *c)
{
    struct bucket_layer *l = c->l;
    struct bucket_grant *g = c->rc ? NULL : mem_zalloc(sizeof(*g));

    if (g)
        *g = (struct bucket_grant){l, c->bytes};
    if (g)
        l->grants++;
    c->admit(c->arg, c->rc, g);
}

int bucket_admit(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 const struct s3_quota *more, bucket_admit_fn *done, void *arg)
{
    uint64_t bytes = more->bytes == S3_BYTES_UNKNOWN ? 0 : more->bytes;
    int rc = l->knobs.quota_bytes && bytes > l->knobs.quota_bytes ? -R_QUOTA : 0;
    struct call *c = fake_call(l, rc, run_admit, arg);

    UNUSED(who);
    UNUSED(bucket);
    c->bytes = bytes;
    c->admit = done;
    return 0;
}

int bucket_grant_more(struct bucket_grant *g, uint64_t bytes)
{
    if (g->l->knobs.quota_bytes && g->bytes + bytes > g->l->knobs.quota_bytes)
        return -R_QUOTA;
    g->bytes += bytes;
    return 0;
}

void bucket_grant_end(struct bucket_grant *g, bool stored)
{
    UNUSED(stored);
    if (g)
        g->l->grants--;
    mem_free(g);
}

int bucket_usage(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 bucket_usage_fn *done, void *arg)
{
    UNUSED(l);
    UNUSED(who);
    UNUSED(bucket);
    UNUSED(done);
    UNUSED(arg);
    return -R_UNSUPPORTED; /* no gateway here counts usage */
}

void bucket_owner_known(struct bucket_layer *l, struct bytes bucket,
                        char out_owner[S3_USER_NAME_MAX + 1])
{
    UNUSED(l);
    strcpy(out_owner, bucket.len ? "alice" : "");
}
