/* s3_none.c - the role of a build without the gateway's HTTP side: starting it says so. */
#include "s3/s3.h"

int s3_start(struct env *env, const struct s3_conf *conf,
             void (*ready)(void *arg, int rc, const struct net_addr *bound, const struct note *why), void *arg,
             struct s3_gateway **out_gateway)
{
    UNUSED(env);
    UNUSED(conf);
    UNUSED(ready);
    UNUSED(arg);
    UNUSED(out_gateway);
    return -R_UNSUPPORTED;
}

void s3_stop(struct s3_gateway *g, void (*stopped)(void *arg), void *arg)
{
    UNUSED(g);
    stopped(arg);
}

int s3_metrics(struct s3_gateway *g, struct metric_set *set)
{
    UNUSED(g);
    UNUSED(set);
    return 0;
}
