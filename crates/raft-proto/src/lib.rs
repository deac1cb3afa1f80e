//! Raft, WAL and snapshot records with etcd's numbers, generated.
