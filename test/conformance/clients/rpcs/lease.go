// Lease, Lock and Election. Every case grants a lease of its own and takes it
// back.
package main

import (
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	epb "go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	lpb "go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
)

var leaseCases = []testCase{
	{"LeaseGrant", "an id of the client's", leaseGrant},
	{"LeaseRevoke", "its keys go with it", leaseRevoke},
	{"LeaseKeepAlive", "one that is there and one that is not", leaseKeepAlive},
	{"LeaseTimeToLive", "with keys", leaseTimeToLive},
	{"LeaseLeases", "it is listed", leaseLeases},
}

var concurrencyCases = []testCase{
	{"Lock", "held and held again", lock},
	{"Unlock", "released", lock},
	{"Campaign", "won", election},
	{"Proclaim", "another value", election},
	{"Leader", "who leads", election},
	{"Observe", "sees the leader", election},
	{"Resign", "there is no leader", election},
}

func (t *T) lease() pb.LeaseClient { return pb.NewLeaseClient(t.conn) }

func (t *T) grant() int64 {
	return must[*pb.LeaseGrantResponse](t)(t.lease().LeaseGrant(t.ctx, &pb.LeaseGrantRequest{TTL: 60})).ID
}

func (t *T) revoke(id int64) {
	must[*pb.LeaseRevokeResponse](t)(t.lease().LeaseRevoke(t.ctx, &pb.LeaseRevokeRequest{ID: id}))
}

func leaseGrant(t *T) {
	request := &pb.LeaseGrantRequest{TTL: 60, ID: 771}
	answer := must[*pb.LeaseGrantResponse](t)(t.lease().LeaseGrant(t.ctx, request))
	t.holds(answer.ID == 771 && answer.TTL == 60, "got %v", answer)
	_, err := t.lease().LeaseGrant(t.ctx, request)
	t.fails(err, "etcdserver: lease already exists")
	t.revoke(771)
}

func leaseRevoke(t *T) {
	id := t.grant()
	name := []byte("rpcs/lease")
	must[*pb.PutResponse](t)(t.kv().Put(t.ctx, &pb.PutRequest{Key: name, Lease: id}))
	t.revoke(id)
	got := must[*pb.RangeResponse](t)(t.kv().Range(t.ctx, &pb.RangeRequest{Key: name}))
	t.holds(got.Count == 0, "got %v", got)
}

func leaseKeepAlive(t *T) {
	id := t.grant()
	stream, err := t.lease().LeaseKeepAlive(t.ctx)
	t.ok(err)
	for _, want := range []struct{ id, ttl int64 }{{id, 60}, {id + 1000000, 0}} {
		t.ok(stream.Send(&pb.LeaseKeepAliveRequest{ID: want.id}))
		answer := must[*pb.LeaseKeepAliveResponse](t)(stream.Recv())
		t.holds(answer.ID == want.id && answer.TTL == want.ttl, "got %v", answer)
	}
	t.ok(stream.CloseSend())
	t.revoke(id)
}

func leaseTimeToLive(t *T) {
	id := t.grant()
	must[*pb.PutResponse](t)(t.kv().Put(t.ctx, &pb.PutRequest{Key: []byte("rpcs/ttl"), Lease: id}))
	request := &pb.LeaseTimeToLiveRequest{ID: id, Keys: true}
	answer := must[*pb.LeaseTimeToLiveResponse](t)(t.lease().LeaseTimeToLive(t.ctx, request))
	t.holds(answer.GrantedTTL == 60 && answer.TTL <= 60 && len(answer.Keys) == 1, "got %v", answer)
	t.revoke(id)
	gone := must[*pb.LeaseTimeToLiveResponse](t)(t.lease().LeaseTimeToLive(t.ctx, request))
	t.holds(gone.TTL == -1, "got %v", gone)
}

func leaseLeases(t *T) {
	id := t.grant()
	answer := must[*pb.LeaseLeasesResponse](t)(t.lease().LeaseLeases(t.ctx, &pb.LeaseLeasesRequest{}))
	found := false
	for _, lease := range answer.Leases {
		found = found || lease.ID == id
	}
	t.holds(found, "got %v", answer)
	t.revoke(id)
}

func lock(t *T) {
	client := lpb.NewLockClient(t.conn)
	id := t.grant()
	request := &lpb.LockRequest{Name: []byte("rpcs/lock"), Lease: id}
	first := must[*lpb.LockResponse](t)(client.Lock(t.ctx, request))
	t.holds(strings.HasPrefix(string(first.Key), "rpcs/lock/"), "got %v", first)
	again := must[*lpb.LockResponse](t)(client.Lock(t.ctx, request))
	t.holds(string(again.Key) == string(first.Key), "got %v", again)
	must[*lpb.UnlockResponse](t)(client.Unlock(t.ctx, &lpb.UnlockRequest{Key: first.Key}))
	t.revoke(id)
}

func election(t *T) {
	client := epb.NewElectionClient(t.conn)
	name := []byte("rpcs/election")
	id := t.grant()
	request := &epb.CampaignRequest{Name: name, Lease: id, Value: []byte("me")}
	won := must[*epb.CampaignResponse](t)(client.Campaign(t.ctx, request))
	observer, err := client.Observe(t.ctx, &epb.LeaderRequest{Name: name})
	t.ok(err)
	seen := must[*epb.LeaderResponse](t)(observer.Recv())
	t.holds(string(seen.Kv.Value) == "me", "got %v", seen)
	proclaim := &epb.ProclaimRequest{Leader: won.Leader, Value: []byte("still me")}
	must[*epb.ProclaimResponse](t)(client.Proclaim(t.ctx, proclaim))
	leader := must[*epb.LeaderResponse](t)(client.Leader(t.ctx, &epb.LeaderRequest{Name: name}))
	t.holds(string(leader.Kv.Value) == "still me", "got %v", leader)
	seen = must[*epb.LeaderResponse](t)(observer.Recv())
	t.holds(string(seen.Kv.Value) == "still me", "got %v", seen)
	must[*epb.ResignResponse](t)(client.Resign(t.ctx, &epb.ResignRequest{Leader: won.Leader}))
	_, err = client.Leader(t.ctx, &epb.LeaderRequest{Name: name})
	t.fails(err, "election: no leader")
	t.revoke(id)
}
