/* mon_state.c - applying changes, and the state as bytes.
 *
 * The history of osdmaps is the oldest map whole and every increment after it.  Increments are kept
 * encoded, as they travel: subscribers get them by reference. */
#include "core/mon/mon_state.h"

#include "core/base/hash.h"

enum { STATE_VERSION = 1, ROWS_MAX = 1 << 20 };

static int row_cmp(const struct mon_row *a, const struct mon_row *b)
{
    return strcmp(a->key, b->key);
}

RB_GENERATE_STATIC(mon_rows, mon_row, node, row_cmp)

int mon_state_init(struct mon_state *s, const uint8_t fsid[16])
{
    memset(s, 0, sizeof(*s));
    memcpy(s->fsid, fsid, sizeof(s->fsid));
    RB_INIT(&s->rows);
    list_init(&s->results);
    return htable_init(&s->results_by_id, 64);
}

static void row_free(struct mon_row *row)
{
    if (!row)
        return;
    mem_free(row->key);
    mem_free(row->value);
    mem_free(row);
}

static void result_free(struct mon_result *r)
{
    if (!r)
        return;
    mem_free(r->text);
    mem_free(r->json);
    mem_free(r);
}

void mon_state_fini(struct mon_state *s)
{
    struct mon_row *row, *next;

    if (!s->results_by_id.slots)
        return;
    osdmap_unref(s->oldest);
    osdmap_unref(s->map);
    for (uint32_t i = 0; i < s->inc_count; i++)
        buf_fini(&s->incs[i]);
    mem_free(s->incs);
    RB_FOREACH_SAFE (row, mon_rows, &s->rows, next) {
        RB_REMOVE(mon_rows, &s->rows, row);
        row_free(row);
    }
    LIST_EACH_SAFE (pos, &s->results) {
        result_free(LIST_ENTRY(pos, struct mon_result, link));
    }
    htable_fini(&s->results_by_id);
    memset(s, 0, sizeof(*s));
}

/* ---- looking ---- */

const struct mon_row *mon_state_get(const struct mon_state *s, const char *key)
{
    struct mon_row want = {.key = (char *)key};

    return RB_FIND(mon_rows, (struct mon_rows *)&s->rows, &want);
}

const struct mon_row *mon_state_from(const struct mon_state *s, const char *prefix)
{
    struct mon_row want = {.key = (char *)prefix};

    return RB_NFIND(mon_rows, (struct mon_rows *)&s->rows, &want);
}

const struct mon_row *mon_state_next(const struct mon_row *row)
{
    return RB_NEXT(mon_rows, NULL, (struct mon_row *)row);
}

static uint64_t result_hash(uint64_t client, uint64_t id)
{
    return hash64_u64(client, id);
}

const struct mon_result *mon_state_result(const struct mon_state *s, uint64_t client, uint64_t id)
{
    struct hnode *n = htable_first(&s->results_by_id, result_hash(client, id));

    for (; n; n = htable_next(n)) {
        struct mon_result *r = CONTAINER_OF(n, struct mon_result, node);

        if (r->client == client && r->id == id)
            return r;
    }
    return NULL;
}

struct epoch mon_state_epoch(const struct mon_state *s)
{
    return s->map ? s->map->epoch : (struct epoch){0};
}

struct epoch mon_state_oldest(const struct mon_state *s)
{
    return s->oldest ? s->oldest->epoch : (struct epoch){0};
}

const struct buf *mon_state_inc(const struct mon_state *s, struct epoch epoch)
{
    ASSERT(s->oldest);
    ASSERT(epoch.v > s->oldest->epoch.v);
    ASSERT(epoch.v <= s->map->epoch.v);
    return &s->incs[epoch.v - s->oldest->epoch.v - 1];
}

/* ---- applying ---- */

static int first_map_apply(struct mon_state *s, struct bytes bytes)
{
    struct cursor c = cur_over(bytes.data, bytes.len);
    struct osdmap *map;
    int rc = s->map ? -R_MALFORMED : osdmap_decode(&c, &map);

    if (rc < 0)
        return rc;
    if (cur_finish(&c) < 0 || map->epoch.v == 0 ||
        memcmp(map->fsid, s->fsid, sizeof(s->fsid)) != 0) {
        osdmap_unref(map);
        return -R_MALFORMED;
    }
    s->oldest = osdmap_ref(map);
    s->map = map;
    return 0;
}

static int inc_step(const struct osdmap *map, struct bytes bytes, struct osdmap **out_next)
{
    struct cursor c = cur_over(bytes.data, bytes.len);
    struct osdmap_inc inc;
    int rc = osdmap_inc_decode(&c, &inc);

    if (rc < 0)
        return rc;
    rc = cur_finish(&c) < 0 ? c.rc : osdmap_apply(map, &inc, out_next);
    osdmap_inc_fini(&inc);
    return rc;
}

static int inc_push(struct mon_state *s, struct bytes bytes)
{
    struct buf b = {0};

    if (s->inc_count == s->inc_cap) {
        uint32_t cap = s->inc_cap ? s->inc_cap * 2 : 64;
        struct buf *grown = mem_realloc(s->incs, cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        s->incs = grown;
        s->inc_cap = cap;
    }
    if (buf_append_copy(&b, bytes.data, bytes.len) < 0)
        return -ENOMEM;
    s->incs[s->inc_count++] = b;
    return 0;
}

static int inc_apply(struct mon_state *s, struct bytes bytes)
{
    struct osdmap *next;
    int rc = s->map ? inc_step(s->map, bytes, &next) : -R_MALFORMED;

    if (rc < 0)
        return rc;
    rc = inc_push(s, bytes);
    if (rc < 0) {
        osdmap_unref(next);
        return rc;
    }
    osdmap_unref(s->map);
    s->map = next;
    return 0;
}

/* The oldest map becomes that of `upto`; increments up to it go. */
static int history_trim(struct mon_state *s, struct epoch upto)
{
    struct osdmap *map;
    uint32_t drop;

    if (!s->oldest || upto.v <= s->oldest->epoch.v)
        return 0;
    if (upto.v > s->map->epoch.v)
        return -R_MALFORMED;
    drop = upto.v - s->oldest->epoch.v;
    map = osdmap_ref(s->oldest);
    for (uint32_t i = 0; i < drop; i++) {
        const struct buf *b = &s->incs[i];
        struct osdmap *next;
        int rc = inc_step(map, (struct bytes){buf_contiguous(b, 0, b->bytes), (uint32_t)b->bytes},
                          &next);

        osdmap_unref(map);
        if (rc < 0)
            return rc;
        map = next;
    }
    for (uint32_t i = 0; i < drop; i++)
        buf_fini(&s->incs[i]);
    s->inc_count -= drop;
    memmove(s->incs, s->incs + drop, s->inc_count * sizeof(*s->incs));
    osdmap_unref(s->oldest);
    s->oldest = map;
    return 0;
}

static char *text_dup(struct bytes b)
{
    char *text = mem_alloc((size_t)b.len + 1);

    if (!text)
        return NULL;
    if (b.len)
        memcpy(text, b.data, b.len);
    text[b.len] = 0;
    return text;
}

static int row_apply(struct mon_state *s, const struct mon_change_row *change)
{
    struct mon_row *row = mem_zalloc(sizeof(*row));
    struct mon_row *old;

    if (row) {
        row->key = text_dup(change->key);
        row->value = (uint8_t *)text_dup(change->value);
        row->value_bytes = change->value.len;
    }
    if (!row || !row->key || !row->value) {
        row_free(row);
        return -ENOMEM;
    }
    old = RB_FIND(mon_rows, &s->rows, row);
    if (old) {
        RB_REMOVE(mon_rows, &s->rows, old);
        row_free(old);
        s->row_count--;
    }
    if (change->remove) {
        row_free(row);
    } else {
        RB_INSERT(mon_rows, &s->rows, row);
        s->row_count++;
    }
    return 0;
}

static void result_drop(struct mon_state *s, struct mon_result *r)
{
    list_remove(&r->link);
    htable_remove(&s->results_by_id, &r->node);
    s->result_count--;
    result_free(r);
}

static int result_apply(struct mon_state *s, const struct mon_change_result *change)
{
    struct mon_result *r;

    if (mon_state_result(s, change->client, change->id))
        return -R_MALFORMED; /* a command runs once */
    r = mem_zalloc(sizeof(*r));
    if (r) {
        r->text = text_dup(change->text);
        r->json = (uint8_t *)text_dup(change->json);
    }
    if (!r || !r->text || !r->json) {
        result_free(r);
        return -ENOMEM;
    }
    r->client = change->client;
    r->id = change->id;
    r->rc = change->rc;
    r->text_bytes = change->text.len;
    r->json_bytes = change->json.len;
    list_push_back(&s->results, &r->link);
    htable_insert(&s->results_by_id, &r->node, result_hash(r->client, r->id));
    s->result_count++;
    if (s->result_count > MON_RESULTS_KEPT)
        result_drop(s, LIST_FIRST(&s->results, struct mon_result, link));
    return 0;
}

int mon_state_apply(struct mon_state *s, struct bytes entry)
{
    struct mon_change change;
    int rc = mon_change_decode(entry, &change);

    if (rc < 0)
        return rc;
    if (change.map_kind == MON_MAP_FULL)
        rc = first_map_apply(s, change.map);
    else if (change.map_kind == MON_MAP_INC)
        rc = inc_apply(s, change.map);
    if (rc == 0)
        rc = history_trim(s, change.trim_to);
    for (uint32_t i = 0; rc == 0 && i < change.row_count; i++)
        rc = row_apply(s, &change.rows[i]);
    for (uint32_t i = 0; rc == 0 && i < change.result_count; i++)
        rc = result_apply(s, &change.results[i]);
    mon_change_fini(&change);
    return rc;
}

/* ---- bytes ---- */

void mon_state_encode(const struct mon_state *s, struct writer *w)
{
    size_t mark = wr_begin(w, STATE_VERSION, STATE_VERSION);
    struct mon_row *row;

    wr_raw(w, s->fsid, sizeof(s->fsid));
    wr_bool(w, s->oldest != NULL);
    if (s->oldest)
        (void)osdmap_encode(s->oldest, w); /* w->rc tells */
    wr_u32(w, s->inc_count);
    for (uint32_t i = 0; i < s->inc_count; i++)
        wr_bytes(w, (struct bytes){buf_contiguous(&s->incs[i], 0, s->incs[i].bytes),
                                   (uint32_t)s->incs[i].bytes});
    wr_u32(w, s->row_count);
    RB_FOREACH (row, mon_rows, (struct mon_rows *)&s->rows) {
        wr_str(w, row->key);
        wr_bytes(w, (struct bytes){row->value, row->value_bytes});
    }
    wr_u32(w, s->result_count);
    LIST_EACH (pos, &s->results) {
        const struct mon_result *r = LIST_ENTRY(pos, struct mon_result, link);

        wr_u64(w, r->client);
        wr_u64(w, r->id);
        wr_i32(w, r->rc);
        wr_bytes(w, (struct bytes){(uint8_t *)r->text, r->text_bytes});
        wr_bytes(w, (struct bytes){r->json, r->json_bytes});
    }
    wr_end(w, mark);
}

static int history_get(struct cursor *c, struct mon_state *s)
{
    uint32_t count;
    int rc = 0;

    if (cur_bool(c)) {
        rc = osdmap_decode(c, &s->oldest);
        if (rc < 0)
            return rc;
        s->map = osdmap_ref(s->oldest);
        if (s->oldest->epoch.v == 0 || memcmp(s->oldest->fsid, s->fsid, sizeof(s->fsid)) != 0)
            return -R_MALFORMED;
    }
    count = cur_count(c, UINT32_MAX, 4);
    for (uint32_t i = 0; rc == 0 && c->rc == 0 && i < count; i++) {
        struct bytes inc = cur_bytes(c, UINT32_MAX);

        if (c->rc == 0)
            rc = inc_apply(s, inc);
    }
    return rc;
}

static int tables_get(struct cursor *c, struct mon_state *s)
{
    uint32_t count = cur_count(c, ROWS_MAX, 8);
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct mon_change_row row = {.key = cur_bytes(c, MON_KEY_MAX)};

        row.value = cur_bytes(c, MON_VALUE_MAX);
        if (c->rc == 0 && (row.key.len == 0 || memchr(row.key.data, 0, row.key.len)))
            cur_fail(c, -R_MALFORMED);
        rc = c->rc < 0 ? c->rc : row_apply(s, &row);
    }
    if (rc == 0 && s->row_count != count)
        return -R_MALFORMED;
    count = cur_count(c, MON_RESULTS_KEPT, 28);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct mon_change_result r = {.client = cur_u64(c)};

        r.id = cur_u64(c);
        r.rc = cur_i32(c);
        r.text = cur_bytes(c, MON_RESULT_TEXT_MAX);
        r.json = cur_bytes(c, MON_RESULT_JSON_MAX);
        rc = c->rc < 0 ? c->rc : result_apply(s, &r);
    }
    return rc;
}

int mon_state_decode(struct bytes from, struct mon_state *out_state)
{
    struct cursor c = cur_over(from.data, from.len), body;
    struct mon_state s = {0};
    uint8_t fsid[16] = {0};
    struct bytes raw;
    int rc;

    (void)cur_enter(&c, STATE_VERSION, &body);
    raw = cur_raw(&body, sizeof(fsid));
    if (body.rc == 0)
        memcpy(fsid, raw.data, sizeof(fsid));
    rc = mon_state_init(&s, fsid);
    if (rc == 0)
        rc = history_get(&body, &s);
    if (rc == 0)
        rc = tables_get(&body, &s);
    if (rc == 0)
        rc = cur_leave(&c, &body) < 0 ? c.rc : cur_finish(&c);
    if (rc < 0) {
        mon_state_fini(&s);
        return rc;
    }
    /* Lists point to their head: move it by hand. */
    *out_state = s;
    list_init(&out_state->results);
    list_splice(&out_state->results, &s.results);
    return 0;
}

void mon_state_check(const struct mon_state *s)
{
    ASSERT((s->map == NULL) == (s->oldest == NULL));
    ASSERT(s->result_count <= MON_RESULTS_KEPT);
    ASSERT(s->result_count == s->results_by_id.count);
    if (s->map)
        ASSERT(s->map->epoch.v == s->oldest->epoch.v + s->inc_count);
}
