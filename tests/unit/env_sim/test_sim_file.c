/* test_sim_file.c - files, folders, locks, space. */
#include "tests/unit/env_sim/world.h"

enum { TRIALS = 60 };

static struct world w;
static char names[256];

static void name_add(void *arg, const char *name)
{
    T_TRUE(arg == &w);
    T_LT(strlen(names) + strlen(name) + 2, sizeof(names));
    strcat(names, name);
    strcat(names, " ");
}

static const char *list(const char *path)
{
    names[0] = '\0';
    T_OK(dir_list(w.env[0], path, name_add, &w));
    return names;
}

static const char *text(const char *path)
{
    static char out[64];
    struct buf data = {0};

    T_OK(file_read(w.env[0], path, sizeof(out) - 1, &data));
    memset(out, 0, sizeof(out));
    buf_copy_out(&data, 0, out, data.bytes);
    buf_fini(&data);
    return out;
}

T(sim_file, a_file_reads_back_whole_or_not_at_all)
{
    struct buf data = {0};

    world_init(&w, 1);
    T_EQ(file_read(w.env[0], "a", 10, &data), -ENOENT);
    T_OK(file_replace(w.env[0], "a", "hello", 5, 0600));
    T_STR_EQ(text("a"), "hello");
    T_STR_EQ(text("./a"), "hello");
    T_EQ(file_read(w.env[0], "a", 4, &data), -EFBIG);
    T_EQ(data.bytes, 0);
    T_OK(file_replace(w.env[0], "a", "", 0, 0600));
    T_STR_EQ(text("a"), "");
    T_EQ(file_read(w.env[1], "a", 10, &data), -ENOENT); /* another machine */
    T_OK(file_remove(w.env[0], "a"));
    T_EQ(file_remove(w.env[0], "a"), -ENOENT);
    world_end_clean(&w);
}

T(sim_file, folders_are_made_with_parents_and_listed_sorted)
{
    world_init(&w, 2);
    T_EQ(file_replace(w.env[0], "x/y/f", "1", 1, 0600), -ENOENT);
    T_OK(dir_create(w.env[0], "x//y/", 0700));
    T_OK(dir_create(w.env[0], "x/y", 0700));
    T_OK(file_replace(w.env[0], "x/y/f", "1", 1, 0600));
    T_OK(file_replace(w.env[0], "x/z", "1", 1, 0600));
    T_OK(file_replace(w.env[0], "x/a", "1", 1, 0600));
    T_OK(file_replace(w.env[0], "x/y-", "1", 1, 0600));
    T_STR_EQ(list("x"), "a y y- z ");
    T_STR_EQ(list("x/y"), "f ");
    T_STR_EQ(list(""), "x ");
    T_EQ(dir_list(w.env[0], "q", name_add, &w), -ENOENT);
    T_EQ(dir_list(w.env[0], "x/a", name_add, &w), -ENOTDIR);
    T_EQ(dir_create(w.env[0], "x/a/b", 0700), -ENOTDIR);
    T_EQ(dir_create(w.env[0], "x/a", 0700), -ENOTDIR);
    T_EQ(file_remove(w.env[0], "x/y"), -EISDIR);
    T_EQ(file_replace(w.env[0], "x/y", "1", 1, 0600), -EISDIR);
    world_end_clean(&w);
}

T(sim_file, what_returned_survives_kills_and_power_cuts)
{
    world_init(&w, 3);
    T_OK(dir_create(w.env[0], "d", 0700));
    T_OK(file_replace(w.env[0], "d/a", "one", 3, 0600));
    T_OK(file_replace(w.env[0], "d/b", "two", 3, 0600));
    T_OK(file_remove(w.env[0], "d/b"));
    world_kill_and_start(&w, 0);
    T_STR_EQ(list("d"), "a ");
    world_power_cycle(&w, 0);
    T_STR_EQ(list("d"), "a ");
    T_STR_EQ(text("d/a"), "one");
    world_fini(&w);
}

static void replace(void *arg)
{
    T_EQ(file_replace(arg, "a", "new", 3, 0600), -EIO);
    T_EQ(file_replace(arg, "b", "new", 3, 0600), -EIO); /* there is no power */
}

T(sim_file, a_replacement_that_the_power_cuts_short_is_old_or_new)
{
    unsigned older = 0, newer = 0;

    for (unsigned i = 0; i < TRIALS; i++) {
        world_init(&w, 100 + i);
        T_OK(file_replace(w.env[0], "a", "old", 3, 0600));
        sim_machine_cut_at_io(w.m[0], sim_machine_ios(w.m[0]) + 1);
        sim_enter(w.env[0], replace, w.env[0]);
        T_FALSE(sim_process_alive(w.env[0]));
        w.env[0] = sim_process_start(w.m[0], "p");
        T_STR_EQ(list(""), "a ");
        older += strcmp(text("a"), "old") == 0;
        newer += strcmp(text("a"), "new") == 0;
        world_fini(&w);
    }
    T_EQ(older + newer, TRIALS);
    T_GT(older, TRIALS / 5);
    T_GT(newer, TRIALS / 5);
}

T(sim_file, a_lock_is_held_by_one_until_it_dies)
{
    struct file_lock *a, *b;
    struct env *other;

    world_init(&w, 4);
    other = sim_process_start(w.m[0], "q");
    T_OK(file_lock(w.env[0], "lock", &a));
    T_EQ(file_lock(other, "lock", &b), -EBUSY);
    T_OK(file_lock(w.env[1], "lock", &b)); /* another machine */
    file_unlock(b);
    file_unlock(a);
    T_OK(file_lock(other, "lock", &b));
    T_EQ(file_lock(w.env[0], "lock", &a), -EBUSY);
    T_EQ(sim_process_end(other), 1); /* a lock left is a leak */
    T_OK(file_lock(w.env[0], "lock", &a));
    file_unlock(a);
    file_unlock(NULL);
    world_end_clean(&w);
}

T(sim_file, a_full_file_system_refuses_and_keeps_the_old_file)
{
    struct fs_space space;

    world_init(&w, 5);
    T_OK(file_replace(w.env[0], "a", "old", 3, 0600));
    sim_disk_fault(w.m[0], SIM_DISK_FULL, 100);
    T_OK(fs_space(w.env[0], "a", &space));
    T_EQ(space.free_bytes, 100);
    T_EQ(file_replace(w.env[0], "a", "new", 3, 0600), -ENOSPC); /* both lie there until renamed */
    T_STR_EQ(text("a"), "old");
    T_OK(file_remove(w.env[0], "a"));
    T_OK(file_replace(w.env[0], "a", "new", 3, 0600));
    T_OK(sim_disk_flip(w.m[0], "a", 0, 0));
    T_STR_EQ(text("a"), "oew");
    world_end_clean(&w);
}

T(sim_file, what_is_appended_stands_behind_what_was_there)
{
    world_init(&w, 6);
    T_OK(file_append(w.env[0], "log", "one\n", 4, 0600));
    T_OK(file_append(w.env[0], "log", "two\n", 4, 0600));
    T_STR_EQ(text("log"), "one\ntwo\n");
    T_EQ(file_append(w.env[0], "none/log", "x", 1, 0600), -ENOENT);
    world_end_clean(&w);
}
