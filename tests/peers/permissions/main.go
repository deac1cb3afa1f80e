// Command permissions asks etcd's own auth store what users may do. It reads cases from standard
// input and writes a line for each:
//
//	stored PERMISSION .. / PERMISSION .. ? ASKED ..     roles as a database may have them
//	granted PERMISSION .. / PERMISSION .. ? ASKED ..    roles as they come to be by calls
//
// with one user who holds the roles, which a slash separates. A permission is KIND:KEY:END with r,
// w or b (both) as its kind, and so is what is asked; a star is the zero byte. The answer is the
// roles as they then stand, a question mark, and a digit for each that is asked: 1 is yes.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/auth"
	"go.uber.org/zap"
)

func main() {
	// All of it first, so that whoever writes need not read meanwhile.
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	out := bufio.NewWriter(os.Stdout)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		answer, err := judge(line)
		if err != nil {
			fail(fmt.Errorf("%q: %w", line, err))
		}
		fmt.Fprintln(out, answer)
	}
	if err := out.Flush(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func judge(line string) (string, error) {
	given, asked, found := strings.Cut(line, "?")
	how, given, begun := strings.Cut(given, " ")
	if !found || !begun {
		return "", errors.New("not a case")
	}
	var roles [][]*authpb.Permission
	for _, role := range strings.Split(given, "/") {
		permissions, err := parseAll(role)
		if err != nil {
			return "", err
		}
		roles = append(roles, permissions)
	}
	kept := newMemory(len(roles))
	tokens, err := auth.NewTokenProvider(zap.NewNop(), "", nil, 0)
	if err != nil {
		return "", err
	}
	store := auth.NewAuthStore(zap.NewNop(), kept, tokens, 0)
	for number, permissions := range roles {
		if err := fill(store, kept, how, name(number), permissions); err != nil {
			return "", err
		}
	}
	// Makes the store read all of it anew.
	store.Recover(kept)
	answer := kept.text(len(roles)) + " ? "
	asks, err := parseAll(asked)
	if err != nil {
		return "", err
	}
	for _, ask := range asks {
		answer += verdict(store, ask)
	}
	return answer, nil
}

func fill(store auth.AuthStore, kept *memory, how, role string, permissions []*authpb.Permission) error {
	switch how {
	case "stored":
		kept.roles[role].KeyPermission = permissions
	case "granted":
		for _, permission := range permissions {
			grant := &pb.AuthRoleGrantPermissionRequest{Name: role, Perm: permission}
			if _, err := store.RoleGrantPermission(grant); err != nil {
				return err
			}
		}
	default:
		return errors.New("neither stored nor granted")
	}
	return nil
}

func verdict(store auth.AuthStore, ask *authpb.Permission) string {
	caller := &auth.AuthInfo{Username: user, Revision: store.Revision()}
	may := store.IsRangePermitted
	if ask.PermType == authpb.Permission_WRITE {
		may = store.IsDeleteRangePermitted
	}
	if may(caller, ask.Key, ask.RangeEnd) == nil {
		return "1"
	}
	return "0"
}

var kinds = map[string]authpb.Permission_Type{
	"r": authpb.Permission_READ,
	"w": authpb.Permission_WRITE,
	"b": authpb.Permission_READWRITE,
}

func parseAll(text string) (all []*authpb.Permission, err error) {
	for _, word := range strings.Fields(text) {
		parts := strings.Split(strings.ReplaceAll(word, "*", "\x00"), ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is no permission", word)
		}
		kind, known := kinds[parts[0]]
		if !known {
			return nil, fmt.Errorf("%q is no kind", parts[0])
		}
		key, end := []byte(parts[1]), []byte(parts[2])
		all = append(all, &authpb.Permission{PermType: kind, Key: key, RangeEnd: end})
	}
	return all, nil
}

func format(permission *authpb.Permission) string {
	for letter, kind := range kinds {
		if kind == permission.PermType {
			text := letter + ":" + string(permission.Key) + ":" + string(permission.RangeEnd)
			return strings.ReplaceAll(text, "\x00", "*")
		}
	}
	return "?"
}
