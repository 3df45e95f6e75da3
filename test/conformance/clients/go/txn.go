// Cases of transactions: comparisons of every target, branches, nesting, limits, the kubernetes
// wrapper that is made of them. Called by main.go.
package main

import (
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/clientv3util"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

var txnCases = []testCase{
	{"txn-compares", txnCompares},
	{"txn-branches", txnBranches},
	{"txn-range-compares", txnRangeCompares},
	{"txn-nested", txnNested},
	{"txn-lease-compare", txnLeaseCompare},
	{"txn-reads-own-writes", txnReadsOwnWrites},
	{"txn-errors", txnErrors},
	{"txn-kubernetes", txnKubernetes},
}

func (t *T) holds(cmps ...clientv3.Cmp) bool {
	response, err := t.client.Txn(t.ctx).If(cmps...).Commit()
	t.ok(err, "txn")
	return response.Succeeded
}

func txnCompares(t *T) {
	key, none := t.key("a"), t.key("none")
	created := t.put(key, "m").Header.Revision
	modified := t.put(key, "n").Header.Revision
	cases := []struct {
		cmp  clientv3.Cmp
		want bool
	}{
		{clientv3.Compare(clientv3.Value(key), "=", "n"), true},
		{clientv3.Compare(clientv3.Value(key), "!=", "n"), false},
		{clientv3.Compare(clientv3.Value(key), ">", "m"), true},
		{clientv3.Compare(clientv3.Value(key), "<", "m"), false},
		{clientv3.Compare(clientv3.Version(key), "=", 2), true},
		{clientv3.Compare(clientv3.Version(key), "<", 2), false},
		{clientv3.Compare(clientv3.CreateRevision(key), "=", created), true},
		{clientv3.Compare(clientv3.CreateRevision(key), ">", created), false},
		{clientv3.Compare(clientv3.ModRevision(key), "=", modified), true},
		{clientv3.Compare(clientv3.ModRevision(key), "!=", modified), false},
		{clientv3.Compare(clientv3.Value(none), "=", ""), false},
		{clientv3.Compare(clientv3.Value(none), "!=", "x"), false},
		{clientv3.Compare(clientv3.Version(none), "=", 0), true},
		{clientv3.Compare(clientv3.ModRevision(none), "=", 0), true},
		{clientv3util.KeyExists(key), true},
		{clientv3util.KeyExists(none), false},
		{clientv3util.KeyMissing(none), true},
	}
	for i, c := range cases {
		t.same(t.holds(c.cmp), c.want, fmt.Sprintf("compare %d", i))
	}
	t.same(t.holds(), true, "no compare")
	t.same(t.holds(cases[0].cmp, cases[1].cmp), false, "true and false")
}

func txnBranches(t *T) {
	key := t.key("a")
	put := clientv3.OpPut(key, "1", clientv3.WithPrevKV())
	first, err := t.client.Txn(t.ctx).If(clientv3util.KeyMissing(key)).
		Then(put, clientv3.OpGet(key)).Else(clientv3.OpGet(key)).Commit()
	t.ok(err, "create")
	t.same(first.Succeeded, true, "created")
	t.same(len(first.Responses), 2, "responses")
	t.check(first.Responses[0].GetResponsePut() != nil, "put response")
	kvs := first.Responses[1].GetResponseRange().Kvs
	t.same(string(kvs[0].Value), "1", "get after put")
	t.same(kvs[0].ModRevision, first.Header.Revision, "revision")
	second, err := t.client.Txn(t.ctx).If(clientv3util.KeyMissing(key)).
		Then(put).Else(clientv3.OpGet(key), clientv3.OpDelete(key)).Commit()
	t.ok(err, "create again")
	t.same(second.Succeeded, false, "not created again")
	t.same(second.Responses[1].GetResponseDeleteRange().Deleted, 1, "deleted in Else")
	empty, err := t.client.Txn(t.ctx).Commit()
	t.ok(err, "an empty txn")
	t.same(empty.Header.Revision, second.Header.Revision, "an empty txn writes nothing")
}

func txnRangeCompares(t *T) {
	for _, name := range []string{"a", "b", "c"} {
		t.put(t.key(name), "same")
	}
	all := clientv3.Compare(clientv3.Value(t.prefix).WithPrefix(), "=", "same")
	t.same(t.holds(all), true, "all the same")
	t.put(t.key("b"), "other")
	t.same(t.holds(all), false, "one differs")
	some := clientv3.Compare(clientv3.Value(t.key("c")).WithRange(t.key("d")), "=", "same")
	t.same(t.holds(some), true, "[c, d)")
	none := clientv3.Compare(clientv3.Version(t.key("x")).WithPrefix(), "=", 0)
	t.same(t.holds(none), true, "an empty range")
}

func txnNested(t *T) {
	key := t.key("a")
	inner := clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.Value(key), "=", "1")},
		[]clientv3.Op{clientv3.OpPut(t.key("inner"), "yes")},
		[]clientv3.Op{clientv3.OpPut(t.key("inner"), "no")})
	response, err := t.client.Txn(t.ctx).Then(clientv3.OpPut(key, "1"), inner).Commit()
	t.ok(err, "nested")
	nested := response.Responses[1].GetResponseTxn()
	t.check(nested != nil, "no nested response")
	// Branches are chosen before anything is written.
	t.same(nested.Succeeded, false, "nested branch")
	t.same(t.value(t.key("inner")), "no", "nested write")
	modified := t.get(t.prefix, clientv3.WithPrefix())
	for _, kv := range modified.Kvs {
		t.same(kv.ModRevision, response.Header.Revision, "one revision for all")
	}
}

func txnLeaseCompare(t *T) {
	lease, err := t.client.Grant(t.ctx, 60)
	t.ok(err, "grant")
	t.put(t.key("a"), "1", clientv3.WithLease(lease.ID))
	has := clientv3.Compare(clientv3.LeaseValue(t.key("a")), "=", lease.ID)
	t.same(t.holds(has), true, "lease")
	none := clientv3.Compare(clientv3.LeaseValue(t.key("none")), "=", clientv3.NoLease)
	t.same(t.holds(none), true, "no lease")
}

func txnReadsOwnWrites(t *T) {
	a, b := t.key("a"), t.key("b")
	t.put(a, "old")
	response, err := t.client.Txn(t.ctx).Then(
		clientv3.OpGet(a), clientv3.OpPut(a, "new"), clientv3.OpGet(a),
		clientv3.OpDelete(a), clientv3.OpGet(a), clientv3.OpPut(b, "1"),
	).Commit()
	// A put and a delete of the same key in one branch are refused.
	t.is(err, rpctypes.ErrDuplicateKey, "put and delete of one key")
	response, err = t.client.Txn(t.ctx).Then(
		clientv3.OpGet(a), clientv3.OpPut(a, "new"), clientv3.OpGet(a), clientv3.OpPut(b, "1"),
		clientv3.OpGet(t.prefix, clientv3.WithPrefix(), clientv3.WithCountOnly()),
	).Commit()
	t.ok(err, "txn")
	t.same(string(response.Responses[0].GetResponseRange().Kvs[0].Value), "old", "before")
	t.same(string(response.Responses[2].GetResponseRange().Kvs[0].Value), "new", "after")
	t.same(response.Responses[4].GetResponseRange().Count, 2, "count")
}

func txnErrors(t *T) {
	key := t.key("a")
	_, err := t.client.Txn(t.ctx).Then(clientv3.OpPut(key, "1"), clientv3.OpPut(key, "2")).Commit()
	t.is(err, rpctypes.ErrDuplicateKey, "two puts of a key")
	ops := make([]clientv3.Op, 129)
	for i := range ops {
		ops[i] = clientv3.OpPut(t.key(fmt.Sprint(i)), "v")
	}
	_, err = t.client.Txn(t.ctx).Then(ops...).Commit()
	t.is(err, rpctypes.ErrTooManyOps, "129 operations")
	_, err = t.client.Txn(t.ctx).Then(ops[:128]...).Commit()
	t.ok(err, "128 operations")
	_, err = t.client.Txn(t.ctx).Then(clientv3.OpPut("", "1")).Commit()
	t.is(err, rpctypes.ErrEmptyKey, "empty key")
	_, err = t.client.Txn(t.ctx).Then(clientv3.OpPut(key, "1", clientv3.WithLease(0x7ffffff))).Commit()
	t.is(err, rpctypes.ErrLeaseNotFound, "unknown lease")
	_, err = t.client.Txn(t.ctx).Then(clientv3.OpGet(key, clientv3.WithRev(1<<40))).Commit()
	t.is(err, rpctypes.ErrFutureRev, "future revision")
	t.same(t.value(key), "(none)", "nothing of those was written")
}

func txnKubernetes(t *T) {
	client := kubernetes.Client{Client: t.client, Kubernetes: nil}
	key := t.key("pod")
	created, err := client.OptimisticPut(t.ctx, key, []byte("1"), 0, kubernetes.PutOptions{})
	t.ok(err, "create")
	t.same(created.Succeeded, true, "created")
	again, err := client.OptimisticPut(t.ctx, key, []byte("2"), 0,
		kubernetes.PutOptions{GetOnFailure: true})
	t.ok(err, "create again")
	t.same(again.Succeeded, false, "created again")
	t.same(again.KV.ModRevision, created.Revision, "what is there instead")
	list, err := client.List(t.ctx, t.prefix, kubernetes.ListOptions{Limit: 500})
	t.ok(err, "list")
	t.same(len(list.Kvs), 1, "listed")
	count, err := client.Count(t.ctx, t.prefix, kubernetes.CountOptions{})
	t.ok(err, "count")
	t.same(count, 1, "counted")
	deleted, err := client.OptimisticDelete(t.ctx, key, created.Revision, kubernetes.DeleteOptions{})
	t.ok(err, "delete")
	t.same(deleted.Succeeded, true, "deleted")
}
