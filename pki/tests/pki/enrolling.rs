//! Enrolment codes: what a person may get wrong.

use hitotsu_model::ids::OrgId;
use hitotsu_pki::enrol::{EnrolCode, EnrolCodeError, EnrolSecret};
use hitotsu_pki::trust::TrustError;
use proptest::prelude::*;

use crate::world::{CITY, ORG, World, org, random};

fn code() -> EnrolCode {
    let secret = EnrolSecret::from_random(*b"0123456789abcdef");
    EnrolCode::new("gw.kawasaki.example:8443", CITY.root.certificate(), secret).unwrap()
}

#[test]
fn a_code_reads_back_and_is_easy_on_the_eye() {
    let code = code();
    let text = code.to_string();
    let (symbols, gateway) = text.split_once('@').unwrap();
    assert_eq!(gateway, "gw.kawasaki.example:8443");
    let groups: Vec<&str> = symbols.split('-').collect();
    assert_eq!(groups.len(), 16);
    assert!(groups.iter().all(|group| group.len() == 5), "{text}");
    assert!(symbols.chars().all(|symbol| !"ILOU".contains(symbol)));
    assert_eq!(text.parse::<EnrolCode>().unwrap(), code);
    assert_eq!((code.host(), code.port()), ("gw.kawasaki.example", 8443));
}

#[test]
fn case_dashes_spaces_and_look_alikes_do_not_matter() {
    let code = code();
    let text = code.to_string();
    let (symbols, gateway) = text.split_once('@').unwrap();
    for variant in [
        text.to_lowercase(),
        text.replace('-', ""),
        text.replace('-', " - "),
        format!("  {text}\r\n"),
        format!("{}@{}", symbols.replace('0', "o").replace('1', "l"), gateway.to_uppercase()),
        format!("{}@ {gateway}", symbols.replace('1', "I").replace('0', "O")),
    ] {
        assert_eq!(variant.parse::<EnrolCode>().as_ref(), Ok(&code), "{variant}");
    }
}

#[test]
fn every_single_typing_mistake_is_found() {
    let text = code().to_string();
    let symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let end = text.find('@').unwrap();
    for place in (0..end).filter(|place| text.as_bytes()[*place] != b'-') {
        for symbol in symbols.chars() {
            let mut typed: Vec<char> = text.chars().collect();
            if typed[place] == symbol {
                continue;
            }
            typed[place] = symbol;
            let typed: String = typed.into_iter().collect();
            assert_eq!(typed.parse::<EnrolCode>(), Err(EnrolCodeError::Checksum), "{typed}");
        }
    }
}

#[test]
fn every_swap_of_neighbours_is_found() {
    let text = code().to_string().replace('-', "");
    let end = text.find('@').unwrap();
    for place in 0..end - 1 {
        let mut typed: Vec<char> = text.chars().collect();
        if typed[place] == typed[place + 1] {
            continue;
        }
        typed.swap(place, place + 1);
        let typed: String = typed.into_iter().collect();
        assert_eq!(typed.parse::<EnrolCode>(), Err(EnrolCodeError::Checksum), "{typed}");
    }
}

#[test]
fn a_mistyped_gateway_is_found() {
    let text = code().to_string();
    for (right, wrong) in [("kawasaki", "kawasakl"), ("8443", "8434"), ("gw.", "qw.")] {
        assert_eq!(text.replace(right, wrong).parse::<EnrolCode>(), Err(EnrolCodeError::Checksum), "{wrong}");
    }
}

#[test]
fn each_mistake_has_a_message_that_says_where_to_look() {
    let text = code().to_string();
    let fault = |text: &str| text.parse::<EnrolCode>().unwrap_err().to_string();
    let (symbols, gateway) = text.split_once('@').unwrap();
    assert!(fault(symbols).contains("has no `@`"));
    assert_eq!(
        fault(&format!("{}@{gateway}", &symbols[..symbols.len() - 1])),
        "the enrolment code has 79 characters before the `@` instead of 80, dashes not counted"
    );
    assert!(fault(&format!("{symbols}A@{gateway}")).contains("81 characters"));
    let mut typed = symbols.to_owned();
    typed.replace_range(12..13, "U");
    assert_eq!(
        fault(&format!("{typed}@{gateway}")),
        "`U` in group 3 of the enrolment code stands in no code; look at that group again"
    );
    for bad in ["gw", "gw:", "gw:0", "gw:70000", "g w:1", ":443", "[gw]:443", "::1:443", "[127.0.0.1]:443"] {
        let message = fault(&format!("{symbols}@{bad}"));
        assert_eq!(
            message,
            format!("`{bad}` is not a gateway's address; write it as `host:port`, such as `gateway.example:443`")
        );
    }
    assert!(fault(&"A".repeat(600)).contains("longer than any"));
}

#[test]
fn addresses_are_gateways_too() {
    let secret = EnrolSecret::draw(&random()).unwrap();
    for (gateway, host) in [("127.0.0.1:443", "127.0.0.1"), ("[::1]:443", "::1")] {
        let code = EnrolCode::new(gateway, CITY.root.certificate(), secret.clone()).unwrap();
        assert_eq!(code.host(), host);
        assert_eq!(code.to_string().parse::<EnrolCode>(), Ok(code));
    }
}

#[test]
fn a_secret_travels_as_text_and_is_stored_as_a_hash() {
    let code = code();
    let text = code.secret().text();
    assert_eq!(text.parse::<EnrolSecret>().unwrap(), *code.secret());
    assert_eq!(text.to_lowercase().parse::<EnrolSecret>().unwrap().hash(), code.secret_hash());
    let other = EnrolSecret::from_random(*b"0123456789abcdeg");
    assert_ne!(*code.secret(), other);
    assert_ne!(code.secret_hash(), other.hash());
    assert!("".parse::<EnrolSecret>().is_err());
    // Only one spelling of the last bits is a secret.
    let last = text.chars().last().unwrap();
    let spelt = format!("{}{}", &text[..25], if last == '0' { '1' } else { 'Z' });
    assert!(spelt.parse::<EnrolSecret>().is_err());
}

#[test]
fn debug_tells_no_secret() {
    let code = code();
    let text = format!("{code:?} {:?}", code.secret());
    assert_eq!(text, "EnrolCode { gateway: \"gw.kawasaki.example:8443\", .. } EnrolSecret(..)");
}

#[test]
fn only_the_root_with_the_fingerprint_is_trusted() {
    let code = code();
    assert_eq!(code.trust(CITY.root.certificate(), org()).unwrap().org().as_str(), ORG);
    let impostor = World::new(ORG);
    assert_eq!(code.trust(impostor.root.certificate(), org()).unwrap_err(), TrustError::OtherRoot);
    let other: OrgId = "yokohama.example".parse().unwrap();
    assert!(matches!(code.trust(CITY.root.certificate(), other), Err(TrustError::Unfit(_))));
    assert!(code.trust(&vec![1, 2, 3].into(), org()).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", symbols in "[0-9A-Z-]{60,120}@[a-z:.0-9\\[\\]]{0,20}") {
        let _ = text.parse::<EnrolCode>();
        let _ = symbols.parse::<EnrolCode>();
        let _ = text.parse::<EnrolSecret>();
    }

    #[test]
    fn every_secret_reads_back(bytes in any::<[u8; 16]>()) {
        let secret = EnrolSecret::from_random(bytes);
        prop_assert_eq!(secret.text().parse::<EnrolSecret>(), Ok(secret.clone()));
        let code = EnrolCode::new("gw.kawasaki.example:8443", CITY.root.certificate(), secret).unwrap();
        prop_assert_eq!(code.to_string().parse::<EnrolCode>(), Ok(code));
    }
}
