//! How Go writes and reads things, because etcdctl's users parse what Go wrote.

pub(crate) mod duration;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod number;
pub(crate) mod quote;
pub(crate) mod scan;
pub(crate) mod size;
pub(crate) mod words;
