/* load_model.c - the model of loadgen: objects as bytes in memory, and their journal. */
#include "tests/integration/load_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *must_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);

    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return p;
}

void change_fill(uint32_t id, uint64_t seq, unsigned char *dst, size_t bytes)
{
    uint64_t x = ((uint64_t)id << 40) ^ (seq * 0x9e3779b97f4a7c15u);

    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t z = x += 0x9e3779b97f4a7c15u; /* splitmix64 */

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(dst + i, &z, bytes - i < 8 ? bytes - i : 8);
    }
}

/* --- states --- */

static void state_resize(struct state *s, size_t bytes)
{
    unsigned char *data;

    if (bytes > s->bytes) { /* what lies between the old end and the new one reads as zeros */
        data = must_alloc(bytes);
        if (s->bytes)
            memcpy(data, s->data, s->bytes);
        free(s->data);
        s->data = data;
    }
    s->bytes = bytes;
}

void state_free(struct state *s)
{
    free(s->data);
    memset(s, 0, sizeof(*s));
}

static void state_apply(struct state *s, uint32_t id, const struct change *c)
{
    uint64_t off = c->kind == CHANGE_WRITE ? c->off : c->kind == CHANGE_APPEND ? s->bytes : 0;

    if (c->kind == CHANGE_DELETE) {
        state_free(s);
        s->seq = c->seq;
        return;
    }
    s->exists = true;
    s->seq = c->seq;
    s->rows[c->seq % MODEL_ROWS] = c->seq;
    if (c->kind == CHANGE_TRUNCATE) {
        state_resize(s, c->off);
        return;
    }
    if (c->kind == CHANGE_FULL)
        s->bytes = 0;
    if (off + c->len > s->bytes)
        state_resize(s, off + c->len);
    if (c->len)
        change_fill(id, c->seq, s->data + off, c->len);
}

void state_after_pending(const struct model_object *o, struct state *out_state)
{
    *out_state = o->now;
    out_state->data = must_alloc(o->now.bytes);
    if (o->now.bytes)
        memcpy(out_state->data, o->now.data, o->now.bytes);
    state_apply(out_state, o->id, &o->pending);
}

const char *state_differs(const struct state *want, const struct state *got, char text[200])
{
    size_t at = 0;

    if (want->exists != got->exists) {
        snprintf(text, 200, "%s", want->exists ? "it is gone" : "it should not exist");
        return text;
    }
    if (!want->exists)
        return NULL;
    if (want->seq != got->seq) {
        snprintf(text, 200, "its tag is %llu, not %llu", (unsigned long long)got->seq,
                 (unsigned long long)want->seq);
        return text;
    }
    if (want->bytes != got->bytes) {
        snprintf(text, 200, "it has %zu bytes, not %zu", got->bytes, want->bytes);
        return text;
    }
    while (at < want->bytes && want->data[at] == got->data[at])
        at++;
    if (at < want->bytes) {
        snprintf(text, 200, "byte %zu of %zu is %02x, not %02x", at, want->bytes, got->data[at],
                 want->data[at]);
        return text;
    }
    for (unsigned i = 0; i < MODEL_ROWS; i++)
        if (want->rows[i] != got->rows[i]) {
            snprintf(text, 200, "omap row %u holds %llu, not %llu", i,
                     (unsigned long long)got->rows[i], (unsigned long long)want->rows[i]);
            return text;
        }
    return NULL;
}

/* --- the journal --- */

static void line_write(struct model *m, const char *line, int bytes)
{
    if (write(m->journal_fd, line, (size_t)bytes) != bytes) {
        fprintf(stderr, "the journal: %s\n", strerror(errno));
        exit(2);
    }
}

void journal_intent(struct model *m, struct model_object *o, const struct change *c)
{
    char line[128];
    int n =
        snprintf(line, sizeof(line), "I %u %llu %c %llu %llu\n", o->id, (unsigned long long)c->seq,
                 (char)c->kind, (unsigned long long)c->off, (unsigned long long)c->len);

    pthread_mutex_lock(&m->lock);
    line_write(m, line, n);
    pthread_mutex_unlock(&m->lock);
    o->pending = *c;
    o->last_seq = c->seq;
}

static void journal_answer(struct model *m, struct model_object *o, char answer)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%c %u %llu\n", answer, o->id,
                     (unsigned long long)o->pending.seq);

    pthread_mutex_lock(&m->lock);
    line_write(m, line, n);
    pthread_mutex_unlock(&m->lock);
}

void journal_acknowledged(struct model *m, struct model_object *o)
{
    journal_answer(m, o, 'A');
    state_apply(&o->now, o->id, &o->pending);
    o->pending = (struct change){0};
}

void journal_not_run(struct model *m, struct model_object *o)
{
    journal_answer(m, o, 'N');
    o->pending = (struct change){0};
}

static bool line_replay(struct model *m, const char *line)
{
    unsigned long long seq, off, len;
    struct model_object *o;
    unsigned id;
    char what, kind;
    int n = sscanf(line, "%c %u %llu %c %llu %llu", &what, &id, &seq, &kind, &off, &len);

    if (n < 3 || id >= m->count)
        return false;
    o = &m->objects[id];
    if (what == 'I' && n == 6 && !o->pending.seq && seq > o->last_seq) {
        o->pending = (struct change){seq, (enum change_kind)kind, off, len};
        o->last_seq = seq;
        return true;
    }
    if (seq != o->pending.seq || (what != 'A' && what != 'N'))
        return false;
    if (what == 'A')
        state_apply(&o->now, o->id, &o->pending);
    o->pending = (struct change){0};
    return true;
}

void model_open(struct model *m, const char *journal, uint32_t count)
{
    char line[128];
    unsigned number = 0;
    FILE *f;

    *m = (struct model){.count = count, .objects = must_alloc(count * sizeof(*m->objects))};
    pthread_mutex_init(&m->lock, NULL);
    for (uint32_t i = 0; i < count; i++)
        m->objects[i].id = i;
    m->journal_fd = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    f = fopen(journal, "re");
    if (m->journal_fd < 0 || !f) {
        fprintf(stderr, "%s: %s\n", journal, strerror(errno));
        exit(2);
    }
    while (fgets(line, sizeof(line), f)) {
        number++;
        if (!line_replay(m, line)) {
            fprintf(stderr, "%s:%u: makes no sense: %s", journal, number, line);
            exit(2);
        }
    }
    fclose(f);
}

void model_close(struct model *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        state_free(&m->objects[i].now);
    free(m->objects);
    close(m->journal_fd);
}
