/* plants.h - names of the planted bugs (core/base/plant.h). */
#ifndef TESTS_SIM_PLANTS_H
#define TESTS_SIM_PLANTS_H

#include "core/base/plant.h"

static const char *const plant_names[PLANT_COUNT] = {
    [PLANT_JOURNAL_FLUSH] = "journal-flush",   [PLANT_REPLAY_ORDER] = "replay-order",
    [PLANT_REUSE_EARLY] = "reuse-early",       [PLANT_EARLY_ACK] = "early-ack",
    [PLANT_SKIP_MERGE] = "skip-merge",         [PLANT_NO_LEASE] = "no-lease",
    [PLANT_FORGET_REQID] = "forget-reqid",     [PLANT_NO_UP_THRU] = "no-up-thru",
    [PLANT_TRIM_TOO_FAR] = "trim-too-far",     [PLANT_EARLY_REPEAT] = "early-repeat",
    [PLANT_GARBAGE_LOST] = "garbage-lost",     [PLANT_UNRIPE] = "unripe",
    [PLANT_NO_REDATE] = "no-redate",           [PLANT_PARTS_ALL] = "parts-all",
    [PLANT_REPEAT_ANEW] = "repeat-anew",       [PLANT_DROP_UNSEEN] = "drop-unseen",
    [PLANT_REOPEN_BLIND] = "reopen-blind",     [PLANT_LIST_SKIP] = "list-skip",
    [PLANT_LIST_SHARD] = "list-shard",         [PLANT_SPLIT_WRITES] = "split-writes",
    [PLANT_COPY_UNLISTED] = "copy-unlisted",   [PLANT_RELEASE_ALL] = "release-all",
    [PLANT_COPY_FORGOTTEN] = "copy-forgotten", [PLANT_COND_EARLY] = "cond-early",
    [PLANT_COUNT_TWICE] = "count-twice",       [PLANT_CHANGE_BLIND] = "change-blind",
};

#endif
