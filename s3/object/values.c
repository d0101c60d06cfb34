/* values.c - numbers and dates of HTTP fields. */
#include <stdio.h>
#include <time.h>

#include "s3/object/request.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Not by strftime: names of days must not depend on the locale. */
void http_date_put(uint64_t ns, char out[HTTP_DATE_BYTES])
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    (void)snprintf(out, HTTP_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
                   (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
                   (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

bool http_date_get(struct bytes text, int64_t *out_s)
{
    char copy[HTTP_DATE_BYTES], again[HTTP_DATE_BYTES], month[4];
    struct tm tm = {0};
    time_t at;

    if (text.len != HTTP_DATE_BYTES - 1)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (sscanf(copy + 5, "%2d %3s %4d %2d:%2d:%2d GMT", &tm.tm_mday, month, &tm.tm_year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return false;
    tm.tm_year -= 1900;
    while (tm.tm_mon < 12 && strcmp(months[tm.tm_mon], month) != 0)
        tm.tm_mon++;
    if (tm.tm_mon == 12 || tm.tm_year < 70)
        return false;
    at = timegm(&tm);
    http_date_put((uint64_t)at * NS_PER_S, again);
    *out_s = at;
    return strcmp(copy, again) == 0; /* one text for each second: what else it had is refused */
}

bool iso_date_get(struct bytes text, int64_t *out_s)
{
    struct tm tm = {0};
    char copy[32], again[24];
    int end = 0;

    if (text.len < 20 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        end != 19 || copy[text.len - 1] != 'Z')
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    if (tm.tm_year < 70)
        return false;
    *out_s = timegm(&tm);
    gmtime_r((time_t *)out_s, &tm);
    (void)strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%S", &tm);
    return memcmp(again, copy, 19) == 0; /* a day and a time that there is */
}

bool number_get(struct bytes text, uint64_t max, uint64_t *out_n)
{
    uint64_t n = 0;

    if (text.len == 0 || text.len > 19)
        return false;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        n = n * 10 + (text.data[i] - '0');
    }
    if (n > max)
        return false;
    *out_n = n;
    return true;
}
