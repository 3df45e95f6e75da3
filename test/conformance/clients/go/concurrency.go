// Cases of the client's concurrency package, which builds sessions, locks, elections and software
// transactional memory from KV, Watch and Lease alone. Called by main.go.
package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var concurrencyCases = []testCase{
	{"concurrency-session", session},
	{"concurrency-mutex", mutex},
	{"concurrency-mutex-expires", mutexExpires},
	{"concurrency-election", election},
	{"concurrency-stm", stm},
}

func (t *T) session(client *clientv3.Client, ttl int) *concurrency.Session {
	created, err := concurrency.NewSession(client, concurrency.WithTTL(ttl),
		concurrency.WithContext(t.ctx))
	t.ok(err, "session")
	return created
}

func session(t *T) {
	s := t.session(t.client, 5)
	t.put(t.key("a"), "1", clientv3.WithLease(s.Lease()))
	t.ok(s.Close(), "close")
	<-s.Done()
	t.same(t.value(t.key("a")), "(none)", "its keys go with it")
}

func mutex(t *T) {
	const holders, rounds = 4, 5
	counter := 0
	var group sync.WaitGroup
	failures := make(chan error, holders)
	for range holders {
		s := t.session(t.newClient(), 10)
		group.Add(1)
		go func() {
			defer group.Done()
			defer s.Client().Close()
			defer s.Close()
			m := concurrency.NewMutex(s, t.key("lock"))
			for range rounds {
				if err := m.Lock(t.ctx); err != nil {
					failures <- err
					return
				}
				held := counter
				time.Sleep(2 * time.Millisecond)
				counter = held + 1
				if err := m.Unlock(t.ctx); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(failures)
	t.ok(<-failures, "lock")
	t.same(counter, holders*rounds, "increments under the lock")
	s := t.session(t.client, 10)
	defer s.Close()
	first, second := concurrency.NewMutex(s, t.key("try")), t.session(t.client, 10)
	defer second.Close()
	t.ok(first.TryLock(t.ctx), "try")
	err := concurrency.NewMutex(second, t.key("try")).TryLock(t.ctx)
	t.is(err, concurrency.ErrLocked, "try what is held")
	response, err := t.client.Txn(t.ctx).If(first.IsOwner()).Commit()
	t.ok(err, "owner")
	t.same(response.Succeeded, true, "owner")
	t.ok(first.Unlock(t.ctx), "unlock")
}

func mutexExpires(t *T) {
	s := t.session(t.client, 2)
	held := concurrency.NewMutex(s, t.key("lock"))
	t.ok(held.Lock(t.ctx), "lock")
	s.Orphan()
	other := t.session(t.client, 10)
	defer other.Close()
	waiting := concurrency.NewMutex(other, t.key("lock"))
	t.ok(waiting.Lock(t.ctx), "lock of one that died")
	t.ok(waiting.Unlock(t.ctx), "unlock")
}

func election(t *T) {
	first, second := t.session(t.client, 10), t.session(t.client, 10)
	defer second.Close()
	one := concurrency.NewElection(first, t.key("election"))
	two := concurrency.NewElection(second, t.key("election"))
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	t.ok(one.Campaign(t.ctx, "one"), "campaign")
	observed := two.Observe(ctx)
	t.same(string((<-observed).Kvs[0].Value), "one", "observed")
	won := make(chan error, 1)
	go func() { won <- two.Campaign(t.ctx, "two") }()
	t.ok(one.Proclaim(t.ctx, "one again"), "proclaim")
	t.same(string((<-observed).Kvs[0].Value), "one again", "observed")
	leader, err := two.Leader(t.ctx)
	t.ok(err, "leader")
	t.same(string(leader.Kvs[0].Value), "one again", "leader")
	t.ok(one.Resign(t.ctx), "resign")
	t.ok(<-won, "campaign of the second")
	t.same(string((<-observed).Kvs[0].Value), "two", "observed")
	t.ok(first.Close(), "close")
	t.ok(two.Resign(t.ctx), "resign of the second")
	_, err = two.Leader(t.ctx)
	t.is(err, concurrency.ErrElectionNoLeader, "no leader")
}

func stm(t *T) {
	const accounts, transfers, workers = 5, 10, 4
	for i := range accounts {
		t.put(t.key(fmt.Sprint(i)), "100")
	}
	levels := []concurrency.Isolation{
		concurrency.SerializableSnapshot, concurrency.Serializable,
		concurrency.SerializableSnapshot, concurrency.Serializable,
	}
	failures := make(chan error, workers)
	for w := range workers {
		go func() {
			for i := range transfers {
				from, to := t.key(fmt.Sprint((w+i)%accounts)), t.key(fmt.Sprint((w+i+1)%accounts))
				_, err := concurrency.NewSTM(t.client, func(s concurrency.STM) error {
					a, _ := strconv.Atoi(s.Get(from))
					b, _ := strconv.Atoi(s.Get(to))
					s.Put(from, strconv.Itoa(a-1))
					s.Put(to, strconv.Itoa(b+1))
					return nil
				}, concurrency.WithIsolation(levels[w]), concurrency.WithAbortContext(t.ctx))
				if err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	for range workers {
		t.ok(<-failures, "transfer")
	}
	sum := 0
	for _, kv := range t.get(t.prefix, clientv3.WithPrefix()).Kvs {
		amount, err := strconv.Atoi(string(kv.Value))
		t.ok(err, "amount")
		sum += amount
	}
	t.same(sum, accounts*100, "sum of all accounts")
}
