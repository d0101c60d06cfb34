/* addr.h - a network address as text in normal form.  Plain values; pure functions. */
#ifndef CORE_BASE_ADDR_H
#define CORE_BASE_ADDR_H

#include "core/base/base.h"

struct net_addr {
    char s[64]; /* "127.0.0.1:6800", "[::1]:6800"; empty: none */
};
/* IPv4 or bracketed IPv6 and a port, 0 included; host names are refused.  0 or -EINVAL. */
int net_addr_parse(const char *text, struct net_addr *out_addr);
int net_addr_make(const char *ip, uint16_t port, struct net_addr *out_addr);
uint16_t net_addr_port(const struct net_addr *a);
bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);
bool net_addr_loopback(const struct net_addr *a);

struct sockaddr_storage;
/* The socket form of a parsed address; returns its length. */
unsigned net_addr_sockaddr(const struct net_addr *a, struct sockaddr_storage *out_sa);
void net_addr_from_sockaddr(const struct sockaddr_storage *sa, struct net_addr *out_addr);

#endif
