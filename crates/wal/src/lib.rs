//! The write-ahead log in etcd's segment format.
