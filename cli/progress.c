/* progress.c - how far something is, on a terminal only. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/size.h"

enum { REDRAW_NS = 100000000 };

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void draw(struct progress *p, uint64_t now)
{
    char done[32], total[32], rate[32];
    double s = (double)(now - p->started_ns) / 1e9;

    p->shown_ns = now;
    bytes_print(p->done, done);
    bytes_print(s > 0 ? (uint64_t)((double)p->done / s) : 0, rate);
    if (p->total)
        fprintf(stderr, "\r\033[K%s  %s of %s  %3.0f %%  %s/s", p->what, done,
                bytes_print(p->total, total), 100.0 * (double)p->done / (double)p->total, rate);
    else
        fprintf(stderr, "\r\033[K%s  %s  %s/s", p->what, done, rate);
    fflush(stderr);
}

void progress_start(struct progress *p, const struct cli *cli, const char *what, uint64_t total)
{
    *p = (struct progress){.what = what, .total = total, .started_ns = now_ns()};
    p->on = !cli->quiet && isatty(2);
}

void progress_add(struct progress *p, uint64_t bytes)
{
    uint64_t now;

    p->done += bytes;
    if (!p->on)
        return;
    now = now_ns();
    if (now - p->shown_ns >= REDRAW_NS)
        draw(p, now);
}

void progress_note(struct progress *p, const char *what)
{
    char done[32];

    if (!p->on)
        return;
    p->shown_ns = now_ns();
    fprintf(stderr, "\r\033[K%s  %s, %s", p->what, bytes_print(p->done, done), what);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->on && p->shown_ns) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->on = false;
}
