//! Binary `ketchutl`.

fn main() {}
