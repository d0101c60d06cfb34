/* sums.c - the checksum of an object from those of its parts. */
#include "s3/bucket/sums.h"

static void full(const struct object_part *parts, uint32_t count, struct s3_sum *sum)
{
    memcpy(sum->value, parts[0].sum.value, sizeof(sum->value));
    for (uint32_t i = 1; i < count; i++)
        checksum_join(sum->kind, sum->value, parts[i].sum.value, parts[i].size);
}

static int composite(const struct object_part *parts, uint32_t count, struct s3_sum *sum)
{
    struct checksum c = {0};
    struct digest_kit kit;
    int rc = digest_kit_init(&kit);

    if (rc < 0)
        return rc;
    rc = checksum_begin(&c, &kit, sum->kind);
    for (uint32_t i = 0; i < count && rc == 0; i++)
        checksum_add(&c, parts[i].sum.value, checksum_bytes(sum->kind));
    if (rc == 0)
        checksum_end(&c, sum->value);
    checksum_fini(&c);
    digest_kit_fini(&kit);
    return rc;
}

int sums_join(enum checksum_kind kind, enum s3_sum_type type, const struct object_part *parts,
              uint32_t count, struct s3_sum *out_sum)
{
    bool known =
        kind != CHECKSUM_NONE && count && (type == S3_SUM_COMPOSITE || checksum_joins(kind));
    struct s3_sum sum = {.kind = kind, .type = type};
    int rc = 0;

    for (uint32_t i = 0; i < count && known; i++)
        known = parts[i].sum.kind == kind;
    if (!known)
        memset(&sum, 0, sizeof(sum));
    else if (type == S3_SUM_COMPOSITE)
        rc = composite(parts, count, &sum);
    else
        full(parts, count, &sum);
    if (rc == 0)
        *out_sum = sum;
    return rc;
}

bool sums_equal(const struct s3_sum *a, const struct s3_sum *b)
{
    return a->kind == b->kind && memcmp(a->value, b->value, checksum_bytes(a->kind)) == 0;
}
