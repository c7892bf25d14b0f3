//! What every peer showed, by measure.

use std::collections::BTreeMap;

use super::peer::Peer;
use crate::bench::report::{Aim, Report, Unit};
use crate::bench::samples::median;

/// One measure of all peers.
#[derive(Debug)]
struct Row {
    name: String,
    unit: Unit,
    aim: Option<Aim>,
    runs: BTreeMap<Peer, Vec<f64>>,
}

/// All measures, in the order in which they were first taken.
#[derive(Debug, Default)]
pub(in crate::bench) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds what one run of a peer showed.
    pub(in crate::bench) fn add(&mut self, name: &str, unit: Unit, peer: Peer, value: f64) {
        let row = self.row(name, unit);
        row.runs.entry(peer).or_default().push(value);
    }

    /// What ours should be at this measure.
    pub(in crate::bench) fn aim(&mut self, name: &str, aim: Aim) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.aim = Some(aim);
        }
    }

    fn row(&mut self, name: &str, unit: Unit) -> &mut Row {
        let place = self.rows.iter().position(|row| row.name == name);
        let place = place.unwrap_or_else(|| {
            self.rows.push(Row { name: name.to_owned(), unit, aim: None, runs: BTreeMap::new() });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    /// The middle of a peer's runs.
    pub(in crate::bench) fn median(&self, name: &str, peer: Peer) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        row.runs.get(&peer).map(|runs| median(runs.clone()))
    }

    /// The table as lines for people, medians with the least and the most; and every median as a figure.
    pub(in crate::bench) fn write(&self, report: &mut Report) {
        for row in &self.rows {
            let cells: Vec<String> = row.runs.iter().map(|(peer, runs)| cell(*peer, runs)).collect();
            report.note(format!("{} {}: {}", row.name.replace('_', " "), row.unit.in_tables(), cells.join("; ")));
        }
        for row in &self.rows {
            for (peer, runs) in &row.runs {
                let (name, value) = (format!("{}_{}", row.name, peer.name()), median(runs.clone()));
                match row.aim.filter(|_| *peer == Peer::Hitotsu) {
                    Some(aim) => report.aimed(name, value, row.unit, aim),
                    None => report.figure(name, value, row.unit),
                }
            }
        }
    }
}

fn cell(peer: Peer, runs: &[f64]) -> String {
    let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let digits = if most >= 100.0 { 0 } else { 2 };
    format!("{} {:.digits$} ({least:.digits$}..{most:.digits$})", peer.name(), median(runs.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_each_peer_with_its_spread_and_only_ours_has_an_aim() {
        let mut table = Table::default();
        for value in [3.0, 1.0, 2.0] {
            table.add("bulk_up", Unit::GigabitsPerSecond, Peer::Hitotsu, value);
        }
        table.add("bulk_up", Unit::GigabitsPerSecond, Peer::Ssh, 4.0);
        table.aim("bulk_up", Aim::AtLeast(2.5));
        let mut report = Report::new("peers");
        table.write(&mut report);
        let text = report.to_string();
        assert!(text.contains("bulk up Gbit/s: hitotsu 2.00 (1.00..3.00); ssh 4.00 (4.00..4.00)"), "{text}");
        assert_eq!(report.to_json()["missed"], serde_json::json!(["bulk_up_hitotsu_gbit_s"]));
        assert_eq!(table.median("bulk_up", Peer::Direct), None);
    }
}
