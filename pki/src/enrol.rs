//! The code that a person carries from the security office to a new PC.
//!
//! `7ZQ4M-...-K2R9X@gateway.example:443`: sixteen groups of five symbols, then where to go. The symbols are the
//! fingerprint of the organisation's root (32 bytes), a secret (16 bytes) and a checksum over these and the address
//! (2 bytes), in Crockford's base 32: no letters I, L, O and U, so that nothing can be misread.

use std::fmt;
use std::str::FromStr;

use hitotsu_model::ids::OrgId;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::{CertificateDer, ServerName};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::key::RandomnessFailed;
use crate::limits::ENROL_CODE_BYTES_MAX;
use crate::spki;
use crate::trust::{self, Trust, TrustError};

/// Crockford's alphabet.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bytes of the secret: 128 bits cannot be guessed, online or off.
const SECRET_BYTES: usize = 16;
/// Bytes of fingerprint, secret and checksum.
const CODE_BYTES: usize = 32 + SECRET_BYTES + 2;
/// Symbols of the code: 50 bytes are 80 symbols of 5 bits exactly.
const CODE_SYMBOLS: usize = CODE_BYTES * 8 / 5;
/// Symbols of the secret alone: 128 bits, the last symbol has two to spare.
const SECRET_SYMBOLS: usize = 26;
/// Symbols between two dashes: what a person keeps in mind between looking and typing.
const GROUP_SYMBOLS: usize = 5;

/// What is hashed before the secret, so that the stored hash is of use nowhere else.
const SECRET_DOMAIN: &[u8] = b"hitotsu-enrol-v1\0";

/// Why a code was refused before anything was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolCodeError {
    /// Longer than any code.
    #[error("this is longer than any enrolment code; copy only the code")]
    TooLong,
    /// No `@`.
    #[error("the enrolment code has no `@`; it ends in `@` and the gateway's address, such as `@gateway.example:443`")]
    NoGateway,
    /// What follows the `@` is no `host:port`.
    #[error("`{0}` is not a gateway's address; write it as `host:port`, such as `gateway.example:443`")]
    Gateway(String),
    /// A character that stands in no code.
    #[error("`{symbol}` in group {group} of the enrolment code stands in no code; look at that group again")]
    Symbol {
        /// The character.
        symbol: char,
        /// The group that it stands in, from 1.
        group: usize,
    },
    /// Too few or too many characters.
    #[error("the enrolment code has {found} characters before the `@` instead of {expected}, dashes not counted")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// The checksum does not agree.
    #[error("there is a typing mistake in the enrolment code or in the gateway's address; compare them again")]
    Checksum,
    /// The root is no certificate.
    #[error("the root certificate cannot be read")]
    Root,
}

/// The secret part of a code: 128 random bits. Compared in constant time, printed by nothing but
/// [`EnrolSecret::text`], wiped when dropped.
#[derive(Clone)]
pub struct EnrolSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl EnrolSecret {
    /// Draws one.
    ///
    /// # Errors
    /// [`RandomnessFailed`].
    pub fn draw(random: &SystemRandom) -> Result<Self, RandomnessFailed> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        random.fill(bytes.as_mut_slice()).map_err(|_| RandomnessFailed)?;
        Ok(Self(bytes))
    }

    /// From 16 random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// As it is sent in `EnrolRequest::secret`.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(encode(self.0.as_slice()))
    }

    /// What the gateway stores instead of the secret. A plain hash suffices, because nobody can try 2^128 secrets.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let input = Zeroizing::new([SECRET_DOMAIN, self.0.as_slice()].concat());
        spki::sha256(&input)
    }
}

/// In constant time.
impl PartialEq for EnrolSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for EnrolSecret {}

impl FromStr for EnrolSecret {
    type Err = EnrolCodeError;

    fn from_str(text: &str) -> Result<Self, EnrolCodeError> {
        let bytes = decode(text, SECRET_SYMBOLS)?;
        let secret: [u8; SECRET_BYTES] = bytes.as_slice().try_into().map_err(|_| EnrolCodeError::Checksum)?;
        Ok(Self::from_random(secret))
    }
}

impl fmt::Debug for EnrolSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolSecret(..)")
    }
}

/// A one-time code: where to enrol, which root to trust, and the secret that lets one in.
///
/// `Display` writes it in full, for the person; `Debug` leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolCode {
    gateway: Gateway,
    root_spki_sha256: [u8; 32],
    secret: EnrolSecret,
}

impl EnrolCode {
    /// A code for the gateway at `gateway` (`host:port`) whose organisation has the root `root`.
    ///
    /// # Errors
    /// [`EnrolCodeError::Gateway`], [`EnrolCodeError::Root`].
    pub fn new(gateway: &str, root: &CertificateDer<'_>, secret: EnrolSecret) -> Result<Self, EnrolCodeError> {
        let root_spki_sha256 = trust::spki_sha256(root).map_err(|_| EnrolCodeError::Root)?;
        Ok(Self { gateway: gateway.parse()?, root_spki_sha256, secret })
    }

    /// `host:port`, lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway.text
    }

    /// The host of [`EnrolCode::gateway`], without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.gateway.host
    }

    /// The port of [`EnrolCode::gateway`].
    #[must_use]
    pub fn port(&self) -> u16 {
        self.gateway.port
    }

    /// SHA-256 of the root's `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn root_spki_sha256(&self) -> &[u8; 32] {
        &self.root_spki_sha256
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &EnrolSecret {
        &self.secret
    }

    /// What the gateway stores instead of the secret.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        self.secret.hash()
    }

    /// Takes the root that the gateway sent if it has this code's fingerprint.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn trust(&self, root: &CertificateDer<'_>, org: OrgId) -> Result<Trust, TrustError> {
        if trust::spki_sha256(root)? != self.root_spki_sha256 {
            return Err(TrustError::OtherRoot);
        }
        Trust::new(root, org)
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new([self.root_spki_sha256.as_slice(), self.secret.0.as_slice()].concat());
        let checksum = checksum(&self.gateway.text, &bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

impl FromStr for EnrolCode {
    type Err = EnrolCodeError;

    /// Case, dashes and white space do not matter; `O` is read as `0`, `I` and `L` as `1`.
    fn from_str(text: &str) -> Result<Self, EnrolCodeError> {
        if text.len() > ENROL_CODE_BYTES_MAX {
            return Err(EnrolCodeError::TooLong);
        }
        let (symbols, gateway) = text.trim().split_once('@').ok_or(EnrolCodeError::NoGateway)?;
        let gateway: Gateway = gateway.trim().parse()?;
        let bytes = decode(symbols, CODE_SYMBOLS)?;
        let (fingerprint, rest) = bytes.split_first_chunk().ok_or(EnrolCodeError::Checksum)?;
        let (secret, _) = rest.split_first_chunk().ok_or(EnrolCodeError::Checksum)?;
        let code = Self { gateway, root_spki_sha256: *fingerprint, secret: EnrolSecret::from_random(*secret) };
        if *code.bytes() == *bytes { Ok(code) } else { Err(EnrolCodeError::Checksum) }
    }
}

impl fmt::Display for EnrolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols = Zeroizing::new(encode(&self.bytes()));
        for (index, symbol) in symbols.chars().enumerate() {
            if index > 0 && index % GROUP_SYMBOLS == 0 {
                f.write_str("-")?;
            }
            write!(f, "{symbol}")?;
        }
        write!(f, "@{}", self.gateway.text)
    }
}

impl fmt::Debug for EnrolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolCode").field("gateway", &self.gateway.text).finish_non_exhaustive()
    }
}

/// A `host:port` in one spelling.
#[derive(Clone, PartialEq, Eq)]
struct Gateway {
    text: String,
    host: String,
    port: u16,
}

impl FromStr for Gateway {
    type Err = EnrolCodeError;

    fn from_str(text: &str) -> Result<Self, EnrolCodeError> {
        let wrong = || EnrolCodeError::Gateway(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = host.to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match (bare, ServerName::try_from(bare.unwrap_or(&host))) {
            (Some(_), Ok(ServerName::IpAddress(rustls_pki_types::IpAddr::V6(_)))) => {}
            (None, Ok(ServerName::IpAddress(rustls_pki_types::IpAddr::V4(_)) | ServerName::DnsName(_))) => {}
            (_, Ok(_) | Err(_)) => return Err(wrong()),
        }
        Ok(Self { text: format!("{host}:{port}"), host: bare.unwrap_or(&host).to_owned(), port })
    }
}

/// CRC-16/CCITT over address, fingerprint and secret. It finds every wrong symbol and every pair of neighbours that
/// changed places (bursts of at most 16 bits), and all but one in 65,536 of worse mistakes. It is no defence against
/// anybody: the fingerprint and the secret are.
fn checksum(gateway: &str, bytes: &[u8]) -> u16 {
    gateway.bytes().chain(bytes.iter().copied()).fold(0xffff, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(byte) << 8), |sum, _| {
            let shifted = sum << 1;
            if sum & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

/// Bytes as symbols, five bits each, the first bit highest; the last symbol is filled with zeros.
fn encode(bytes: &[u8]) -> String {
    let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| (byte >> (7 - index % 8)) & 1);
    let symbols = (bytes.len() * 8).div_ceil(5);
    (0..symbols)
        .map(|symbol| (0..5).fold(0_u8, |value, offset| (value << 1) | bit(symbol * 5 + offset)))
        .filter_map(|value| SYMBOLS.get(usize::from(value)).map(|symbol| char::from(*symbol)))
        .collect()
}

/// Symbols as bytes; bits that fill up the last symbol must be zero.
fn decode(text: &str, expected: usize) -> Result<Zeroizing<Vec<u8>>, EnrolCodeError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected));
    let (mut pending, mut pending_bits, mut found) = (0_u16, 0_u32, 0_usize);
    for symbol in text.chars().filter(|symbol| *symbol != '-' && !symbol.is_whitespace()) {
        let value = value_of(symbol).ok_or(EnrolCodeError::Symbol { symbol, group: found / GROUP_SYMBOLS + 1 })?;
        found += 1;
        pending = (pending << 5) | value;
        pending_bits += 5;
        if pending_bits >= 8 {
            pending_bits -= 8;
            bytes.push(u8::try_from((pending >> pending_bits) & 0xff).unwrap_or(0));
            pending &= (1 << pending_bits) - 1;
        }
    }
    if found != expected {
        return Err(EnrolCodeError::Length { found, expected });
    }
    if pending == 0 { Ok(bytes) } else { Err(EnrolCodeError::Checksum) }
}

/// The five bits of a symbol.
fn value_of(symbol: char) -> Option<u16> {
    let plain = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    SYMBOLS.iter().position(|candidate| char::from(*candidate) == plain).and_then(|value| u16::try_from(value).ok())
}
