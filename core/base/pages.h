/* pages.h - memory for payload: blocks aligned to 4 KiB, kept for the next who asks.
 *
 * Only mem.c calls this; everybody else asks for a blob (buf.h).  Threads: any. */
#ifndef CORE_BASE_PAGES_H
#define CORE_BASE_PAGES_H

#include <stddef.h>

enum { PAGES_ALIGN = 4096 };

void *pages_take(size_t bytes);             /* not zeroed; NULL when memory is short */
void pages_give(void *block, size_t bytes); /* as many as were asked for */

#endif
