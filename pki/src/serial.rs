//! Serial numbers of certificates.

use std::fmt;

use hitotsu_model::ids::Serial;
use ring::rand::{SecureRandom, SystemRandom};

use crate::key::RandomnessFailed;

/// Length of the serial numbers that we give, in bytes. RFC 5280 §4.1.2.2 allows 20; 16 random bytes never collide.
pub const SERIAL_BYTES: usize = 16;

/// A fresh serial number: positive, never zero, always [`SERIAL_BYTES`] long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SerialBytes([u8; SERIAL_BYTES]);

impl SerialBytes {
    /// From random bytes. The two highest bits are set to `01`, so that the number is positive and of full length;
    /// 126 random bits are left.
    #[must_use]
    pub fn from_random(mut bytes: [u8; SERIAL_BYTES]) -> Self {
        if let Some(first) = bytes.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        Self(bytes)
    }

    /// Draws one.
    ///
    /// # Errors
    /// [`RandomnessFailed`] when the system gives no randomness.
    pub fn draw(random: &SystemRandom) -> Result<Self, RandomnessFailed> {
        let mut bytes = [0; SERIAL_BYTES];
        random.fill(&mut bytes).map_err(|_| RandomnessFailed)?;
        Ok(Self::from_random(bytes))
    }

    /// The bytes, big-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it is written in logs and stores.
    #[must_use]
    pub fn serial(&self) -> Serial {
        Serial::from_bytes(&self.0)
    }
}

impl fmt::Debug for SerialBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialBytes({})", self.serial())
    }
}
