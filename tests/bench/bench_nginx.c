/* bench_nginx.c - nginx serves a static file: what an HTTP server does on this machine that only
 * serves files.  One process, as the whole cluster is one; its request line is all it looks at. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { FILE_BYTES = 4096, READY_MS = 5000 };

static const char *nginx_find(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                         "/usr/bin/nginx"};

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static void file_write(const char *folder, const char *name, const char *text, size_t bytes)
{
    char path[CLUSTER_PATH_BYTES + 32];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    if (!f || fwrite(text, 1, bytes, f) != bytes || fclose(f) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

static unsigned port_free(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        bench_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(at.sin_port);
}

static bool answers(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

    close(fd);
    return yes;
}

static void conf_write(const char *folder, unsigned port)
{
    char text[4096], file[FILE_BYTES];

    memset(file, 'x', sizeof(file));
    file_write(folder, "file", file, sizeof(file));
    snprintf(text, sizeof(text),
             "daemon off; master_process off; pid %s/pid; error_log %s/error.log;\n"
             "events { worker_connections 256; }\n"
             "http {\n"
             "    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000;\n"
             "    client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3;\n"
             "    uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
             "    server { listen 127.0.0.1:%u; root %s; }\n"
             "}\n",
             folder, folder, folder, folder, folder, folder, folder, port, folder);
    file_write(folder, "conf", text, strlen(text));
}

bool nginx_up(struct cluster *c)
{
    const char *nginx = nginx_find();
    char conf[CLUSTER_PATH_BYTES + 8];
    unsigned port = port_free();
    pid_t pid;

    if (!nginx)
        return false;
    if (mkdir(c->folder, 0755) < 0)
        bench_die("%s: %s", c->folder, strerror(errno));
    conf_write(c->folder, port);
    snprintf(conf, sizeof(conf), "%s/conf", c->folder);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 1);
        dup2(null, 2);
        execl(nginx, "nginx", "-c", conf, "-p", c->folder, NULL);
        _exit(127);
    }
    if (pid < 0)
        bench_die("cannot start nginx: %s", strerror(errno));
    c->processes[0] = (struct process){.pid = pid, .name = "nginx"};
    c->process_count = 1;
    snprintf(c->s3_host, sizeof(c->s3_host), "127.0.0.1");
    snprintf(c->s3_port, sizeof(c->s3_port), "%u", port);
    for (unsigned ms = 0; !answers(port); ms += 10) {
        if (ms > READY_MS)
            bench_die("nginx did not get ready, see %s/error.log", c->folder);
        usleep(10000);
    }
    return true;
}
