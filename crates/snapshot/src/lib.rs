//! bbolt files: streaming reader, streaming writer, install, verify.
