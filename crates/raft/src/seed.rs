//! The only randomness: a small generator with a seed (the splitmix64 sequence).

/// A reproducible stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    /// Members of one cluster may share a seed: the id is mixed in.
    pub(crate) fn new(seed: u64, id: u64) -> Self {
        let mut own = Self(seed ^ id.rotate_left(32));
        own.next();
        own
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; the bias is far below one tick.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers_other_member_others() {
        let draw = |seed, id| {
            let mut seed = Seed::new(seed, id);
            (0..8).map(|_| seed.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
        assert!(draw(7, 1).iter().all(|n| *n < 1000));
    }
}
