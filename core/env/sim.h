/* sim.h - the simulated env: machines, processes, network and disks in one thread, from one seed.
 *
 * Same seed, same run: events are ordered by (virtual time, sequence), every random draw comes from
 * the seed, and nothing depends on addresses.  sim_trace_hash folds every event that was run.
 * A machine keeps files, disks and key-value stores; a process on it is an env with a memory scope.
 * Killing a process drops its memory, its pending events and its sockets at once; a power cut also
 * resolves each unflushed disk block and kv batch by the fault model.
 *
 * The driver's own code (clients' test logic, checkers) runs outside of processes or inside one, by
 * sim_enter.  Call mem_scopes_enable() first in main.  Draw one random number a statement: operands
 * and arguments have no order, and another compiler would play another history. */
#ifndef CORE_ENV_SIM_H
#define CORE_ENV_SIM_H

#include "core/base/rng.h"
#include "core/env/env.h"
#include "core/env/net.h"

struct sim;
struct sim_machine;

struct sim_conf {
    uint64_t seed;
    struct log_sink *sink; /* borrowed; lines carry virtual time; may be NULL */
    uint64_t net_delay_min_ns, net_delay_max_ns;   /* 0: 50 us .. 500 us */
    uint64_t disk_delay_min_ns, disk_delay_max_ns; /* 0: 50 us .. 2 ms */
    uint64_t work_delay_max_ns;                    /* 0: 300 us */
    uint32_t unreadable_per_million; /* unflushed blocks lost by a power cut; 0: 1000 */
};
struct sim *sim_create(const struct sim_conf *conf);
void sim_destroy(struct sim *s);
struct rng *sim_rng(struct sim *s);       /* for the test's own choices: a stream of its own */
uint64_t sim_now_ns(const struct sim *s); /* true virtual time, without skew; starts at 0 */
uint64_t sim_trace_hash(const struct sim *s);
void sim_trace_add(struct sim *s, uint64_t value); /* fold the test's own facts in */

/* Run one event.  False when none is left. */
bool sim_step(struct sim *s);
/* Run events until virtual time `t_ns`, or until `stop(arg)` (may be NULL) says true after one. */
void sim_run_until(struct sim *s, uint64_t t_ns, bool (*stop)(void *arg), void *arg);
/* Call `check(arg)` after every event, outside any process.  NULL ends it. */
void sim_on_step(struct sim *s, void (*check)(void *arg), void *arg);
/* Run `fn(arg)` at a virtual time, outside any process. */
void sim_at(struct sim *s, uint64_t t_ns, void (*fn)(void *arg), void *arg);

/* `ip` is unique; what listens on 127.0.0.0/8 passes for loopback with its roles. */
struct sim_machine *sim_machine_create(struct sim *s, const char *name, const char *ip);
/* Start a process: a new env on this machine.  Its monotonic clock is the machine's, which starts
 * anew after a power cut.  The env may be asked whether it is alive until sim_destroy. */
struct env *sim_process_start(struct sim_machine *m, const char *name);
/* Run `fn(arg)` inside the process, now: in its memory scope, on its reactor.  Not if it is dead.
 */
void sim_enter(struct env *env, void (*fn)(void *arg), void *arg);
/* kill -9: completed writes survive, since the page cache does; each block of a write under way
 * was written or not.  Peers see the end of the stream or -ECONNRESET after a delay.
 * From inside the process's own code it takes effect when that returns; calls do nothing until
 * then. */
void sim_process_kill(struct env *env);
/* Every process of the machine is gone and its unsynced state resolved.  Peers see silence until
 * they time out, or a reset when they send and a process has been started there again. */
void sim_machine_power_cut(struct sim_machine *m);
bool sim_process_alive(const struct env *env);
/* The process's memory, to make its allocations fail (mem_scope_fail).  Borrowed while it lives. */
struct mem_scope *sim_process_memory(struct env *env);
/* After a clean stop of the roles in it: everything must be freed and idle.  Returns what was not:
 * bytes of memory, and 1 for each open handle, connection, lock, armed timer, task, work or I/O. */
uint64_t sim_process_end(struct env *env);
void sim_process_pause(struct env *env, uint64_t for_ns); /* SIGSTOP: time goes on, events wait */
void sim_clock_skew(struct env *env, int32_t ppm);        /* rate error of its monotonic clock */
void sim_wall_step(struct sim_machine *m, int64_t ns);    /* somebody sets its clock */

/* Network faults.  Cutting: bytes wait (TCP), connections break after 2 to 15 s of silence; healing
 * lets them go on.  Cutting one way (a to b) starves b; both ends break, for want of answers. */
void sim_net_cut(struct sim *s, struct sim_machine *a, struct sim_machine *b, bool both_ways);
void sim_net_heal(struct sim *s, struct sim_machine *a, struct sim_machine *b);
void sim_net_heal_all(struct sim *s); /* refusals, too */
/* Break each connection with this chance. */
void sim_net_reset_some(struct sim *s, uint32_t num, uint32_t den);
/* As a firewall or a flapping link would: connections that `a` opened to `b` break, and further
 * ones are refused until `a` is admitted again. */
void sim_net_refuse(struct sim *s, struct sim_machine *a, struct sim_machine *b);
void sim_net_admit(struct sim_machine *a, struct sim_machine *b);
void sim_net_slow(struct sim *s, struct sim_machine *m, uint64_t extra_delay_ns); /* 0 ends it */

/* Disk faults of one machine. */
enum sim_disk_fault {
    SIM_DISK_READ_EIO,  /* the n-th read from now fails; n 0 ends it, here and below */
    SIM_DISK_WRITE_EIO, /* the n-th write or flush from now fails, having done some of it */
    SIM_KV_EIO,         /* the n-th kv call from now fails */
    SIM_DISK_SLOW,      /* n: extra nanoseconds for each I/O */
    SIM_DISK_FULL,      /* n: bytes free on the file system from now; UINT64_MAX ends it */
};
void sim_disk_fault(struct sim_machine *m, enum sim_disk_fault fault, uint64_t n);
/* Flip one bit of a stored byte of a disk, a file, or of the values of a kv store in their order.
 * 0, -ENOENT, -EISDIR, or -ERANGE. */
int sim_disk_flip(struct sim_machine *m, const char *path, uint64_t byte, unsigned bit);
void sim_disk_wipe(struct sim_machine *m); /* every file is gone; open ones fail with -EIO */

/* All disks, files and kv stores of a machine, for stepping through power-cut states: a copy that
 * can be put back any number of times, unsynced state included. */
struct sim_image;
struct sim_image *sim_machine_save(struct sim_machine *m);
/* No process may run on it. */
void sim_machine_restore(struct sim_machine *m, const struct sim_image *img);
void sim_image_destroy(struct sim_image *img);
/* I/Os (writes, flushes, discards, kv writes, checkpoints, changes of files and folders) that the
 * machine has started so far; restoring does not turn it back. */
uint64_t sim_machine_ios(const struct sim_machine *m);
/* The power is lost as I/O number `io` starts: sim_machine_ios() + 1 is the next one.  0: never.
 * That I/O is under way: it happens, in part, or not.  The code that asked for it runs on until it
 * returns, with every call failing and nothing it does having an effect. */
void sim_machine_cut_at_io(struct sim_machine *m, uint64_t io);

#endif
