/* crush_codec.h - a sealed map to bytes and back: doc/format/crush.md. */
#ifndef CORE_CRUSH_CRUSH_CODEC_H
#define CORE_CRUSH_CRUSH_CODEC_H

#include "core/base/cursor.h"
#include "core/crush/crush.h"

void crush_encode(const struct crush_map *map, struct writer *w); /* errors stand in w->rc */

/* Reads one map at the cursor.  Bytes are checked for all that the mapper relies on.  0 with a
 * sealed map, or a negative code that c->rc holds too. */
MUST_CHECK int crush_decode(struct cursor *c, struct crush_map **out_map);

#endif
