//! What was found, as a table, for machines, and as pictures.

pub(crate) mod bars;
mod json;
mod plot;
pub(crate) mod statistics;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::cells::{CELLS, Cell, NOT_RUN};
use crate::machine;
use crate::run::{Pairs, Results, Runner};
use crate::scale::Scale;
use plot::{Plot, Series};
use statistics::{interval, median};

/// Cells of which memory over time is drawn.
const MEMORY_PLOTS: &[&str] = &["R5", "W3", "S2", "S2v", "F2"];

/// Which programs, which machine, which rules.
pub(crate) struct About {
    pub(crate) commit: String,
    pub(crate) ketch: String,
    pub(crate) peer: Option<String>,
    pub(crate) placement: String,
    /// `--quick` or another.
    pub(crate) kind: String,
    pub(crate) scale: Scale,
    pub(crate) machine: serde_json::Value,
    pub(crate) bounds: serde_json::Value,
    pub(crate) minutes: f64,
}

impl About {
    /// Looks at everything once.
    pub(crate) fn gather(runner: &Runner<'_>, kind: &str, placement: &str) -> Self {
        Self {
            commit: commit(&runner.ketch.path),
            ketch: runner.ketch.version(),
            peer: runner.peer.as_ref().map(|peer| peer.version()),
            placement: placement.to_owned(),
            kind: kind.to_owned(),
            scale: runner.scale,
            machine: machine::description(runner.base),
            bounds: runner.bounds.json(),
            minutes: runner.started.elapsed().as_secs_f64() / 60.0,
        }
    }

    fn text(&self) -> String {
        format!(
            "# Benchmark report\n\nBy `cargo xtask bench`, {} scale. Commit {}; {}; {}; {} \
             placement; {:.1} minutes.\n\nMachine: {}.\n\nIts bounds: {}.\n\n",
            self.kind,
            self.commit,
            self.ketch,
            self.peer.as_deref().unwrap_or("alone"),
            self.placement,
            self.minutes,
            listed(&self.machine),
            listed(&self.bounds),
        )
    }
}

/// Names and values in a row.
fn listed(object: &serde_json::Value) -> String {
    let fields = object.as_object().into_iter().flatten();
    let text = |(name, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::String(text) => format!("{} {text}", name.replace('_', " ")),
        other => format!("{} {}", name.replace('_', " "), number(other.as_f64().unwrap_or(0.0))),
    };
    fields.map(text).collect::<Vec<_>>().join("; ")
}

/// The commit of the checkout that a binary lies in, and whether it was changed.
fn commit(binary: &Path) -> String {
    let directory = binary.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let git = |arguments: &[&str]| -> String {
        let output = Command::new("git").arg("-C").arg(directory).args(arguments).output();
        String::from_utf8_lossy(&output.map(|output| output.stdout).unwrap_or_default())
            .trim()
            .to_owned()
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        hash if hash.is_empty() => "unknown".to_owned(),
        hash if git(&["status", "--porcelain", "-uno"]).is_empty() => hash,
        hash => format!("{hash}, changed"),
    }
}

/// Writes `report.md`, `report.json` and the plots.
pub(crate) fn write(directory: &Path, about: &About, all: &[Results]) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut text = about.text();
    text.push_str(&bars::table(&about.scale, all));
    text.push_str(&not_run(all));
    text.push_str("## Every cell\n\n");
    all.iter().for_each(|results| text.push_str(&table(results)));
    std::fs::write(directory.join("report.md"), text)?;
    let json = serde_json::to_string_pretty(&json::report(about, all))?;
    std::fs::write(directory.join("report.json"), json)?;
    for results in all {
        for (kind, plot) in [("latency", latency(results)), ("memory", memory(results))] {
            if let Some(plot) = plot {
                let plot = plot.note(&format!("{}; {}", about.commit, versions(about)));
                let name = format!("{kind}-{}.svg", results.cell.id);
                std::fs::write(directory.join(name), plot.svg())?;
            }
        }
    }
    Ok(())
}

/// What is not in this report, and why.
fn not_run(all: &[Results]) -> String {
    let mut out = String::from("## Not run\n\n| cell | what | why |\n|---|---|---|\n");
    for (id, title, why) in NOT_RUN {
        let _ = writeln!(out, "| {id} | {title} | {why} |");
    }
    let run = |cell: &&Cell| all.iter().any(|results| results.cell.id == cell.id);
    let others: Vec<&str> = CELLS.iter().filter(|cell| !run(cell)).map(|cell| cell.id).collect();
    if !others.is_empty() {
        let _ = writeln!(out, "| {} | | not chosen in this run |", others.join(", "));
    }
    out.push('\n');
    out
}

fn versions(about: &About) -> String {
    [Some(&about.ketch), about.peer.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join("; ")
}

/// The Markdown table of one cell.
pub(crate) fn table(results: &Results) -> String {
    let Cell { id, title, .. } = results.cell;
    let mut out = format!("### {id}: {title}\n\n");
    for (program, why) in &results.failures {
        let _ = writeln!(out, "{program}: {why}\n");
    }
    if results.samples.is_empty() {
        return out;
    }
    let is_limited = results.limits.iter().any(|one| !one.is_empty());
    let (more_heads, more_lines) =
        if is_limited { (" limit | ketch of it |", "---|---|") } else { ("", "") };
    let _ = writeln!(out, "| figure | ketch | etcd | ketch / etcd (95 %) |{more_heads}");
    let _ = writeln!(out, "|---|---|---|---|{more_lines}");
    for name in names(results) {
        let ours = column(results, "ketch", &name);
        let theirs = column(results, "etcd", &name);
        let _ = write!(
            out,
            "| {name} | {} | {} | {} |",
            cell_text(&ours),
            cell_text(&theirs),
            ratio_text(&ours, &theirs),
        );
        if is_limited {
            let limit = limit_column(results, &name);
            let _ = write!(out, " {} | {} |", cell_text(&limit), part_text(&name, &ours, &limit));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "\n{}\n", counted(results));
    out
}

/// How many runs the medians are of.
fn counted(results: &Results) -> String {
    let Pairs { steady, of, why, .. } = results.pairs();
    let kind = if results.samples.len() > 1 { "pairs" } else { "runs" };
    match steady {
        0 => format!("Unsteady, all {kind} ({of}); one of them: {why}."),
        all if all == of => format!("Medians of all {kind} ({of})."),
        _ => format!("Medians of the steady {kind} ({steady} of {of}); another: {why}."),
    }
}

/// What the server costs first, the rest by name.
fn names(results: &Results) -> Vec<String> {
    let all = results.samples.values().flatten().flat_map(|sample| sample.figures.keys());
    let mut names: Vec<String> = all.cloned().collect();
    names.sort_by_cached_key(|name| (!name.starts_with("server CPU"), natural(name), name.clone()));
    names.dedup();
    names
}

/// Numbers in front sort as numbers.
fn natural(name: &str) -> u64 {
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Values of the runs that count.
fn column(results: &Results, program: &str, name: &str) -> Vec<f64> {
    let samples = results.samples.get(program).map(Vec::as_slice).unwrap_or_default();
    let counted = results.pairs().counted;
    let fit = samples.iter().filter(|sample| counted.contains(&sample.pair));
    fit.filter_map(|sample| sample.figures.get(name).copied()).collect()
}

/// The same of the limit, as often as it was measured.
fn limit_column(results: &Results, name: &str) -> Vec<f64> {
    results.limits.iter().filter_map(|one| one.get(name).copied()).collect()
}

fn cell_text(values: &[f64]) -> String {
    median(values).map_or_else(|| "-".to_owned(), number)
}

fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn ratio_text(ours: &[f64], theirs: &[f64]) -> String {
    let (Some(a), Some(b)) = (median(ours), median(theirs)) else { return "-".to_owned() };
    let (low, high) = interval(ours, theirs);
    if !(a >= 0.0 && b > 0.0) {
        return "-".to_owned();
    }
    format!("{:.2} ({low:.2} to {high:.2})", a / b)
}

/// How near to the limit; costs and times count the other way. The tail of a probe of a second
/// limits nothing.
fn part_text(name: &str, ours: &[f64], limit: &[f64]) -> String {
    if name.starts_with("p99") {
        return "-".to_owned();
    }
    let (Some(a), Some(b)) = (median(ours), median(limit)) else { return "-".to_owned() };
    let part = if name.contains("per second") { a / b } else { b / a };
    format!("{:.0} %", part * 100.0)
}

/// Percentiles against rate, of the cells whose figures are "RATE a second: ..".
fn latency(results: &Results) -> Option<Plot> {
    let mut plot = Plot::new(&title(results, "latency"), "calls a second", "ms").logarithmic();
    for program in results.samples.keys() {
        for (what, dashed) in [("p50 ms", true), ("p99 ms", false)] {
            let mut points: Vec<(f64, f64)> = names(results)
                .iter()
                .filter_map(|name| {
                    let (rate, figure) = name.split_once(" a second: ")?;
                    let value = median(&column(results, program, name))?;
                    (figure == what).then_some((rate.parse().ok()?, value))
                })
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let name = format!("{program}, {what}");
            plot.series.push(Series { name, second: *program == "etcd", dashed, points });
        }
    }
    plot.series.iter().any(|series| series.points.len() > 1).then_some(plot)
}

/// Memory over the first run of each, of cells that take a while.
fn memory(results: &Results) -> Option<Plot> {
    if !MEMORY_PLOTS.contains(&results.cell.id) {
        return None;
    }
    let mut plot = Plot::new(&title(results, "memory"), "seconds", "MiB");
    for (program, samples) in &results.samples {
        let points = samples.first()?.memory.clone();
        let (name, second) = ((*program).to_owned(), *program == "etcd");
        plot.series.push(Series { name, second, dashed: false, points });
    }
    plot.series.iter().any(|series| series.points.len() > 1).then_some(plot)
}

fn title(results: &Results, what: &str) -> String {
    format!("{}: {} ({what})", results.cell.id, results.cell.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_to_a_limit() {
        assert_eq!(part_text("ops per second", &[50.0], &[100.0]), "50 %");
        assert_eq!(part_text("p50 ms", &[2.0], &[1.0]), "50 %");
    }
}
