//! Random cases, as `tests/peers/permissions` reads them.

/// The same with every run.
pub(crate) struct Cases(u64);

impl Cases {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Roles as a database may have them, from older releases too.
    pub(crate) fn stored(&mut self) -> String {
        let mut words = vec!["stored".to_owned()];
        for _ in 0..self.below(24) {
            words.push(self.permission());
            // Nine roles at most: their names are sorted, and end in a digit.
            if self.below(8) == 0 && words.iter().filter(|word| *word == "/").count() < 8 {
                words.push("/".to_owned());
            }
        }
        self.asking(words)
    }

    /// Roles of any size, as calls make them.
    pub(crate) fn granted(&mut self) -> String {
        let mut words = vec!["granted".to_owned()];
        let few_keys = self.below(2) == 0;
        for _ in 0..self.below(80) {
            let kind = ["r", "w", "b"][self.below(3)];
            let (mut key, end) = (self.key(), self.key());
            if few_keys {
                key.truncate(1);
            }
            let goes = end.is_empty() || end == "*" || before(&key, &end);
            if goes && !key.is_empty() {
                words.push(format!("{kind}:{key}:{end}"));
            }
        }
        self.asking(words)
    }

    fn asking(&mut self, mut words: Vec<String>) -> String {
        words.push("?".to_owned());
        for _ in 0..24 {
            let kind = ["r", "w"][self.below(2)];
            words.push(format!("{kind}:{}:{}", self.key(), self.key()));
        }
        words.join(" ")
    }

    fn permission(&mut self) -> String {
        let kind = ["r", "w", "b"][self.below(3)];
        let (one, other) = (self.key(), self.key());
        match self.below(8) {
            0 => format!("{kind}:{one}:{other}"),
            1 => format!("{kind}:{one}:"),
            _ if before(&one, &other) => format!("{kind}:{one}:{other}"),
            _ => format!("{kind}:{other}:{one}"),
        }
    }

    /// Of few letters, so that ranges meet; seldom empty.
    fn key(&mut self) -> String {
        let length = if self.below(12) == 0 { 0 } else { 1 + self.below(2) };
        (0..length).map(|_| ['*', 'a', 'b', 'c', 'd', 'e', 'f', 'g'][self.below(8)]).collect()
    }

    fn below(&mut self, bound: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound).expect("bounds are small")
    }
}

/// The star is the zero byte.
fn before(one: &str, other: &str) -> bool {
    one.replace('*', "\0") < other.replace('*', "\0")
}
