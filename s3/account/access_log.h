/* access_log.h - the access log: one line for each request, written behind the reactor's back.
 *
 * Lines wait in memory, up to `queue_bytes`, and a worker appends them to the file; one that does
 * not fit is dropped and counted: a slow or full disk costs lines, never a request's time.  The
 * file is opened for each batch, so a program that rotates logs renames it and needs no signal.
 * A kill loses what waits: a second of lines at most, unless the disk is slower than they come.
 * Threads: the env's reactor. */
#ifndef S3_ACCOUNT_ACCESS_LOG_H
#define S3_ACCOUNT_ACCESS_LOG_H

#include "core/base/metrics.h"
#include "core/env/env.h"
#include "s3/account/access_line.h"

struct access_log;
struct access_log_stats {
    struct counter lines, dropped, failures; /* written; not; batches that could not be written */
    struct gauge queued_bytes;
};

/* `path` is copied. */
int access_log_start(struct env *env, const char *path, enum access_format format,
                     uint64_t queue_bytes, struct access_log **out_log);
void access_log_add(struct access_log *log, const struct request_facts *f);
struct access_log_stats *access_log_stats(struct access_log *log);
/* Write what waits, then `stopped(arg)` from the loop; the log is gone then. */
void access_log_stop(struct access_log *log, void (*stopped)(void *arg), void *arg);

#endif
