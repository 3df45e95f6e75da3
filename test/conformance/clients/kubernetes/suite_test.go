// The cases: create, read, update, delete, lists in pages and streams, watches with bookmarks and
// progress, compaction. Each is the API server's own.
package kubernetes

import (
	"context"
	"testing"

	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
)

type simple func(ctx context.Context, t *testing.T, store storage.Interface)

// over runs a case that needs nothing but a store.
func over(t *testing.T, run simple) {
	ctx, store, _ := setup(t)
	run(ctx, t, store)
}

func TestCreate(t *testing.T) {
	ctx, store, client := setup(t)
	storagetesting.RunTestCreate(ctx, t, store, stored(client, "/TestCreate"))
}

func TestCreateWithTTL(t *testing.T)      { over(t, storagetesting.RunTestCreateWithTTL) }
func TestCreateWithKeyExist(t *testing.T) { over(t, storagetesting.RunTestCreateWithKeyExist) }
func TestGet(t *testing.T)                { over(t, storagetesting.RunTestGet) }
func TestKeySchema(t *testing.T)          { over(t, storagetesting.RunTestKeySchema) }

func TestUnconditionalDelete(t *testing.T) { over(t, storagetesting.RunTestUnconditionalDelete) }
func TestConditionalDelete(t *testing.T)   { over(t, storagetesting.RunTestConditionalDelete) }
func TestDeleteWithConflict(t *testing.T)  { over(t, storagetesting.RunTestDeleteWithConflict) }
func TestDeleteWithSuggestion(t *testing.T) {
	over(t, storagetesting.RunTestDeleteWithSuggestion)
}
func TestDeleteWithSuggestionAndConflict(t *testing.T) {
	over(t, storagetesting.RunTestDeleteWithSuggestionAndConflict)
}
func TestValidateDeletionWithSuggestion(t *testing.T) {
	over(t, storagetesting.RunTestValidateDeletionWithSuggestion)
}
func TestPreconditionalDeleteWithSuggestion(t *testing.T) {
	over(t, storagetesting.RunTestPreconditionalDeleteWithSuggestion)
}

func TestGuaranteedUpdateWithTTL(t *testing.T) {
	over(t, storagetesting.RunTestGuaranteedUpdateWithTTL)
}
func TestGuaranteedUpdateWithConflict(t *testing.T) {
	over(t, storagetesting.RunTestGuaranteedUpdateWithConflict)
}
func TestGuaranteedUpdateWithSuggestionAndConflict(t *testing.T) {
	over(t, storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict)
}

func TestListPaging(t *testing.T)             { over(t, storagetesting.RunTestListPaging) }
func TestNamespaceScopedList(t *testing.T)    { over(t, storagetesting.RunTestNamespaceScopedList) }
func TestGetListRecursivePrefix(t *testing.T) { over(t, storagetesting.RunTestGetListRecursivePrefix) }

func TestGetListNonRecursive(t *testing.T) {
	ctx, store, client := setup(t)
	storagetesting.RunTestGetListNonRecursive(ctx, t, increase(client), store)
}

func TestListContinuation(t *testing.T) {
	ctx, store, _ := setup(t)
	storagetesting.RunTestListContinuation(ctx, t, store, uncounted)
}

func TestListPaginationRareObject(t *testing.T) {
	ctx, store, _ := setup(t)
	storagetesting.RunTestListPaginationRareObject(ctx, t, store, uncounted)
}

func TestListContinuationWithFilter(t *testing.T) {
	ctx, store, _ := setup(t)
	storagetesting.RunTestListContinuationWithFilter(ctx, t, store, uncounted)
}

func TestListInconsistentContinuation(t *testing.T) {
	ctx, store, client := setup(t)
	storagetesting.RunTestListInconsistentContinuation(ctx, t, store, compaction(client))
}

func TestConsistentList(t *testing.T) {
	ctx, store, client := setup(t)
	storagetesting.RunTestConsistentList(ctx, t, store, increase(client), false, true, false)
}

func TestList(t *testing.T) {
	ctx, store, client := setup(t)
	recorder := storagetesting.NewKubernetesRecorder(client.Kubernetes)
	client.Kubernetes = recorder
	storagetesting.RunTestList(ctx, t, store, compaction(client), false, recorder)
}

func TestWatch(t *testing.T)                { over(t, storagetesting.RunTestWatch) }
func TestClusterScopedWatch(t *testing.T)   { over(t, storagetesting.RunTestClusterScopedWatch) }
func TestNamespaceScopedWatch(t *testing.T) { over(t, storagetesting.RunTestNamespaceScopedWatch) }
func TestDeleteTriggerWatch(t *testing.T)   { over(t, storagetesting.RunTestDeleteTriggerWatch) }
func TestWatchFromNonZero(t *testing.T)     { over(t, storagetesting.RunTestWatchFromNonZero) }
func TestDelayedWatchDelivery(t *testing.T) { over(t, storagetesting.RunTestDelayedWatchDelivery) }
func TestWatchContextCancel(t *testing.T)   { over(t, storagetesting.RunTestWatchContextCancel) }
func TestWatcherTimeout(t *testing.T)       { over(t, storagetesting.RunTestWatcherTimeout) }
func TestWatchDeleteEventObjectHaveLatestRV(t *testing.T) {
	over(t, storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV)
}
func TestWatchInitializationSignal(t *testing.T) {
	over(t, storagetesting.RunTestWatchInitializationSignal)
}

func TestWatchFromZero(t *testing.T) {
	ctx, store, client := setup(t)
	storagetesting.RunTestWatchFromZero(ctx, t, store, compaction(client))
}

// TestProgressNotify needs a server whose progress notifications come every few seconds.
func TestProgressNotify(t *testing.T) {
	ctx, store, client := setup(t)
	storagetesting.RunOptionalTestProgressNotify(ctx, t, store, increase(client))
}

func TestBookmarks(t *testing.T) {
	ctx, store, _ := setup(t)
	storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, store, false)
}
