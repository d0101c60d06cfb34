/* log.h - one line per event: a constant text and fields.
 *
 *   log_warn(&pg->log, "peering waits for a member", KV_OSD(missing), KV_MS("for", ms));
 *
 * error: someone must act.  warn: degraded, healing.  info: a line of the incident's timeline.
 * debug: for us.  Keys, tokens and contents stay out.
 * A sink writes whole lines (one write(2) each) to a descriptor: "<n>" priorities for journald on
 * stderr, ISO times in files; in the simulator it writes the virtual time.  The wall clock is
 * handed in, so that this layer asks nobody for the time.
 * Threads: any; a struct log is immutable once made. */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include "core/base/base.h"

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 }; /* syslog's numbers */

struct log_sink {
    void (*write)(struct log_sink *sink, enum log_level level, const char *line, size_t bytes);
    uint64_t (*wall_ns)(struct log_sink *sink); /* may be NULL: no time is printed */
    enum log_level level_max;
    void *arg;
};

struct log {
    struct log_sink *sink; /* borrowed: outlives every log; NULL writes nothing */
    char who[48];          /* "osd.2", "osd.2 pg 1.3f" */
};

enum log_kind {
    KV_END = 0,
    KV_KIND_U64,
    KV_KIND_I64,
    KV_KIND_HEX,
    KV_KIND_STR,
    KV_KIND_RC,
    KV_KIND_NOTE
};
struct note;
struct log_field {
    const char *key;
    enum log_kind kind;
    union {
        uint64_t u;
        int64_t i;
        const char *s;
        const struct note *note;
    };
};
#define KV_U64(k, v) ((struct log_field){.key = (k), .kind = KV_KIND_U64, .u = (v)})
#define KV_I64(k, v) ((struct log_field){.key = (k), .kind = KV_KIND_I64, .i = (v)})
#define KV_HEX(k, v) ((struct log_field){.key = (k), .kind = KV_KIND_HEX, .u = (v)})
#define KV_STR(k, v)                                                                               \
    ((struct log_field){.key = (k), .kind = KV_KIND_STR, .s = (v)}) /* quoted if needed */
#define KV_MS(k, v)    ((struct log_field){.key = (k "_ms"), .kind = KV_KIND_U64, .u = (v)})
#define KV_BYTES(k, v) ((struct log_field){.key = (k "_bytes"), .kind = KV_KIND_U64, .u = (v)})
#define KV_OSD(id)     ((struct log_field){.key = "osd", .kind = KV_KIND_I64, .i = (id).v})
#define KV_EPOCH(e)    ((struct log_field){.key = "epoch", .kind = KV_KIND_U64, .u = (e).v})
#define KV_RC(rc)                                                                                  \
    ((struct log_field){.key = "why", .kind = KV_KIND_RC, .i = (rc)}) /* name and text */
#define KV_NOTE(n) ((struct log_field){.key = "where", .kind = KV_KIND_NOTE, .note = (n)})

void log_init(struct log *log, struct log_sink *sink, const char *who_fmt, ...) PRINTF_LIKE(3, 4);
void log_write(const struct log *log, enum log_level level, const char *text,
               const struct log_field *fields /* ends with KV_END */);
#define LOG_AT(log, level, text, ...)                                                              \
    log_write(log, level, text,                                                                    \
              (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.kind = KV_END}})
#define log_error(log, text, ...) LOG_AT(log, LOG_ERROR, text, __VA_ARGS__)
#define log_warn(log, text, ...)  LOG_AT(log, LOG_WARN, text, __VA_ARGS__)
#define log_info(log, text, ...)  LOG_AT(log, LOG_INFO, text, __VA_ARGS__)
#define log_debug(log, text, ...)                                                                  \
    do {                                                                                           \
        if ((log)->sink && (log)->sink->level_max >= LOG_DEBUG)                                    \
            LOG_AT(log, LOG_DEBUG, text, __VA_ARGS__);                                             \
    } while (0)

/* A sink that writes to `fd`: with "<n>" priorities, or with times from wall_ns. */
void log_sink_fd_init(struct log_sink *sink, int fd, bool priorities, enum log_level level_max,
                      uint64_t (*wall_ns)(struct log_sink *));

#endif
