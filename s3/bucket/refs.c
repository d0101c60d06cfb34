/* refs.c - references to shared data objects come and go (refs.h).
 *
 * That a list is never empty but at the end, and that nobody comes in then, is what keeps shared
 * bytes: erasing begins with the step that finds the last one leaving, and from that step on no
 * copy can begin.  Leaving twice, or without having come, changes nothing: collectors do so after
 * one that died, and on behalf of copies that died before they came. */
#include "s3/bucket/refs.h"

enum { REFS_VERSION = 1 };

static struct uuid ref_at(const struct refs *r, uint32_t i)
{
    struct uuid id;

    memcpy(id.b, r->ids + (size_t)i * UUID_BYTES, UUID_BYTES);
    return id;
}

bool refs_have(const struct refs *r, const struct uuid *id)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct uuid at = ref_at(r, i);

        if (uuid_equal(&at, id))
            return true;
    }
    return false;
}

int refs_decode(struct bytes value, struct refs *out_refs)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct refs r = {0};
    int rc;

    (void)cur_enter(&c, REFS_VERSION, &body); /* a failure stays in the cursor */
    r.count = cur_count(&body, REFS_MAX, UUID_BYTES);
    r.ids = cur_raw(&body, r.count * UUID_BYTES).data;
    rc = cur_leave(&c, &body);
    if (rc == 0)
        rc = cur_finish(&c);
    if (rc == 0)
        *out_refs = r;
    return rc;
}

/* The list without `without`, and with `with` behind it (each may be NULL). */
static void refs_write(const struct refs *r, const struct uuid *without, const struct uuid *with,
                       struct writer *w)
{
    size_t mark = wr_begin(w, REFS_VERSION, REFS_VERSION);
    uint32_t left = without && refs_have(r, without) ? 1 : 0;

    wr_u32(w, r->count - left + (with ? 1 : 0));
    for (uint32_t i = 0; i < r->count; i++) {
        struct uuid id = ref_at(r, i);

        if (!without || !uuid_equal(&id, without))
            wr_raw(w, id.b, UUID_BYTES);
    }
    if (with)
        wr_raw(w, with->b, UUID_BYTES);
    wr_end(w, mark);
}

void refs_encode(const struct refs *r, struct writer *w)
{
    refs_write(r, NULL, NULL, w);
}

int refs_add(struct bytes was, const struct uuid *origin, const struct uuid *who,
             struct writer *next)
{
    struct refs r = {1, origin->b};
    int rc = was.len ? refs_decode(was, &r) : 0;

    if (rc < 0)
        return rc;
    if (!r.count)
        return -R_DATA_LOST;
    if (r.count == REFS_MAX)
        return -R_COPIES_FULL;
    refs_write(&r, who, who, next);
    return next->rc;
}

int refs_release(struct bytes was, const struct uuid *origin, const struct uuid *who,
                 struct writer *next)
{
    struct refs r;
    int rc;

    if (!was.len)
        return uuid_equal(who, origin) ? REFS_DELETE : REFS_KEEP;
    rc = refs_decode(was, &r);
    if (rc < 0)
        return rc;
    if (!r.count)
        return REFS_ERASE;
    if (!refs_have(&r, who))
        return REFS_KEEP;
    refs_write(&r, who, NULL, next);
    if (next->rc < 0)
        return next->rc;
    return r.count > 1 ? REFS_WRITE : REFS_LAST;
}

/* The origin's may never have been written, while others were; or a collector died in between.  A
 * copy refers to what was there, and erasing ends with the first: nothing is left. */
enum refs_orders refs_release_absent(const struct uuid *origin, const struct uuid *who)
{
    return uuid_equal(who, origin) ? REFS_DELETE : REFS_KEEP;
}
