/* reason.h - one name for each way a request can be refused.
 *
 * Functions of the core return 0, a count, or a negative code.  A code is either -errno (below
 * 1000: -ENOMEM, -EINVAL, ...) or a negative reason, -R_NAME, whose row stands in reason.def.
 * Reasons are counted one by one and folded to their errno where they leave the core.
 * The numbers travel on the wire and in the logs: append rows, never reorder. */
#ifndef CORE_BASE_REASON_H
#define CORE_BASE_REASON_H

#include <stdint.h>

enum reason {
    R_FIRST = 1000,
#define REASON(name, err, text) R_##name,
#include "core/base/reason.def"
#undef REASON
    R_END
};

/* For code: 0, a count, -errno or -R_X. */
int reason_errno(int code);        /* the negative errno; 0 and counts unchanged */
const char *reason_name(int code); /* "CSUM_MISMATCH", "ENOENT", "OK"; a constant */
const char *reason_text(int code); /* a sentence for people; a constant */

#endif
