#include <fcntl.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/note.h"
#include "tests/unit/t.h"

struct kept {
    struct log_sink sink;
    char line[4096];
    size_t bytes;
    int lines;
    enum log_level level;
};

static void keep(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    struct kept *k = CONTAINER_OF(sink, struct kept, sink);

    T_LT(bytes, sizeof(k->line));
    memcpy(k->line, line, bytes);
    k->line[bytes] = '\0';
    k->bytes = bytes;
    k->level = level;
    k->lines++;
}

static uint64_t some_time(struct log_sink *sink)
{
    UNUSED(sink);
    return UINT64_C(1795222923123456789);
}

static void kept_init(struct kept *k, struct log *log)
{
    *k = (struct kept){.sink = {.write = keep, .level_max = LOG_INFO}};
    log_init(log, &k->sink, "osd.%d", 2);
}

T(log, a_line_is_time_level_who_text_and_fields)
{
    struct kept k;
    struct log log;
    struct {
        int32_t v;
    } osd = {5};
    struct {
        uint32_t v;
    } epoch = {12};

    kept_init(&k, &log);
    k.sink.wall_ns = some_time;
    log_warn(&log, "peering waits for a member", KV_OSD(osd), KV_EPOCH(epoch), KV_MS("for", 1200),
             KV_BYTES("sent", 7), KV_HEX("id", 255), KV_I64("by", -3), KV_STR("pg", "1.3f"));
    T_STR_EQ(k.line, "2026-11-21T01:02:03.123456Z warn osd.2: peering waits for a member osd=5 "
                     "epoch=12 for_ms=1200 sent_bytes=7 id=0xff by=-3 pg=1.3f\n");
    T_EQ(k.level, LOG_WARN);
    k.sink.wall_ns = NULL;
    log_info(&log, "plain");
    T_STR_EQ(k.line, "info osd.2: plain\n");
}

T(log, errors_are_named_and_told)
{
    struct note why = {{0}}, empty = {{0}};
    struct kept k;
    struct log log;

    note_set(&why, "superblock at byte %d", 0);
    kept_init(&k, &log);
    log_error(&log, "stops", KV_RC(-R_CSUM_MISMATCH), KV_NOTE(&why), KV_NOTE(&empty));
    T_STR_EQ(k.line, "error osd.2: stops why=\"CSUM_MISMATCH: stored checksum and data disagree\" "
                     "where=\"superblock at byte 0\"\n");
}

T(log, values_cannot_forge_lines_or_fields)
{
    static const struct {
        const char *value, *shown;
    } rows[] = {
        {"plain-1.3f/x", "plain-1.3f/x"},
        {"", "\"\""},
        {NULL, "\"\""},
        {"two words", "\"two words\""},
        {"x=1", "\"x=1\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"end\nerror osd.2: forged", "\"end\\nerror osd.2: forged\""},
        {"\x1b[31m\r\t", "\"\\x1b[31m\\x0d\\x09\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xc2\x9b", "\\xc2\\x9b"}, /* a C1 control: terminals obey it */
        {"\x7f", "\\x7f"},
    };
    char want[200];
    struct kept k;
    struct log log;

    kept_init(&k, &log);
    T_CASES (row, rows) {
        log_info(&log, "t", KV_STR("v", row->value));
        snprintf(want, sizeof(want), "info osd.2: t v=%s\n", row->shown);
        T_STR_EQ(k.line, want);
    }
}

T(log, a_long_line_is_cut_at_2048_bytes_and_says_so)
{
    static char text[5000];
    struct kept k;
    struct log log;

    kept_init(&k, &log);
    for (size_t len = 1900; len < 2200; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        log_info(&log, "t", KV_STR("v", text), KV_U64("after", 1));
        T_LE(k.bytes, 2048);
        T_EQ(k.line[k.bytes - 1], '\n');
        T_EQ(memchr(k.line, '\n', k.bytes), k.line + k.bytes - 1);
        if (len > 2100)
            T_MEM_EQ(k.line + k.bytes - 5, "x...\n", 5);
    }
    for (size_t i = 0; i < 2500; i += 4) /* after what did not fit, nothing goes in */
        memcpy(text + i, "\xf0\x9f\x97\xbb", 5);
    for (unsigned skew = 0; skew < 4; skew++) {
        log_info(&log, &"tttt"[skew], KV_STR("v", text), KV_STR("z", "z"));
        T_TRUE(memchr(k.line, 'z', k.bytes) == NULL);
    }
    memset(text, '\n', 3000); /* escapes are not cut in two */
    text[3000] = '\0';
    log_info(&log, "t", KV_STR("v", text));
    T_MEM_EQ(k.line + k.bytes - 6, "\\n...\n", 6);
}

T(log, levels_above_the_sinks_are_dropped_unread)
{
    struct kept k;
    struct log log;
    int evaluated = 0;

    kept_init(&k, &log);
    log_debug(&log, "unseen", KV_I64("n", ++evaluated));
    T_EQ(k.lines, 0);
    T_EQ(evaluated, 0);
    k.sink.level_max = LOG_DEBUG;
    log_debug(&log, "seen", KV_I64("n", ++evaluated));
    T_STR_EQ(k.line, "debug osd.2: seen n=1\n");
    k.sink.level_max = LOG_ERROR;
    log_warn(&log, "unseen");
    T_EQ(k.lines, 1);
    log.sink = NULL;
    log_error(&log, "nobody listens");
    T_EQ(k.lines, 1);
}

T(log, a_long_name_is_cut)
{
    struct kept k;
    struct log log;

    kept_init(&k, &log);
    log_init(&log, &k.sink, "%0100d", 7);
    T_EQ(strlen(log.who), sizeof(log.who) - 1);
}

T(log, a_descriptor_gets_each_line_in_one_write)
{
    struct log_sink sink;
    struct log log;
    char got[200] = {0};
    int ends[2];

    /* packet mode: one read gives what one write wrote */
    T_EQ(pipe2(ends, O_DIRECT), 0);
    log_sink_fd_init(&sink, ends[1], true, LOG_INFO, some_time);
    log_init(&log, &sink, "mon.a");
    log_warn(&log, "one");
    T_GT(read(ends[0], got, sizeof(got) - 1), 0);
    T_STR_EQ(got, "<4>warn mon.a: one\n");
    log_sink_fd_init(&sink, ends[1], false, LOG_INFO, some_time);
    log_info(&log, "two");
    memset(got, 0, sizeof(got));
    T_GT(read(ends[0], got, sizeof(got) - 1), 0);
    T_STR_EQ(got, "2026-11-21T01:02:03.123456Z info mon.a: two\n");
    close(ends[0]);
    close(ends[1]);
}
