//! Reading the texts of a bundle so that everything wrong is told at once, with its line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::BundleError;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Sink(RefCell<Vec<BundleError>>);

impl Sink {
    pub(crate) fn push(&self, error: BundleError) {
        self.0.borrow_mut().push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// What was collected, in the order of files and lines, each once.
    pub(crate) fn into_sorted(self) -> Vec<BundleError> {
        self.0.into_inner().into_iter().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// One text of the bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// Of this text, by [`line_starts`].
    pub(crate) starts: &'a [usize],
    pub(crate) sink: &'a Sink,
}

/// The offset of each line's first byte but the first line's. Looked up for every entry of a bundle, so that a file of
/// 20,000 people must not be counted through each time.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1).collect()
}

impl<'a> Source<'a> {
    /// The line, from 1, of a byte offset.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) + 1
    }

    pub(crate) fn wrong(&self, line: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        self.sink.push(BundleError { file: self.file.to_owned(), line, what: what.into(), remedy: remedy.into() });
    }

    /// The root table. Syntax errors are told, and what could be read is still looked at.
    pub(crate) fn table(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map(|span| self.line(span.start));
            self.wrong(line, format!("not TOML: {}", error.message()), "mend the line's spelling");
        }
        table
    }
}

/// One table of a TOML file; remembers which keys were asked for, so that the others can be told.
pub(crate) struct Table<'s, 't> {
    source: Source<'s>,
    table: &'t DeTable<'s>,
    line: usize,
    what: String,
    known: RefCell<Vec<&'static str>>,
}

/// A value and its line.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

impl<'s, 't> Table<'s, 't> {
    pub(crate) fn root(source: Source<'s>, table: &'t Spanned<DeTable<'s>>) -> Self {
        Self { source, table: table.get_ref(), line: 1, what: "the file".to_owned(), known: RefCell::default() }
    }

    pub(crate) fn line(&self) -> usize {
        self.line
    }

    pub(crate) fn source(&self) -> Source<'s> {
        self.source
    }

    pub(crate) fn wrong(&self, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.source.wrong(Some(line), what, remedy);
    }

    fn value(&self, key: &'static str) -> Option<(&'t DeValue<'s>, usize)> {
        self.known.borrow_mut().push(key);
        self.table.get(key).map(|value| (value.get_ref(), self.source.line(value.span().start)))
    }

    fn missing(&self, key: &str, example: &str) {
        self.wrong(self.line, format!("{} has no `{key}`", self.what), format!("add `{key} = {example}`"));
    }

    fn wrong_type(&self, line: usize, key: &str, found: &DeValue<'_>, example: &str) {
        let what = format!("`{key}` is a {} here", found.type_str());
        self.wrong(line, what, format!("write it as `{key} = {example}`"));
    }

    pub(crate) fn text_if_any(&self, key: &'static str, example: &str) -> Option<At<String>> {
        let (value, line) = self.value(key)?;
        match value.as_str() {
            Some(text) => Some(At { value: text.to_owned(), line }),
            None => {
                self.wrong_type(line, key, value, example);
                None
            }
        }
    }

    pub(crate) fn text(&self, key: &'static str, example: &str) -> Option<At<String>> {
        if !self.table.contains_key(key) {
            self.missing(key, example);
        }
        self.text_if_any(key, example)
    }

    /// A text that parses; what does not parse is told with the type's own words.
    pub(crate) fn parsed<T>(&self, key: &'static str, example: &str) -> Option<At<T>>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let text = self.text(key, example)?;
        self.parse(&text, example)
    }

    pub(crate) fn parse<T>(&self, text: &At<String>, example: &str) -> Option<At<T>>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match text.value.parse() {
            Ok(value) => Some(At { value, line: text.line }),
            Err(error) => {
                self.wrong(text.line, error.to_string(), format!("write it like `{example}`"));
                None
            }
        }
    }

    pub(crate) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some((value, line)) = self.value(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.wrong_type(line, key, value, "true");
            default
        })
    }

    pub(crate) fn integer(&self, key: &'static str, default: i64, range: Range<i64>) -> i64 {
        let Some((value, line)) = self.value(key) else { return default };
        match integer(value) {
            Some(number) if range.contains(&number) => number,
            Some(number) => {
                let what = format!("`{key} = {number}` is out of range");
                self.wrong(line, what, format!("use a number from {} to {}", range.start, range.end - 1));
                default
            }
            None => {
                self.wrong_type(line, key, value, &default.to_string());
                default
            }
        }
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&self, key: &'static str, example: &str) -> Vec<At<String>> {
        let Some((value, line)) = self.value(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.wrong_type(line, key, value, example);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            let line = self.source.line(item.span().start);
            match item.get_ref().as_str() {
                Some(text) => texts.push(At { value: text.to_owned(), line }),
                None => self.wrong_type(line, key, item.get_ref(), example),
            }
        }
        texts
    }

    /// A list of texts or dates, as they are written; absent is empty.
    pub(crate) fn values(&self, key: &'static str) -> Vec<(String, usize)> {
        let Some((value, line)) = self.value(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.wrong_type(line, key, value, "[2026-01-01]");
            return Vec::new();
        };
        let written = items.iter().map(|item| {
            let text = match (item.get_ref().as_str(), item.get_ref().as_datetime()) {
                (Some(text), _) => text.to_owned(),
                (None, Some(date)) => date.to_string(),
                (None, None) => String::new(),
            };
            (text, self.source.line(item.span().start))
        });
        written.collect()
    }

    pub(crate) fn parsed_list<T>(&self, key: &'static str, example: &str) -> Vec<At<T>>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.texts(key, example).iter().filter_map(|text| self.parse(text, example)).collect()
    }

    /// The tables of `[[key]]`.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Table<'s, 't>> {
        let Some((value, line)) = self.value(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.wrong(line, format!("`{key}` is a {} here", value.type_str()), format!("begin each with `[[{key}]]`"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            let line = self.source.line(item.span().start);
            match item.get_ref().as_table() {
                Some(table) => tables.push(self.below(table, line, format!("this `{key}`"))),
                None => self.wrong(line, format!("this `{key}` is no table"), format!("begin it with `[[{key}]]`")),
            }
        }
        tables
    }

    /// The table `[key]` or `key = {...}`.
    pub(crate) fn table_if_any(&self, key: &'static str) -> Option<Table<'s, 't>> {
        let (value, line) = self.value(key)?;
        match value.as_table() {
            Some(table) => Some(self.below(table, line, format!("`{key}`"))),
            None => {
                self.wrong_type(line, key, value, "{ ... }");
                None
            }
        }
    }

    /// Everything in this table, whatever its keys.
    pub(crate) fn entries(&self) -> Vec<(String, &'t DeValue<'s>, usize)> {
        let line = |value: &Spanned<DeValue<'_>>| self.source.line(value.span().start);
        self.table.iter().map(|(key, value)| (key.get_ref().to_string(), value.get_ref(), line(value))).collect()
    }

    pub(crate) fn below(&self, table: &'t DeTable<'s>, line: usize, what: String) -> Table<'s, 't> {
        Table { source: self.source, table, line, what, known: RefCell::default() }
    }

    /// Tells every key that nobody asked for.
    pub(crate) fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let line = self.source.line(key.span().start);
                self.wrong(line, format!("`{name}` is not known here"), did_you_mean(name, known.iter().copied()));
            }
        }
    }
}

pub(crate) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A remedy that names the nearest of the words that would be right.
pub(crate) fn did_you_mean<'a>(word: &str, right: impl Iterator<Item = &'a str>) -> String {
    let words: BTreeSet<&str> = right.collect();
    let nearest = words.iter().map(|candidate| (distance(word, candidate), *candidate)).min();
    match nearest {
        Some((steps, candidate)) if steps <= 2 + candidate.len() / 4 => format!("did you mean `{candidate}`"),
        Some(_) | None if words.is_empty() => "there is none yet; add it first".to_owned(),
        Some(_) | None => {
            let list: Vec<String> = words.iter().take(12).map(|candidate| format!("`{candidate}`")).collect();
            let more = if words.len() > list.len() { ", ..." } else { "" };
            format!("use one of {}{more}", list.join(", "))
        }
    }
}

/// Levenshtein's distance, over characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (r, above) in right.iter().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(l != *r)).min(above + 1).min(before + 1);
            diagonal = *above;
            before = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_1() {
        let (text, sink) = ("ab\n\nc\n", Sink::default());
        let starts = line_starts(text);
        let source = Source { file: "x", text, starts: &starts, sink: &sink };
        let lines: Vec<usize> = (0..=text.len()).map(|offset| source.line(offset)).collect();
        assert_eq!(lines, [1, 1, 1, 2, 3, 3, 4]);
    }

    #[test]
    fn a_misspelled_word_is_answered_with_the_nearest_one() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(did_you_mean("wellfare", ["welfare", "security"].into_iter()), "did you mean `welfare`");
        assert_eq!(did_you_mean("x", ["welfare", "security"].into_iter()), "use one of `security`, `welfare`");
    }
}
