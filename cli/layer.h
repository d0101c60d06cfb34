/* layer.h - the gateways' bucket layer inside this command, for what only it can tell.
 *
 * It makes nothing and collects nothing; each call is made on its reactor and waited for. */
#ifndef CLI_LAYER_H
#define CLI_LAYER_H

#include "cli/cli.h"
#include "s3/bucket/bucket.h"

struct layer;
struct layer *layer_open(const struct cli *cli); /* NULL: it said why */
void layer_close(struct layer *l);

/* What lies in a bucket: 0 or a negative code. */
int layer_usage(struct layer *l, const char *bucket, struct bucket_usage *out_usage);

#endif
