//! Binary `ketch`.

fn main() {}
