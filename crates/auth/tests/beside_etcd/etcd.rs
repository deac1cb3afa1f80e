//! etcd's store, run by `tests/peers/permissions`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What etcd says to the cases, a line for each. `None` where it was not built; in CI that is a
/// failure.
pub(crate) fn answers(cases: &[String]) -> Option<Vec<String>> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/bin/permissions");
    if !program.exists() {
        assert!(std::env::var_os("CI").is_none(), "CI needs {}", program.display());
        eprintln!("SKIPPED: needs the real etcd: run tests/peers/build.sh");
        return None;
    }
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(cases.join("\n").as_bytes()).expect("it reads all before it answers");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    Some(text.lines().map(str::to_owned).collect())
}
