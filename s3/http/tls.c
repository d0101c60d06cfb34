/* tls.c - certificates, read again on a worker.
 *
 * libmicrohttpd would take one certificate for the life of a daemon.  But a session of GnuTLS shows
 * what its credentials say, and these can be set for each session before its handshake begins: so
 * each connection gets the newest ones when it is accepted, and keeps a reference until it ends. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdio.h>

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/env/file.h"
#include "s3/http/tls.h"

enum { FILE_BYTES_MAX = 1024 * 1024, LOOK_EVERY_MS = 10 * 1000, PATH_BYTES = 512 };

struct tls_pair {
    uint32_t refs;
    gnutls_certificate_credentials_t cred; /* owned */
};

/* One look at the files. */
struct look {
    struct env_work work;
    uint64_t seen;         /* of the look before */
    uint64_t hash;         /* of both files; 0: they could not be read */
    struct tls_pair *pair; /* owned; NULL: nothing new, or `rc` */
    int rc;
    struct note why;
};

struct http_tls {
    struct env *env;
    struct log log;
    char cert_file[PATH_BYTES], key_file[PATH_BYTES];
    uint32_t look_every_ms;
    struct tls_pair *now; /* ref */
    uint64_t seen;        /* the files looked at last, good or not */
    uint64_t looks;
    struct env_timer timer;
    struct look look; /* the worker's, while `looking` */
    bool looking, again, destroyed;
};

/* --- pairs --- */

void tls_pair_unref(struct tls_pair *pair)
{
    if (!pair || --pair->refs)
        return;
    gnutls_certificate_free_credentials(pair->cred);
    mem_free(pair);
}

/* What file_read gave: one span, and nobody else's. */
static uint8_t *file_bytes(const struct buf *file)
{
    const struct span *s = buf_spans_of(file);

    ASSERT(file->span_count == 1);
    return s->blob->data + s->off;
}

static int pair_create(const struct buf *cert, const struct buf *key, struct tls_pair **out_pair,
                       struct note *why)
{
    gnutls_datum_t chain = {.data = file_bytes(cert), .size = (unsigned)cert->bytes};
    gnutls_datum_t secret = {.data = file_bytes(key), .size = (unsigned)key->bytes};
    struct tls_pair *pair = mem_zalloc(sizeof(*pair));
    int rc = -ENOMEM;

    if (!pair)
        return rc;
    pair->refs = 1;
    if (gnutls_certificate_allocate_credentials(&pair->cred) == 0) {
        int e = gnutls_certificate_set_x509_key_mem2(pair->cred, &chain, &secret,
                                                     GNUTLS_X509_FMT_PEM, NULL, 0);

        rc = e < 0 ? -EINVAL : 0;
        if (e < 0)
            note_set(why, "certificate and key cannot be used: %s", gnutls_strerror(e));
    }
    if (rc < 0)
        tls_pair_unref(pair);
    else
        *out_pair = pair;
    return rc;
}

struct tls_pair *tls_pair_set(struct http_tls *tls, void *session)
{
    if (!session || gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->now->cred) < 0)
        return NULL;
    tls->now->refs++;
    return tls->now;
}

void tls_facts(void *session, const char **out_version, const char **out_cipher)
{
    switch (gnutls_protocol_get_version(session)) {
    case GNUTLS_TLS1_3:
        *out_version = "TLSv1.3";
        break;
    case GNUTLS_TLS1_2:
        *out_version = "TLSv1.2";
        break;
    default: /* the priorities have no others */
        *out_version = "TLS";
    }
    *out_cipher = gnutls_ciphersuite_get(session);
}

ssize_t tls_send(void *session, const void *data, size_t bytes)
{
    return gnutls_record_send(session, data, bytes); /* the library's sockets never block */
}

/* Ciphers with authentication, keys that are forgotten; the server chooses. */
char *tls_priorities(void)
{
    static const char text[] =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"
        "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE";

    return (char *)(uintptr_t)text;
}

static int no_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                          gnutls_pcert_st **certs, unsigned *cert_count, gnutls_ocsp_data_st **ocsp,
                          unsigned *ocsp_count, gnutls_privkey_t *key, unsigned *flags)
{
    UNUSED(session);
    UNUSED(info);
    UNUSED(certs);
    UNUSED(cert_count);
    UNUSED(ocsp);
    UNUSED(ocsp_count);
    UNUSED(key);
    UNUSED(flags);
    return -1;
}

void *tls_no_certificate(void)
{
    return (void *)(uintptr_t)no_certificate;
}

/* --- looking --- */

static int file_take(struct env *env, const char *path, struct buf *out, struct note *why)
{
    int rc = file_read(env, path, FILE_BYTES_MAX, out);

    if (rc == 0 && out->bytes == 0)
        rc = -EINVAL;
    if (rc < 0)
        note_set(why, "%s: %s", path, rc == -EINVAL ? "the file is empty" : reason_text(rc));
    return rc;
}

static uint64_t file_hash(uint64_t seed, const struct buf *data)
{
    return hash64(seed, file_bytes(data), data->bytes);
}

/* On a worker, or at start-up. */
static void look_run(struct http_tls *tls)
{
    struct look *l = &tls->look;
    AUTO(buf) cert = {0};
    AUTO(buf) key = {0};

    l->hash = 0;
    l->pair = NULL;
    l->rc = file_take(tls->env, tls->cert_file, &cert, &l->why);
    if (l->rc == 0)
        l->rc = file_take(tls->env, tls->key_file, &key, &l->why);
    if (l->rc == 0) {
        l->hash = file_hash(file_hash(1, &cert), &key);
        if (l->hash != l->seen)
            l->rc = pair_create(&cert, &key, &l->pair, &l->why);
        explicit_bzero(file_bytes(&key), key.bytes);
    }
}

static void look_work(struct env_work *w)
{
    look_run(CONTAINER_OF(w, struct http_tls, look.work));
}

static void tls_free(struct http_tls *tls)
{
    tls_pair_unref(tls->look.pair);
    tls_pair_unref(tls->now);
    mem_free(tls);
}

static void look_take(struct http_tls *tls)
{
    struct look *l = &tls->look;

    if (l->pair) {
        tls_pair_unref(tls->now);
        tls->now = TAKE(l->pair);
        log_info(&tls->log, "took a new certificate", KV_STR("file", tls->cert_file));
    } else if (l->rc < 0 && l->hash != tls->seen) {
        log_warn(&tls->log, "keeping the certificate: the new one cannot be used",
                 KV_STR("why", l->why.text));
    }
    tls->seen = l->hash;
    tls->looks++;
}

static void look(struct http_tls *tls);

static void look_done(struct env_work *w)
{
    struct http_tls *tls = CONTAINER_OF(w, struct http_tls, look.work);

    tls->looking = false;
    if (tls->destroyed) {
        tls_free(tls);
        return;
    }
    look_take(tls);
    if (tls->again)
        look(tls);
    else
        env_timer_after(tls->env, &tls->timer, (uint64_t)tls->look_every_ms * NS_PER_MS);
}

static void look(struct http_tls *tls)
{
    tls->again = tls->looking; /* what is looked at now may be older than the wish */
    if (tls->looking)
        return;
    tls->looking = true;
    tls->look.seen = tls->seen;
    tls->look.why = (struct note){{0}};
    env_work_submit(tls->env, &tls->look.work);
}

static void look_due(struct env_timer *t)
{
    look(CONTAINER_OF(t, struct http_tls, timer));
}

void http_tls_reload(struct http_tls *tls)
{
    env_timer_cancel(tls->env, &tls->timer);
    look(tls);
}

uint64_t http_tls_looks(const struct http_tls *tls)
{
    return tls->looks;
}

/* --- life --- */

static int path_copy(char out[PATH_BYTES], const char *path)
{
    int len = snprintf(out, PATH_BYTES, "%s", path);

    return len < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

int http_tls_create(struct env *env, const struct http_tls_conf *conf, struct http_tls **out_tls,
                    struct note *why)
{
    struct http_tls *tls = mem_zalloc(sizeof(*tls));
    int rc;

    if (!tls)
        return -ENOMEM;
    tls->env = env;
    log_init(&tls->log, env_log_sink(env), "s3.tls");
    tls->look_every_ms = conf->look_every_ms ? conf->look_every_ms : LOOK_EVERY_MS;
    env_timer_init(&tls->timer, look_due);
    tls->look.work.work = look_work;
    tls->look.work.done = look_done;
    rc = path_copy(tls->cert_file, conf->cert_file);
    if (rc == 0)
        rc = path_copy(tls->key_file, conf->key_file);
    if (rc == 0) {
        look_run(tls);
        rc = tls->look.rc;
    }
    if (rc < 0) {
        note_set(why, "s3: HTTPS cannot begin: %s",
                 tls->look.why.text[0] ? tls->look.why.text : reason_text(rc));
        tls_free(tls);
        return rc;
    }
    look_take(tls);
    env_timer_after(env, &tls->timer, (uint64_t)tls->look_every_ms * NS_PER_MS);
    *out_tls = tls;
    return 0;
}

void http_tls_destroy(struct http_tls *tls)
{
    if (!tls)
        return;
    env_timer_cancel(tls->env, &tls->timer);
    tls->destroyed = true;
    if (!tls->looking)
        tls_free(tls);
}
