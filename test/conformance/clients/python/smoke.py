"""Exercises python-etcd3 against a server: each case is what programs do with it.

Run by ../../matrix/matrix.test.ts. Arguments as --name=value: endpoints, cacert, cert, key, user,
password. Prints `ok RPC[,RPC...] CASE` or `FAIL RPC[,RPC...] CASE: why` per case, and `done N` at
the end.
"""

import io
import os
import sys
import threading

# The messages of this client are older than the fast implementation of protobuf.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")

import etcd3  # noqa: E402


def connect(given):
    host, port = given["endpoints"].split(",")[0].rsplit(":", 1)
    return etcd3.client(
        # A certificate names the host, not its address.
        host="localhost" if "cacert" in given else host,
        port=int(port),
        ca_cert=given.get("cacert"),
        cert_cert=given.get("cert"),
        cert_key=given.get("key"),
        user=given.get("user"),
        password=given.get("password"),
        timeout=10,
    )


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def key_values(client):
    client.put("python/kv", "one")
    value, meta = client.get("python/kv")
    holds(value == b"one" and meta.version == 1, "what was put")
    client.put("python/kv", b"\x00\xff")
    holds(client.get("python/kv")[0] == b"\x00\xff", "bytes")
    holds(len(list(client.get_prefix("python/"))) == 1, "the prefix")
    holds(client.get_range_response("python/", "python0", keys_only=True).count == 1, "a count")
    holds(client.delete("python/kv"), "it was there")
    holds(client.get("python/kv")[0] is None, "it is gone")


def transactions(client):
    def once():
        return client.transaction(
            compare=[client.transactions.version("python/txn") == 0],
            success=[client.transactions.put("python/txn", "made")],
            failure=[client.transactions.get("python/txn")],
        )

    holds(once()[0], "the first succeeds")
    succeeded, responses = once()
    holds(not succeeded and responses[0][0][0] == b"made", "the second reads")
    holds(client.replace("python/txn", "made", "changed"), "compare and swap")
    holds(not client.put_if_not_exists("python/txn", "x"), "it exists")


def compaction(client):
    revision = client.put("python/compact", "x").header.revision
    client.compact(revision, physical=True)
    try:
        client.compact(revision)
    except Exception as error:  # The client hands on gRPC's own error here.
        holds("has been compacted" in str(error), error)
    else:
        raise AssertionError("a second compaction is refused")


def watching(client):
    events, cancel = client.watch_prefix("python/watch")
    timer = threading.Timer(10, cancel)
    timer.start()
    client.put("python/watch/1", "x")
    client.delete("python/watch/1")
    seen = [type(next(events)).__name__ for _ in range(2)]
    timer.cancel()
    cancel()
    holds(seen == ["PutEvent", "DeleteEvent"], seen)


def leases(client):
    lease = client.lease(60)
    client.put("python/lease", "x", lease=lease)
    holds(list(lease.refresh())[0].TTL == 60, "its time")
    holds(lease.granted_ttl == 60, "its granted time")
    holds(lease.keys == [b"python/lease"], "its key")
    lease.revoke()
    holds(client.get("python/lease")[0] is None, "its key is gone")


def locks(client):
    with client.lock("python-lock", ttl=20) as lock:
        holds(lock.is_acquired(), "it is held")


def maintenance(client):
    status = client.status()
    holds(status.version.startswith("3.") and status.db_size > 0, "the status")
    holds(isinstance(list(client.list_alarms()), list), "alarms")
    holds(client.hash() != 0, "a hash")
    client.defragment()


def snapshots(client):
    file = io.BytesIO()
    client.snapshot(file)
    holds(len(file.getvalue()) % 512 == 32, "pages and a digest")


def main():
    given = dict(word[2:].split("=", 1) for word in sys.argv[1:])
    client = connect(given)
    cases = [
        ("Put,Range,DeleteRange", "keys and values", key_values),
        ("Txn", "transactions", transactions),
        ("Compact", "a compaction", compaction),
        ("Watch", "a watcher", watching),
        ("LeaseGrant,LeaseRevoke,LeaseKeepAlive,LeaseTimeToLive", "leases", leases),
        ("Txn,LeaseGrant", "a lock made of transactions", locks),
        ("Alarm,Status,Hash,Defragment", "maintenance", maintenance),
        ("Snapshot", "a snapshot", snapshots),
        ("MemberList", "members", lambda client: holds(list(client.members), "members")),
    ]
    if "user" in given:
        # This client sends no token with Status.
        cases = [case for case in cases if case[2] is not maintenance]
    for rpcs, name, run in cases:
        try:
            run(client)
            print(f"ok {rpcs} {name}", flush=True)
        except Exception as error:
            why = f"{type(error).__name__} {error}".replace("\n", " | ")
            print(f"FAIL {rpcs} {name}: {why}", flush=True)
    if "user" in given:
        print("ok Authenticate a token", flush=True)
    print(f"done {len(cases) + ('user' in given)}", flush=True)
    # Threads of the client would hold the process.
    os._exit(0)


main()
