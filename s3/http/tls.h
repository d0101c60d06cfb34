/* tls.h - the certificate that HTTPS shows, exchanged while connections go on.
 *
 * Two files in PEM: the chain, the server's own certificate first, and its private key.  They are
 * read again when asked for and every few seconds; when they have changed and fit together, new
 * connections get the new ones, and those that are there keep what they began with.  Files that do
 * not fit together (one of them is being replaced) change nothing, and are told once.
 * Threads: the env's reactor. */
#ifndef S3_HTTP_TLS_H
#define S3_HTTP_TLS_H

#include "core/base/note.h"
#include "core/env/env.h"

struct http_tls;
struct http_tls_conf {
    const char *cert_file, *key_file; /* copied */
    uint32_t look_every_ms;           /* 0: 10,000 */
};
/* Reads them, blocking: at start-up.  0 or a negative code with `why`. */
int http_tls_create(struct env *env, const struct http_tls_conf *conf, struct http_tls **out_tls,
                    struct note *why);
/* When no server uses it any more.  NULL is fine. */
void http_tls_destroy(struct http_tls *tls);
/* Look at the files now. */
void http_tls_reload(struct http_tls *tls);
uint64_t http_tls_looks(const struct http_tls *tls); /* how often that was done */

/* For the server, whose options want them without const: what HTTPS speaks, and the daemon's own
 * certificate.  It has none: each session gets those of `tls`, or fails its handshake. */
char *tls_priorities(void);
void *tls_no_certificate(void);

/* What one session shows.  `session` is GnuTLS's; NULL: none to show. */
struct tls_pair;
struct tls_pair *tls_pair_set(struct http_tls *tls, void *session); /* a reference, or NULL */
/* What a session speaks: constants. */
void tls_facts(void *session, const char **out_version, const char **out_cipher);
/* At once or not at all: bytes sent, or negative. */
ssize_t tls_send(void *session, const void *data, size_t bytes);
void tls_pair_unref(struct tls_pair *pair); /* when the session is gone */

#endif
