//! What the authorities issue, and what they refuse to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, HolderName, Profile};
use hitotsu_pki::authority::{IssueError, Root};
use hitotsu_pki::key::{Algorithm, PrivateKey, SignError, Signer};
use hitotsu_pki::peer::{verify_gateway, verify_peer};
use hitotsu_pki::profile::{self, CaKind};
use hitotsu_pki::serial::SerialBytes;
use rustls_pki_types::ServerName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::openssl::OpenSsl;
use crate::world::{CITY, HOST, HOUR, NOW, World, hosts, name, org, p256, proven, random, serial};

#[test]
fn every_profile_is_believed_where_it_belongs() {
    for profile in [Profile::Device, Profile::Relay, Profile::Staff] {
        let holder = CITY.holder(profile, 1);
        let peer = verify_peer(&holder.chain, &CITY.trust, NOW).unwrap();
        assert_eq!(peer.name, name(profile, 1));
        assert_eq!(peer.serial, holder.issued.serial);
        assert_eq!(peer.spki, holder.key.public_spki_der());
    }
    let gateway = CITY.holder(Profile::Gateway, 2);
    for host in [HOST, "localhost", "127.0.0.1", "::1"] {
        let host = ServerName::try_from(host).unwrap();
        let peer = verify_gateway(&gateway.chain, &CITY.trust, &host, NOW).unwrap();
        assert_eq!(peer.name, name(Profile::Gateway, 2));
    }
}

#[test]
fn openssl_agrees_strictly_with_every_chain() {
    let openssl = OpenSsl::new();
    openssl.pem("root.pem", "CERTIFICATE", &[CITY.root.certificate()]);
    for profile in [Profile::Device, Profile::Relay, Profile::Staff, Profile::Gateway] {
        let holder = CITY.holder(profile, 1);
        openssl.pem("leaf.pem", "CERTIFICATE", &[&holder.chain[0]]);
        openssl.pem("issuing.pem", "CERTIFICATE", &[&holder.chain[1]]);
        let at = NOW.unix_seconds().to_string();
        let verify = |purpose: &str| {
            openssl.attempt([
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-attime",
                &at,
                "-purpose",
                purpose,
                "-CAfile",
                "root.pem",
                "-untrusted",
                "issuing.pem",
                "leaf.pem",
            ])
        };
        let (right, wrong) = match profile {
            Profile::Gateway => ("sslserver", "sslclient"),
            Profile::Device | Profile::Relay | Profile::Staff => ("sslclient", "sslserver"),
        };
        verify(right).unwrap();
        verify(wrong).unwrap_err();
    }
}

#[test]
fn serial_numbers_are_positive_long_and_never_the_same() {
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        let serial = serial();
        assert_eq!(serial.as_bytes().len(), 16);
        assert_eq!(serial.as_bytes()[0] & 0xc0, 0x40);
        assert!(seen.insert(serial.serial()));
    }
    for bytes in [[0; 16], [0xff; 16]] {
        assert_eq!(SerialBytes::from_random(bytes).as_bytes()[0] & 0xc0, 0x40);
    }
}

#[test]
fn certificates_begin_a_little_earlier_and_end_on_time() {
    let device = CITY.holder_at(Profile::Device, 1, NOW, HOUR).issued;
    assert_eq!((device.not_before, device.not_after), (NOW.minus(profile::BACKDATED), NOW.plus(HOUR)));
    let gateway = CITY.holder_at(Profile::Gateway, 1, NOW, HOUR).issued;
    assert_eq!(gateway.not_before, NOW.minus(profile::BACKDATED_FOR_PCS));
}

#[test]
fn lifetimes_are_bounded_by_profile_and_level() {
    let day = Duration::from_secs(86_400);
    assert_eq!(profile::lifetime(Profile::Device, AssuranceLevel::L1), day);
    assert_eq!(profile::lifetime(Profile::Device, AssuranceLevel::L3), 7 * day);
    let issue = |lifetime| {
        let key = p256();
        let request = proven(key.as_ref());
        CITY.devices.issue(&request, &name(Profile::Device, 1), &[], lifetime, NOW, serial())
    };
    assert!(issue(7 * day).is_ok());
    assert_eq!(issue(8 * day), Err(IssueError::Lifetime(7 * 86_400)));
    assert_eq!(issue(Duration::ZERO), Err(IssueError::Lifetime(7 * 86_400)));
}

#[test]
fn nothing_lives_longer_than_its_authority() {
    let city = World::new("kawasaki.example");
    let end = city.devices.not_after();
    let late = city.holder_at(Profile::Device, 1, end.minus(HOUR), 24 * HOUR);
    assert_eq!(late.issued.not_after, end);
    let key = p256();
    let issue = |now| city.devices.issue(&proven(key.as_ref()), &name(Profile::Device, 1), &[], HOUR, now, serial());
    assert_eq!(issue(end), Err(IssueError::OutOfTime));
    assert_eq!(issue(NOW.minus(48 * HOUR)), Err(IssueError::OutOfTime));
}

#[test]
fn an_authority_issues_only_its_own_profiles_in_its_own_organisation() {
    let key = p256();
    let request = proven(key.as_ref());
    let issue = |holder: &HolderName| CITY.devices.issue(&request, holder, &[], HOUR, NOW, serial());
    for profile in [Profile::Staff, Profile::Gateway] {
        assert_eq!(issue(&name(profile, 1)), Err(IssueError::Profile("devices", profile)));
    }
    let foreign = HolderName { org: "yokohama.example".parse().unwrap(), ..name(Profile::Device, 1) };
    assert_eq!(issue(&foreign), Err(IssueError::Org));
}

#[test]
fn only_gateways_have_hosts_and_only_those_that_the_root_granted() {
    let key = p256();
    let request = proven(key.as_ref());
    let device = CITY.devices.issue(&request, &name(Profile::Device, 1), &hosts(), HOUR, NOW, serial());
    assert_eq!(device, Err(IssueError::HostsNotAllowed));
    let gateway = |host: &str| {
        let hosts = [host.to_owned()];
        CITY.gateways.issue(&request, &name(Profile::Gateway, 1), &hosts, HOUR, NOW, serial())
    };
    for granted in [HOST, "a.gw.kawasaki.example", "localhost", "127.0.0.1", "::1", "x.gateways.kawasaki.example"] {
        assert!(gateway(granted).is_ok(), "{granted}");
    }
    for outside in ["www.kawasaki.example", "evilgw.kawasaki.example", "127.0.0.2", "::2"] {
        assert_eq!(gateway(outside), Err(IssueError::HostOutside(outside.to_owned())));
    }
    for bad in ["*.gw.kawasaki.example", "GW.kawasaki.example", "gw.kawasaki.example.", "", "a b", "a:443"] {
        assert_eq!(gateway(bad), Err(IssueError::Host(bad.to_owned())));
    }
    let many = vec![HOST.to_owned(); 17];
    let issued = CITY.gateways.issue(&request, &name(Profile::Gateway, 1), &many, HOUR, NOW, serial());
    assert_eq!(issued, Err(IssueError::TooManyHosts));
    let devices = CITY.root.issue_ca(CaKind::Devices, &request, &hosts(), NOW, serial());
    assert_eq!(devices, Err(IssueError::HostsNotAllowed));
}

#[test]
fn a_gateway_authority_without_addresses_cannot_name_any() {
    let key = p256();
    let names = [HOST.to_owned()];
    let issued = CITY.root.issue_ca(CaKind::Gateways, &proven(key.as_ref()), &names, NOW, serial()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&issued.der).unwrap();
    let constraints = parsed.name_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    assert_eq!(constraints.value.excluded_subtrees.as_ref().unwrap().len(), 2);
}

#[test]
fn a_root_has_a_p384_key_and_lives_fifteen_years() {
    let error = Root::create(&org(), p256(), NOW, serial()).unwrap_err();
    assert_eq!(error, IssueError::Algorithm);
    let (_, root) = X509Certificate::from_der(CITY.root.certificate()).unwrap();
    let life = root.validity().not_after.timestamp() - root.validity().not_before.timestamp();
    assert_eq!(life, 15 * 365 * 86_400 + 3_600);
    assert_eq!(root.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(1));
    let other = Root::open(CITY.root.certificate().clone(), Arc::new(PrivateKey::generate_p384(&random()).unwrap()));
    assert_eq!(other.unwrap_err(), IssueError::OtherKey);
}

#[test]
fn a_token_that_refuses_to_sign_is_named_as_the_cause() {
    #[derive(Debug)]
    struct PulledOut(Arc<PrivateKey>);
    impl Signer for PulledOut {
        fn algorithm(&self) -> Algorithm {
            self.0.algorithm()
        }
        fn public_spki_der(&self) -> &[u8] {
            self.0.public_spki_der()
        }
        fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, SignError> {
            Err(SignError::Unavailable("the token was pulled out".to_owned()))
        }
    }
    let token = Arc::new(PulledOut(CITY.devices_key.clone()));
    let authority = hitotsu_pki::authority::Authority::open(CITY.devices.certificate().clone(), token).unwrap();
    let key = p256();
    let issued = authority.issue(&proven(key.as_ref()), &name(Profile::Device, 1), &[], HOUR, NOW, serial());
    assert_eq!(issued.unwrap_err(), IssueError::Sign(SignError::Unavailable("the token was pulled out".to_owned())));
}
