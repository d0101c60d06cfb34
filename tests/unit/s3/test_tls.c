/* test_tls.c - HTTPS over the wire: what it speaks, and certificates that are exchanged. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

struct files {
    char folder[64], cert[96], key[96];
};

static void files_init(struct files *f)
{
    strcpy(f->folder, "/tmp/cairn-tls-XXXXXX");
    T_NE(mkdtemp(f->folder), NULL);
    (void)snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->folder);
    (void)snprintf(f->key, sizeof(f->key), "%s/key.pem", f->folder);
}

static void files_fini(struct files *f)
{
    unlink(f->cert);
    unlink(f->key);
    rmdir(f->folder);
}

static void file_write(const char *path, const gnutls_datum_t *data)
{
    FILE *to = fopen(path, "w");

    T_NE(to, NULL);
    T_EQ(fwrite(data->data, 1, data->size, to), data->size);
    T_EQ(fclose(to), 0);
}

/* A certificate for `name`, signed by itself. */
static void certificate_make(const struct files *f, const char *name, bool with_key)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    time_t now = time(NULL);

    T_OK(gnutls_x509_privkey_init(&key));
    T_OK(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    T_OK(gnutls_x509_crt_init(&crt));
    T_OK(gnutls_x509_crt_set_version(crt, 3));
    T_OK(gnutls_x509_crt_set_serial(crt, "\1", 1));
    T_OK(gnutls_x509_crt_set_activation_time(crt, now - 60));
    T_OK(gnutls_x509_crt_set_expiration_time(crt, now + 3600));
    T_OK(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                       (unsigned)strlen(name)));
    T_OK(gnutls_x509_crt_set_key(crt, key));
    T_OK(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
    T_OK(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem));
    file_write(f->cert, &pem);
    gnutls_free(pem.data);
    if (with_key) {
        T_OK(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem));
        file_write(f->key, &pem);
        gnutls_free(pem.data);
    }
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

/* --- a client --- */

struct peer {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t cred;
};

/* What the handshake gave. */
static int peer_open(struct peer *p, struct server *s, const char *priorities)
{
    gnutls_datum_t alpn[] = {{(unsigned char *)"h2", 2}, {(unsigned char *)"http/1.1", 8}};
    int rc;

    p->fd = server_connect_tls(s);
    T_OK(gnutls_init(&p->session, GNUTLS_CLIENT));
    T_OK(gnutls_certificate_allocate_credentials(&p->cred));
    T_OK(gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE, p->cred));
    T_OK(gnutls_priority_set_direct(p->session, priorities, NULL));
    T_OK(gnutls_alpn_set_protocols(p->session, alpn, 2, 0));
    gnutls_transport_set_int(p->session, p->fd);
    do
        rc = gnutls_handshake(p->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    return rc;
}

static void peer_close(struct peer *p)
{
    close(p->fd);
    gnutls_deinit(p->session);
    gnutls_certificate_free_credentials(p->cred);
}

/* The name in the certificate that the server showed. */
static void peer_name(struct peer *p, char *out, size_t bytes)
{
    unsigned count;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(p->session, &count);
    gnutls_x509_crt_t crt;

    T_GE(count, 1);
    T_OK(gnutls_x509_crt_init(&crt));
    T_OK(gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER));
    T_OK(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, out, &bytes));
    gnutls_x509_crt_deinit(crt);
}

static void expect_name(struct server *s, const char *want)
{
    struct peer p;
    char name[64];

    T_OK(peer_open(&p, s, "NORMAL"));
    peer_name(&p, name, sizeof(name));
    T_STR_EQ(name, want);
    peer_close(&p);
}

static void send_all(struct peer *p, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t n = gnutls_record_send(p->session, text, bytes);

        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
            continue;
        T_GE(n, 1);
        text += n;
        bytes -= (size_t)n;
    }
}

static size_t receive(struct peer *p, char *out, size_t bytes)
{
    ssize_t n;

    do
        n = gnutls_record_recv(p->session, out, bytes);
    while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
    T_GE(n, 1);
    return (size_t)n;
}

/* The head of an answer, and perhaps bytes behind it: how many. */
static size_t receive_head(struct peer *p, char *out, size_t bytes)
{
    size_t len = 0;
    char *end;

    do {
        len += receive(p, out + len, bytes - 1 - len);
        out[len] = '\0';
        end = strstr(out, "\r\n\r\n");
    } while (!end && len < bytes - 1);
    T_NE(end, NULL);
    return len - (size_t)(end + 4 - out);
}

/* An answer comes, on a connection that is kept. */
static void expect_answer(struct peer *p)
{
    static const char ask[] = "HEAD /bucket HTTP/1.1\r\nHost: a\r\n\r\n";
    char answer[4096];

    send_all(p, ask, strlen(ask));
    T_EQ(receive_head(p, answer, sizeof(answer)), 0);
    T_NE(strstr(answer, "HTTP/1.1 40"), NULL);
}

T(s3_tls, it_speaks_what_is_safe_and_http)
{
    static const struct {
        const char *priorities;
        bool ok;
    } rows[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.0", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", false},
    };
    struct server *s;
    struct files f;

    files_init(&f);
    certificate_make(&f, "one", true);
    s = server_start_tls(f.cert, f.key);
    T_CASES (row, rows) {
        gnutls_datum_t protocol;
        struct peer p;

        T_EQ(peer_open(&p, s, row->priorities) == 0, row->ok);
        if (row->ok) {
            T_OK(gnutls_alpn_get_selected_protocol(p.session, &protocol));
            T_EQ(protocol.size, 8);
            expect_answer(&p);
            expect_answer(&p);
        }
        peer_close(&p);
    }
    server_stop(s);
    files_fini(&f);
}

T(s3_tls, plain_http_goes_on_beside_it_and_not_on_its_port)
{
    struct call_args args = {.method = "GET", .target = "/"};
    struct server *s;
    struct response r;
    struct files f;
    int fd;

    files_init(&f);
    certificate_make(&f, "one", true);
    s = server_start_tls(f.cert, f.key);
    T_EQ(client_once(s, &args, &r), 200);
    response_fini(&r);
    fd = server_connect_tls(s);
    client_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    T_TRUE(client_closed(fd));
    close(fd);
    server_stop(s);
    files_fini(&f);
}

T(s3_tls, a_new_certificate_is_shown_to_new_connections_only)
{
    struct server *s;
    struct files f;
    struct peer before;
    char name[64];

    files_init(&f);
    certificate_make(&f, "one", true);
    s = server_start_tls(f.cert, f.key);
    T_OK(peer_open(&before, s, "NORMAL"));
    expect_answer(&before);
    certificate_make(&f, "two", true);
    server_reload(s);
    expect_name(s, "two");
    expect_answer(&before); /* and nothing of it was dropped */
    peer_name(&before, name, sizeof(name));
    T_STR_EQ(name, "one");
    for (int i = 0; i < 20; i++) {
        certificate_make(&f, i % 2 ? "four" : "three", true);
        server_reload(s);
    }
    expect_name(s, "four");
    expect_answer(&before);
    peer_close(&before);
    server_stop(s);
    files_fini(&f);
}

T(s3_tls, files_that_do_not_fit_together_change_nothing)
{
    struct server *s;
    struct files f;

    files_init(&f);
    certificate_make(&f, "one", true);
    s = server_start_tls(f.cert, f.key);
    certificate_make(&f, "two", false); /* the key is still the old one */
    server_reload(s);
    expect_name(s, "one");
    unlink(f.key);
    server_reload(s);
    expect_name(s, "one");
    certificate_make(&f, "three", true);
    server_reload(s);
    expect_name(s, "three");
    server_stop(s);
    files_fini(&f);
}

enum { LARGE = 3000000 };

static void send_signed(struct peer *p, const struct call_args *args)
{
    AUTO(writer) head = {0};

    client_head(args, &head);
    send_all(p, (const char *)head.data, head.len);
    send_all(p, args->body, args->body_bytes);
}

T(s3_tls, a_large_body_goes_both_ways)
{
    char *body = malloc(LARGE), *got = malloc(LARGE), answer[4096];
    struct call_args bucket = {.method = "PUT", .target = "/bucket", .body = ""};
    struct call_args put = {.method = "PUT", .target = "/bucket/a", .body = body};
    struct call_args get = {.method = "GET", .target = "/bucket/a", .body = ""};
    struct server *s;
    struct files f;
    struct peer p;
    size_t len;

    for (size_t i = 0; i < LARGE; i++)
        body[i] = (char)(i * 7 + i / 1000);
    put.body_bytes = LARGE;
    files_init(&f);
    certificate_make(&f, "one", true);
    s = server_start_tls(f.cert, f.key);
    T_OK(peer_open(&p, s, "NORMAL"));
    send_signed(&p, &bucket);
    T_EQ(receive_head(&p, answer, sizeof(answer)), 0);
    send_signed(&p, &put);
    T_EQ(receive_head(&p, answer, sizeof(answer)), 0);
    T_NE(strstr(answer, "HTTP/1.1 200 "), NULL);
    send_signed(&p, &get);
    len = receive_head(&p, answer, sizeof(answer));
    memcpy(got, strstr(answer, "\r\n\r\n") + 4, len);
    while (len < LARGE)
        len += receive(&p, got + len, LARGE - len);
    T_EQ(memcmp(body, got, LARGE), 0);
    expect_answer(&p);
    peer_close(&p);
    server_stop(s);
    free(body);
    free(got);
    files_fini(&f);
}
