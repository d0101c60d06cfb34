/* fuzz_mon_command.c - commands from anywhere, run on a leader's state.
 *
 * Lines are commands, words are separated by blanks.  Handlers must refuse or do it; the map that
 * they leave encodes and decodes, and so do the rows they leave. */
#include "core/mon/mon_command.h"

#include <stdlib.h>

#include "core/env/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { WORDS_MAX = 12, LINE_MAX_BYTES = 600 };

static void must(bool so)
{
    if (!so)
        abort();
}

static struct osdmap *map_make(const uint8_t fsid[16])
{
    struct osdmap *m = osdmap_create(fsid);

    must(m && osdmap_osds_grow(m, 4) == 0);
    m->epoch.v = 3;
    for (uint32_t i = 0; i < 4; i++) {
        m->osds[i] = (struct osd_info){.state = i == 3 ? OSD_EXISTS : OSD_EXISTS | OSD_UP,
                                       .weight = i == 2 ? 0 : OSD_WEIGHT_IN,
                                       .instance = i + 1};
        must(osdmap_crush_add(m, (struct osd_id){(int32_t)i}, i % 2 ? "a" : "b", "", 4096) == 0);
    }
    must(osdmap_seal(m) == 0);
    return m;
}

static void mon_make(struct mon *mon, struct env *env)
{
    memset(mon, 0, sizeof(*mon));
    mon->env = env;
    mon->leading = true;
    mon->members.count = 1;
    config_defaults(&mon->conf);
    mon_draft_init(&mon->draft);
    mon_draft_init(&mon->flight);
    list_init(&mon->boots);
    must(htable_init(&mon->pgs, 16) == 0 && mon_state_init(&mon->state, mon->fsid) == 0);
    mon->state.map = map_make(mon->fsid);
    mon->state.oldest = osdmap_ref(mon->state.map);
    env_timer_init(&mon->batch, NULL);
    mon->batch.armed = true; /* so that nobody arms it */
}

static void mon_end(struct mon *mon)
{
    mon_draft_fini(&mon->draft);
    mon_state_fini(&mon->state);
    htable_fini(&mon->pgs);
}

static void map_is_whole(const struct osdmap *m)
{
    AUTO(writer) w = {0};
    struct osdmap *again;
    struct cursor c;

    must(osdmap_encode(m, &w) == 0);
    c = cur_over(w.data, w.len);
    must(osdmap_decode(&c, &again) == 0 && cur_finish(&c) == 0);
    osdmap_unref(again);
}

static void run(struct mon *mon, uint32_t argc, char **argv)
{
    struct mon_call call = {.mon = mon};
    const struct mon_command_row *row;
    const struct osdmap *map = mon->draft.map;
    uint32_t words = 0, rows = mon->draft.row_count;
    int rc;

    row = mon_command_find(argc, argv, &words, &call.why);
    must(row || call.why.text[0]);
    if (!row)
        return;
    must(words <= argc && argc - words >= row->argc_min && argc - words <= row->argc_max);
    call.argc = argc - words;
    call.argv = argv + words;
    rc = row->run(&call);
    must(rc <= 0);
    if (!row->writes) /* who looks changes nothing */
        must(!call.map && mon->draft.map == map && mon->draft.row_count == rows);
    if (rc == 0 && call.map) {
        map_is_whole(call.map);
        osdmap_unref(mon->draft.map);
        mon->draft.map = TAKE(call.map);
    }
    osdmap_unref(call.map);
    json_decref(call.json);
    writer_fini(&call.text);
}

static void line_run(struct mon *mon, const uint8_t *line, size_t bytes)
{
    char text[LINE_MAX_BYTES + 1], *argv[WORDS_MAX], *save = NULL;
    uint32_t argc = 0;

    bytes = MIN(bytes, (size_t)LINE_MAX_BYTES);
    memcpy(text, line, bytes);
    text[bytes] = 0;
    for (char *word = strtok_r(text, " ", &save); word && argc < WORDS_MAX;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    run(mon, argc, argv);
}

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

struct input {
    struct env *env;
    const uint8_t *data;
    size_t bytes;
};

static void input_run(void *arg)
{
    const struct input *in = arg;
    struct mon mon;

    mon_make(&mon, in->env);
    for (size_t at = 0, n = 0; at < in->bytes && n < 32; n++) {
        const uint8_t *end = memchr(in->data + at, '\n', in->bytes - at);
        size_t len = end ? (size_t)(end - in->data) - at : in->bytes - at;

        line_run(&mon, in->data + at, len);
        at += len + 1;
    }
    mon_end(&mon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct sim *s = sim_create(&(struct sim_conf){.seed = 1});
    struct input in = {.data = data, .bytes = bytes};

    in.env = sim_process_start(sim_machine_create(s, "m", "127.0.0.1"), "mon");
    sim_enter(in.env, input_run, &in);
    must(sim_process_end(in.env) == 0); /* everything was freed */
    sim_destroy(s);
    return 0;
}
