//! What the demo says, in the language of the locale.

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::run::Trouble;

const JA: &str = include_str!("../../messages/ja.ftl");
const EN: &str = include_str!("../../messages/en.ftl");

/// The languages that the demo speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Language {
    /// From the environment, as POSIX orders it; English where it names none of ours.
    pub(super) fn of_locale() -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        if set.is_some_and(|value| value.starts_with("ja")) { Self::Ja } else { Self::En }
    }

    /// The locale that our programs are started with.
    pub(super) fn locale(self) -> &'static str {
        match self {
            Self::Ja => "ja_JP.UTF-8",
            Self::En => "en_US.UTF-8",
        }
    }
}

/// The sentences of one language.
pub(super) struct Words {
    bundle: FluentBundle<FluentResource>,
}

impl Words {
    /// Reads the sentences.
    ///
    /// # Errors
    /// A message file has a mistake.
    pub(super) fn new(language: Language) -> Result<Self, Trouble> {
        let (tag, text) = match language {
            Language::Ja => ("ja", JA),
            Language::En => ("en", EN),
        };
        let wrong = |what: String| Trouble::new(format!("packaging/xtask/messages/{tag}.ftl: {what}"));
        let tag: LanguageIdentifier = tag.parse().map_err(|error| wrong(format!("{error}")))?;
        let mut bundle = FluentBundle::new(vec![tag.clone()]);
        // Terminals show the marks around variables as boxes.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, errors)| wrong(format!("{errors:?}")))?;
        bundle.add_resource(resource).map_err(|errors| wrong(format!("{errors:?}")))?;
        Ok(Self { bundle })
    }

    /// The sentence `id` with its variables; the id itself where there is none.
    pub(super) fn say(&self, id: &str, variables: &[(&str, &str)]) -> String {
        let Some(pattern) = self.bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in variables {
            arguments.set(*name, FluentValue::from(*value));
        }
        self.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_read_and_fill_in_variables() {
        for language in [Language::Ja, Language::En] {
            let words = Words::new(language).unwrap();
            let said = words.say("cut-after", &[("seconds", "0.25")]);
            assert!(said.contains("0.25") && !said.contains('{'), "{said}");
        }
    }
}
