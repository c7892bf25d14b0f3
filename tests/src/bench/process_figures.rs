//! What the kernel and the gateway itself tell about the gateway process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The kernel counts processor time for user space in hundredths of a second, whatever its own clock (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Processor time that a process has used, kernel included.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn cpu_time(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    // The name of the program, in brackets, may contain anything.
    let (_, fields) = text.rsplit_once(") ").expect("a stat line");
    let ticks = |index: usize| -> u32 { fields.split(' ').nth(index).expect("a field").parse().expect("a number") };
    // proc(5): utime and stime are fields 14 and 15, and the first of `fields` is field 3.
    TICK * (ticks(11) + ticks(12))
}

/// Resident memory of a process in KiB.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn resident_kib(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// One of the gateway's histograms, counted since it started.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bound in seconds, and how many lie below it.
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// Reads one from the metrics listener.
    ///
    /// # Panics
    /// If it is not there.
    pub async fn read(metrics: SocketAddr, name: &str) -> Self {
        let mut stream = TcpStream::connect(metrics).await.expect("connects");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        Self::parse(&text, name)
    }

    fn parse(text: &str, name: &str) -> Self {
        let prefix = format!("{name}_bucket{{le=\"");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            Some((bound, count.trim().parse().ok()?))
        };
        let buckets: Vec<(f64, f64)> = text.lines().filter_map(bucket).collect();
        assert!(!buckets.is_empty(), "no histogram {name}: {text}");
        Self { buckets }
    }

    /// What was added since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let pairs = self.buckets.iter().zip(&before.buckets);
        Self { buckets: pairs.map(|((bound, now), (_, then))| (*bound, now - then)).collect() }
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// The value in microseconds below which `percent` of them lie, taken to lie evenly within its bucket.
    #[must_use]
    pub fn percentile_us(&self, percent: f64) -> f64 {
        let rank = self.count() * percent / 100.0;
        let mut below = (0.0, 0.0);
        for &(bound, count) in &self.buckets {
            if count >= rank && count > below.1 {
                let share = (rank - below.1) / (count - below.1);
                let bound = if bound.is_finite() { bound } else { below.0 };
                return (below.0 + (bound - below.0) * share) * 1e6;
            }
            below = (bound, count);
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_of_a_histogram_lies_within_its_bucket() {
        let text = "# HELP x\nx_bucket{le=\"0.00001\"} 10\nx_bucket{le=\"0.00002\"} 30\nx_bucket{le=\"+Inf\"} 40\n";
        let histogram = Histogram::parse(text, "x");
        assert!((histogram.percentile_us(50.0) - 15.0).abs() < 1e-6, "{}", histogram.percentile_us(50.0));
        assert!((histogram.percentile_us(100.0) - 20.0).abs() < 1e-6);
        let since = histogram.since(&histogram);
        assert!(since.count().abs() < 1e-9);
    }

    #[test]
    fn a_process_that_works_uses_processor_time() {
        let own = std::process::id();
        let before = cpu_time(own);
        while cpu_time(own) < before + TICK {}
        assert!(resident_kib(own) > 100.0);
    }
}
