/* crush_text.h - the text form of a map, as Ceph's crushtool writes and reads it.
 *
 * The reader takes bytes from outside: sizes, depths and counts are bounded, loops are refused,
 * and a refusal names the line and what was expected there. */
#ifndef CORE_CRUSH_CRUSH_TEXT_H
#define CORE_CRUSH_CRUSH_TEXT_H

#include "core/base/cursor.h"
#include "core/crush/crush.h"

enum { CRUSH_TEXT_MAX = 16 << 20 }; /* bytes */

/* Read a map: sealed.  0, -ENOMEM, -R_MALFORMED or -R_OVERFLOW with `why`: "line 12: ...".
 * Shadow ids are taken from the text and made up where it has none; tunables that the text does
 * not name have their oldest values, as in Ceph. */
MUST_CHECK int crush_text_parse(const char *text, size_t bytes, struct crush_map **out_map,
                                struct note *why);

/* Print a sealed map; parsing that gives an equal one.  Errors stand in w->rc. */
void crush_text_print(const struct crush_map *map, struct writer *w);

/* A decimal fraction to 16.16, truncated after rounding to a single-precision float as Ceph does;
 * ten and more decimals are taken exactly.  0, -EINVAL (not a number), or -R_OVERFLOW. */
int crush_weight_parse(const char *text, uint32_t *out_weight);
/* The shortest decimal that crush_weight_parse turns into this weight. */
enum { CRUSH_WEIGHT_TEXT = 32 };
void crush_weight_print(uint32_t weight, char out_text[CRUSH_WEIGHT_TEXT]);

#endif
