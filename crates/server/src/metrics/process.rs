//! The process itself, read from `/proc`.

use std::fs;

use metrics::{counter, gauge};

/// Carries the process figures into the registry; figures that cannot be read are left alone.
pub(super) fn publish() {
    let limit = file_descriptor_limit();
    gauge!("process_max_fds").set(limit as f64);
    gauge!("os_fd_limit").set(limit as f64);
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        let used = entries.count() as f64;
        gauge!("process_open_fds").set(used);
        gauge!("os_fd_used").set(used);
    }
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return };
    // Fields after the command name, which may hold blanks: the first is field 3 of the file.
    let Some((_, rest)) = stat.rsplit_once(") ") else { return };
    let fields: Vec<f64> = rest.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let cpu_seconds = (field(14) + field(15)) / ticks;
    counter!("process_cpu_seconds_total").absolute(cpu_seconds as u64);
    gauge!("process_virtual_memory_bytes").set(field(23));
    gauge!("process_resident_memory_bytes").set(field(24) * rustix::param::page_size() as f64);
    if let Some(boot) = boot_time_seconds() {
        gauge!("process_start_time_seconds").set(boot + field(22) / ticks);
    }
}

/// The soft limit of open files.
pub(crate) fn file_descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
