//! The part of structured fields (RFC 8941) that `capsule-protocol` and `Proxy-Status` need.

/// A bare item (RFC 8941 §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Integer(i64),
    /// Digits as they came; nobody here computes with them.
    Decimal,
    String(String),
    Token(String),
    /// Its content is not decoded; nobody here needs it.
    Octets,
    Boolean(bool),
}

/// An item with its parameters, the last of equal keys only (RFC 8941 §4.2.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) item: Item,
    pub(crate) parameters: Vec<(String, Item)>,
}

impl Member {
    pub(crate) fn parameter(&self, key: &str) -> Option<&Item> {
        self.parameters.iter().find(|(name, _)| name == key).map(|(_, item)| item)
    }
}

/// The boolean of an item, its parameters ignored; `None` when it is another item or malformed.
pub(crate) fn boolean_item(value: &[u8]) -> Option<bool> {
    let mut input = Input(value);
    input.skip(b" ");
    let member = input.member(usize::MAX)?;
    input.skip(b" ");
    match member.item {
        Item::Boolean(value) if input.0.is_empty() => Some(value),
        Item::Boolean(_) | Item::Integer(_) | Item::Decimal | Item::String(_) | Item::Token(_) | Item::Octets => None,
    }
}

/// A list of items (RFC 8941 §4.2.1) of at most `items_max` members with at most as many parameters each; `None` when it
/// is malformed, longer, or holds inner lists.
pub(crate) fn list(value: &[u8], items_max: usize) -> Option<Vec<Member>> {
    let mut input = Input(value);
    let mut members = Vec::new();
    input.skip(b" ");
    while !input.0.is_empty() {
        if members.len() == items_max {
            return None;
        }
        members.push(input.member(items_max)?);
        input.skip(b" \t");
        if input.0.is_empty() {
            return Some(members);
        }
        input.expect(b',')?;
        input.skip(b" \t");
        if input.0.is_empty() {
            return None;
        }
    }
    Some(members)
}

/// Writes a string (RFC 8941 §4.1.6); what ASCII cannot show becomes a question mark.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            ' '..='~' => out.push(character),
            _ => out.push('?'),
        }
    }
    out.push('"');
}

/// Whether text can be written as a token (RFC 8941 §3.3.4).
pub(crate) fn is_token(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*') && text.bytes().all(is_token_octet)
}

const fn is_token_octet(octet: u8) -> bool {
    crate::fields::is_token(octet) || matches!(octet, b':' | b'/')
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn skip(&mut self, octets: &[u8]) {
        while let Some((first, rest)) = self.0.split_first()
            && octets.contains(first)
        {
            self.0 = rest;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, octet: u8) -> Option<()> {
        (self.next()? == octet).then_some(())
    }

    /// Takes octets as long as they match. What is matched is ASCII, so text loses nothing.
    fn take_while(&mut self, matches: impl Fn(u8) -> bool) -> String {
        let length = self.0.iter().take_while(|octet| matches(**octet)).count();
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        String::from_utf8_lossy(taken).into_owned()
    }

    fn member(&mut self, parameters_max: usize) -> Option<Member> {
        let item = self.item()?;
        let mut parameters: Vec<(String, Item)> = Vec::new();
        while let Some((b';', rest)) = self.0.split_first() {
            self.0 = rest;
            self.skip(b" ");
            if !matches!(self.0.first(), Some(b'a'..=b'z' | b'*')) {
                return None;
            }
            let key = self.take_while(|octet| {
                octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'_' | b'-' | b'.' | b'*')
            });
            let value = match self.0.split_first() {
                Some((b'=', rest)) => {
                    self.0 = rest;
                    self.item()?
                }
                Some(_) | None => Item::Boolean(true),
            };
            parameters.retain(|(name, _)| *name != key);
            if parameters.len() == parameters_max {
                return None;
            }
            parameters.push((key, value));
        }
        Some(Member { item, parameters })
    }

    fn item(&mut self) -> Option<Item> {
        match self.0.first()? {
            b'"' => self.string(),
            b'?' => {
                self.next();
                match self.next()? {
                    b'0' => Some(Item::Boolean(false)),
                    b'1' => Some(Item::Boolean(true)),
                    _ => None,
                }
            }
            b':' => {
                self.next();
                self.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'='));
                self.expect(b':')?;
                Some(Item::Octets)
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => Some(Item::Token(self.take_while(is_token_octet))),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Item> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next()? {
                b'"' => return Some(Item::String(text)),
                b'\\' => match self.next()? {
                    escaped @ (b'"' | b'\\') => text.push(char::from(escaped)),
                    _ => return None,
                },
                octet @ b' '..=b'~' => text.push(char::from(octet)),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Item> {
        let negative = self.0.first() == Some(&b'-');
        if negative {
            self.next();
        }
        let whole = self.take_while(|octet| octet.is_ascii_digit());
        if self.0.first() == Some(&b'.') {
            self.next();
            let fraction = self.take_while(|octet| octet.is_ascii_digit());
            let fits = (1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Item::Decimal);
        }
        if whole.len() > 15 {
            return None;
        }
        let value: i64 = whole.parse().ok()?;
        Some(Item::Integer(if negative { -value } else { value }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_boolean_is_one_only_alone() {
        assert_eq!(boolean_item(b"?1"), Some(true));
        assert_eq!(boolean_item(b"?0"), Some(false));
        assert_eq!(boolean_item(b"?1;foo;bar=2"), Some(true));
        for value in [&b""[..], b"1", b"true", b"?2", b"?", b"?1x", b"?1, ?1", b"\"?1\"", b"?1;", b"?1;=3", b"?1;A"] {
            assert_eq!(boolean_item(value), None, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn each_kind_of_item_is_read() {
        let members = list(br#"tok/en:1;a;b=-5;c="q\"\\ ";a=?0, "s";d=1.5, :AQI=:, 999999999999999 ,?1"#, 8).unwrap();
        assert_eq!(members[0].item, Item::Token("tok/en:1".to_owned()));
        assert_eq!(members[0].parameter("a"), Some(&Item::Boolean(false)));
        assert_eq!(members[0].parameter("b"), Some(&Item::Integer(-5)));
        assert_eq!(members[0].parameter("c"), Some(&Item::String("q\"\\ ".to_owned())));
        assert_eq!(members[1].item, Item::String("s".to_owned()));
        assert_eq!(members[1].parameter("d"), Some(&Item::Decimal));
        assert_eq!(members[2].item, Item::Octets);
        assert_eq!(members[3].item, Item::Integer(999_999_999_999_999));
        assert_eq!(members[4].item, Item::Boolean(true));
    }

    #[test]
    fn a_malformed_list_is_none() {
        for value in [
            &b","[..],
            b"a,",
            b"a b",
            b"(a b)",
            b"\"a",
            b"\"a\\b\"",
            b"\"\xe3\x81\x82\"",
            b"1234567890123456",
            b"-",
            b"1.",
            b"1.2345",
            b"a;B",
            b"a; ",
            b":a",
            b"=a",
            b"a=b",
        ] {
            assert_eq!(list(value, 8), None, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_list_longer_than_allowed_is_none() {
        assert!(list(b"a,b,c", 3).is_some());
        assert!(list(b"a,b,c,d", 3).is_none());
        assert!(list(b"a;b;c;d", 3).is_some());
        assert!(list(b"a;b;c;d;e", 3).is_none());
    }

    proptest! {
        #[test]
        fn a_written_string_is_read(text in "[ -~]{0,40}") {
            let mut out = String::new();
            write_string(&text, &mut out);
            prop_assert_eq!(list(out.as_bytes(), 1).unwrap()[0].item.clone(), Item::String(text));
        }

        #[test]
        fn no_value_makes_the_reader_panic(value: Vec<u8>) {
            let _ = (list(&value, 4), boolean_item(&value));
        }
    }
}
