// KV and Watch: what each RPC does when it succeeds, and what is refused after a
// compaction.
package main

import (
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

var kvCases = []testCase{
	{"Put", "a new key and its next value", put},
	{"Range", "one key, and a count", rangeCase},
	{"RangeStream", "a prefix in chunks", rangeStream},
	{"DeleteRange", "a prefix with what was there", deleteRange},
	{"Txn", "both branches", txn},
	{"Compact", "what was compacted is refused", compact},
	{"Watch", "events, progress, cancelling", watch},
}

func (t *T) kv() pb.KVClient { return pb.NewKVClient(t.conn) }

func (t *T) put(name, value string) *pb.PutResponse {
	request := &pb.PutRequest{Key: []byte(name), Value: []byte(value), PrevKv: true}
	return must[*pb.PutResponse](t)(t.kv().Put(t.ctx, request))
}

func put(t *T) {
	first := t.put("rpcs/put", "one")
	second := t.put("rpcs/put", "two")
	t.holds(string(second.PrevKv.Value) == "one", "the value before: %v", second.PrevKv)
	t.holds(second.Header.Revision == first.Header.Revision+1, "one revision later")
	t.holds(second.Header.ClusterId != 0 && second.Header.MemberId != 0, "who answered")
}

func rangeCase(t *T) {
	t.put("rpcs/range", "x")
	one := must[*pb.RangeResponse](t)(t.kv().Range(t.ctx, &pb.RangeRequest{Key: []byte("rpcs/range")}))
	t.holds(one.Count == 1 && string(one.Kvs[0].Value) == "x", "got %v", one)
	local := &pb.RangeRequest{Key: []byte("\x00"), RangeEnd: []byte("\x00"), CountOnly: true, Serializable: true}
	all := must[*pb.RangeResponse](t)(t.kv().Range(t.ctx, local))
	t.holds(all.Count > 0 && len(all.Kvs) == 0, "got %v", all)
}

func rangeStream(t *T) {
	for i := range 25 {
		t.put("rpcs/stream/"+string(rune('a'+i)), "x")
	}
	request := &pb.RangeRequest{Key: []byte("rpcs/stream/"), RangeEnd: []byte("rpcs/stream0")}
	stream, err := t.kv().RangeStream(t.ctx, request)
	t.ok(err)
	var chunks, keys int
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			break
		}
		t.ok(err)
		chunks++
		keys += len(chunk.RangeResponse.Kvs)
	}
	t.holds(chunks > 1 && keys == 25, "%d keys in %d chunks", keys, chunks)
}

func deleteRange(t *T) {
	t.put("rpcs/delete/1", "x")
	t.put("rpcs/delete/2", "x")
	request := &pb.DeleteRangeRequest{Key: []byte("rpcs/delete/"), RangeEnd: []byte("rpcs/delete0"), PrevKv: true}
	answer := must[*pb.DeleteRangeResponse](t)(t.kv().DeleteRange(t.ctx, request))
	t.holds(answer.Deleted == 2 && len(answer.PrevKvs) == 2, "got %v", answer)
}

func txn(t *T) {
	name := []byte("rpcs/txn")
	request := &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: name, Target: pb.Compare_VERSION, Result: pb.Compare_EQUAL,
			TargetUnion: &pb.Compare_Version{Version: 0},
		}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{
			RequestPut: &pb.PutRequest{Key: name, Value: []byte("made")},
		}}},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{
			RequestRange: &pb.RangeRequest{Key: name},
		}}},
	}
	first := must[*pb.TxnResponse](t)(t.kv().Txn(t.ctx, request))
	second := must[*pb.TxnResponse](t)(t.kv().Txn(t.ctx, request))
	t.holds(first.Succeeded && !second.Succeeded, "got %v, %v", first, second)
	t.holds(len(second.Responses[0].GetResponseRange().Kvs) == 1, "the other branch reads")
}

func compact(t *T) {
	revision := t.put("rpcs/compact", "x").Header.Revision
	request := &pb.CompactionRequest{Revision: revision, Physical: true}
	must[*pb.CompactionResponse](t)(t.kv().Compact(t.ctx, request))
	_, err := t.kv().Compact(t.ctx, request)
	t.fails(err, "etcdserver: mvcc: required revision has been compacted")
}

func watch(t *T) {
	stream, err := pb.NewWatchClient(t.conn).Watch(t.ctx)
	t.ok(err)
	receive := func() *pb.WatchResponse { return must[*pb.WatchResponse](t)(stream.Recv()) }
	t.ok(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte("rpcs/watch"), PrevKv: true},
	}}))
	created := receive()
	t.holds(created.Created && !created.Canceled, "got %v", created)
	t.put("rpcs/watch", "one")
	t.put("rpcs/watch", "two")
	var events []*mvccpb.Event
	for len(events) < 2 {
		events = append(events, receive().Events...)
	}
	t.holds(string(events[1].PrevKv.Value) == "one", "got %v", events[1])
	t.ok(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{
		ProgressRequest: &pb.WatchProgressRequest{},
	}}))
	t.holds(receive().WatchId == -1, "progress of the stream")
	t.ok(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{
		CancelRequest: &pb.WatchCancelRequest{WatchId: created.WatchId},
	}}))
	t.holds(receive().Canceled, "it is cancelled")
	t.ok(stream.CloseSend())
}
