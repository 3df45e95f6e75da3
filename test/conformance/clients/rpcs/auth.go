// Users, roles, permissions, and authentication on and off. The cases that switch it leave it as
// they found it.
package main

import (
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/metadata"
)

var authCases = []testCase{
	{"AuthStatus", "as configured", authStatus},
	{"RoleAdd", "a role", usersAndRoles},
	{"RoleGet", "its permissions", usersAndRoles},
	{"RoleList", "all roles", usersAndRoles},
	{"RoleGrantPermission", "a range", usersAndRoles},
	{"RoleRevokePermission", "a range", usersAndRoles},
	{"RoleDelete", "it goes", usersAndRoles},
	{"UserAdd", "a user", usersAndRoles},
	{"UserGet", "the roles", usersAndRoles},
	{"UserList", "all users", usersAndRoles},
	{"UserChangePassword", "another one", usersAndRoles},
	{"UserGrantRole", "a role", usersAndRoles},
	{"UserRevokeRole", "a role", usersAndRoles},
	{"UserDelete", "the user goes", usersAndRoles},
	{"AuthEnable", "on", onAndOff},
	{"Authenticate", "a token that works, a password that does not", onAndOff},
	{"AuthDisable", "off", onAndOff},
}

func (t *T) auth() pb.AuthClient { return pb.NewAuthClient(t.conn) }

func authStatus(t *T) {
	answer := must[*pb.AuthStatusResponse](t)(t.auth().AuthStatus(t.ctx, &pb.AuthStatusRequest{}))
	t.holds(answer.Enabled == (*user != "") && answer.AuthRevision > 0, "got %v", answer)
}

func usersAndRoles(t *T) {
	auth := t.auth()
	must[*pb.AuthRoleAddResponse](t)(auth.RoleAdd(t.ctx, &pb.AuthRoleAddRequest{Name: "rpcs-role"}))
	permission := &authpb.Permission{PermType: authpb.Permission_READWRITE, Key: []byte("rpcs/"), RangeEnd: []byte("rpcs0")}
	must[*pb.AuthRoleGrantPermissionResponse](t)(auth.RoleGrantPermission(t.ctx,
		&pb.AuthRoleGrantPermissionRequest{Name: "rpcs-role", Perm: permission}))
	role := must[*pb.AuthRoleGetResponse](t)(auth.RoleGet(t.ctx, &pb.AuthRoleGetRequest{Role: "rpcs-role"}))
	t.holds(len(role.Perm) == 1 && string(role.Perm[0].Key) == "rpcs/", "got %v", role)
	must[*pb.AuthUserAddResponse](t)(auth.UserAdd(t.ctx, &pb.AuthUserAddRequest{Name: "rpcs-user", Password: "secret"}))
	must[*pb.AuthUserGrantRoleResponse](t)(auth.UserGrantRole(t.ctx,
		&pb.AuthUserGrantRoleRequest{User: "rpcs-user", Role: "rpcs-role"}))
	got := must[*pb.AuthUserGetResponse](t)(auth.UserGet(t.ctx, &pb.AuthUserGetRequest{Name: "rpcs-user"}))
	t.holds(strings.Join(got.Roles, " ") == "rpcs-role", "got %v", got)
	must[*pb.AuthUserChangePasswordResponse](t)(auth.UserChangePassword(t.ctx,
		&pb.AuthUserChangePasswordRequest{Name: "rpcs-user", Password: "other"}))
	users := must[*pb.AuthUserListResponse](t)(auth.UserList(t.ctx, &pb.AuthUserListRequest{}))
	t.holds(strings.Contains(strings.Join(users.Users, " "), "rpcs-user"), "got %v", users)
	roles := must[*pb.AuthRoleListResponse](t)(auth.RoleList(t.ctx, &pb.AuthRoleListRequest{}))
	t.holds(strings.Contains(strings.Join(roles.Roles, " "), "rpcs-role"), "got %v", roles)
	must[*pb.AuthUserRevokeRoleResponse](t)(auth.UserRevokeRole(t.ctx,
		&pb.AuthUserRevokeRoleRequest{Name: "rpcs-user", Role: "rpcs-role"}))
	must[*pb.AuthRoleRevokePermissionResponse](t)(auth.RoleRevokePermission(t.ctx,
		&pb.AuthRoleRevokePermissionRequest{Role: "rpcs-role", Key: []byte("rpcs/"), RangeEnd: []byte("rpcs0")}))
	must[*pb.AuthUserDeleteResponse](t)(auth.UserDelete(t.ctx, &pb.AuthUserDeleteRequest{Name: "rpcs-user"}))
	must[*pb.AuthRoleDeleteResponse](t)(auth.RoleDelete(t.ctx, &pb.AuthRoleDeleteRequest{Role: "rpcs-role"}))
	_, err := auth.RoleGet(t.ctx, &pb.AuthRoleGetRequest{Role: "rpcs-role"})
	t.fails(err, "etcdserver: role name not found")
}

// as is the case's context with the token of a user.
func (t *T) as(name, secret string) *T {
	answer := must[*pb.AuthenticateResponse](t)(t.auth().Authenticate(t.ctx,
		&pb.AuthenticateRequest{Name: name, Password: secret}))
	return &T{
		ctx:  metadata.NewOutgoingContext(t.ctx, metadata.Pairs("token", answer.Token)),
		conn: t.conn, conns: t.conns,
	}
}

// withoutToken is what a call without a token ends with: a client certificate names a user, who is
// nobody's here.
func withoutToken() string {
	if *cert != "" {
		return "etcdserver: permission denied"
	}
	return "etcdserver: user name is empty"
}

func onAndOff(t *T) {
	if *user != "" {
		// On already: off and on again.
		must[*pb.AuthDisableResponse](t)(t.auth().AuthDisable(t.ctx, &pb.AuthDisableRequest{}))
		plain := &T{ctx: metadata.NewOutgoingContext(t.ctx, metadata.MD{}), conn: t.conn, conns: t.conns}
		plain.put("rpcs/off", "x")
		must[*pb.AuthEnableResponse](t)(plain.auth().AuthEnable(plain.ctx, &pb.AuthEnableRequest{}))
		_, err := plain.kv().Put(plain.ctx, &pb.PutRequest{Key: []byte("rpcs/on")})
		t.fails(err, withoutToken())
		plain.as(*user, *password).put("rpcs/on", "x")
		_, err = t.auth().Authenticate(plain.ctx, &pb.AuthenticateRequest{Name: *user, Password: "wrong"})
		t.fails(err, "etcdserver: authentication failed, invalid user ID or password")
		return
	}
	auth := t.auth()
	must[*pb.AuthUserAddResponse](t)(auth.UserAdd(t.ctx, &pb.AuthUserAddRequest{Name: "root", Password: "secret"}))
	must[*pb.AuthRoleAddResponse](t)(auth.RoleAdd(t.ctx, &pb.AuthRoleAddRequest{Name: "root"}))
	must[*pb.AuthUserGrantRoleResponse](t)(auth.UserGrantRole(t.ctx,
		&pb.AuthUserGrantRoleRequest{User: "root", Role: "root"}))
	must[*pb.AuthEnableResponse](t)(auth.AuthEnable(t.ctx, &pb.AuthEnableRequest{}))
	_, err := t.kv().Put(t.ctx, &pb.PutRequest{Key: []byte("rpcs/on")})
	t.fails(err, withoutToken())
	_, err = auth.Authenticate(t.ctx, &pb.AuthenticateRequest{Name: "root", Password: "wrong"})
	t.fails(err, "etcdserver: authentication failed, invalid user ID or password")
	root := t.as("root", "secret")
	root.put("rpcs/on", "x")
	must[*pb.AuthDisableResponse](t)(auth.AuthDisable(root.ctx, &pb.AuthDisableRequest{}))
	must[*pb.AuthUserDeleteResponse](t)(auth.UserDelete(t.ctx, &pb.AuthUserDeleteRequest{Name: "root"}))
	must[*pb.AuthRoleDeleteResponse](t)(auth.RoleDelete(t.ctx, &pb.AuthRoleDeleteRequest{Role: "root"}))
}
