//! T1 to T3: transactions.

use anyhow::{Result, ensure};

use super::{Bench, Figures};
use crate::connection::Answer;
use crate::wire;
use crate::workload::{Big, Creates, Keys, Puts, Request, Updates, Work};

const VALUE_BYTES: usize = 1024;
/// Keys that are updated.
const KEYS: u64 = 20_000;
/// As many as a transaction may have by default.
const OPERATIONS: usize = 128;
/// Connections and clients.
const CROWDS: [(usize, usize); 2] = [(10, 64), (50, 500)];

/// Puts of new keys that remember each one's revision.
pub(super) struct Remembered {
    puts: Puts,
    pub(super) seen: Vec<i64>,
}

impl Remembered {
    pub(super) fn new(value_bytes: usize) -> Self {
        Self { puts: Puts::new(3, value_bytes, Keys::New(0)), seen: Vec::new() }
    }
}

impl Work for Remembered {
    fn blocks(&self) -> &[Vec<u8>] {
        self.puts.blocks()
    }

    fn next(&mut self, request: &mut Request) {
        self.puts.next(request);
        request.tag = self.seen.len() as u64;
        self.seen.push(0);
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        self.seen[answer.tag as usize] = wire::header_revision(answer.message);
        self.puts.check(answer)
    }
}

/// Each creates a new key.
pub(super) fn create(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    let mut work = Creates::starting(VALUE_BYTES, 0);
    for (connections, clients) in CROWDS {
        let measured = bench.measure(&bench.at(), &mut work, connections, clients)?;
        take(&mut all, &measured, clients);
    }
    bench.ensure_put_once(work.made())?;
    Ok(all)
}

/// Each writes over what it saw; one in twenty saw something old and must fail.
pub(super) fn update(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    let mut fill = Remembered::new(VALUE_BYTES);
    bench.fill_with(&mut fill, KEYS)?;
    let mut work = Updates::new(VALUE_BYTES, fill.seen);
    for (connections, clients) in CROWDS {
        let measured = bench.measure(&bench.at(), &mut work, connections, clients)?;
        take(&mut all, &measured, clients);
    }
    let (_, revision) = bench.count()?;
    let wanted = KEYS + work.made - work.stale + 1;
    ensure!(revision.cast_unsigned() == wanted, "revision {revision}, {wanted} wanted");
    all.insert("conflicts %".to_owned(), work.stale as f64 / work.made as f64 * 100.0);
    Ok(all)
}

/// Clients of the second crowd stand in the names; the first has the plain ones.
fn take(all: &mut Figures, measured: &Figures, clients: usize) {
    let plain = clients == CROWDS[0].1;
    for (name, value) in measured {
        let name = if plain { name.clone() } else { format!("{clients} clients: {name}") };
        all.insert(name, *value);
    }
}

/// Many puts at once.
pub(super) fn big(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    for (name, nested) in [("flat", false), ("nested", true)] {
        // The outer operation counts, too.
        let inside = OPERATIONS - usize::from(nested);
        let mut work = Big::new(inside, nested, 256);
        let measured = bench.measure(&bench.at(), &mut work, 4, 16)?;
        let inside = measured["server CPU us per op"] / inside as f64;
        all.insert(format!("{name}: server CPU us per put inside"), inside);
        for figure in ["ops per second", "p99 ms"] {
            all.insert(format!("{name}: {figure}"), measured[figure]);
        }
    }
    Ok(all)
}
