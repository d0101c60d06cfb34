/* short.c - short forms of what the tests do most. */
#include <stdio.h>

#include "s3/bucket/refs.h"
#include "tests/unit/s3/bucket/stage.h"

int do_create(struct stage *st, unsigned gate, const char *bucket)
{
    struct act a = {.kind = ACT_CREATE};

    strcpy(a.bucket, bucket);
    return act_do(st, gate, &a);
}

int do_drop(struct stage *st, unsigned gate, const char *bucket)
{
    struct act a = {.kind = ACT_DROP};

    strcpy(a.bucket, bucket);
    return act_do(st, gate, &a);
}

int do_put(struct stage *st, unsigned gate, const char *key, uint64_t seed, uint64_t size)
{
    struct act a = {.kind = ACT_PUT, .seed = seed, .size = size};

    strcpy(a.key, key);
    return act_do(st, gate, &a);
}

int do_delete(struct stage *st, unsigned gate, const char *key)
{
    struct act a = {.kind = ACT_DELETE};

    strcpy(a.key, key);
    return act_do(st, gate, &a);
}

int do_get(struct stage *st, unsigned gate, const char *key, uint64_t *out_id)
{
    struct act a = {.kind = ACT_GET};
    int rc;

    strcpy(a.key, key);
    rc = act_do(st, gate, &a);
    T_FALSE(a.bad_bytes);
    if (out_id)
        *out_id = a.id;
    return rc;
}

void do_collect(struct stage *st, unsigned gate)
{
    struct act a = {.kind = ACT_COLLECT};

    T_OK(act_do(st, gate, &a));
}

int do_copy(struct stage *st, unsigned gate, const char *from, const char *key)
{
    struct act a = {.kind = ACT_COPY};

    strcpy(a.from, from);
    strcpy(a.key, key);
    return act_do(st, gate, &a);
}

/* A stage with the bucket "box". */
void stage_begin(struct stage *st)
{
    stage_init(st, 7);
    T_OK(do_create(st, 0, "box"));
}

void stage_end(struct stage *st)
{
    char text[512];

    stage_run(st, NS_PER_S); /* what is under way between shards ends */
    if (stage_verify(st, text))
        T_FAIL("the checker has found: %s", text);
    T_EQ(stage_audit(st, NULL, NULL, NULL), 0);
    stage_fini(st);
}

/* Everything that can be collected is. */
void collect_all(struct stage *st, unsigned gate)
{
    for (unsigned i = 0; i < 60; i++) {
        do_collect(st, gate);
        stage_run(st, 3 * NS_PER_S);
    }
}

unsigned data_objects(const struct stage *st)
{
    return (unsigned)st->fake.count[FAKE_DATA];
}

unsigned refs_of(struct stage *st, size_t data_object)
{
    const struct fake_row *r =
        fake_row_find(&st->fake.object[FAKE_DATA][data_object]->xattrs, REFS_XATTR, 4);
    struct refs refs = {0};

    if (r)
        T_OK(refs_decode((struct bytes){r->value, (uint32_t)r->value_bytes}, &refs));
    return refs.count;
}

char *listing(struct stage *st, const char *prefix, const char *delimiter, const char *after,
              uint32_t max, char *out)
{
    struct act a = {.kind = ACT_LIST, .prefix = prefix, .delimiter = delimiter, .max = max};

    strcpy(a.after, after);
    T_OK(act_do(st, 0, &a));
    out[0] = 0;
    for (unsigned i = 0; i < a.row_count; i++)
        sprintf(out + strlen(out), "%s%s ", a.rows[i].name, a.rows[i].is_prefix ? "*" : "");
    if (a.truncated)
        sprintf(out + strlen(out), "... %s", a.next);
    act_fini(&a);
    return out;
}

/* Begin an upload and put its parts; sizes are in the seeds. */
void upload_begin(struct stage *st, struct act *complete, const char *key, const uint64_t *seeds,
                  unsigned count)
{
    struct act up = {.kind = ACT_UPLOAD};

    strcpy(up.key, key);
    T_OK(act_do(st, 0, &up));
    *complete = (struct act){.kind = ACT_COMPLETE, .part_count = count};
    strcpy(complete->key, key);
    strcpy(complete->upload, up.upload);
    for (unsigned i = 0; i < count; i++) {
        struct act part = {
            .kind = ACT_PUT, .seed = seeds[i], .size = seeds[i] % 100000, .part_number = 3 * i + 1};

        strcpy(part.key, key);
        strcpy(part.upload, up.upload);
        T_OK(act_do(st, i % 2, &part));
        complete->parts[i].number = 3 * i + 1;
        md5_of_seed(seeds[i], complete->parts[i].md5);
    }
}

struct ops {
    struct fake *f;
    uint64_t until;
};

static uint64_t ops_of(const struct fake *f)
{
    return f->ops[FAKE_INDEX] + f->ops[FAKE_DATA];
}

static bool ops_reached(void *arg)
{
    const struct ops *o = arg;

    return ops_of(o->f) >= o->until;
}

void run_ops(struct stage *st, uint64_t n)
{
    struct ops o = {&st->fake, ops_of(&st->fake) + n};

    if (n)
        sim_run_until(st->sim, sim_now_ns(st->sim) + 60 * NS_PER_S, ops_reached, &o);
}

void gate_again(struct stage *st, unsigned i)
{
    gate_kill(st, i);
    gate_start(st, i);
    gate_wait_ready(st, i);
}

/* ---- copies ---- */

unsigned source_make(struct stage *st, unsigned kind)
{
    static const uint64_t seeds[] = {1100000 + 9000, 2200000 + 5000};
    struct act c;

    if (kind == STRIPED) {
        T_OK(do_put(st, 0, "src", 3, 20000));
        return 5;
    }
    upload_begin(st, &c, "src", seeds, 2);
    T_OK(act_do(st, 0, &c));
    return 3 + 2;
}

void source_begin(struct stage *st, unsigned kind)
{
    unsigned n;

    stage_begin(st);
    n = source_make(st, kind);
    T_EQ(data_objects(st), n);
}

void nothing_stays(struct stage *st)
{
    static const char *const keys[] = {"src", "copy", "copy2", "copy3"};
    unsigned intents, garbage;

    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        int rc = do_get(st, 1, keys[i], NULL);

        if (rc != 0)
            T_EQ(rc, -R_NO_KEY);
        T_OK(do_delete(st, 1, keys[i]));
    }
    T_EQ(stage_audit(st, NULL, NULL, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        collect_all(st, 1);
    T_EQ(stage_audit(st, &intents, &garbage, NULL), 0);
    T_EQ(intents + garbage, 0);
    T_EQ(data_objects(st), 0);
}

const uint64_t three_parts[3] = {1100000 + 5000, 2200000 + 1000, 3300000 + 7};
