// ForeignCalls: the calls of one lane that TypeScript serves, and requests that are not gRPC.
//
// They become events; commands come back by mail, for calls by number. A request that is whole by
// the end of the turn it came in, as nearly all unary ones are, is one event. Lane thread only.
#ifndef METASTORE_PLANE_FOREIGN_FOREIGN_H_
#define METASTORE_PLANE_FOREIGN_FOREIGN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "plane/call.h"
#include "plane/foreign/events.h"
#include "plane/foreign/messages.h"
#include "plane/http2/session.h"
#include "plane/mail.h"

namespace metastore::plane {

/// Headers of an HTTP answer, in order.
using HeaderPairs = std::vector<std::pair<std::string, std::string>>;

class ForeignCalls final : public CallFactory {
 public:
  /// `calls` is the lane's table, `events` what goes into `queue` next; all outlive it.
  ForeignCalls(CallTable* calls, EventBatch* events, const EventQueue* queue, Counter* count)
      : calls_(calls), events_(events), queue_(queue), count_(count) {}

  std::unique_ptr<Call> Make(CallId id, Wire* wire) override;
  std::unique_ptr<Call> MakeHttp(CallId id, HttpWire* wire);
  /// Tells of the calls that have come.
  void OnTurnEnd();

  // Commands. Calls that are over, or of the other kind, are passed by.

  void Reply(CallId call, std::string_view message);
  void Send(CallId call, std::string message);
  void Finish(CallId call, int grpc_status, std::string_view text);
  void Ask(CallId call);
  void HttpRespond(CallId call, int status, const HeaderPairs& headers);
  void HttpSend(CallId call, std::string bytes);
  void HttpEnd(CallId call);
  void HttpReset(CallId call);

  size_t size() const { return streams_.size(); }

 private:
  class Stream;
  class GrpcStream;
  class HttpStream;

  /// Null unless the call is TypeScript's and under way; marks its connection for writing.
  Stream* Find(CallId call);
  GrpcStream* FindGrpc(CallId call);
  HttpStream* FindHttp(CallId call);

  CallTable* const calls_;
  EventBatch* const events_;
  const EventQueue* const queue_;
  Counter* const count_;
  /// Those that neither side has ended.
  std::unordered_map<CallId, Stream*> streams_;
  std::vector<CallId> fresh_;  // not told of yet
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_FOREIGN_FOREIGN_H_
