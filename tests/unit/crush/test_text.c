/* test_text.c - the text form: what it means, what it refuses and how it says so. */
#include "tests/unit/t.h"
#include "core/crush/crush_text.h"
#include "tests/unit/crush/crush_util.h"

#define HEAD "type 0 osd\ntype 1 host\ntype 10 root\ndevice 0 osd.0 class hdd\ndevice 1 osd.1\n"
#define HOST "host h { alg straw2 hash 0 item osd.0 item osd.1 }\n"

static void refuse(const char *text, size_t bytes, int rc, const char *want)
{
    struct crush_map *map = NULL;
    struct note why = {""};
    int got = crush_text_parse(text, bytes, &map, &why);

    T_EQ(got, rc);
    T_TRUE(map == NULL);
    T_STR_EQ(why.text, want);
}

T(crush_text, a_refusal_names_the_line_and_what_was_expected)
{
    static const struct {
        const char *text;
        int rc;
        const char *why;
    } rows[] = {
        {"\n\ntunable speed 1", -R_MALFORMED,
         "line 3: expected the name of a tunable, got 'speed'"},
        {"tunable choose_total_tries fast", -R_MALFORMED, "line 1: expected a value, got 'fast'"},
        {"tunable choose_total_tries 70000", -R_OVERFLOW,
         "line 1: expected a value between 0 and 65536, got 70000"},
        {"device -1 osd.0", -R_OVERFLOW,
         "line 1: expected a device id between 0 and 65535, got -1"},
        {"device 1", -R_MALFORMED, "line 1: expected the name of a device, but the text ends"},
        {"device 0 a\ndevice 0 b", -R_MALFORMED, "line 2: device 'b': its id or name is in use"},
        {"device 0 a\ndevice 1 a", -R_MALFORMED, "line 2: device 'a': its id or name is in use"},
        {"device 0 o~d", -R_MALFORMED, "line 1: expected the name of a device, got 'o~d'"},
        {"type 1 host type 1 rack", -R_MALFORMED, "line 1: type 'rack': its id or name is in use"},
        {HEAD "rack r { }", -R_MALFORMED,
         "line 6: expected tunable, device, type, rule or the name of a type, got 'rack'"},
        {HEAD "osd r { alg list }", -R_MALFORMED,
         "line 6: a bucket cannot have type 0, which devices have"},
        {HEAD "host h { alg straw3 }", -R_MALFORMED,
         "line 6: expected uniform, list, tree, straw or straw2, got 'straw3'"},
        {HEAD "host h {\n}", -R_MALFORMED, "line 7: bucket h has no alg"},
        {HEAD "host h { alg list hash 1 }", -R_MALFORMED,
         "line 6: expected hash 0 or rjenkins1, got '1'"},
        {HEAD "host h { alg list item h }", -R_MALFORMED,
         "line 6: expected the name of a device or bucket defined above, got 'h'"},
        {HEAD "host h { alg list item osd.0 weight 7,5 }", -R_MALFORMED,
         "line 6: expected a weight, got '7,5'"},
        {HEAD "host h { alg list item osd.0 weight 65536 }", -R_OVERFLOW,
         "line 6: expected a weight up to 65535, got 65536"},
        {HEAD "host h { alg list item osd.0 pos 1 }", -R_MALFORMED,
         "line 6: bucket h: position 1 is past its end"},
        {HEAD "host h { alg list item osd.0 pos 0 item osd.1 pos 0 }", -R_MALFORMED,
         "line 6: bucket h: position 0 is taken twice"},
        {HEAD "host h { alg uniform item osd.0 weight 1 item osd.1 weight 2 }", -R_MALFORMED,
         "uniform bucket h has items of different weights"},
        {HEAD "host h { id -1 id -2 alg list }", -R_MALFORMED, "line 6: bucket h has a second id"},
        {HEAD "host h { id -1 class a id -2 class a alg list }", -R_MALFORMED,
         "line 6: bucket h has a second id of a class"},
        {HEAD "host h { id -1 class hdd id -2 alg list }\nhost i { id -1 alg list }", -R_MALFORMED,
         "id -1 is the shadow of h and another bucket"},
        {HEAD HOST "rule r { type replicated step emit }", -R_MALFORMED,
         "line 7: rule r has no id"},
        {HEAD HOST "rule r { id 256 }", -R_OVERFLOW,
         "line 7: expected a rule id between 0 and 255, got 256"},
        {HEAD HOST "rule r { id 0 step take x }", -R_MALFORMED,
         "line 7: expected the name of a bucket or device, got 'x'"},
        {HEAD HOST "rule r { id 0 step take h class nvme }", -R_MALFORMED,
         "line 7: expected the name of a device class in use, got 'nvme'"},
        {HEAD HOST "rule r { id 0 step take osd.0 class hdd }", -R_MALFORMED,
         "line 7: osd.0 is a device and has no classes below it"},
        {HEAD HOST "rule r { id 0 step choose some 0 type osd }", -R_MALFORMED,
         "line 7: expected firstn or indep, got 'some'"},
        {HEAD HOST "rule r { id 0 step choose indep 5000 type osd }", -R_OVERFLOW,
         "line 7: expected a count between -4096 and 4096, got 5000"},
        {HEAD HOST "rule r { id 0 step jump }", -R_MALFORMED,
         "line 7: expected take, choose, chooseleaf, emit or a set_... step, got 'jump'"},
        {HEAD HOST "rule r { id 0 }\nrule s { id 0 }", -R_MALFORMED,
         "line 8: rule 's': its id or name is in use"},
        {HEAD HOST "rule r { id 0 } host i { alg list }", -R_MALFORMED,
         "line 7: expected a rule: buckets come before rules"},
        {HEAD HOST "rule r { id 0", -R_MALFORMED,
         "line 7: expected id, type, min_size, max_size, step or '}', but the text ends"},
        {HEAD HOST "choose_args 0 { }", -R_UNSUPPORTED, "line 7: choose_args are not supported"},
    };

    T_CASES (row, rows)
        refuse(row->text, strlen(row->text), row->rc, row->why);
    refuse("device \0 x", 10, -R_MALFORMED, "line 1: a word has more than 255 bytes or a NUL");
}

T(crush_text, a_tree_deeper_than_allowed_is_refused)
{
    AUTO(writer) w = {0};
    char line[128];

    wr_raw(&w, "device 0 d type 1 host\nhost b0 { alg list item d }\n", 51);
    for (int i = 1; i < 40; i++) {
        (void)snprintf(line, sizeof(line), "host b%d { alg list item b%d }\n", i, i - 1);
        wr_raw(&w, line, strlen(line));
    }
    refuse((char *)w.data, w.len, -R_OVERFLOW, "more than 32 levels of buckets");
}

T(crush_text, the_old_words_are_understood)
{
    struct crush_map *map =
        map_of(HEAD HOST "rule { ruleset 3 type erasure min_size 2 max_size 4\n"
                         "step set_choose_tries 7 step noop\n"
                         "step take h step choose indep -1 type osd step emit }");
    const struct crush_rule *r = crush_rule(map, 3);

    T_STR_EQ(r->name, "");
    T_EQ(r->type, CRUSH_RULE_ERASURE);
    T_EQ(r->size_min, 2);
    T_EQ(r->size_max, 4);
    T_EQ(r->step_count, 5);
    T_EQ(r->steps[3].op, CRUSH_CHOOSE_INDEP);
    T_EQ(r->steps[3].arg1, -1);
    T_EQ(map->tunables.choose_total_tries, 19);
    crush_destroy(map);
}

T(crush_text, weights_are_rounded_as_ceph_rounds_them)
{
    static const struct {
        const char *text;
        uint32_t weight;
        int rc;
    } rows[] = {
        {"1", 65536, 0},
        {"0", 0, 0},
        {"7.276", 476839, 0},
        {"0.9", 58982, 0},
        {"300.123", 19668860, 0}, /* a float has no odd numbers up there */
        {"300.1230000000", 19668860, 0},
        {".5", 32768, 0},
        {"0.00001", 0, 0},
        {"65535", CRUSH_WEIGHT_MAX, 0},
        {"0000000001.5", 98304, 0},
        {"0.99999999", 65536, 0},   /* the nearest float is one */
        {"0.9999999999", 65535, 0}, /* ten decimals: exact */
        {"65535.5", 0, -R_OVERFLOW},
        {"99999999999999999999", 0, -R_OVERFLOW},
        {"", 0, -EINVAL},
        {".", 0, -EINVAL},
        {"1.", 0, -EINVAL},
        {"-1", 0, -EINVAL},
        {"1e3", 0, -EINVAL},
        {"0x10", 0, -EINVAL},
    };

    T_CASES (row, rows) {
        uint32_t weight = 0;

        T_EQ(crush_weight_parse(row->text, &weight), row->rc);
        T_EQ(weight, row->weight);
    }
}

T(crush_text, every_printed_weight_reads_back)
{
    char text[CRUSH_WEIGHT_TEXT];
    uint32_t back;

    for (uint64_t w = 0; w <= CRUSH_WEIGHT_MAX; w += w < 200000 ? 1 : 999983) {
        crush_weight_print((uint32_t)w, text);
        T_OK(crush_weight_parse(text, &back));
        T_EQ(back, w);
    }
    crush_weight_print(476839, text);
    T_STR_EQ(text, "7.276");
}

/* What a text means must not depend on which allocation failed: none of them may be half done. */
T(crush_text, a_failed_allocation_gives_up_cleanly)
{
    static const char text[] =
        HEAD HOST "root default { id -9 alg straw hash 0 item h }\n"
                  "rule r { id 0 type replicated step take default class hdd\n"
                  "step chooseleaf firstn 0 type host step emit }";
    struct crush_map *map = NULL;
    struct note why;
    int rc = -ENOMEM;

    for (int64_t n = 0; rc == -ENOMEM; n++) {
        T_LT(n, 1000);
        mem_fail_after(n);
        rc = crush_text_parse(text, sizeof(text) - 1, &map, &why);
        mem_fail_after(-1);
        T_TRUE((rc == 0) == (map != NULL));
    }
    T_OK(rc);
    crush_destroy(map);
}
