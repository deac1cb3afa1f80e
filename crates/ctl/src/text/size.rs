//! Sizes for people: `29 kB`, `2.1 GB`.

/// Powers of 1000, two digits below ten.
pub(crate) fn show(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let power = (bytes as f64).log(1000.0).floor();
    let unit = UNITS[(power as usize).min(UNITS.len() - 1)];
    let value = (bytes as f64 / 1000f64.powf(power) * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        let check = |bytes: u64, shown: &str| assert_eq!(super::show(bytes), shown);
        check(0, "0 B");
        check(9, "9 B");
        check(512, "512 B");
        check(1_500, "1.5 kB");
        check(20_480, "20 kB");
        check(28_672, "29 kB");
        check(2_147_483_648, "2.1 GB");
    }
}
