// Exercises the official Go client, clientv3, against one endpoint: every case is a use that
// programs make of it, with the answer that the API documents. Run by go.test.ts, once per storage engine.
// Prints `ok NAME` or `FAIL NAME: why` per case, and `done N` at the end. `restart` on its output
// asks whoever runs it to restart the server, and a line on its input says that this was done.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const caseTimeout = 30 * time.Second

// T is what a case gets: a client, a context with the case's time limit, keys of its own.
type T struct {
	ctx      context.Context
	client   *clientv3.Client
	endpoint string
	prefix   string
}

type testCase struct {
	name string
	run  func(t *T)
}

type failure struct{ why string }

func (t *T) fail(format string, args ...any) {
	panic(failure{strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " | ")})
}

func (t *T) check(holds bool, format string, args ...any) {
	if !holds {
		t.fail(format, args...)
	}
}

func (t *T) ok(err error, what string) {
	if err != nil {
		t.fail("%s: %v", what, err)
	}
}

// is compares an error with one of the exported error values by identity, as callers do.
func (t *T) is(err, want error, what string) {
	if err != want {
		t.fail("%s: got error %v (%T), want %v", what, err, err, want)
	}
}

func (t *T) same(got, want any, what string) {
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.fail("%s: got %s, want %s", what, g, w)
	}
}

// key is a key that no other case uses.
func (t *T) key(name string) string { return t.prefix + name }

func (t *T) put(key, value string, opts ...clientv3.OpOption) *clientv3.PutResponse {
	response, err := t.client.Put(t.ctx, key, value, opts...)
	t.ok(err, "put "+key)
	return response
}

func (t *T) get(key string, opts ...clientv3.OpOption) *clientv3.GetResponse {
	response, err := t.client.Get(t.ctx, key, opts...)
	t.ok(err, "get "+key)
	return response
}

// value is the key's value, or "(none)".
func (t *T) value(key string) string {
	response := t.get(key)
	if len(response.Kvs) == 0 {
		return "(none)"
	}
	return string(response.Kvs[0].Value)
}

// names lists the keys of a response without the case's prefix.
func (t *T) names(response *clientv3.GetResponse) string {
	names := make([]string, 0, len(response.Kvs))
	for _, kv := range response.Kvs {
		names = append(names, strings.TrimPrefix(string(kv.Key), t.prefix))
	}
	return strings.Join(names, " ")
}

func (t *T) newClient() *clientv3.Client {
	client, err := newClient(t.endpoint)
	t.ok(err, "client")
	return client
}

func newClient(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{endpoint},
		DialTimeout: 5 * time.Second,
		Logger:      zap.NewNop(),
	})
}

var input = bufio.NewReader(os.Stdin)

// restartServer asks for a restart and returns when the server has been started again.
func (t *T) restartServer() {
	fmt.Println("restart")
	_, err := input.ReadString('\n')
	t.ok(err, "waiting for the restart")
}

// runCase answers "" or why the case failed.
func runCase(c testCase, client *clientv3.Client, endpoint string) (why string) {
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	defer func() {
		if caught := recover(); caught != nil {
			if failed, isFailure := caught.(failure); isFailure {
				why = failed.why
			} else {
				why = fmt.Sprintf("panic: %v", caught)
			}
		}
	}()
	c.run(&T{ctx: ctx, client: client, endpoint: endpoint, prefix: c.name + "/"})
	return ""
}

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:2379", "host:port of the server")
	only := flag.String("only", "", "run only cases whose name holds this")
	flag.Parse()
	client, err := newClient(*endpoint)
	if err != nil {
		fmt.Printf("FAIL client: %v\n", err)
		os.Exit(1)
	}
	defer client.Close()
	groups := [][]testCase{
		kvCases, txnCases, watchCases, leaseCases, concurrencyCases, serviceCases, restartCases,
	}
	count := 0
	for _, group := range groups {
		for _, c := range group {
			if !strings.Contains(c.name, *only) {
				continue
			}
			count++
			started := time.Now()
			if why := runCase(c, client, *endpoint); why != "" {
				fmt.Printf("FAIL %s: %s\n", c.name, why)
				continue
			}
			fmt.Printf("ok %s\n", c.name)
			if took := time.Since(started); took > 3*time.Second {
				fmt.Printf("# %s took %v\n", c.name, took.Round(time.Millisecond))
			}
		}
	}
	fmt.Printf("done %d\n", count)
}
