/* client.h - a plain HTTP client for tests, with its own idea of signatures' dates and fields.
 *
 * Blocking sockets with a time-out; what cannot be done ends the test.  The gateway runs on a
 * reactor of its own, over the fake bucket layer. */
#ifndef TESTS_UNIT_S3_CLIENT_H
#define TESTS_UNIT_S3_CLIENT_H

#include "core/base/cursor.h"
#include "s3/auth/sigv4.h"
#include "tests/unit/s3/fake_bucket.h"

struct server;
/* The knobs are copied before the server starts; NULL: none. */
struct server *server_start(const struct fake_knobs *knobs, const char *domain);
/* With HTTPS beside it, by these files. */
struct server *server_start_tls(const char *cert, const char *key);
int server_connect_tls(struct server *s); /* the TCP of it */
void server_reload(struct server *s);     /* look at the files now */
/* Everything that was open has been closed, or the test fails. */
void server_stop(struct server *s);
/* While requests are under way; `grace_ms` as gateway_stop has it. */
void server_stop_in(struct server *s, uint32_t grace_ms);
int server_connect(struct server *s);

/* --- raw --- */
void client_send(int fd, const void *data, size_t bytes);
void client_send_text(int fd, const char *text);

struct response {
    unsigned status; /* 0: the connection closed before an answer */
    char head[8192];
    uint8_t *body; /* owned, terminated */
    size_t body_bytes;
    bool cut;    /* the body ended early */
    bool closed; /* the server announced that it closes */
};
/* One answer; `to_head`: it has no body.  An answer 100 is an answer. */
void client_receive(int fd, bool to_head, struct response *out);
void response_fini(struct response *r);
/* The value of a field of the answer, or NULL.  Good until the next call. */
const char *response_field(struct response *r, const char *name);
/* The text between <name> and </name>, the first; or NULL. */
const char *response_xml(struct response *r, const char *name);
/* No byte comes, and the connection is still there. */
bool client_silent(int fd, int ms);
/* The server closes, whatever it sends before (libmicrohttpd tells some of its own refusals twice).
 */
bool client_closed(int fd);

/* --- signed --- */
struct call_args {
    const char *method, *target;
    const char
        *fields; /* "name: value\r\n"..., all signed; names in lower case, sorted after x-amz-d */
    const void *body;
    size_t body_bytes;
    const char *payload; /* NULL: the hash of the body */
    int64_t skew_s;
    const char *region, *key, *secret;
    bool no_length;
    struct sigv4_chain *chain; /* if set: what chunks go on with */
};
/* The head, signed, with its empty line. */
void client_head(const struct call_args *args, struct writer *out);
/* Send head and body on a connection, and receive the answer. */
void client_call(int fd, const struct call_args *args, struct response *out);
/* The same on a connection of its own; returns the status. */
unsigned client_once(struct server *s, const struct call_args *args, struct response *out);
/* ... with a text as the body, or NULL. */
struct response client_text(struct server *s, const char *method, const char *target,
                            const char *fields, const char *body);
/* server_start, and "bucket" is made. */
struct server *server_with_bucket(const struct fake_knobs *knobs);

#endif
