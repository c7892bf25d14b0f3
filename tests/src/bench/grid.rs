//! Figures in rows and columns: the same measures at several sizes.

use std::fmt;

use super::report::{Unit, shown};
use super::samples::median;

/// The same measures at several sizes, one column for each size.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    title: &'static str,
    columns: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    name: String,
    unit: Unit,
    /// What each run of each column showed.
    runs: Vec<Vec<f64>>,
}

impl Grid {
    /// An empty one. Its title is one word of its figures' names.
    #[must_use]
    pub fn new(title: &'static str, columns: &[usize]) -> Self {
        Self { title, columns: columns.iter().map(usize::to_string).collect(), rows: Vec::new() }
    }

    /// Adds what one run showed at the size of this column. Words of the name are joined by `_`.
    pub fn add(&mut self, column: usize, name: &str, value: f64, unit: Unit) {
        let place = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            let runs = vec![Vec::new(); self.columns.len()];
            self.rows.push(Row { name: name.to_owned(), unit, runs });
            self.rows.len() - 1
        });
        self.rows[place].runs[column].push(value);
    }

    /// The median of every measure at every size at which it was taken, by its name.
    pub(super) fn medians(&self) -> impl Iterator<Item = (String, f64, Unit)> + '_ {
        self.rows.iter().flat_map(move |row| {
            let cells = row.runs.iter().zip(&self.columns).filter(|(runs, _)| !runs.is_empty());
            cells.map(move |(runs, column)| {
                (format!("{}_{column}_{}", self.title, row.name), median(runs.clone()), row.unit)
            })
        })
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title.replace('_', " ");
        let width = self.rows.iter().map(|row| row.name.len()).chain([title.len()]).max().unwrap_or_default();
        write!(f, "  {title:<width$}  {:<8}", "")?;
        for column in &self.columns {
            write!(f, " {column:>12}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "  {:<width$}  {:<8}", row.name.replace('_', " "), row.unit.in_tables())?;
            for runs in &row.runs {
                let cell = if runs.is_empty() { "-".to_owned() } else { shown(median(runs.clone())) };
                write!(f, " {cell:>12}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Report;

    #[test]
    fn each_size_has_a_column_and_each_median_a_name() {
        let mut grid = Grid::new("devices", &[1, 10]);
        for value in [3.0, 1.0, 2.0] {
            grid.add(1, "new_flows", value, Unit::PerSecond);
        }
        grid.add(0, "idle_cpu", 0.5, Unit::Percent);
        let mut report = Report::new("scale");
        report.grid(&grid);
        let json = report.to_json();
        assert_eq!(json["figures"]["devices_10_new_flows_per_s"], serde_json::json!(2.0));
        assert_eq!(json["figures"].as_object().unwrap().len(), 2, "{json}");
        let text = report.to_string();
        let row = text.lines().find(|line| line.contains("new flows")).unwrap();
        assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["new", "flows", "/s", "-", "2.00"], "{text}");
        assert!(!text.contains("devices 10 new flows"), "no figure stands twice: {text}");
    }
}
