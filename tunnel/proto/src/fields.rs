//! Names and values of HTTP fields, the same for HTTP/3 and HTTP/1.1.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::error::Error;

/// Text of visible ASCII characters (no space, no control), cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ascii(Bytes);

impl Ascii {
    /// Takes octets that are all visible ASCII; may be empty.
    #[must_use]
    pub fn new(octets: impl Into<Bytes>) -> Option<Self> {
        let octets = octets.into();
        octets.iter().all(u8::is_ascii_graphic).then_some(Self(octets))
    }

    /// Takes text known when compiling.
    ///
    /// INVARIANT (ascii): callers pass visible ASCII; anything else is cut to nothing, which no check accepts.
    pub(crate) fn fixed(text: &'static str) -> Self {
        Self::new(Bytes::from_static(text.as_bytes())).unwrap_or(Self(Bytes::new()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // INVARIANT (ascii): only ASCII gets into the only field.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The octets, sharing the memory.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Ascii {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Ascii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Ascii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Ascii {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Ascii {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// One field line as it came out of QPACK: a pseudo-header or a field, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawField {
    /// Any octets; pseudo-headers begin with a colon.
    pub name: Bytes,
    /// Any octets.
    pub value: Bytes,
}

/// One checked field: the name is a lower-case token, the value has no control characters and no white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Lower-case name.
    pub name: Ascii,
    /// Value; may hold octets above 0x7f.
    pub value: Bytes,
}

/// The checked fields of a head or trailer, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field at the end; the name is made lower-case.
    ///
    /// # Errors
    /// [`Error::Message`] when the name is no token or the value holds what RFC 9110 §5.5 forbids.
    pub fn push(&mut self, name: &str, value: impl Into<Bytes>) -> Result<(), Error> {
        let name = if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            Bytes::from(name.to_ascii_lowercase())
        } else {
            Bytes::copy_from_slice(name.as_bytes())
        };
        self.push_checked(RawField { name, value: value.into() })
    }

    /// The same in a chain, for heads that are built from what we know to be right.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn with(mut self, name: &str, value: impl Into<Bytes>) -> Result<Self, Error> {
        self.push(name, value)?;
        Ok(self)
    }

    /// Adds a field whose name has to be lower-case already.
    pub(crate) fn push_checked(&mut self, field: RawField) -> Result<(), Error> {
        if field.name.is_empty() || !field.name.iter().all(|octet| is_token(*octet) && !octet.is_ascii_uppercase()) {
            return Err(Error::Message("a field name is no lower-case token"));
        }
        if !is_field_value(&field.value) {
            return Err(Error::Message("a field value holds a forbidden character"));
        }
        // INVARIANT (ascii): a token is visible ASCII.
        self.0.push(Field { name: Ascii(field.name), value: field.value });
        Ok(())
    }

    /// The first value of a field; `name` in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// All values of a field in order; `name` in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> + use<'a> {
        self.0.iter().filter(move |field| field.name == name).map(|field| &field.value)
    }

    /// Takes every field of this name out; `name` in lower case.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|field| field.name != name);
    }

    /// The fields in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `content-length`, if there is one.
    ///
    /// # Errors
    /// [`Error::Message`] when it is no plain decimal number, or occurs more than once (RFC 9110 §8.6 leaves equal
    /// duplicates to us; request smuggling lives on them).
    pub fn content_length(&self) -> Result<Option<u64>, Error> {
        let mut values = self.all("content-length");
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Error::Message("content-length occurs more than once"));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Error::Message("content-length is no number"));
        }
        let number = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        number.map(Some).ok_or(Error::Message("content-length is no number"))
    }

    /// Whether the `capsule-protocol` field says that the body is capsules: exactly one structured boolean `?1`,
    /// parameters ignored; anything else is as if it were absent (RFC 9297 §3.4).
    #[must_use]
    pub fn capsule_protocol(&self) -> bool {
        let mut values = self.all("capsule-protocol");
        match (values.next(), values.next()) {
            (Some(value), None) => crate::sf::boolean_item(value) == Some(true),
            (Some(_), Some(_)) | (None, _) => false,
        }
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A character of a token (RFC 9110 §5.6.2).
pub(crate) const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// A field value of RFC 9110 §5.5: no controls but the tab, no white space at the ends.
pub(crate) fn is_field_value(value: &[u8]) -> bool {
    let edge = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    !edge(value.first())
        && !edge(value.last())
        && value.iter().all(|octet| *octet == b'\t' || (*octet >= b' ' && *octet != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_lower_case_and_keep_their_order() {
        let mut fields =
            Fields::new().with("X-One", "1").unwrap().with("x-two", "2").unwrap().with("X-ONE", "3").unwrap();
        assert_eq!(fields.get("x-one").unwrap(), "1");
        assert_eq!(fields.all("x-one").collect::<Vec<_>>(), ["1", "3"]);
        fields.remove("x-one");
        assert_eq!(fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["x-two"]);
    }

    #[test]
    fn nothing_that_would_break_out_of_a_line_gets_in() {
        for (name, value) in
            [("x y", "1"), ("", "1"), ("x", "a\r\nb: c"), ("x\r\ny", "1"), ("x", "a\0"), (":path", "/")]
        {
            assert!(Fields::new().with(name, value).is_err(), "{name:?} {value:?}");
        }
    }

    #[test]
    fn the_capsule_protocol_is_a_lone_structured_true() {
        let with = |values: &[&'static str]| {
            let mut fields = Fields::new();
            values.iter().for_each(|value| fields.push("capsule-protocol", *value).unwrap());
            fields.capsule_protocol()
        };
        assert!(with(&["?1"]) && with(&["?1;x=1"]));
        assert!(
            !with(&[])
                && !with(&["?0"])
                && !with(&["1"])
                && !with(&["true"])
                && !with(&["?1", "?1"])
                && !with(&["?1, ?1"])
        );
    }

    #[test]
    fn ascii_takes_visible_characters_only() {
        assert_eq!(Ascii::new("a-b").unwrap(), "a-b");
        for text in ["a b", "a\t", "\u{3042}", "a\x7f", "\0"] {
            assert_eq!(Ascii::new(text), None);
        }
    }
}
