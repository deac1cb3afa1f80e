//! The answers as a text that people can read and that changes with them only.
//!
//! A line is a call, a column a caller, a letter what that caller was told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};

const HEAD: &str = "\
# Who may do what: etcd 3.7.1's answer to every call by every caller. Written by the test
# auth_matrix from the real etcd (KETCH_GOLDEN=write cargo test -p ketch-tests --test it --
# auth_matrix) and compared with both programs whenever it runs; never edited by hand.
# A line is a call, a column a caller (numbered at the head of its section), a letter an answer.
";
const OK: &str = "OK";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// All callers of one kind, on servers set up for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) callers: Vec<String>,
    /// A call and what each caller was told.
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// What differs, a line each.
pub(super) fn differences(right: &[Section], found: &[Section]) -> Vec<String> {
    let mut all = Vec::new();
    for (right, found) in right.iter().zip(found) {
        if (&right.name, &right.callers) != (&found.name, &found.callers) {
            all.push(format!("[{}]: other callers than in [{}]", found.name, right.name));
            continue;
        }
        for ((ask, told), (asked, answers)) in right.rows.iter().zip(&found.rows) {
            if ask != asked {
                all.push(format!("[{}]: asked {asked}, the table has {ask}", found.name));
                break;
            }
            for ((right_one, answer), caller) in told.iter().zip(answers).zip(&right.callers) {
                if right_one != answer {
                    let name = &right.name;
                    all.push(format!(
                        "[{name}] {caller}: {ask}\n table {right_one}\n here  {answer}"
                    ));
                }
            }
        }
        if right.rows.len() != found.rows.len() {
            all.push(format!(
                "[{}]: {} rows, not {}",
                right.name,
                found.rows.len(),
                right.rows.len()
            ));
        }
    }
    if right.len() != found.len() {
        all.push(format!("{} sections, not {}", found.len(), right.len()));
    }
    all
}

/// The whole file.
///
/// # Errors
/// More answers than letters.
pub(super) fn write(sections: &[Section]) -> Result<String> {
    let mut letters = BTreeMap::from([(OK, '.')]);
    let mut legend = format!("{HEAD}\n[answers]\n. {OK}\n");
    let mut free = LETTERS.chars();
    for (_, told) in sections.iter().flat_map(|section| &section.rows) {
        for answer in told {
            if !letters.contains_key(answer.as_str()) {
                let letter = free.next().context("more answers than letters")?;
                letters.insert(answer, letter);
                writeln!(legend, "{letter} {answer}")?;
            }
        }
    }
    let mut text = legend;
    for section in sections {
        writeln!(text, "\n[{}]", section.name)?;
        for (number, caller) in section.callers.iter().enumerate() {
            writeln!(text, "{} {caller}", number + 1)?;
        }
        writeln!(text)?;
        for (ask, told) in &section.rows {
            let cells: String = told.iter().map(|answer| letters[answer.as_str()]).collect();
            writeln!(text, "{cells}  {ask}")?;
        }
    }
    Ok(text)
}

/// Reads what `write` wrote.
///
/// # Errors
/// When somebody else wrote it.
pub(super) fn read(text: &str) -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut legend = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push(Section { name: name.to_owned(), ..Section::default() });
            continue;
        }
        let section = sections.last_mut().context("a line before all sections")?;
        if section.name == "answers" {
            let (letter, answer) = line.split_once(' ').context("a letter and an answer")?;
            legend.insert(letter.to_owned(), answer.to_owned());
        } else if let Some((cells, ask)) = line.split_once("  ") {
            ensure!(cells.chars().count() == section.callers.len(), "columns of {line}");
            let told = cells.chars().map(|letter| legend.get(&letter.to_string()).cloned());
            let told: Option<Vec<String>> = told.collect();
            section
                .rows
                .push((ask.to_owned(), told.with_context(|| format!("letters of {line}"))?));
        } else if let Some((_, caller)) = line.split_once(' ') {
            section.callers.push(caller.to_owned());
        } else {
            bail!("what is this: {line}");
        }
    }
    sections.retain(|section| section.name != "answers");
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_written_and_differences_are_found() {
        let row = |ask: &str, told: [&str; 2]| (ask.to_owned(), told.map(str::to_owned).to_vec());
        let mut one = Section {
            name: "kind".to_owned(),
            callers: vec!["nobody at all".to_owned(), "root".to_owned()],
            rows: vec![row("/a.b/C \"x\"", ["Denied: why", "OK"]), row("/a.b/D ", ["OK", "OK"])],
        };
        let text = write(std::slice::from_ref(&one)).expect("two letters do");
        let read = read(&text).expect("just written");
        assert_eq!(read, [one.clone()]);
        assert!(differences(&read, std::slice::from_ref(&one)).is_empty());
        one.rows[1].1[0] = "Denied: why".to_owned();
        assert_eq!(differences(&read, std::slice::from_ref(&one)).len(), 1);
        one.rows.pop();
        assert_eq!(differences(&read, &[one]).len(), 1);
    }
}
