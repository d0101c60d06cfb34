/* recode.c - one decoder and its encoder after the other. */
#include "tests/unit/s3/bucket/recode.h"

#include "s3/bucket/refs.h"

#define RECODE(type, name)                                                                         \
    do {                                                                                           \
        struct type row;                                                                           \
        int rc = name##_decode(value, &row);                                                       \
                                                                                                   \
        if (rc == 0)                                                                               \
            name##_encode(&row, w);                                                                \
        return rc;                                                                                 \
    } while (0)

static int inline_recode(struct bytes value, struct writer *w)
{
    AUTO(buf) data = {0};
    struct uuid version;
    struct bytes bytes;
    int rc = inline_row_decode(value, &version, &bytes);

    if (rc == 0)
        rc = buf_append_copy(&data, bytes.data, bytes.len);
    if (rc == 0)
        inline_row_encode(&version, &data, w);
    return rc;
}

static int map_recode(struct bytes value, struct writer *w)
{
    uint64_t shard;
    int rc = map_row_decode(value, &shard);

    if (rc == 0)
        map_row_encode(shard, w);
    return rc;
}

static int manifest_recode(struct bytes value, struct writer *w)
{
    struct object_part *parts;
    struct stripes *rows;
    struct arena arena;
    uint32_t count;
    int rc;

    arena_init(&arena);
    rc = manifest_decode(value, &arena, &rows, &count);
    if (rc == 0)
        rc = manifest_parts_decode(value, &arena, &parts, &count);
    if (rc == 0)
        manifest_encode(rows, parts, count, w);
    arena_fini(&arena);
    return rc;
}

/* An entry keeps its headers as they stand: whoever wants them takes them apart. */
static int entry_recode(struct bytes value, struct writer *w)
{
    AUTO(writer) raw = {0};
    const struct s3_header *headers;
    struct entry_row row;
    struct arena arena;
    uint32_t count;
    int rc = entry_row_decode(value, &row);

    if (rc < 0)
        return rc;
    arena_init(&arena);
    rc = headers_decode(row.headers, &arena, &headers, &count);
    if (rc == 0) {
        headers_encode(headers, count, &raw);
        row.headers = (struct bytes){raw.data, (uint32_t)raw.len};
        entry_row_encode(&row, w);
    }
    arena_fini(&arena);
    return rc;
}

int row_recode(enum row_kind kind, struct bytes value, struct writer *w)
{
    switch (kind) {
    case KIND_BUCKET:
        RECODE(bucket_row, bucket_row);
    case KIND_PROPS:
        RECODE(props_row, props_row);
    case KIND_OWN:
        RECODE(own_row, own_row);
    case KIND_NOTE:
        RECODE(shard_note, shard_note);
    case KIND_SHARD:
        RECODE(shard_row, shard_row);
    case KIND_MOVING:
        RECODE(shard_row, shard_row);
    case KIND_MAP:
        return map_recode(value, w);
    case KIND_INLINE:
        return inline_recode(value, w);
    case KIND_MANIFEST:
        return manifest_recode(value, w);
    case KIND_ENTRY:
        return entry_recode(value, w);
    case KIND_INTENT:
        RECODE(intent_row, intent_row);
    case KIND_GARBAGE:
        RECODE(garbage_row, garbage_row);
    case KIND_UPLOAD:
        RECODE(upload_row, upload_row);
    case KIND_PART:
        RECODE(part_row, part_row);
    case KIND_RESULT:
        RECODE(result_row, result_row);
    case KIND_REFS:
        RECODE(refs, refs);
    case ROW_KINDS:
        break;
    }
    return -EINVAL;
}
