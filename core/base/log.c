/* log.c - one event, one line, one write.
 *
 *   2026-11-21T01:02:03.123456Z warn osd.2 pg 1.3f: peering waits for a member osd=5 for_ms=1200
 *
 * The line is built on the stack and handed to the sink whole; nothing here allocates, so a full
 * memory is still logged.  Values come from outside and may try to forge lines: control bytes and
 * broken UTF-8 are escaped, and a value that holds a space, a quote or '=' stands in quotes. */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>

#include "core/base/note.h"
#include "core/base/utf8.h"

enum { LINE_BYTES = 2048 };
static const char cut_mark[] = "...\n";

struct line {
    char text[LINE_BYTES];
    size_t len;
    bool cut;
};

/* A unit (a character, an escape) goes in whole or not at all; after one that did not fit, nothing
 * goes in.  Room for the mark is always left. */
static void put(struct line *l, const char *text, size_t bytes)
{
    if (l->cut || bytes > sizeof(l->text) - sizeof(cut_mark) - l->len) {
        l->cut = true;
        return;
    }
    memcpy(l->text + l->len, text, bytes);
    l->len += bytes;
}

static PRINTF_LIKE(2, 3) void put_fmt(struct line *l, const char *fmt, ...)
{
    char text[64];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > 0)
        put(l, text, MIN((size_t)len, sizeof(text) - 1));
}

/* Text in which nothing can end the line or, if `quoted`, the quotes. */
static void put_escaped(struct line *l, const char *text, bool quoted)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);

    while (at < end && !l->cut) {
        unsigned bytes = utf8_char(at, end);

        if (*at == '\n') {
            put(l, "\\n", 2);
            bytes = 1;
        } else if (bytes == 0 || utf8_is_control(at)) {
            put_fmt(l, "\\x%02x", *at);
            bytes = 1; /* the rest of a longer one is no character, and is escaped next */
        } else if (quoted && (*at == '"' || *at == '\\')) {
            put_fmt(l, "\\%c", *at);
        } else {
            put(l, (const char *)at, bytes);
        }
        at += bytes;
    }
}

static bool needs_quotes(const char *text)
{
    if (!*text)
        return true;
    for (; *text; text++)
        if ((uint8_t)*text <= ' ' || strchr("\"\\=", *text))
            return true;
    return false;
}

static void put_str(struct line *l, const char *text)
{
    bool quoted = needs_quotes(text);

    if (quoted)
        put(l, "\"", 1);
    put_escaped(l, text, quoted);
    if (quoted)
        put(l, "\"", 1);
}

static void put_field(struct line *l, const struct log_field *f)
{
    if (f->kind == KV_KIND_NOTE && (!f->note || !f->note->text[0]))
        return;
    put_fmt(l, " %s=", f->key);
    switch (f->kind) {
    case KV_KIND_U64:
        put_fmt(l, "%llu", (unsigned long long)f->u);
        break;
    case KV_KIND_I64:
        put_fmt(l, "%lld", (long long)f->i);
        break;
    case KV_KIND_HEX:
        put_fmt(l, "0x%llx", (unsigned long long)f->u);
        break;
    case KV_KIND_STR:
        put_str(l, f->s ? f->s : "");
        break;
    case KV_KIND_RC:
        put_fmt(l, "\"%s: ", reason_name((int)f->i));
        put_escaped(l, reason_text((int)f->i), true);
        put(l, "\"", 1);
        break;
    case KV_KIND_NOTE:
        put_str(l, f->note->text);
        break;
    case KV_END:
        break;
    }
}

static void put_time(struct line *l, uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        return;
    put_fmt(l, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
            tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_ns % NS_PER_S / NS_PER_US));
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    UNREACHABLE();
}

void log_init(struct log *log, struct log_sink *sink, const char *who_fmt, ...)
{
    va_list args;

    log->sink = sink;
    va_start(args, who_fmt);
    if (vsnprintf(log->who, sizeof(log->who), who_fmt, args) < 0)
        log->who[0] = '\0';
    va_end(args);
}

void log_write(const struct log *log, enum log_level level, const char *text,
               const struct log_field *fields)
{
    struct log_sink *sink = log->sink;
    struct line l;

    if (!sink || level > sink->level_max)
        return;
    l.len = 0;
    l.cut = false;
    if (sink->wall_ns)
        put_time(&l, sink->wall_ns(sink));
    put_fmt(&l, "%s ", level_name(level));
    put_escaped(&l, log->who, false);
    put(&l, ": ", 2);
    put_escaped(&l, text, false);
    for (; fields->kind != KV_END; fields++)
        put_field(&l, fields);
    memcpy(l.text + l.len, l.cut ? cut_mark : "\n", l.cut ? sizeof(cut_mark) - 1 : 1);
    l.len += l.cut ? sizeof(cut_mark) - 1 : 1;
    sink->write(sink, level, l.text, l.len);
}

/* ---- a sink over a descriptor ---- */

/* A line that cannot be written is lost: there is nowhere to say so. */
static void write_fd(struct log_sink *sink, struct iovec *parts, int count)
{
    int fd = (int)(intptr_t)sink->arg;

    while (writev(fd, parts, count) < 0 && errno == EINTR)
        continue;
}

static void write_plain(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    struct iovec part = {(void *)line, bytes};

    UNUSED(level);
    write_fd(sink, &part, 1);
}

static void write_priority(struct log_sink *sink, enum log_level level, const char *line,
                           size_t bytes)
{
    char priority[3] = {'<', (char)('0' + (int)level), '>'};
    struct iovec parts[2] = {{priority, sizeof(priority)}, {(void *)line, bytes}};

    write_fd(sink, parts, 2);
}

void log_sink_fd_init(struct log_sink *sink, int fd, bool priorities, enum log_level level_max,
                      uint64_t (*wall_ns)(struct log_sink *))
{
    *sink = (struct log_sink){
        .write = priorities ? write_priority : write_plain,
        .wall_ns = priorities ? NULL : wall_ns, /* journald has its own */
        .level_max = level_max,
        .arg = (void *)(intptr_t)fd,
    };
}
