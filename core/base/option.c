/* option.c - reading configuration by the rows of option.def.
 *
 * Every row becomes a field of struct config and an entry of the table below; bounds and defaults
 * stay text and are read by the same parsers as the file, so they cannot disagree with them.
 *
 * A file is read twice: first the plain sections, then those narrowed to our instance, which win
 * wherever they stand.  Both passes check everything, and work on a copy that is handed over only
 * when all is well. */
#include "core/base/option.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/arena.h"
#include "core/base/cursor.h"
#include "core/base/hash.h"
#include "core/base/htable.h"
#include "core/base/utf8.h"

enum option_kind { KIND_U32, KIND_U64, KIND_BOOL, KIND_STR };

struct row {
    const char *section, *name;
    enum option_kind kind;
    enum option_when when;
    size_t offset; /* in struct config */
    const char *def, *min, *max;
    const char *range, *help;
};

/* The bounds of a type as they stand in option.def, made into text. */
#define TEXT_U32(def, min, max)  #def, #min, #max, #min " to " #max
#define TEXT_U64(def, min, max)  def, min, max, min " to " max
#define TEXT_BOOL(def, min, max) #def, "", "", "yes or no"
#define TEXT_STR(def, min, max)  def, #min, #max, #min " to " #max " bytes"

#define OPTION(section, name, type, def, min, max, when, help)                                     \
    {#section,                                                                                     \
     #name,                                                                                        \
     KIND_##type,                                                                                  \
     when,                                                                                         \
     offsetof(struct config, section##_##name),                                                    \
     TEXT_##type(def, min, max),                                                                   \
     help},
static const struct row rows[] = {
#include "core/base/option.def"
};
#undef OPTION

enum { CONFIG_BYTES_MAX = 256 * 1024, NO_ROW = UINT32_MAX };

/* Where we are, for messages. */
struct place {
    const char *file; /* NULL: not in a file */
    uint32_t line;
};

static PRINTF_LIKE(3, 4) int refuse(struct note *why, const struct place *at, const char *fmt, ...)
{
    char text[NOTE_BYTES];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    if (at->file)
        note_set(why, "%s:%u: %s", at->file, at->line, text);
    else
        note_set(why, "%s", text);
    return -EINVAL;
}

/* For printing bytes from outside with "%.*s". */
#define SHOWN_MAX 80
#define SHOW(b)   (int)MIN((b).len, (uint32_t)SHOWN_MAX), (const char *)(b).data

/* ---- values ---- */

/* Digits, and a suffix if it stands for a power of `unit` (0: there may be none).  False: not a
 * number, or one above 2^64 - 1. */
static bool number_parse(struct bytes text, unsigned unit, uint64_t *out)
{
    static const char suffixes[] = "KMGT";
    uint64_t v = 0;
    uint32_t i = 0;

    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text.data[i] - '0', &v))
            return false;
    if (i == 0)
        return false;
    if (unit && i + 1 == text.len) {
        const char *suffix = text.data[i] ? strchr(suffixes, text.data[i]) : NULL;

        if (!suffix)
            return false;
        for (const char *at = suffixes; at <= suffix; at++)
            if (__builtin_mul_overflow(v, unit, &v))
                return false;
        i++;
    }
    if (i != text.len)
        return false;
    *out = v;
    return true;
}

bool size_parse(struct bytes text, uint64_t *out_bytes)
{
    return number_parse(text, 1024, out_bytes);
}

bool count_parse(struct bytes text, uint64_t *out_count)
{
    return number_parse(text, 1000, out_count);
}

/* A bound of a row: ours, so it parses. */
static uint64_t bound(const struct row *row, const char *text)
{
    uint64_t v = 0;
    bool ok = number_parse(BYTES_STR(text), row->kind == KIND_U64 ? 1024 : 0, &v);

    ASSERT(ok);
    return v;
}

static bool bool_parse(struct bytes text, bool *out)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (bytes_equal(text, BYTES_STR(words[i]))) {
            *out = i & 1;
            return true;
        }
    }
    return false;
}

static int number_set(void *field, const struct row *row, struct bytes value,
                      const struct place *at, struct note *why)
{
    uint64_t v;

    if (!number_parse(value, row->kind == KIND_U64 ? 1024 : 0, &v))
        return refuse(why, at, "%s.%s must be a number between %s and %s, got \"%.*s\"",
                      row->section, row->name, row->min, row->max, SHOW(value));
    if (v < bound(row, row->min) || v > bound(row, row->max))
        return refuse(why, at, "%s.%s must be between %s and %s, got %.*s", row->section, row->name,
                      row->min, row->max, SHOW(value));
    if (row->kind == KIND_U64)
        *(uint64_t *)field = v;
    else
        *(uint32_t *)field = (uint32_t)v;
    return 0;
}

static int str_set(struct option_str *field, const struct row *row, struct bytes value,
                   const struct place *at, struct note *why)
{
    ASSERT(bound(row, row->max) < OPTION_STR_BYTES);
    if (value.len < bound(row, row->min) || value.len > bound(row, row->max))
        return refuse(why, at, "%s.%s must be between %s and %s bytes long, got %u", row->section,
                      row->name, row->min, row->max, value.len);
    memset(field, 0, sizeof(*field));
    memcpy(field->s, value.data, value.len);
    return 0;
}

static int value_set(struct config *conf, const struct row *row, struct bytes value,
                     const struct place *at, struct note *why)
{
    void *field = (uint8_t *)conf + row->offset;

    switch (row->kind) {
    case KIND_U32:
    case KIND_U64:
        return number_set(field, row, value, at, why);
    case KIND_STR:
        return str_set(field, row, value, at, why);
    case KIND_BOOL:
        if (bool_parse(value, field))
            return 0;
        return refuse(why, at, "%s.%s must be yes or no, got \"%.*s\"", row->section, row->name,
                      SHOW(value));
    }
    UNREACHABLE();
}

void config_defaults(struct config *out_conf)
{
    const struct place nowhere = {0};

    memset(out_conf, 0, sizeof(*out_conf));
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = value_set(out_conf, &rows[i], BYTES_STR(rows[i].def), &nowhere, NULL);

        ASSERT(rc == 0); /* a default outside its own bounds */
    }
}

/* ---- lines ---- */

static struct bytes part(struct bytes b, uint32_t from, uint32_t to)
{
    return (struct bytes){b.data + from, to - from};
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes b)
{
    uint32_t from = 0, to = b.len;

    while (from < to && is_blank(b.data[from]))
        from++;
    while (to > from && is_blank(b.data[to - 1]))
        to--;
    return part(b, from, to);
}

/* Where `c` stands first, or the length. */
static uint32_t find(struct bytes b, uint8_t c)
{
    const uint8_t *at = b.len ? memchr(b.data, c, b.len) : NULL;

    return at ? (uint32_t)(at - b.data) : b.len;
}

/* What is wrong with text that would end up in logs and on terminals; NULL: nothing. */
static const char *text_fault(struct bytes b)
{
    if (!utf8_valid(b.data, b.len))
        return "is not UTF-8";
    for (uint32_t i = 0; i < b.len; i++)
        if (b.data[i] != '\t' && utf8_is_control(b.data + i))
            return "holds a control character";
    return NULL;
}

static uint32_t row_find(struct bytes section, struct bytes name)
{
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++)
        if (bytes_equal(section, BYTES_STR(rows[i].section)) &&
            bytes_equal(name, BYTES_STR(rows[i].name)))
            return i;
    return NO_ROW;
}

static bool section_exists(struct bytes section)
{
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++)
        if (bytes_equal(section, BYTES_STR(rows[i].section)))
            return true;
    return false;
}

/* ---- a file ---- */

/* That an option was set, to refuse a second time. */
struct seen {
    struct hnode node;
    struct bytes heading; /* in the text */
    uint32_t row, line;
};

struct parse {
    struct config conf;
    struct place at;
    struct note *why;
    struct bytes instance; /* empty: none */
    bool narrowed;         /* the pass over narrowed sections */
    struct bytes heading;  /* "osd" or "osd.2"; empty before the first */
    struct bytes section;  /* "osd" */
    struct htable seen;    /* by heading and row; nodes in `arena` */
    struct arena arena;
};

static int heading_read(struct parse *p, struct bytes line)
{
    uint32_t dot;

    if (line.data[line.len - 1] != ']')
        return refuse(p->why, &p->at, "a section must end with ]");
    p->heading = trim(part(line, 1, line.len - 1));
    dot = find(p->heading, '.');
    p->section = part(p->heading, 0, dot);
    if (!section_exists(p->section))
        return refuse(p->why, &p->at, "no such section: [%.*s]", SHOW(p->heading));
    if (dot + 1 == p->heading.len)
        return refuse(p->why, &p->at, "[%.*s] names no instance", SHOW(p->heading));
    return 0;
}

static int seen_add(struct parse *p, uint32_t row)
{
    uint64_t hash = hash64(row, p->heading.data, p->heading.len);
    struct hnode *node = htable_first(&p->seen, hash);
    struct seen *seen;

    for (; node; node = htable_next(node)) {
        seen = CONTAINER_OF(node, struct seen, node);
        if (seen->row == row && bytes_equal(seen->heading, p->heading))
            return refuse(p->why, &p->at, "%s.%s was set on line %u already", rows[row].section,
                          rows[row].name, seen->line);
    }
    seen = arena_alloc(&p->arena, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    *seen = (struct seen){.heading = p->heading, .row = row, .line = p->at.line};
    htable_insert(&p->seen, &seen->node, hash);
    return 0;
}

/* Whether what stands in the current section is for this pass and this instance. */
static bool applies(const struct parse *p)
{
    bool narrowed = p->heading.len != p->section.len;

    return narrowed == p->narrowed && (!narrowed || bytes_equal(p->heading, p->instance));
}

static int setting_read(struct parse *p, struct bytes line)
{
    uint32_t equals = find(line, '=');
    struct bytes name = trim(part(line, 0, equals));
    struct config ignored;
    uint32_t row;
    int rc;

    if (equals == line.len)
        return refuse(p->why, &p->at, "neither a [section] nor a name = value: \"%.*s\"",
                      SHOW(line));
    if (p->section.len == 0)
        return refuse(p->why, &p->at, "%.*s stands before the first [section]", SHOW(name));
    row = row_find(p->section, name);
    if (row == NO_ROW)
        return refuse(p->why, &p->at, "no such option: %.*s.%.*s", SHOW(p->section), SHOW(name));
    rc = seen_add(p, row);
    if (rc == 0)
        rc = value_set(applies(p) ? &p->conf : &ignored, &rows[row],
                       trim(part(line, equals + 1, line.len)), &p->at, p->why);
    return rc;
}

static int line_read(struct parse *p, struct bytes line)
{
    const char *fault;

    line = trim(line);
    if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
        return 0;
    fault = text_fault(line);
    if (fault)
        return refuse(p->why, &p->at, "the line %s", fault);
    return line.data[0] == '[' ? heading_read(p, line) : setting_read(p, line);
}

static int pass(struct parse *p, struct bytes text, bool narrowed)
{
    int rc = htable_init(&p->seen, 64);

    if (rc)
        return rc;
    p->narrowed = narrowed;
    p->heading = p->section = part(text, 0, 0);
    p->at.line = 0;
    while (rc == 0 && text.len) {
        uint32_t end = find(text, '\n');

        p->at.line++;
        rc = line_read(p, part(text, 0, end));
        text = part(text, MIN(end + 1, text.len), text.len);
    }
    htable_fini(&p->seen);
    arena_fini(&p->arena);
    return rc;
}

int config_parse(struct config *conf, const char *file, const char *text, size_t bytes,
                 const char *instance, struct note *why)
{
    struct bytes all = {(const uint8_t *)(text ? text : ""), (uint32_t)bytes};
    struct parse *p;
    int rc;

    if (bytes > CONFIG_BYTES_MAX)
        return refuse(why, &(struct place){file, 1}, "longer than %d bytes", CONFIG_BYTES_MAX);
    p = mem_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->conf = *conf;
    p->at.file = file;
    p->why = why;
    p->instance = BYTES_STR(instance ? instance : "");
    arena_init(&p->arena);
    rc = pass(p, all, false);
    if (rc == 0)
        rc = pass(p, all, true);
    if (rc == 0)
        *conf = p->conf;
    mem_free(p);
    return rc;
}

int config_set(struct config *conf, const char *section_name, const char *value, struct note *why)
{
    struct bytes full = BYTES_STR(section_name);
    const struct place nowhere = {0};
    uint32_t dot = find(full, '.');
    uint32_t row = NO_ROW;
    const char *fault;

    if (dot < full.len)
        row = row_find(part(full, 0, dot), part(full, dot + 1, full.len));
    if (row == NO_ROW)
        return refuse(why, &nowhere, "no such option: %.*s", SHOW(full));
    fault = text_fault(BYTES_STR(value));
    if (fault)
        return refuse(why, &nowhere, "%s %s", section_name, fault);
    return value_set(conf, &rows[row], trim(BYTES_STR(value)), &nowhere, why);
}

/* ---- printing ---- */

unsigned option_count(void)
{
    return ARRAY_LEN(rows);
}

struct option_row option_row(unsigned i)
{
    static const char *const types[] = {"number", "size", "yes or no", "text"};

    ASSERT(i < ARRAY_LEN(rows));
    return (struct option_row){
        .section = rows[i].section,
        .name = rows[i].name,
        .type = types[rows[i].kind],
        .def = rows[i].def,
        .range = rows[i].range,
        .help = rows[i].help,
        .when = rows[i].when,
    };
}

/* With the largest suffix that leaves no rest. */
static int size_print(uint64_t v, char *out, size_t bytes)
{
    static const char suffixes[] = "KMGT";
    unsigned s = 0;

    while (v && v % 1024 == 0 && s < sizeof(suffixes) - 1) {
        v /= 1024;
        s++;
    }
    return snprintf(out, bytes, s ? "%llu%c" : "%llu", (unsigned long long)v,
                    s ? suffixes[s - 1] : ' ');
}

int option_value(const struct config *conf, unsigned i, char *out_value, size_t bytes)
{
    const void *field;
    int len = 0;

    ASSERT(i < ARRAY_LEN(rows));
    field = (const uint8_t *)conf + rows[i].offset;
    switch (rows[i].kind) {
    case KIND_U32:
        len = snprintf(out_value, bytes, "%u", *(const uint32_t *)field);
        break;
    case KIND_U64:
        len = size_print(*(const uint64_t *)field, out_value, bytes);
        break;
    case KIND_BOOL:
        len = snprintf(out_value, bytes, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case KIND_STR:
        len = snprintf(out_value, bytes, "%s", ((const struct option_str *)field)->s);
        break;
    }
    return len < 0 || (size_t)len >= bytes ? -R_OVERFLOW : 0;
}
