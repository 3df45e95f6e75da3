//! Exercises the Rust client `etcd-client` against a server: each case is what programs do with it.
//! Run by ../../matrix/matrix.test.ts. Arguments as `--name=value`: endpoints, cacert, cert, key,
//! user, password. Prints `ok RPC[,RPC...] CASE` or `FAIL RPC[,RPC...] CASE: why` per case, and
//! `done N` at the end.

use etcd_client::*;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

const CASE_TIMEOUT: Duration = Duration::from_secs(20);

fn arguments() -> HashMap<String, String> {
    std::env::args()
        .skip(1)
        .filter_map(|word| {
            let (name, value) = word.strip_prefix("--")?.split_once('=')?;
            Some((name.to_string(), value.to_string()))
        })
        .collect()
}

async fn connect(given: &HashMap<String, String>) -> std::result::Result<Client, Error> {
    let mut options = ConnectOptions::new().with_connect_timeout(Duration::from_secs(5));
    if let (Some(user), Some(password)) = (given.get("user"), given.get("password")) {
        options = options.with_user(user, password);
    }
    let mut scheme = "http";
    if let Some(path) = given.get("cacert") {
        scheme = "https";
        let ca = Certificate::from_pem(std::fs::read(path).expect("the CA's certificate"));
        let mut tls = TlsOptions::new().ca_certificate(ca).domain_name("localhost");
        if let (Some(cert), Some(key)) = (given.get("cert"), given.get("key")) {
            let cert = std::fs::read(cert).expect("the certificate");
            tls = tls.identity(Identity::from_pem(cert, std::fs::read(key).expect("the key")));
        }
        options = options.with_tls(tls);
    }
    let endpoints: Vec<String> =
        given["endpoints"].split(',').map(|place| format!("{scheme}://{place}")).collect();
    Client::connect(endpoints, Some(options)).await
}

fn holds(condition: bool, what: &str) -> Outcome {
    if condition { Ok(()) } else { Err(what.into()) }
}

struct Report {
    cases: u32,
}

impl Report {
    async fn case(&mut self, rpcs: &str, name: &str, run: impl Future<Output = Outcome>) {
        self.cases += 1;
        let why = match timeout(CASE_TIMEOUT, run).await {
            Ok(Ok(())) => return println!("ok {rpcs} {name}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_string(),
        };
        println!("FAIL {rpcs} {name}: {}", why.replace('\n', " | "));
    }
}

async fn key_values(client: &mut Client) -> Outcome {
    client.put("rust/kv", "one", None).await?;
    let options = PutOptions::new().with_prev_key();
    let put = client.put("rust/kv", "two", Some(options)).await?;
    holds(put.prev_key().map(|kv| kv.value()) == Some(&b"one"[..]), "the value before")?;
    let got = client.get("rust/kv", None).await?;
    holds(got.kvs()[0].value() == b"two" && got.kvs()[0].version() == 2, "what was put")?;
    let options = GetOptions::new().with_prefix().with_count_only();
    holds(client.get("rust/", Some(options)).await?.count() == 1, "the count")?;
    let options = DeleteOptions::new().with_prefix().with_prev_key();
    let deleted = client.delete("rust/", Some(options)).await?;
    holds(deleted.deleted() == 1 && deleted.prev_kvs().len() == 1, "what was deleted")
}

async fn transactions(client: &mut Client) -> Outcome {
    let absent = Compare::version("rust/txn", CompareOp::Equal, 0);
    let txn = Txn::new()
        .when([absent])
        .and_then([TxnOp::put("rust/txn", "made", None)])
        .or_else([TxnOp::get("rust/txn", None)]);
    holds(client.txn(txn.clone()).await?.succeeded(), "the first succeeds")?;
    let second = client.txn(txn).await?;
    holds(!second.succeeded() && second.op_responses().len() == 1, "the second reads")
}

async fn compaction(client: &mut Client) -> Outcome {
    let put = client.put("rust/compact", "x", None).await?;
    let revision = put.header().ok_or("a header")?.revision();
    client.compact(revision, Some(CompactionOptions::new().with_physical())).await?;
    let old = client.get("rust/compact", Some(GetOptions::new().with_revision(revision - 1))).await;
    let text = old.err().map(|error| error.to_string()).unwrap_or_default();
    holds(text.contains("required revision has been compacted"), &text)
}

async fn watching(client: &mut Client) -> Outcome {
    let options = WatchOptions::new().with_prefix().with_prev_key();
    let mut stream = client.watch("rust/watch", Some(options)).await?;
    let created = stream.message().await?.ok_or("an answer")?;
    holds(created.created(), "it is created")?;
    client.put("rust/watch/1", "x", None).await?;
    let events = stream.message().await?.ok_or("an event")?;
    holds(events.events()[0].event_type() == EventType::Put, "a put")?;
    client.delete("rust/watch/1", None).await?;
    let events = stream.message().await?.ok_or("an event")?;
    let event = &events.events()[0];
    holds(event.event_type() == EventType::Delete && event.prev_kv().is_some(), "a delete")?;
    stream.request_progress().await?;
    let progress = stream.message().await?.ok_or("progress")?;
    holds(progress.events().is_empty(), "no events in it")?;
    stream.cancel(created.watch_id()).await?;
    holds(stream.message().await?.ok_or("an end")?.canceled(), "it is cancelled")
}

async fn leases(client: &mut Client) -> Outcome {
    let id = client.lease_grant(60, None).await?.id();
    client.put("rust/lease", "x", Some(PutOptions::new().with_lease(id))).await?;
    let (mut keeper, mut stream) = client.lease_keep_alive(id).await?;
    keeper.keep_alive().await?;
    holds(stream.message().await?.ok_or("a renewal")?.ttl() == 60, "its time")?;
    let options = LeaseTimeToLiveOptions::new().with_keys();
    let left = client.lease_time_to_live(id, Some(options)).await?;
    holds(left.granted_ttl() == 60 && left.keys().len() == 1, "its key")?;
    holds(client.leases().await?.leases().iter().any(|lease| lease.id() == id), "it is listed")?;
    client.lease_revoke(id).await?;
    holds(client.get("rust/lease", None).await?.kvs().is_empty(), "its key is gone")
}

async fn locks(client: &mut Client) -> Outcome {
    let key = client.lock("rust/lock", None).await?.key().to_vec();
    holds(key.starts_with(b"rust/lock/"), "the lock's key")?;
    client.unlock(key).await?;
    Ok(())
}

async fn elections(client: &mut Client) -> Outcome {
    let lease = client.lease_grant(60, None).await?.id();
    let won = client.campaign("rust/election", "me", lease).await?;
    let leader = won.leader().ok_or("a leader")?.clone();
    let mut stream = client.observe("rust/election").await?;
    let options = ProclaimOptions::new().with_leader(leader.clone());
    client.proclaim("still me", Some(options)).await?;
    let now = client.leader("rust/election").await?;
    holds(now.kv().map(|kv| kv.value()) == Some(&b"still me"[..]), "what was proclaimed")?;
    holds(stream.message().await?.is_some(), "an observer sees it")?;
    client.resign(Some(ResignOptions::new().with_leader(leader))).await?;
    client.lease_revoke(lease).await?;
    Ok(())
}

async fn maintenance(client: &mut Client) -> Outcome {
    let status = client.status().await?;
    holds(status.version().starts_with("3.") && status.db_size() > 0, "the status")?;
    client.alarm(AlarmAction::Get, AlarmType::None, None).await?;
    holds(client.hash().await?.hash() != 0, "a hash")?;
    client.hash_kv(0).await?;
    client.defragment().await?;
    Ok(())
}

async fn snapshots(client: &mut Client) -> Outcome {
    let mut stream = client.snapshot().await?;
    let mut size = 0;
    while let Some(part) = stream.message().await? {
        size += part.blob().len();
    }
    holds(size % 512 == 32, "pages and a digest")
}

async fn users(client: &mut Client) -> Outcome {
    client.role_add("rust-role").await?;
    client.role_grant_permission("rust-role", Permission::read_write("rust/").with_prefix()).await?;
    holds(client.role_get("rust-role").await?.permissions().len() == 1, "its permission")?;
    client.user_add("rust-user", "secret", None).await?;
    client.user_grant_role("rust-user", "rust-role").await?;
    holds(client.user_get("rust-user").await?.roles() == ["rust-role"], "its role")?;
    client.user_change_password("rust-user", "other").await?;
    holds(client.user_list().await?.users().contains(&"rust-user".to_string()), "the user")?;
    holds(client.role_list().await?.roles().contains(&"rust-role".to_string()), "the role")?;
    client.user_revoke_role("rust-user", "rust-role").await?;
    let options = RoleRevokePermissionOptions::new().with_prefix();
    client.role_revoke_permission("rust-role", "rust/", Some(options)).await?;
    client.user_delete("rust-user").await?;
    client.role_delete("rust-role").await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let given = arguments();
    let mut client = connect(&given).await?;
    let client = &mut client;
    let mut report = Report { cases: 0 };
    report.case("Put,Range,DeleteRange", "keys and values", key_values(client)).await;
    report.case("Txn", "a transaction", transactions(client)).await;
    report.case("Compact", "a compaction", compaction(client)).await;
    report.case("Watch", "a watcher", watching(client)).await;
    let rpcs = "LeaseGrant,LeaseRevoke,LeaseKeepAlive,LeaseTimeToLive,LeaseLeases";
    report.case(rpcs, "leases", leases(client)).await;
    report.case("Lock,Unlock", "a lock", locks(client)).await;
    report.case("Campaign,Proclaim,Leader,Observe,Resign", "an election", elections(client)).await;
    report.case("Alarm,Status,Hash,HashKV,Defragment", "maintenance", maintenance(client)).await;
    report.case("Snapshot", "a snapshot", snapshots(client)).await;
    let rpcs = "UserAdd,UserGet,UserList,UserDelete,UserChangePassword,UserGrantRole,\
                UserRevokeRole,RoleAdd,RoleGet,RoleList,RoleDelete,RoleGrantPermission,\
                RoleRevokePermission";
    report.case(rpcs, "users and roles", users(client)).await;
    let members = async { holds(!client.member_list().await?.members().is_empty(), "members") };
    report.case("MemberList", "members", members).await;
    if given.contains_key("user") {
        println!("ok Authenticate a token");
        report.cases += 1;
    }
    println!("done {}", report.cases);
    Ok(())
}
