// Texts as gRPC's servers write them: grpc-message on the wire, and quoted values inside messages.
//
// Used by the session for what it refuses itself. Clients compare these texts byte by byte.
#ifndef METASTORE_PLANE_GRPC_TEXT_TEXT_H_
#define METASTORE_PLANE_GRPC_TEXT_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace metastore::plane {

/// A status text as the header grpc-message carries it: bytes outside 0x20 to 0x7e and `%` become
/// `%XX`, and what is not UTF-8 becomes U+FFFD first. Fills `encoded` and returns a view of it, or
/// returns `text` itself when nothing has to change.
std::string_view PercentEncode(std::string_view text, std::string* encoded);

/// A value in double quotes with everything escaped that does not print.
std::string Quote(std::string_view value);

/// The decimal digits of a gRPC status as a string that lives forever; 2 (Unknown) for what is no
/// status.
std::string_view StatusDigits(int grpc_status);

/// Where a value of a binary header stops being base64, with or without padding; npos when it is
/// base64 to its end.
size_t Base64Error(std::string_view value);

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_TEXT_TEXT_H_
