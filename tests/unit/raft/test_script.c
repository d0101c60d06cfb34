/* test_script.c - stories about a group, told in text files (*.txt here), with what must be seen.
 *
 * A line is a command; lines that start with ">" after it are its output, to the letter; "#" and
 * empty lines are for people.  All goes through the cluster of cluster.h, so its oracle watches
 * too.
 *
 *   cluster N [prevote=0] [checkquorum=0] [lease=0] [learner=ID] [batch=N] [window=N] [keep=N]
 *   stand N        N's clock alone jumps by two election times: it hears nobody and stands
 *   jump N MS      N's clock alone jumps
 *   time MS        time passes for all, messages stay on the wire
 *   run MS         time passes, disks and network work at once
 *   deliver [A B]  messages arrive until there are none; or those on the wire from A to B, once
 *   drop [A B]     lose what is on the wire; or what is from A to B
 *   wire           what is on the wire
 *   cut A B        messages between A and B are lost from now on;  mute A B: those from A to B
 *   heal           no more
 *   hold N, free N N's disk makes nothing durable; goes on
 *   crash N, start N
 *   propose N V, read N, snapshot N, transfer N M, members N
 *   show [N]       role, term, vote, commit, what is applied; the log as BASE: terms
 *
 * Disks work at once unless held.  RAFT_SCRIPT_UPDATE=1 writes the outputs into the files, for a
 * person to review. */
#include "tests/unit/t.h"
#include "tests/unit/raft/cluster.h"

#include <ctype.h>
#include <stdarg.h>

enum { OUT_BYTES = 16384, WORDS_MAX = 10, ELECTION_MS = 100, HEARTBEAT_MS = 20 };

struct script {
    struct cluster *c;
    bool held[NODES_MAX];
    char out[OUT_BYTES];
    size_t out_len;
    char *word[WORDS_MAX];
    int words;
};

static PRINTF_LIKE(2, 3) void say(struct script *s, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    s->out_len += (size_t)vsnprintf(s->out + s->out_len, OUT_BYTES - s->out_len, fmt, args);
    va_end(args);
    if (s->out_len >= OUT_BYTES)
        T_FAIL("a command says too much");
}

static uint64_t number(const struct script *s, int i)
{
    if (i >= s->words)
        T_FAIL("%s: an argument is missing", s->word[0]);
    return strtoull(s->word[i], NULL, 10);
}

static struct node *node(const struct script *s, int i)
{
    uint64_t id = number(s, i);

    if (id < 1 || id > s->c->count)
        T_FAIL("%s: no node %s", s->word[0], s->word[i]);
    return &s->c->nodes[id - 1];
}

/* ---- the cluster's callbacks ---- */

static void on_sent(struct cluster *c, struct packet *p)
{
    if (c->cut[p->from - 1][p->to - 1]) {
        packet_free(p);
        return;
    }
    if (c->packet_count == c->packet_cap) {
        c->packet_cap = c->packet_cap ? c->packet_cap * 2 : 64;
        c->packets = realloc(c->packets, c->packet_cap * sizeof(struct packet *));
        T_TRUE(c->packets != NULL);
    }
    c->packets[c->packet_count++] = p;
}

static void on_read(struct cluster *c, struct node *n, const struct raft_read *r)
{
    if (r->rc == 0)
        say(c->arg, "n%u: read %lu at %lu\n", n->id, r->id, r->index);
    else
        say(c->arg, "n%u: read %lu refused, %s\n", n->id, r->id, reason_name(r->rc));
}

/* ---- moving things ---- */

static void settle(struct script *s)
{
    for (uint32_t i = 0; i < s->c->count; i++) {
        struct node *n = &s->c->nodes[i];

        while (n->up && !s->held[i] && node_persist(s->c, n))
            ;
        if (n->up && !s->held[i] && n->install_due) {
            node_install(s->c, n);
            i = UINT32_MAX; /* it may have work for others: from the start */
        }
    }
}

/* Deliver, or drop, what is on the wire now from `from` to `to` (0: anybody).  How many. */
static size_t wire_empty(struct script *s, uint64_t from, uint64_t to, bool drop)
{
    struct cluster *c = s->c;
    size_t count = c->packet_count, kept = 0, done = 0;
    struct packet **now = c->packets;

    c->packets = NULL;
    c->packet_count = c->packet_cap = 0;
    for (size_t i = 0; i < count; i++) {
        struct packet *p = now[i];

        if ((from && p->from != from) || (to && p->to != to)) {
            now[kept++] = p;
            continue;
        }
        done++;
        if (drop || c->cut[p->from - 1][p->to - 1])
            packet_free(p);
        else
            packet_deliver(c, p);
        settle(s);
    }
    for (size_t i = 0; i < kept; i++)
        on_sent(c, now[i]);
    free(now);
    return done;
}

static void time_pass(struct script *s, uint64_t ms, bool work)
{
    struct cluster *c = s->c;

    for (; ms > 0; ms--) {
        c->now_ms++;
        for (uint32_t i = 0; i < c->count; i++) {
            struct node *n = &c->nodes[i];

            if (n->up && node_clock(c, n) >= raft_deadline_ms(n->raft))
                (void)node_step(c, n, (struct raft_event){.type = RAFT_EV_TICK}); /* never fails */
        }
        settle(s);
        for (int rounds = 0; work && rounds < 50 && wire_empty(s, 0, 0, false); rounds++)
            ;
    }
}

static void jump(struct script *s, struct node *n, uint64_t ms)
{
    n->clock_base_ms += ms;
    (void)node_step(s->c, n, (struct raft_event){.type = RAFT_EV_TICK}); /* never fails */
}

static void answer(struct script *s, int rc)
{
    if (rc < 0)
        say(s, "refused, %s\n", reason_name(rc));
}

/* ---- commands ---- */

static uint32_t option(const struct script *s, const char *name, uint32_t otherwise)
{
    size_t len = strlen(name);

    for (int i = 2; i < s->words; i++) {
        if (strncmp(s->word[i], name, len) == 0 && s->word[i][len] == '=')
            return (uint32_t)strtoul(s->word[i] + len + 1, NULL, 10);
    }
    return otherwise;
}

static void cmd_cluster(struct script *s)
{
    uint32_t count = (uint32_t)number(s, 1);
    uint32_t learner = option(s, "learner", 0);
    struct raft_conf conf;

    if (s->c)
        cluster_destroy(s->c);
    memset(s->held, 0, sizeof(s->held));
    raft_conf_init(&conf);
    conf.election_ms = ELECTION_MS;
    conf.heartbeat_ms = HEARTBEAT_MS;
    conf.pre_vote = option(s, "prevote", 1);
    conf.check_quorum = option(s, "checkquorum", 1);
    conf.lease = conf.check_quorum && option(s, "lease", 1);
    conf.append_entries_max = option(s, "batch", 10);
    conf.inflight_max = option(s, "window", 4);
    conf.log_keep = option(s, "keep", 0);
    conf.chunk_bytes = 10;
    conf.members.count = count;
    for (uint32_t i = 0; i < count; i++)
        conf.members.m[i] = (struct raft_member){.id = i + 1, .learner = i + 1 == learner};
    s->c = cluster_create(&conf, count, 1);
    s->c->sent = on_sent;
    s->c->read_done = on_read;
    s->c->arg = s;
    for (uint32_t i = 0; i < count; i++)
        node_start(s->c, &s->c->nodes[i]);
    settle(s);
}

static void cmd_wire(struct script *s)
{
    for (size_t i = 0; i < s->c->packet_count; i++) {
        struct packet *p = s->c->packets[i];
        struct cursor cur = cur_over(p->data, p->bytes);
        struct raft_msg m = {0};

        T_OK(raft_msg_decode(&cur, &m));
        say(s, "%u>%u %s term %lu", m.from, m.to, raft_msg_name(m.type), m.term);
        if (m.pos.index)
            say(s, " at %lu/%lu", m.pos.index, m.pos.term);
        if (m.entry_count)
            say(s, " +%u", m.entry_count);
        if (m.chunk.len)
            say(s, " bytes %lu+%u", m.offset, m.chunk.len);
        if (m.ok)
            say(s, " ok");
        if (m.force)
            say(s, " force");
        say(s, "\n");
        raft_msg_fini(&m);
    }
}

static void show(struct script *s, const struct node *n)
{
    static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};
    struct raft_status st;

    if (!n->up) {
        say(s, "n%u down\n", n->id);
        return;
    }
    st = node_status(n);
    say(s, "n%u %s term %lu vote %u leader %u commit %lu applied %lu value %lu log %lu:", n->id,
        roles[st.role], st.hard.term, st.hard.vote, st.leader, st.commit, n->applied,
        n->state.value, st.log_base.index);
    for (uint64_t i = st.log_base.index + 1; i <= st.last.index; i++)
        say(s, " %lu", raft_entry_at(n->raft, i)->pos.term);
    say(s, "%s%s\n", st.durable < st.last.index ? " not all durable" : "",
        st.lease ? " lease" : "");
}

static void cmd_show(struct script *s)
{
    if (s->words > 1) {
        show(s, node(s, 1));
        return;
    }
    for (uint32_t i = 0; i < s->c->count; i++)
        show(s, &s->c->nodes[i]);
}

static void cmd_propose(struct script *s)
{
    int rc = node_propose(s->c, node(s, 1), number(s, 2));

    answer(s, rc);
    settle(s);
}

static bool run_network(struct script *s, const char *cmd)
{
    bool pair = s->words > 2;
    uint64_t from = pair ? number(s, 1) : 0, to = pair ? number(s, 2) : 0;

    if (strcmp(cmd, "deliver") == 0) {
        while (wire_empty(s, from, to, false) && !pair)
            ;
    } else if (strcmp(cmd, "drop") == 0) {
        (void)wire_empty(s, from, to, true); /* however many */
    } else if (strcmp(cmd, "cut") == 0) {
        s->c->cut[node(s, 1)->id - 1][node(s, 2)->id - 1] = true;
        s->c->cut[node(s, 2)->id - 1][node(s, 1)->id - 1] = true;
    } else if (strcmp(cmd, "mute") == 0) {
        s->c->cut[node(s, 1)->id - 1][node(s, 2)->id - 1] = true;
    } else if (strcmp(cmd, "heal") == 0) {
        memset(s->c->cut, 0, sizeof(s->c->cut));
    } else if (strcmp(cmd, "wire") == 0) {
        cmd_wire(s);
    } else {
        return false;
    }
    return true;
}

static bool run_node(struct script *s, const char *cmd)
{
    struct raft_event ev = {.type = RAFT_EV_MEMBERS};

    if (strcmp(cmd, "stand") == 0) {
        jump(s, node(s, 1), UINT64_C(2) * ELECTION_MS);
    } else if (strcmp(cmd, "jump") == 0) {
        jump(s, node(s, 1), number(s, 2));
    } else if (strcmp(cmd, "hold") == 0 || strcmp(cmd, "free") == 0) {
        s->held[node(s, 1)->id - 1] = cmd[0] == 'h';
    } else if (strcmp(cmd, "crash") == 0) {
        node_crash(s->c, node(s, 1), false);
    } else if (strcmp(cmd, "start") == 0) {
        node_start(s->c, node(s, 1));
    } else if (strcmp(cmd, "propose") == 0) {
        cmd_propose(s);
    } else if (strcmp(cmd, "read") == 0) {
        answer(s, node_read(s->c, node(s, 1)));
    } else if (strcmp(cmd, "snapshot") == 0) {
        node_snapshot(s->c, node(s, 1));
    } else if (strcmp(cmd, "transfer") == 0) {
        ev = (struct raft_event){.type = RAFT_EV_TRANSFER, .id = number(s, 2)};
        answer(s, node_step(s->c, node(s, 1), ev));
    } else if (strcmp(cmd, "members") == 0) {
        answer(s, node_step(s->c, node(s, 1), ev));
    } else {
        return false;
    }
    settle(s);
    return true;
}

static void run_command(struct script *s)
{
    const char *cmd = s->word[0];

    if (strcmp(cmd, "cluster") == 0)
        cmd_cluster(s);
    else if (!s->c)
        T_FAIL("a story begins with a cluster");
    else if (strcmp(cmd, "show") == 0)
        cmd_show(s);
    else if (strcmp(cmd, "time") == 0 || strcmp(cmd, "run") == 0)
        time_pass(s, number(s, 1), cmd[0] == 'r');
    else if (!run_network(s, cmd) && !run_node(s, cmd))
        T_FAIL("no such command: %s", cmd);
    if (s->c->failed[0])
        T_FAIL("%s: the oracle says: %s", cmd, s->c->failed);
}

/* ---- files ---- */

static char *file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 18);

    if (!f || !text)
        T_FAIL("cannot read %s", path);
    T_LT(fread(text, 1, (1 << 18) - 1, f), (size_t)(1 << 18) - 1);
    fclose(f);
    return text;
}

static void split(struct script *s, char *line)
{
    s->words = 0;
    for (char *w = strtok(line, " "); w && s->words < WORDS_MAX; w = strtok(NULL, " "))
        s->word[s->words++] = w;
}

/* Compare the output, line by line, with the "> " lines at `at`; returns what follows them. */
static char *expect(struct script *s, char *at, const char *path, int *line_no, FILE *update)
{
    char *want = calloc(1, OUT_BYTES);

    T_TRUE(want != NULL);
    while (at[0] == '>') {
        char *end = strchr(at, '\n');

        T_TRUE(end != NULL);
        if (!update)
            strncat(want, at + 2, (size_t)(end - at - 1));
        at = end + 1;
        ++*line_no;
    }
    for (char *line = s->out; update && *line;) {
        char *end = strchr(line, '\n');

        fprintf(update, "> %.*s\n", (int)(end - line), line);
        line = end + 1;
    }
    if (!update && strcmp(want, s->out) != 0)
        T_FAIL("%s:%d:\nwanted:\n%sgot:\n%s", path, *line_no, want, s->out);
    free(want);
    return at;
}

static void story(const char *name)
{
    struct script s = {0};
    char path[512], *text, *at;
    FILE *update = NULL;
    int line_no = 0;

    snprintf(path, sizeof(path), "%s/tests/unit/raft/%s.txt", t_srcdir(), name);
    text = at = file_read(path);
    if (getenv("RAFT_SCRIPT_UPDATE"))
        update = fopen(path, "wb");
    while (*at) {
        char line[256] = {0};
        char *end = strchr(at, '\n');

        T_TRUE(end != NULL && (size_t)(end - at) < sizeof(line));
        memcpy(line, at, (size_t)(end - at));
        at = end + 1;
        line_no++;
        if (update)
            fprintf(update, "%s\n", line);
        if (line[0] == '#' || line[0] == '\0')
            continue;
        s.out[0] = '\0';
        s.out_len = 0;
        split(&s, line);
        run_command(&s);
        at = expect(&s, at, path, &line_no, update);
    }
    if (update)
        fclose(update);
    T_TRUE(s.c != NULL);
    cluster_destroy(s.c);
    free(text);
}

#define STORY(name, sentence)                                                                      \
    T(raft_story, sentence)                                                                        \
    {                                                                                              \
        story(name);                                                                               \
    }

STORY("election", a_majority_elects_one_leader_and_a_vote_survives_a_crash)
STORY("prevote", a_member_that_was_cut_off_disturbs_nobody)
STORY("quorum", a_leader_without_a_majority_steps_down)
STORY("reads", a_read_is_never_older_than_what_was_known)
STORY("log", diverged_logs_come_back_to_the_leaders)
STORY("commit", only_durable_entries_of_the_own_term_are_counted)
STORY("snapshot", a_peer_behind_the_log_is_brought_up_by_a_snapshot)
STORY("transfer", leadership_can_be_handed_over)
