/* fake_list.c - listings of the fake bucket layer. */
#include "tests/unit/s3/fake_int.h"

struct rows_call {
    struct env_task task;
    struct bucket_layer *l;
    struct object_list list;
    struct object_list_row *row; /* owned, names too */
    int rc;
    object_list_fn *done;
    void *arg;
};

static void run_rows(struct env_task *task)
{
    struct rows_call *c = CONTAINER_OF(task, struct rows_call, task);

    c->l->open--;
    c->done(c->arg, c->rc, c->rc ? NULL : &c->list);
    for (uint32_t i = 0; i < c->list.count; i++)
        fake_disown(c->row[i].name);
    mem_free(c->row);
    mem_free(c);
}

bool fake_begins(struct bytes b, struct bytes with)
{
    return b.len >= with.len && (with.len == 0 || memcmp(b.data, with.data, with.len) == 0);
}

/* The common prefix of a key, or nothing. */
static struct bytes folded(struct bytes key, const struct object_list_args *args)
{
    const uint8_t *at = NULL;

    if (args->delimiter.len)
        at = memmem(key.data + args->prefix.len, key.len - args->prefix.len, args->delimiter.data,
                    args->delimiter.len);
    return (struct bytes){key.data, at ? (uint32_t)(at - key.data) + args->delimiter.len : 0};
}

static void rows_fill(struct rows_call *c, const struct fake_bucket *b,
                      const struct object_list_args *args)
{
    struct bytes last = args->after;

    for (uint32_t i = 0; i < b->count; i++) {
        const struct fake_object *o = b->object[i];
        struct bytes prefix, name;

        if (!fake_begins(o->key, args->prefix))
            continue;
        prefix = folded(o->key, args);
        name = prefix.len ? prefix : o->key;
        if (bytes_compare(name, last) <= 0 && last.len)
            continue;
        if (c->list.count == args->max) {
            c->list.truncated = args->max > 0;
            break;
        }
        c->row[c->list.count++] = (struct object_list_row){fake_own(name), prefix.len > 0, o->info};
        last = name;
    }
    if (c->list.truncated)
        c->list.next = c->row[c->list.count - 1].name;
}

int object_list(struct bucket_layer *l, const struct s3_principal *who,
                const struct object_list_args *args, object_list_fn *done, void *arg)
{
    struct fake_bucket *b = fake_bucket_find(l, args->bucket);
    struct rows_call *c = mem_zalloc(sizeof(*c));

    c->l = l;
    c->rc = !b ? -R_NO_BUCKET : fake_owns(who) || fake_listable(b) ? 0 : -R_DENIED;
    c->list.owner = "alice";
    c->row = mem_calloc(args->max + 1, sizeof(c->row[0]));
    c->list.rows = c->row;
    c->done = done;
    c->arg = arg;
    if (b)
        rows_fill(c, b, args);
    l->open++;
    env_task_init(&c->task, run_rows);
    env_post(l->env, &c->task);
    return 0;
}
