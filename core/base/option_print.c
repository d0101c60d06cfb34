/* option_print.c - the rows of option.def as documents: etc/cairn.conf.sample and a table of
 * cairn.conf(5). */
#include "core/base/option.h"

static void put(struct writer *out, const char *text)
{
    wr_raw(out, text, strlen(text));
}

static const char *when_text(enum option_when when)
{
    switch (when) {
    case STARTUP:
        return "at the next start";
    case CREATION:
        return "only when the data is created";
    }
    UNREACHABLE();
}

static bool starts_section(unsigned i)
{
    return i == 0 || strcmp(option_row(i).section, option_row(i - 1).section) != 0;
}

void option_print_sample(struct writer *out)
{
    put(out, "# cairn.conf: every option, at its default.  See cairn.conf(5).\n"
             "# [osd.2] narrows [osd] to one instance.  Sizes take K, M, G or T.\n");
    for (unsigned i = 0; i < option_count(); i++) {
        struct option_row row = option_row(i);

        if (starts_section(i)) {
            put(out, "\n[");
            put(out, row.section);
            put(out, "]\n");
        }
        put(out, "\n# ");
        put(out, row.help);
        put(out, ".\n# ");
        put(out, row.type);
        put(out, ", ");
        put(out, row.range);
        put(out, "; a change counts ");
        put(out, when_text(row.when));
        put(out, "\n#");
        put(out, row.name);
        put(out, row.def[0] ? " = " : " =");
        put(out, row.def);
        put(out, "\n");
    }
}

/* scdoc reads _ and * as markup. */
static void put_man(struct writer *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("_*\\|#", *text))
            put(out, "\\");
        wr_raw(out, text, 1);
    }
}

void option_print_man(struct writer *out)
{
    for (unsigned i = 0; i < option_count(); i++) {
        struct option_row row = option_row(i);

        if (starts_section(i)) {
            put(out, i ? "\n## [" : "## [");
            put(out, row.section);
            put(out, "]\n\n");
        }
        put(out, "*");
        put_man(out, row.name);
        put(out, "* (");
        put_man(out, row.type);
        put(out, ", ");
        put_man(out, row.range);
        if (row.def[0]) {
            put(out, "; default ");
            put_man(out, row.def);
        }
        put(out, ")\n\t");
        put_man(out, row.help);
        put(out, ". A change counts ");
        put(out, when_text(row.when));
        put(out, ".\n\n");
    }
}
