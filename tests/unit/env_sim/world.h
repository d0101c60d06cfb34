/* world.h - what the simulator's tests share: a world of a few machines with a process on each. */
#ifndef TESTS_UNIT_ENV_SIM_WORLD_H
#define TESTS_UNIT_ENV_SIM_WORLD_H

#include "core/env/disk.h"
#include "core/env/file.h"
#include "core/env/kv.h"
#include "core/env/net.h"
#include "core/env/sim.h"
#include "tests/unit/t.h"

enum { WORLD_MACHINES = 3 };

struct world {
    struct sim *s;
    struct sim_machine *m[WORLD_MACHINES]; /* 127.0.0.1, .2, .3 */
    struct env *env[WORLD_MACHINES];
};
void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);
void world_run(struct world *w, uint64_t ns); /* let time pass */
/* Power off, and a new process. */
struct env *world_power_cycle(struct world *w, unsigned i);
struct env *world_kill_and_start(struct world *w, unsigned i);
/* Each process must have given everything back. */
void world_end_clean(struct world *w);

/* Run I/O and wait for it; returns its rc. */
int world_io(struct world *w, struct env *env, struct disk_io *io);
int world_write(struct world *w, struct env *env, struct disk *d, uint64_t block, uint64_t blocks,
                uint8_t fill, unsigned flags);
int world_flush(struct world *w, struct env *env, struct disk *d);
/* The byte that fills the block, -1 where its bytes differ, or the read's error. */
int world_peek(struct disk *d, uint64_t block);
struct disk *world_disk(struct env *env, const char *path, uint64_t blocks);

#endif
