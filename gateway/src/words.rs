//! What is told to a person who types a command, by its name and arguments: the command says it in the language of whoever
//! reads it, programs and logs get it in English.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use hitotsu_model::message::{Language, Messages, system_message};
use serde::{Deserialize, Serialize};

/// The commands' sentences in Japanese.
pub const JA: &str = include_str!("../messages/ja.ftl");
/// The commands' sentences in English.
pub const EN: &str = include_str!("../messages/en.ftl");

static ENGLISH: LazyLock<Option<Messages>> = LazyLock::new(|| Messages::new(Language::En, &[EN]).ok());

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    id: String,
    #[serde(default)]
    arguments: BTreeMap<String, Argument>,
}

/// What stands in a sentence: a text as it is, or a sentence of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Argument {
    Text(String),
    Words(Words),
}

/// An error that a person reads at a command.
pub trait InWords {
    /// As a sentence that has a name.
    fn words(&self) -> Words;
}

impl Words {
    /// The sentence `id` of the message files.
    #[must_use]
    pub fn new(id: &str, arguments: &[(&str, &str)]) -> Self {
        let text = |value: &str| Argument::Text(value.to_owned());
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        Self { id: id.to_owned(), arguments: arguments.collect() }
    }

    /// The same with another sentence in it.
    #[must_use]
    pub fn with(mut self, name: &str, words: Self) -> Self {
        self.arguments.insert(name.to_owned(), Argument::Words(words));
        self
    }

    /// What has no sentence: the words of a library.
    #[must_use]
    pub fn plain(text: &dyn fmt::Display) -> Self {
        Self::new("plain", &[("text", &text.to_string())])
    }

    /// What the operating system said.
    #[must_use]
    pub fn system(error: &std::io::Error) -> Self {
        let usual = system_message(error.kind()).filter(|_| error.get_ref().is_none());
        usual.map_or_else(|| Self::plain(error), |id| Self::new(id, &[]))
    }

    /// A file that the operating system did not let us use: sentence `id` with its path and what the system said.
    #[must_use]
    pub fn file(id: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(id, &[("path", &path.display().to_string())]).with("error", Self::system(error))
    }

    /// Several sentences, one a line.
    #[must_use]
    pub fn lines(all: impl IntoIterator<Item = Self>) -> Self {
        let mut all = all.into_iter();
        let Some(first) = all.next() else { return Self::plain(&"") };
        all.fold(first, |before, next| Self::new("line-after-line", &[]).with("before", before).with("next", next))
    }

    /// In the language of these messages.
    #[must_use]
    pub fn said_in(&self, messages: &Messages) -> String {
        let said = |argument: &Argument| match argument {
            Argument::Text(text) => text.clone(),
            Argument::Words(words) => words.said_in(messages),
        };
        let arguments: Vec<(&str, String)> =
            self.arguments.iter().map(|(name, value)| (name.as_str(), said(value))).collect();
        let arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (*name, value.as_str())).collect();
        messages.text(&self.id, &arguments)
    }
}

/// In English. The message files are built in, and a test rules out that they are broken.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*ENGLISH {
            Some(english) => f.write_str(&self.said_in(english)),
            None => f.write_str(&self.id),
        }
    }
}
