// Cases of the Maintenance and Cluster services and of the client's wrappers: namespaces, ordering,
// mirrors. Called by main.go.
package main

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/ordering"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

var serviceCases = []testCase{
	{"maintenance-status", maintenanceStatus},
	{"maintenance-hash-kv", maintenanceHashKV},
	{"maintenance-defragment", maintenanceDefragment},
	{"maintenance-alarms", maintenanceAlarms},
	{"cluster-member-list", memberList},
	{"cluster-member-errors", memberErrors},
	{"cluster-sync", clusterSync},
	{"authority-of-3.4", authorityURL},
	{"authority-of-3.5.0", authorityList},
	{"wrapper-namespace", wrapperNamespace},
	{"wrapper-ordering", wrapperOrdering},
	{"wrapper-mirror", wrapperMirror},
}

func maintenanceStatus(t *T) {
	status, err := t.client.Status(t.ctx, t.endpoint)
	t.ok(err, "status")
	t.check(strings.Count(status.Version, ".") >= 2, "version %q", status.Version)
	t.check(status.DbSize > 0, "size %d", status.DbSize)
	t.check(status.DbSizeInUse > 0 && status.DbSizeInUse <= status.DbSize,
		"%d bytes in use of %d", status.DbSizeInUse, status.DbSize)
	t.check(status.Leader != 0 && status.Leader == status.Header.MemberId, "leader %x", status.Leader)
	t.check(status.RaftTerm > 0 && status.RaftIndex > 0, "term and index: %v", status)
	t.check(status.RaftAppliedIndex <= status.RaftIndex, "applied beyond committed: %v", status)
	t.same(status.IsLearner, false, "learner")
	t.same(len(status.Errors), 0, "errors")
	before := status.RaftIndex
	t.put(t.key("a"), "1")
	after, err := t.client.Status(t.ctx, t.endpoint)
	t.ok(err, "status after a put")
	t.check(after.RaftIndex > before, "index %d then %d", before, after.RaftIndex)
	t.same(after.Header.Revision, t.get(t.key("a")).Header.Revision, "revision")
}

func maintenanceHashKV(t *T) {
	revision := t.put(t.key("a"), "1").Header.Revision
	now, err := t.client.HashKV(t.ctx, t.endpoint, 0)
	t.ok(err, "hash")
	t.same(now.HashRevision, revision, "hash revision")
	t.put(t.key("a"), "2")
	then, err := t.client.HashKV(t.ctx, t.endpoint, revision)
	t.ok(err, "hash of the past")
	t.same(then.Hash, now.Hash, "the hash of a revision does not change")
	other, err := t.client.HashKV(t.ctx, t.endpoint, 0)
	t.ok(err, "hash")
	t.check(other.Hash != now.Hash, "another state, the same hash %d", now.Hash)
	_, err = t.client.HashKV(t.ctx, t.endpoint, revision+100)
	t.is(err, rpctypes.ErrFutureRev, "hash of the future")
}

func maintenanceDefragment(t *T) {
	t.put(t.key("a"), "1")
	_, err := t.client.Defragment(t.ctx, t.endpoint)
	t.ok(err, "defragment")
	t.same(t.value(t.key("a")), "1", "after it")
}

func maintenanceAlarms(t *T) {
	list, err := t.client.AlarmList(t.ctx)
	t.ok(err, "list")
	t.same(len(list.Alarms), 0, "alarms")
	disarmed, err := t.client.AlarmDisarm(t.ctx, &clientv3.AlarmMember{})
	t.ok(err, "disarm all")
	t.same(len(disarmed.Alarms), 0, "disarmed")
}

func memberList(t *T) {
	list, err := t.client.MemberList(t.ctx)
	t.ok(err, "list")
	t.same(len(list.Members), 1, "members")
	member := list.Members[0]
	t.same(member.ID, list.Header.MemberId, "id")
	t.same(member.Name, "m1", "name")
	t.same(strings.Join(member.ClientURLs, ","), "http://"+t.endpoint, "client URLs")
	t.same(len(member.PeerURLs), 1, "peer URLs")
	t.same(member.IsLearner, false, "learner")
}

func memberErrors(t *T) {
	_, err := t.client.MemberRemove(t.ctx, 0x1234)
	t.is(err, rpctypes.ErrMemberNotFound, "remove an unknown member")
	_, err = t.client.MemberUpdate(t.ctx, 0x1234, []string{"http://127.0.0.1:1"})
	t.is(err, rpctypes.ErrMemberNotFound, "update an unknown member")
	_, err = t.client.MemberPromote(t.ctx, 0x1234)
	t.is(err, rpctypes.ErrMemberNotFound, "promote an unknown member")
}

// Old releases of the client send other things than host:port as the HTTP/2 authority.
func (t *T) withAuthority(authority string) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{t.endpoint},
		DialOptions: []grpc.DialOption{grpc.WithAuthority(authority)},
		Logger:      zap.NewNop(),
	})
	t.ok(err, "client")
	defer client.Close()
	_, err = client.Status(t.ctx, t.endpoint)
	t.ok(err, "status with the authority "+authority)
}

func authorityURL(t *T) { t.withAuthority("http://" + t.endpoint) }

func authorityList(t *T) { t.withAuthority("#initially=[" + t.endpoint + "]") }

func clusterSync(t *T) {
	client := t.newClient()
	defer client.Close()
	t.ok(client.Sync(t.ctx), "sync")
	t.same(strings.Join(client.Endpoints(), ","), "http://"+t.endpoint, "endpoints")
	_, err := client.Put(t.ctx, t.key("a"), "1")
	t.ok(err, "put after it")
}

func wrapperNamespace(t *T) {
	kv := namespace.NewKV(t.client.KV, t.prefix)
	watcher := namespace.NewWatcher(t.client.Watcher, t.prefix)
	lease := namespace.NewLease(t.client.Lease, t.prefix)
	put, err := kv.Put(t.ctx, "a", "1")
	t.ok(err, "put")
	t.same(t.value(t.key("a")), "1", "the key outside")
	all, err := kv.Get(t.ctx, "", clientv3.WithPrefix())
	t.ok(err, "get")
	t.same(len(all.Kvs), 1, "keys inside")
	t.same(string(all.Kvs[0].Key), "a", "the key inside")
	response, err := kv.Txn(t.ctx).If(clientv3.Compare(clientv3.Version("a"), "=", 1)).
		Then(clientv3.OpPut("b", "2"), clientv3.OpGet("", clientv3.WithFromKey())).Commit()
	t.ok(err, "txn")
	t.same(len(response.Responses[1].GetResponseRange().Kvs), 2, "from key inside")
	channel := watcher.Watch(t.ctx, "", clientv3.WithPrefix(), clientv3.WithRev(put.Header.Revision))
	t.same(t.events(channel, 2), "PUT a=1, PUT b=2", "events inside")
	granted := t.grant(30)
	_, err = kv.Put(t.ctx, "leased", "", clientv3.WithLease(granted))
	t.ok(err, "put with a lease")
	left, err := lease.TimeToLive(t.ctx, granted, clientv3.WithAttachedKeys())
	t.ok(err, "time to live")
	t.same(string(left.Keys[0]), "leased", "attached key inside")
	t.revoke(granted)
}

func wrapperOrdering(t *T) {
	violated := false
	kv := ordering.NewKV(t.client.KV, func(clientv3.Op, clientv3.OpResponse, int64) error {
		violated = true
		return ordering.ErrNoGreaterRev
	})
	for i := range 20 {
		t.put(t.key("a"), fmt.Sprint(i))
		got, err := kv.Get(t.ctx, t.key("a"), clientv3.WithSerializable())
		t.ok(err, "get")
		t.same(string(got.Kvs[0].Value), fmt.Sprint(i), "a serializable read of one's own write")
		response, err := kv.Txn(t.ctx).Then(clientv3.OpGet(t.key("a"))).Commit()
		t.ok(err, "txn")
		t.check(response.Header.Revision >= got.Header.Revision, "revisions go back")
	}
	t.same(violated, false, "order violated")
}

func wrapperMirror(t *T) {
	for i := range 50 {
		t.put(t.key(fmt.Sprint("m/", i)), "v")
	}
	syncer := mirror.NewSyncer(t.client, t.key("m/"), 0)
	responses, failures := syncer.SyncBase(t.ctx)
	copied := 0
	for response := range responses {
		copied += len(response.Kvs)
	}
	t.ok(<-failures, "sync")
	t.same(copied, 50, "copied")
	updates := syncer.SyncUpdates(t.ctx)
	t.put(t.key("m/new"), "1")
	t.same(t.events(updates, 1), "PUT m/new=1", "updates")
}
