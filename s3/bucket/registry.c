/* registry.c - the record of a bucket, and the row that its owner's listing finds. */
#include "s3/bucket/registry.h"

int record_get(struct call *c, struct bytes bucket)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);

    name_bucket(c->name, bucket);
    if (op)
        cairn_op_xattr_get(op, "record");
    return 0;
}

int record_replace(struct call *c, struct bytes bucket, const struct writer *was,
                   const struct writer *next)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);

    name_bucket(c->name, bucket);
    if (!op || was->rc < 0 || next->rc < 0)
        return -ENOMEM;
    cairn_op_cmp_xattr(op, "record", was->len ? CAIRN_EQ : CAIRN_ABSENT, was->data, was->len);
    if (next->len)
        cairn_op_xattr_set(op, "record", next->data, next->len);
    else
        cairn_op_delete(op);
    return 0;
}

int record_take(struct call *c, struct writer *raw, struct bucket_row *out_row)
{
    struct bytes value;
    int rc = c->code;

    writer_fini(raw);
    if (rc == -R_NO_OBJECT || rc == -R_NO_XATTR)
        return -R_NO_BUCKET;
    if (rc == 0 || rc == -R_GUARD_FAILED)
        rc = call_present(c, 0, &value);
    if (rc == 0 && !value.len)
        rc = -R_NO_BUCKET;
    if (rc < 0)
        return rc;
    wr_raw(raw, value.data, value.len);
    return raw->rc < 0 ? raw->rc : bucket_row_decode(written(raw), out_row);
}

int note_write(struct call *c, const struct shard_note *note)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);
    AUTO(writer) w = {0};
    char name[NAME_BYTES];
    struct cairn_pair pair;

    shard_note_encode(note, &w);
    name_shard(name, &note->id, note->no);
    name_notes(c->name, notes_of(&note->id));
    if (!op || w.rc < 0)
        return -ENOMEM;
    pair = pair_of(BYTES_STR(name), written(&w));
    cairn_op_omap_set(op, &pair, 1);
    return 0;
}

bool note_is_old(const struct bucket_layer *l, uint64_t noted_ns)
{
    return env_now_ns(l->env) - noted_ns > l->conf.reader_grace_ms * NS_PER_MS / 2;
}

int own_write(struct call *c, const char *owner, struct bytes bucket, const struct writer *value)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);
    struct cairn_pair pair = pair_of(bucket, written(value));

    name_owner(c->name, owner);
    if (!op || value->rc < 0)
        return -ENOMEM;
    cairn_op_omap_set(op, &pair, 1);
    return 0;
}

int own_settle(struct call *c, const char *owner, struct bytes bucket, const struct writer *was,
               bool sure)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);
    AUTO(writer) w = {0};
    struct cairn_pair pair;
    struct own_row row;
    int rc = own_row_decode(written(was), &row);

    name_owner(c->name, owner);
    if (!op || rc < 0)
        return rc < 0 ? rc : -ENOMEM;
    row.sure = true;
    own_row_encode(&row, &w);
    if (w.rc < 0)
        return w.rc;
    pair = pair_of(bucket, written(&w));
    cairn_op_cmp_omap(op, bucket.data, bucket.len, CAIRN_EQ, was->data, was->len);
    if (sure)
        cairn_op_omap_set(op, &pair, 1);
    else
        cairn_op_omap_rm(op, &pair, 1);
    return 0;
}

int own_unsure(struct bucket_layer *l, const struct uuid *id, uint64_t created_ns,
               struct writer *out_value)
{
    struct own_row row = {.id = *id, .token = layer_uuid(l), .created_ns = created_ns};

    writer_fini(out_value);
    own_row_encode(&row, out_value);
    return out_value->rc;
}
