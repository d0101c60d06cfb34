/* test_kv.c - key-value stores on LevelDB: what the contract says, damage, and injected faults. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/env/kv.h"
#include "core/env/real_kv.h"
#include "tests/unit/env_real/rig.h"

struct shop {
    struct env *env;
    char folder[128];
    struct kv *kv;
};

static const struct kv_conf make = {.create = true, .write_buffer_bytes = 64 << 10};

static void shop_open(struct shop *s)
{
    struct note why = {""};

    s->env = env_blocking_create(NULL);
    T_TRUE(s->env != NULL);
    folder_make(s->folder, sizeof(s->folder));
    T_OK(kv_open(s->env, s->folder, &make, &s->kv, &why));
}

static void shop_close(struct shop *s)
{
    kv_close(s->kv);
    folder_drop(s->folder);
    env_blocking_destroy(s->env);
}

static void shop_reopen(struct shop *s)
{
    struct note why = {""};

    kv_close(s->kv);
    s->kv = NULL;
    T_OK(kv_open(s->env, s->folder, &(struct kv_conf){0}, &s->kv, &why));
}

static int put(struct kv *kv, const char *key, const void *value, size_t bytes)
{
    struct kv_batch *b = kv_batch_create();
    int rc = b ? kv_batch_put(b, BYTES_STR(key), (struct bytes){value, (uint32_t)bytes}) : -ENOMEM;

    if (rc == 0)
        rc = kv_write(kv, b);
    kv_batch_destroy(b);
    return rc;
}

static int put_str(struct kv *kv, const char *key, const char *value)
{
    return put(kv, key, value, strlen(value));
}

/* The value as a string, or the name of the code. */
static const char *get_str(struct kv *kv, const char *key)
{
    static char text[256];
    struct buf value = {0};
    int rc = kv_get(kv, BYTES_STR(key), &value);

    if (rc < 0)
        return reason_name(rc);
    T_LT(value.bytes, sizeof(text));
    T_LE(value.span_count, 1);
    buf_copy_out(&value, 0, text, value.bytes);
    text[value.bytes] = '\0';
    buf_fini(&value);
    return text;
}

/* "k=v k=v" of a range, or the name of the code. */
static const char *range_str(struct kv_iter *it)
{
    static char text[512];
    struct bytes key, value;
    size_t len = 0;
    int rc;

    text[0] = '\0';
    while ((rc = kv_iter_next(it, &key, &value)) == 1)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s=%.*s", len ? " " : "",
                                (int)key.len, key.data, (int)value.len, value.data);
    kv_iter_destroy(it);
    return rc < 0 ? reason_name(rc) : text;
}

static int scanned_row(void *arg, struct bytes key, struct bytes value)
{
    char *text = arg;

    sprintf(text + strlen(text), "%s%.*s=%.*s", text[0] ? " " : "", (int)key.len, key.data,
            (int)value.len, value.data);
    return 0;
}

/* Iterator and scan are two ways to the same rows. */
static const char *range(struct kv *kv, const char *from, const char *to)
{
    char scanned[512] = "";
    struct kv_iter *it;
    const char *text;

    T_OK(kv_iter_create(kv, BYTES_STR(from), BYTES_STR(to), &it));
    text = range_str(it);
    T_OK(kv_scan(kv, BYTES_STR(from), BYTES_STR(to), scanned_row, scanned));
    T_STR_EQ(scanned, text);
    return text;
}

T(kv, opens_what_is_there_once_and_makes_it_only_when_told)
{
    struct shop s;
    struct kv *second = NULL;
    struct note why = {""};
    char missing[160];

    shop_open(&s);
    T_EQ(kv_open(s.env, s.folder, &make, &second, &why), -EBUSY);
    T_TRUE(strstr(why.text, s.folder) != NULL);
    snprintf(missing, sizeof(missing), "%s/none", s.folder);
    T_EQ(kv_open(s.env, missing, &(struct kv_conf){0}, &second, &why), -ENOENT);
    T_EQ(access(missing, F_OK), -1);
    snprintf(missing, sizeof(missing), "%s/none/none", s.folder);
    T_LT(kv_open(s.env, missing, &make, &second, &why), 0);
    T_TRUE(second == NULL);
    shop_close(&s);
    kv_close(NULL);
}

T(kv, batches_apply_in_order_and_values_come_back)
{
    struct shop s;
    struct kv_batch *b = kv_batch_create();
    struct kv_stats stats;

    shop_open(&s);
    T_OK(put_str(s.kv, "gone", "x"));
    T_OK(kv_batch_put(b, BYTES_STR("a"), BYTES_STR("1")));
    T_OK(kv_batch_put(b, BYTES_STR("a"), BYTES_STR("2")));
    T_OK(kv_batch_put(b, BYTES_STR("b"), BYTES_STR("1")));
    T_OK(kv_batch_delete(b, BYTES_STR("b")));
    T_OK(kv_batch_delete(b, BYTES_STR("gone")));
    T_OK(kv_batch_delete(b, BYTES_STR("never")));
    T_OK(kv_batch_put(b, BYTES_STR("empty"), (struct bytes){NULL, 0}));
    T_GT(kv_batch_bytes(b), 0);
    T_OK(kv_write(s.kv, b));
    kv_batch_destroy(b);
    for (int i = 0; i < 2; i++) {
        T_STR_EQ(get_str(s.kv, "a"), "2");
        T_STR_EQ(get_str(s.kv, "b"), "ENOENT");
        T_STR_EQ(get_str(s.kv, "gone"), "ENOENT");
        T_STR_EQ(get_str(s.kv, "empty"), "");
        T_OK(kv_checkpoint(s.kv));
        shop_reopen(&s);
    }
    kv_stats(s.kv, &stats);
    T_GT(stats.bytes_on_disk, 0);
    shop_close(&s);
}

T(kv, iterators_keep_their_bounds_and_their_moment)
{
    struct shop s;
    struct kv_iter *it;

    shop_open(&s);
    T_OK(put_str(s.kv, "b", "2"));
    T_OK(put_str(s.kv, "a", "1"));
    T_OK(kv_checkpoint(s.kv)); /* some in a table, some in memory */
    T_OK(put_str(s.kv, "c", "3"));
    T_OK(put_str(s.kv, "bb", "22"));
    T_STR_EQ(range(s.kv, "", ""), "a=1 b=2 bb=22 c=3");
    T_STR_EQ(range(s.kv, "b", "c"), "b=2 bb=22");
    T_STR_EQ(range(s.kv, "aa", "bb"), "b=2");
    T_STR_EQ(range(s.kv, "d", ""), "");
    T_STR_EQ(range(s.kv, "c", "a"), "");
    T_OK(kv_iter_create(s.kv, BYTES_STR("a"), BYTES_STR(""), &it));
    T_OK(put_str(s.kv, "a", "9"));
    T_OK(put_str(s.kv, "aa", "9"));
    T_OK(kv_checkpoint(s.kv));
    T_STR_EQ(range_str(it), "a=1 b=2 bb=22 c=3");
    T_STR_EQ(range(s.kv, "a", "b"), "a=9 aa=9");
    shop_close(&s);
}

T(kv, a_batch_that_lost_a_record_for_want_of_memory_is_not_written)
{
    struct shop s;
    static char big[8192];
    struct kv_batch *b = kv_batch_create();

    shop_open(&s);
    T_OK(kv_batch_put(b, BYTES_STR("first"), BYTES_STR("1")));
    mem_fail_after(0);
    T_EQ(kv_batch_put(b, BYTES_STR("second"), (struct bytes){(uint8_t *)big, sizeof(big)}),
         -ENOMEM);
    mem_fail_after(-1);
    T_EQ(kv_write(s.kv, b), -ENOMEM);
    T_STR_EQ(get_str(s.kv, "first"), "ENOENT"); /* and the store is well */
    mem_fail_after(0);
    T_OK(put_str(s.kv, "x", "y") == -ENOMEM ? 0 : -1);
    mem_fail_after(-1);
    T_OK(put_str(s.kv, "x", "y"));
    mem_fail_after(0);
    T_STR_EQ(get_str(s.kv, "x"), "ENOMEM");
    mem_fail_after(-1);
    T_STR_EQ(get_str(s.kv, "x"), "y");
    kv_batch_destroy(b);
    shop_close(&s);
}

/* --- many keys --- */

enum { KEYS = 3000, VALUE_BYTES = 200 };

static void key_of(char *out, size_t bytes, unsigned i)
{
    snprintf(out, bytes, "key%06u", i * 7919 % KEYS);
}

static void value_of(uint8_t *out, unsigned i)
{
    for (unsigned j = 0; j < VALUE_BYTES; j++)
        out[j] = (uint8_t)(i * 31 + j * j * 17 + (i >> 8));
}

static void fill(struct kv *kv)
{
    uint8_t value[VALUE_BYTES];
    char key[32];

    for (unsigned i = 0; i < KEYS; i++) {
        key_of(key, sizeof(key), i);
        value_of(value, i);
        T_OK(put(kv, key, value, sizeof(value)));
    }
}

/* Read all keys.  Returns how many were wrong: other bytes, or silently not there. */
static unsigned wrong_keys(struct kv *kv, unsigned *out_failed)
{
    uint8_t value[VALUE_BYTES], have[VALUE_BYTES];
    unsigned wrong = 0, failed = 0;
    char key[32];

    for (unsigned i = 0; i < KEYS; i++) {
        struct buf got = {0};
        int rc;

        key_of(key, sizeof(key), i);
        value_of(value, i);
        rc = kv_get(kv, BYTES_STR(key), &got);
        if (rc == 0 && got.bytes == VALUE_BYTES)
            buf_copy_out(&got, 0, have, VALUE_BYTES);
        if (rc == -ENOENT ||
            (rc == 0 && (got.bytes != VALUE_BYTES || memcmp(have, value, VALUE_BYTES))))
            wrong++;
        else if (rc < 0)
            failed++;
        buf_fini(&got);
    }
    *out_failed = failed;
    return wrong;
}

/* Keys seen by an iterator over all, or the code. */
static int iterated_keys(struct kv *kv)
{
    struct bytes key, value;
    struct kv_iter *it;
    int rc = kv_iter_create(kv, BYTES_STR(""), BYTES_STR(""), &it), count = 0;

    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1)
        count++;
    kv_iter_destroy(it);
    return rc < 0 ? rc : count;
}

static int count_row(void *arg, struct bytes key, struct bytes value)
{
    UNUSED(key);
    UNUSED(value);
    ++*(int *)arg;
    return 0;
}

static int scanned_keys(struct kv *kv)
{
    int count = 0, rc = kv_scan(kv, (struct bytes){0}, (struct bytes){0}, count_row, &count);

    return rc < 0 ? rc : count;
}

static int third_row(void *arg, struct bytes key, struct bytes value)
{
    count_row(arg, key, value);
    return *(int *)arg == 3 ? 7 : 0;
}

T(kv, a_scan_ends_where_its_reader_has_enough)
{
    struct shop s;
    int count = 0;

    shop_open(&s);
    fill(s.kv);
    T_EQ(kv_scan(s.kv, (struct bytes){0}, (struct bytes){0}, third_row, &count), 7);
    T_EQ(count, 3);
    T_EQ(scanned_keys(s.kv), KEYS);
    shop_close(&s);
}

struct reading {
    struct kv *kv;
    atomic_bool stop;
    unsigned rounds, wrong;
};

static void *reading_run(void *arg)
{
    struct reading *r = arg;

    while (!r->stop || r->rounds == 0) {
        unsigned failed;

        r->wrong += wrong_keys(r->kv, &failed) + failed;
        r->wrong += iterated_keys(r->kv) != KEYS;
        r->wrong += scanned_keys(r->kv) != KEYS;
        r->rounds++;
    }
    return NULL;
}

T(kv, many_threads_read_while_one_writes)
{
    struct shop s;
    struct reading r[3];
    pthread_t threads[3];

    shop_open(&s);
    fill(s.kv);
    for (int i = 0; i < 3; i++) {
        r[i] = (struct reading){.kv = s.kv};
        T_EQ(pthread_create(&threads[i], NULL, reading_run, &r[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        fill(s.kv); /* the same again: compactions run */
        T_OK(kv_checkpoint(s.kv));
    }
    for (int i = 0; i < 3; i++)
        r[i].stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        T_EQ(r[i].wrong, 0);
    }
    shop_close(&s);
}

/* --- damage --- */

/* The path of the largest table. */
static void table_find(const char *folder, char *out, size_t bytes)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat st;
    off_t largest = 0;
    char path[512];

    out[0] = '\0';
    while ((entry = readdir(dir))) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".ldb") && stat(path, &st) == 0 && st.st_size > largest) {
            largest = st.st_size;
            snprintf(out, bytes, "%s", path);
        }
    }
    closedir(dir);
    T_STR_EQ(out[0] ? "found" : "no table", "found");
}

/* A store of one table with KEYS keys, closed. */
static void table_make(struct shop *s, char *path, size_t bytes)
{
    static const struct kv_conf big = {.create = true, .write_buffer_bytes = 8 << 20};
    struct note why = {""};

    s->env = env_blocking_create(NULL);
    folder_make(s->folder, sizeof(s->folder));
    T_OK(kv_open(s->env, s->folder, &big, &s->kv, &why));
    fill(s->kv);
    T_OK(kv_checkpoint(s->kv));
    kv_close(s->kv);
    s->kv = NULL;
    table_find(s->folder, path, bytes);
}

/* A new handle, for a failure poisons the old one.  All keys, or a failure. */
static bool all_or_failure(struct shop *s, int (*keys)(struct kv *))
{
    struct note why = {""};
    int count;

    if (kv_open(s->env, s->folder, &(struct kv_conf){0}, &s->kv, &why) < 0)
        return false;
    count = keys(s->kv);
    kv_close(s->kv);
    s->kv = NULL;
    if (count >= 0)
        T_EQ(count, KEYS);
    return count >= 0;
}

/* Open the damaged store: no key may be wrong or silently missing, and an iterator or a scan sees
 * all keys or fails.  Returns whether the damage was noticed. */
static bool damage_is_no_answer(struct shop *s)
{
    struct note why = {""};
    unsigned failed, wrong;
    bool iterated, scanned;

    if (kv_open(s->env, s->folder, &(struct kv_conf){0}, &s->kv, &why) < 0)
        return true;
    wrong = wrong_keys(s->kv, &failed);
    kv_close(s->kv);
    T_EQ(wrong, 0);
    iterated = all_or_failure(s, iterated_keys);
    scanned = all_or_failure(s, scanned_keys);
    T_EQ(iterated, scanned);
    return failed > 0 || !iterated;
}

T(kv, a_flipped_bit_anywhere_in_a_table_is_never_an_answer)
{
    struct shop s;
    char path[512];
    struct stat st;
    unsigned noticed = 0, flips = 0;
    int fd;

    table_make(&s, path, sizeof(path));
    fd = open(path, O_RDWR);
    T_OK(fstat(fd, &st));
    T_GT(st.st_size, KEYS * 20);
    /* All through the data, and densely through filter, index and footer at the end. */
    for (off_t at = 0; at < st.st_size; at += at < st.st_size - 6000 ? st.st_size / 60 : 131) {
        uint8_t byte;

        T_EQ(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        T_EQ(pwrite(fd, &byte, 1, at), 1);
        noticed += damage_is_no_answer(&s);
        flips++;
        byte ^= 0x10;
        T_EQ(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    T_GE(flips, 60);
    T_GE(noticed, flips - 2); /* the footer has a few bytes of padding */
    T_FALSE(damage_is_no_answer(&s));
    folder_drop(s.folder);
    env_blocking_destroy(s.env);
}

/* Every key that is there has the right value; returns how many are. */
static unsigned salvaged_keys(struct shop *s)
{
    struct note why = {""};
    unsigned failed, wrong, found;

    T_OK(kv_salvage(s->env, s->folder, &why));
    T_OK(kv_open(s->env, s->folder, &(struct kv_conf){0}, &s->kv, &why));
    wrong = wrong_keys(s->kv, &failed);
    found = (unsigned)iterated_keys(s->kv);
    T_EQ(failed, 0);
    T_EQ(wrong, KEYS - found); /* a missing one counts as wrong */
    kv_close(s->kv);
    s->kv = NULL;
    return found;
}

static void flip_at(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    T_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    T_EQ(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

T(kv, a_damaged_store_is_salvaged_to_what_can_be_read)
{
    struct shop s;
    char path[512];
    struct stat st;
    struct note why = {""};

    table_make(&s, path, sizeof(path));
    T_OK(stat(path, &st));
    T_EQ(salvaged_keys(&s), KEYS); /* nothing was wrong, nothing is lost */
    folder_drop(s.folder);
    env_blocking_destroy(s.env);
    for (off_t part = 1; part < 8; part++) {
        unsigned found;

        table_make(&s, path, sizeof(path));
        flip_at(path, st.st_size * part / 10);
        T_TRUE(damage_is_no_answer(&s));
        found = salvaged_keys(&s);
        T_GE(found, KEYS / 2); /* a block of it is lost */
        T_LT(found, KEYS);
        T_EQ(salvaged_keys(&s), found);
        folder_drop(s.folder);
        env_blocking_destroy(s.env);
    }
    table_make(&s, path, sizeof(path));
    snprintf(path, sizeof(path), "%s/CURRENT", s.folder);
    T_OK(unlink(path));
    T_LT(kv_open(s.env, s.folder, &(struct kv_conf){0}, &s.kv, &why), 0);
    T_EQ(salvaged_keys(&s), KEYS);
    folder_drop(s.folder);
    T_EQ(kv_salvage(s.env, s.folder, &why), -ENOENT);
    env_blocking_destroy(s.env);
}

T(kv, a_table_cut_short_or_gone_is_an_error)
{
    struct shop s;
    char path[512];
    struct stat st;

    table_make(&s, path, sizeof(path));
    T_OK(stat(path, &st));
    T_OK(truncate(path, st.st_size - 100));
    T_TRUE(damage_is_no_answer(&s));
    T_OK(truncate(path, 0));
    T_TRUE(damage_is_no_answer(&s));
    T_OK(unlink(path));
    T_TRUE(damage_is_no_answer(&s));
    folder_drop(s.folder);
    env_blocking_destroy(s.env);
}

T(kv, a_table_that_vanishes_under_an_open_store_is_an_error_and_poisons_it)
{
    struct shop s;
    char path[512];
    struct note why = {""};
    struct kv_batch *b = kv_batch_create();
    struct kv_iter *it = NULL;

    table_make(&s, path, sizeof(path));
    T_OK(kv_open(s.env, s.folder, &(struct kv_conf){0}, &s.kv, &why));
    T_OK(unlink(path)); /* before LevelDB has opened it */
    T_STR_EQ(get_str(s.kv, "key000001"), "CSUM_MISMATCH");
    T_STR_EQ(get_str(s.kv, "key000001"), "STORE_FAILED");
    T_EQ(kv_write(s.kv, b), -R_STORE_FAILED);
    T_EQ(kv_checkpoint(s.kv), -R_STORE_FAILED);
    T_EQ(kv_iter_create(s.kv, BYTES_STR(""), BYTES_STR(""), &it), -R_STORE_FAILED);
    kv_batch_destroy(b);
    shop_close(&s);
}

/* The path of the file whose name begins so; the last one found. */
static void file_find(const char *folder, const char *prefix, char *out, size_t bytes)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    out[0] = '\0';
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            snprintf(out, bytes, "%s/%s", folder, entry->d_name);
    closedir(dir);
}

T(kv, a_manifest_that_rotted_is_refused_and_one_with_a_torn_tail_is_read)
{
    struct shop s;
    char path[512];
    struct note why = {""};
    struct stat st;
    uint8_t byte;
    int fd;

    shop_open(&s);
    fill(s.kv); /* many tables: many records */
    T_OK(kv_checkpoint(s.kv));
    kv_close(s.kv);
    file_find(s.folder, "MANIFEST-", path, sizeof(path));
    fd = open(path, O_RDWR);
    T_OK(fstat(fd, &st));
    T_GT(st.st_size, 300);
    T_EQ(pread(fd, &byte, 1, st.st_size / 2), 1);
    byte ^= 1;
    T_EQ(pwrite(fd, &byte, 1, st.st_size / 2), 1);
    T_LT(kv_open(s.env, s.folder, &make, &s.kv, &why), 0);
    byte ^= 1;
    T_EQ(pwrite(fd, &byte, 1, st.st_size / 2), 1);
    T_EQ(pwrite(fd, "no record of any kind", 21, st.st_size), 21);
    close(fd);
    T_OK(kv_open(s.env, s.folder, &make, &s.kv, &why));
    T_EQ(iterated_keys(s.kv), KEYS);
    shop_close(&s);
}

/* --- injected faults --- */

struct fault {
    struct ldb_hooks hooks;
    atomic_int appends_left, others_left; /* until one fails; negative: never */
    atomic_bool hit;
    int err;
    bool waits; /* kv_wait_for_room */
};

static int fault_before(void *arg, enum ldb_call call, const char *path, const char *to,
                        const void *data, size_t bytes)
{
    struct fault *f = arg;
    bool hit = false;

    UNUSED(path);
    UNUSED(to);
    UNUSED(data);
    UNUSED(bytes);
    if (call == LDB_APPEND)
        hit = atomic_fetch_sub(&f->appends_left, 1) == 0;
    else if (call != LDB_READ && call != LDB_REMOVE) /* an obsolete file that stays harms nobody */
        hit = atomic_fetch_sub(&f->others_left, 1) == 0;
    if (hit)
        f->hit = true;
    return hit ? f->err : 0;
}

enum { ROUNDS = 6, ROUND_KEYS = 150 };

static int round_write(struct kv *kv, unsigned round)
{
    uint8_t value[VALUE_BYTES];
    char key[32];
    int rc = 0;

    for (unsigned i = 0; i < ROUND_KEYS && rc == 0; i++) {
        snprintf(key, sizeof(key), "round%u-%u", round, i);
        value_of(value, i);
        rc = put(kv, key, value, sizeof(value));
    }
    return rc == 0 ? kv_checkpoint(kv) : rc;
}

/* Write rounds until the fault shows; then nothing may succeed any more, and a reopened store holds
 * every round whose checkpoint succeeded. */
static bool faulty_run(struct env *env, struct fault *f)
{
    char folder[128];
    struct kv *kv = NULL;
    struct note why = {""};
    unsigned good = 0;
    int rc;

    folder_make(folder, sizeof(folder));
    f->hooks = (struct ldb_hooks){f, fault_before};
    rc = real_kv_open_hooked(env, folder, &make, &f->hooks, &kv, &why);
    if (rc == 0)
        kv_wait_for_room(kv, f->waits);
    while (rc == 0 && good < ROUNDS) {
        rc = round_write(kv, good);
        good += rc == 0;
    }
    if (rc < 0 && kv) {
        T_EQ(put_str(kv, "x", "y"), -R_STORE_FAILED);
        T_STR_EQ(get_str(kv, "round0-0"), "STORE_FAILED");
        T_EQ(kv_checkpoint(kv), -R_STORE_FAILED);
    }
    T_TRUE(rc == 0 || (rc == -f->err && !f->waits));
    T_TRUE(rc == 0 || f->hit);
    kv_close(kv);
    kv = NULL;
    rc = kv_open(env, folder, &make, &kv, &why);
    if (rc < 0)
        T_FAIL("after %u rounds the store does not open: %s", good, why.text);
    for (unsigned round = 0; round < good; round++)
        for (unsigned i = 0; i < ROUND_KEYS; i++) {
            char key[32];
            struct buf value = {0};

            snprintf(key, sizeof(key), "round%u-%u", round, i);
            T_OK(kv_get(kv, BYTES_STR(key), &value));
            T_EQ(value.bytes, VALUE_BYTES);
            buf_fini(&value);
        }
    kv_close(kv);
    folder_drop(folder);
    return f->hit;
}

T(kv, the_first_failed_write_or_sync_poisons_the_store_and_loses_no_checkpoint)
{
    struct env *env = env_blocking_create(NULL);
    unsigned shown = 0;

    for (int n = 0; n < 60; n++) { /* creates, syncs, renames, folder syncs */
        struct fault f = {.appends_left = -1, .others_left = n, .err = EIO};

        shown += faulty_run(env, &f);
    }
    T_GT(shown, 40);
    shown = 0;
    for (int n = 0; n < 1000; n += n < 12 ? 1 : 37) {
        struct fault f = {.appends_left = n, .others_left = -1, .err = ENOSPC};

        shown += faulty_run(env, &f);
    }
    T_GT(shown, 20);
    env_blocking_destroy(env);
}

T(kv, a_store_that_waits_for_room_goes_on_when_there_is_some)
{
    struct env *env = env_blocking_create(NULL);
    unsigned shown = 0;

    for (int n = 8; n < 1000; n += n < 20 ? 1 : 37) { /* the first ones are of the opening */
        struct fault f = {.appends_left = n, .others_left = -1, .err = ENOSPC, .waits = true};

        shown += faulty_run(env, &f);
    }
    T_GT(shown, 10);
    env_blocking_destroy(env);
}
