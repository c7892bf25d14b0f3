//! Nothing that anybody sends makes a parser panic, and nothing changed is believed.

use std::sync::LazyLock;

use hitotsu_model::identity::Profile;
use hitotsu_pki::crl::verify_crl;
use hitotsu_pki::csr::{make_csr, verify_csr};
use hitotsu_pki::peer::{verify_gateway, verify_peer};
use hitotsu_pki::trust::Trust;
use proptest::collection::vec;
use proptest::prelude::*;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::world::{CITY, HOST, HOUR, Holder, NOW, org, p256};

static DEVICE: LazyLock<Holder> = LazyLock::new(|| CITY.holder(Profile::Device, 1));
static GATEWAY: LazyLock<Holder> = LazyLock::new(|| CITY.holder(Profile::Gateway, 1));
static CSR: LazyLock<Vec<u8>> = LazyLock::new(|| make_csr(p256().as_ref()).unwrap());
static CRL: LazyLock<Vec<u8>> = LazyLock::new(|| CITY.devices.crl(&[], 1, NOW, NOW.plus(HOUR)).unwrap());

fn each(der: &[u8]) {
    let der = CertificateDer::from(der.to_vec());
    let host = ServerName::try_from(HOST).unwrap();
    let issuing = CITY.devices.certificate().clone();
    assert!(verify_peer(&[der.clone(), issuing.clone()], &CITY.trust, NOW).is_err());
    assert!(verify_peer(&[DEVICE.chain[0].clone(), der.clone()], &CITY.trust, NOW).is_err());
    assert!(verify_gateway(&[der.clone(), issuing], &CITY.trust, &host, NOW).is_err());
    assert!(Trust::new(&der, org()).is_err());
    assert!(verify_csr(&der).is_err());
    assert!(verify_crl(&der, CITY.devices.certificate(), None, NOW).is_err());
    assert!(verify_crl(&CRL, &der, None, NOW).is_err());
}

/// A certificate, request or list of ours.
fn ours() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(DEVICE.chain[0].to_vec()),
        Just(GATEWAY.chain[0].to_vec()),
        Just(CITY.staff.certificate().to_vec()),
        Just(CSR.clone()),
        Just(CRL.clone()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cut_short(der in ours(), cut in any::<prop::sample::Index>()) {
        each(&der[..cut.index(der.len())]);
    }

    #[test]
    fn changed_somewhere(mut der in ours(), places in vec((any::<prop::sample::Index>(), 1..=255_u8), 1..8)) {
        let before = der.clone();
        for (place, by) in places {
            let place = place.index(der.len());
            der[place] ^= by;
        }
        prop_assume!(der != before);
        each(&der);
    }

    #[test]
    fn something_put_in(mut der in ours(), place in any::<prop::sample::Index>(), more in vec(any::<u8>(), 1..64)) {
        let place = place.index(der.len());
        der.splice(place..place, more);
        each(&der);
    }

    #[test]
    fn anything_at_all(bytes in vec(any::<u8>(), 0..512)) {
        each(&bytes);
    }
}
