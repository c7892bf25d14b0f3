//! The agent's sentences, Japanese and English, beside those that every reason code has.

use hitotsu_model::message::{Language, MessageFileError, Messages, Sentences};

const JA: &str = include_str!("../messages/ja.ftl");
const EN: &str = include_str!("../messages/en.ftl");

/// All messages of `language`: the model's and the agent's.
///
/// # Errors
/// [`MessageFileError`] when a built-in file is broken, which a test rules out.
pub fn messages(language: Language) -> Result<Messages, MessageFileError> {
    let own = match language {
        Language::Ja => JA,
        Language::En => EN,
    };
    Messages::new(language, &[own])
}

/// The agent's sentences in both languages, for applications that say which one they want.
///
/// # Errors
/// As [`messages`].
pub fn sentences() -> Result<Sentences, MessageFileError> {
    Sentences::new(&[JA], &[EN])
}
