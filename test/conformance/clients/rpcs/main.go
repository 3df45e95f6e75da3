// Calls every RPC of the etcd API by its generated client, once with success at least, and looks at
// the answer. Run by ../../matrix/matrix.test.ts for the table of compatibility.
// Arguments as -name=value: endpoints, cacert, cert, key, user, password.
// Prints `ok RPC CASE` or `FAIL RPC CASE: why` per case, and `done N` at the end.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const caseTimeout = 20 * time.Second

var (
	endpoints = flag.String("endpoints", "127.0.0.1:2379", "comma list of host:port")
	caCert    = flag.String("cacert", "", "file of the CA's certificate: use TLS")
	cert      = flag.String("cert", "", "file of the client's certificate")
	key       = flag.String("key", "", "file of the client's key")
	user      = flag.String("user", "", "who authenticates")
	password  = flag.String("password", "", "the user's password")
)

// T is what a case gets: connections to all members, the first of which is asked unless said otherwise.
type T struct {
	ctx   context.Context
	conn  *grpc.ClientConn
	conns []*grpc.ClientConn
}

type testCase struct {
	rpc  string
	name string
	run  func(t *T)
}

type failure struct{ why string }

func (t *T) holds(condition bool, format string, args ...any) {
	if !condition {
		panic(failure{fmt.Sprintf(format, args...)})
	}
}

func (t *T) ok(err error) { t.holds(err == nil, "%v", err) }

// fails wants an error with this text.
func (t *T) fails(err error, text string) {
	t.holds(err != nil && strings.Contains(err.Error(), text), "got %v, want %q", err, text)
}

// must is the answer of a call that has to succeed.
func must[R any](t *T) func(R, error) R {
	return func(answer R, err error) R {
		t.ok(err)
		return answer
	}
}

func transport() credentials.TransportCredentials {
	if *caCert == "" {
		return insecure.NewCredentials()
	}
	pem, err := os.ReadFile(*caCert)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config)
}

func connect() []*grpc.ClientConn {
	var conns []*grpc.ClientConn
	for _, place := range strings.Split(*endpoints, ",") {
		conn, err := grpc.NewClient("passthrough:///"+place, grpc.WithTransportCredentials(transport()))
		if err != nil {
			panic(err)
		}
		conns = append(conns, conn)
	}
	return conns
}

// token authenticates; "" without a user.
func token(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	if *user == "" {
		return "", nil
	}
	request := &pb.AuthenticateRequest{Name: *user, Password: *password}
	answer, err := pb.NewAuthClient(conn).Authenticate(ctx, request)
	if err != nil {
		return "", err
	}
	return answer.Token, nil
}

// withToken is a context whose calls carry a new token.
func (t *T) withToken() context.Context {
	text, err := token(t.ctx, t.conn)
	t.ok(err)
	return metadata.NewOutgoingContext(t.ctx, metadata.Pairs("token", text))
}

// runCase answers "" or why the case failed.
func runCase(c testCase, conns []*grpc.ClientConn) (why string) {
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	defer func() {
		if caught := recover(); caught != nil {
			if failed, isFailure := caught.(failure); isFailure {
				why = strings.ReplaceAll(failed.why, "\n", " | ")
			} else {
				why = fmt.Sprintf("panic: %v", caught)
			}
		}
	}()
	t := &T{ctx: ctx, conn: conns[0], conns: conns}
	if *user != "" {
		t.ctx = t.withToken()
	}
	c.run(t)
	return ""
}

func main() {
	flag.Parse()
	conns := connect()
	groups := [][]testCase{kvCases, leaseCases, concurrencyCases, clusterCases, maintenanceCases, authCases}
	count := 0
	for _, cases := range groups {
		for _, c := range cases {
			count++
			if why := runCase(c, conns); why != "" {
				fmt.Printf("FAIL %s %s: %s\n", c.rpc, c.name, why)
			} else {
				fmt.Printf("ok %s %s\n", c.rpc, c.name)
			}
		}
	}
	fmt.Printf("done %d\n", count)
}
