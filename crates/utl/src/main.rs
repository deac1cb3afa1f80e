//! Binary `ketchutl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let text = |arg: std::ffi::OsString| arg.to_string_lossy().into_owned();
    ketch_utl::main(std::env::args_os().skip(1).map(text).collect())
}
