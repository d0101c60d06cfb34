/* crush_util.h - what the tests of core/crush share. */
#ifndef TESTS_UNIT_CRUSH_CRUSH_UTIL_H
#define TESTS_UNIT_CRUSH_CRUSH_UTIL_H

#include "core/base/cursor.h"
#include "core/crush/crush.h"

/* A file of tests/golden/crush/, terminated; the test fails if it is not there.  mem_free it. */
char *golden_read(const char *name);
/* Parse, or fail the test with the reason. */
struct crush_map *map_of(const char *text);
struct crush_map *golden_map(const char *name);
/* The same in every part, names of classes in place of their numbers. */
bool maps_equal(const struct crush_map *a, const struct crush_map *b);
/* An open map: `racks` racks of `hosts` hosts of `osds` devices of weight one, rule 0 over hosts.
 */
struct crush_map *map_build(uint32_t racks, uint32_t hosts, uint32_t osds);

#endif
