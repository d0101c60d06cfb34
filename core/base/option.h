/* option.h - configuration: every option is one row of option.def.
 *
 * From a row come the field of struct config, its parser and bounds, the sample file in etc/ and
 * the table of the man page.  Files are an INI subset: [section], name = value, lines starting
 * with # or ; are comments.  Unknown sections and keys, repeats and bad values are refused:
 * "cairn.conf:35: osd.heartbeat_ms must be between 100 and 60000, got 5".
 * A section may be narrowed to one instance: [osd.2] overrides [osd] for that instance. */
#ifndef CORE_BASE_OPTION_H
#define CORE_BASE_OPTION_H

#include "core/base/base.h"
#include "core/base/cursor.h"
#include "core/base/note.h"

enum option_when { STARTUP, CREATION }; /* when a change takes effect */

enum { OPTION_STR_BYTES = 256 };

#define OPTION_FIELD_U32  uint32_t
#define OPTION_FIELD_U64  uint64_t /* accepts K, M, G, T suffixes (powers of 1024) */
#define OPTION_FIELD_BOOL bool
struct option_str {
    char s[OPTION_STR_BYTES];
};
#define OPTION_FIELD_STR struct option_str

struct config {
#define OPTION(section, name, type, def, min, max, when, help) OPTION_FIELD_##type section##_##name;
#include "core/base/option.def"
#undef OPTION
};

void config_defaults(struct config *out_conf);
/* Read text over what `conf` holds.  `file` names it in messages; `instance` ("osd.2", or NULL)
 * selects narrowed sections, which win over plain ones wherever they stand.  0, or -EINVAL with
 * `why` set, or -ENOMEM; *conf is unchanged then. */
int config_parse(struct config *conf, const char *file, const char *text, size_t bytes,
                 const char *instance, struct note *why);
/* One option, "section.name", as from a command line.  0 or -EINVAL with `why` set. */
int config_set(struct config *conf, const char *section_name, const char *value, struct note *why);
/* A number of bytes as in a file: digits, perhaps with K, M, G or T behind them (powers of 1024).
 * False: it is none, or above 2^64 - 1. */
bool size_parse(struct bytes text, uint64_t *out_bytes);
bool count_parse(struct bytes text, uint64_t *out_count); /* of things: powers of 1000 */
/* The bytes of cluster.fsid.  0, or -EINVAL (zeros) when it is no UUID (RFC 4122: 32 hexadecimal
 * digits with dashes). */
int config_fsid(const struct config *conf, uint8_t out_fsid[16]);
/* For printing: the number of rows, and one row's texts.  Buffers are constants or `value`. */
struct option_row {
    const char *section, *name, *type, *def, *range, *help;
    enum option_when when;
};
unsigned option_count(void);
struct option_row option_row(unsigned i);
/* 0, or -R_OVERFLOW when OPTION_STR_BYTES are not given and not enough. */
int option_value(const struct config *conf, unsigned i, char *out_value, size_t bytes);
/* The sample file, every option commented out at its default; and the man page's table (scdoc).
 * Failures stay in `out`. */
void option_print_sample(struct writer *out);
void option_print_man(struct writer *out);

#endif
