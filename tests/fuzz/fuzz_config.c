/* fuzz_config.c - configuration files of arbitrary bytes.
 *
 * Refused: the configuration is unchanged, and the note is one line that names the file.
 * Accepted: every value, printed and read back, is the same. */
#include "core/base/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_refused(const struct config *conf, const struct config *before,
                          const struct note *why)
{
    ASSERT(memcmp(conf, before, sizeof(*conf)) == 0);
    ASSERT(strncmp(why->text, "fuzz.conf:", 10) == 0);
    ASSERT(strchr(why->text, '\n') == NULL);
}

static void check_accepted(const struct config *conf)
{
    char name[64], value[OPTION_STR_BYTES];
    struct config copy;
    int rc;

    config_defaults(&copy);
    for (unsigned i = 0; i < option_count(); i++) {
        struct option_row row = option_row(i);

        rc = option_value(conf, i, value, sizeof(value));
        ASSERT(rc == 0);
        ASSERT(strlen(row.section) + strlen(row.name) + 2 <= sizeof(name));
        stpcpy(stpcpy(stpcpy(name, row.section), "."), row.name);
        rc = config_set(&copy, name, value, NULL);
        ASSERT(rc == 0);
    }
    ASSERT(memcmp(conf, &copy, sizeof(copy)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct config conf, before;
    struct note why = {{0}};
    int rc;

    config_defaults(&conf);
    before = conf;
    rc = config_parse(&conf, "fuzz.conf", (const char *)data, bytes, "osd.2", &why);
    ASSERT(rc == 0 || rc == -EINVAL);
    if (rc)
        check_refused(&conf, &before, &why);
    else
        check_accepted(&conf);
    return 0;
}
