//! Thin composition: configuration, threads, tasks; binary ketch.
