/* mon_table.h - the commands that monitors know, as anybody may read about them.
 *
 * The `cairn` command explains them and refuses wrong usage without asking a cluster. */
#ifndef CORE_MON_MON_TABLE_H
#define CORE_MON_MON_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/note.h"

struct mon_call;
struct mon_command_row {
    const char *words; /* "osd out" */
    const char *args;  /* "N", for help */
    uint8_t argc_min, argc_max;
    bool writes;
    const char *help;
    int (*run)(struct mon_call *call);
};
extern const struct mon_command_row mon_commands[];
extern const uint32_t mon_commands_count;

/* The row that argv names, with *out_words of argv used; NULL with `why` (and near ones in it). */
const struct mon_command_row *mon_command_find(uint32_t argc, char *const *argv,
                                               uint32_t *out_words, struct note *why);

#endif
