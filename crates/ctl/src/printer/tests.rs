//! Answers in, bytes out.
