use hitotsu_model::identity::Profile;
use hitotsu_pki::peer::{verify_gateway, verify_peer};
use rustls_pki_types::ServerName;

use crate::world::{CITY, HOST, NOW, name};

#[test]
fn every_profile_is_believed_where_it_belongs() {
    for profile in [Profile::Device, Profile::Relay, Profile::Staff] {
        let holder = CITY.holder(profile, 1);
        let peer = verify_peer(&holder.chain, &CITY.trust, NOW).unwrap();
        assert_eq!(peer.name, name(profile, 1));
        assert_eq!(peer.serial, holder.issued.serial);
    }
    let gateway = CITY.holder(Profile::Gateway, 2);
    for host in [HOST, "localhost", "127.0.0.1", "::1"] {
        let host = ServerName::try_from(host).unwrap();
        let peer = verify_gateway(&gateway.chain, &CITY.trust, &host, NOW).unwrap();
        assert_eq!(peer.name, name(Profile::Gateway, 2));
    }
}
