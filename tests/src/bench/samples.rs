//! Times, and what they say together.

use std::time::Duration;

/// Times of one kind.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    times: Vec<Duration>,
}

impl Samples {
    /// Adds one.
    pub fn push(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// Adds others.
    pub fn merge(&mut self, others: Self) {
        self.times.extend(others.times);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The time below which `percent` of them lie, in microseconds.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn percentile_us(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100).clamp(1, times.len());
        times[rank - 1].as_secs_f64() * 1e6
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self { times: times.into_iter().collect() }
    }
}

/// The middle one of an odd number of values.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let samples: Samples = (1..=100).map(Duration::from_micros).collect();
        assert!((samples.percentile_us(50) - 50.0).abs() < 1e-9);
        assert!((samples.percentile_us(99) - 99.0).abs() < 1e-9);
        assert!((samples.percentile_us(100) - 100.0).abs() < 1e-9);
        let one: Samples = [Duration::from_micros(7)].into_iter().collect();
        assert!((one.percentile_us(50) - 7.0).abs() < 1e-9);
    }
}
