// HeadWriter: the header blocks of one connection's requests, compressed (RFC 7541).
//
// Requests of one method have the same head each time, so that every field is put into the peer's
// table by its first use and is a number of one byte from then on, as clients in common use have
// it (nghttp2 would spell :path out in each request).
#ifndef METASTORE_LOAD_WIRE_HTTP2_HEADS_H_
#define METASTORE_LOAD_WIRE_HTTP2_HEADS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace metastore::load {

class HeadWriter {
 public:
  /// Heads have these fields, with one of `paths` among them. `token` may be empty.
  HeadWriter(std::vector<std::string> paths, std::string authority, std::string token, bool tls);

  /// The block of the next request, valid until the next one is asked for. It has to be sent, and
  /// blocks in the order in which they were asked for.
  std::string_view Next(size_t path);
  /// The peer's table has this size at most, from the next block on.
  void Limit(uint32_t table_bytes);

 private:
  struct Field {
    std::string name;
    std::string value;
    /// Of the static table, of the name alone or of both; 0 for none.
    uint32_t name_index = 0;
    uint32_t index = 0;
    /// Which one it was of those that were put into the table, from 1 on; 0 when it is not there.
    size_t place = 0;
  };

  void Append(Field* field);

  std::vector<Field> paths_;
  /// Before the path, and behind it.
  std::vector<Field> first_;
  std::vector<Field> rest_;
  /// Blocks that consist of indexes, by path, with the size of the table that they go by.
  struct Known {
    std::string block;
    size_t placed = 0;
  };
  std::vector<Known> known_;
  std::string block_;
  size_t placed_ = 0;
  size_t table_bytes_ = 0;
  uint32_t table_bytes_most_ = 4096;
  bool says_size_ = false;
  bool grew_ = false;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_HTTP2_HEADS_H_
