/* layer.c - the bucket layer on a reactor of its own, asked from the main thread.
 *
 * Its log is silent: what matters comes back as a code. */
#include "cli/layer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/client/include/cairn_env.h"
#include "core/env/env_real.h"
#include "core/msgr/msgr.h"

struct layer {
    struct config conf;
    struct log_sink sink;
    struct host *host;
    struct env *env;
    struct msgr_hub *hub;
    struct cairn *cluster;
    struct bucket_layer *buckets;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done; /* what was asked last */
    int rc;
    const char *bucket;
    struct bucket_usage usage;
};

static void no_lines(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    (void)sink;
    (void)level;
    (void)line;
    (void)bytes;
}

/* ---- one question at a time ---- */

static void answered(struct layer *l, int rc)
{
    pthread_mutex_lock(&l->lock);
    l->rc = rc;
    l->done = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static int ask(struct layer *l, void (*fn)(void *arg))
{
    l->done = false;
    host_call(l->host, 0, fn, l);
    pthread_mutex_lock(&l->lock);
    while (!l->done)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
    return l->rc;
}

static void done_rc(void *arg, int rc)
{
    answered(arg, rc);
}

static void done_stop(void *arg)
{
    answered(arg, 0);
}

/* ---- start and stop ---- */

static void open_in(void *arg)
{
    struct layer *l = arg;
    struct cairn_env_conf conf = {.conf = &l->conf, .hub = l->hub};
    int rc = cairn_open_env(l->env, &conf, done_rc, l, &l->cluster);

    if (rc < 0)
        answered(l, rc);
}

static void start_in(void *arg)
{
    struct layer *l = arg;
    struct bucket_conf conf = {.no_collector = true, .no_pools = true};
    int rc = bucket_layer_start(l->env, l->cluster, &conf, done_rc, l, &l->buckets);

    if (rc < 0)
        answered(l, rc);
}

static void stop_in(void *arg)
{
    struct layer *l = arg;

    bucket_layer_stop(TAKE(l->buckets), done_stop, l);
}

static void close_in(void *arg)
{
    struct layer *l = arg;

    cairn_close_env(TAKE(l->cluster), done_stop, l);
}

static int conf_read(const struct cli *cli, struct layer *l, const char *path, struct note *why)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f = fopen(path, "re");
    int rc;

    (void)cli;
    if (!f)
        return -ENOENT;
    n = getdelim(&text, &cap, 0, f);
    fclose(f);
    config_defaults(&l->conf);
    rc = n < 0 ? 0 : config_parse(&l->conf, path, text, (size_t)n, NULL, why);
    free(text);
    return rc;
}

static int layer_start(const struct cli *cli, struct layer *l, struct note *why)
{
    struct host_conf hc = {.reactors = 1, .workers = 1, .sink = &l->sink};
    char path[CLI_PATH_BYTES];
    int rc;

    if (!cli_conf_path(cli, path))
        return -ENOENT;
    rc = conf_read(cli, l, path, why);
    if (rc == 0) {
        l->hub = msgr_hub_create(false);
        rc = l->hub ? host_create(&hc, &l->host, why) : -ENOMEM;
    }
    if (rc < 0)
        return rc;
    l->env = host_env(l->host, 0);
    rc = ask(l, open_in);
    return rc < 0 ? rc : ask(l, start_in);
}

struct layer *layer_open(const struct cli *cli)
{
    struct layer *l = calloc(1, sizeof(*l));
    struct note why = {{0}};
    int rc;

    if (!l) {
        cli_fail("out of memory");
        return NULL;
    }
    l->sink = (struct log_sink){.write = no_lines, .level_max = LOG_ERROR};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    rc = layer_start(cli, l, &why);
    if (rc == 0)
        return l;
    cli_fail("the buckets cannot be looked at: %s", why.text[0] ? why.text : reason_text(rc));
    layer_close(l);
    return NULL;
}

void layer_close(struct layer *l)
{
    if (l->buckets)
        (void)ask(l, stop_in);
    if (l->cluster)
        (void)ask(l, close_in);
    if (l->host)
        host_destroy(l->host);
    if (l->hub)
        msgr_hub_destroy(l->hub);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}

/* ---- questions ---- */

static void on_usage(void *arg, int rc, const struct bucket_usage *usage)
{
    struct layer *l = arg;

    if (rc == 0)
        l->usage = *usage;
    answered(l, rc);
}

static void usage_in(void *arg)
{
    struct layer *l = arg;
    int rc = bucket_usage(l->buckets, NULL, BYTES_STR(l->bucket), on_usage, l);

    if (rc < 0)
        answered(l, rc);
}

int layer_usage(struct layer *l, const char *bucket, struct bucket_usage *out_usage)
{
    int rc;

    l->bucket = bucket;
    rc = ask(l, usage_in);
    if (rc == 0)
        *out_usage = l->usage;
    return rc;
}
