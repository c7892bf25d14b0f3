//! An answer of several parts, as text for a terminal or as one HTML page that needs nothing else.

use std::fmt::Write as _;
use std::path::Path;

use hitotsu_model::html::escaped;

use crate::cli::CliError;
use crate::files::write_public;
use crate::words::Words;

/// What is told.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) notes: Vec<String>,
    pub(super) parts: Vec<Part>,
}

/// One part, such as the people who are answered alike.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) title: String,
    pub(super) notes: Vec<String>,
    /// Each a list of labels with what belongs to them.
    pub(super) blocks: Vec<Block>,
}

/// Labels with what belongs to them.
pub(super) type Block = Vec<(String, String)>;

impl Page {
    /// For a terminal.
    pub(super) fn to_text(&self) -> String {
        let mut text = self.title.clone();
        // Writing to a String cannot fail.
        for note in &self.notes {
            let _ = write!(text, "\n  {note}");
        }
        for part in &self.parts {
            let _ = write!(text, "\n\n■ {}", part.title);
            for note in &part.notes {
                let _ = write!(text, "\n  {note}");
            }
            for block in &part.blocks {
                for (index, (label, value)) in block.iter().enumerate() {
                    let mark = if index == 0 { "・" } else { "  " };
                    let colon = if value.is_empty() { "" } else { ": " };
                    let _ = write!(text, "\n  {mark}{label}{colon}{value}");
                }
            }
        }
        text
    }

    /// One page, with its own style and no script.
    pub(super) fn to_html(&self, language: &str) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
             </head>\n<body>\n<main>\n<h1>{0}</h1>\n",
            escaped(&self.title)
        );
        let paragraphs = |html: &mut String, notes: &[String]| {
            for note in notes {
                let _ = writeln!(html, "<p>{}</p>", escaped(note));
            }
        };
        paragraphs(&mut html, &self.notes);
        for part in &self.parts {
            let _ = writeln!(html, "<section>\n<h2>{}</h2>", escaped(&part.title));
            paragraphs(&mut html, &part.notes);
            for block in &part.blocks {
                html.push_str("<dl>\n");
                for (label, value) in block {
                    let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escaped(label), escaped(value));
                }
                html.push_str("</dl>\n");
            }
            html.push_str("</section>\n");
        }
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }

    /// Writes the page to a file.
    pub(super) fn write_html(&self, path: &Path, language: &str) -> Result<(), CliError> {
        let written = write_public(path, self.to_html(language).as_bytes());
        written.map_err(|error| CliError::Told(Words::file("file-not-written", path, &error)))
    }
}

const STYLE: &str = "body{font:1rem/1.7 sans-serif;color:#1a1a1a;background:#fff;margin:0}\
main{max-width:60rem;margin:0 auto;padding:1rem}h1{font-size:1.5rem}h2{font-size:1.15rem;border-left:.3rem solid #00508f;\
padding-left:.6rem}section{margin-top:2rem}dl{display:grid;grid-template-columns:minmax(7rem,12rem) 1fr;gap:.2rem 1rem;\
border-top:1px solid #767676;padding-top:.5rem}dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}\
@media print{section{break-inside:avoid}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bundle_says_is_never_markup_of_the_page() {
        let part = Part {
            title: "<b>".to_owned(),
            notes: Vec::new(),
            blocks: vec![vec![("a\"".to_owned(), "<script>".to_owned())]],
        };
        let page = Page { title: "x & y".to_owned(), notes: vec!["'".to_owned()], parts: vec![part] };
        let html = page.to_html("ja");
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(
            html.contains("<h1>x &amp; y</h1>") && html.contains("<dt>a&quot;</dt><dd>&lt;script&gt;</dd>"),
            "{html}"
        );
        assert!(html.contains("<html lang=\"ja\">"));
    }
}
