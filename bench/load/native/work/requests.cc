// Requests from templates; see requests.h.
#include "work/requests.h"

#include <array>
#include <cstring>

#include "codec/wire.h"
#include "work/keys.h"

namespace metastore::load {

namespace {

// Stand where something changes; no request holds them otherwise.
constexpr char kKeyMark = '\x01';
constexpr char kEndMark = '\x02';
constexpr char kValueMark = '\x03';

std::string MarkedKey(char mark, const Options& options) {
  std::string key = options.prefix;
  key.resize(options.key_bytes, mark);
  return key;
}

std::string MarkedValue(const Options& options) {
  std::string value(options.value_bytes, kValueMark);
  // Printable and without a pattern that a compressor would find within one value.
  Random random(options.seed);
  for (size_t at = kMarkedBytes; at < value.size(); at++) {
    value[at] = static_cast<char>('!' + random.Below(94));
  }
  return value;
}

void WriteValue(uint64_t key, uint64_t stamp, char* at) {
  const uint64_t mark = Random::Mix(key);
  std::memcpy(at, &stamp, sizeof(stamp));
  std::memcpy(at + sizeof(stamp), &mark, sizeof(mark));
}

/// Where runs of the mark begin.
std::vector<size_t> Runs(const std::string& bytes, char mark, size_t length) {
  std::vector<size_t> places;
  const std::string run(length, mark);
  for (size_t at = bytes.find(run); at != std::string::npos; at = bytes.find(run, at + length)) {
    places.push_back(at);
  }
  return places;
}

}  // namespace

std::string KeyText(uint64_t key, const Options& options) {
  std::string text = MarkedKey(kKeyMark, options);
  const auto prefix = static_cast<uint32_t>(options.prefix.size());
  WriteDigits(key, options.key_bytes - prefix, text.data() + prefix);
  return text;
}

bool IsValueOf(uint64_t key, std::string_view value, const Options& options) {
  if (value.size() != options.value_bytes) return false;
  if (value.size() < kMarkedBytes) return true;
  const uint64_t mark = Random::Mix(key);
  return std::memcmp(value.data() + sizeof(mark), &mark, sizeof(mark)) == 0;
}

uint64_t StampOf(std::string_view value) {
  uint64_t stamp = 0;
  std::memcpy(&stamp, value.data(), sizeof(stamp));
  return stamp;
}

int64_t LeaseId(uint64_t index, const Options& options) {
  const uint64_t base = Random::Mix(options.run_id) & 0x3fffffff00000000;
  return static_cast<int64_t>(base + index + 1);
}

RequestMaker::RequestMaker(const Options& options)
    : options_(options), digits_(options.key_bytes - static_cast<uint32_t>(options.prefix.size())) {
  MakeTemplates();
}

void RequestMaker::Frame(Op op, const std::string& message) {
  Template& made = templates_[static_cast<size_t>(op)];
  AppendPrefix(message.size(), &made.bytes);
  made.bytes += message;
  // No tag or length looks like a run of four or more marks, and keys have at least four digits.
  const std::string body = made.bytes.substr(5);
  made.keys = Runs(body, kKeyMark, digits_);
  made.ends = Runs(body, kEndMark, digits_);
  if (options_.value_bytes >= kMarkedBytes) made.values = Runs(body, kValueMark, kMarkedBytes);
}

void RequestMaker::MakeTemplates() {
  const std::string key = MarkedKey(kKeyMark, options_);
  std::string get;
  codec::AppendBytesField(1, key, &get);
  std::string scan = get;
  codec::AppendBytesField(2, MarkedKey(kEndMark, options_), &scan);
  codec::AppendVarintField(3, options_.span, &scan);
  codec::AppendVarintField(7, options_.serializable ? 1 : 0, &get);
  codec::AppendVarintField(7, options_.serializable ? 1 : 0, &scan);
  std::string put;
  codec::AppendBytesField(1, key, &put);
  codec::AppendBytesField(2, MarkedValue(options_), &put);
  std::string deletion;
  codec::AppendBytesField(1, key, &deletion);
  Frame(Op::kGet, get);
  Frame(Op::kScan, scan);
  Frame(Op::kPut, put);
  Frame(Op::kDelete, deletion);

  // "version of the key > -1" holds whether it is there or not, and has to be looked up.
  std::string compare;
  codec::AppendVarintField(1, 1, &compare);
  codec::AppendBytesField(3, key, &compare);
  codec::AppendInt64Field(4, -1, &compare);
  std::string operation;
  codec::AppendMessageField(2, put, &operation);
  std::string txn;
  codec::AppendMessageField(1, compare, &txn);
  codec::AppendMessageField(2, operation, &txn);
  Frame(Op::kTxn, txn);

  std::string create;
  codec::AppendBytesField(1, key, &create);
  std::string watch;
  codec::AppendMessageField(1, create, &watch);
  Frame(Op::kWatch, watch);
  std::string name_and_password;
  const size_t colon = options_.user.find(':');
  codec::AppendBytesField(1, options_.user.substr(0, colon), &name_and_password);
  if (colon != std::string::npos) {
    codec::AppendBytesField(2, options_.user.substr(colon + 1), &name_and_password);
  }
  Frame(Op::kAuthenticate, name_and_password);
}

void RequestMaker::AppendNumber(Op op, uint64_t number, std::string* out) const {
  std::string message;
  if (op == Op::kGrant) {
    codec::AppendInt64Field(1, kLeaseSeconds, &message);
    codec::AppendInt64Field(2, LeaseId(number, options_), &message);
  } else {
    codec::AppendInt64Field(1, LeaseId(number, options_), &message);
  }
  AppendPrefix(message.size(), out);
  *out += message;
}

void RequestMaker::Make(Op op, uint64_t key, uint64_t stamp, std::string* out) const {
  if (op == Op::kGrant || op == Op::kKeepAlive) return AppendNumber(op, key, out);
  const Template& made = templates_[static_cast<size_t>(op)];
  out->assign(made.bytes);
  char* body = out->data() + 5;
  for (const size_t at : made.keys) WriteDigits(key, digits_, body + at);
  for (const size_t at : made.ends) WriteDigits(key + options_.span, digits_, body + at);
  for (const size_t at : made.values) WriteValue(key, stamp, body + at);
}

Method RequestMaker::MethodOf(Op op) const {
  static constexpr std::array<Method, kOps> kMethodOf = {
      Method::kRange,      Method::kRange,        Method::kPut,
      Method::kTxn,        Method::kDeleteRange,  Method::kLeaseKeepAlive,
      Method::kLeaseGrant, Method::kAuthenticate, Method::kWatch};
  return kMethodOf[static_cast<size_t>(op)];
}

}  // namespace metastore::load
