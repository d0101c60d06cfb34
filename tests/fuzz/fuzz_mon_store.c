/* fuzz_mon_store.c - a monitor's files and entries from anywhere.
 *
 * The first byte chooses what the rest is: a log (records with their checksums made right, so that
 * items are reached), an identity, a change on top of a small state, a whole state.  What is
 * accepted encodes to what decodes to the same. */
#include <stdlib.h>

#include "core/mon/mon_state.h"
#include "core/mon/mon_store_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool so)
{
    if (!so)
        abort();
}

static struct bytes w_bytes(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

static void try_log(const uint8_t *data, size_t bytes)
{
    struct mon_record least = {.log_id = 7, .generation = 1, .kind = MON_RECORD_MORE}, r;
    AUTO(writer) w = {0};
    size_t mark = mon_record_begin(&w, &least);

    wr_raw(&w, data, bytes);
    mon_record_end(&w, mark);
    must(w.rc == 0 && mon_record_decode(w.data, w.len, &least, &r) == 0 && r.bytes == w.len);
    while (r.body.rc == 0 && cur_left(&r.body) > 0) {
        struct mon_item item;

        if (mon_item_decode(&r.body, &item) < 0)
            break;
    }
    w.len = 0;
    wr_raw(&w, data, bytes);
    wr_zeros(&w, DISK_BLOCK);
    least.log_id = 0;
    least.generation = 0;
    (void)mon_record_decode(w.data, w.len, &least,
                            &r); /* as it came: must not be believed blindly */
}

static void try_identity(const uint8_t *data, size_t bytes)
{
    struct mon_identity who, again;
    AUTO(writer) w = {0};
    struct cursor c = cur_over(data, bytes);

    if (mon_identity_decode(&c, &who) < 0)
        return;
    mon_identity_encode(&w, &who);
    c = cur_over(w.data, w.len);
    must(w.rc == 0 && mon_identity_decode(&c, &again) == 0);
    must(again.id == who.id && again.members.count == who.members.count);
}

static void state_again(const struct mon_state *s)
{
    AUTO(writer) a = {0};
    AUTO(writer) b = {0};
    struct mon_state again;

    mon_state_check(s);
    mon_state_encode(s, &a);
    must(a.rc == 0 && mon_state_decode(w_bytes(&a), &again) == 0);
    mon_state_encode(&again, &b);
    must(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    mon_state_fini(&again);
}

static void try_change(const uint8_t *data, size_t bytes)
{
    static const uint8_t fsid[16];
    struct osdmap *m = osdmap_create(fsid);
    struct mon_state s;

    must(m && mon_state_init(&s, fsid) == 0);
    m->epoch.v = 1;
    s.map = m;
    s.oldest = osdmap_ref(m);
    if (mon_state_apply(&s, (struct bytes){data, (uint32_t)bytes}) == 0)
        state_again(&s);
    mon_state_fini(&s);
}

/* The body is given; the seal is made right. */
static void try_state(const uint8_t *data, size_t bytes)
{
    AUTO(writer) w = {0};
    struct mon_state s;
    size_t mark = wr_begin(&w, 1, 1);

    wr_raw(&w, data, bytes);
    wr_end(&w, mark);
    if (w.rc == 0 && mon_state_decode(w_bytes(&w), &s) == 0) {
        state_again(&s);
        mon_state_fini(&s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        try_log(data + 1, bytes - 1);
        break;
    case 1:
        try_identity(data + 1, bytes - 1);
        break;
    case 2:
        try_change(data + 1, bytes - 1);
        break;
    default:
        try_state(data + 1, bytes - 1);
    }
    return 0;
}
