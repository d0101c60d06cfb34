/* crc.h - CRC32C (Castagnoli, RFC 3720 appendix B.4), which guards what we keep and send; and the
 * CRCs that others use: CRC32 (IEEE 802.3, as gzip has it) and CRC-64/NVME.
 *
 * Values are the finished ones (initial and final inversion done), as iSCSI prints them:
 * crc32c(0, "123456789", 9) == 0xe3069283.  Pass the value so far to continue: crc32c of a
 * concatenation is crc32c(crc32c(0, a), b). */
#ifndef CORE_BASE_CRC_H
#define CORE_BASE_CRC_H

#include "core/base/base.h"

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);
/* The CRC of `bytes` zero bytes after `crc`, in O(log bytes). */
uint32_t crc32c_zeros(uint32_t crc, uint64_t bytes);
/* The CRC of a concatenation from the CRCs of its parts, in O(log b_bytes). */
uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t b_bytes);

uint32_t crc32eth(uint32_t crc, const void *data, size_t bytes);
uint32_t crc32eth_join(uint32_t a, uint32_t b, uint64_t b_bytes);
uint64_t crc64nvme(uint64_t crc, const void *data, size_t bytes);
uint64_t crc64nvme_join(uint64_t a, uint64_t b, uint64_t b_bytes);

#endif
