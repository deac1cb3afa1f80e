//! Stands in for `protoc` while the `etcd-client` crate is built for its test: that crate's
//! build script wants one, and a fresh machine has none. The work is done by `protox`.

use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let (mut includes, mut files, mut output) = (Vec::new(), Vec::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-o" => output = arguments.next().map(PathBuf::from),
            "-I" => includes.extend(arguments.next().map(PathBuf::from)),
            flag if flag.starts_with("--") => {}
            file => files.push(PathBuf::from(file)),
        }
    }
    let mut compiler = protox::Compiler::new(&includes)?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let set = compiler.encode_file_descriptor_set();
    Ok(std::fs::write(output.context("no -o FILE")?, set)?)
}
