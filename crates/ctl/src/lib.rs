//! Binary ketchctl, etcdctl-compatible.
