/* metrics_page.h - GET /metrics: Prometheus's text form, on a listener of its
 * own, so that scraping neither needs a signature nor stands behind the queue of requests.
 * Threads: the env's reactor. */
#ifndef S3_ACCOUNT_METRICS_PAGE_H
#define S3_ACCOUNT_METRICS_PAGE_H

#include "core/base/addr.h"
#include "core/base/metrics.h"
#include "core/env/env.h"

struct metrics_page;

/* Appends the page: 0 or a negative code. */
typedef int metrics_print_fn(void *arg, struct writer *out);
/* `print` is called until the page has stopped.  0, or a negative code with `why`. */
int metrics_page_start(struct env *env, const struct net_addr *addr, metrics_print_fn *print,
                       void *arg, struct metrics_page **out_page, struct note *why);
const struct net_addr *metrics_page_addr(const struct metrics_page *p); /* the port resolved */
/* `stopped` comes from the loop; the page is gone then. */
void metrics_page_stop(struct metrics_page *p, void (*stopped)(void *arg), void *arg);

#endif
