/* mon_draft.c - the leader's next change: collected, proposed, then the next one on top of it.
 *
 * There are at most two beyond the applied state: the one in flight (its map sealed) and the draft
 * that starts from it.  The first change of a cluster carries a whole map: epoch 1, with the lease
 * time of the first leader's configuration.  Its content is decided by the log, so members need not
 * agree on anything but the fsid before it. */
#include "core/mon/mon_int.h"

void mon_draft_init(struct mon_draft *d)
{
    memset(d, 0, sizeof(*d));
    list_init(&d->rows);
    list_init(&d->results);
}

static void row_free(struct mon_draft_row *row)
{
    mem_free(row->key);
    mem_free(row->value);
    mem_free(row);
}

void mon_draft_fini(struct mon_draft *d)
{
    struct list *node;

    osdmap_unref(d->map);
    while ((node = list_pop_front(&d->rows)))
        row_free(LIST_ENTRY(node, struct mon_draft_row, link));
    while ((node = list_pop_front(&d->results))) {
        struct mon_draft_result *r = LIST_ENTRY(node, struct mon_draft_result, link);

        writer_fini(&r->text);
        writer_fini(&r->json);
        mem_free(r);
    }
    mon_draft_init(d);
}

bool mon_draft_empty(const struct mon_draft *d)
{
    return !d->map && list_empty(&d->rows) && list_empty(&d->results) && !d->trim_to.v;
}

static void draft_move(struct mon_draft *to, struct mon_draft *from)
{
    *to = *from;
    list_init(&to->rows);
    list_init(&to->results);
    list_splice(&to->rows, &from->rows);
    list_splice(&to->results, &from->results);
    mon_draft_init(from);
}

/* ---- the map ---- */

const struct osdmap *mon_base(const struct mon *mon)
{
    return mon->in_flight && mon->flight.map ? mon->flight.map : mon->state.map;
}

const struct osdmap *mon_view(const struct mon *mon)
{
    return mon->draft.map ? mon->draft.map : mon_base(mon);
}

struct osdmap *mon_draft_map(struct mon *mon)
{
    const struct osdmap *base = mon_base(mon);

    ASSERT(mon->leading);
    if (!mon->draft.map && base) {
        mon->draft.map = osdmap_clone(base);
        if (mon->draft.map)
            mon->draft.map->epoch.v++;
    }
    return mon->draft.map;
}

/* ---- rows ---- */

static const struct mon_draft_row *row_find(const struct mon_draft *d, const char *key)
{
    const struct mon_draft_row *found = NULL; /* the last one counts */

    LIST_EACH (pos, &d->rows) {
        const struct mon_draft_row *row = LIST_ENTRY(pos, struct mon_draft_row, link);

        if (strcmp(row->key, key) == 0)
            found = row;
    }
    return found;
}

bool mon_draft_get(const struct mon *mon, const char *key, struct bytes *out_value)
{
    const struct mon_draft_row *row = row_find(&mon->draft, key);
    const struct mon_row *stored;

    if (!row && mon->in_flight)
        row = row_find(&mon->flight, key);
    if (row) {
        *out_value = (struct bytes){row->value, row->value_bytes};
        return row->value != NULL;
    }
    stored = mon_state_get(&mon->state, key);
    if (!stored)
        return false;
    *out_value = (struct bytes){stored->value, stored->value_bytes};
    return true;
}

static int row_add(struct mon *mon, const char *key, const void *value, size_t bytes, bool remove)
{
    struct mon_draft_row *row;

    if (strlen(key) == 0 || strlen(key) > MON_KEY_MAX || bytes > MON_VALUE_MAX)
        return -R_OVERFLOW;
    if (mon->draft.row_count == MON_CHANGE_ROWS_MAX)
        return -R_BACK_PRESSURE;
    row = mem_zalloc(sizeof(*row));
    if (row) {
        row->key = mem_strdup(key);
        row->value = remove ? NULL : mem_zalloc(bytes + 1);
    }
    if (!row || !row->key || (!remove && !row->value)) {
        if (row)
            row_free(row);
        return -ENOMEM;
    }
    if (bytes)
        memcpy(row->value, value, bytes);
    row->value_bytes = (uint32_t)bytes;
    list_push_back(&mon->draft.rows, &row->link);
    mon->draft.row_count++;
    mon->draft.bytes += strlen(key) + bytes;
    return 0;
}

int mon_draft_put(struct mon *mon, const char *key, const void *value, size_t bytes)
{
    return row_add(mon, key, value, bytes, false);
}

int mon_draft_remove(struct mon *mon, const char *key)
{
    return row_add(mon, key, NULL, 0, true);
}

static bool has_prefix(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

/* The smallest key of the drafts that has the prefix and lies above `after` (NULL: any). */
static const char *draft_key_after(const struct mon *mon, const char *prefix, const char *after)
{
    const struct mon_draft *drafts[2] = {&mon->draft, mon->in_flight ? &mon->flight : NULL};
    const char *best = NULL;

    for (unsigned i = 0; i < 2 && drafts[i]; i++)
        LIST_EACH (pos, &drafts[i]->rows) {
            const char *key = LIST_ENTRY(pos, struct mon_draft_row, link)->key;

            if (has_prefix(key, prefix) && (!after || strcmp(key, after) > 0) &&
                (!best || strcmp(key, best) < 0))
                best = key;
        }
    return best;
}

void mon_draft_each(const struct mon *mon, const char *prefix,
                    void (*each)(void *arg, const char *key, struct bytes value), void *arg)
{
    const struct mon_row *row = mon_state_from(&mon->state, prefix);
    const char *drafted = draft_key_after(mon, prefix, NULL);

    for (;;) {
        const char *key = row && has_prefix(row->key, prefix) ? row->key : NULL;
        struct bytes value;

        if (drafted && (!key || strcmp(drafted, key) <= 0)) {
            if (key && strcmp(drafted, key) == 0)
                row = mon_state_next(row);
            key = drafted;
            drafted = draft_key_after(mon, prefix, key);
        } else if (key) {
            row = mon_state_next(row);
        }
        if (!key)
            return;
        if (mon_draft_get(mon, key, &value))
            each(arg, key, value);
    }
}

/* ---- proposing ---- */

static bool temp_is_useless(const struct osdmap *m, const struct pg_temp *t)
{
    const struct pool *p = osdmap_pool(m, t->pg.pool);

    if (!p || t->pg.seed >= p->pg_count)
        return true;
    for (unsigned i = 0; i < t->acting.count; i++)
        if (osdmap_up(m, t->acting.osd[i]))
            return false;
    return true; /* nobody of it is up: CRUSH's answer is used, and shall be when they come back */
}

static void temps_clean(struct osdmap *m)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < m->temp_count; i++)
        if (!temp_is_useless(m, &m->temps[i]))
            m->temps[kept++] = m->temps[i];
    m->temp_count = kept;
}

static bool inc_is_empty(const struct osdmap *base, const struct osdmap_inc *inc)
{
    return inc->osd_rows + inc->pool_rows + inc->pool_gone_rows + inc->temp_rows +
                   inc->blocked_rows ==
               0 &&
           !inc->crush && inc->osd_count == base->osd_count && inc->pool_next == base->pool_next &&
           inc->lease_ms == base->lease_ms;
}

/* The draft's map as an increment in `w`, or no map when nothing changed in the end. */
static int map_encode(struct mon *mon, struct writer *w)
{
    struct osdmap *m = mon->draft.map;
    struct osdmap_inc inc;
    int rc;

    temps_clean(m);
    m->modified_wall_ns = env_wall_ns(mon->env);
    rc = osdmap_seal(m);
    if (rc == 0)
        rc = osdmap_diff(mon_base(mon), m, &inc);
    if (rc < 0)
        return rc;
    if (inc_is_empty(mon_base(mon), &inc)) {
        osdmap_unref(TAKE(mon->draft.map));
    } else {
        rc = osdmap_inc_encode(&inc, w);
    }
    osdmap_inc_fini(&inc);
    return rc;
}

static int first_map_encode(struct mon *mon, struct writer *w)
{
    struct osdmap *m = osdmap_create(mon->fsid);
    int rc;

    if (!m)
        return -ENOMEM;
    m->epoch.v = 1;
    m->lease_ms = mon->conf.osd_lease_ms;
    m->modified_wall_ns = env_wall_ns(mon->env);
    rc = osdmap_encode(m, w);
    osdmap_unref(mon->draft.map); /* of an attempt that lacked memory */
    mon->draft.map = m;
    return rc;
}

static struct bytes writer_bytes(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

/* The draft as an entry.  Arrays are ours, what they point to is the draft's. */
static int change_encode(struct mon *mon, struct writer *out)
{
    struct mon_draft *d = &mon->draft;
    bool first = !mon->state.map && !mon->in_flight;
    struct mon_change change = {.trim_to = d->trim_to};
    AUTO(writer) map = {0};
    uint32_t i = 0, j = 0;
    int rc = first ? first_map_encode(mon, &map) : d->map ? map_encode(mon, &map) : 0;

    if (rc < 0)
        return rc;
    if (d->map) {
        change.map_kind = first ? MON_MAP_FULL : MON_MAP_INC;
        change.map = writer_bytes(&map);
    }
    change.rows = mem_calloc(d->row_count + 1, sizeof(*change.rows));
    change.results = mem_calloc(d->result_count + 1, sizeof(*change.results));
    if (change.rows && change.results) {
        LIST_EACH (pos, &d->rows) {
            const struct mon_draft_row *row = LIST_ENTRY(pos, struct mon_draft_row, link);

            change.rows[i++] = (struct mon_change_row){
                BYTES_STR(row->key), {row->value, row->value_bytes}, row->value == NULL};
        }
        LIST_EACH (pos, &d->results) {
            const struct mon_draft_result *r = LIST_ENTRY(pos, struct mon_draft_result, link);

            change.results[j++] = (struct mon_change_result){
                r->client, r->id, r->rc, writer_bytes(&r->text), writer_bytes(&r->json)};
        }
        change.row_count = i;
        change.result_count = j;
        mon_change_encode(out, &change);
        rc = out->rc;
    } else {
        rc = -ENOMEM;
    }
    mon_change_fini(&change);
    return rc < 0 ? rc : out->len > MON_CHANGE_BYTES_MAX ? -R_OVERFLOW : 0;
}

static void draft_later(struct mon *mon)
{
    if (!mon->batch.armed)
        env_timer_after(mon->env, &mon->batch, MON_BATCH_MS * NS_PER_MS);
}

void mon_draft_touched(struct mon *mon)
{
    if (!mon->in_flight && !mon_draft_empty(&mon->draft))
        draft_later(mon);
}

void mon_draft_propose(struct mon *mon)
{
    AUTO(writer) w = {0};
    struct raft_pos pos;
    int rc;

    if (!mon->leading || mon->in_flight || mon_halted(mon) ||
        (mon->state.map && mon_draft_empty(&mon->draft)))
        return;
    rc = change_encode(mon, &w);
    if (rc == 0 && mon->state.map && mon_draft_empty(&mon->draft))
        return; /* it came to nothing */
    if (rc == 0)
        rc = mon_raft_propose(mon, (struct bytes){w.data, (uint32_t)w.len}, &pos);
    if (rc == -R_OVERFLOW) { /* whoever asked for it asks again, with less beside it */
        log_error(&mon->log, "a change is too large and is dropped", KV_BYTES("change", w.len));
        mon_draft_fini(&mon->draft);
        mon_commands_refuse(mon, rc);
        return;
    }
    if (rc < 0) {
        if (rc != -R_NOT_LEADER)
            draft_later(mon);
        return;
    }
    if (!mon->leading)
        return;
    mon->n.proposals++;
    mon->n.epochs += mon->draft.map != NULL;
    mon->in_flight = true;
    mon->flight_pos = pos;
    draft_move(&mon->flight, &mon->draft);
}

void mon_draft_committed(struct mon *mon, struct raft_pos pos)
{
    if (pos.index < mon->flight_pos.index)
        return;
    ASSERT(pos.term == mon->flight_pos.term); /* else leadership was lost, and the flight dropped */
    mon->in_flight = false;
    mon_draft_fini(&mon->flight);
    mon_turn_queue(mon);
}

void mon_draft_drop(struct mon *mon)
{
    env_timer_cancel(mon->env, &mon->batch);
    mon->in_flight = false;
    mon_draft_fini(&mon->draft);
    mon_draft_fini(&mon->flight);
}
