//! Binary `ketch-bench`.

fn main() {}
