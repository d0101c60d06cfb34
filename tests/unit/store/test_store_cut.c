/* test_store_cut.c - the power goes while the real store works, at any of its system calls.
 *
 * A run of random transactions on real files and the real LevelDB is recorded call by call
 * (tape.h): once through io_uring, once through worker threads, once with so little room that
 * every block is used again and again.  In between the store is closed and opened, with and without
 * a checkpoint.  From the record, folders are rebuilt as a power cut at some moment could have left
 * them (image.h).  Each must pass fsck with its journal unreplayed, open, hold every transaction
 * acknowledged before that moment and of the others a prefix in each coll, all of it intact, and
 * pass fsck again.  Some are cut once more while they replay.
 *
 * That the checker sees is shown by the last test: with syncs taken out of the record, states are
 * lost.  That the record sees is checked in each run: what it says the folder holds is what the
 * folder holds. */
#include <stdio.h>
#include <unistd.h>

#include "core/env/env_real.h"
#include "tests/unit/env_real/rig.h"
#include "tests/unit/store/image.h"
#include "tests/unit/store/stage.h"

enum { TXNS = 260, LIVES = 4, CUTS_MAX = 4000 };
enum said { NOTE_MADE = 1000, NOTE_SUBMITTED = 2000, NOTE_ACKED = 3000 }; /* + the coll */

struct run {
    struct host *h;
    struct tape tape;
    struct stage stage; /* its history says what each transaction was */
    char root[128], folder[160];
};

/* --- recording --- */

static void noted(struct stage *st, unsigned coll, uint32_t n, bool acked)
{
    UNUSED(st);
    tape_note((acked ? NOTE_ACKED : NOTE_SUBMITTED) + coll, n);
}

/* Transactions, several under way at once. */
static void work(struct stage *st, unsigned txns)
{
    for (unsigned i = 0; i < txns; i++) {
        unsigned coll = (unsigned)rng_below(&st->rng, STAGE_COLLS);
        int rc = stage_submit(st, coll);

        if (rc == -R_STORE_FULL) { /* what was let go comes back with a checkpoint */
            stage_drain(st);
            stage_pass(st, 5 * NS_PER_MS);
            continue;
        }
        T_OK(rc);
        if (rng_chance(&st->rng, 1, 6))
            stage_drain(st);
        if (rng_chance(&st->rng, 1, 20))
            stage_pass(st, 2 * NS_PER_MS); /* what is done lazily comes in between */
    }
    stage_drain(st);
    T_FALSE(st->failed);
}

static void run_make(struct run *run, uint64_t seed, bool uring, uint64_t data_bytes)
{
    struct host_conf conf = {.reactors = 1, .workers = 3, .no_uring = !uring};
    struct note why = {0};
    struct stage *st = &run->stage;
    struct image whole;
    const char *differs;

    folder_make(run->root, sizeof(run->root));
    snprintf(run->folder, sizeof(run->folder), "%s/osd", run->root);
    T_OK(host_create(&conf, &run->h, &why));
    stage_init_real(st, seed, run->h, run->folder);
    st->conf.data_bytes = data_bytes;
    st->noted = noted;
    tape_begin(&run->tape, run->root);
    T_OK(stage_mkfs(st));
    tape_note(NOTE_MADE, 0);
    for (unsigned life = 0; life < LIVES; life++) {
        T_OK(stage_open(st));
        work(st, TXNS / LIVES);
        T_OK(stage_close(st, life % 2 == 0));
    }
    T_EQ(st->order_errors, 0);
    tape_end(&run->tape);
    image_init(&whole, &run->tape, IMAGE_HONEST);
    differs = image_differs(&whole);
    if (differs)
        T_FAIL("seed %llu: the record has missed a change of %s", (unsigned long long)seed,
               differs);
    image_fini(&whole);
    folder_drop(run->root);
}

static void run_drop(struct run *run)
{
    tape_free(&run->tape);
    stage_fini(&run->stage);
    host_destroy(run->h);
}

/* --- checking --- */

struct judge {
    struct run *run;
    struct stage st;
    struct rng rng;
    uint64_t states, in_mkfs, in_replay;
    char root[128], folder[160]; /* of the image looked at */
};

static void judge_init(struct judge *j, struct run *run, uint64_t seed)
{
    memset(j, 0, sizeof(*j));
    j->run = run;
    rng_seed(&j->rng, seed);
    stage_init_real(&j->st, seed, run->h, j->folder);
    memcpy(j->st.history, run->stage.history, sizeof(j->st.history));
}

static void judge_fini(struct judge *j)
{
    stage_fini(&j->st);
}

/* What had been promised by then.  Whether the store had been made. */
static bool promised(struct judge *j, uint64_t cut)
{
    struct stage *st = &j->st;
    bool made = false;

    memset(st->submitted, 0, sizeof(st->submitted));
    memset(st->acked, 0, sizeof(st->acked));
    for (unsigned c = 0; c < STAGE_COLLS; c++)
        model_clear(&st->model, c);
    for (size_t i = 0; i < j->run->tape.op_count; i++) {
        const struct rec_op *op = &j->run->tape.ops[i];

        if (op->kind != REC_NOTE || op->ended >= cut)
            continue;
        made |= op->off == NOTE_MADE;
        for (unsigned c = 0; c < STAGE_COLLS; c++) {
            if (op->off == NOTE_SUBMITTED + c)
                st->submitted[c] = (uint32_t)op->bytes;
            if (op->off == NOTE_ACKED + c)
                st->acked[c] = (uint32_t)op->bytes;
        }
    }
    return made;
}

static const char *said(struct judge *j, const char *what, int rc)
{
    static char text[400];

    snprintf(text, sizeof(text), "%s: %s (%.250s)", what, reason_name(rc), j->st.why);
    return text;
}

static const char *fsck_wrong(struct judge *j, const char *when)
{
    int rc = stage_fsck(&j->st);

    return rc < 0 || j->st.problems ? said(j, when, rc) : NULL;
}

/* NULL, or what is wrong with the store in j->folder. */
static const char *store_wrong(struct judge *j, uint64_t cut)
{
    struct stage *st = &j->st;
    const char *wrong = NULL;
    int rc;

    st->why[0] = '\0';
    if (promised(j, cut)) {
        wrong = fsck_wrong(j, "fsck before replay");
    } else {
        rc = stage_mkfs(st);
        wrong = rc == 0 || rc == -EEXIST ? NULL : said(j, "mkfs", rc);
        j->in_mkfs++;
    }
    rc = wrong ? 0 : stage_open(st);
    if (wrong || rc < 0)
        return wrong ? wrong : said(j, "open", rc);
    st->why[0] = '\0';
    rc = stage_recovered(st);
    if (rc == 0)
        rc = stage_check_all(st);
    if (rc < 0)
        wrong = said(j, "contents", rc);
    rc = stage_close(st, rng_chance(&j->rng, 3, 4));
    if (!wrong && rc < 0)
        wrong = said(j, "close", rc);
    return wrong || rng_chance(&j->rng, 3, 4) ? wrong : fsck_wrong(j, "fsck at the end");
}

static void judge_folder(struct judge *j)
{
    folder_make(j->root, sizeof(j->root));
    snprintf(j->folder, sizeof(j->folder), "%s/osd", j->root);
}

/* The power goes again at some moment of the replay. */
static const char *replay_wrong(struct judge *j, uint64_t cut, char first[128])
{
    struct tape again;
    struct image im;
    const char *wrong = NULL;
    int rc;

    tape_begin(&again, first);
    rc = stage_open(&j->st);
    if (rc == 0)
        rc = stage_close(&j->st, true);
    tape_end(&again);
    if (rc < 0)
        wrong = said(j, "open", rc);
    image_init(&im, &again, IMAGE_HONEST);
    judge_folder(j);
    image_leave(&im, again.op_count ? rng_below(&j->rng, again.at + 1) : 0, j->root, &j->rng);
    image_fini(&im);
    tape_free(&again);
    if (!wrong)
        wrong = store_wrong(j, cut);
    folder_drop(j->root);
    j->in_replay++;
    j->states++;
    return wrong;
}

static const char *cut_wrong(struct judge *j, struct image *im, uint64_t cut)
{
    bool again = rng_chance(&j->rng, 1, 5) && promised(j, cut);
    const char *wrong = NULL;
    char first[128];

    judge_folder(j);
    image_leave(im, cut, j->root, &j->rng);
    memcpy(first, j->root, sizeof(first));
    j->states++;
    if (again && im->lies == IMAGE_HONEST)
        wrong = replay_wrong(j, cut, first);
    else
        wrong = store_wrong(j, cut);
    folder_drop(first);
    return wrong;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Half of the moments right after something was acknowledged: there most is promised. */
static void cuts_choose(struct judge *j, uint64_t *cuts, unsigned count)
{
    const struct tape *r = &j->run->tape;

    for (unsigned i = 0; i < count; i++) {
        size_t at = rng_below(&j->rng, r->op_count);

        cuts[i] = rng_below(&j->rng, r->at) + 1;
        while (i % 2 && at < r->op_count && r->ops[at].kind != REC_NOTE)
            at++;
        if (i % 2 && at < r->op_count)
            cuts[i] = r->ops[at].ended + 1;
    }
    qsort(cuts, count, sizeof(*cuts), by_value);
}

/* How many of the states are wrong. */
static unsigned states_wrong(struct judge *j, enum image_lies lies, unsigned count)
{
    static uint64_t cuts[CUTS_MAX];
    const char *tmp = getenv("TMPDIR");
    struct image im;
    unsigned wrong = 0;

    T_LE(count, CUTS_MAX);
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* hundreds of folders */
    cuts_choose(j, cuts, count);
    image_init(&im, &j->run->tape, lies);
    for (unsigned i = 0; i < count; i++) {
        const char *what = cut_wrong(j, &im, cuts[i]);

        if (what && lies == IMAGE_HONEST)
            fprintf(stderr, "seed %llu, cut %u at %llu of %llu: %s\n",
                    (unsigned long long)j->run->stage.seed, i, (unsigned long long)cuts[i],
                    (unsigned long long)j->run->tape.at, what);
        wrong += what != NULL;
    }
    image_fini(&im);
    if (tmp)
        setenv("TMPDIR", tmp, 1);
    else
        unsetenv("TMPDIR");
    return wrong;
}

static void cut_many(uint64_t seed, bool uring, uint64_t data_bytes)
{
    static struct run run;
    static struct judge j;
    unsigned count = getenv("CAIRN_TEST_ALL") ? 600 : 150;

    memset(&run, 0, sizeof(run));
    run_make(&run, seed, uring, data_bytes);
    judge_init(&j, &run, seed);
    T_EQ(states_wrong(&j, IMAGE_HONEST, count), 0);
    printf("%zu calls, %llu states, of them %llu in mkfs, %llu in replay\n", run.tape.op_count,
           (unsigned long long)j.states, (unsigned long long)j.in_mkfs,
           (unsigned long long)j.in_replay);
    T_GE(j.states, count);
    T_GE(j.in_replay, count / 10);
    judge_fini(&j);
    run_drop(&run);
}

T(store_cut, a_power_cut_at_any_call_loses_nothing_acknowledged)
{
    cut_many(1, true, MIB(16));
}

T(store_cut, a_power_cut_loses_nothing_without_io_uring)
{
    cut_many(2, false, MIB(16));
}

T(store_cut, a_power_cut_loses_nothing_where_every_block_is_used_again)
{
    cut_many(3, true, MIB(3));
    cut_many(4, false, MIB(3));
}

T(store_cut, the_checker_sees_what_missing_syncs_lose)
{
    static struct run run;
    static struct judge j;

    memset(&run, 0, sizeof(run));
    run_make(&run, 5, true, MIB(3));
    judge_init(&j, &run, 5);
    T_GE(states_wrong(&j, IMAGE_NO_FILE_SYNCS, 30), 5);
    T_GE(states_wrong(&j, IMAGE_NO_FOLDER_SYNCS, 30), 5);
    T_GE(states_wrong(&j, IMAGE_NO_STABLE, 30), 5);
    judge_fini(&j);
    run_drop(&run);
}
