/* main.c - cairn-sim: simulated clusters, judged.
 *
 *   cairn-sim --seeds N [--seed FIRST]   run N seeds, regressions first
 *   cairn-sim --seed S [--verbose]       replay one
 *   cairn-sim --buckets ...              the same with gateways and buckets above
 *   cairn-sim --plants [--seeds N]       each planted bug must be caught within N seeds */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "tests/sim/plants.h"
#include "tests/sim/runner.h"

enum {
    SEEDS_DEFAULT = 100,
    PLANT_SEEDS_DEFAULT = 200,
    COVERAGE_SEEDS = 100,
    REGRESSIONS_MAX = 1000,
    HINTS_MAX = 4
};

struct options {
    struct runner_conf run;
    uint64_t seeds, first;
    bool seeds_given, first_given, verbose, plants, help;
    int report_fd;
    const char *regressions;
    const char *history;
    const char *hints; /* a file: seeds that caught a planted bug before */
};

/* --- one seed, here --------------------------------------------------------------------------- */

static void sink_write(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    UNUSED(sink);
    UNUSED(level);
    (void)fwrite(line, 1, bytes, stderr);
}

static int run_one(const struct options *o)
{
    struct log_sink sink = {.write = sink_write, .level_max = LOG_DEBUG};
    struct seed_result r;
    struct seed_conf conf = {.seed = o->first,
                             .check_each_step = o->run.check_each_step,
                             .buckets = o->run.buckets,
                             .sink = o->verbose ? &sink : NULL,
                             .f = stderr,
                             .history = o->history};

    seed_run(&conf, &r);
    if (o->report_fd >= 0) {
        runner_report(o->report_fd, &r);
        return 0;
    }
    coverage_print(stdout, &r.cov);
    printf("seed %llu: %s%s; trace %016llx, %llu events in %.1f virtual seconds, %.2f s of CPU\n",
           (unsigned long long)r.seed, r.ok ? "clean" : "FAILED: ", r.ok ? "" : r.why,
           (unsigned long long)r.hash, (unsigned long long)r.steps, (double)r.virtual_ns / 1e9,
           (double)r.cpu_ns / 1e9);
    return r.ok ? 0 : 1;
}

/* --- many ------------------------------------------------------------------------------------- */

/* Seeds that once found something: one a line, with a comment behind #. */
static uint64_t regressions(const char *path, uint64_t *out_seeds)
{
    uint64_t count = 0;
    char line[256];
    FILE *f = path ? fopen(path, "r") : NULL;

    if (path && !f)
        fprintf(stderr, "cairn-sim: %s cannot be read: no regressions\n", path);
    while (f && count < REGRESSIONS_MAX && fgets(line, sizeof(line), f)) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);

        if (end != line)
            out_seeds[count++] = seed;
    }
    if (f)
        (void)fclose(f);
    return count;
}

static int run_many(const struct options *o)
{
    uint64_t *seeds = mem_calloc(o->seeds + REGRESSIONS_MAX, sizeof(*seeds));
    uint64_t count;
    struct runner_sum sum;
    unsigned missing = 0;

    ASSERT(seeds);
    count = o->run.plant < 0 ? regressions(o->regressions, seeds) : 0;
    for (uint64_t i = 0; i < o->seeds; i++)
        seeds[count++] = o->first + i;
    runner_run(&o->run, seeds, count, &sum);
    mem_free(seeds);
    coverage_print(stdout, &sum.cov);
    if (sum.ran >= COVERAGE_SEEDS && sum.failed == 0)
        missing = coverage_missing(stdout, &sum.cov, o->run.buckets);
    printf("%llu seeds from %llu, %llu failed; %.0f virtual seconds; %.2f s of CPU each, %.2f at "
           "most; %llu run "
           "twice with equal traces\n",
           (unsigned long long)sum.ran, (unsigned long long)o->first,
           (unsigned long long)sum.failed, (double)sum.virtual_ns / 1e9,
           sum.ran ? (double)sum.cpu_ns / 1e9 / (double)sum.ran : 0, (double)sum.cpu_max_ns / 1e9,
           (unsigned long long)sum.repeated);
    if (sum.failed)
        printf("the first: %s%s --seed %llu --verbose   # %s\n", o->run.program,
               o->run.buckets ? " --buckets" : "", (unsigned long long)sum.first_failed, sum.why);
    return sum.failed || missing ? 1 : 0;
}

/* Without the bug the seed must be clean, else it shows nothing. */
static bool innocent(const struct runner_conf *with, uint64_t seed)
{
    struct runner_conf conf = *with;
    struct runner_sum sum;

    conf.plant = -1;
    conf.again_every = 0;
    conf.progress = false;
    plant_set(0);
    runner_run(&conf, &seed, 1, &sum);
    return sum.failed == 0;
}

/* Seeds that caught it before come first: lines "NAME SEED".  How many there are. */
static uint64_t hints(const char *path, const char *plant, uint64_t *out_seeds)
{
    char line[256], name[64];
    unsigned long long seed;
    uint64_t count = 0;
    FILE *f = path ? fopen(path, "r") : NULL;

    while (f && count < HINTS_MAX && fgets(line, sizeof(line), f))
        if (sscanf(line, "%63s %llu", name, &seed) == 2 && strcmp(name, plant) == 0)
            out_seeds[count++] = seed;
    if (f)
        (void)fclose(f);
    return count;
}

static bool run_plant(const struct options *o, int plant)
{
    uint64_t more = o->seeds_given ? o->seeds : PLANT_SEEDS_DEFAULT, count;
    uint64_t *seeds = mem_calloc(HINTS_MAX + more, sizeof(*seeds));
    struct runner_conf conf = o->run;
    struct runner_sum sum;

    ASSERT(seeds);
    count = hints(o->hints, plant_names[plant], seeds);
    for (uint64_t i = 0; i < more; i++)
        seeds[count++] = o->first + i;
    conf.plant = plant;
    conf.buckets = plant >= PLANT_BUCKETS;
    conf.failures_max = 1;
    conf.again_every = 0;
    plant_set(1u << plant);
    runner_run(&conf, seeds, count, &sum);
    mem_free(seeds);
    if (sum.failed == 0) {
        printf("%-14s NOT caught in %llu seeds\n", plant_names[plant], (unsigned long long)count);
        return false;
    }
    printf("%-14s caught by seed %llu (%llu run): %s\n", plant_names[plant],
           (unsigned long long)sum.first_failed, (unsigned long long)sum.ran, sum.why);
    (void)fflush(stdout);
    if (innocent(&conf, sum.first_failed))
        return true;
    printf("%-14s but that seed fails without it, too\n", plant_names[plant]);
    return false;
}

static int run_plants(const struct options *o)
{
    int missed = 0;

    for (int p = 0; p < PLANT_COUNT; p++)
        if (o->run.plant < 0 || o->run.plant == p)
            missed += !run_plant(o, p);
    if (missed)
        printf("%d planted bugs were not caught\n", missed);
    return missed ? 1 : 0;
}

/* --- options ---------------------------------------------------------------------------------- */

static int usage(FILE *f)
{
    fprintf(f,
            "usage: cairn-sim [--buckets] [--seeds N] [--seed FIRST] [--jobs J] [--each-step] "
            "[--regressions FILE]\n"
            "       cairn-sim [--buckets] --seed S [--verbose] [--history OBJECT] [--plant NAME]\n"
            "       cairn-sim --plants [--seeds N] [--plant NAME]\n"
            "planted bugs:");
    for (int p = 0; p < PLANT_COUNT; p++)
        fprintf(f, " %s", plant_names[p]);
    fprintf(f, "\n");
    return f == stdout ? 0 : 2;
}

static bool plant_take(struct options *o, const char *name)
{
    o->run.plant = -1;
    for (int p = 0; p < PLANT_COUNT; p++)
        if (strcmp(name, plant_names[p]) == 0)
            o->run.plant = p;
    return o->run.plant >= 0 || strcmp(name, "none") == 0;
}

static bool options_take(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'},
        {"plant", required_argument, NULL, 'p'},
        {"plants", no_argument, NULL, 'P'},
        {"each-step", no_argument, NULL, 'e'},
        {"regressions", required_argument, NULL, 'r'},
        {"report", required_argument, NULL, 'R'},
        {"history", required_argument, NULL, 'H'},
        {"hints", required_argument, NULL, 'h'},
        {"buckets", no_argument, NULL, 'b'},
        {"hot", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'u'},
        {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            o->seeds = strtoull(optarg, NULL, 10);
            o->seeds_given = true;
            break;
        case 's':
            o->first = strtoull(optarg, NULL, 10);
            o->first_given = true;
            break;
        case 'j':
            o->run.jobs = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'p':
            if (!plant_take(o, optarg))
                return false;
            break;
        case 'P':
            o->plants = true;
            break;
        case 'e':
            o->run.check_each_step = true;
            break;
        case 'b':
        case 'o':
            o->run.buckets = c == 'b';
            break;
        case 'r':
            o->regressions = optarg;
            break;
        case 'H':
            o->history = optarg;
            break;
        case 'h':
            o->hints = optarg;
            break;
        case 'R':
            o->report_fd = (int)strtol(optarg, NULL, 10);
            break;
        case 'u':
            o->help = true;
            return false;
        default:
            return false;
        }
    }
    return optind == argc && o->run.jobs > 0 && o->seeds > 0;
}

int main(int argc, char **argv)
{
    struct options o = {.run = {.program = argv[0],
                                .jobs = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
                                .plant = -1,
                                .progress = isatty(STDERR_FILENO),
                                .again_every = 16,
                                .failures_max = 5},
                        .seeds = SEEDS_DEFAULT,
                        .first = 1,
                        .report_fd = -1};

    mem_scopes_enable();
    if (!options_take(&o, argc, argv))
        return usage(o.help ? stdout : stderr);
    if (o.run.plant >= 0)
        o.run.buckets = o.run.plant >= PLANT_BUCKETS;
    plant_set(o.run.plant >= 0 ? 1u << o.run.plant : 0);
    if (o.plants)
        return run_plants(&o);
    if (o.first_given && !o.seeds_given)
        return run_one(&o);
    return run_many(&o);
}
