/* mon_command.c - from a message to a committed result, once.
 *
 * A command waits until we lead, then either runs as a read (leadership proved after it came) or
 * changes the draft and waits for the commit.  Who leads no more refuses what it has not answered:
 * the client goes to the new leader with the same id.  There the state tells whether it ran, since
 * a leader first applies all that was committed before it. */
#include "core/mon/mon_command.h"

#include <stdarg.h>
#include <stdio.h>

enum { DRAFT_BYTES_MAX = 128 << 10 };

const struct mon_command_row mon_commands[] = {
    {"status", "", 0, 0, false, "the cluster in a few lines", mon_cmd_status},
    {"health", "", 0, 0, false, "what is wrong, and what to do about it", mon_cmd_health},
    {"mon ls", "", 0, 0, false, "the monitors", mon_cmd_mon_ls},
    {"osd ls", "", 0, 0, false, "OSDs, their state and space", mon_cmd_osd_ls},
    {"osd tree", "", 0, 0, false, "the CRUSH hierarchy", mon_cmd_osd_tree},
    {"osd out", "N", 1, 1, true, "move the OSD's data elsewhere", mon_cmd_osd_out},
    {"osd in", "N", 1, 1, true, "let it take data again", mon_cmd_osd_in},
    {"osd stop", "N", 1, 1, true, "stop the OSD until `osd start`", mon_cmd_osd_stop},
    {"osd start", "N", 1, 1, true, "let a stopped OSD come up", mon_cmd_osd_start},
    {"osd trouble", "N TEXT", 2, 2, false, "why an OSD does not start, as its node says",
     mon_cmd_osd_trouble},
    {"osd lost", "N", 1, 1, true, "give up on what only this OSD has", mon_cmd_osd_lost},
    {"osd rm", "N", 1, 1, true, "forget an OSD that is down and out", mon_cmd_osd_rm},
    {"pool ls", "", 0, 0, false, "pools", mon_cmd_pool_ls},
    {"pool create", "NAME [size N] [size_min N] [pgs N]", 1, 7, true, "make a pool",
     mon_cmd_pool_create},
    {"pool rm", "NAME", 1, 1, true, "remove a pool and all its objects", mon_cmd_pool_rm},
    {"pool set", "NAME size|size_min N", 3, 3, true, "change a pool", mon_cmd_pool_set},
    {"pg ls", "[POOL]", 0, 1, false, "placement groups and their state", mon_cmd_pg_ls},
    {"user create", "NAME [ACCESS]", 1, 2, true,
     "make a user with a key; shows the secret once, or takes that of ACCESS from the input",
     mon_cmd_user_create},
    {"user list", "", 0, 0, false, "users, their state, quota and access keys", mon_cmd_user_list},
    {"user ls", "", 0, 0, false, "the same", mon_cmd_user_list},
    {"user info", "NAME", 1, 1, false, "one of them", mon_cmd_user_info},
    {"user rm", "NAME", 1, 1, true, "remove a user and its keys, whatever it owns",
     mon_cmd_user_rm},
    {"user suspend", "NAME", 1, 1, true, "refuse a user's requests until `user enable`",
     mon_cmd_user_suspend},
    {"user enable", "NAME", 1, 1, true, "take them again", mon_cmd_user_enable},
    {"user quota", "NAME [bytes N|none] [objects N|none]", 1, 5, true,
     "what a user's buckets may hold together; without more words: show it", mon_cmd_user_quota},
    {"user key ls", "NAME", 1, 1, false, "a user's access keys, oldest first", mon_cmd_user_key_ls},
    {"user key add", "NAME [ACCESS]", 1, 2, true,
     "one more key; shows the secret once, or takes that of ACCESS from the input",
     mon_cmd_user_key_add},
    {"user key rm", "NAME ACCESS", 2, 2, true, "remove a key", mon_cmd_user_key_rm},
    {"user find", "ACCESS", 1, 1, false, "the user of an access key, for gateways",
     mon_cmd_user_find},
    {"config-key get", "KEY", 1, 1, false, "a stored setting", mon_cmd_key_get},
    {"config-key set", "KEY [VALUE]", 1, 2, true, "store one; without VALUE the input is stored",
     mon_cmd_key_set},
    {"config-key rm", "KEY", 1, 1, true, "remove one", mon_cmd_key_rm},
    {"config-key ls", "", 0, 0, false, "their names", mon_cmd_key_ls},
    {"blocklist add", "INSTANCE [SECONDS]", 1, 2, true, "fence a client instance",
     mon_cmd_block_add},
    {"blocklist rm", "INSTANCE", 1, 1, true, "let it in again", mon_cmd_block_rm},
    {"blocklist ls", "", 0, 0, false, "fenced client instances", mon_cmd_block_ls},
    {"crush show", "", 0, 0, false, "the CRUSH map as text", mon_cmd_crush_show},
    {"map get", "[EPOCH]", 0, 1, false, "the osdmap", mon_cmd_map_get},
    {"help", "", 0, 0, false, "this list", mon_cmd_help},
};
const uint32_t mon_commands_count = ARRAY_LEN(mon_commands);

/* ---- argv to row ---- */

/* How many of argv's words the row's words take; 0: not these. */
static uint32_t words_match(const char *words, uint32_t argc, char *const *argv)
{
    uint32_t used = 0;

    while (*words) {
        size_t len = strcspn(words, " ");

        if (used == argc || strlen(argv[used]) != len || strncmp(argv[used], words, len) != 0)
            return 0;
        used++;
        words += len;
        words += *words == ' ';
    }
    return used;
}

static void near_add(const char *words, size_t same, const char *first, char *list, size_t *n)
{
    if (strncmp(words, first, same) == 0 && *n + strlen(words) + 3 < NOTE_BYTES - 64)
        *n += (size_t)snprintf(list + *n, NOTE_BYTES - *n, "%s%s", *n ? ", " : "", words);
}

/* Those that begin with the same word; else with the same letters, as many as fit. */
static void near_list(const char *first, struct note *why)
{
    char list[NOTE_BYTES] = "";
    size_t n = 0;

    for (size_t same = strlen(first); n == 0 && same > 0; same--)
        for (uint32_t i = 0; i < mon_commands_count; i++)
            near_add(mon_commands[i].words, same, first, list, &n);
    note_set(why, n ? "no such command; near: %s; see: help" : "no such command%s; see: help",
             list);
}

const struct mon_command_row *mon_command_find(uint32_t argc, char *const *argv,
                                               uint32_t *out_words, struct note *why)
{
    for (uint32_t i = 0; i < mon_commands_count; i++) {
        const struct mon_command_row *row = &mon_commands[i];
        uint32_t used = words_match(row->words, argc, argv);

        if (!used)
            continue;
        if (argc - used < row->argc_min || argc - used > row->argc_max) {
            note_set(why, "usage: %s%s%s", row->words, row->args[0] ? " " : "", row->args);
            return NULL;
        }
        *out_words = used;
        return row;
    }
    near_list(argc ? argv[0] : "", why);
    return NULL;
}

/* ---- what handlers use ---- */

struct osdmap *mon_call_map(struct mon_call *call)
{
    if (!call->map) {
        call->map = osdmap_clone(mon_view(call->mon));
        if (call->map && !call->mon->draft.map)
            call->map->epoch.v++;
    }
    return call->map;
}

void mon_call_say(struct mon_call *call, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line), fmt, args); /* a longer line is cut */
    va_end(args);
    if (n > 0)
        wr_raw(&call->text, line, MIN((size_t)n, sizeof(line) - 1));
}

int mon_call_fail(struct mon_call *call, int rc, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(call->why.text, sizeof(call->why.text), fmt, args); /* cut when too long */
    va_end(args);
    return rc;
}

int mon_call_number(struct mon_call *call, uint32_t arg, const char *what, uint64_t max,
                    uint64_t *out_value)
{
    const char *text = call->argv[arg];
    uint64_t v = 0;

    for (const char *at = text; *at; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (*at < '0' || *at > '9' || v > (max - digit) / 10)
            return mon_call_fail(call, -R_BAD_COMMAND, "%s must be a number up to %llu", what,
                                 (unsigned long long)max);
        v = v * 10 + digit;
    }
    if (!text[0])
        return mon_call_fail(call, -R_BAD_COMMAND, "%s is missing", what);
    *out_value = v;
    return 0;
}

bool mon_call_option(const struct mon_call *call, uint32_t i, const char *name)
{
    const char *arg = call->argv[i];

    if (arg[0] == '-' && arg[1] == '-')
        arg += 2;
    return i + 1 < call->argc && strcmp(arg, name) == 0;
}

bool mon_row_has_prefix(const struct mon_row *row, const char *prefix)
{
    return row && strncmp(row->key, prefix, strlen(prefix)) == 0;
}

int mon_cmd_help(struct mon_call *call)
{
    call->json = json_array();
    for (uint32_t i = 0; i < mon_commands_count; i++) {
        const struct mon_command_row *row = &mon_commands[i];
        json_t *one = json_pack("{s:s, s:s, s:b, s:s}", "command", row->words, "args", row->args,
                                "writes", row->writes, "help", row->help);

        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "%s%s%s - %s\n", row->words, row->args[0] ? " " : "", row->args,
                     row->help);
    }
    return 0;
}

/* ---- answering ---- */

static void cmd_free(struct mon *mon, struct mon_cmd *cmd)
{
    list_remove(&cmd->link);
    mon->command_count--;
    session_unref(cmd->s);
    msg_free(cmd->m ? &cmd->m->base : NULL);
    mem_free(cmd);
}

/* Text ends at a NUL and is bounded; memory that is short makes an answer without words. */
static void reply_send(struct mon *mon, struct session *s, uint64_t id, int rc, struct bytes text,
                       struct bytes json)
{
    struct msg_mon_reply *r = MESSAGE_NEW(mon_reply);

    if (!r)
        return; /* as if it were lost: the client asks again */
    r->id = id;
    r->rc = rc;
    text.len = MIN(text.len, (uint32_t)MON_TEXT_BYTES_MAX - 1);
    r->text = mem_alloc((size_t)text.len + 1);
    if (r->text) {
        if (text.len)
            memcpy(r->text, text.data, text.len);
        r->text[text.len] = 0;
    }
    if (json.len &&
        (json.len > MON_JSON_BYTES_MAX || buf_append_copy(&r->json, json.data, json.len) < 0))
        r->rc = rc < 0 ? rc : -ENOMEM;
    if (rc == -R_NOT_LEADER && mon_leader_addr(mon))
        memcpy(r->leader, mon_leader_addr(mon)->s, sizeof(r->leader));
    session_send(s, &r->base);
}

static void reply_text(struct mon *mon, struct session *s, uint64_t id, int rc, const char *text)
{
    reply_send(mon, s, id, rc, BYTES_STR(text), (struct bytes){0});
}

static void refuse(struct mon *mon, struct session *s, uint64_t id)
{
    int rc = mon_leader_addr(mon) ? -R_NOT_LEADER : -R_NO_QUORUM;

    reply_text(mon, s, id, rc, reason_text(rc));
}

static void answer_result(struct mon *mon, struct session *s, const struct mon_result *r)
{
    reply_send(mon, s, r->id, r->rc, (struct bytes){(uint8_t *)r->text, r->text_bytes},
               (struct bytes){r->json, r->json_bytes});
}

/* ---- running ---- */

static int dump_to(const char *data, size_t bytes, void *arg)
{
    wr_raw(arg, data, bytes);
    return 0;
}

static void call_fini(struct mon_call *call)
{
    osdmap_unref(call->map);
    json_decref(call->json);
    writer_fini(&call->text);
}

/* Run a handler; *out_json is its result as bytes. */
static int call_run(const struct mon_cmd *cmd, struct mon *mon, struct mon_call *call,
                    struct writer *out_json)
{
    struct msg_mon_command *m = cmd->m;
    uint32_t words = 0;
    int rc = buf_flatten(&m->input);

    *call = (struct mon_call){.mon = mon};
    if (rc < 0)
        return rc;
    (void)mon_command_find(m->argc, m->argv, &words, &call->why); /* found before */
    call->argc = m->argc - words;
    call->argv = m->argv + words;
    if (m->input.bytes)
        call->input =
            (struct bytes){buf_contiguous(&m->input, 0, m->input.bytes), (uint32_t)m->input.bytes};
    rc = cmd->row->run(call);
    if (rc == 0 && call->json &&
        json_dump_callback(call->json, dump_to, out_json, JSON_COMPACT) < 0)
        rc = -ENOMEM;
    if (rc == 0 && (out_json->rc < 0 || call->text.rc < 0))
        rc = -ENOMEM;
    if (rc < 0) {
        call->text.len = 0;
        call->text.rc = 0;
        if (!call->why.text[0])
            note_set(&call->why, "%s", reason_text(rc));
        wr_raw(&call->text, call->why.text, strlen(call->why.text));
        out_json->len = 0;
    }
    return rc;
}

static struct bytes writer_bytes(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

static void run_read(struct mon *mon, struct mon_cmd *cmd)
{
    AUTO(writer) json = {0};
    struct mon_call call;
    int rc = call_run(cmd, mon, &call, &json);

    if (cmd->s)
        reply_send(mon, cmd->s, cmd->id, rc, writer_bytes(&call.text), writer_bytes(&json));
    mon->n.commands++;
    call_fini(&call);
    cmd_free(mon, cmd);
}

/* Forget the rows that a failing handler added. */
static void rows_undo(struct mon *mon, uint32_t keep)
{
    while (mon->draft.row_count > keep) {
        struct mon_draft_row *row = LIST_LAST(&mon->draft.rows, struct mon_draft_row, link);

        list_remove(&row->link);
        mem_free(row->key);
        mem_free(row->value);
        mem_free(row);
        mon->draft.row_count--;
    }
}

static int result_add(struct mon *mon, const struct mon_cmd *cmd, int rc, struct mon_call *call,
                      struct writer *json)
{
    struct mon_draft_result *r = mem_zalloc(sizeof(*r));

    if (!r)
        return -ENOMEM;
    *r = (struct mon_draft_result){.client = cmd->client, .id = cmd->id, .rc = rc};
    r->text = call->text;
    r->json = *json;
    r->text.len = MIN(r->text.len, (size_t)MON_RESULT_TEXT_MAX);
    call->text = (struct writer){0};
    *json = (struct writer){0};
    list_push_back(&mon->draft.results, &r->link);
    mon->draft.result_count++;
    mon->draft.bytes += r->text.len + r->json.len;
    return 0;
}

static void run_write(struct mon *mon, struct mon_cmd *cmd)
{
    uint32_t rows = mon->draft.row_count;
    AUTO(writer) json = {0};
    struct mon_call call;
    int rc = -R_BACK_PRESSURE;

    memset(&call, 0, sizeof(call));
    if (mon->draft.bytes < DRAFT_BYTES_MAX && mon->draft.result_count < MON_CHANGE_ROWS_MAX) {
        rc = call_run(cmd, mon, &call, &json);
        if (rc == 0 && json.len > MON_RESULT_JSON_MAX)
            rc = -R_OVERFLOW;
        if (rc < 0)
            rows_undo(mon, rows);
        /* A result, good or bad, rests on what is not committed yet: it is committed too. */
        if (rc != -ENOMEM && result_add(mon, cmd, rc, &call, &json) < 0) {
            rows_undo(mon, rows);
            rc = -ENOMEM;
        }
    }
    if (rc == 0 && call.map) {
        osdmap_unref(mon->draft.map);
        mon->draft.map = TAKE(call.map);
    }
    call_fini(&call);
    if (rc == -ENOMEM || rc == -R_BACK_PRESSURE) { /* nothing ran; it may be asked again */
        if (cmd->s)
            reply_text(mon, cmd->s, cmd->id, rc, reason_text(rc));
        cmd_free(mon, cmd);
        return;
    }
    cmd->stage = MON_CMD_COMMIT;
    mon_draft_touched(mon);
}

static void cmd_start(struct mon *mon, struct mon_cmd *cmd)
{
    int rc;

    if (cmd->row->writes) {
        run_write(mon, cmd);
        return;
    }
    cmd->stage = MON_CMD_READ;
    cmd->read_id = mon->next_read_id++;
    rc = mon_raft_read(mon, cmd->read_id); /* the command may be answered when it returns */
    if (rc < 0) {
        if (cmd->s)
            reply_text(mon, cmd->s, cmd->id, rc, reason_text(rc));
        cmd_free(mon, cmd);
    }
}

void mon_command_read_done(struct mon *mon, const struct raft_read *read)
{
    LIST_EACH (pos, &mon->commands) {
        struct mon_cmd *cmd = LIST_ENTRY(pos, struct mon_cmd, link);

        if (cmd->stage != MON_CMD_READ || cmd->read_id != read->id)
            continue;
        if (read->rc < 0) {
            if (cmd->s)
                refuse(mon, cmd->s, cmd->id);
            cmd_free(mon, cmd);
        } else {
            cmd->read_proved = true;
            cmd->read_index = read->index;
            mon_turn_queue(mon);
        }
        return;
    }
}

void mon_commands_applied(struct mon *mon)
{
    LIST_EACH_SAFE (pos, &mon->commands) {
        struct mon_cmd *cmd = LIST_ENTRY(pos, struct mon_cmd, link);
        const struct mon_result *r;

        if (cmd->stage == MON_CMD_READ && cmd->read_proved &&
            cmd->read_index <= mon->applied_index) {
            run_read(mon, cmd);
            continue;
        }
        r = cmd->stage == MON_CMD_COMMIT ? mon_state_result(&mon->state, cmd->client, cmd->id)
                                         : NULL;
        if (!r)
            continue;
        mon->n.commands++;
        if (cmd->s)
            answer_result(mon, cmd->s, r);
        cmd_free(mon, cmd);
    }
}

/* What ran under an earlier leader is answered, the rest begins. */
void mon_commands_start(struct mon *mon)
{
    LIST_EACH_SAFE (pos, &mon->commands) {
        struct mon_cmd *cmd = LIST_ENTRY(pos, struct mon_cmd, link);
        const struct mon_result *r;

        if (cmd->stage != MON_CMD_WAIT_LEAD)
            continue;
        r = mon_state_result(&mon->state, cmd->client, cmd->id);
        if (!r) {
            cmd_start(mon, cmd);
            continue;
        }
        mon->n.repeats_answered++;
        if (cmd->s)
            answer_result(mon, cmd->s, r);
        cmd_free(mon, cmd);
    }
}

void mon_commands_refuse(struct mon *mon, int rc)
{
    LIST_EACH_SAFE (pos, &mon->commands) {
        struct mon_cmd *cmd = LIST_ENTRY(pos, struct mon_cmd, link);

        if (rc == -R_OVERFLOW && cmd->stage != MON_CMD_COMMIT)
            continue;
        if (cmd->s && rc == -R_NOT_LEADER)
            refuse(mon, cmd->s, cmd->id);
        else if (cmd->s)
            reply_text(mon, cmd->s, cmd->id, rc, reason_text(rc));
        cmd_free(mon, cmd);
    }
}

void mon_commands_free(struct mon *mon)
{
    while (!list_empty(&mon->commands))
        cmd_free(mon, LIST_FIRST(&mon->commands, struct mon_cmd, link));
}

/* ---- arriving ---- */

static struct mon_cmd *cmd_find(struct mon *mon, uint64_t client, uint64_t id)
{
    LIST_EACH (pos, &mon->commands) {
        struct mon_cmd *cmd = LIST_ENTRY(pos, struct mon_cmd, link);

        if (cmd->client == client && cmd->id == id)
            return cmd;
    }
    return NULL;
}

void mon_command_session_gone(struct mon *mon, struct session *s)
{
    LIST_EACH (pos, &mon->commands) {
        struct mon_cmd *cmd = LIST_ENTRY(pos, struct mon_cmd, link);

        if (cmd->s == s)
            session_unref(TAKE(cmd->s));
    }
}

static void cmd_new(struct mon *mon, struct session *s, struct msg_mon_command *m)
{
    struct note why = {{0}};
    uint32_t words;
    const struct mon_command_row *row = mon_command_find(m->argc, m->argv, &words, &why);
    struct mon_cmd *cmd;

    if (!row) {
        reply_text(mon, s, m->id, -R_BAD_COMMAND, why.text);
        msg_free(&m->base);
        return;
    }
    cmd = mon->command_count < MON_COMMANDS_MAX ? mem_zalloc(sizeof(*cmd)) : NULL;
    if (!cmd) {
        reply_text(mon, s, m->id, -R_BACK_PRESSURE, reason_text(-R_BACK_PRESSURE));
        msg_free(&m->base);
        return;
    }
    *cmd = (struct mon_cmd){
        .client = session_peer(s)->instance, .id = m->id, .s = session_ref(s), .m = m, .row = row};
    list_push_back(&mon->commands, &cmd->link);
    mon->command_count++;
    if (mon->leading && mon->state.map)
        mon_commands_start(mon);
}

void mon_command_take(struct mon *mon, struct session *s, struct msg_mon_command *m)
{
    struct mon_cmd *cmd = cmd_find(mon, session_peer(s)->instance, m->id);

    if (mon->role != RAFT_LEADER) {
        refuse(mon, s, m->id);
        msg_free(&m->base);
    } else if (cmd) { /* sent again: it is under way */
        session_unref(cmd->s);
        cmd->s = session_ref(s);
        msg_free(&m->base);
    } else {
        cmd_new(mon, s, m);
    }
}
