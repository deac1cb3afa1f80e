//! The runner: pairs interleaved, the machine probed around every run, nothing left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::calibration::Calibration;
use crate::cells::{Bench, Cell, Figures, Needs, Unsupported, VALUE_BYTES};
use crate::estimate;
use crate::machine::Bounds;
use crate::process::{self, Program};
use crate::scale::Scale;
use crate::subject::Subject;

/// Pause between two looks at the memory of a server.
const MEMORY_PERIOD: Duration = Duration::from_millis(100);

/// One run of one cell on one program.
pub(crate) struct Sample {
    pub(crate) figures: Figures,
    /// Runs of both programs that stand side by side have the same number.
    pub(crate) pair: usize,
    pub(crate) before: Calibration,
    pub(crate) after: Calibration,
    pub(crate) seconds: f64,
    /// Seconds since the cell began, and MiB of all members.
    pub(crate) memory: Vec<(f64, f64)>,
}

impl Sample {
    /// What the machine did meanwhile that it should not have.
    pub(crate) fn moved(&self) -> Option<String> {
        self.before.moved(&self.after)
    }
}

/// All runs of one cell.
pub(crate) struct Results {
    pub(crate) cell: Cell,
    /// By program, in the order they ran.
    pub(crate) samples: BTreeMap<&'static str, Vec<Sample>>,
    /// Why a program has none, or fewer.
    pub(crate) failures: BTreeMap<&'static str, String>,
    pub(crate) limits: Vec<Figures>,
}

/// Which runs count. Where a machine did something else during a run, the run beside it goes too.
pub(crate) struct Pairs {
    pub(crate) counted: BTreeSet<usize>,
    pub(crate) steady: usize,
    pub(crate) of: usize,
    /// What was wrong with one of the others.
    pub(crate) why: String,
}

/// What is run, and where.
pub(crate) struct Runner<'a> {
    pub(crate) ketch: Program,
    /// What to compare with.
    pub(crate) peer: Option<Program>,
    pub(crate) base: &'a Path,
    pub(crate) scale: Scale,
    pub(crate) bounds: Bounds,
    pub(crate) started: Instant,
}

impl Runner<'_> {
    /// Runs the cells, and hands over the results of each batch as they are there.
    pub(crate) fn run(&self, cells: &[Cell], done: &mut dyn FnMut(&Results)) -> Vec<Results> {
        let batches = self.batches(cells);
        let whole_s: f64 = batches.iter().map(|batch| self.expected_s(batch)).sum();
        eprintln!("{} cells, about {:.0} minutes", cells.len(), (whole_s / 60.0).ceil());
        let mut all = Vec::new();
        let mut finished = 0;
        for batch in &batches {
            let results = self.batch(batch, finished, cells.len());
            results.iter().for_each(&mut *done);
            finished += batch.len();
            all.extend(results);
        }
        all
    }

    /// Cells that share data stand together, where the first of them stood.
    fn batches(&self, cells: &[Cell]) -> Vec<Vec<Cell>> {
        let mut batches: Vec<Vec<Cell>> = Vec::new();
        for cell in cells {
            let mut cell = *cell;
            // As many rows as that are the same rows.
            let same = self.scale.rows == self.scale.million;
            if same && cell.needs == Needs::Rows && cells.iter().any(|c| c.needs == Needs::Million)
            {
                cell.needs = Needs::Million;
            }
            match batches.iter_mut().find(|batch| batch[0].needs == cell.needs) {
                Some(batch) if shares(cell.needs) => batch.push(cell),
                _ => batches.push(vec![cell]),
            }
        }
        batches
    }

    fn expected_s(&self, batch: &[Cell]) -> f64 {
        let turns = self.order(batch).into_iter().enumerate();
        let of_turn = |(turn, program): (usize, &Program)| {
            estimate::turn_s(batch, &self.scale, program.name == "etcd")
                + estimate::limits_s(batch, &self.scale, turn % 4 == 0)
        };
        turns.map(of_turn).sum()
    }

    /// ketch, etcd, etcd, ketch, so many times; half of it for long cells in a hurry.
    fn order(&self, batch: &[Cell]) -> Vec<&Program> {
        let twice = batch.iter().any(|cell| self.scale.twice.contains(&cell.id));
        let half = self.scale.heavy_once && batch.iter().all(|cell| cell.heavy);
        let rounds = self.scale.rounds * if twice { 2 } else { 1 };
        match &self.peer {
            None => vec![&self.ketch; rounds],
            Some(peer) if half && !twice => vec![&self.ketch, peer],
            Some(peer) => {
                let rounds = if half { self.scale.rounds } else { rounds };
                [&self.ketch, peer, peer, &self.ketch].repeat(rounds)
            }
        }
    }

    fn batch(&self, batch: &[Cell], finished: usize, total: usize) -> Vec<Results> {
        let mut results: Vec<Results> = batch.iter().copied().map(Results::new).collect();
        let order = self.order(batch);
        for (turn, program) in order.iter().enumerate() {
            let (ids, name) = (batch[0].id, program.name);
            let more = if batch.len() > 1 {
                format!(" to {}", batch[batch.len() - 1].id)
            } else {
                String::new()
            };
            let minutes = self.started.elapsed().as_secs() / 60;
            let seconds = self.started.elapsed().as_secs() % 60;
            let (turns, at, number) = (order.len(), finished + 1, turn + 1);
            let turn_text = format!("{number} of {turns}: {name}");
            eprintln!("{minutes:2}:{seconds:02}  cell {at} of {total}: {ids}{more}, {turn_text}");
            let pair = if self.peer.is_some() { turn / 2 } else { turn };
            if let Err(error) = self.turn(program, pair, &mut results) {
                for one in &mut results {
                    one.fail(program.name, &error);
                }
            }
            self.limits(&mut results, turn % 4 == 0);
        }
        results
    }

    fn limits(&self, results: &mut [Results], all: bool) {
        for one in results {
            let limit = one.cell.limit;
            if !all && !limit.is_fickle() {
                continue;
            }
            match limit.measure(self.scale, &self.bounds, self.ketch.core, self.base) {
                Ok(figures) => one.limits.push(figures),
                Err(error) => one.fail("limit", &error),
            }
        }
    }

    /// All cells of a batch on one program.
    fn turn(&self, program: &Program, pair: usize, results: &mut [Results]) -> Result<()> {
        let needs = results[0].cell.needs;
        let members = if let Needs::Fresh { members } = needs { members } else { 1 };
        let mut bench = Bench {
            subject: Subject::start(program, self.base, members)?,
            program,
            base: self.base,
            scale: self.scale,
            filled: Figures::new(),
        };
        // The cell about memory shows how it grew with the data; the one about bytes is measured
        // while they come in.
        let empty = Calibration::take(self.base, &bench.subject.ids())?;
        let watch = MemoryWatch::start(bench.subject.ids());
        match needs {
            Needs::Fresh { .. } => {}
            Needs::Rows => {
                bench.fill(self.scale.rows, VALUE_BYTES)?;
            }
            Needs::Million => bench.fill_million()?,
        }
        let mut filling = watch.finish();
        for one in results {
            match self.sample(&mut bench, one.cell, pair) {
                Ok(mut sample) => {
                    match one.cell.id {
                        "S2" => sample.memory = std::mem::take(&mut filling),
                        "S4" => sample.before = empty,
                        _ => {}
                    }
                    one.samples.entry(program.name).or_default().push(sample);
                }
                Err(error) => one.fail(program.name, &error),
            }
        }
        Ok(())
    }

    fn sample(&self, bench: &mut Bench<'_>, cell: Cell, pair: usize) -> Result<Sample> {
        let before = Calibration::take(self.base, &bench.subject.ids())?;
        let since = Instant::now();
        let watch = MemoryWatch::start(bench.subject.ids());
        let figures = (cell.run)(bench);
        let memory = watch.finish();
        let (mut figures, seconds) = (figures?, since.elapsed().as_secs_f64());
        // A server that gave memory back meanwhile had its peak before.
        let above = figures.iter_mut().filter(|(name, _)| name.contains(" above "));
        above.for_each(|(_, mib)| *mib = mib.max(0.0));
        let after = Calibration::take(self.base, &bench.subject.ids())?;
        if let Some(why) = before.moved(&after) {
            eprintln!("       {}: {why}", cell.id);
        }
        Ok(Sample { figures, pair, before, after, seconds, memory })
    }
}

/// Whether cells of this need run one after the other on the same data.
fn shares(needs: Needs) -> bool {
    !matches!(needs, Needs::Fresh { .. })
}

impl Results {
    fn new(cell: Cell) -> Self {
        let (samples, failures) = (BTreeMap::new(), BTreeMap::new());
        Self { cell, samples, failures, limits: Vec::new() }
    }

    /// The pairs in which the machine kept still for both; all if there is none.
    pub(crate) fn pairs(&self) -> Pairs {
        let all: BTreeSet<usize> = self.every().map(|sample| sample.pair).collect();
        let spoilt = self.every().filter(|sample| sample.moved().is_some());
        let spoilt: BTreeSet<usize> = spoilt.map(|sample| sample.pair).collect();
        let counted: BTreeSet<usize> = all.difference(&spoilt).copied().collect();
        let (of, steady) = (all.len(), counted.len());
        let why = self.every().find_map(Sample::moved).unwrap_or_default();
        Pairs { counted: if counted.is_empty() { all } else { counted }, steady, of, why }
    }

    fn every(&self) -> impl Iterator<Item = &Sample> {
        self.samples.values().flatten()
    }

    fn fail(&mut self, program: &'static str, error: &anyhow::Error) {
        let text = match error.downcast_ref::<Unsupported>() {
            Some(unsupported) => unsupported.to_string(),
            None => format!("failed: {error:#}"),
        };
        eprintln!("       {} on {program}: {text}", self.cell.id);
        self.failures.insert(program, text);
    }
}

/// Looks at the memory of processes while they live.
struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(f64, f64)>>,
}

impl MemoryWatch {
    fn start(ids: Vec<u32>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let since = Instant::now();
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let now = ids.iter().map(|id| process::memory(*id).map(|(now, _)| now));
                if let Ok(sum) = now.sum::<Result<f64>>() {
                    seen.push((since.elapsed().as_secs_f64(), sum / 1024.0 / 1024.0));
                }
                std::thread::sleep(MEMORY_PERIOD);
            }
            seen
        });
        Self { stop, thread }
    }

    fn finish(self) -> Vec<(f64, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}
