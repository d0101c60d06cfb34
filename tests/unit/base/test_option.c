/* Configuration: refusals word by word, and the documents made from the rows. */
#include "core/base/option.h"
#include "tests/unit/base/fail.h"

static int parse(struct config *conf, const char *text, const char *instance, struct note *why)
{
    return config_parse(conf, "cairn.conf", text, strlen(text), instance, why);
}

T(option, defaults_are_the_rows)
{
    struct config conf;

    config_defaults(&conf);
    T_EQ(conf.osd_heartbeat_ms, 300);
    T_EQ(conf.osd_size, GIB(64));
    T_EQ(conf.osd_journal, MIB(64));
    T_STR_EQ(conf.s3_region.s, "us-east-1");
    T_STR_EQ(conf.cluster_fsid.s, "");
}

T(option, a_file_sets_what_it_names)
{
    struct config conf;
    struct note why = {{0}};

    config_defaults(&conf);
    T_OK(parse(&conf,
               "# a comment\r\n"
               "; another\n"
               "\n"
               "[osd]\n"
               "heartbeat_ms=500\n"
               "  size =\t 1T  \r\n"
               " [ s3 ] \n"
               "domain = s3.example.org # part of the value\n"
               "[osd]\n"
               "lease_ms = 900",
               NULL, &why));
    T_EQ(conf.osd_heartbeat_ms, 500);
    T_EQ(conf.osd_size, UINT64_C(1) << 40);
    T_EQ(conf.osd_lease_ms, 900);
    T_STR_EQ(conf.s3_domain.s, "s3.example.org # part of the value");
    T_EQ(conf.osd_journal, MIB(64));
    T_STR_EQ(why.text, "");
}

T(option, a_section_narrowed_to_the_instance_wins_wherever_it_stands)
{
    static const char text[] = "[osd.2]\nheartbeat_ms = 400\n"
                               "[osd]\nheartbeat_ms = 500\n"
                               "[osd.3]\nheartbeat_ms = 600\n";
    static const struct {
        const char *instance;
        uint32_t want;
    } rows[] = {{"osd.2", 400}, {"osd.3", 600}, {"osd.4", 500},
                {"mon.2", 500}, {NULL, 500},    {"osd", 500}};

    T_CASES (row, rows) {
        struct config conf;
        struct note why = {{0}};

        config_defaults(&conf);
        T_OK(parse(&conf, text, row->instance, &why));
        T_EQ(conf.osd_heartbeat_ms, row->want);
    }
}

T(option, refusals_say_where_what_and_why)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"\n\n[osd]\nheartbeat_ms = 5\n",
         "cairn.conf:4: osd.heartbeat_ms must be between 50 and 60000, got 5"},
        {"[osd]\nheartbeat_ms = 60001",
         "cairn.conf:2: osd.heartbeat_ms must be between 50 and 60000, got 60001"},
        {"[osd]\nheartbeat_ms = 99999999999999999999",
         "cairn.conf:2: osd.heartbeat_ms must be a number between 50 and 60000, got "
         "\"99999999999999999999\""},
        {"[osd]\nheartbeat_ms = 1K",
         "cairn.conf:2: osd.heartbeat_ms must be a number between 50 and 60000, got \"1K\""},
        {"[osd]\nheartbeat_ms =",
         "cairn.conf:2: osd.heartbeat_ms must be a number between 50 and 60000, got \"\""},
        {"[osd]\nheartbeat_ms = -300",
         "cairn.conf:2: osd.heartbeat_ms must be a number between 50 and 60000, got \"-300\""},
        {"[osd]\nsize = 255M", "cairn.conf:2: osd.size must be between 256M and 1024T, got 255M"},
        {"[osd]\nsize = 1025T", "cairn.conf:2: osd.size must be between 256M and 1024T, got 1025T"},
        {"[osd]\nsize = 99999999T",
         "cairn.conf:2: osd.size must be a number between 256M and 1024T, got \"99999999T\""},
        {"[osd]\nsize = 1MM",
         "cairn.conf:2: osd.size must be a number between 256M and 1024T, got \"1MM\""},
        {"[s3]\nregion =", "cairn.conf:2: s3.region must be between 1 and 63 bytes long, got 0"},
        {"[osd]\nheartbeet_ms = 500", "cairn.conf:2: no such option: osd.heartbeet_ms"},
        {"[mon]\nheartbeat_ms = 500", "cairn.conf:2: no such option: mon.heartbeat_ms"},
        {"[osb]\n", "cairn.conf:1: no such section: [osb]"},
        {"[]\n", "cairn.conf:1: no such section: []"},
        {"[osb.1]\n", "cairn.conf:1: no such section: [osb.1]"},
        {"[osd.]\n", "cairn.conf:1: [osd.] names no instance"},
        {"[osd\n", "cairn.conf:1: a section must end with ]"},
        {"[osd] # no\n", "cairn.conf:1: a section must end with ]"},
        {"size = 1G\n", "cairn.conf:1: size stands before the first [section]"},
        {"[osd]\nsize\n", "cairn.conf:2: neither a [section] nor a name = value: \"size\""},
        {"[osd]\nsize = 1G\n[mon]\n[osd]\nsize = 2G\n",
         "cairn.conf:5: osd.size was set on line 2 already"},
        {"[osd.1]\nsize = 1G\nsize = 1G\n", "cairn.conf:3: osd.size was set on line 2 already"},
        {"[osd.9]\nsize = 1\n", "cairn.conf:2: osd.size must be between 256M and 1024T, got 1"},
        {"[s3]\nregion = a\x1b[31m\n", "cairn.conf:2: the line holds a control character"},
        {"[s3]\nregion = \xff\n", "cairn.conf:2: the line is not UTF-8"},
    };

    T_CASES (row, rows) {
        struct config conf, before;
        struct note why = {{0}};

        config_defaults(&conf);
        conf.osd_heartbeat_ms = 777;
        before = conf;
        T_EQ(parse(&conf, row->text, "osd.2", &why), -EINVAL);
        T_STR_EQ(why.text, row->want);
        T_MEM_EQ(&conf, &before, sizeof(conf));
    }
}

T(option, nul_bytes_and_huge_files_are_refused)
{
    struct config conf;
    struct note why = {{0}};
    size_t bytes = 1 << 20;
    char *huge = mem_alloc(bytes);

    config_defaults(&conf);
    T_EQ(config_parse(&conf, "f", "[osd]\nsize = 1G\0\n", 17, NULL, &why), -EINVAL);
    T_STR_EQ(why.text, "f:2: the line holds a control character");
    memset(huge, '\n', bytes);
    T_EQ(config_parse(&conf, "f", huge, bytes, NULL, &why), -EINVAL);
    T_STR_EQ(why.text, "f:1: longer than 262144 bytes");
    mem_free(huge);
    T_OK(config_parse(&conf, "f", NULL, 0, NULL, &why));
}

T(option, one_option_from_a_command_line)
{
    struct config conf;
    struct note why = {{0}};

    config_defaults(&conf);
    T_OK(config_set(&conf, "osd.cache", "1G", &why));
    T_EQ(conf.osd_cache, GIB(1));
    T_OK(config_set(&conf, "s3.region", " eu ", &why));
    T_STR_EQ(conf.s3_region.s, "eu");
    T_EQ(config_set(&conf, "osd.cache", "1", &why), -EINVAL);
    T_STR_EQ(why.text, "osd.cache must be between 1M and 64G, got 1");
    T_EQ(config_set(&conf, "cache", "1G", &why), -EINVAL);
    T_STR_EQ(why.text, "no such option: cache");
    T_EQ(config_set(&conf, "osd.cache.x", "1G", NULL), -EINVAL);
    T_EQ(config_set(&conf, "s3.region", "a\nb", &why), -EINVAL);
    T_STR_EQ(why.text, "s3.region holds a control character");
    T_OK(config_set(&conf, "s3.region", "a\tb", &why)); /* as a file may say it */
    T_STR_EQ(conf.s3_region.s, "a\tb");
    T_EQ(conf.osd_cache, GIB(1));
}

/* What option_value prints, config_set reads back; for every row, at its default. */
T(option, printed_values_read_back_as_they_were)
{
    struct config conf, copy;
    char name[100], value[OPTION_STR_BYTES], small[2];

    config_defaults(&conf);
    copy = conf;
    for (unsigned i = 0; i < option_count(); i++) {
        struct option_row row = option_row(i);

        T_OK(option_value(&conf, i, value, sizeof(value)));
        T_STR_EQ(value, row.def);
        snprintf(name, sizeof(name), "%s.%s", row.section, row.name);
        T_OK(config_set(&copy, name, value, NULL));
    }
    T_MEM_EQ(&conf, &copy, sizeof(conf));
    T_OK(config_set(&conf, "osd.size", "268435457", NULL));
    for (unsigned i = 0; i < option_count(); i++)
        if (strcmp(option_row(i).name, "size") == 0 && strcmp(option_row(i).section, "osd") == 0) {
            T_OK(option_value(&conf, i, value, sizeof(value)));
            T_STR_EQ(value, "268435457");
            T_EQ(option_value(&conf, i, small, sizeof(small)), -R_OVERFLOW);
        }
}

/* The sample with its options switched on is a file that says what the defaults say. */
T(option, the_sample_holds_every_default)
{
    AUTO(writer) out = {0};
    struct config conf, defaults;
    struct note why = {{0}};
    unsigned options = 0;

    option_print_sample(&out);
    T_OK(out.rc);
    for (size_t i = 0; i + 1 < out.len; i++) {
        if ((i == 0 || out.data[i - 1] == '\n') && out.data[i] == '#' && out.data[i + 1] != ' ') {
            out.data[i] = ' ';
            options++;
        }
    }
    T_EQ(options, option_count());
    config_defaults(&defaults);
    memset(&conf, 0, sizeof(conf));
    T_EQ(config_parse(&conf, "sample", (char *)out.data, out.len, NULL, &why), 0);
    T_STR_EQ(why.text, "");
    T_MEM_EQ(&conf, &defaults, sizeof(conf));
}

T(option, the_sample_in_the_tree_is_up_to_date)
{
    AUTO(writer) out = {0};
    char *path = mem_printf("%s/etc/cairn.conf.sample", t_srcdir());
    char *held = mem_zalloc(65536);
    FILE *f = fopen(path, "re");

    T_TRUE(f != NULL);
    T_LT(fread(held, 1, 65535, f), 65535);
    fclose(f);
    option_print_sample(&out);
    wr_u8(&out, 0);
    T_OK(out.rc);
    T_STR_EQ(held, (char *)out.data); /* make etc/cairn.conf.sample writes it anew */
    mem_free(held);
    mem_free(path);
}

T(option, things_are_counted_in_thousands_and_bytes_in_powers_of_two)
{
    static const struct {
        const char *text;
        uint64_t bytes, count; /* 0: it is no number */
    } rows[] = {
        {"7", 7, 7},
        {"10K", 10240, 10000},
        {"3M", 3145728, 3000000},
        {"2T", 2199023255552, 2000000000000},
        {"16777215T", 0xffffff0000000000, 16777215000000000000u},
        {"18446744T", 0, 18446744000000000000u},
        {"18446745T", 0, 0},
        {"1k", 0, 0},
        {"K", 0, 0},
        {"1KK", 0, 0},
        {"", 0, 0},
    };

    T_CASES (row, rows) {
        uint64_t v = 0;

        T_EQ(size_parse(BYTES_STR(row->text), &v), row->bytes != 0);
        T_EQ(v, row->bytes);
        v = 0;
        T_EQ(count_parse(BYTES_STR(row->text), &v), row->count != 0);
        T_EQ(v, row->count);
    }
}

T(option, short_memory_changes_nothing)
{
    static const char text[] = "[osd]\nsize = 1G\nlease_ms = 900\n[osd.1]\nsize = 2G\n";
    struct config conf, before;

    config_defaults(&conf);
    before = conf;
    EACH_ALLOCATION_FAILS(3, parse(&conf, text, "osd.1", NULL),
                          T_MEM_EQ(&conf, &before, sizeof(conf)));
    T_EQ(conf.osd_size, GIB(2));
}
