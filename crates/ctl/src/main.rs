//! Binary `ketchctl`: a ketch or etcd cluster from the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ketch_ctl::main(std::env::args_os().skip(1))
}
