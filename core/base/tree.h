/* tree.h - intrusive red-black trees: libbsd's <sys/tree.h> (RB_HEAD, RB_ENTRY, RB_GENERATE_STATIC,
 * RB_INSERT, RB_FIND, RB_NFIND, RB_MIN, RB_NEXT, RB_FOREACH).  See tree(3bsd). */
#ifndef CORE_BASE_TREE_H
#define CORE_BASE_TREE_H

#include <bsd/sys/tree.h>

/* Debian's macro names an attribute (__unused) that its own headers leave undefined. */
#undef RB_GENERATE_STATIC
#define RB_GENERATE_STATIC(name, type, field, cmp)                                                 \
    RB_GENERATE_INTERNAL(name, type, field, cmp, __attribute__((unused)) static)

#endif
