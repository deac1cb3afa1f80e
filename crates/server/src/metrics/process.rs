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
    let most = rustix::process::getrlimit(rustix::process::Resource::As).current;
    gauge!("process_virtual_memory_max_bytes").set(most.unwrap_or(u64::MAX) as f64);
    if let Some((received, sent)) = network_bytes() {
        counter!("process_network_receive_bytes_total").absolute(received);
        counter!("process_network_transmit_bytes_total").absolute(sent);
    }
    let Some(stat) = Stat::read() else { return };
    gauge!("process_virtual_memory_bytes").set(stat.field(23));
    gauge!("process_resident_memory_bytes").set(stat.field(24) * rustix::param::page_size() as f64);
    if let Some(boot) = boot_time_seconds() {
        gauge!("process_start_time_seconds").set(boot + stat.field(22) / Stat::ticks());
    }
}

/// Processor time as text of its own: counters of the registry are whole numbers.
pub(super) fn cpu() -> String {
    let Some(stat) = Stat::read() else { return String::new() };
    let seconds = (stat.field(14) + stat.field(15)) / Stat::ticks();
    format!(
        "# HELP process_cpu_seconds_total Processor time used.\n\
         # TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {seconds}\n"
    )
}

/// The numbers of `/proc/self/stat` behind the command's name.
struct Stat(Vec<f64>);

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name may hold blanks and brackets.
        let (_, rest) = stat.rsplit_once(") ")?;
        Some(Self(rest.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect()))
    }

    /// By its number in the manual; the first kept is 3.
    fn field(&self, number: usize) -> f64 {
        self.0.get(number - 3).copied().unwrap_or(0.0)
    }

    fn ticks() -> f64 {
        rustix::param::clock_ticks_per_second() as f64
    }
}

/// Octets in and out, as the kernel counts them for this network namespace.
fn network_bytes() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("IpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let find = |wanted: &str| {
        let place = names.split(' ').position(|name| name == wanted)?;
        values.split(' ').nth(place)?.parse().ok()
    };
    Some((find("InOctets")?, find("OutOctets")?))
}

/// The soft limit of open files.
pub(crate) fn file_descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
