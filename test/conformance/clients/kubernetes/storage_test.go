// Holds the storage layer of the Kubernetes API server against a server that runs already: its own
// test suite for storages (k8s.io/apiserver/pkg/storage/testing) over its etcd3 storage, one key
// prefix per test. Run by ../kubernetes.test.ts, which gives the endpoint.
package kubernetes

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcd "go.etcd.io/etcd/client/v3/kubernetes"

	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/clock"
)

var (
	endpoint = flag.String("endpoint", "127.0.0.1:2379", "host:port of the server")
	streamed = flag.Bool("streamed", false, "lists use RangeStream")

	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
)

const valuePrefix = "test!"

func TestMain(m *testing.M) {
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
	flag.Parse()
	if *streamed {
		utilruntime.Must(utilfeature.DefaultMutableFeatureGate.Set("EtcdRangeStream=true"))
	}
	os.Exit(m.Run())
}

// setup is a store below a prefix of the test's own.
func setup(t *testing.T) (context.Context, storage.Interface, *etcd.Client) {
	client, err := etcd.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	codec := apitesting.TestCodec(codecs, examplev1.SchemeGroupVersion)
	versioner := storage.APIObjectVersioner{}
	compactor := etcd3.NewCompactor(client.Client, 0, clock.RealClock{}, nil)
	t.Cleanup(compactor.Stop)
	leases := etcd3.NewDefaultLeaseManagerConfig()
	leases.ReuseDurationSeconds = 1
	store, err := etcd3.New(
		client, compactor, codec,
		func() runtime.Object { return &example.Pod{} },
		func() runtime.Object { return &example.PodList{} },
		"/"+t.Name(), "/pods/", schema.GroupResource{Resource: "pods"},
		storagetesting.NewPrefixTransformer([]byte(valuePrefix), false),
		leases, etcd3.NewDefaultDecoder(codec, versioner), versioner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx, store, client
}

// compaction compacts as the API server does, whatever an earlier test has compacted.
func compaction(client *etcd.Client) storagetesting.Compaction {
	return func(ctx context.Context, t *testing.T, resourceVersion string) {
		revision, err := storage.APIObjectVersioner{}.ParseResourceVersion(resourceVersion)
		if err != nil {
			t.Fatal(err)
		}
		// The key that API servers agree on compactions by; its version is part of the agreement.
		found, err := client.Client.Get(ctx, "compact_rev_key")
		if err != nil {
			t.Fatal(err)
		}
		var version int64
		if len(found.Kvs) > 0 {
			version = found.Kvs[0].Version
		}
		if _, _, _, err = etcd3.Compact(ctx, client.Client, version, int64(revision)); err != nil {
			t.Fatal(err)
		}
	}
}

func increase(client *etcd.Client) storagetesting.IncreaseRVFunc {
	return func(ctx context.Context, t *testing.T) int64 {
		answer, err := client.KV.Put(ctx, "increaseRV", "ok")
		if err != nil {
			t.Fatal(err)
		}
		return answer.Header.Revision
	}
}

// stored looks at the bytes of an object: the storage's own prefix, and no resource version.
func stored(client *etcd.Client, prefix string) storagetesting.KeyValidation {
	return func(ctx context.Context, t *testing.T, key string) {
		found, err := client.KV.Get(ctx, prefix+key)
		if err != nil || len(found.Kvs) != 1 {
			t.Fatalf("%s: %v, %v", prefix+key, found, err)
		}
		codec := apitesting.TestCodec(codecs, examplev1.SchemeGroupVersion)
		object, err := runtime.Decode(codec, found.Kvs[0].Value[len(valuePrefix):])
		if err != nil {
			t.Fatal(err)
		}
		if version := object.(*example.Pod).ResourceVersion; version != "" {
			t.Errorf("a stored object has the resource version %q", version)
		}
	}
}

// uncounted lets any number of reads pass: how a list is paged is the storage's business.
func uncounted(*testing.T, uint64, uint64) {}
