/* history.c - operations as clients saw them, and the bytes behind their tags. */
#include "tests/sim/history.h"

/* --- values ----------------------------------------------------------------------------------- */

/* Every eight bytes hold the tag and how far into the write they stand, so a hex dump explains. */
void tag_fill(uint32_t tag, uint64_t from, uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint64_t at = from + i;
        uint64_t word = (uint64_t)tag | (TAG_PLACE | at / 8) << 32;

        out[i] = (uint8_t)(word >> at % 8 * 8);
    }
}

size_t tag_value(uint32_t tag, uint8_t *out)
{
    size_t bytes = 8 + tag * 37u % (VALUE_BYTES_MAX - 8);

    tag_fill(tag, 0, out, bytes);
    return bytes;
}

uint32_t tag_of_value(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint8_t want[VALUE_BYTES_MAX];
    uint32_t tag;

    if (bytes < 8 || bytes > VALUE_BYTES_MAX)
        return TAG_BROKEN;
    tag = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (tag_value(tag, want) != bytes || memcmp(want, p, bytes) != 0)
        return TAG_BROKEN;
    return tag;
}

const char *xattr_name(uint32_t n)
{
    static const char *const names[HOT_XATTRS] = {"user.a", "user.b", "user.c", "user.d"};

    ASSERT(n < HOT_XATTRS);
    return names[n];
}

uint32_t xattr_number(const void *name, size_t bytes)
{
    for (uint32_t n = 0; n < HOT_XATTRS; n++)
        if (bytes == strlen(xattr_name(n)) && memcmp(name, xattr_name(n), bytes) == 0)
            return n;
    return TAG_BROKEN;
}

/* In memcmp order of their numbers. */
size_t key_name(uint32_t n, char out[16])
{
    return (size_t)snprintf(out, 16, "key%03u", n);
}

uint32_t key_number(const void *name, size_t bytes)
{
    char want[16];

    for (uint32_t n = 0; n < HOT_KEYS; n++)
        if (key_name(n, want) == bytes && memcmp(name, want, bytes) == 0)
            return n;
    return TAG_BROKEN;
}

/* --- operations ------------------------------------------------------------------------------- */

bool hop_writes(const struct hop *op)
{
    for (uint32_t i = 0; i < op->step_count; i++)
        if (op->step[i].kind >= STEP_CREATE)
            return true;
    return false;
}

static void print_pairs(FILE *f, const struct hpair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        fprintf(f, " %u:%x", pairs[i].key, pairs[i].tag);
}

static void print_data(FILE *f, const struct hstep *st)
{
    fprintf(f, " -> %zu bytes", st->data_bytes);
    for (size_t at = 0, told = 0; at + 8 <= st->data_bytes && told < 6; at += 8) {
        const uint8_t *p = st->data + at;
        uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
        const uint8_t *before = at ? p - 8 : NULL;

        if (before && memcmp(before, p, 3) == 0)
            continue; /* the same write goes on */
        fprintf(f, " @%zu:%x", at, word);
        told++;
    }
}

static void print_step(FILE *f, const struct hstep *st, bool done)
{
    static const char *const cmps[] = {"==", "!=", "<", "<=", ">", ">=", "absent", "present"};
    unsigned long long off = st->off, len = st->len;

    switch (st->kind) {
    case STEP_ASSERT_EXISTS:
        fprintf(f, " exists?");
        break;
    case STEP_ASSERT_ABSENT:
        fprintf(f, " absent?");
        break;
    case STEP_ASSERT_VERSION:
        fprintf(f, " version==%u'%llu?", st->version.epoch.v, (unsigned long long)st->version.seq);
        break;
    case STEP_CMP_XATTR:
        fprintf(f, " xattr[%u]%s%x?", st->key, cmps[st->cmp], st->tag);
        break;
    case STEP_CMP_OMAP:
        fprintf(f, " omap[%u]%s%x?", st->key, cmps[st->cmp], st->tag);
        break;
    case STEP_READ:
        fprintf(f, " read(%llu,%llu)", off, len);
        if (done && st->rc == 0)
            print_data(f, st);
        break;
    case STEP_EXTENTS:
        fprintf(f, " extents(%llu,%llu)", off, len);
        break;
    case STEP_STAT:
        fprintf(f, " stat");
        if (done && st->rc == 0)
            fprintf(f, " -> %llu bytes %u'%llu", (unsigned long long)st->size, st->seen.epoch.v,
                    (unsigned long long)st->seen.seq);
        break;
    case STEP_XATTR_GET:
        fprintf(f, " xattr_get(%u)", st->key);
        if (done && st->rc == 0)
            fprintf(f, " -> %x", tag_of_value(st->data, st->data_bytes));
        break;
    case STEP_XATTR_LIST:
    case STEP_OMAP_GET:
    case STEP_OMAP_RANGE:
        fprintf(f, " %s(%u,%u",
                st->kind == STEP_XATTR_LIST ? "xattr_list"
                : st->kind == STEP_OMAP_GET ? "omap_get"
                                            : "omap_range",
                st->key, st->key_to);
        print_pairs(f, st->pair, st->pair_count);
        if (st->kind == STEP_OMAP_RANGE)
            fprintf(f, ",%u", st->rows_max);
        fprintf(f, ")");
        if (done && st->rc == 0) {
            fprintf(f, " ->");
            print_pairs(f, st->pairs, st->result_count);
            fprintf(f, "%s", st->more ? " more" : "");
        }
        break;
    case STEP_CREATE:
        fprintf(f, " create%s", st->exclusive ? "!" : "");
        break;
    case STEP_WRITE:
        fprintf(f, " write(%llu,%llu) %x", off, len, st->tag);
        break;
    case STEP_WRITE_FULL:
        fprintf(f, " write_full(%llu) %x", len, st->tag);
        break;
    case STEP_APPEND:
        fprintf(f, " append(%llu) %x", len, st->tag);
        break;
    case STEP_TRUNCATE:
        fprintf(f, " truncate(%llu)", off);
        break;
    case STEP_ZERO:
        fprintf(f, " zero(%llu,%llu)", off, len);
        break;
    case STEP_DELETE:
        fprintf(f, " delete");
        break;
    case STEP_XATTR_SET:
        fprintf(f, " xattr_set(%u) %x", st->key, st->tag);
        break;
    case STEP_XATTR_RM:
        fprintf(f, " xattr_rm(%u)", st->key);
        break;
    case STEP_OMAP_SET:
        fprintf(f, " omap_set(");
        print_pairs(f, st->pair, st->pair_count);
        fprintf(f, ")");
        break;
    case STEP_OMAP_RM:
        fprintf(f, " omap_rm(");
        print_pairs(f, st->pair, st->pair_count);
        fprintf(f, ")");
        break;
    case STEP_OMAP_RM_RANGE:
        fprintf(f, " omap_rm_range(%u,%u)", st->key, st->key_to);
        break;
    case STEP_OMAP_CLEAR:
        fprintf(f, " omap_clear");
        break;
    default:
        fprintf(f, " step %u", st->kind);
    }
}

void hop_print(FILE *f, const struct hop *op)
{
    bool done = op->end == HOP_DONE;

    fprintf(f, "  #%-5u client %u  %10.6f .. ", op->number, op->client, (double)op->call_ns / 1e9);
    if (done)
        fprintf(f, "%10.6f ", (double)op->ret_ns / 1e9);
    else
        fprintf(f, "%10s ", "open");
    for (uint32_t i = 0; i < op->step_count; i++)
        print_step(f, &op->step[i], done);
    if (done)
        fprintf(f, "  = %s", op->rc ? strerror(-op->rc) : "ok");
    if (done && op->rc)
        fprintf(f, " at step %d", op->failed_step);
    fprintf(f, "\n");
}

/* --- the history of an object ----------------------------------------------------------------- */

void history_init(struct history *h, const char *name)
{
    *h = (struct history){0};
    snprintf(h->name, sizeof(h->name), "%s", name);
}

void history_fini(struct history *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        for (uint32_t s = 0; s < h->op[i]->step_count; s++) {
            mem_free(h->op[i]->step[s].data);
            mem_free(h->op[i]->step[s].pairs);
        }
        mem_free(h->op[i]);
    }
    mem_free(h->op);
    *h = (struct history){0};
}

struct hop *history_add(struct history *h)
{
    struct hop *op = mem_zalloc(sizeof(*op));

    ASSERT(op);
    if (h->count == h->cap) {
        uint32_t cap = h->cap ? 2 * h->cap : 64;
        struct hop **grown = mem_realloc(h->op, cap * sizeof(*grown));

        ASSERT(grown);
        h->op = grown;
        h->cap = cap;
    }
    h->op[h->count++] = op;
    return op;
}
