// Exercises jetcd, the Java client, against a server: each case is what programs do with it. Run by
// ../../matrix/matrix.test.ts. Arguments as --name=value: endpoints, cacert, cert, key, user,
// password.
// Prints `ok RPC[,RPC...] CASE` or `FAIL RPC[,RPC...] CASE: why` per case, and `done N` at the end.

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.ClientBuilder;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.auth.Permission;
import io.etcd.jetcd.election.LeaderKey;
import io.etcd.jetcd.kv.TxnResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.CompactOption;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.watch.WatchEvent;
import io.grpc.netty.GrpcSslContexts;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public final class Smoke {
  private interface Case {
    void run(Client client) throws Exception;
  }

  private static int cases = 0;

  private static ByteSequence bytes(String text) {
    return ByteSequence.from(text.getBytes());
  }

  private static <T> T of(CompletableFuture<T> future) throws Exception {
    return future.get(20, TimeUnit.SECONDS);
  }

  private static void holds(boolean condition, String what) {
    if (!condition) {
      throw new IllegalStateException(what);
    }
  }

  private static Client connect(Map<String, String> given) throws Exception {
    boolean secure = given.containsKey("cacert");
    List<URI> endpoints = new ArrayList<>();
    for (String place : given.get("endpoints").split(",")) {
      endpoints.add(URI.create((secure ? "https://" : "http://") + place));
    }
    ClientBuilder builder = Client.builder().endpoints(endpoints);
    if (secure) {
      SslContextBuilder context =
          GrpcSslContexts.forClient().trustManager(new File(given.get("cacert")));
      if (given.containsKey("cert")) {
        context.keyManager(new File(given.get("cert")), new File(given.get("key")));
      }
      builder.sslContext(context.build()).authority("localhost");
    }
    if (given.containsKey("user")) {
      builder.user(bytes(given.get("user"))).password(bytes(given.get("password")));
    }
    return builder.build();
  }

  private static void run(Client client, String rpcs, String name, Case body) {
    cases++;
    try {
      body.run(client);
      System.out.println("ok " + rpcs + " " + name);
    } catch (Exception error) {
      String why = String.valueOf(error).replace('\n', '|');
      System.out.println("FAIL " + rpcs + " " + name + ": " + why);
    }
  }

  private static void keysAndValues(Client client) throws Exception {
    KV kv = client.getKVClient();
    of(kv.put(bytes("java/kv"), bytes("one")));
    var put = of(kv.put(bytes("java/kv"), bytes("two"), PutOption.builder().withPrevKV().build()));
    holds(put.getPrevKv().getValue().equals(bytes("one")), "the value before");
    GetOption all = GetOption.builder().isPrefix(true).build();
    var got = of(kv.get(bytes("java/"), all));
    holds(got.getKvs().get(0).getVersion() == 2 && got.getCount() == 1, "what was put");
    DeleteOption prefix = DeleteOption.builder().isPrefix(true).build();
    holds(of(kv.delete(bytes("java/"), prefix)).getDeleted() == 1, "it was there");
  }

  private static TxnResponse create(Client client) throws Exception {
    ByteSequence key = bytes("java/txn");
    return of(client.getKVClient().txn()
        .If(new Cmp(key, Cmp.Op.EQUAL, CmpTarget.version(0)))
        .Then(Op.put(key, bytes("made"), PutOption.DEFAULT))
        .Else(Op.get(key, GetOption.DEFAULT))
        .commit());
  }

  private static void transactions(Client client) throws Exception {
    holds(create(client).isSucceeded(), "the first succeeds");
    TxnResponse second = create(client);
    holds(!second.isSucceeded() && second.getGetResponses().size() == 1, "the second reads");
  }

  private static void compaction(Client client) throws Exception {
    KV kv = client.getKVClient();
    long revision = of(kv.put(bytes("java/compact"), bytes("x"))).getHeader().getRevision();
    of(kv.compact(revision, CompactOption.builder().withCompactPhysical(true).build()));
    try {
      of(kv.compact(revision));
    } catch (Exception error) {
      holds(String.valueOf(error).contains("has been compacted"), String.valueOf(error));
      return;
    }
    throw new IllegalStateException("a second compaction is refused");
  }

  private static void watching(Client client) throws Exception {
    BlockingQueue<WatchEvent> events = new LinkedBlockingQueue<>();
    WatchOption prefix = WatchOption.builder().isPrefix(true).withPrevKV(true).build();
    try (Watch.Watcher watcher = client.getWatchClient()
        .watch(bytes("java/watch"), prefix, answer -> events.addAll(answer.getEvents()))) {
      Thread.sleep(300);
      KV kv = client.getKVClient();
      of(kv.put(bytes("java/watch/1"), bytes("x")));
      of(kv.delete(bytes("java/watch/1")));
      WatchEvent put = events.poll(10, TimeUnit.SECONDS);
      holds(put != null && put.getEventType() == WatchEvent.EventType.PUT, "a put");
      WatchEvent deleted = events.poll(10, TimeUnit.SECONDS);
      holds(deleted != null && deleted.getPrevKV().getValue().equals(bytes("x")), "a delete");
    }
  }

  private static void leases(Client client) throws Exception {
    var lease = client.getLeaseClient();
    long id = of(lease.grant(60)).getID();
    PutOption attached = PutOption.builder().withLeaseId(id).build();
    of(client.getKVClient().put(bytes("java/lease"), bytes("x"), attached));
    holds(of(lease.keepAliveOnce(id)).getTTL() == 60, "its time");
    var left = of(lease.timeToLive(id, LeaseOption.builder().withAttachedKeys().build()));
    holds(left.getGrantedTTL() == 60 && left.getKeys().size() == 1, "its key");
    of(lease.revoke(id));
    holds(of(client.getKVClient().get(bytes("java/lease"))).getCount() == 0, "its key is gone");
  }

  private static void locks(Client client) throws Exception {
    long id = of(client.getLeaseClient().grant(60)).getID();
    ByteSequence key = of(client.getLockClient().lock(bytes("java/lock"), id)).getKey();
    of(client.getLockClient().unlock(key));
    of(client.getLeaseClient().revoke(id));
  }

  private static void elections(Client client) throws Exception {
    long id = of(client.getLeaseClient().grant(60)).getID();
    var election = client.getElectionClient();
    ByteSequence name = bytes("java/election");
    LeaderKey leader = of(election.campaign(name, id, bytes("me"))).getLeader();
    of(election.proclaim(leader, bytes("still me")));
    holds(of(election.leader(name)).getKv().getValue().equals(bytes("still me")), "the leader");
    of(election.resign(leader));
    of(client.getLeaseClient().revoke(id));
  }

  private static void maintenance(Client client, URI endpoint) throws Exception {
    var maintenance = client.getMaintenanceClient();
    holds(of(maintenance.statusMember(endpoint.toString())).getDbSize() > 0, "the status");
    of(maintenance.listAlarms());
    of(maintenance.hashKV(endpoint.toString(), 0));
    of(maintenance.defragmentMember(endpoint.toString()));
  }

  private static void snapshots(Client client) throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    of(client.getMaintenanceClient().snapshot(file));
    holds(file.size() % 512 == 32, "pages and a digest");
  }

  private static void usersAndRoles(Client client) throws Exception {
    var auth = client.getAuthClient();
    ByteSequence role = bytes("java-role");
    ByteSequence user = bytes("java-user");
    of(auth.roleAdd(role));
    of(auth.roleGrantPermission(
        role, bytes("java/"), bytes("java0"), Permission.Type.READWRITE));
    holds(of(auth.roleGet(role)).getPermissions().size() == 1, "its permission");
    of(auth.userAdd(user, bytes("secret")));
    of(auth.userGrantRole(user, role));
    holds(of(auth.userGet(user)).getRoles().contains("java-role"), "its role");
    of(auth.userChangePassword(user, bytes("other")));
    holds(of(auth.userList()).getUsers().contains("java-user"), "the user");
    holds(of(auth.roleList()).getRoles().contains("java-role"), "the role");
    of(auth.userRevokeRole(user, role));
    of(auth.roleRevokePermission(role, bytes("java/"), bytes("java0")));
    of(auth.userDelete(user));
    of(auth.roleDelete(role));
  }

  public static void main(String[] words) throws Exception {
    Map<String, String> given = new HashMap<>();
    for (String word : words) {
      String[] parts = word.substring(2).split("=", 2);
      given.put(parts[0], parts[1]);
    }
    String scheme = given.containsKey("cacert") ? "https://" : "http://";
    URI first = URI.create(scheme + given.get("endpoints").split(",")[0]);
    Client client = connect(given);
    run(client, "Put,Range,DeleteRange", "keys and values", Smoke::keysAndValues);
    run(client, "Txn", "transactions", Smoke::transactions);
    run(client, "Compact", "a compaction", Smoke::compaction);
    run(client, "Watch", "a watcher", Smoke::watching);
    run(client, "LeaseGrant,LeaseRevoke,LeaseKeepAlive,LeaseTimeToLive", "leases", Smoke::leases);
    run(client, "Lock,Unlock", "a lock", Smoke::locks);
    run(client, "Campaign,Proclaim,Leader,Resign", "an election", Smoke::elections);
    run(client, "Alarm,Status,HashKV,Defragment", "maintenance", c -> maintenance(c, first));
    run(client, "Snapshot", "a snapshot", Smoke::snapshots);
    run(client,
        "UserAdd,UserGet,UserList,UserDelete,UserChangePassword,UserGrantRole,UserRevokeRole,"
            + "RoleAdd,RoleGet,RoleList,RoleDelete,RoleGrantPermission,RoleRevokePermission",
        "users and roles", Smoke::usersAndRoles);
    run(client, "MemberList", "members", c ->
        holds(!of(c.getClusterClient().listMember()).getMembers().isEmpty(), "members"));
    if (given.containsKey("user")) {
      cases++;
      System.out.println("ok Authenticate a token");
    }
    System.out.println("done " + cases);
    System.exit(0);
  }
}
