package main

import (
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/server/v3/auth"
)

const user = "ann"

// memory is what etcd's auth store takes for a database, with authentication on in it.
type memory struct {
	users    map[string]*authpb.User
	roles    map[string]*authpb.Role
	revision uint64
}

// newMemory has one user, who holds so many roles without permissions.
func newMemory(roles int) *memory {
	kept := &memory{users: map[string]*authpb.User{}, roles: map[string]*authpb.Role{}, revision: 1}
	var held []string
	for number := range roles {
		held = append(held, name(number))
		kept.UnsafePutRole(&authpb.Role{Name: []byte(name(number))})
	}
	kept.UnsafePutUser(&authpb.User{Name: []byte(user), Roles: held})
	return kept
}

func name(role int) string { return "role" + strconv.Itoa(role) }

func (m *memory) text(roles int) string {
	var texts []string
	for number := range roles {
		var words []string
		for _, permission := range m.roles[name(number)].KeyPermission {
			words = append(words, format(permission))
		}
		texts = append(texts, strings.Join(words, " "))
	}
	return strings.Join(texts, " / ")
}

func (m *memory) CreateAuthBuckets()        {}
func (m *memory) ForceCommit()              {}
func (m *memory) Lock()                     {}
func (m *memory) Unlock()                   {}
func (m *memory) RLock()                    {}
func (m *memory) RUnlock()                  {}
func (m *memory) ReadTx() auth.AuthReadTx   { return m }
func (m *memory) BatchTx() auth.AuthBatchTx { return m }

func (m *memory) GetUser(name string) *authpb.User { return m.UnsafeGetUser(name) }
func (m *memory) GetAllUsers() []*authpb.User      { return m.UnsafeGetAllUsers() }
func (m *memory) GetRole(name string) *authpb.Role { return m.UnsafeGetRole(name) }
func (m *memory) GetAllRoles() []*authpb.Role      { return m.UnsafeGetAllRoles() }

func (m *memory) UnsafeReadAuthEnabled() bool            { return true }
func (m *memory) UnsafeReadAuthRevision() uint64         { return m.revision }
func (m *memory) UnsafeGetUser(name string) *authpb.User { return m.users[name] }
func (m *memory) UnsafeGetRole(name string) *authpb.Role { return m.roles[name] }
func (m *memory) UnsafeSaveAuthEnabled(bool)             {}
func (m *memory) UnsafeSaveAuthRevision(revision uint64) { m.revision = revision }
func (m *memory) UnsafePutUser(user *authpb.User)        { m.users[string(user.Name)] = user }
func (m *memory) UnsafeDeleteUser(name string)           { delete(m.users, name) }
func (m *memory) UnsafePutRole(role *authpb.Role)        { m.roles[string(role.Name)] = role }
func (m *memory) UnsafeDeleteRole(name string)           { delete(m.roles, name) }

func (m *memory) UnsafeGetAllUsers() (all []*authpb.User) {
	for _, user := range m.users {
		all = append(all, user)
	}
	return all
}

func (m *memory) UnsafeGetAllRoles() (all []*authpb.Role) {
	for _, role := range m.roles {
		all = append(all, role)
	}
	return all
}
