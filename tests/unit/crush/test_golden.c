/* test_golden.c - our placements are those of Ceph: tests/golden/crush/README.md. */
#include "core/crush/crush_codec.h"
#include "core/crush/crush_hash.h"
#include "core/crush/crush_test.h"
#include "core/crush/crush_text.h"
#include "tests/unit/crush/crush_util.h"
#include "tests/unit/t.h"

enum { WEIGHTS_MAX = 1024, LINE_MAX_BYTES = 1024 };

/* Reads the golden text along with the lines we print. */
struct compare {
    const char *at;  /* the next golden line */
    bool may_differ; /* see the README: count, and look at classes instead */
    uint32_t lines, differing;
    const struct crush_map *map;
    uint32_t class_id;
};

static int compare_line(void *arg, const char *line, size_t bytes)
{
    struct compare *c = arg;
    size_t golden = strcspn(c->at, "\n") + 1;
    bool same = golden == bytes && memcmp(c->at, line, bytes) == 0;

    if (!same && !c->may_differ)
        T_FAIL("expected %.*s     got %.*s", (int)golden, c->at, (int)bytes, line);
    if (c->may_differ)
        for (const char *p = memchr(line, '[', bytes); *p != ']' && p[1] != ']';
             p += 1 + strcspn(p + 1, ",]"))
            T_EQ(crush_device(c->map, atoi(p + 1))->class_id, (int32_t)c->class_id);
    c->differing += !same;
    c->lines++;
    c->at += golden;
    return 0;
}

/* "# --rule 0 --num-rep 4 --min-x 1 --max-x 40 --weight 8 0 ..." */
static const char *read_args(const char *line, struct crush_test *t, struct crush_test_weight *w)
{
    const char *end = line + strcspn(line, "\n");
    char word[32], value[32], value2[32];
    int n;

    line += 1;
    t->weight_count = 0;
    t->weights = w;
    while (line < end && sscanf(line, " %31s %31s%n", word, value, &n) == 2 && line + n <= end) {
        line += n;
        if (strcmp(word, "--rule") == 0)
            t->rule = atoi(value);
        else if (strcmp(word, "--num-rep") == 0)
            t->rep_count = (uint32_t)atoi(value);
        else if (strcmp(word, "--min-x") == 0)
            t->x_min = (uint32_t)atoi(value);
        else if (strcmp(word, "--max-x") == 0)
            t->x_max = (uint32_t)atoi(value);
        else {
            T_STR_EQ(word, "--weight");
            T_EQ(sscanf(line, " %31s%n", value2, &n), 1);
            line += n;
            T_LT(t->weight_count, WEIGHTS_MAX);
            w[t->weight_count].device = atoi(value);
            T_OK(crush_weight_parse(value2, &w[t->weight_count++].weight));
        }
    }
    return end + 1;
}

static struct compare compare_file(const struct crush_map *map, const char *out_name,
                                   int loose_rule)
{
    char *golden = golden_read(out_name);
    struct compare c = {.at = golden, .map = map};
    struct crush_test t = {0};
    struct crush_test_weight weights[WEIGHTS_MAX];

    if (loose_rule >= 0)
        T_OK(crush_class_find(map, "ssd", &c.class_id));
    while (*c.at) {
        uint32_t lines = c.lines;

        while (*c.at == '\n')
            c.at++;
        T_EQ(*c.at, '#');
        c.at = read_args(c.at, &t, weights);
        c.may_differ = t.rule == loose_rule;
        T_OK(crush_test_run(map, &t, compare_line, &c, NULL));
        T_EQ(c.lines - lines, t.x_max - t.x_min + 1);
        while (*c.at == '\n')
            c.at++;
    }
    c.at = NULL;
    mem_free(golden);
    return c;
}

static const struct {
    const char *map, *out;
    int loose_rule; /* -1: none */
    uint32_t differing;
} files[] = {
    {"map00.txt", "map00.out", -1, 0},       {"map01.txt", "map01.out", -1, 0},
    {"map02.txt", "map02.out", 7, 31},       {"map02.txt", "map02-class.out", -1, 0},
    {"map03.txt", "map03.out", -1, 0},       {"map04.txt", "map04.out", -1, 0},
    {"map05.txt", "map05.out", -1, 0},       {"map06.txt", "map06.out", 7, 4},
    {"map06.txt", "map06-class.out", -1, 0}, {"map07.txt", "map07.out", -1, 0},
    {"map08.txt", "map08.out", -1, 0},       {"map09.txt", "map09.out", -1, 0},
};

T(crush_golden, every_mapping_is_the_one_ceph_makes)
{
    T_CASES (row, files) {
        struct crush_map *map = golden_map(row->map);
        struct compare c = compare_file(map, row->out, row->loose_rule);

        T_GE(c.lines, 80);
        T_EQ(c.differing, row->differing);
        crush_destroy(map);
    }
}

T(crush_golden, a_map_that_went_through_bytes_maps_alike)
{
    T_CASES (row, files) {
        struct crush_map *map = golden_map(row->map), *back = NULL;
        AUTO(writer) w = {0};
        struct cursor cur;

        crush_encode(map, &w);
        T_OK(w.rc);
        cur = cur_over(w.data, w.len);
        T_OK(crush_decode(&cur, &back));
        T_TRUE(maps_equal(map, back));
        T_EQ(compare_file(back, row->out, row->loose_rule).differing, row->differing);
        crush_destroy(back);
        crush_destroy(map);
    }
}

T(crush_golden, a_printed_map_parses_to_an_equal_one)
{
    T_CASES (row, files) {
        struct crush_map *map = golden_map(row->map), *back = NULL;
        AUTO(writer) w = {0};
        struct note why = {""};

        crush_text_print(map, &w);
        T_OK(w.rc);
        if (crush_text_parse((const char *)w.data, w.len, &back, &why) < 0)
            T_FAIL("%s", why.text);
        T_TRUE(maps_equal(map, back));
        crush_destroy(back);
        crush_destroy(map);
    }
}

/* Shadow ids left out of the text: those made up must be the ones Ceph makes up. */
T(crush_golden, shadow_ids_are_made_up_as_ceph_does)
{
    struct crush_map *map = map_of("device 0 osd.0 class hdd\ndevice 1 osd.1 class ssd\n"
                                   "device 2 osd.2 class ssd\ndevice 9 osd.9\n"
                                   "type 0 osd type 1 host type 10 root\n"
                                   "host a { alg straw2 hash 0 item osd.0 item osd.1 }\n"
                                   "host b { id -7 alg list hash rjenkins1\n"
                                   "         item osd.2 weight 0.3337 pos 1 item osd.0 pos 0 }\n"
                                   "root default { id -1 id -2 class ssd alg tree hash 0\n"
                                   "               item a item b weight 2.5 }\n");
    static const struct {
        int32_t id;
        const char *name;
    } want[] = {{-1, "default"}, {-2, "default~ssd"}, {-3, "a"},
                {-4, "a~hdd"},   {-5, "b~hdd"},       {-6, "default~hdd"},
                {-7, "b"},       {-8, "a~ssd"},       {-9, "b~ssd"}};

    T_CASES (row, want)
        T_STR_EQ(crush_bucket(map, row->id)->name.text, row->name);
    T_EQ(crush_bucket(map, -7)->items[0], 0);
    T_EQ(crush_bucket(map, -7)->weights[1], 21869);
    T_EQ(crush_bucket(map, -7)->weight, 87405);
    crush_destroy(map);
}

T(crush_golden, every_object_goes_to_the_pg_ceph_puts_it_in)
{
    char *text = golden_read("object-pg.txt"), *line, *rest = text;
    uint32_t pg_num = 0, seen = 0;

    while ((line = strsep(&rest, "\n"))) {
        char *name = line + 1, *arrow = strstr(line, "' -> 1.");

        if (sscanf(line, "# pg_num %u", &pg_num) == 1 || !arrow)
            continue;
        T_EQ(crush_hash_to_pg(crush_object_hash("", 0, name, (size_t)(arrow - name)), pg_num),
             strtoul(arrow + 7, NULL, 16));
        seen++;
    }
    T_GE(seen, 50);
    mem_free(text);
}

T(crush_golden, a_namespace_is_hashed_before_the_name)
{
    T_EQ(crush_object_hash("ns", 2, "name", 4), crush_object_hash("", 0, "ns\x1fname", 7));
    T_NE(crush_object_hash("ns", 2, "name", 4), crush_object_hash("", 0, "name", 4));
}

T(crush_golden, the_x_of_a_pg_mixes_in_the_pool)
{
    T_EQ(crush_pg_to_x(0x4b, 100, 1), crush_hash2(0x4b, 1));
    T_EQ(crush_pg_to_x(0x6b, 100, 7), crush_hash2(0x2b, 7)); /* 107 folds back over 63 */
    T_EQ(crush_pg_mask(1), 0);
    T_EQ(crush_pg_mask(8), 7);
    T_EQ(crush_pg_mask(100), 127);
}
