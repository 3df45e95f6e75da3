// Cluster, Maintenance and Health, asked of all members where they have to
// agree.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

var clusterCases = []testCase{
	{"MemberList", "from the leader", memberList},
	{"MemberAdd", "a learner", learner},
	{"MemberUpdate", "its peer URL", learner},
	{"MemberPromote", "too early", learner},
	{"MemberRemove", "it goes", learner},
}

var maintenanceCases = []testCase{
	{"Alarm", "raised, listed, disarmed", alarm},
	{"Status", "every figure", status},
	{"Defragment", "done", defragment},
	{"Hash", "of everything", hash},
	{"HashKV", "equal on all members", hashKv},
	{"Snapshot", "pages and their digest", snapshot},
	{"MoveLeader", "to another member, if there is one", moveLeader},
	{"Downgrade", "could be done", downgrade},
	{"Health.Check", "serving", healthCheck},
	{"Health.Watch", "serving", healthWatch},
	{"Health.List", "serving", healthList},
}

func (t *T) cluster() pb.ClusterClient         { return pb.NewClusterClient(t.conn) }
func (t *T) maintenance() pb.MaintenanceClient { return pb.NewMaintenanceClient(t.conn) }

func (t *T) statusOf(conn *grpc.ClientConn) *pb.StatusResponse {
	client := pb.NewMaintenanceClient(conn)
	return must[*pb.StatusResponse](t)(client.Status(t.ctx, &pb.StatusRequest{}))
}

func memberList(t *T) {
	request := &pb.MemberListRequest{Linearizable: true}
	answer := must[*pb.MemberListResponse](t)(t.cluster().MemberList(t.ctx, request))
	t.holds(len(answer.Members) == len(t.conns), "got %v", answer)
	for _, member := range answer.Members {
		t.holds(member.Name != "" && len(member.ClientURLs) > 0 && !member.IsLearner, "got %v", member)
	}
}

// learnerPort makes URLs that no member had before: they are part of a member's id.
var learnerPort = 10

func peerURL() []string {
	learnerPort++
	return []string{fmt.Sprintf("http://127.0.0.1:%d", learnerPort)}
}

func learner(t *T) {
	add := &pb.MemberAddRequest{PeerURLs: peerURL(), IsLearner: true}
	added := must[*pb.MemberAddResponse](t)(t.cluster().MemberAdd(t.ctx, add))
	id := added.Member.ID
	t.holds(added.Member.IsLearner && len(added.Members) == len(t.conns)+1, "got %v", added)
	update := &pb.MemberUpdateRequest{ID: id, PeerURLs: peerURL()}
	must[*pb.MemberUpdateResponse](t)(t.cluster().MemberUpdate(t.ctx, update))
	_, err := t.cluster().MemberPromote(t.ctx, &pb.MemberPromoteRequest{ID: id})
	t.fails(err, "etcdserver: can only promote a learner member which is in sync with leader")
	removed := must[*pb.MemberRemoveResponse](t)(t.cluster().MemberRemove(t.ctx, &pb.MemberRemoveRequest{ID: id}))
	t.holds(len(removed.Members) == len(t.conns), "got %v", removed)
}

func alarm(t *T) {
	ask := func(action pb.AlarmRequest_AlarmAction, kind pb.AlarmType) []*pb.AlarmMember {
		request := &pb.AlarmRequest{Action: action, Alarm: kind, MemberID: 7}
		return must[*pb.AlarmResponse](t)(t.maintenance().Alarm(t.ctx, request)).Alarms
	}
	ask(pb.AlarmRequest_ACTIVATE, pb.AlarmType_NOSPACE)
	t.holds(len(ask(pb.AlarmRequest_GET, pb.AlarmType_NONE)) == 1, "it is listed")
	_, err := t.kv().Put(t.ctx, &pb.PutRequest{Key: []byte("rpcs/alarm")})
	t.fails(err, "etcdserver: mvcc: database space exceeded")
	ask(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_NOSPACE)
	t.put("rpcs/alarm", "x")
}

func status(t *T) {
	for _, conn := range t.conns {
		answer := t.statusOf(conn)
		t.holds(answer.Version == "3.7.1" && answer.StorageVersion == "3.7.0", "got %v", answer)
		t.holds(answer.DbSize > 0 && answer.DbSizeInUse > 0 && answer.DbSizeQuota > 0, "got %v", answer)
		t.holds(answer.Leader != 0 && answer.RaftTerm > 0 && answer.RaftAppliedIndex > 0, "got %v", answer)
		t.holds(answer.DowngradeInfo != nil && len(answer.Errors) == 0, "got %v", answer)
	}
}

func defragment(t *T) {
	must[*pb.DefragmentResponse](t)(t.maintenance().Defragment(t.ctx, &pb.DefragmentRequest{}))
}

func hash(t *T) {
	answer := must[*pb.HashResponse](t)(t.maintenance().Hash(t.ctx, &pb.HashRequest{}))
	t.holds(answer.Hash != 0 && answer.Header != nil, "got %v", answer)
}

func hashKv(t *T) {
	revision := t.put("rpcs/hash", "x").Header.Revision
	var hashes []uint32
	for _, conn := range t.conns {
		// A linearizable read, so that the member has what is to be hashed.
		kv := pb.NewKVClient(conn)
		must[*pb.RangeResponse](t)(kv.Range(t.ctx, &pb.RangeRequest{Key: []byte("rpcs/hash")}))
		client := pb.NewMaintenanceClient(conn)
		request := &pb.HashKVRequest{Revision: revision}
		answer := must[*pb.HashKVResponse](t)(client.HashKV(t.ctx, request))
		t.holds(answer.HashRevision == revision, "got %v", answer)
		hashes = append(hashes, answer.Hash)
	}
	for _, other := range hashes {
		t.holds(other == hashes[0], "got %v", hashes)
	}
}

func snapshot(t *T) {
	stream, err := t.maintenance().Snapshot(t.ctx, &pb.SnapshotRequest{})
	t.ok(err)
	var blobs [][]byte
	for {
		part, err := stream.Recv()
		if err == io.EOF {
			break
		}
		t.ok(err)
		t.holds(part.Version == "3.7.0", "version %q", part.Version)
		blobs = append(blobs, part.Blob)
	}
	t.holds(len(blobs) > 1, "%d messages", len(blobs))
	digest := sha256.New()
	for _, blob := range blobs[:len(blobs)-1] {
		digest.Write(blob)
	}
	t.holds(string(digest.Sum(nil)) == string(blobs[len(blobs)-1]), "the digest is another one")
}

func moveLeader(t *T) {
	leader := t.statusOf(t.conn).Leader
	target := leader
	var conn *grpc.ClientConn
	for _, other := range t.conns {
		if id := t.statusOf(other).Header.MemberId; id == leader {
			conn = other
		} else {
			target = id
		}
	}
	t.holds(conn != nil, "no member is the leader %x", leader)
	request := &pb.MoveLeaderRequest{TargetID: target}
	must[*pb.MoveLeaderResponse](t)(pb.NewMaintenanceClient(conn).MoveLeader(t.ctx, request))
	t.holds(t.statusOf(conn).Leader == target, "another one leads")
}

func downgrade(t *T) {
	request := &pb.DowngradeRequest{Action: pb.DowngradeRequest_VALIDATE, Version: "3.6"}
	answer := must[*pb.DowngradeResponse](t)(t.maintenance().Downgrade(t.ctx, request))
	t.holds(answer.Version == "3.7", "got %v", answer)
}

const serving = grpc_health_v1.HealthCheckResponse_SERVING

func healthCheck(t *T) {
	client := grpc_health_v1.NewHealthClient(t.conn)
	answer, err := client.Check(t.ctx, &grpc_health_v1.HealthCheckRequest{})
	t.ok(err)
	t.holds(answer.Status == serving, "got %v", answer)
}

func healthWatch(t *T) {
	client := grpc_health_v1.NewHealthClient(t.conn)
	stream, err := client.Watch(t.ctx, &grpc_health_v1.HealthCheckRequest{})
	t.ok(err)
	answer, err := stream.Recv()
	t.ok(err)
	t.holds(answer.Status == serving, "got %v", answer)
}

func healthList(t *T) {
	client := grpc_health_v1.NewHealthClient(t.conn)
	answer, err := client.List(t.ctx, &grpc_health_v1.HealthListRequest{})
	t.ok(err)
	t.holds(answer.Statuses[""].GetStatus() == serving, "got %v", answer)
}
