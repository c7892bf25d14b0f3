//! The list of what is believed no longer.

use std::collections::BTreeMap;

use hitotsu_model::ids::{DeviceId, Serial};
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::peer::PeerIdentity;

/// Why something was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// Nobody said.
    Unspecified,
    /// The private key may be in other hands: lost, stolen, infected.
    KeyCompromise,
    /// The issuing authority's key may be in other hands.
    CaCompromise,
    /// The holder belongs elsewhere now.
    AffiliationChanged,
    /// A newer certificate took its place.
    Superseded,
    /// The device is used no longer.
    CessationOfOperation,
    /// The holder may no longer do what the certificate is for.
    PrivilegeWithdrawn,
}

/// One entry of a certificate revocation list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlEntry {
    /// The certificate.
    pub serial: Serial,
    /// Since when.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// Since when and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Since when.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// What of a peer is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// This certificate.
    Certificate(Revocation),
    /// The device, with every certificate that it has.
    Device(Revocation),
    /// The authority that issued the certificate, with everything that it issued.
    Authority(Revocation),
}

/// Everything that is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RevocationSet {
    serials: BTreeMap<Serial, Revocation>,
    devices: BTreeMap<DeviceId, Revocation>,
}

impl RevocationSet {
    /// Revokes one certificate, of a holder or of an issuing authority. The first revocation stays.
    pub fn revoke_serial(&mut self, serial: Serial, revocation: Revocation) {
        self.serials.entry(serial).or_insert(revocation);
    }

    /// Revokes a device for good. The first revocation stays.
    pub fn revoke_device(&mut self, device: DeviceId, revocation: Revocation) {
        self.devices.entry(device).or_insert(revocation);
    }

    /// Whether and why `peer` is revoked.
    #[must_use]
    pub fn check(&self, peer: &PeerIdentity) -> Option<Revoked> {
        let device = self.devices.get(&peer.name.id).copied().map(Revoked::Device);
        let certificate = || self.serials.get(&peer.serial).copied().map(Revoked::Certificate);
        let authority = || self.serials.get(&peer.authority).copied().map(Revoked::Authority);
        device.or_else(certificate).or_else(authority)
    }

    /// Every revoked certificate, by serial number.
    pub fn serials(&self) -> impl Iterator<Item = (&Serial, &Revocation)> {
        self.serials.iter()
    }

    /// Every revoked device.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, &Revocation)> {
        self.devices.iter()
    }
}
