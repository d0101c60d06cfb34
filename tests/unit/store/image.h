/* image.h - the file system that a power cut leaves, from a record of system calls.
 *
 * Durable changes are there.  Of the others, each by chance: writes whole, not at all, or some of
 * their units of 512 or 4096 bytes; what a file grew by also cut anywhere, or as garbage; names
 * made, moved or dropped, or not; a file's new size, or not. */
#ifndef TESTS_UNIT_STORE_IMAGE_H
#define TESTS_UNIT_STORE_IMAGE_H

#include "core/base/rng.h"
#include "tests/unit/store/tape.h"

/* To see that the checker sees: syncs that are left out. */
enum image_lies { IMAGE_HONEST, IMAGE_NO_FILE_SYNCS, IMAGE_NO_FOLDER_SYNCS, IMAGE_NO_STABLE };

struct image_file {
    uint8_t *data; /* owned: what is durable */
    uint64_t bytes, cap;
    size_t next; /* the first op that is not in `data` */
};
struct image {
    const struct tape *r; /* borrowed */
    enum image_lies lies;
    struct image_file *files; /* owned: one for each inode */
    uint64_t cut;
};
void image_init(struct image *im, const struct tape *r, enum image_lies lies);
void image_fini(struct image *im);
/* Make `folder` (empty) what is left of the record's root when the power goes at moment `cut`.
 * Cuts of one image only grow. */
void image_leave(struct image *im, uint64_t cut, const char *folder, struct rng *rng);
/* NULL, or the name of a file under root that is not what the record says it is after all calls:
 * then the record has missed one. */
const char *image_differs(struct image *im);

#endif
