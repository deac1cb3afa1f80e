//! R3, R5: ranges of many rows.

use anyhow::{Result, ensure};
use ketch_proto::etcdserverpb::RangeRequest;

use super::{Bench, Figures, MIB, everything, figures};
use crate::connection::Answer;
use crate::load::{self, Plan};
use crate::workload::{Fixed, Keys, Puts, Random, Request, Work, block, ordered_key};

const PAGE_ROWS: u64 = 500;
const PAGE_VALUE_BYTES: usize = 1024;
const LARGE_VALUE_BYTES: usize = 10_000;

/// Pages of rows that lie in order: one after the other, or drawn.
struct Pages {
    block: Vec<u8>,
    rows: u64,
    page: u64,
    random: Option<Random>,
    bytes_min: u64,
}

impl Pages {
    fn new(rows: u64, value_bytes: usize, random: Option<Random>) -> Self {
        let bytes_min = PAGE_ROWS * value_bytes as u64;
        Self { block: block("KV/Range", None), rows, page: 0, random, bytes_min }
    }
}

impl Work for Pages {
    fn blocks(&self) -> &[Vec<u8>] {
        std::slice::from_ref(&self.block)
    }

    fn next(&mut self, request: &mut Request) {
        let pages = self.rows / PAGE_ROWS;
        let page = match &mut self.random {
            Some(random) => random.below(pages),
            None => self.page % pages,
        };
        self.page += 1;
        let range = RangeRequest {
            key: ordered_key(page * PAGE_ROWS).to_vec().into(),
            limit: PAGE_ROWS.cast_signed(),
            ..everything()
        };
        request.message = prost::Message::encode_to_vec(&range);
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        answer.bytes >= self.bytes_min
    }
}

/// Pages of 500 rows of 1 KiB.
pub(super) fn pages(bench: &mut Bench<'_>) -> Result<Figures> {
    let rows = (bench.scale.rows / 2).next_multiple_of(PAGE_ROWS);
    bench.fill_with(&mut Puts::new(3, PAGE_VALUE_BYTES, Keys::Ordered(0)), rows)?;
    let mut work = Pages::new(rows, PAGE_VALUE_BYTES, Some(Random::new(51)));
    let mut measured = bench.measure(&bench.at(), &mut work, 4, 16)?;
    let page_mib = (PAGE_ROWS as usize * PAGE_VALUE_BYTES) as f64 / MIB;
    let per_row = measured["server CPU us per op"] / PAGE_ROWS as f64;
    measured.insert("MiB per second".to_owned(), measured["ops per second"] * page_mib);
    measured.insert("server CPU us per row".to_owned(), per_row);
    Ok(measured)
}

/// Everything, by three ways, by one client and by five.
pub(super) fn large(bench: &mut Bench<'_>) -> Result<Figures> {
    let rows = bench.scale.list_rows.next_multiple_of(PAGE_ROWS);
    bench.fill_with(&mut Puts::new(3, LARGE_VALUE_BYTES, Keys::Ordered(0)), rows)?;
    super::settle();
    let bytes = rows * LARGE_VALUE_BYTES as u64;
    let mut all = figures([("rows", rows as f64), ("idle RSS MiB", bench.rss_mib()?)]);
    for clients in [1, 5] {
        let once = Plan::calls(clients, clients, clients as u64);
        let pages = Plan { calls_max: rows / PAGE_ROWS * clients as u64, ..once };
        let ways: [(&str, Box<dyn Work>, Plan); 3] = [
            ("paged", Box::new(Pages::new(rows, LARGE_VALUE_BYTES, None)), pages),
            ("streamed", Box::new(whole("KV/RangeStream", bytes)), once),
            ("unary", Box::new(whole("KV/Range", bytes)), once),
        ];
        for (name, mut work, plan) in ways {
            let idle = bench.rss_mib()?;
            bench.subject.leader().reset_peak()?;
            let outcome = load::run(&bench.at(), &mut *work, plan)?.all_right()?;
            ensure!(outcome.received_bytes >= bytes * clients as u64, "the list was short");
            let peak = bench.subject.leader().memory()?.1 / MIB - idle;
            let first = outcome.to_first_byte.as_secs_f64() * 1e3 / outcome.answered as f64;
            let prefix = format!("{name}, {clients} at once");
            all.insert(format!("{prefix}: s"), outcome.elapsed.as_secs_f64());
            all.insert(format!("{prefix}: peak above idle MiB"), peak);
            all.insert(format!("{prefix}: first byte ms"), first);
        }
    }
    Ok(all)
}

fn whole(method: &str, bytes: u64) -> Fixed {
    Fixed::new(method, &everything()).at_least(bytes)
}
