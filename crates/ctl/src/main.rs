//! Binary `ketchctl`.

fn main() {}
