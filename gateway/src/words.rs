//! What is told to a person who types a command, by its name and arguments: the command says it in the language of whoever
//! reads it, programs and logs get it in English.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use hitotsu_model::message::{Language, Messages};
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
    arguments: BTreeMap<String, String>,
}

impl Words {
    /// The sentence `id` of the message files.
    #[must_use]
    pub fn new(id: &str, arguments: &[(&str, &str)]) -> Self {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { id: id.to_owned(), arguments: arguments.collect() }
    }

    /// In the language of these messages.
    #[must_use]
    pub fn said_in(&self, messages: &Messages) -> String {
        let arguments: Vec<(&str, &str)> =
            self.arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
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
