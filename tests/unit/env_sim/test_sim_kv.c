/* test_sim_kv.c - key-value stores: order, snapshots, what power cuts keep. */
#include "tests/unit/env_sim/world.h"

enum { TRIALS = 300, BATCHES = 4, MODEL_KEYS = 16, MODEL_STEPS = 4000 };

static struct world w;

static struct kv *store(struct env *env)
{
    struct kv_conf conf = {.create = true};
    struct note why = {{0}};
    struct kv *kv = NULL;
    int rc = kv_open(env, "kv", &conf, &kv, &why);

    if (rc < 0)
        T_FAIL("kv_open: %s", why.text);
    return kv;
}

/* "a=1 b= -c": puts and deletes of one batch. */
static int batch(struct kv *kv, const char *text)
{
    struct kv_batch *b = kv_batch_create();
    int rc;

    while (*text) {
        size_t len = strcspn(text, " ");
        const char *eq = memchr(text, '=', len);
        struct bytes key = {(const uint8_t *)text, (uint32_t)(eq ? (size_t)(eq - text) : len)};

        if (eq) {
            T_OK(kv_batch_put(
                b, key, (struct bytes){(const uint8_t *)eq + 1, (uint32_t)(len - key.len - 1)}));
        } else {
            T_EQ(text[0], '-');
            T_OK(kv_batch_delete(b, (struct bytes){key.data + 1, key.len - 1}));
        }
        text += len + (text[len] == ' ');
    }
    rc = kv_write(kv, b);
    kv_batch_destroy(b);
    return rc;
}

static char shown[256];

static void show(const char *what, uint32_t len)
{
    size_t at = strlen(shown);

    T_LT(at + len + 1, sizeof(shown));
    memcpy(shown + at, what, len);
    shown[at + len] = '\0';
}

static const char *iter_show(struct kv_iter *it)
{
    struct bytes key, value;
    int rc;

    shown[0] = '\0';
    while ((rc = kv_iter_next(it, &key, &value)) == 1) {
        show((const char *)key.data, key.len);
        show("=", 1);
        show((const char *)value.data, value.len);
        show(" ", 1);
    }
    T_EQ(rc, 0);
    T_EQ(kv_iter_next(it, &key, &value), 0); /* and stays there */
    return shown;
}

static int scan_row(void *arg, struct bytes key, struct bytes value)
{
    const char **rest = arg;

    T_MEM_EQ(*rest, key.data, key.len);
    T_MEM_EQ(*rest + key.len + 1, value.data, value.len);
    *rest += key.len + value.len + 2;
    return 0;
}

static int stop_row(void *arg, struct bytes key, struct bytes value)
{
    UNUSED(key);
    UNUSED(value);
    ++*(int *)arg;
    return 5;
}

/* Iterator and scan are two ways to the same rows. */
static const char *list(struct kv *kv, const char *from, const char *to)
{
    struct kv_iter *it = NULL;
    const char *rest = shown;
    int rows = 0;

    T_OK(kv_iter_create(kv, BYTES_STR(from), BYTES_STR(to), &it));
    iter_show(it);
    kv_iter_destroy(it);
    T_OK(kv_scan(kv, BYTES_STR(from), BYTES_STR(to), scan_row, &rest));
    T_STR_EQ(rest, "");
    T_EQ(kv_scan(kv, BYTES_STR(from), BYTES_STR(to), stop_row, &rows), *shown ? 5 : 0);
    T_EQ(rows, *shown ? 1 : 0);
    return shown;
}

T(sim_kv, writes_are_visible_and_lists_are_ordered)
{
    struct buf value = {0};
    struct kv *kv;

    world_init(&w, 1);
    kv = store(w.env[0]);
    T_OK(batch(kv, "b=2 a=1 ab=3 c= a=9"));
    T_STR_EQ(list(kv, "", ""), "a=9 ab=3 b=2 c= ");
    T_OK(batch(kv, "-b -zz d=4"));
    T_STR_EQ(list(kv, "ab", "d"), "ab=3 c= ");
    T_OK(kv_get(kv, BYTES_STR("ab"), &value));
    T_EQ(value.bytes, 1);
    T_EQ(*buf_contiguous(&value, 0, 1), '3');
    buf_fini(&value);
    T_OK(kv_get(kv, BYTES_STR("c"), &value));
    T_EQ(value.bytes, 0);
    T_EQ(kv_get(kv, BYTES_STR("b"), &value), -ENOENT);
    kv_close(kv);
    world_end_clean(&w);
}

T(sim_kv, an_iterator_shows_the_moment_of_its_creation)
{
    struct kv_iter *before, *between;
    struct kv *kv;

    world_init(&w, 2);
    kv = store(w.env[0]);
    T_OK(batch(kv, "a=1 b=2 c=3"));
    T_OK(kv_checkpoint(kv));
    T_OK(kv_iter_create(kv, BYTES_STR(""), BYTES_STR(""), &before));
    T_OK(batch(kv, "-a b=5 bb=6"));
    T_OK(kv_iter_create(kv, BYTES_STR(""), BYTES_STR(""), &between));
    T_OK(batch(kv, "a=7 -b -bb -c"));
    T_OK(kv_checkpoint(kv));
    T_STR_EQ(iter_show(before), "a=1 b=2 c=3 ");
    kv_iter_destroy(before);
    T_STR_EQ(iter_show(between), "b=5 bb=6 c=3 ");
    kv_iter_destroy(between);
    T_STR_EQ(list(kv, "", ""), "a=7 ");
    kv_close(kv);
    world_end_clean(&w);
}

T(sim_kv, a_kill_keeps_every_completed_write)
{
    world_init(&w, 3);
    T_OK(batch(store(w.env[0]), "a=1 b=2"));
    T_OK(batch(store(world_kill_and_start(&w, 0)), "-b c=3"));
    T_STR_EQ(list(store(world_kill_and_start(&w, 0)), "", ""), "a=1 c=3 ");
    world_fini(&w);
}

/* Each batch writes one key of its own and the key all share. */
T(sim_kv, a_power_cut_keeps_any_subset_of_whole_batches_in_order)
{
    unsigned seen[1 << BATCHES] = {0}, missing = 0;

    for (unsigned i = 0; i < TRIALS; i++) {
        unsigned kept = 0, last = 0;
        struct kv *kv;

        world_init(&w, 100 + i);
        kv = store(w.env[0]);
        T_OK(batch(kv, "k0=x k1=x k2=x k3=x l=0"));
        T_OK(kv_checkpoint(kv));
        T_OK(batch(kv, "-k0 n0= l=1"));
        T_OK(batch(kv, "-k1 n1= l=2"));
        T_OK(batch(kv, "-k2 n2= l=3"));
        T_OK(batch(kv, "-k3 n3= l=4"));
        kv = store(world_power_cycle(&w, 0));
        for (unsigned b = 0; b < BATCHES; b++) {
            char gone[] = {'k', (char)('0' + b), '\0'}, made[] = {'n', (char)('0' + b), '\0'};
            struct buf value = {0};
            bool there = kv_get(kv, BYTES_STR(made), &value) == 0;

            T_EQ(kv_get(kv, BYTES_STR(gone), &value), there ? -ENOENT : 0);
            buf_fini(&value);
            kept |= (unsigned)there << b;
            last = there ? b + 1 : last;
        }
        T_EQ(list(kv, "l", "m")[2], (char)('0' + last));
        seen[kept]++;
        world_fini(&w);
    }
    for (unsigned i = 0; i < ARRAY_LEN(seen); i++)
        missing += seen[i] == 0;
    T_EQ(missing, 0); /* each subset came up */
}

T(sim_kv, a_checkpoint_survives_the_power_cut)
{
    for (unsigned i = 0; i < 20; i++) {
        struct kv *kv;

        world_init(&w, 500 + i);
        kv = store(w.env[0]);
        T_OK(batch(kv, "a=1 b=2"));
        T_OK(batch(kv, "-a c=3"));
        T_OK(kv_checkpoint(kv));
        kv = store(world_power_cycle(&w, 0));
        T_STR_EQ(list(kv, "", ""), "b=2 c=3 ");
        /* What a power cut left is durable, like any table found at start. */
        T_STR_EQ(list(store(world_power_cycle(&w, 0)), "", ""), "b=2 c=3 ");
        world_fini(&w);
    }
}

T(sim_kv, the_first_error_poisons)
{
    struct buf value = {0};
    struct kv_iter *it;
    struct kv *kv;

    world_init(&w, 4);
    kv = store(w.env[0]);
    T_OK(batch(kv, "a=1"));
    T_OK(kv_iter_create(kv, BYTES_STR(""), BYTES_STR(""), &it));
    sim_disk_fault(w.m[0], SIM_KV_EIO, 2);
    T_OK(kv_get(kv, BYTES_STR("a"), &value));
    buf_fini(&value);
    T_EQ(batch(kv, "b=2"), -EIO);
    T_EQ(batch(kv, "b=2"), -R_STORE_FAILED);
    T_EQ(kv_get(kv, BYTES_STR("a"), &value), -R_STORE_FAILED);
    T_EQ(kv_checkpoint(kv), -R_STORE_FAILED);
    T_EQ(kv_iter_next(it, NULL, NULL), -R_STORE_FAILED);
    kv_iter_destroy(it);
    kv_close(kv);
    kv = store(w.env[0]);
    T_STR_EQ(list(kv, "", ""), "a=1 ");
    sim_disk_fault(w.m[0], SIM_DISK_FULL, 10);
    T_EQ(batch(kv, "b=22222222222222"), -ENOSPC);
    T_EQ(batch(kv, "b="), -R_STORE_FAILED);
    kv_close(kv);
    kv = store(w.env[0]);
    kv_wait_for_room(kv, true);
    T_EQ(batch(kv, "b=22222222222222"), -ENOSPC);
    sim_disk_fault(w.m[0], SIM_DISK_FULL, UINT64_MAX);
    T_OK(batch(kv, "b=22222222222222"));
    T_STR_EQ(list(kv, "", ""), "a=1 b=22222222222222 ");
    kv_close(kv);
    world_end_clean(&w);
}

T(sim_kv, a_flipped_bit_is_found_when_read)
{
    struct buf value = {0};
    struct kv *kv;

    world_init(&w, 5);
    kv = store(w.env[0]);
    T_OK(batch(kv, "a=1 b=2"));
    T_OK(sim_disk_flip(w.m[0], "kv", 1, 0));
    T_EQ(sim_disk_flip(w.m[0], "kv", 2, 0), -ERANGE);
    T_OK(kv_get(kv, BYTES_STR("a"), &value));
    buf_fini(&value);
    T_EQ(kv_get(kv, BYTES_STR("b"), &value), -R_CSUM_MISMATCH);
    T_EQ(kv_get(kv, BYTES_STR("a"), &value), -R_STORE_FAILED);
    kv_close(kv);
    world_end_clean(&w);
}

T(sim_kv, a_store_opens_once_and_only_where_it_may)
{
    struct kv_conf create = {.create = true}, conf = {0};
    struct note why = {{0}};
    struct kv *kv, *second;

    world_init(&w, 6);
    T_EQ(kv_open(w.env[0], "kv", &conf, &kv, &why), -ENOENT);
    T_EQ(kv_open(w.env[0], "no/kv", &create, &kv, &why), -ENOENT);
    kv = store(w.env[0]);
    T_EQ(kv_open(w.env[0], "kv", &conf, &second, &why), -EBUSY);
    kv_close(kv);
    T_OK(kv_open(w.env[0], "kv", &conf, &kv, &why));
    sim_disk_wipe(w.m[0]);
    T_EQ(batch(kv, "a=1"), -EIO);
    kv_close(kv);
    T_EQ(kv_open(w.env[0], "kv", &conf, &kv, &why), -ENOENT);
    world_end_clean(&w);
}

/* --- against a model: an array of values, of which snapshots are copies --- */

struct model {
    int value[MODEL_KEYS]; /* -1: none */
};

static void model_check(const struct model *m, struct kv_iter *it)
{
    struct bytes key, value;

    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        if (m->value[k] < 0)
            continue;
        T_EQ(kv_iter_next(it, &key, &value), 1);
        T_EQ(key.len, 1);
        T_EQ(key.data[0], k);
        T_EQ(value.len, sizeof(int));
        T_MEM_EQ(value.data, &m->value[k], sizeof(int));
    }
    T_EQ(kv_iter_next(it, &key, &value), 0);
    kv_iter_destroy(it);
}

static void model_write(struct model *m, struct kv *kv, struct rng *r, int number)
{
    struct kv_batch *b = kv_batch_create();

    for (uint64_t n = rng_between(r, 0, 4); n > 0; n--) {
        uint8_t k = (uint8_t)rng_below(r, MODEL_KEYS);
        struct bytes key = {&k, 1}, value = {(uint8_t *)&number, sizeof(number)};

        m->value[k] = rng_chance(r, 1, 3) ? -1 : number;
        T_OK(m->value[k] < 0 ? kv_batch_delete(b, key) : kv_batch_put(b, key, value));
    }
    T_OK(kv_write(kv, b));
    kv_batch_destroy(b);
}

static struct kv_iter *model_iter(struct kv *kv)
{
    struct kv_iter *it = NULL;

    T_OK(kv_iter_create(kv, (struct bytes){NULL, 0}, (struct bytes){NULL, 0}, &it));
    return it;
}

T(sim_kv, random_writes_snapshots_checkpoints_and_images_match_a_model)
{
    struct model now, image_model = {{0}}, held_model[3];
    struct kv_iter *held[3] = {NULL};
    struct sim_image *image = NULL;
    struct rng *r;
    struct kv *kv;

    world_init(&w, 7);
    r = sim_rng(w.s);
    kv = store(w.env[0]);
    memset(&now, -1, sizeof(now));
    for (int i = 0; i < MODEL_STEPS; i++) {
        unsigned h = (unsigned)rng_below(r, ARRAY_LEN(held));

        model_write(&now, kv, r, i);
        if (held[h]) {
            model_check(&held_model[h], TAKE(held[h]));
        } else if (rng_chance(r, 1, 3)) {
            held[h] = model_iter(kv);
            held_model[h] = now;
        }
        if (rng_chance(r, 1, 10))
            T_OK(kv_checkpoint(kv));
        if (rng_chance(r, 1, 50)) {
            sim_image_destroy(image);
            image = sim_machine_save(w.m[0]);
            image_model = now;
        }
        if (image && rng_chance(r, 1, 50)) {
            memset(held, 0, sizeof(held));
            sim_process_kill(w.env[0]);
            sim_machine_restore(w.m[0], image);
            w.env[0] = sim_process_start(w.m[0], "p");
            kv = store(w.env[0]);
            now = image_model;
        }
        model_check(&now, model_iter(kv));
    }
    sim_image_destroy(image);
    world_fini(&w);
}
