/* crush_print.c - writes the text form, in the order and words of crushtool: what a reader of such
 * texts expects, and what crush_parse.c reads back to an equal map. */
#include <stdarg.h>
#include <stdio.h>

#include "core/crush/crush_internal.h"
#include "core/crush/crush_text.h"

enum { LINE_BYTES = 1024 }; /* three names and some numbers */

PRINTF_LIKE(2, 3) static void put(struct writer *w, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    ASSERT(n >= 0 && n < LINE_BYTES);
    wr_raw(w, line, (size_t)n);
}

/* Values as old as Ceph are left out, as they are by crushtool. */
static void print_tunables(const struct crush_map *map, struct writer *w)
{
    const struct crush_tunables *t = &map->tunables;
    const struct {
        const char *name;
        uint32_t value, oldest;
    } all[] = {
        {"choose_local_tries", t->choose_local_tries, 2},
        {"choose_local_fallback_tries", t->choose_local_fallback_tries, 5},
        {"choose_total_tries", t->choose_total_tries, 19},
        {"chooseleaf_descend_once", t->chooseleaf_descend_once, 0},
        {"chooseleaf_vary_r", t->chooseleaf_vary_r, 0},
        {"chooseleaf_stable", t->chooseleaf_stable, 0},
        {"straw_calc_version", t->straw_calc_version, 0},
        {"allowed_bucket_algs", t->allowed_bucket_algs, 22},
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].value != all[i].oldest)
            put(w, "tunable %s %u\n", all[i].name, all[i].value);
}

static const char *item_name(const struct crush_map *map, int32_t id)
{
    return id < 0 ? map->buckets[-1 - id]->name.text : map->devices[id]->name.text;
}

static void print_items(const struct crush_map *map, const struct crush_bucket *b, struct writer *w)
{
    bool with_pos = b->alg == CRUSH_UNIFORM || b->alg == CRUSH_TREE;
    char weight[CRUSH_WEIGHT_TEXT];

    for (uint32_t i = 0; i < b->size; i++) {
        crush_weight_print(b->weights[i], weight);
        put(w, "\titem %s weight %s", item_name(map, b->items[i]), weight);
        if (with_pos)
            put(w, " pos %u", i);
        put(w, "\n");
    }
}

static void print_alg(const struct crush_bucket *b, struct writer *w)
{
    put(w, "\talg %s", crush_alg_name(b->alg));
    if (b->alg == CRUSH_UNIFORM)
        put(w, "\t# do not change bucket size (%u) unnecessarily", b->size);
    else if (b->alg == CRUSH_LIST)
        put(w, "\t# add new items at the end; do not change order unnecessarily");
    else if (b->alg == CRUSH_TREE)
        put(w, "\t# do not change pos for existing items unnecessarily");
    put(w, "\n\thash 0\t# rjenkins1\n");
}

/* Children first, since the reader must know them. */
static void print_bucket(const struct crush_map *map, const struct crush_bucket *b, uint8_t *done,
                         struct writer *w)
{
    char weight[CRUSH_WEIGHT_TEXT];

    if (done[-1 - b->name.id])
        return;
    done[-1 - b->name.id] = 1;
    for (uint32_t i = 0; i < b->size; i++)
        if (b->items[i] < 0)
            print_bucket(map, crush_bucket(map, b->items[i]), done, w);
    put(w, "%s %s {\n", crush_type_name(map, b->type), b->name.text);
    put(w, "\tid %d\t\t# do not change unnecessarily\n", b->name.id);
    for (uint32_t i = 0; i < b->shadow_count; i++)
        put(w, "\tid %d class %s\t\t# do not change unnecessarily\n", b->shadows[i].id,
            map->classes[b->shadows[i].class_id]);
    crush_weight_print(b->weight, weight);
    put(w, "\t# weight %s\n", weight);
    print_alg(b, w);
    print_items(map, b, w);
    put(w, "}\n");
}

static void print_take(const struct crush_map *map, int32_t id, struct writer *w)
{
    const struct crush_bucket *b = crush_bucket(map, id);

    if (!b || !b->shadow_of) {
        put(w, "\tstep take %s\n", item_name(map, id));
        return;
    }
    /* A shadow is named "bucket~class", and names have no '~'. */
    put(w, "\tstep take %s class %s\n", item_name(map, b->shadow_of),
        strchr(b->name.text, '~') + 1);
}

static void print_step(const struct crush_map *map, const struct crush_step *s, struct writer *w)
{
    static const char *const words[] = {
        [CRUSH_NOOP] = "noop",
        [CRUSH_CHOOSE_FIRSTN] = "choose firstn",
        [CRUSH_CHOOSE_INDEP] = "choose indep",
        [CRUSH_EMIT] = "emit",
        [CRUSH_CHOOSELEAF_FIRSTN] = "chooseleaf firstn",
        [CRUSH_CHOOSELEAF_INDEP] = "chooseleaf indep",
        [CRUSH_SET_CHOOSE_TRIES] = "set_choose_tries",
        [CRUSH_SET_CHOOSELEAF_TRIES] = "set_chooseleaf_tries",
        [CRUSH_SET_CHOOSE_LOCAL_TRIES] = "set_choose_local_tries",
        [CRUSH_SET_CHOOSE_LOCAL_FALLBACK_TRIES] = "set_choose_local_fallback_tries",
        [CRUSH_SET_CHOOSELEAF_VARY_R] = "set_chooseleaf_vary_r",
        [CRUSH_SET_CHOOSELEAF_STABLE] = "set_chooseleaf_stable",
    };

    switch (s->op) {
    case CRUSH_TAKE:
        print_take(map, s->arg1, w);
        return;
    case CRUSH_NOOP:
    case CRUSH_EMIT:
        put(w, "\tstep %s\n", words[s->op]);
        return;
    case CRUSH_CHOOSE_FIRSTN:
    case CRUSH_CHOOSE_INDEP:
    case CRUSH_CHOOSELEAF_FIRSTN:
    case CRUSH_CHOOSELEAF_INDEP:
        put(w, "\tstep %s %d type %s\n", words[s->op], s->arg1,
            crush_type_name(map, (uint32_t)s->arg2));
        return;
    default:
        put(w, "\tstep %s %d\n", words[s->op], s->arg1);
    }
}

static void print_rule(const struct crush_map *map, uint32_t id, struct writer *w)
{
    const struct crush_rule *r = map->rules[id];

    put(w, "rule %s%s{\n\tid %u\n\ttype ", r->name, r->name[0] ? " " : "", id);
    if (r->type == CRUSH_RULE_REPLICATED || r->type == CRUSH_RULE_ERASURE)
        put(w, "%s\n", r->type == CRUSH_RULE_REPLICATED ? "replicated" : "erasure");
    else
        put(w, "%u\n", r->type);
    put(w, "\tmin_size %u\n\tmax_size %u\n", r->size_min, r->size_max);
    for (uint32_t i = 0; i < r->step_count; i++)
        print_step(map, &r->steps[i], w);
    put(w, "}\n");
}

void crush_text_print(const struct crush_map *map, struct writer *w)
{
    AUTO_FREE uint8_t *done = mem_zalloc(map->bucket_max);

    ASSERT(map->sealed);
    if (!done) {
        w->rc = -ENOMEM;
        return;
    }
    put(w, "# begin crush map\n");
    print_tunables(map, w);
    put(w, "\n# devices\n");
    for (uint32_t i = 0; i < map->device_max; i++)
        if (map->devices[i]) {
            int32_t class_id = map->devices[i]->class_id;

            put(w, "device %u %s%s%s\n", i, map->devices[i]->name.text,
                class_id < 0 ? "" : " class ", class_id < 0 ? "" : map->classes[class_id]);
        }
    put(w, "\n# types\n");
    for (uint32_t i = 0; i < map->type_count; i++)
        put(w, "type %u %s\n", map->types[i].id, map->types[i].name);
    put(w, "\n# buckets\n");
    for (uint32_t i = 0; i < map->bucket_max; i++)
        if (map->buckets[i] && !map->buckets[i]->shadow_of)
            print_bucket(map, map->buckets[i], done, w);
    put(w, "\n# rules\n");
    for (uint32_t i = 0; i < map->rule_max; i++)
        if (map->rules[i])
            print_rule(map, i, w);
    put(w, "\n# end crush map\n");
}
