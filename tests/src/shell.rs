//! Command lines of `etcdctl` run by `sh` against one member, and what they say.
//!
//! Lines are written with the name `etcdctl`; a folder at the head of `PATH` decides whether
//! that is the real program or ours.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Functions a line may use; `until_lines N COMMAND` ends a watch once it has shown N lines.
const PRELUDE: &str = r#"
until_lines() {
    wanted=$1; shift
    : > lines.out
    "$@" > lines.out 2> lines.err &
    child=$!
    for step in $(seq 400); do
        [ "$(wc -l < lines.out)" -ge "$wanted" ] && break
        kill -0 $child 2> /dev/null || break
        sleep 0.02
    done
    kill -9 $child 2> /dev/null
    wait $child 2> /dev/null
    cat lines.out; cat lines.err >&2
}
"#;
const LIMIT_S: &str = "30";

/// A shell whose `etcdctl` and `etcdutl` are given programs, bound to one member.
#[derive(Debug)]
pub struct Shell {
    folder: TempDir,
    address: String,
    leases: Vec<String>,
}

impl Shell {
    /// A shell in a folder of its own.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(ctl: &Path, utl: &Path, address: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("ketch-cli-").context("making a temporary folder")?;
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        symlink(ctl, bin.join("etcdctl"))?;
        symlink(utl, bin.join("etcdutl"))?;
        std::fs::create_dir(folder.path().join("work"))?;
        Ok(Self { folder, address: address.to_owned(), leases: Vec::new() })
    }

    /// The folder lines run in.
    pub fn work_dir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Runs one line; its output, errors and exit code as text without what may differ: the
    /// member's address, lease ids (named in the order of their grants, `$L1` in lines), and
    /// with a leading `~` also numbers and the widths they cause.
    ///
    /// # Errors
    /// When `sh` does not start.
    pub fn run(&mut self, line: &str) -> Result<String> {
        let (line, loose) = match line.strip_prefix('~') {
            Some(rest) => (rest.trim_start(), true),
            None => (line, false),
        };
        let output = self.output(line)?;
        self.note_leases(&output);
        let code = output.status.code();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        // Log lines carry times and source lines of a Go program.
        let is_log = |line: &&str| line.starts_with("{\"level\":") || line.contains("\tinfo\t");
        let stderr: Vec<&str> = stderr.lines().filter(|line| !is_log(line)).collect();
        let said = format!("{stdout}[stderr] {}\n[exit {code:?}]", stderr.join("\n[stderr] "));
        let said = self.mask(&said);
        let said = if loose { loosen(&said) } else { said };
        println!("$ {line}\n{said}");
        Ok(said)
    }

    fn output(&self, line: &str) -> Result<Output> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("timeout");
        command
            .args([LIMIT_S, "sh", "-c"])
            .arg(format!("{PRELUDE}\n{line}"))
            .current_dir(self.work_dir())
            .env("PATH", format!("{}/bin:{path}", self.folder.path().display()))
            .env("EP", &self.address);
        if !line.contains("--endpoints") {
            command.env("ETCDCTL_ENDPOINTS", &self.address);
        }
        for (place, id) in self.leases.iter().enumerate() {
            command.env(format!("L{}", place + 1), id);
        }
        command.output().context("starting timeout(1) and sh")
    }

    /// Remembers ids out of `lease 32695410dcc0ca06 granted with TTL(300s)`.
    fn note_leases(&mut self, output: &Output) {
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let mut words = line.split(' ');
            if words.next() == Some("lease")
                && let Some(id) = words.next()
                && words.next() == Some("granted")
            {
                self.leases.push(id.to_owned());
            }
        }
    }

    fn mask(&self, said: &str) -> String {
        let mut said = said.replace(&self.address, "ADDRESS").replace("ketchctl", "etcdctl");
        for (place, id) in self.leases.iter().enumerate() {
            let name = format!("LEASE{}", place + 1);
            said = said.replace(id, &name);
            if let Ok(number) = i64::from_str_radix(id, 16) {
                said = said.replace(&number.to_string(), &name);
                said = said.replace(&format!("{number:x}"), &name);
            }
        }
        said
    }
}

/// Numbers as 9, units of time and size as one, runs of blanks and rules as one.
fn loosen(said: &str) -> String {
    let mut loose = String::new();
    for letter in said.chars() {
        let letter = if letter.is_ascii_digit() { '9' } else { letter };
        let repeats = matches!(letter, '9' | ' ' | '─') && loose.ends_with(letter);
        if !repeats {
            loose.push(letter);
        }
    }
    let same = [("9.9", "9"), ("9ms", "9s"), ("9µs", "9s"), (" MB", " B"), (" kB", " B")];
    same.iter().fold(loose, |loose, (from, to)| loose.replace(from, to))
}

/// The command lines of a script: one a line, `#` begins a comment; `@w LINE` stands for the
/// line with every output format, and with `--hex`.
pub fn parse_script(text: &str) -> Vec<String> {
    const FORMATS: [&str; 6] =
        ["", " -w json", " -w fields", " -w table", " -w protobuf", " --hex"];
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut commands = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("@w ") {
            Some(rest) => commands.extend(FORMATS.map(|format| format!("{rest}{format}"))),
            None => commands.push(line.to_owned()),
        }
    }
    commands
}
