//! Medians, and how sure their ratio is.

/// Resamples for the interval of a ratio.
const RESAMPLES: usize = 2000;

/// The middle; between the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Percentile bootstrap of the ratio of medians, with a fixed seed.
pub(super) fn interval(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |values: &[f64]| -> f64 {
        let sample: Vec<f64> = values
            .iter()
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                values[(state % values.len() as u64) as usize]
            })
            .collect();
        median(&sample).unwrap_or(f64::NAN)
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES).map(|_| pick(ours) / pick(theirs)).collect();
    ratios.sort_by(f64::total_cmp);
    (ratios[RESAMPLES / 40], ratios[RESAMPLES - 1 - RESAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_intervals() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
        let (low, high) = interval(&[1.0, 1.0, 1.0], &[2.0, 2.0, 2.0]);
        assert_eq!((low, high), (0.5, 0.5));
    }
}
