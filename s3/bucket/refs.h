/* refs.h - who refers to data objects that several objects share.  Pure.
 *
 * The data objects of a version, or of all parts of one, are shared as a whole.  Who has them
 * stands in the xattr "refs" of the first of them: the versions that refer to them, with the one
 * that wrote them (their origin) as long as it does.  None: the origin alone, nothing was ever
 * copied.  An empty list: nobody does any more, they are being erased.
 *
 * Whoever writes the xattr does so under a guard on what was read, so each of these is one step. */
#ifndef S3_BUCKET_REFS_H
#define S3_BUCKET_REFS_H

#include "s3/bucket/rows.h"

#define REFS_XATTR "refs"
enum { REFS_MAX = 1000 }; /* beyond it a copy copies bytes */

struct refs {
    uint32_t count;
    const uint8_t *ids; /* borrowed: UUID_BYTES each */
};
void refs_encode(const struct refs *r, struct writer *w);
int refs_decode(struct bytes value, struct refs *out_refs);
bool refs_have(const struct refs *r, const struct uuid *id);

/* `was` is the xattr's value, empty if there is none.
 *
 * `who` comes in.  0, -R_COPIES_FULL, -R_DATA_LOST (they are being erased), or what a bad row is.
 */
int refs_add(struct bytes was, const struct uuid *origin, const struct uuid *who,
             struct writer *next);

enum refs_orders {
    REFS_KEEP,   /* nothing is to be done: `who` is not among them, others are, or may be */
    REFS_WRITE,  /* replace the xattr: `who` leaves, others stay */
    REFS_LAST,   /* replace it: the last one leaves; then as REFS_ERASE */
    REFS_ERASE,  /* nobody refers to them: erase all, the first one last */
    REFS_DELETE, /* there is no xattr and the origin leaves: delete the first one, then the others
                  */
};
/* `who` leaves.  One of these, or a negative code. */
int refs_release(struct bytes was, const struct uuid *origin, const struct uuid *who,
                 struct writer *next);
/* The same when the first of them is not there. */
enum refs_orders refs_release_absent(const struct uuid *origin, const struct uuid *who);

#endif
