/* note.h - where an error happened, and to what, in one line that a person reads.
 *
 * A note travels with the operation; each layer that knows more puts it in front:
 * "osd.2: superblock at byte 0: stored checksum and data disagree".  Allocates nothing. */
#ifndef CORE_BASE_NOTE_H
#define CORE_BASE_NOTE_H

#include "core/base/base.h"

enum { NOTE_BYTES = 256 };

struct note {
    char text[NOTE_BYTES]; /* always terminated; cut at the end when too long */
};

/* Put formatted text in front of what the note says, with ": " between.  `why` may be NULL. */
void note_add(struct note *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Replace what it says. */
void note_set(struct note *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
