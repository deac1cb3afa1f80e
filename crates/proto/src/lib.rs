//! etcd's messages, generated.
