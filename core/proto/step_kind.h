/* step_kind.h - which fields a step of each kind has, and when it may come.  Only for core/proto.
 */
#ifndef CORE_PROTO_STEP_KIND_H
#define CORE_PROTO_STEP_KIND_H

#include "core/proto/steps.h"

enum step_class { STEP_NO_CLASS, STEP_GUARD, STEP_IS_READ, STEP_IS_WRITE };
/* In this order they stand on the wire. */
enum step_field {
    FIELD_CMP = 1,
    FIELD_OFF = 2,
    FIELD_LEN = 4,
    FIELD_OFF2 = 8,
    FIELD_ROWS = 16,
    FIELD_VERSION = 32,
    FIELD_KEY = 64,
    FIELD_VALUE = 128,
    FIELD_PAIRS = 256,
    FIELD_KEYS = 512, /* pairs without values */
    FIELD_DATA = 1024,
};
struct step_kind_row {
    uint8_t class;   /* enum step_class */
    uint16_t fields; /* enum step_field */
    /* Bounds of the key and the value, or of each pair's. */
    uint16_t key_min, key_max;
    uint32_t value_max;
};
/* Its class is STEP_NO_CLASS for a kind that is not known here. */
const struct step_kind_row *step_kind_row(uint8_t kind);

/* Where the checksums of a step's payload believe it to begin.  Only a write knows its place. */
static inline uint64_t step_crc_off(const struct step *st)
{
    return st->kind == STEP_WRITE ? st->off : 0;
}

#endif
