/* fuzz_pg_rows.c - loads arbitrary rows as a copy of a PG.
 *
 * Input: rows, each u32 key length, key, u32 value length, value.  What loads must hold together,
 * and what does not must be refused without harm. */
#include "core/osd/pg_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct cursor c = cur_over(data, bytes);
    struct pg_copy copy;
    int rc = pg_copy_init(&copy, (struct pgid){{1}, 0});

    ASSERT(rc == 0);
    while (rc == 0 && cur_left(&c)) {
        struct bytes key = cur_bytes(&c, 1 << 16), value = cur_bytes(&c, 1 << 16);

        rc = c.rc < 0 ? c.rc : pg_copy_load_row(&copy, key, value);
    }
    if (rc == 0)
        rc = pg_copy_load_end(&copy);
    ASSERT(rc <= 0);
    if (rc == 0)
        pg_copy_check(&copy, true);
    pg_copy_fini(&copy);
    return 0;
}
