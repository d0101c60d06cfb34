/* touched.c - which parts of an object some writes touched, within fixed bounds.
 *
 * Recovery copies exactly these parts.  When the bounds are passed, or memory is short, the answer
 * becomes "whole": more is copied than needed, never less. */
#include "core/proto/pg_wire.h"

static void keys_drop(struct touched *t)
{
    for (unsigned i = 0; i < t->key_count; i++)
        mem_free((void *)t->key[i].data);
    mem_free(t->key);
    t->key = NULL;
    t->key_count = 0;
}

void touched_fini(struct touched *t)
{
    keys_drop(t);
    memset(t, 0, sizeof(*t));
}

static void whole_set(struct touched *t)
{
    touched_fini(t);
    t->whole = true;
}

int touched_copy(const struct touched *from, struct touched *out)
{
    struct touched t = *from;

    t.key = NULL;
    t.key_count = 0;
    for (unsigned i = 0; i < from->key_count; i++) {
        touched_key(&t, from->key[i]);
        if (t.whole && !from->whole) {
            touched_fini(&t);
            return -ENOMEM;
        }
    }
    *out = t;
    return 0;
}

static uint64_t range_end(uint64_t off, uint64_t len)
{
    return off + len < off ? UINT64_MAX : off + len;
}

void touched_range(struct touched *t, uint64_t off, uint64_t len)
{
    uint64_t end = range_end(off, len);
    unsigned at = 0, last;

    if (t->whole || len == 0)
        return;
    while (at < t->range_count && range_end(t->range[at].off, t->range[at].len) < off)
        at++;
    for (last = at; last < t->range_count && t->range[last].off <= end; last++) {
        off = MIN(off, t->range[last].off);
        end = MAX(end, range_end(t->range[last].off, t->range[last].len));
    }
    if (last == at && t->range_count == TOUCHED_RANGES_MAX) {
        whole_set(t);
        return;
    }
    memmove(&t->range[at + 1], &t->range[last], (t->range_count - last) * sizeof(t->range[0]));
    t->range[at].off = off;
    t->range[at].len = end - off;
    t->range_count = (uint8_t)(t->range_count - (last - at) + 1);
}

void touched_key(struct touched *t, struct bytes key)
{
    unsigned at = 0;
    int order = 1;
    uint8_t *copy;

    if (t->whole || t->omap_cleared)
        return;
    while (at < t->key_count && (order = bytes_compare(t->key[at], key)) < 0)
        at++;
    if (at < t->key_count && order == 0)
        return;
    if (!t->key)
        t->key = mem_calloc(TOUCHED_KEYS_MAX, sizeof(*t->key));
    copy = t->key && t->key_count < TOUCHED_KEYS_MAX ? mem_dup(key.data, key.len) : NULL;
    if (!copy) {
        whole_set(t);
        return;
    }
    memmove(&t->key[at + 1], &t->key[at], (t->key_count - at) * sizeof(*t->key));
    t->key[at] = (struct bytes){copy, key.len};
    t->key_count++;
}

void touched_merge(struct touched *t, const struct touched *more)
{
    if (t->whole)
        return;
    if (more->whole) {
        whole_set(t);
        return;
    }
    if (more->omap_cleared) {
        keys_drop(t);
        t->omap_cleared = true;
    }
    for (unsigned i = 0; i < more->range_count; i++)
        touched_range(t, more->range[i].off, more->range[i].len);
    for (unsigned i = 0; i < more->key_count; i++)
        touched_key(t, more->key[i]);
}
