// Cases of the Watch service: history, live events, filters, previous values, fragments, progress,
// compacted starts, many watchers, and resuming after a restart. Called by main.go.
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var watchCases = []testCase{
	{"watch-history", watchHistory},
	{"watch-live", watchLive},
	{"watch-future-revision", watchFuture},
	{"watch-filters", watchFilters},
	{"watch-prev-kv", watchPrevKv},
	{"watch-ranges", watchRanges},
	{"watch-txn-is-one-response", watchTxn},
	{"watch-fragments", watchFragments},
	{"watch-progress", watchProgress},
	{"watch-compacted", watchCompacted},
	{"watch-cancel", watchCancel},
	{"watch-many-on-one-stream", watchMany},
	{"watch-created-notify", watchCreated},
	{"watch-require-leader", watchRequireLeader},
}

// Run last: it restarts the server under all that is connected.
var restartCases = []testCase{{"watch-and-lease-resume-after-restart", watchResume}}

// next waits for the next response of a channel.
func (t *T) next(channel clientv3.WatchChan) clientv3.WatchResponse {
	select {
	case response, open := <-channel:
		t.check(open, "the watch channel was closed")
		return response
	case <-t.ctx.Done():
		t.fail("no watch response in time")
		panic("unreachable")
	}
}

// events collects so many events and lists them as `PUT key=value` without the case's prefix.
func (t *T) events(channel clientv3.WatchChan, count int) string {
	list := make([]string, 0, count)
	last := int64(0)
	for len(list) < count {
		response := t.next(channel)
		t.ok(response.Err(), "watch")
		for _, event := range response.Events {
			kv := event.Kv
			t.check(kv.ModRevision >= last, "revision %d after %d", kv.ModRevision, last)
			t.check(response.Header.Revision >= kv.ModRevision, "an event beyond its header")
			last = kv.ModRevision
			name := strings.TrimPrefix(string(kv.Key), t.prefix)
			list = append(list, fmt.Sprintf("%v %s=%s", event.Type, name, kv.Value))
		}
	}
	return strings.Join(list, ", ")
}

// created opens a watch and returns once the server has it.
func (t *T) created(key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	channel := t.client.Watch(t.ctx, key, append(opts, clientv3.WithCreatedNotify())...)
	t.check(t.next(channel).Created, "the first response is not that of the creation")
	return channel
}

func (t *T) remove(key string, opts ...clientv3.OpOption) {
	_, err := t.client.Delete(t.ctx, key, opts...)
	t.ok(err, "delete "+key)
}

func watchHistory(t *T) {
	first := t.put(t.key("a"), "1").Header.Revision
	t.put(t.key("b"), "2")
	t.remove(t.key("a"))
	t.put(t.key("a"), "3")
	all := t.client.Watch(t.ctx, t.prefix, clientv3.WithPrefix(), clientv3.WithRev(first))
	t.same(t.events(all, 4), "PUT a=1, PUT b=2, DELETE a=, PUT a=3", "all")
	one := t.client.Watch(t.ctx, t.key("a"), clientv3.WithRev(first+1))
	t.same(t.events(one, 2), "DELETE a=, PUT a=3", "one key from its second revision")
	t.put(t.key("a"), "4")
	t.same(t.events(all, 1), "PUT a=4", "history goes over into live events")
	t.same(t.events(one, 1), "PUT a=4", "the other watcher too")
}

func watchLive(t *T) {
	channel := t.created(t.prefix, clientv3.WithPrefix())
	other := t.newClient()
	defer other.Close()
	want := make([]string, 0, 200)
	for i := range 200 {
		key := fmt.Sprint(i % 7)
		_, err := other.Put(t.ctx, t.key(key), fmt.Sprint(i))
		t.ok(err, "put")
		want = append(want, fmt.Sprintf("PUT %s=%d", key, i))
	}
	t.same(t.events(channel, 200), strings.Join(want, ", "), "every event once, in order")
}

func watchFuture(t *T) {
	now := t.put(t.key("a"), "1").Header.Revision
	channel := t.created(t.key("a"), clientv3.WithRev(now+3))
	t.put(t.key("a"), "2")
	t.put(t.key("a"), "3")
	t.put(t.key("a"), "4")
	t.same(t.events(channel, 1), "PUT a=4", "from the revision asked for")
}

func watchFilters(t *T) {
	first := t.put(t.key("a"), "1").Header.Revision
	noPut := t.created(t.prefix, clientv3.WithPrefix(), clientv3.WithFilterPut())
	noDelete := t.created(t.prefix, clientv3.WithPrefix(), clientv3.WithFilterDelete())
	t.put(t.key("a"), "2")
	t.remove(t.key("a"))
	t.put(t.key("a"), "3")
	t.remove(t.key("a"))
	t.same(t.events(noPut, 2), "DELETE a=, DELETE a=", "no puts")
	t.same(t.events(noDelete, 2), "PUT a=2, PUT a=3", "no deletions")
	history := t.client.Watch(t.ctx, t.key("a"), clientv3.WithRev(first), clientv3.WithFilterPut())
	t.same(t.events(history, 2), "DELETE a=, DELETE a=", "no puts of history")
}

func watchPrevKv(t *T) {
	first := t.put(t.key("a"), "1").Header.Revision
	t.put(t.key("a"), "2")
	live := t.created(t.key("a"), clientv3.WithPrevKV())
	history := t.created(t.key("a"), clientv3.WithPrevKV(), clientv3.WithRev(first))
	t.remove(t.key("a"))
	seen := []string{}
	for len(seen) < 3 {
		for _, event := range t.next(history).Events {
			prev := "none"
			if event.PrevKv != nil {
				prev = string(event.PrevKv.Value)
			}
			seen = append(seen, fmt.Sprintf("%v<%s", event.Type, prev))
		}
	}
	t.same(strings.Join(seen, " "), "PUT<none PUT<1 DELETE<2", "history")
	event := t.next(live).Events[0]
	t.same(string(event.PrevKv.Value), "2", "live")
	t.same(event.PrevKv.Version, 2, "live version")
	bare := t.client.Watch(t.ctx, t.key("a"), clientv3.WithRev(first+1))
	t.check(t.next(bare).Events[0].PrevKv == nil, "prev_kv without asking")
}

func watchRanges(t *T) {
	half := t.created(t.key("b"), clientv3.WithRange(t.key("d")))
	from := t.created(t.key("c"), clientv3.WithFromKey())
	single := t.created(t.key("c"))
	for _, name := range []string{"a", "b", "c", "d"} {
		t.put(t.key(name), name)
	}
	t.same(t.events(half, 2), "PUT b=b, PUT c=c", "[b, d)")
	t.same(t.events(from, 2), "PUT c=c, PUT d=d", "from c")
	t.same(t.events(single, 1), "PUT c=c", "c")
}

func watchTxn(t *T) {
	channel := t.created(t.prefix, clientv3.WithPrefix())
	ops := []clientv3.Op{}
	for i := range 20 {
		ops = append(ops, clientv3.OpPut(t.key(fmt.Sprint(i)), "v"))
	}
	written, err := t.client.Txn(t.ctx).Then(ops...).Commit()
	t.ok(err, "txn")
	response := t.next(channel)
	t.same(len(response.Events), 20, "events of one revision in one response")
	t.same(response.Header.Revision, written.Header.Revision, "header")
	for i, event := range response.Events {
		t.same(string(event.Kv.Key), t.key(fmt.Sprint(i)), "order of the transaction")
	}
}

func watchFragments(t *T) {
	// 5 MB of history in one go: more than one message may hold, so the server has to split it and
	// the client to put it together again.
	const count, size = 10, 500_000
	first := int64(0)
	for i := range count {
		revision := t.put(t.key(fmt.Sprint(i)), strings.Repeat("x", size)).Header.Revision
		if i == 0 {
			first = revision
		}
	}
	channel := t.client.Watch(t.ctx, t.prefix, clientv3.WithPrefix(), clientv3.WithRev(first),
		clientv3.WithFragment())
	for seen := 0; seen < count; {
		response := t.next(channel)
		t.ok(response.Err(), "watch")
		for _, event := range response.Events {
			t.same(len(event.Kv.Value), size, "value")
			t.same(string(event.Kv.Key), t.key(fmt.Sprint(seen)), "order")
			seen++
		}
	}
	t.remove(t.prefix, clientv3.WithPrefix())
}

func watchProgress(t *T) {
	// A context of its own, hence a stream of its own: the answer goes to a whole stream.
	client := t.newClient()
	defer client.Close()
	channel := client.Watch(t.ctx, t.key("quiet"), clientv3.WithCreatedNotify())
	t.check(t.next(channel).Created, "created")
	revision := t.put(t.key("other"), "1").Header.Revision
	t.ok(client.RequestProgress(t.ctx), "request")
	response := t.next(channel)
	t.check(response.IsProgressNotify(), "not a progress notification: %+v", response)
	t.check(response.Header.Revision >= revision, "progress at %d of %d",
		response.Header.Revision, revision)
}

func watchCompacted(t *T) {
	first := t.put(t.key("a"), "1").Header.Revision
	t.put(t.key("a"), "2")
	last := t.put(t.key("a"), "3").Header.Revision
	_, err := t.client.Compact(t.ctx, last)
	t.ok(err, "compact")
	channel := t.client.Watch(t.ctx, t.key("a"), clientv3.WithRev(first))
	response := t.next(channel)
	t.is(response.Err(), rpctypes.ErrCompacted, "a compacted start")
	t.same(response.CompactRevision, last, "compact revision")
	t.same(response.Canceled, true, "cancelled")
	_, open := <-channel
	t.same(open, false, "the channel is closed")
	at := t.client.Watch(t.ctx, t.key("a"), clientv3.WithRev(last))
	t.same(t.events(at, 1), "PUT a=3", "the compacted revision itself")
}

func watchCancel(t *T) {
	ctx, cancel := context.WithCancel(t.ctx)
	channel := t.client.Watch(ctx, t.key("a"), clientv3.WithCreatedNotify())
	t.check(t.next(channel).Created, "created")
	cancel()
	for range channel {
	}
	other := t.created(t.key("a"))
	t.put(t.key("a"), "1")
	t.same(t.events(other, 1), "PUT a=1", "a watcher after one that was cancelled")
}

func watchMany(t *T) {
	const watchers = 300
	client := t.newClient()
	defer client.Close()
	channels := make([]clientv3.WatchChan, watchers)
	for i := range channels {
		key := t.key(fmt.Sprintf("%03d", i))
		channels[i] = client.Watch(t.ctx, key, clientv3.WithCreatedNotify())
	}
	for _, channel := range channels {
		t.check(t.next(channel).Created, "created")
	}
	for i := range channels {
		t.put(t.key(fmt.Sprintf("%03d", i)), fmt.Sprint(i))
	}
	for i, channel := range channels {
		t.same(t.events(channel, 1), fmt.Sprintf("PUT %03d=%d", i, i), "its own event")
	}
}

func watchCreated(t *T) {
	now := t.put(t.key("a"), "1").Header.Revision
	channel := t.client.Watch(t.ctx, t.key("a"), clientv3.WithCreatedNotify(), clientv3.WithRev(now))
	response := t.next(channel)
	t.same(response.Created, true, "created")
	t.same(len(response.Events), 0, "no events with it")
	t.same(t.events(channel, 1), "PUT a=1", "then the events")
}

func watchRequireLeader(t *T) {
	channel := t.client.Watch(clientv3.WithRequireLeader(t.ctx), t.key("a"),
		clientv3.WithCreatedNotify())
	t.check(t.next(channel).Created, "created")
	t.put(t.key("a"), "1")
	t.same(t.events(channel, 1), "PUT a=1", "event")
}

func watchResume(t *T) {
	lease, err := t.client.Grant(t.ctx, 60)
	t.ok(err, "grant")
	alive, err := t.client.KeepAlive(t.ctx, lease.ID)
	t.ok(err, "keep alive")
	go func() {
		for range alive {
		}
	}()
	t.put(t.key("leased"), "1", clientv3.WithLease(lease.ID))
	channel := t.created(t.key("n/"), clientv3.WithPrefix())
	t.put(t.key("n/before"), "1")
	t.same(t.events(channel, 1), "PUT n/before=1", "before the restart")
	revision := t.get(t.key("n/before")).Header.Revision
	t.restartServer()
	// Writes are not sent twice by the client: only a connection that is up takes them.
	t.same(t.get(t.key("n/before")).Header.Revision, revision, "the revision survives")
	t.put(t.key("n/after"), "2")
	t.same(t.events(channel, 1), "PUT n/after=2", "after the restart, nothing twice")
	t.same(t.value(t.key("leased")), "1", "the leased key")
	left, err := t.client.TimeToLive(t.ctx, lease.ID, clientv3.WithAttachedKeys())
	t.ok(err, "time to live")
	t.same(len(left.Keys), 1, "attached keys")
	t.check(left.TTL > 0 && left.TTL <= 60, "remaining %d s", left.TTL)
	history := t.client.Watch(t.ctx, t.key("n/"), clientv3.WithPrefix(),
		clientv3.WithRev(revision))
	t.same(t.events(history, 2), "PUT n/before=1, PUT n/after=2", "history across the restart")
	_, err = t.client.Revoke(t.ctx, lease.ID)
	t.ok(err, "revoke")
	t.same(t.value(t.key("leased")), "(none)", "revoked after the restart")
	time.Sleep(50 * time.Millisecond)
	t.ok(t.client.RequestProgress(t.ctx), "the stream is in use still")
}
