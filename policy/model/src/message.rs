//! Sentences for people, in Japanese and English, from Fluent files.
//!
//! The built-in files hold a title and a remedy for every [`Code`]; programs add files of their own. A missing message
//! shows its id, and a test holds both languages complete.

use std::fmt;
use std::io::{self, ErrorKind};
use std::str::FromStr;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use serde::{Deserialize, Serialize};
use unic_langid::LanguageIdentifier;

use crate::code::Code;

const CODES_JA: &str = include_str!("../messages/ja.ftl");
const CODES_EN: &str = include_str!("../messages/en.ftl");

/// A language that everything a person reads comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese.
    #[default]
    Ja,
    /// English.
    En,
}

impl Language {
    /// From a locale such as `ja_JP.UTF-8` or `C.UTF-8`, or an `Accept-Language` value (the first of the two languages
    /// that it names). Japanese where neither is named.
    #[must_use]
    pub fn from_locale(locale: &str) -> Self {
        let mut tags = locale.split([',', ';', ' ']).map(|tag| tag.trim().to_ascii_lowercase());
        let named = tags.find_map(|tag| match tag.split(['-', '_', '.']).next() {
            Some("ja") => Some(Self::Ja),
            Some("en" | "c" | "posix") => Some(Self::En),
            Some(_) | None => None,
        });
        named.unwrap_or_default()
    }

    /// The language tag (RFC 5646).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text {
            "ja" => Ok(Self::Ja),
            "en" => Ok(Self::En),
            other => Err(UnknownLanguage(other.to_owned())),
        }
    }
}

/// A word that is neither `ja` nor `en`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language; use `ja` or `en`")]
pub struct UnknownLanguage(pub String);

/// A Fluent file that does not parse, or says something twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message file: {0}")]
pub struct MessageFileError(pub String);

/// The messages of one language.
pub struct Messages {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("language", &self.language).finish_non_exhaustive()
    }
}

impl Messages {
    /// The built-in messages and those of `files` (the text of Fluent files of the same language).
    ///
    /// # Errors
    /// [`MessageFileError`] when a file does not parse or repeats an id.
    pub fn new(language: Language, files: &[&str]) -> Result<Self, MessageFileError> {
        let tag: LanguageIdentifier =
            language.as_str().parse().map_err(|error| MessageFileError(format!("{error:?}")))?;
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // Terminals and JSON show the isolation marks (U+2068, U+2069) as rubbish.
        bundle.set_use_isolating(false);
        let codes = match language {
            Language::Ja => CODES_JA,
            Language::En => CODES_EN,
        };
        for file in std::iter::once(&codes).chain(files) {
            let resource = FluentResource::try_new((*file).to_owned())
                .map_err(|(_, errors)| MessageFileError(format!("{errors:?}")))?;
            bundle.add_resource(resource).map_err(|errors| MessageFileError(format!("{errors:?}")))?;
        }
        Ok(Self { language, bundle })
    }

    /// The language.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// The message `id` with its arguments filled in; `id` itself where there is no such message.
    #[must_use]
    pub fn text(&self, id: &str, arguments: &[(&str, &str)]) -> String {
        self.lookup(id, None, arguments).unwrap_or_else(|| id.to_owned())
    }

    /// The sentence and the remedy of a code.
    #[must_use]
    pub fn code(&self, code: Code) -> (String, String) {
        let id = format!("code-{}", code.slug());
        let title = self.lookup(&id, None, &[]).unwrap_or_else(|| code.slug().to_owned());
        let remedy = self.lookup(&id, Some("remedy"), &[]).unwrap_or_default();
        (title, remedy)
    }

    /// What the operating system said, in this language where it is one of the usual things; else in its own words, as are
    /// errors that carry more than the system's number.
    #[must_use]
    pub fn system(&self, error: &io::Error) -> String {
        let usual = system_message(error.kind()).filter(|_| error.get_ref().is_none());
        usual.map_or_else(|| error.to_string(), |id| self.text(id, &[]))
    }

    fn lookup(&self, id: &str, attribute: Option<&str>, arguments: &[(&str, &str)]) -> Option<String> {
        let message = self.bundle.get_message(id)?;
        let pattern = match attribute {
            Some(name) => message.get_attribute(name)?.value(),
            None => message.value()?,
        };
        let mut values = FluentArgs::new();
        for (name, value) in arguments {
            // Whole numbers as numbers, so that plural rules see them.
            match value.parse::<i64>() {
                Ok(number) => values.set((*name).to_owned(), FluentValue::from(number)),
                Err(_) => values.set((*name).to_owned(), FluentValue::from((*value).to_owned())),
            }
        }
        let mut errors = Vec::new();
        Some(self.bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned())
    }
}

/// The message that says one of the usual errors of an operating system.
#[must_use]
pub fn system_message(kind: ErrorKind) -> Option<&'static str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's enum grows; others keep their words")]
    match kind {
        ErrorKind::NotFound => Some("system-not-found"),
        ErrorKind::PermissionDenied => Some("system-permission-denied"),
        ErrorKind::AlreadyExists => Some("system-already-exists"),
        ErrorKind::NotADirectory => Some("system-not-a-folder"),
        ErrorKind::IsADirectory => Some("system-is-a-folder"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("system-storage-full"),
        ErrorKind::ReadOnlyFilesystem => Some("system-read-only"),
        ErrorKind::AddrInUse => Some("system-address-in-use"),
        ErrorKind::AddrNotAvailable => Some("system-address-not-here"),
        ErrorKind::ConnectionRefused => Some("system-connection-refused"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Some("system-connection-reset"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            Some("system-unreachable")
        }
        ErrorKind::TimedOut => Some("system-timed-out"),
        ErrorKind::InvalidData => Some("system-not-text"),
        _ => None,
    }
}

/// The messages of both languages, for whoever answers each reader in their own.
#[derive(Debug)]
pub struct Sentences {
    ja: Messages,
    en: Messages,
}

impl Sentences {
    /// The built-in messages and those of a program: the text of its Fluent files in each language.
    ///
    /// # Errors
    /// [`MessageFileError`] when a file does not parse or repeats an id.
    pub fn new(ja: &[&str], en: &[&str]) -> Result<Self, MessageFileError> {
        Ok(Self { ja: Messages::new(Language::Ja, ja)?, en: Messages::new(Language::En, en)? })
    }

    /// Those of one language.
    #[must_use]
    pub fn of(&self, language: Language) -> &Messages {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_sentence_and_a_remedy_in_both_languages() {
        for language in [Language::Ja, Language::En] {
            let messages = Messages::new(language, &[]).expect("parses");
            for code in Code::ALL {
                let (title, remedy) = messages.code(*code);
                assert_ne!(title, code.slug(), "{language:?} {code} has no sentence");
                assert!(!remedy.is_empty(), "{language:?} {code} has no remedy");
            }
        }
    }

    #[test]
    fn usual_errors_of_the_system_are_told_in_words_and_others_as_they_are() {
        let ja = Messages::new(Language::Ja, &[]).expect("parses");
        assert_eq!(ja.system(&io::Error::from_raw_os_error(13)), "許可がありません");
        assert_eq!(ja.system(&io::Error::other("more is known")), "more is known");
        assert_eq!(ja.system(&io::Error::new(ErrorKind::NotFound, "more is known")), "more is known");
    }

    #[test]
    fn the_language_comes_from_locale_or_header() {
        assert_eq!(Language::from_locale("ja_JP.UTF-8"), Language::Ja);
        assert_eq!(Language::from_locale("C.UTF-8"), Language::En);
        assert_eq!(Language::from_locale("fr, en;q=0.8, ja;q=0.5"), Language::En);
        assert_eq!(Language::from_locale(""), Language::Ja);
    }
}
