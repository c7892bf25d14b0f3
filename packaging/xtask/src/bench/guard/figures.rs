//! The committed figures.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::callgrind::Counts;
use super::verdict::differs;
use crate::run::{self, Trouble};
use crate::workspace::Workspace;

/// Where they stand.
pub(super) const FILE: &str = "tests/bench/guard.json";

/// What a new path may differ by, in percent, until somebody measures its spread. Most paths differ by nothing at all from
/// run to run; this leaves room for the compiler to lay out the same work a little otherwise.
const TOLERANCE_PERCENT: f64 = 1.0;

/// The file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figures {
    pub(super) machine: Machine,
    pub(super) paths: Vec<Figure>,
}

/// What the counts depend on beside the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) architecture: String,
    /// Valgrind shows programs one of a few processors, by what the real one can do: cryptography and `memcpy` choose by it.
    pub(super) avx2: bool,
    pub(super) valgrind: String,
    pub(super) libc: String,
}

/// What one path took when it was last accepted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) counts: Counts,
    /// How far it may differ.
    pub(super) tolerance_percent: f64,
    /// When it was accepted, as in 2026-11-24.
    pub(super) changed: String,
    pub(super) why: String,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        let avx2 = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = false;
        let said = |program: &str, word: &str| {
            run::captured(Command::new(program).arg(word)).unwrap_or_default().trim().to_owned()
        };
        Self {
            architecture: std::env::consts::ARCH.to_owned(),
            avx2,
            valgrind: said("valgrind", "--version"),
            libc: said("getconf", "GNU_LIBC_VERSION"),
        }
    }

    /// Why figures of this machine say nothing on `other`, where they do not.
    pub(super) fn unlike(&self, other: &Self) -> Option<String> {
        let kind =
            |machine: &Self| format!("{} {} AVX2", machine.architecture, if machine.avx2 { "with" } else { "without" });
        let (here, there) = (kind(other), kind(self));
        (here != there).then(|| format!("the figures in {FILE} are of {there}, and this machine is {here}"))
    }

    /// What of `other` may explain a difference on all paths at once.
    pub(super) fn older_than(&self, other: &Self) -> Option<String> {
        let programs = |machine: &Self| format!("{}, {}", machine.valgrind, machine.libc);
        let (here, there) = (programs(other), programs(self));
        (here != there).then(|| format!("the figures were taken with {there}; this machine has {here}"))
    }
}

impl Figures {
    /// The figure of a path.
    pub(super) fn of(&self, path: &str) -> Option<&Figure> {
        self.paths.iter().find(|figure| figure.counts.path == path)
    }

    /// Takes what differs from its figure by more than it may, forgets paths that are not `known` any more, and gives the
    /// names of both. What fits stays as it was: else many small steps would never be refused.
    pub(super) fn accept(&mut self, counts: &[Counts], known: &[String], today: &str, why: &str) -> Vec<String> {
        self.machine = Machine::here();
        let mut changed = Vec::new();
        let mut paths = Vec::new();
        for path in known {
            let old = self.of(path).cloned();
            let now = counts.iter().find(|counts| counts.path == *path);
            match (old, now) {
                (Some(figure), Some(now)) if !differs(&figure, now) => paths.push(figure),
                (Some(figure), None) => paths.push(figure),
                (None, None) => {}
                (old, Some(now)) => {
                    changed.push(path.clone());
                    let tolerance_percent = old.map_or(TOLERANCE_PERCENT, |figure| figure.tolerance_percent);
                    let (changed, why) = (today.to_owned(), why.to_owned());
                    paths.push(Figure { counts: now.clone(), tolerance_percent, changed, why });
                }
            }
        }
        let old = std::mem::replace(&mut self.paths, paths);
        changed.extend(old.into_iter().map(|figure| figure.counts.path).filter(|path| !known.contains(path)));
        changed
    }

    /// From the text of the file.
    fn parse(text: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(text).ok()?;
        let text = |object: &Value, key: &str| object.get(key)?.as_str().map(str::to_owned);
        let machine = object.get("machine")?;
        let machine = Machine {
            architecture: text(machine, "architecture")?,
            avx2: machine.get("avx2")?.as_bool()?,
            valgrind: text(machine, "valgrind")?,
            libc: text(machine, "libc")?,
        };
        let mut paths = Vec::new();
        for path in object.get("paths")?.as_array()? {
            let counts = Counts {
                path: text(path, "path")?,
                instructions: path.get("instructions")?.as_u64()?,
                allocations: path.get("allocations")?.as_f64()?,
            };
            let tolerance_percent = path.get("tolerance_percent")?.as_f64()?;
            paths.push(Figure { counts, tolerance_percent, changed: text(path, "changed")?, why: text(path, "why")? });
        }
        Some(Self { machine, paths })
    }

    /// The text of the file: a line for each path, so that a change of one is one line of a diff.
    fn text(&self) -> String {
        let Machine { architecture, avx2, valgrind, libc } = &self.machine;
        // By hand: the order of a JSON object depends on features that other crates ask of serde_json.
        let machine = format!(
            "{{ \"architecture\": {}, \"avx2\": {avx2}, \"valgrind\": {}, \"libc\": {} }}",
            json!(architecture),
            json!(valgrind),
            json!(libc)
        );
        let lines: Vec<String> = self.paths.iter().map(|figure| format!("    {}", figure.line())).collect();
        format!("{{\n  \"machine\": {machine},\n  \"paths\": [\n{}\n  ]\n}}\n", lines.join(",\n"))
    }
}

impl Figure {
    fn line(&self) -> String {
        let Self { counts: Counts { path, instructions, allocations }, tolerance_percent, changed, why } = self;
        format!(
            "{{ \"path\": {:<24} \"instructions\": {:>12} \"allocations\": {:>10} \"tolerance_percent\": {:>5} \
             \"changed\": {}, \"why\": {} }}",
            format!("{},", json!(path)),
            format!("{instructions},"),
            format!("{allocations:.2},"),
            format!("{tolerance_percent},"),
            json!(changed),
            json!(why)
        )
    }
}

/// The committed figures.
///
/// # Errors
/// The file cannot be read, or is of another form.
pub(super) fn read(workspace: &Workspace) -> Result<Figures, Trouble> {
    let file = file(workspace);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Trouble::new(format!("`{}` cannot be read: {error}", file.display())))?;
    Figures::parse(&text).ok_or_else(|| Trouble::new(format!("{FILE} is not of the form that `--accept` writes")))
}

/// Writes the figures back.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(workspace: &Workspace, figures: &Figures) -> Result<(), Trouble> {
    let file = file(workspace);
    std::fs::write(&file, figures.text())
        .map_err(|error| Trouble::new(format!("`{}` cannot be written: {error}", file.display())))
}

fn file(workspace: &Workspace) -> PathBuf {
    workspace.root().join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(path: &str, instructions: u64) -> Counts {
        Counts { path: path.to_owned(), instructions, allocations: 2.5 }
    }

    fn figure(path: &str, instructions: u64) -> Figure {
        let (changed, why) = ("2026-11-01".to_owned(), "first \"figures\"".to_owned());
        Figure { counts: counts(path, instructions), tolerance_percent: 2.0, changed, why }
    }

    fn figures(paths: Vec<Figure>) -> Figures {
        let (valgrind, libc) = ("valgrind-3.19.0".to_owned(), "glibc 2.36".to_owned());
        Figures { machine: Machine { architecture: "x86_64".to_owned(), avx2: true, valgrind, libc }, paths }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let written = figures(vec![figure("encode", 1_000), figure("relay-up-1mib", 4_000_000_000)]);
        assert_eq!(Figures::parse(&written.text()), Some(written.clone()));
        assert!(written.text().lines().any(|line| line.contains("encode") && line.contains("2026-11-01")));
    }

    #[test]
    fn the_committed_file_is_of_the_form_that_is_written() {
        let committed = include_str!("../../../../../tests/bench/guard.json");
        let figures = Figures::parse(committed).unwrap();
        assert_eq!(figures.text(), committed);
        assert!(figures.paths.iter().all(|figure| !figure.why.is_empty() && figure.tolerance_percent < 10.0));
    }

    #[test]
    fn what_is_accepted_is_what_differs_and_no_more() {
        let mut accepted = figures(vec![figure("a", 1_000), figure("b", 1_000), figure("gone", 1)]);
        let known = ["a", "b", "c"].map(str::to_owned);
        let now = [counts("a", 1_010), counts("b", 1_100), counts("c", 7)];

        let changed = accepted.accept(&now, &known, "2026-11-24", "b does more");

        assert_eq!(changed, ["b", "c", "gone"]);
        assert_eq!(accepted.of("a"), Some(&figure("a", 1_000)));
        let b = accepted.of("b").unwrap();
        assert_eq!((b.counts.instructions, b.tolerance_percent), (1_100, 2.0));
        assert_eq!((b.changed.as_str(), b.why.as_str()), ("2026-11-24", "b does more"));
        assert_eq!(accepted.of("c").unwrap().tolerance_percent, TOLERANCE_PERCENT);
        assert_eq!(accepted.of("gone"), None);
    }

    #[test]
    fn accepting_some_paths_leaves_the_others() {
        let mut accepted = figures(vec![figure("a", 1_000), figure("b", 1_000)]);
        let known = ["a", "b"].map(str::to_owned);
        assert_eq!(accepted.accept(&[counts("b", 9)], &known, "2026-11-24", "less"), ["b"]);
        assert_eq!(accepted.of("a"), Some(&figure("a", 1_000)));
    }

    #[test]
    fn figures_of_another_kind_of_machine_say_nothing() {
        let there = figures(Vec::new()).machine;
        assert_eq!(there.unlike(&there), None);
        let older = Machine { avx2: false, ..there.clone() };
        assert!(there.unlike(&older).unwrap().contains("without AVX2"));
        let newer = Machine { valgrind: "valgrind-3.25.1".to_owned(), ..there.clone() };
        assert_eq!((there.unlike(&newer), there.older_than(&there)), (None, None));
        assert!(there.older_than(&newer).unwrap().contains("3.25.1"));
    }
}
