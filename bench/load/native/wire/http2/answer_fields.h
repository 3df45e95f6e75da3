// AnswerFields: what the header blocks of a connection's answers say of their calls: grpc-status
// and grpc-message. Decoded by nghttp2's decompressor (RFC 7541).
//
// A block of indexes leaves the table as it is and means the same until the table changes: those
// of ordinary answers are two or three bytes that were decoded once.
#ifndef METASTORE_LOAD_WIRE_HTTP2_ANSWER_FIELDS_H_
#define METASTORE_LOAD_WIRE_HTTP2_ANSWER_FIELDS_H_

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace metastore::load {

class AnswerFields {
 public:
  AnswerFields();
  ~AnswerFields();
  AnswerFields(const AnswerFields&) = delete;
  AnswerFields& operator=(const AnswerFields&) = delete;

  /// A whole block. `*status` and `*text` stay as they are when it has no such field; a status that
  /// is no number is -1. False when it cannot be decoded, which ends the connection.
  bool Read(std::string_view block, int* status, std::string* text);

 private:
  struct Known {
    std::string block;
    bool has_status = false;
    int status = -1;
    std::string text;
  };

  bool Decode(std::string_view block, Known* found);

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::array<Known, 4> known_;
  size_t next_ = 0;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_HTTP2_ANSWER_FIELDS_H_
