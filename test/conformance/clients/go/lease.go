// Cases of the Lease service: grant, revoke, keep-alive, time to live, list, expiry.
// Called by main.go.
package main

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var leaseCases = []testCase{
	{"lease-grant-revoke", leaseGrantRevoke},
	{"lease-time-to-live", leaseTimeToLive},
	{"lease-keep-alive", leaseKeepAlive},
	{"lease-keep-alive-once", leaseKeepAliveOnce},
	{"lease-expiry", leaseExpiry},
	{"lease-moves-between-leases", leaseMoves},
	{"lease-list", leaseList},
	{"lease-errors", leaseErrors},
	{"lease-many-on-one-stream", leaseMany},
}

func (t *T) grant(ttl int64) clientv3.LeaseID {
	response, err := t.client.Grant(t.ctx, ttl)
	t.ok(err, "grant")
	t.check(response.ID > 0, "lease id %d", response.ID)
	t.check(response.TTL >= ttl, "ttl %d of %d", response.TTL, ttl)
	return response.ID
}

func (t *T) revoke(id clientv3.LeaseID) {
	_, err := t.client.Revoke(t.ctx, id)
	t.ok(err, "revoke")
}

func leaseGrantRevoke(t *T) {
	before := t.get(t.key("x")).Header.Revision
	id := t.grant(60)
	t.same(t.get(t.key("x")).Header.Revision, before, "a grant takes no revision")
	for i := range 5 {
		t.put(t.key(fmt.Sprint(i)), "v", clientv3.WithLease(id))
	}
	t.put(t.key("free"), "v")
	channel := t.created(t.prefix, clientv3.WithPrefix())
	t.revoke(id)
	response := t.next(channel)
	t.same(len(response.Events), 5, "deletions in one revision")
	t.same(response.Header.Revision, before+7, "their revision")
	t.same(t.names(t.get(t.prefix, clientv3.WithPrefix())), "free", "what is left")
	_, err := t.client.Revoke(t.ctx, id)
	t.is(err, rpctypes.ErrLeaseNotFound, "revoked already")
}

func leaseTimeToLive(t *T) {
	id := t.grant(100)
	t.put(t.key("b"), "1", clientv3.WithLease(id))
	t.put(t.key("a"), "1", clientv3.WithLease(id))
	bare, err := t.client.TimeToLive(t.ctx, id)
	t.ok(err, "time to live")
	t.same(bare.GrantedTTL, 100, "granted")
	t.check(bare.TTL > 90 && bare.TTL <= 100, "remaining %d", bare.TTL)
	t.same(len(bare.Keys), 0, "no keys without asking")
	full, err := t.client.TimeToLive(t.ctx, id, clientv3.WithAttachedKeys())
	t.ok(err, "time to live with keys")
	names := map[string]bool{}
	for _, key := range full.Keys {
		names[string(key)] = true
	}
	t.check(len(full.Keys) == 2 && names[t.key("a")] && names[t.key("b")], "keys %q", full.Keys)
	t.revoke(id)
	gone, err := t.client.TimeToLive(t.ctx, id)
	t.ok(err, "time to live of a revoked lease")
	t.same(gone.TTL, -1, "a revoked lease")
}

func leaseKeepAlive(t *T) {
	id := t.grant(3)
	t.put(t.key("a"), "1", clientv3.WithLease(id))
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	channel, err := t.client.KeepAlive(ctx, id)
	t.ok(err, "keep alive")
	until := time.Now().Add(4500 * time.Millisecond)
	renewals := 0
	for time.Now().Before(until) {
		select {
		case response, open := <-channel:
			t.check(open && response != nil, "the keep-alive channel was closed")
			t.same(response.TTL, 3, "ttl")
			t.same(response.ID, id, "id")
			renewals++
		case <-time.After(time.Until(until)):
		}
	}
	t.check(renewals >= 3, "%d renewals", renewals)
	t.same(t.value(t.key("a")), "1", "kept alive beyond its time to live")
	t.revoke(id)
	for range channel {
	}
}

func leaseKeepAliveOnce(t *T) {
	id := t.grant(5)
	time.Sleep(1500 * time.Millisecond)
	before, err := t.client.TimeToLive(t.ctx, id)
	t.ok(err, "time to live")
	t.check(before.TTL <= 4, "remaining %d after 1.5 s of 5", before.TTL)
	response, err := t.client.KeepAliveOnce(t.ctx, id)
	t.ok(err, "keep alive once")
	t.same(response.TTL, 5, "renewed")
	after, err := t.client.TimeToLive(t.ctx, id)
	t.ok(err, "time to live")
	t.check(after.TTL >= before.TTL, "remaining %d then %d", before.TTL, after.TTL)
	t.revoke(id)
	_, err = t.client.KeepAliveOnce(t.ctx, id)
	t.is(err, rpctypes.ErrLeaseNotFound, "revoked")
}

func leaseExpiry(t *T) {
	id := t.grant(2)
	t.put(t.key("a"), "1", clientv3.WithLease(id))
	t.put(t.key("b"), "2", clientv3.WithLease(id))
	started := time.Now()
	channel := t.created(t.prefix, clientv3.WithPrefix())
	t.same(t.events(channel, 2), "DELETE a=, DELETE b=", "expiry deletes the keys")
	took := time.Since(started)
	t.check(took > 1500*time.Millisecond, "expired after %v of 2 s", took)
	t.check(took < 8*time.Second, "expired only after %v of 2 s", took)
	_, err := t.client.Put(t.ctx, t.key("a"), "1", clientv3.WithLease(id))
	t.is(err, rpctypes.ErrLeaseNotFound, "put with an expired lease")
}

func leaseMoves(t *T) {
	first, second := t.grant(60), t.grant(60)
	t.put(t.key("a"), "1", clientv3.WithLease(first))
	t.put(t.key("a"), "2", clientv3.WithLease(second))
	t.revoke(first)
	t.same(t.value(t.key("a")), "2", "it belongs to the second now")
	t.same(t.get(t.key("a")).Kvs[0].Lease, int64(second), "lease")
	t.revoke(second)
	t.same(t.value(t.key("a")), "(none)", "gone with the second")
}

func leaseList(t *T) {
	id := t.grant(60)
	listed := func() bool {
		response, err := t.client.Leases(t.ctx)
		t.ok(err, "list")
		for _, lease := range response.Leases {
			if lease.ID == id {
				return true
			}
		}
		return false
	}
	t.same(listed(), true, "listed")
	t.revoke(id)
	t.same(listed(), false, "listed after its revocation")
}

func leaseErrors(t *T) {
	_, err := t.client.Revoke(t.ctx, 0x123456789)
	t.is(err, rpctypes.ErrLeaseNotFound, "unknown lease")
	_, err = t.client.Grant(t.ctx, 9_000_000_001)
	t.is(err, rpctypes.ErrLeaseTTLTooLarge, "ttl over nine billion")
	gone, err := t.client.TimeToLive(t.ctx, 0x123456789)
	t.ok(err, "time to live of an unknown lease")
	t.same(gone.TTL, -1, "an unknown lease")
	channel, err := t.client.KeepAlive(t.ctx, 0x123456789)
	t.ok(err, "keep alive")
	select {
	case _, open := <-channel:
		t.same(open, false, "keep-alive of an unknown lease")
	case <-t.ctx.Done():
		t.fail("keep-alive of an unknown lease goes on")
	}
}

func leaseMany(t *T) {
	const count = 100
	ids := make([]clientv3.LeaseID, count)
	channels := make([]<-chan *clientv3.LeaseKeepAliveResponse, count)
	for i := range ids {
		ids[i] = t.grant(30)
		channel, err := t.client.KeepAlive(t.ctx, ids[i])
		t.ok(err, "keep alive")
		channels[i] = channel
	}
	for i, channel := range channels {
		select {
		case response := <-channel:
			t.check(response != nil && response.ID == ids[i], "answer %v for %x", response, ids[i])
		case <-t.ctx.Done():
			t.fail("no answer for lease %d", i)
		}
	}
	for _, id := range ids {
		t.revoke(id)
	}
}
