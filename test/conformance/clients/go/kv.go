// Cases of the KV service: put, get with every option, delete, compaction, limits, deadlines.
// Called by main.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var kvCases = []testCase{
	{"kv-put-get", putGet},
	{"kv-put-options", putOptions},
	{"kv-get-ranges", getRanges},
	{"kv-get-limits-and-counts", getLimits},
	{"kv-get-sorted", getSorted},
	{"kv-get-revisions", getRevisions},
	{"kv-get-revision-bounds", getRevisionBounds},
	{"kv-get-stream", getStream},
	{"kv-delete", deleteRange},
	{"kv-do", do},
	{"kv-binary-and-empty", binary},
	{"kv-big-value", bigValue},
	{"kv-too-large", tooLarge},
	{"kv-deadline", deadline},
	{"kv-errors", kvErrors},
	{"kv-many-in-flight", manyInFlight},
	{"kv-compact", compact},
}

func putGet(t *T) {
	before := t.get(t.key("a"))
	t.same(len(before.Kvs), 0, "kvs before")
	t.same(before.Count, 0, "count before")
	first := t.put(t.key("a"), "1")
	t.same(first.Header.Revision, before.Header.Revision+1, "revision")
	t.check(first.PrevKv == nil, "prev_kv without asking")
	t.put(t.key("a"), "2")
	got := t.get(t.key("a"))
	t.same(len(got.Kvs), 1, "kvs")
	kv := got.Kvs[0]
	t.same(string(kv.Key), t.key("a"), "key")
	t.same(string(kv.Value), "2", "value")
	t.same(kv.CreateRevision, first.Header.Revision, "create revision")
	t.same(kv.ModRevision, first.Header.Revision+1, "mod revision")
	t.same(kv.Version, 2, "version")
	t.same(kv.Lease, 0, "lease")
	t.same(got.Count, 1, "count")
	t.same(got.More, false, "more")
	t.check(got.Header.ClusterId != 0 && got.Header.MemberId != 0, "ids: %v", got.Header)
	t.check(got.Header.RaftTerm > 0, "term: %v", got.Header)
}

func putOptions(t *T) {
	key := t.key("a")
	none := t.put(key, "1", clientv3.WithPrevKV())
	t.check(none.PrevKv == nil, "prev_kv of a new key: %v", none.PrevKv)
	some := t.put(key, "2", clientv3.WithPrevKV())
	t.same(string(some.PrevKv.Value), "1", "prev_kv")
	t.same(some.PrevKv.Version, 1, "prev_kv version")
	lease, err := t.client.Grant(t.ctx, 60)
	t.ok(err, "grant")
	t.put(key, "3", clientv3.WithLease(lease.ID))
	t.put(key, "", clientv3.WithIgnoreValue(), clientv3.WithLease(lease.ID))
	t.same(t.value(key), "3", "value kept")
	t.put(key, "4", clientv3.WithIgnoreLease())
	t.same(t.get(key).Kvs[0].Lease, int64(lease.ID), "lease kept")
	t.put(key, "", clientv3.WithIgnoreValue())
	t.same(t.get(key).Kvs[0].Lease, 0, "lease dropped")
	t.same(t.value(key), "4", "value kept while the lease goes")
	_, err = t.client.Revoke(t.ctx, lease.ID)
	t.ok(err, "revoke")
	t.same(t.value(key), "4", "a detached key outlives the lease")
}

func getRanges(t *T) {
	for _, name := range []string{"a", "b", "b/1", "b/2", "c"} {
		t.put(t.key(name), name)
	}
	t.same(t.names(t.get(t.prefix, clientv3.WithPrefix())), "a b b/1 b/2 c", "prefix")
	t.same(t.names(t.get(t.key("b/"), clientv3.WithPrefix())), "b/1 b/2", "prefix b/")
	t.same(t.names(t.get(t.key("b"), clientv3.WithRange(t.key("c")))), "b b/1 b/2", "[b, c)")
	t.same(t.names(t.get(t.key("c"), clientv3.WithRange(t.key("a")))), "", "[c, a)")
	t.same(t.names(t.get(t.key("b"), clientv3.WithRange(t.key("b")))), "", "[b, b)")
	from := t.get(t.key("b/2"), clientv3.WithFromKey(), clientv3.WithLimit(2))
	t.same(t.names(from), "b/2 c", "from key")
	all := t.get("", clientv3.WithPrefix(), clientv3.WithCountOnly())
	everything := t.get("\x00", clientv3.WithFromKey(), clientv3.WithCountOnly())
	t.same(all.Count, everything.Count, "all keys two ways")
	local := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithSerializable())
	t.same(t.names(local), "a b b/1 b/2 c", "serializable")
}

func getLimits(t *T) {
	for i := range 10 {
		t.put(t.key(fmt.Sprint(i)), strings.Repeat("v", i))
	}
	page := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithLimit(4))
	t.same(t.names(page), "0 1 2 3", "first page")
	t.same(page.Count, 10, "count of all")
	t.same(page.More, true, "more")
	next := string(page.Kvs[3].Key) + "\x00"
	end := clientv3.WithRange(clientv3.GetPrefixRangeEnd(t.prefix))
	rest := t.get(next, end, clientv3.WithLimit(6), clientv3.WithRev(page.Header.Revision))
	t.same(t.names(rest), "4 5 6 7 8 9", "second page")
	t.same(rest.Count, 6, "count of the rest")
	t.same(rest.More, false, "no more")
	keys := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	t.same(len(keys.Kvs), 10, "keys only")
	for _, kv := range keys.Kvs {
		t.check(len(kv.Value) == 0 && kv.ModRevision > 0, "keys only: %v", kv)
	}
	count := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	t.same(count.Count, 10, "count only")
	t.same(len(count.Kvs), 0, "count only has no keys")
}

func getSorted(t *T) {
	// Written so that every target gives another order.
	t.put(t.key("b"), "9")
	t.put(t.key("c"), "8")
	t.put(t.key("a"), "7")
	t.put(t.key("c"), "6")
	t.put(t.key("b"), "5")
	t.put(t.key("b"), "5")
	orders := []struct {
		target clientv3.SortTarget
		want   string
	}{
		{clientv3.SortByKey, "a b c"},
		{clientv3.SortByVersion, "a c b"},
		{clientv3.SortByCreateRevision, "b c a"},
		{clientv3.SortByModRevision, "a c b"},
		{clientv3.SortByValue, "b c a"},
	}
	for _, order := range orders {
		up := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithSort(order.target, clientv3.SortAscend))
		t.same(t.names(up), order.want, fmt.Sprintf("ascending by %v", order.target))
		down := t.get(t.prefix, clientv3.WithPrefix(),
			clientv3.WithSort(order.target, clientv3.SortDescend))
		words := strings.Fields(order.want)
		t.same(t.names(down), words[2]+" "+words[1]+" "+words[0],
			fmt.Sprintf("descending by %v", order.target))
	}
	firsts := []struct {
		opts []clientv3.OpOption
		want string
	}{
		{clientv3.WithFirstCreate(), "b"}, {clientv3.WithLastCreate(), "a"},
		{clientv3.WithFirstKey(), "a"}, {clientv3.WithLastKey(), "c"},
		{clientv3.WithFirstRev(), "a"}, {clientv3.WithLastRev(), "b"},
	}
	for i, first := range firsts {
		t.same(t.names(t.get(t.prefix, first.opts...)), first.want, fmt.Sprintf("first/last %d", i))
	}
}

func getRevisions(t *T) {
	first := t.put(t.key("a"), "1").Header.Revision
	t.put(t.key("a"), "2")
	t.put(t.key("b"), "3")
	_, err := t.client.Delete(t.ctx, t.key("a"))
	t.ok(err, "delete")
	t.same(string(t.get(t.key("a"), clientv3.WithRev(first)).Kvs[0].Value), "1", "at the first")
	t.same(string(t.get(t.key("a"), clientv3.WithRev(first+1)).Kvs[0].Value), "2", "at the second")
	past := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithRev(first+2))
	t.same(t.names(past), "a b", "before the deletion")
	t.same(past.Header.Revision, first+3, "the header has the current revision")
	t.same(t.names(t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithRev(first+3))), "b", "after")
	t.same(len(t.get(t.key("a"), clientv3.WithRev(first-1)).Kvs), 0, "before the first")
}

func getRevisionBounds(t *T) {
	base := t.put(t.key("a"), "1").Header.Revision
	t.put(t.key("b"), "1")
	t.put(t.key("c"), "1")
	t.put(t.key("a"), "2")
	bounds := []struct {
		opt  clientv3.OpOption
		want string
	}{
		{clientv3.WithMinModRev(base + 2), "a c"},
		{clientv3.WithMaxModRev(base + 2), "b c"},
		{clientv3.WithMinCreateRev(base + 1), "b c"},
		{clientv3.WithMaxCreateRev(base + 1), "a b"},
	}
	for i, bound := range bounds {
		response := t.get(t.prefix, clientv3.WithPrefix(), bound.opt)
		t.same(t.names(response), bound.want, fmt.Sprintf("bound %d", i))
		t.same(response.Count, 3, "the count ignores bounds")
	}
}

func getStream(t *T) {
	want := make([]string, 0, 300)
	for i := range 300 {
		name := fmt.Sprintf("%04d", i)
		t.put(t.key(name), strings.Repeat("x", 8192))
		want = append(want, name)
	}
	chunks, err := t.client.GetStream(t.ctx, t.prefix, clientv3.WithPrefix())
	t.ok(err, "stream")
	whole := &clientv3.GetResponse{}
	for chunk := range chunks {
		t.ok(chunk.Err(), "chunk")
		whole.Kvs = append(whole.Kvs, chunk.RangeResponse.Kvs...)
		whole.Count = max(whole.Count, chunk.RangeResponse.Count)
	}
	t.same(t.names(whole), strings.Join(want, " "), "keys in order")
	t.same(whole.Count, 300, "count")
}

func deleteRange(t *T) {
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		t.put(t.key(name), "v"+name)
	}
	one, err := t.client.Delete(t.ctx, t.key("a"), clientv3.WithPrevKV())
	t.ok(err, "delete a")
	t.same(one.Deleted, 1, "deleted")
	t.same(string(one.PrevKvs[0].Value), "va", "prev_kv")
	none, err := t.client.Delete(t.ctx, t.key("a"))
	t.ok(err, "delete a again")
	t.same(none.Deleted, 0, "deleted again")
	t.same(none.Header.Revision, one.Header.Revision, "nothing deleted, no revision")
	two, err := t.client.Delete(t.ctx, t.key("b"), clientv3.WithRange(t.key("d")))
	t.ok(err, "delete [b, d)")
	t.same(two.Deleted, 2, "deleted [b, d)")
	t.same(two.Header.Revision, one.Header.Revision+1, "one revision for all")
	rest, err := t.client.Delete(t.ctx, t.prefix, clientv3.WithPrefix(), clientv3.WithPrevKV())
	t.ok(err, "delete the rest")
	t.same(len(rest.PrevKvs), 2, "the rest")
	again := t.put(t.key("a"), "new")
	kv := t.get(t.key("a")).Kvs[0]
	t.same(kv.Version, 1, "a new life")
	t.same(kv.CreateRevision, again.Header.Revision, "created anew")
}

func do(t *T) {
	put, err := t.client.Do(t.ctx, clientv3.OpPut(t.key("a"), "1"))
	t.ok(err, "put")
	t.check(put.Put() != nil, "no put response")
	get, err := t.client.Do(t.ctx, clientv3.OpGet(t.key("a")))
	t.ok(err, "get")
	t.same(string(get.Get().Kvs[0].Value), "1", "value")
	txn, err := t.client.Do(t.ctx, clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(t.key("a"))}, nil))
	t.ok(err, "txn")
	t.same(txn.Txn().Succeeded, true, "succeeded")
	del, err := t.client.Do(t.ctx, clientv3.OpDelete(t.key("a")))
	t.ok(err, "delete")
	t.same(del.Del().Deleted, 1, "deleted")
}

func binary(t *T) {
	key := t.prefix + "\x00\xff\x80\n"
	t.put(key, "\xff\x00\xfe")
	t.same(t.value(key), "\xff\x00\xfe", "binary value")
	t.put(t.key("empty"), "")
	kv := t.get(t.key("empty")).Kvs[0]
	t.same(len(kv.Value), 0, "empty value")
	high := t.prefix + "\xff\xff"
	t.put(high, "1")
	t.same(len(t.get(high, clientv3.WithPrefix()).Kvs), 1, "prefix of 0xff bytes")
}

func bigValue(t *T) {
	value := strings.Repeat("0123456789abcdef", 65536)
	t.put(t.key("mega"), value)
	t.check(t.value(t.key("mega")) == value, "1 MiB came back changed")
	for i := range 8 {
		t.put(t.key(fmt.Sprint("many/", i)), value)
	}
	many := t.get(t.key("many/"), clientv3.WithPrefix())
	t.same(len(many.Kvs), 8, "8 MiB in one answer")
	for _, kv := range many.Kvs {
		t.check(string(kv.Value) == value, "a value of the 8 came back changed")
	}
	_, err := t.client.Delete(t.ctx, t.prefix, clientv3.WithPrefix())
	t.ok(err, "delete")
}

func tooLarge(t *T) {
	_, err := t.client.Put(t.ctx, t.key("a"), strings.Repeat("x", 1536*1024+1))
	t.is(err, rpctypes.ErrRequestTooLarge, "1.5 MiB and more")
	_, err = t.client.Put(t.ctx, t.key("a"), strings.Repeat("x", 4*1024*1024))
	t.same(status.Code(err), codes.ResourceExhausted, "over the client's own limit")
	t.same(t.value(t.key("a")), "(none)", "nothing was written")
	t.put(t.key("b"), "still served")
}

func deadline(t *T) {
	gone, cancel := context.WithTimeout(t.ctx, time.Nanosecond)
	defer cancel()
	_, err := t.client.Get(gone, t.key("a"))
	t.check(errors.Is(err, context.DeadlineExceeded), "an expired context: %v", err)
	cancelled, stop := context.WithCancel(t.ctx)
	stop()
	_, err = t.client.Put(cancelled, t.key("a"), "1")
	t.check(errors.Is(err, context.Canceled), "a cancelled context: %v", err)
	t.same(t.value(t.key("a")), "(none)", "nothing was written")
}

func kvErrors(t *T) {
	_, err := t.client.Put(t.ctx, "", "v")
	t.is(err, rpctypes.ErrEmptyKey, "empty key")
	_, err = t.client.Put(t.ctx, t.key("none"), "", clientv3.WithIgnoreValue())
	t.is(err, rpctypes.ErrKeyNotFound, "ignore_value of no key")
	_, err = t.client.Put(t.ctx, t.key("none"), "v", clientv3.WithIgnoreLease())
	t.is(err, rpctypes.ErrKeyNotFound, "ignore_lease of no key")
	_, err = t.client.Put(t.ctx, t.key("a"), "v", clientv3.WithIgnoreValue())
	t.is(err, rpctypes.ErrValueProvided, "ignore_value with a value")
	_, err = t.client.Put(t.ctx, t.key("a"), "v", clientv3.WithIgnoreLease(), clientv3.WithLease(1))
	t.is(err, rpctypes.ErrLeaseProvided, "ignore_lease with a lease")
	_, err = t.client.Put(t.ctx, t.key("a"), "v", clientv3.WithLease(0x7fffffffffff))
	t.is(err, rpctypes.ErrLeaseNotFound, "unknown lease")
	now := t.put(t.key("a"), "v").Header.Revision
	_, err = t.client.Get(t.ctx, t.key("a"), clientv3.WithRev(now+100))
	t.is(err, rpctypes.ErrFutureRev, "future revision")
	_, err = t.client.Compact(t.ctx, now+100)
	t.is(err, rpctypes.ErrFutureRev, "compaction in the future")
	_, err = t.client.Compact(t.ctx, -1)
	t.is(err, rpctypes.ErrCompacted, "compaction at -1")
}

func manyInFlight(t *T) {
	const writers, each = 50, 10
	failures := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := range each {
				key := t.key(fmt.Sprintf("%d/%d", w, i))
				if _, err := t.client.Put(t.ctx, key, key); err != nil {
					failures <- err
					return
				}
				got, err := t.client.Get(t.ctx, key)
				if err == nil && (len(got.Kvs) != 1 || string(got.Kvs[0].Value) != key) {
					err = fmt.Errorf("%s is not there after its put", key)
				}
				if err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	for range writers {
		t.ok(<-failures, "writer")
	}
	all := t.get(t.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	t.same(all.Count, writers*each, "all written")
	seen := map[int64]bool{}
	for _, kv := range all.Kvs {
		t.check(!seen[kv.ModRevision], "revision %d twice", kv.ModRevision)
		seen[kv.ModRevision] = true
	}
}

func compact(t *T) {
	first := t.put(t.key("a"), "1").Header.Revision
	second := t.put(t.key("a"), "2").Header.Revision
	response, err := t.client.Compact(t.ctx, second)
	t.ok(err, "compact")
	t.same(response.Header.Revision, second, "the header of a compaction")
	_, err = t.client.Get(t.ctx, t.key("a"), clientv3.WithRev(first))
	t.is(err, rpctypes.ErrCompacted, "compacted revision")
	at := t.get(t.key("a"), clientv3.WithRev(second))
	t.same(string(at.Kvs[0].Value), "2", "the compacted revision itself")
	_, err = t.client.Compact(t.ctx, second)
	t.is(err, rpctypes.ErrCompacted, "compacted already")
	third := t.put(t.key("a"), "3").Header.Revision
	_, err = t.client.Compact(t.ctx, third, clientv3.WithCompactPhysical())
	t.ok(err, "physical compaction")
	t.same(t.value(t.key("a")), "3", "what is current stays")
}
