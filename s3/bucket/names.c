/* names.c - keys of rows, names of objects, and which names and keys S3 allows. */
#include <stdio.h>

#include "core/base/utf8.h"
#include "s3/bucket/rows.h"

void uuid_text(const struct uuid *u, char out[2 * UUID_BYTES + 1])
{
    hex_put(u->b, UUID_BYTES, out);
}

int uuid_parse(struct bytes text, struct uuid *out_uuid)
{
    struct uuid u;

    if (!hex_get(text, u.b, UUID_BYTES))
        return -EINVAL;
    *out_uuid = u;
    return 0;
}

void s3_etag_text(const struct s3_etag *etag, char out[S3_ETAG_TEXT])
{
    hex_put(etag->md5, 16, out);
    if (etag->parts)
        snprintf(out + 32, S3_ETAG_TEXT - 32, "-%u", (unsigned)etag->parts);
}

/* ---- keys of rows ---- */

static void key_begin(struct row_key *k, enum row_prefix prefix)
{
    k->b[0] = (uint8_t)prefix;
    k->len = 1;
}

static void key_add(struct row_key *k, const void *data, size_t bytes)
{
    ASSERT(k->len + bytes <= ROW_KEY_MAX);
    if (bytes)
        memcpy(k->b + k->len, data, bytes);
    k->len += (uint32_t)bytes;
}

/* Big-endian, so that rows sort by it. */
static void key_add_number(struct row_key *k, uint64_t v, unsigned bytes)
{
    uint8_t be[8];

    for (unsigned i = 0; i < bytes; i++)
        be[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
    key_add(k, be, bytes);
}

static uint64_t number_of(const uint8_t *at, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return v;
}

void row_key_map(struct row_key *k, struct bytes from)
{
    k->b[0] = MAP_PREFIX;
    k->len = 1;
    key_add(k, from.data, from.len);
}

void row_key_named(struct row_key *k, enum row_prefix prefix, struct bytes key)
{
    key_begin(k, prefix);
    key_add(k, key.data, key.len);
}

/* A key has no NUL: rows of one come before those of any that goes on. */
static void key_end(struct row_key *k)
{
    key_add(k, "", 1);
}

void row_key_of(struct row_key *k, enum row_prefix prefix, struct bytes key, const struct uuid *id)
{
    row_key_named(k, prefix, key);
    key_end(k);
    key_add(k, id->b, UUID_BYTES);
}

void row_key_garbage(struct row_key *k, struct bytes key, uint8_t kind, const struct uuid *id)
{
    row_key_named(k, ROW_GARBAGE, key);
    key_end(k);
    key_add_number(k, kind, 1);
    key_add(k, id->b, UUID_BYTES);
}

void row_key_part(struct row_key *k, struct bytes key, const struct uuid *upload, uint32_t number)
{
    row_key_of(k, ROW_PART, key, upload);
    key_add_number(k, number, 2);
}

/* The object's key in front of a tail of so many bytes. */
static int tail_parse(struct bytes k, uint32_t tail, struct bytes *out_key)
{
    if (k.len < 1 + 1 + 1 + tail || k.len > 1 + S3_KEY_MAX + 1 + tail || k.data[k.len - tail - 1])
        return -R_MALFORMED;
    *out_key = (struct bytes){k.data + 1, k.len - tail - 2};
    return 0;
}

int row_key_parse(struct bytes k, struct bytes *out_key, struct uuid *out_id)
{
    int rc = tail_parse(k, UUID_BYTES, out_key);

    if (rc == 0)
        memcpy(out_id->b, k.data + k.len - UUID_BYTES, UUID_BYTES);
    return rc;
}

int row_key_garbage_parse(struct bytes k, struct bytes *out_key, struct uuid *out_id)
{
    int rc = tail_parse(k, 1 + UUID_BYTES, out_key);

    if (rc == 0)
        memcpy(out_id->b, k.data + k.len - UUID_BYTES, UUID_BYTES);
    return rc;
}

int row_key_part_parse(struct bytes k, struct bytes *out_key, struct uuid *out_upload,
                       uint32_t *out_number)
{
    int rc = tail_parse(k, UUID_BYTES + 2, out_key);

    if (rc < 0)
        return rc;
    memcpy(out_upload->b, k.data + k.len - 2 - UUID_BYTES, UUID_BYTES);
    *out_number = (uint32_t)number_of(k.data + k.len - 2, 2);
    return 0;
}

/* ---- names of objects ---- */

void name_bucket(char out[NAME_BYTES], struct bytes bucket)
{
    ASSERT(bucket.len <= S3_BUCKET_NAME_MAX);
    snprintf(out, NAME_BYTES, "bucket.%.*s", (int)bucket.len, (const char *)bucket.data);
}

void name_owner(char out[NAME_BYTES], const char *owner)
{
    snprintf(out, NAME_BYTES, "buckets.%s", owner);
}

void name_notes(char out[NAME_BYTES], unsigned n)
{
    snprintf(out, NAME_BYTES, "shards.%u", n);
}

unsigned notes_of(const struct uuid *bucket)
{
    return bucket->b[0] % SHARD_NOTES;
}

void name_shard(char out[NAME_BYTES], const struct uuid *bucket, uint64_t no)
{
    char id[2 * UUID_BYTES + 1];

    uuid_text(bucket, id);
    snprintf(out, NAME_BYTES, "shard.%s.%llx", id, (unsigned long long)no);
}

void name_stripe(char out[NAME_BYTES], const struct uuid *id, uint64_t n)
{
    char text[2 * UUID_BYTES + 1];

    uuid_text(id, text);
    snprintf(out, NAME_BYTES, "o.%s.%llu", text, (unsigned long long)n);
}

/* ---- what S3 allows ---- */

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool has_prefix(struct bytes name, const char *prefix)
{
    size_t n = strlen(prefix);

    return name.len >= n && memcmp(name.data, prefix, n) == 0;
}

static bool has_suffix(struct bytes name, const char *suffix)
{
    size_t n = strlen(suffix);

    return name.len >= n && memcmp(name.data + name.len - n, suffix, n) == 0;
}

/* Four numbers with dots between, of any size: what a client might take for an address. */
static bool like_ipv4(struct bytes name)
{
    unsigned dots = 0;

    for (uint32_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.')
            dots++;
        else if (name.data[i] < '0' || name.data[i] > '9')
            return false;
    }
    return dots == 3;
}

bool bucket_name_valid(struct bytes name)
{
    if (name.len < S3_BUCKET_NAME_MIN || name.len > S3_BUCKET_NAME_MAX)
        return false;
    if (!is_alnum(name.data[0]) || !is_alnum(name.data[name.len - 1]))
        return false;
    for (uint32_t i = 1; i < name.len; i++) {
        uint8_t c = name.data[i], before = name.data[i - 1];

        if (!is_alnum(c) && c != '-' && c != '.')
            return false;
        if ((c == '.' && !is_alnum(before)) || (before == '.' && !is_alnum(c)))
            return false;
    }
    return !like_ipv4(name);
}

bool bucket_name_reserved(struct bytes name)
{
    static const char *const prefixes[] = {"xn--", "sthree-", "amzn-s3-demo-"};
    static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (has_prefix(name, prefixes[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (has_suffix(name, suffixes[i]))
            return true;
    return false;
}

int s3_key_check(struct bytes key)
{
    if (key.len > S3_KEY_MAX)
        return -R_KEY_TOO_LONG;
    if (key.len == 0 || memchr(key.data, '\0', key.len) || !utf8_valid(key.data, key.len))
        return -R_BAD_KEY;
    return 0;
}

int s3_headers_check(const struct s3_header *h, uint32_t count)
{
    uint64_t bytes = 0;

    if (count > S3_HEADERS_MAX)
        return -R_META_TOO_LARGE;
    for (uint32_t i = 0; i < count; i++)
        bytes += (uint64_t)h[i].name.len + h[i].value.len;
    return bytes > S3_HEADERS_BYTES_MAX ? -R_META_TOO_LARGE : 0;
}

int s3_tags_check(const struct s3_header *tags, uint32_t count)
{
    if (count > S3_TAGS_MAX)
        return -R_META_TOO_LARGE;
    for (uint32_t i = 0; i < count; i++)
        if (tags[i].name.len > S3_TAG_KEY_MAX || tags[i].value.len > S3_TAG_VALUE_MAX)
            return -R_META_TOO_LARGE;
    return 0;
}

int props_check(const struct s3_header *props, uint32_t count)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++)
        bytes += (uint64_t)props[i].name.len + props[i].value.len;
    return count > S3_HEADERS_MAX || bytes > S3_PROPS_BYTES_MAX ? -R_META_TOO_LARGE : 0;
}
