//! The table of bars itself: one row for each promise.

use std::time::Duration;

use super::{Bar, Of, Over, Row};
use crate::limit::SYNCED_APART;
use crate::scale::Scale;

const CPU: &str = "server CPU us per op";
const SINGLE_CPU: &str = "single key: server CPU us per op";
const MILLION: u64 = 1_000_000;

const fn row(
    cell: &'static str,
    text: &'static str,
    figure: Of,
    unit: &'static str,
    bar: Bar,
) -> Row {
    Row { text, cell, figure, over: Over::Nothing, unit, bar, sized: any }
}

const fn over(row: Row, over: Over) -> Row {
    Row { over, ..row }
}

const fn sized(row: Row, sized: fn(&Scale) -> bool) -> Row {
    Row { sized, ..row }
}

fn any(_: &Scale) -> bool {
    true
}

fn rows(scale: &Scale) -> bool {
    scale.rows >= MILLION
}

fn million(scale: &Scale) -> bool {
    scale.million >= MILLION
}

fn history(scale: &Scale) -> bool {
    scale.history >= MILLION
}

fn list(scale: &Scale) -> bool {
    scale.list_rows >= 100_000
}

fn half_a_minute(scale: &Scale) -> bool {
    scale.overload >= Duration::from_secs(30)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("P2a", "put, 100 clients: server CPU an operation", Of::One(CPU), "us", Bar::AtMost(25.0)),
    row("P2b", "put, 1000 clients: server CPU an operation", Of::One(CPU), "us", Bar::AtMost(25.0)),
    row("P2a", "put, 100 clients: throughput", Of::One("ops per second"), "/s", Bar::RatioAtLeast(4.0)),
    row("P2b", "put, 1000 clients: throughput", Of::One("ops per second"), "/s", Bar::RatioAtLeast(4.0)),
    row("P2r", "put: p99 at equal rate, median over the rates that both serve", Of::Rates("p99 ms"), "ms", Bar::RatioAtMost(1.0 / 3.0)),
    over(row("P1", "put, 1 client: p50 over an empty call and a sync", Of::One("p50 ms"), "x", Bar::AtMost(1.3)), Over::Limit),
    over(row("P1", "put, 1 client: p50 over the same with a thread for the disk", Of::One("p50 ms"), "x", Bar::None), Over::LimitOf(SYNCED_APART)),
    sized(row("R1b", "range, serializable, 100 clients: server CPU an operation", Of::One(CPU), "us", Bar::AtMost(22.0)), rows),
    sized(row("R1c", "range, serializable, 1000 clients: server CPU an operation", Of::One(CPU), "us", Bar::AtMost(22.0)), rows),
    sized(row("R2b", "range, linearizable, 100 clients: server CPU an operation", Of::One(CPU), "us", Bar::AtMost(25.0)), rows),
    sized(row("R2c", "range, linearizable, 1000 clients: server CPU an operation", Of::One(CPU), "us", Bar::AtMost(25.0)), rows),
    sized(row("R5", "large list: peak of memory above idle, worst of all ways and 5 clients", Of::Worst(": peak above idle MiB"), "MiB", Bar::AtMost(64.0)), list),
    sized(row("R5", "large list: time, worst of all ways", Of::Worst("at once: s"), "s", Bar::RatioAtMost(1.0)), list),
    over(sized(row("R4", "limit 1 over a million rows, CPU over a single key's", Of::One("limit 1: server CPU us per op"), "x", Bar::AtMost(2.0)), rows), Over::Figure(SINGLE_CPU)),
    over(sized(row("R4", "count of a million rows, CPU over a single key's", Of::One("count only: server CPU us per op"), "x", Bar::AtMost(2.0)), rows), Over::Figure(SINGLE_CPU)),
    row("W1", "10,000 watchers: events a second and core", Of::One("10000 watchers: events per second per core"), "/s", Bar::RatioAtLeast(5.0)),
    over(row("W1", "10,000 watchers: put p99 over that without them", Of::One("10000 watchers: put p99 ms with"), "x", Bar::AtMost(1.2)), Over::Figure("10000 watchers: put p99 ms without")),
    over(row("W3", "100 stalled watchers: put p99 over that without them", Of::One("put p99 ms with"), "x", Bar::AtMost(1.2)), Over::Figure("put p99 ms without")),
    row("W3", "100 stalled watchers: memory above that before", Of::One("peak RSS MiB above before"), "MiB", Bar::None),
    row("L1", "keep-alives a second and core", Of::One("keep-alives per second per core"), "/s", Bar::RatioAtLeast(3.0)),
    sized(row("C1", "compaction of a million revisions: longest put meanwhile", Of::One("longest put ms with"), "ms", Bar::AtMost(50.0)), history),
    sized(row("C2", "defragment: longest put, read or event meanwhile", Of::Worst("longest"), "ms", Bar::AtMost(50.0)), million),
    sized(row("S1", "restart after kill -9 with a million keys", Of::One("after kill -9: s"), "s", Bar::AtMost(1.0)), million),
    sized(row("S2", "memory with a million keys of 256 B, idle", Of::One("idle RSS MB"), "MB", Bar::AtMost(200.0)), million),
    sized(row("S4", "bytes written for a user's byte", Of::One("bytes written per user byte"), "", Bar::AtMost(2.6)), million),
    sized(row("F2", "twice the load for 30 s: goodput, of the peak", Of::One("goodput % of peak"), "%", Bar::AtLeast(80.0)), half_a_minute),
    sized(row("F2", "of it answered within 100 ms", Of::One("answered within 100 ms, % of peak"), "%", Bar::None), half_a_minute),
    sized(row("F2", "recovery when half the load is left", Of::One("recovery s"), "s", Bar::AtMost(1.0)), half_a_minute),
    sized(row("F2", "memory above idle", Of::One("peak RSS MiB above idle"), "MiB", Bar::Survives), half_a_minute),
];
