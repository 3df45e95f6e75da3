// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in RFC 3720 appendix B.4.
//
// Checks the records of the log and of images, and is the sum behind HashKV. The processor's own
// instruction is used where it has one, found out at run time; the table version gives the same.
#ifndef METASTORE_BASE_CRC32C_H_
#define METASTORE_BASE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace metastore {

/// Continues `crc` (0 to begin with) over `bytes`: Crc32c(Crc32c(0, a), b) == Crc32c(0, a + b).
uint32_t Crc32c(uint32_t crc, std::string_view bytes);

/// The same by tables only; for tests and processors without the instruction.
uint32_t Crc32cSoftware(uint32_t crc, std::string_view bytes);

/// Whether Crc32c uses the processor's instruction.
bool Crc32cIsHardware();

}  // namespace metastore

#endif  // METASTORE_BASE_CRC32C_H_
