/* seed.c - what happens in a seed, from top to bottom.
 *
 *   boot, load with faults, heal, everything answered, everything clean, read it all once more,
 *   stop cleanly, look into the stores, judge the histories.
 *
 * Each stage has a bound in virtual time; the first finding ends the seed.  Histories are judged in
 * any case: what they show is closer to the cause than a cluster that does not become clean. */
#include "tests/sim/seed.h"

#include <time.h>

#include "tests/sim/audit.h"
#include "tests/sim/faults.h"
#include "tests/sim/workload.h"

#define LOAD_EXTRA_NS   (30 * NS_PER_S)
#define ANSWER_LIMIT_NS (180 * NS_PER_S)
#define CLEAN_LIMIT_NS  (180 * NS_PER_S)
#define FINAL_LIMIT_NS  (300 * NS_PER_S)

struct running { /* for the report of a failed assertion */
    struct cluster *cl;
    struct faults *faults;
    FILE *f;
};

static bool issued(struct cluster *cl)
{
    return cl->load->issued(cl->load);
}

static bool answered(struct cluster *cl)
{
    return issued(cl) && cl->load->answered(cl->load);
}

static bool finals_answered(struct cluster *cl)
{
    return cl->load->answered(cl->load);
}

static bool never(struct cluster *cl)
{
    UNUSED(cl);
    return false;
}

static void final_inside(void *arg)
{
    struct node *n = arg;

    n->cl->load->final(n->cl->load, n);
}

static bool load_and_heal(struct cluster *cl, FILE *f)
{
    (void)cluster_run(cl, cl->sc.load_ns, never);
    cluster_heal(cl);
    if (!cluster_run(cl, ANSWER_LIMIT_NS, answered)) {
        cluster_broken(cl, "operations are not answered %llu s after the last fault",
                       (unsigned long long)(ANSWER_LIMIT_NS / NS_PER_S));
        cl->load->print(cl->load, f);
        return false;
    }
    if (!cluster_run(cl, CLEAN_LIMIT_NS, cluster_clean)) {
        cluster_broken(cl, "not clean %llu s after the last answer",
                       (unsigned long long)(CLEAN_LIMIT_NS / NS_PER_S));
        return false;
    }
    return true;
}

static bool end(struct cluster *cl, FILE *f)
{
    struct audit audit;

    sim_enter(cl->client[0].env, final_inside, &cl->client[0]);
    if (!cluster_run(cl, FINAL_LIMIT_NS, finals_answered)) {
        cluster_broken(cl, "the last reads are not answered");
        cl->load->print(cl->load, f);
        return false;
    }
    audit_plan(&audit, cl);
    return cluster_stop(cl) && audit_run(&audit, f);
}

static void tell(const struct running *r)
{
    scenario_print(&r->cl->sc, r->f);
    faults_print(r->faults, r->f);
    cluster_print(r->cl, r->f);
}

static void asserted(void *arg)
{
    struct running *r = arg;

    scenario_print(&r->cl->sc, r->f);
    faults_print(r->faults, r->f);
    fprintf(r->f, "at %.6f s\n", (double)sim_now_ns(r->cl->sim) / 1e9);
    fflush(r->f);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void seed_run(const struct seed_conf *conf, struct seed_result *out_result)
{
    struct seed_result r = {.seed = conf->seed};
    struct faults faults = {0};
    struct cluster cl;
    struct running running = {&cl, &faults, conf->f};
    struct scenario sc;
    struct workload *load;
    uint64_t began = cpu_ns();
    bool ok;

    scenario_draw(&sc, conf->seed);
    sc.check_each_step = conf->check_each_step;
    sc.quiet = conf->buckets && conf->seed % 4 == 0;
    ASSERT(cluster_init(&cl, &sc, conf->sink, NULL) == 0);
    cl.load = load = conf->buckets ? boxes_create(&cl) : hot_create(&cl);
    assert_set_hook(asserted, &running);
    if (conf->sink)
        scenario_print(&sc, conf->f);
    ok = cluster_boot(&cl);
    if (ok) {
        if (!sc.quiet)
            faults_plan(&faults, &cl);
        ok = load_and_heal(&cl, conf->f) && end(&cl, conf->f);
    }
    if (!ok)
        tell(&running);
    else if (conf->sink)
        faults_print(&faults, conf->f);
    if (conf->history)
        load->print_history(load, conf->history, conf->f);
    ok = load->verify(load, conf->f) && ok;
    assert_set_hook(NULL, NULL);
    cluster_count(&cl);
    r.ok = ok && !cl.broken;
    r.hash = sim_trace_hash(cl.sim);
    r.virtual_ns = sim_now_ns(cl.sim);
    r.steps = cl.steps;
    r.cov = cl.cov;
    memcpy(r.why, cl.why, sizeof(r.why));
    cluster_fini(&cl); /* first: timers of its processes may lie in the load's memory */
    load->destroy(load);
    r.cpu_ns = cpu_ns() - began;
    *out_result = r;
}
