/* fuzz_crush_text.c - the text form from anyone: refused with a reason, or read, printed and read
 * again to the same text, and mapped with. */
#include "core/crush/crush_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void map_some(const struct crush_map *map)
{
    uint32_t one[16];
    int32_t out[4];

    for (size_t i = 0; i < ARRAY_LEN(one); i++)
        one[i] = CRUSH_WEIGHT_ONE;
    if (map->tunables.choose_total_tries > 100 || map->rule_max == 0)
        return; /* allowed, and slow */
    for (uint32_t i = 0; map->rules[0] && i < map->rules[0]->step_count; i++)
        if (map->rules[0]->steps[i].op != CRUSH_TAKE && map->rules[0]->steps[i].arg1 > 100)
            return;
    ASSERT(crush_map_x(map, 0, 1, one, ARRAY_LEN(one), out, 4, NULL) <= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crush_map *map = NULL, *again = NULL;
    AUTO(writer) first = {0};
    AUTO(writer) second = {0};
    struct note why = {""};

    if (crush_text_parse((const char *)data, size, &map, &why) < 0) {
        ASSERT(why.text[0]);
        return 0;
    }
    crush_text_print(map, &first);
    ASSERT(first.rc == 0);
    ASSERT(crush_text_parse((const char *)first.data, first.len, &again, &why) == 0);
    crush_text_print(again, &second);
    ASSERT(second.len == first.len);
    ASSERT(memcmp(first.data, second.data, first.len) == 0);
    map_some(map);
    crush_destroy(map);
    crush_destroy(again);
    return 0;
}
