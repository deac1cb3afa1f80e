//! Load generator and runner: ketch beside etcd in one run.
