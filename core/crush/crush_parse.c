/* crush_parse.c - reads the text form: tunables, devices, types, then buckets from the leaves up,
 * then rules.
 *
 * A name must be known before it is used, so buckets cannot form loops.  Shadow trees are built
 * when the first rule comes, since rules take them; no bucket may follow.  Bucket ids that the text
 * does not give go to the first ones free after a look at all ids it does give. */
#include "core/crush/crush_internal.h"
#include "core/crush/crush_lex.h"
#include "core/crush/crush_text.h"

struct parse_item {
    int32_t id, pos; /* pos -1: the first free one */
    uint32_t weight;
};

struct parser {
    struct lex lex;
    struct crush_map *map; /* owned until it is handed out */
    uint8_t *taken;        /* owned: bucket ids given anywhere in the text, or made up */
    bool rules_began;
    struct parse_item *items; /* owned: of the bucket being read */
    uint32_t item_count, item_cap;
};

/* The failure of a put, in words. */
static int put_failed(struct parser *p, int rc, const char *what, const char *name)
{
    if (rc == -EEXIST)
        return lex_fail(&p->lex, -R_MALFORMED, "%s '%.64s': its id or name is in use", what, name);
    if (rc == -EINVAL)
        return lex_fail(&p->lex, -R_MALFORMED, "%s '%.64s' is not valid", what, name);
    if (rc == -R_OVERFLOW)
        return lex_fail(&p->lex, rc, "%s '%.64s' passes a limit", what, name);
    if (rc < 0)
        return lex_fail(&p->lex, rc, "out of memory");
    return 0;
}

/* ---- tunables, devices, types ---- */

static uint32_t *tunable_at(struct crush_tunables *t, const char *name)
{
    const struct {
        const char *name;
        uint32_t *at;
    } all[] = {
        {"choose_local_tries", &t->choose_local_tries},
        {"choose_local_fallback_tries", &t->choose_local_fallback_tries},
        {"choose_total_tries", &t->choose_total_tries},
        {"chooseleaf_descend_once", &t->chooseleaf_descend_once},
        {"chooseleaf_vary_r", &t->chooseleaf_vary_r},
        {"chooseleaf_stable", &t->chooseleaf_stable},
        {"straw_calc_version", &t->straw_calc_version},
        {"allowed_bucket_algs", &t->allowed_bucket_algs},
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].at;
    return NULL;
}

static int parse_tunable(struct parser *p)
{
    uint32_t *at = tunable_at(&p->map->tunables, p->lex.word);
    int32_t value = 0;

    if (!at)
        return lex_expected(&p->lex, "the name of a tunable");
    lex_next(&p->lex);
    if (lex_int(&p->lex, 0, CRUSH_TRIES_MAX, "a value", &value) == 0)
        *at = (uint32_t)value;
    return p->lex.rc;
}

static int parse_class(struct parser *p, uint32_t *out_class)
{
    char name[CRUSH_NAME_MAX + 1];

    if (lex_name(&p->lex, "the name of a device class", name) < 0)
        return p->lex.rc;
    return put_failed(p, crush_put_class(p->map, name, out_class), "device class", name);
}

static int parse_device(struct parser *p)
{
    char name[CRUSH_NAME_MAX + 1];
    int32_t id;
    uint32_t class_id = 0;
    bool classed = false;

    if (lex_int(&p->lex, 0, CRUSH_DEVICES_MAX - 1, "a device id", &id) < 0 ||
        lex_name(&p->lex, "the name of a device", name) < 0)
        return p->lex.rc;
    if (lex_skip(&p->lex, "class")) {
        classed = true;
        if (parse_class(p, &class_id) < 0)
            return p->lex.rc;
    }
    return put_failed(p, crush_put_device(p->map, id, name, classed ? (int32_t)class_id : -1),
                      "device", name);
}

static int parse_type(struct parser *p)
{
    char name[CRUSH_NAME_MAX + 1];
    int32_t id;

    if (lex_int(&p->lex, 0, CRUSH_TYPE_ID_MAX, "a type id", &id) < 0 ||
        lex_name(&p->lex, "the name of a type", name) < 0)
        return p->lex.rc;
    return put_failed(p, crush_put_type(p->map, (uint32_t)id, name), "type", name);
}

/* ---- buckets ---- */

struct parse_bucket {
    char name[CRUSH_NAME_MAX + 1];
    uint32_t type;
    int32_t id; /* 0: not given */
    uint8_t alg;
    struct crush_shadow shadows[CRUSH_CLASSES_MAX];
    uint32_t shadow_count;
};

static int parse_bucket_id(struct parser *p, struct parse_bucket *b)
{
    struct crush_shadow s;

    if (lex_int(&p->lex, -CRUSH_BUCKETS_MAX, -1, "a bucket id", &s.id) < 0)
        return p->lex.rc;
    if (!lex_skip(&p->lex, "class")) {
        if (b->id)
            return lex_fail(&p->lex, -R_MALFORMED, "bucket %.64s has a second id", b->name);
        b->id = s.id;
        return 0;
    }
    if (parse_class(p, &s.class_id) < 0)
        return p->lex.rc;
    for (uint32_t i = 0; i < b->shadow_count; i++)
        if (b->shadows[i].class_id == s.class_id)
            return lex_fail(&p->lex, -R_MALFORMED, "bucket %.64s has a second id of a class",
                            b->name);
    b->shadows[b->shadow_count++] = s; /* as many as classes at most */
    return 0;
}

static int parse_alg(struct parser *p, struct parse_bucket *b)
{
    for (uint8_t alg = CRUSH_UNIFORM; alg <= CRUSH_STRAW2; alg++)
        if (lex_skip(&p->lex, crush_alg_name(alg))) {
            b->alg = alg;
            return p->lex.rc;
        }
    return lex_expected(&p->lex, "uniform, list, tree, straw or straw2");
}

static int parse_hash(struct parser *p)
{
    if (lex_skip(&p->lex, "0") || lex_skip(&p->lex, "rjenkins1"))
        return p->lex.rc;
    return lex_expected(&p->lex, "hash 0 or rjenkins1");
}

static int item_keep(struct parser *p, const struct parse_item *item)
{
    if (p->item_count == CRUSH_BUCKET_ITEMS_MAX)
        return lex_fail(&p->lex, -R_OVERFLOW, "a bucket has more than %d items",
                        CRUSH_BUCKET_ITEMS_MAX);
    if (p->item_count == p->item_cap) {
        uint32_t cap = MAX(64, 2 * p->item_cap);
        struct parse_item *grown = mem_realloc(p->items, cap * sizeof(*grown));

        if (!grown)
            return lex_fail(&p->lex, -ENOMEM, "out of memory");
        p->items = grown;
        p->item_cap = cap;
    }
    p->items[p->item_count++] = *item;
    return 0;
}

static int parse_item(struct parser *p)
{
    struct parse_item item = {.pos = -1, .weight = CRUSH_WEIGHT_ONE};
    const struct crush_bucket *below;

    if (crush_item_find(p->map, p->lex.word, &item.id) < 0)
        return lex_expected(&p->lex, "the name of a device or bucket defined above");
    lex_next(&p->lex);
    below = crush_bucket(p->map, item.id);
    if (below)
        item.weight = below->weight;
    while (p->lex.rc == 0) {
        if (lex_skip(&p->lex, "weight"))
            (void)lex_weight(&p->lex, &item.weight); /* remembered in lex.rc */
        else if (lex_skip(&p->lex, "pos"))
            (void)lex_int(&p->lex, 0, CRUSH_BUCKET_ITEMS_MAX - 1, "a position", &item.pos);
        else
            return item_keep(p, &item);
    }
    return p->lex.rc;
}

/* Explicit positions first, the others into the gaps in order. */
static int place_items(struct parser *p, struct crush_bucket *b)
{
    AUTO_FREE uint8_t *used = mem_zalloc(b->size);
    uint32_t gap = 0;
    uint64_t weight = 0;

    if (!used)
        return lex_fail(&p->lex, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < p->item_count; i++) {
        int32_t pos = p->items[i].pos;

        if (pos < 0)
            continue;
        if ((uint32_t)pos >= b->size || used[pos])
            return lex_fail(&p->lex, -R_MALFORMED, "bucket %.64s: position %d is %s", b->name.text,
                            pos, (uint32_t)pos >= b->size ? "past its end" : "taken twice");
        used[pos] = 1;
    }
    for (uint32_t i = 0; i < p->item_count; i++) {
        uint32_t at = (uint32_t)p->items[i].pos;

        if (p->items[i].pos < 0) {
            while (used[gap])
                gap++;
            at = gap++;
        }
        b->items[at] = p->items[i].id;
        b->weights[at] = p->items[i].weight;
        weight += p->items[i].weight;
    }
    if (weight > UINT32_MAX)
        return lex_fail(&p->lex, -R_OVERFLOW, "the weights in bucket %.64s add up to over 65535",
                        b->name.text);
    b->weight = (uint32_t)weight;
    return 0;
}

static int bucket_end(struct parser *p, struct parse_bucket *b)
{
    struct crush_bucket *made;
    int rc;

    if (b->alg == 0)
        return lex_fail(&p->lex, -R_MALFORMED, "bucket %.64s has no alg", b->name);
    if (b->id == 0)
        b->id = crush_id_take(p->taken);
    rc = crush_put_bucket(p->map, b->id, b->name, (uint16_t)b->type, b->alg, p->item_count, &made);
    if (rc < 0)
        return put_failed(p, rc, "bucket", b->name);
    for (uint32_t i = 0; i < b->shadow_count; i++) {
        rc = crush_put_shadow_id(made, b->shadows[i].class_id, b->shadows[i].id);
        if (rc < 0)
            return put_failed(p, rc, "bucket", b->name);
    }
    return place_items(p, made);
}

static int parse_bucket(struct parser *p)
{
    struct parse_bucket b = {0};

    if (crush_type_find(p->map, p->lex.word, &b.type) < 0)
        return lex_expected(&p->lex, "tunable, device, type, rule or the name of a type");
    if (b.type == 0)
        return lex_fail(&p->lex, -R_MALFORMED, "a bucket cannot have type 0, which devices have");
    if (p->rules_began)
        return lex_fail(&p->lex, -R_MALFORMED, "expected a rule: buckets come before rules");
    lex_next(&p->lex);
    p->item_count = 0;
    if (lex_name(&p->lex, "the name of a bucket", b.name) < 0 || lex_need(&p->lex, "{") < 0)
        return p->lex.rc;
    while (p->lex.rc == 0 && !lex_is(&p->lex, "}")) {
        if (lex_skip(&p->lex, "id"))
            (void)parse_bucket_id(p, &b); /* failures are remembered in lex.rc */
        else if (lex_skip(&p->lex, "alg"))
            (void)parse_alg(p, &b);
        else if (lex_skip(&p->lex, "hash"))
            (void)parse_hash(p);
        else if (lex_skip(&p->lex, "item"))
            (void)parse_item(p);
        else
            return lex_expected(&p->lex, "id, alg, hash, item or '}'");
    }
    if (p->lex.rc == 0)
        (void)bucket_end(p, &b);
    return lex_need(&p->lex, "}");
}

/* ---- rules ---- */

struct parse_rule {
    char name[CRUSH_NAME_MAX + 1];
    int32_t id;
    uint8_t type, size_min, size_max;
    struct crush_step steps[CRUSH_STEPS_MAX];
    uint32_t step_count;
};

static int parse_take(struct parser *p, struct crush_step *s)
{
    char name[CRUSH_NAME_MAX + 1];
    uint32_t class_id;

    s->op = CRUSH_TAKE;
    if (crush_item_find(p->map, p->lex.word, &s->arg1) < 0)
        return lex_expected(&p->lex, "the name of a bucket or device");
    memcpy(name, p->lex.word, sizeof(name));
    lex_next(&p->lex);
    if (!lex_skip(&p->lex, "class"))
        return p->lex.rc;
    if (crush_class_find(p->map, p->lex.word, &class_id) < 0)
        return lex_expected(&p->lex, "the name of a device class in use");
    if (crush_shadow_find(p->map, s->arg1, class_id, &s->arg1) < 0)
        return lex_fail(&p->lex, -R_MALFORMED, "%.64s is a device and has no classes below it",
                        name);
    lex_next(&p->lex);
    return p->lex.rc;
}

static int parse_choose(struct parser *p, struct crush_step *s, bool leaf)
{
    uint32_t type;

    if (lex_skip(&p->lex, "firstn"))
        s->op = leaf ? CRUSH_CHOOSELEAF_FIRSTN : CRUSH_CHOOSE_FIRSTN;
    else if (lex_skip(&p->lex, "indep"))
        s->op = leaf ? CRUSH_CHOOSELEAF_INDEP : CRUSH_CHOOSE_INDEP;
    else
        return lex_expected(&p->lex, "firstn or indep");
    if (lex_int(&p->lex, -CRUSH_COUNT_MAX, CRUSH_COUNT_MAX, "a count", &s->arg1) < 0 ||
        lex_need(&p->lex, "type") < 0)
        return p->lex.rc;
    if (crush_type_find(p->map, p->lex.word, &type) < 0)
        return lex_expected(&p->lex, "the name of a type");
    s->arg2 = (int32_t)type;
    lex_next(&p->lex);
    return p->lex.rc;
}

static int parse_step(struct parser *p, struct parse_rule *r)
{
    static const struct {
        const char *word;
        enum crush_op op;
    } sets[] = {
        {"set_choose_tries", CRUSH_SET_CHOOSE_TRIES},
        {"set_chooseleaf_tries", CRUSH_SET_CHOOSELEAF_TRIES},
        {"set_choose_local_tries", CRUSH_SET_CHOOSE_LOCAL_TRIES},
        {"set_choose_local_fallback_tries", CRUSH_SET_CHOOSE_LOCAL_FALLBACK_TRIES},
        {"set_chooseleaf_vary_r", CRUSH_SET_CHOOSELEAF_VARY_R},
        {"set_chooseleaf_stable", CRUSH_SET_CHOOSELEAF_STABLE},
    };
    struct crush_step *s = &r->steps[r->step_count];

    if (r->step_count == CRUSH_STEPS_MAX)
        return lex_fail(&p->lex, -R_OVERFLOW, "a rule has more than %d steps", CRUSH_STEPS_MAX);
    r->step_count++;
    if (lex_skip(&p->lex, "take"))
        return parse_take(p, s);
    if (lex_skip(&p->lex, "choose"))
        return parse_choose(p, s, false);
    if (lex_skip(&p->lex, "chooseleaf"))
        return parse_choose(p, s, true);
    if (lex_skip(&p->lex, "emit")) {
        s->op = CRUSH_EMIT;
        return p->lex.rc;
    }
    if (lex_skip(&p->lex, "noop"))
        return p->lex.rc;
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (lex_skip(&p->lex, sets[i].word)) {
            s->op = sets[i].op;
            return lex_int(&p->lex, 0, CRUSH_TRIES_MAX, "a value", &s->arg1);
        }
    return lex_expected(&p->lex, "take, choose, chooseleaf, emit or a set_... step");
}

static int parse_rule_type(struct parser *p, struct parse_rule *r)
{
    int32_t type;

    if (lex_skip(&p->lex, "replicated"))
        r->type = CRUSH_RULE_REPLICATED;
    else if (lex_skip(&p->lex, "erasure"))
        r->type = CRUSH_RULE_ERASURE;
    else if (lex_int(&p->lex, 0, UINT8_MAX, "replicated, erasure or a number", &type) == 0)
        r->type = (uint8_t)type;
    return p->lex.rc;
}

static int parse_rule_field(struct parser *p, struct parse_rule *r)
{
    int32_t value;

    if (lex_skip(&p->lex, "id") || lex_skip(&p->lex, "ruleset"))
        return lex_int(&p->lex, 0, CRUSH_RULES_MAX - 1, "a rule id", &r->id);
    if (lex_skip(&p->lex, "type"))
        return parse_rule_type(p, r);
    if (lex_skip(&p->lex, "min_size")) {
        if (lex_int(&p->lex, 0, UINT8_MAX, "a size", &value) == 0)
            r->size_min = (uint8_t)value;
        return p->lex.rc;
    }
    if (lex_skip(&p->lex, "max_size")) {
        if (lex_int(&p->lex, 0, UINT8_MAX, "a size", &value) == 0)
            r->size_max = (uint8_t)value;
        return p->lex.rc;
    }
    if (lex_skip(&p->lex, "step"))
        return parse_step(p, r);
    return lex_expected(&p->lex, "id, type, min_size, max_size, step or '}'");
}

static int rules_begin(struct parser *p)
{
    struct note why = {""};
    int rc;

    if (p->rules_began)
        return 0;
    p->rules_began = true;
    rc = crush_shadows_rebuild(p->map, &why);
    return rc < 0 ? lex_fail(&p->lex, rc, "%s", rc == -ENOMEM ? "out of memory" : why.text) : 0;
}

static int rule_end(struct parser *p, struct parse_rule *r)
{
    const struct crush_rule head = {
        .name = r->name, .type = r->type, .size_min = r->size_min, .size_max = r->size_max};

    return put_failed(p, crush_put_rule(p->map, r->id, &head, r->steps, r->step_count), "rule",
                      r->name);
}

static int parse_rule(struct parser *p)
{
    AUTO_FREE struct parse_rule *r = mem_zalloc(sizeof(*r));

    if (!r)
        return lex_fail(&p->lex, -ENOMEM, "out of memory");
    r->id = -1;
    r->type = CRUSH_RULE_REPLICATED;
    r->size_min = 1;
    r->size_max = 10;
    if (rules_begin(p) < 0)
        return p->lex.rc;
    if (!lex_is(&p->lex, "{") && lex_name(&p->lex, "the name of a rule", r->name) < 0)
        return p->lex.rc;
    if (lex_need(&p->lex, "{") < 0)
        return p->lex.rc;
    while (p->lex.rc == 0 && !lex_is(&p->lex, "}"))
        (void)parse_rule_field(p, r); /* failures are remembered in lex.rc */
    if (p->lex.rc == 0 && r->id < 0)
        return lex_fail(&p->lex, -R_MALFORMED, "rule %.64s has no id", r->name);
    if (p->lex.rc == 0)
        (void)rule_end(p, r); /* remembered in lex.rc */
    return lex_need(&p->lex, "}");
}

/* ---- the whole ---- */

/* Mark every bucket id that the text gives. */
static void mark_given_ids(struct parser *p, const char *text, size_t bytes)
{
    struct lex l;
    struct note unused;
    int32_t id;

    lex_init(&l, text, bytes, &unused);
    while (l.word[0]) {
        if (!lex_skip(&l, "id")) {
            lex_next(&l);
            continue;
        }
        if (l.word[0] == '-' && lex_int(&l, -CRUSH_BUCKETS_MAX, -1, "", &id) == 0)
            p->taken[-1 - id] = 1;
    }
}

static int parse_all(struct parser *p)
{
    while (p->lex.word[0] && p->lex.rc == 0) {
        if (lex_skip(&p->lex, "tunable"))
            (void)parse_tunable(p); /* failures are remembered in lex.rc */
        else if (lex_skip(&p->lex, "device"))
            (void)parse_device(p);
        else if (lex_skip(&p->lex, "type"))
            (void)parse_type(p);
        else if (lex_skip(&p->lex, "rule"))
            (void)parse_rule(p);
        else if (lex_is(&p->lex, "choose_args"))
            return lex_fail(&p->lex, -R_UNSUPPORTED, "choose_args are not supported");
        else
            (void)parse_bucket(p);
    }
    return p->lex.rc;
}

int crush_text_parse(const char *text, size_t bytes, struct crush_map **out_map, struct note *why)
{
    struct parser p = {0};
    int rc = -ENOMEM;

    if (bytes > CRUSH_TEXT_MAX) {
        note_set(why, "a map text has more than %d bytes", CRUSH_TEXT_MAX);
        return -R_OVERFLOW;
    }
    p.map = crush_create_bare();
    p.taken = mem_zalloc(CRUSH_BUCKETS_MAX);
    if (p.map && p.taken) {
        mark_given_ids(&p, text, bytes);
        lex_init(&p.lex, text, bytes, why);
        rc = parse_all(&p);
    }
    if (rc == 0)
        rc = crush_seal(p.map, why);
    if (rc == 0)
        *out_map = TAKE(p.map);
    crush_destroy(p.map);
    mem_free(p.taken);
    mem_free(p.items);
    return rc;
}
