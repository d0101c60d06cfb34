/* lanes.c - eight blocks of eight streams at a time, one to each lane of a vector.
 *
 * The steps are those of RFC 1321 and FIPS 180-4, on vectors instead of words; the compiler makes
 * them AVX2 or AVX-512, and the processor says which it has.  What is alone, or on a processor
 * without these, is hashed by OpenSSL.  Lanes that nobody needs repeat the first one.
 *
 * Streams keep the two standards' state words; blocks are whole here, stream_add cuts them. */
#define OPENSSL_SUPPRESS_DEPRECATED /* block by block there is only the older interface */
#include <openssl/md5.h>
#include <openssl/sha.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "s3/auth/lanes.h"

typedef uint32_t vec __attribute__((vector_size(4 * LANES)));

/* Whole blocks of one stream. */
struct run {
    uint32_t *state;
    const uint8_t *data;
    size_t blocks;
};

#define ROTL(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define ROTR(x, n) ROTL(x, 32 - (n))
#define ALWAYS     static inline __attribute__((always_inline))

ALWAYS void state_load(vec *s, unsigned words, const struct run *r)
{
    for (unsigned i = 0; i < words; i++)
        for (unsigned lane = 0; lane < LANES; lane++)
            s[i][lane] = r[lane].state[i];
}

ALWAYS void state_store(const vec *s, unsigned words, struct run *r, unsigned lanes)
{
    for (unsigned i = 0; i < words; i++)
        for (unsigned lane = 0; lane < lanes; lane++)
            r[lane].state[i] = s[i][lane];
}

/* Word i of every lane's block. */
ALWAYS void block_load(vec w[16], const struct run *r, size_t block, bool big_endian)
{
    uint32_t words[16][LANES] __attribute__((aligned(64)));

    for (unsigned lane = 0; lane < LANES; lane++)
        for (unsigned i = 0; i < 16; i++) {
            uint32_t word;

            memcpy(&word, r[lane].data + block * STREAM_BLOCK + 4 * i, 4);
            words[i][lane] = big_endian ? be32toh(word) : le32toh(word);
        }
    for (unsigned i = 0; i < 16; i++)
        memcpy(&w[i], words[i], sizeof(w[i]));
}

/* --- SHA-256 --- */

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define SHA_STEP(a, b, c, d, e, f, g, h, i)                                                        \
    do {                                                                                           \
        vec t1 = h + (ROTR(e, 6) ^ ROTR(e, 11) ^ ROTR(e, 25)) + (g ^ (e & (f ^ g))) +              \
                 (w[i] + sha_k[t + (i)]);                                                          \
                                                                                                   \
        d += t1;                                                                                   \
        h = t1 + (ROTR(a, 2) ^ ROTR(a, 13) ^ ROTR(a, 22)) + ((a & b) | (c & (a | b)));             \
    } while (0)
#define SHA_STEPS(i)                                                                               \
    do {                                                                                           \
        SHA_STEP(a, b, c, d, e, f, g, h, (i));                                                     \
        SHA_STEP(h, a, b, c, d, e, f, g, (i) + 1);                                                 \
        SHA_STEP(g, h, a, b, c, d, e, f, (i) + 2);                                                 \
        SHA_STEP(f, g, h, a, b, c, d, e, (i) + 3);                                                 \
        SHA_STEP(e, f, g, h, a, b, c, d, (i) + 4);                                                 \
        SHA_STEP(d, e, f, g, h, a, b, c, (i) + 5);                                                 \
        SHA_STEP(c, d, e, f, g, h, a, b, (i) + 6);                                                 \
        SHA_STEP(b, c, d, e, f, g, h, a, (i) + 7);                                                 \
    } while (0)

ALWAYS void sha_extend(vec w[16])
{
    for (unsigned i = 0; i < 16; i++) {
        vec x = w[(i + 1) % 16], y = w[(i + 14) % 16];

        w[i] += (ROTR(x, 7) ^ ROTR(x, 18) ^ x >> 3) + w[(i + 9) % 16] +
                (ROTR(y, 17) ^ ROTR(y, 19) ^ y >> 10);
    }
}

ALWAYS void sha256_blocks(struct run r[LANES], unsigned lanes, size_t blocks)
{
    vec s[8], w[16];

    state_load(s, 8, r);
    for (size_t block = 0; block < blocks; block++) {
        vec a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];

        block_load(w, r, block, true);
        for (unsigned t = 0; t < 64; t += 16) {
            if (t)
                sha_extend(w);
            SHA_STEPS(0);
            SHA_STEPS(8);
        }
        s[0] += a;
        s[1] += b;
        s[2] += c;
        s[3] += d;
        s[4] += e;
        s[5] += f;
        s[6] += g;
        s[7] += h;
    }
    state_store(s, 8, r, lanes);
}

/* --- MD5 --- */

static const uint32_t md5_k[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

#define MD5_STEP(mix, a, b, c, d, word, i, turn)                                                   \
    do {                                                                                           \
        a += mix(b, c, d) + (w[(word) % 16] + md5_k[i]);                                           \
        a = b + ROTL(a, turn);                                                                     \
    } while (0)
/* A round: 16 steps, of which step i takes word `times` * i + `plus`. */
#define MD5_ROUND(mix, first, times, plus, t0, t1, t2, t3)                                         \
    for (unsigned i = 0; i < 16; i += 4) {                                                         \
        MD5_STEP(mix, a, b, c, d, (times)*i + (plus), (first) + i, t0);                            \
        MD5_STEP(mix, d, a, b, c, (times) * (i + 1) + (plus), (first) + i + 1, t1);                \
        MD5_STEP(mix, c, d, a, b, (times) * (i + 2) + (plus), (first) + i + 2, t2);                \
        MD5_STEP(mix, b, c, d, a, (times) * (i + 3) + (plus), (first) + i + 3, t3);                \
    }
#define MD5_F(x, y, z) (z ^ (x & (y ^ z)))
#define MD5_G(x, y, z) (y ^ (z & (x ^ y)))
#define MD5_H(x, y, z) (x ^ y ^ z)
#define MD5_I(x, y, z) (y ^ (x | ~z))

ALWAYS void md5_blocks(struct run r[LANES], unsigned lanes, size_t blocks)
{
    vec s[4], w[16];

    state_load(s, 4, r);
    for (size_t block = 0; block < blocks; block++) {
        vec a = s[0], b = s[1], c = s[2], d = s[3];

        block_load(w, r, block, false);
        MD5_ROUND(MD5_F, 0, 1, 0, 7, 12, 17, 22)
        MD5_ROUND(MD5_G, 16, 5, 1, 5, 9, 14, 20)
        MD5_ROUND(MD5_H, 32, 3, 5, 4, 11, 16, 23)
        MD5_ROUND(MD5_I, 48, 7, 0, 6, 10, 15, 21)
        s[0] += a;
        s[1] += b;
        s[2] += c;
        s[3] += d;
    }
    state_store(s, 4, r, lanes);
}

/* --- which processor --- */

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void lanes_avx2(enum hash_kind kind, struct run r[LANES],
                                                       unsigned lanes, size_t blocks)
{
    if (kind == HASH_MD5)
        md5_blocks(r, lanes, blocks);
    else
        sha256_blocks(r, lanes, blocks);
}

__attribute__((target("avx2,avx512f,avx512vl"))) static void
lanes_avx512(enum hash_kind kind, struct run r[LANES], unsigned lanes, size_t blocks)
{
    if (kind == HASH_MD5)
        md5_blocks(r, lanes, blocks);
    else
        sha256_blocks(r, lanes, blocks);
}

/* Instructions for SHA-256, which OpenSSL uses: as fast as eight lanes of AVX2, half of AVX-512's.
 */
static bool has_sha(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}

void lanes_init(struct lanes *l)
{
    *l = (struct lanes){0};
    if (!__builtin_cpu_supports("avx2"))
        return;
    l->wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
    l->md5_from = 2;
    if (has_sha())
        l->sha256_from = 0;
    else
        l->sha256_from = l->wide ? 3 : 5;
}

static void lanes_run(const struct lanes *l, enum hash_kind kind, struct run r[LANES],
                      unsigned lanes, size_t blocks)
{
    (l->wide ? lanes_avx512 : lanes_avx2)(kind, r, lanes, blocks);
}
#else
void lanes_init(struct lanes *l)
{
    *l = (struct lanes){0};
}

static void lanes_run(const struct lanes *l, enum hash_kind kind, struct run r[LANES],
                      unsigned lanes, size_t blocks)
{
    UNUSED(l);
    if (kind == HASH_MD5)
        md5_blocks(r, lanes, blocks);
    else
        sha256_blocks(r, lanes, blocks);
}
#endif

bool lanes_help(const struct lanes *l)
{
    return l->md5_from > 0;
}

/* --- streams --- */

/* OpenSSL's, on our state. */
static void one_run(enum hash_kind kind, const struct run *r)
{
    uint32_t *s = r->state;

    if (kind == HASH_MD5) {
        MD5_CTX c = {.A = s[0], .B = s[1], .C = s[2], .D = s[3]};

        MD5_Update(&c, r->data, r->blocks * STREAM_BLOCK);
        s[0] = c.A;
        s[1] = c.B;
        s[2] = c.C;
        s[3] = c.D;
    } else {
        SHA256_CTX c = {.md_len = SHA256_BYTES};

        memcpy(c.h, s, sizeof(c.h));
        SHA256_Update(&c, r->data, r->blocks * STREAM_BLOCK);
        memcpy(s, c.h, sizeof(c.h));
    }
}

/* Runs that have blocks left move to the front; how many there are. */
static unsigned runs_left(struct run *r, unsigned count)
{
    unsigned left = 0;

    for (unsigned i = 0; i < count; i++)
        if (r[i].blocks)
            r[left++] = r[i];
    return left;
}

static void runs_hash(const struct lanes *l, enum hash_kind kind, struct run r[LANES],
                      unsigned count)
{
    unsigned from = !l ? 0 : kind == HASH_MD5 ? l->md5_from : l->sha256_from;

    while ((count = runs_left(r, count)) >= from && from) {
        size_t blocks = r[0].blocks;

        for (unsigned i = 1; i < count; i++)
            blocks = MIN(blocks, r[i].blocks);
        for (unsigned i = count; i < LANES; i++)
            r[i] = r[0];
        lanes_run(l, kind, r, count, blocks);
        for (unsigned i = 0; i < count; i++) {
            r[i].data += blocks * STREAM_BLOCK;
            r[i].blocks -= blocks;
        }
    }
    for (unsigned i = 0; i < count; i++)
        one_run(kind, &r[i]);
}

void stream_begin(struct stream_hash *h, enum hash_kind kind)
{
    static const uint32_t start[2][8] = {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476},
                                         {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};

    ASSERT(kind == HASH_MD5 || kind == HASH_SHA256);
    h->kind = kind;
    h->bytes = 0;
    memcpy(h->state, start[kind == HASH_SHA256], sizeof(h->state));
}

/* What fills the tail, and makes it a block to hash. */
static void tail_fill(struct stream_piece *p)
{
    struct stream_hash *h = p->hash;
    size_t have = h->bytes % STREAM_BLOCK, n = MIN(p->bytes, STREAM_BLOCK - have);

    if (have == 0)
        return;
    memcpy(h->tail + have, p->data, n);
    h->bytes += n;
    p->data += n;
    p->bytes -= n;
    if (have + n == STREAM_BLOCK)
        one_run(h->kind, &(struct run){h->state, h->tail, 1});
}

void stream_add_all(const struct lanes *l, struct stream_piece *pieces, unsigned count)
{
    struct run runs[LANES];

    ASSERT(count > 0 && count <= LANES);
    for (unsigned i = 0; i < count; i++) {
        struct stream_piece *p = &pieces[i];

        ASSERT(p->hash->kind == pieces[0].hash->kind);
        tail_fill(p);
        runs[i] = (struct run){p->hash->state, p->data, p->bytes / STREAM_BLOCK};
    }
    runs_hash(l, pieces[0].hash->kind, runs, count);
    for (unsigned i = 0; i < count; i++) {
        struct stream_piece *p = &pieces[i];
        size_t rest = p->bytes % STREAM_BLOCK;

        p->hash->bytes += p->bytes;
        if (rest)
            memcpy(p->hash->tail, p->data + p->bytes - rest, rest);
    }
}

void stream_add(struct stream_hash *h, const void *data, size_t bytes)
{
    stream_add_all(NULL, &(struct stream_piece){h, data, bytes}, 1);
}

void stream_end(struct stream_hash *h, uint8_t *out)
{
    static const uint8_t pad[STREAM_BLOCK] = {0x80};
    size_t have = h->bytes % STREAM_BLOCK;
    bool md5 = h->kind == HASH_MD5;
    uint64_t bits = md5 ? htole64(h->bytes * 8) : htobe64(h->bytes * 8);

    stream_add(h, pad, have < 56 ? 56 - have : 120 - have);
    stream_add(h, &bits, 8);
    for (unsigned i = 0; i < (md5 ? 4 : 8); i++) {
        uint32_t word = md5 ? htole32(h->state[i]) : htobe32(h->state[i]);

        memcpy(out + 4 * i, &word, 4);
    }
}
