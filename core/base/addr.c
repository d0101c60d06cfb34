/* addr.c - addresses between their text and their socket form.
 *
 * Text is the form that travels and is compared, so everything that enters is brought to one
 * normal form first: what inet_ntop prints, IPv6 in brackets, a decimal port. */
#include "core/base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static int host_port_split(const char *text, char *host, size_t host_bytes, uint16_t *out_port)
{
    const char *colon = strrchr(text, ':');
    char *end;
    unsigned long port;
    size_t len;

    if (!colon || colon[1] < '0' || colon[1] > '9')
        return -EINVAL;
    port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return -EINVAL;
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return -EINVAL; /* IPv6 without brackets is ambiguous */
    }
    if (len == 0 || len >= host_bytes)
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = 0;
    *out_port = (uint16_t)port;
    return 0;
}

int net_addr_make(const char *ip, uint16_t port, struct net_addr *out_addr)
{
    struct net_addr a = {{0}};
    unsigned char bin[16];
    char normal[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET, ip, bin) == 1 && inet_ntop(AF_INET, bin, normal, sizeof(normal)))
        snprintf(a.s, sizeof(a.s), "%s:%u", normal, port);
    else if (inet_pton(AF_INET6, ip, bin) == 1 && inet_ntop(AF_INET6, bin, normal, sizeof(normal)))
        snprintf(a.s, sizeof(a.s), "[%s]:%u", normal, port);
    else
        return -EINVAL;
    *out_addr = a;
    return 0;
}

int net_addr_parse(const char *text, struct net_addr *out_addr)
{
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
    int rc = host_port_split(text, host, sizeof(host), &port);

    return rc < 0 ? rc : net_addr_make(host, port, out_addr);
}

uint16_t net_addr_port(const struct net_addr *a)
{
    const char *colon = strrchr(a->s, ':');

    return colon ? (uint16_t)atoi(colon + 1) : 0;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
    return strcmp(a->s, b->s) == 0;
}

bool net_addr_loopback(const struct net_addr *a)
{
    return strncmp(a->s, "127.", 4) == 0 || strncmp(a->s, "[::1]:", 6) == 0;
}

unsigned net_addr_sockaddr(const struct net_addr *a, struct sockaddr_storage *out_sa)
{
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    memset(out_sa, 0, sizeof(*out_sa));
    if (host_port_split(a->s, host, sizeof(host), &port) < 0)
        return 0;
    if (inet_pton(AF_INET, host, &in4.sin_addr) == 1) {
        in4.sin_port = htons(port);
        memcpy(out_sa, &in4, sizeof(in4));
        return sizeof(in4);
    }
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        in6.sin6_port = htons(port);
        memcpy(out_sa, &in6, sizeof(in6));
        return sizeof(in6);
    }
    return 0;
}

void net_addr_from_sockaddr(const struct sockaddr_storage *sa, struct net_addr *out_addr)
{
    char ip[INET6_ADDRSTRLEN] = "";
    uint16_t port = 0;

    memset(out_addr, 0, sizeof(*out_addr));
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)sa;

        inet_ntop(AF_INET, &in4->sin_addr, ip, sizeof(ip));
        port = ntohs(in4->sin_port);
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
        port = ntohs(in6->sin6_port);
    }
    (void)net_addr_make(ip, port, out_addr); /* another family stays empty */
}
