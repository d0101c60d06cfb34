/* plant.c - which planted bugs are active.  The one piece of state at file scope: it exists only in
 * builds made to prove the checkers, is set once in main, and must be seen by every role. */
#include "core/base/plant.h"

#ifdef CAIRN_PLANT
static uint32_t active_mask;

bool plant_active(enum plant p)
{
    return active_mask >> p & 1;
}

void plant_set(uint32_t mask)
{
    active_mask = mask;
}
#else
typedef int plant_is_absent; /* a translation unit must not be empty */
#endif
