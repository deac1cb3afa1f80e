//! `cargo xtask tidy`: rules of the house that no compiler checks.
//!
//! Exceptions stand in `xtask/tidy-exceptions.txt`; one that is no longer needed is an error, so
//! the list only shrinks.

mod functions;
mod layers;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const FILE_LINES_MAX: usize = 500;
const LINE_CHARACTERS_MAX: usize = 100;

/// What is wrong, in lines a person can act on.
#[derive(Default)]
pub(crate) struct Findings {
    excepted: BTreeSet<String>,
    used: BTreeSet<String>,
    lines: Vec<String>,
}

impl Findings {
    /// Notes a breach of `rule` by `subject`, unless it is a listed exception.
    pub(crate) fn add(&mut self, rule: &str, subject: &str, what: &str) {
        let key = format!("{rule} {subject}");
        if self.excepted.contains(&key) {
            self.used.insert(key);
        } else {
            self.lines.push(format!("{rule}: {subject}: {what}"));
        }
    }
}

/// Checks everything; fails with the list of findings.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut findings = Findings { excepted: exceptions(root)?, ..Default::default() };
    for path in sources(root)? {
        check_file(root, &path, &mut findings)?;
    }
    check_map(root, &mut findings)?;
    layers::check(root, &mut findings)?;
    for unused in findings.excepted.difference(&findings.used) {
        findings.lines.push(format!("exceptions: {unused:?} is not needed any more; remove it"));
    }
    if findings.lines.is_empty() {
        return Ok(());
    }
    bail!("tidy found {}:\n{}", findings.lines.len(), findings.lines.join("\n"))
}

fn exceptions(root: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(root.join("xtask/tidy-exceptions.txt"))?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

/// Every Rust file we wrote.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        ["crates", "xtask", "tests", "fuzz"].iter().map(|dir| root.join(dir)).collect();
    while let Some(dir) = open.pop() {
        if !dir.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if path.is_dir() {
                if !matches!(name, "generated" | "target" | "peers" | "corpus") {
                    open.push(path);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn check_file(root: &Path, path: &Path, findings: &mut Findings) -> Result<()> {
    let subject = path.strip_prefix(root)?.display().to_string();
    let text = fs::read_to_string(path).with_context(|| subject.clone())?;
    let first = text.lines().find(|line| !line.starts_with("#!"));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        findings.add("header", &subject, "the file does not begin with //!");
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.add("file-lines", &subject, &format!("{lines} lines, {FILE_LINES_MAX} allowed"));
    }
    // rustfmt cannot break a string; a table of texts may be wider.
    let is_long = |line: &&str| line.chars().count() > LINE_CHARACTERS_MAX && !line.contains('"');
    let long = text.lines().filter(is_long).count();
    if long > 0 && !text.contains("#[rustfmt::skip]") {
        findings.add("line-width", &subject, &format!("{long} lines over {LINE_CHARACTERS_MAX}"));
    }
    let machine_path = ["/work", "/"].concat();
    if text.contains(&machine_path) {
        findings.add("machine-path", &subject, "names a path of one machine");
    }
    functions::check(&subject, &text, findings)
}

/// Every crate stands in the map.
fn check_map(root: &Path, findings: &mut Findings) -> Result<()> {
    let map = fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    for entry in fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !map.contains(&format!("`crates/{name}`")) {
            findings.add("map", &name, "the crate is not in ARCHITECTURE.md");
        }
    }
    if map.lines().count() > 300 {
        findings.add("map", "ARCHITECTURE.md", "longer than 300 lines");
    }
    Ok(())
}
