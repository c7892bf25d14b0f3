use super::*;
use crate::error::{Code, Scope};
use crate::frame::{Event, FrameReader, Side};
use proptest::prelude::*;

fn section(lines: &[(&str, &str)]) -> Vec<RawField> {
    let field = |(name, value): &(&str, &str)| RawField {
        name: Bytes::copy_from_slice(name.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    lines.iter().map(field).collect()
}

fn read(lines: &[(&str, &str)]) -> RequestHead {
    RequestHead::from_h3(section(lines)).unwrap()
}

fn malformed(lines: &[(&str, &str)]) {
    let error = RequestHead::from_h3(section(lines)).expect_err(&format!("{lines:?}"));
    assert_eq!((error.code(), error.scope()), (Code::H3_MESSAGE_ERROR, Scope::Stream), "{lines:?}");
}

/// A good ordinary request with further lines.
fn get<'a>(lines: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let good = [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/")];
    good.iter().chain(lines).copied().collect()
}

/// A good CONNECT with further lines.
fn connect<'a>(lines: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [(":method", "CONNECT"), (":authority", "a.example:443")].iter().chain(lines).copied().collect()
}

/// A good CONNECT-UDP with further lines.
fn udp<'a>(lines: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let path = "/.well-known/masque/udp/a.example/53/";
    let good = [
        (":method", "CONNECT"),
        (":protocol", "connect-udp"),
        (":scheme", "https"),
        (":authority", "gw"),
        (":path", path),
    ];
    good.iter().chain(lines).copied().collect()
}

fn without<'a>(lines: Vec<(&'a str, &'a str)>, name: &str) -> Vec<(&'a str, &'a str)> {
    lines.into_iter().filter(|line| line.0 != name).collect()
}

#[test]
fn a_connect_has_method_and_authority_only() {
    let head = read(&connect(&[("user-agent", "x")]));
    assert!(
        matches!(head.form, RequestForm::Connect { authority } if authority.host == "a.example" && authority.port == 443)
    );
    malformed(&connect(&[(":scheme", "https")]));
    malformed(&connect(&[(":path", "/")]));
    malformed(&connect(&[(":scheme", "https"), (":path", "/")]));
    malformed(&[(":method", "CONNECT")]);
}

#[test]
fn a_connect_names_host_and_port() {
    for authority in [
        "",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:65536",
        "a:01",
        "a:+1",
        "a:1 ",
        "u@a:1",
        "a:1:2",
        "::1:1",
        "[::1]",
        "[::1%25e]:1",
        "[1.2.3.4]:1",
        "a/b:1",
        "a..b:1",
        "-\u{e9}:1",
    ] {
        malformed(&[(":method", "CONNECT"), (":authority", authority)]);
    }
    for authority in ["a:1", "[::1]:65535", "1.2.3.4:80", "a_b.c-d.e.:1"] {
        let head = read(&[(":method", "CONNECT"), (":authority", authority)]);
        let RequestForm::Connect { authority: read } = head.form else { panic!("connect") };
        assert_eq!(read.to_string(), authority);
    }
}

#[test]
fn a_host_that_a_resolver_would_take_for_an_address_is_one_or_is_refused() {
    for host in ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3.4.5", "a.1", "1.2.3.4.", "0X7F.1"] {
        malformed(&[(":method", "CONNECT"), (":authority", &format!("{host}:80"))]);
    }
}

#[test]
fn an_extended_connect_may_have_any_protocol() {
    for protocol in ["connect-udp", "connect-ip", "connect-tcp", "websocket", "x.y"] {
        let lines = udp(&[]).into_iter().map(|line| if line.0 == ":protocol" { (line.0, protocol) } else { line });
        let head = read(&lines.collect::<Vec<_>>());
        assert!(matches!(head.form, RequestForm::Extended { protocol: read, .. } if read == protocol));
    }
}

#[test]
fn an_extended_connect_needs_scheme_path_and_authority() {
    for name in [":scheme", ":path", ":authority"] {
        malformed(&without(udp(&[]), name));
    }
    malformed(&[(":method", "CONNECT"), (":protocol", ""), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
    malformed(&[
        (":method", "CONNECT"),
        (":protocol", "a b"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ]);
    malformed(&[(":method", "CONNECT"), (":protocol", "x"), (":scheme", "https"), (":authority", "a"), (":path", "*")]);
}

#[test]
fn a_protocol_without_connect_is_malformed() {
    malformed(&[(":method", "GET"), (":protocol", "x"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
}

#[test]
fn an_ordinary_request_needs_method_scheme_authority_and_path() {
    read(&get(&[]));
    for name in [":method", ":scheme", ":authority", ":path"] {
        malformed(&without(get(&[]), name));
    }
}

#[test]
fn host_stands_for_a_missing_authority_and_must_not_differ_from_it() {
    let head = read(&without(get(&[("host", "b.example")]), ":authority"));
    assert!(matches!(head.form, RequestForm::Ordinary { authority, .. } if authority == "b.example"));
    assert!(head.fields.is_empty());
    read(&get(&[("host", "A.example")]));
    malformed(&get(&[("host", "b.example")]));
    malformed(&get(&[("host", "a.example"), ("host", "a.example")]));
    malformed(&connect(&[("host", "b.example:443")]));
    malformed(&udp(&[("host", "b.example")]));
}

#[test]
fn a_malformed_authority_path_or_scheme_is_refused() {
    let with = |name: &str, value: &'static str| -> Vec<(&str, &str)> {
        get(&[]).into_iter().map(|line| if line.0 == name { (line.0, value) } else { line }).collect()
    };
    for (name, value) in [
        (":authority", ""),
        (":authority", "user@a"),
        (":authority", "a:0"),
        (":authority", "a:"),
        (":authority", "a b"),
        (":path", ""),
        (":path", "a"),
        (":path", "*"),
        (":path", "/#f"),
        (":path", "/a b"),
        (":path", "/\u{3042}"),
        (":path", "http://a/"),
        (":scheme", ""),
        (":scheme", "1a"),
        (":scheme", "a_b"),
        (":method", ""),
        (":method", "G ET"),
        (":method", "GET\r\n"),
    ] {
        malformed(&with(name, value));
    }
    read(&[(":method", "OPTIONS"), (":scheme", "https"), (":authority", "a:8443"), (":path", "*")]);
}

#[test]
fn a_path_over_the_limit_is_refused() {
    let path = format!("/{}", "a".repeat(PATH_BYTES_MAX));
    let error = RequestHead::ordinary("GET", "a", &path).unwrap_err();
    assert_eq!((error.code(), error.status()), (Code::H3_EXCESSIVE_LOAD, 431));
}

#[test]
fn pseudo_headers_come_first_once_and_are_known() {
    malformed(&[(":method", "GET"), (":scheme", "https"), ("x", "1"), (":authority", "a"), (":path", "/")]);
    malformed(&get(&[(":path", "/")]));
    malformed(&[(":method", "GET"), (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
    malformed(&[(":unknown", "1"), (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
    malformed(&[(":status", "200"), (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
    malformed(&[(":Method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
    malformed(&[(":", "GET")]);
}

#[test]
fn a_field_name_is_a_lower_case_token() {
    for name in ["", "Upper", "a b", "a:b", "a\0", "a\r", "a\n", "\u{e9}", "a(", "a,"] {
        malformed(&get(&[(name, "1")]));
    }
    read(&get(&[("x-1!#$%&'*+.^_`|~", "1")]));
}

#[test]
fn a_field_value_holds_no_control_characters_and_no_white_space_around_it() {
    for value in ["a\0b", "a\rb", "a\nb", "\r\n", "a\x1fb", "a\x7fb", " a", "a ", "\ta", "a\t", " "] {
        malformed(&get(&[("x", value)]));
    }
    for value in ["", "a b", "a\tb", "\u{3042}"] {
        assert_eq!(read(&get(&[("x", value)])).fields.get("x").unwrap(), value);
    }
}

#[test]
fn fields_of_the_connection_are_malformed() {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        malformed(&get(&[(name, "x")]));
        malformed(&connect(&[(name, "x")]));
    }
}

#[test]
fn te_may_only_be_trailers() {
    read(&get(&[("te", "trailers")]));
    for value in ["", "gzip", "trailers, gzip", "trailers;q=1"] {
        malformed(&get(&[("te", value)]));
    }
}

#[test]
fn a_content_length_is_one_plain_number() {
    assert_eq!(read(&get(&[("content-length", "18446744073709551615")])).content_length, Some(u64::MAX));
    assert_eq!(read(&get(&[])).content_length, None);
    for value in ["", "-1", "+1", "1,1", "0x1", "1.0", "18446744073709551616"] {
        malformed(&get(&[("content-length", value)]));
    }
    malformed(&get(&[("content-length", "1"), ("content-length", "1")]));
}

#[test]
fn a_connect_has_no_content_length() {
    malformed(&connect(&[("content-length", "5")]));
    malformed(&udp(&[("content-length", "5")]));
}

#[test]
fn a_response_has_a_status_and_no_other_pseudo_header() {
    let read = |lines: &[(&str, &str)]| ResponseHead::from_h3(section(lines));
    assert_eq!(read(&[(":status", "200"), ("x", "1")]).unwrap().status, 200);
    assert!(read(&[(":status", "103")]).unwrap().is_interim());
    for lines in [
        &[][..],
        &[("x", "1")],
        &[("x", "1"), (":status", "200")],
        &[(":status", "200"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
        &[(":status", "")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "+20")],
        &[(":status", "099")],
        &[(":status", "600")],
        &[(":status", "101")],
        &[(":status", "200"), ("connection", "close")],
        &[(":status", "200"), ("content-length", "x")],
    ] {
        assert_eq!(read(lines).unwrap_err().code(), Code::H3_MESSAGE_ERROR, "{lines:?}");
    }
}

#[test]
fn trailers_have_no_pseudo_headers() {
    assert_eq!(trailers_from_h3(section(&[("x", "1")])).unwrap().len(), 1);
    assert!(trailers_from_h3(section(&[(":status", "200")])).is_err());
    assert!(trailers_from_h3(section(&[("x", "1"), (":path", "/")])).is_err());
}

#[test]
fn a_status_that_http_3_does_not_have_is_not_made() {
    for status in [0, 99, 101, 600, u16::MAX] {
        assert!(ResponseHead::new(status).is_err());
    }
}

fn through_h3(frame: Bytes) -> Vec<RawField> {
    let mut input = frame;
    let Ok(Some(Event::Head(section))) = FrameReader::new(Side::Server).read(&mut input) else { panic!("a head") };
    qpack::decode(&section).unwrap()
}

#[test]
fn a_head_that_is_written_is_read() {
    let mut post = RequestHead::ordinary("POST", "gw.example:8443", "/x?y=1").unwrap();
    post.fields.push("Content-Length", "3").unwrap();
    post.content_length = Some(3);
    let mut udp = RequestHead::extended("connect-udp", "[::1]:443", "/x").unwrap();
    udp.fields.push("capsule-protocol", "?1").unwrap();
    for head in [RequestHead::connect(Authority::new("::1", 22).unwrap()), udp, post] {
        assert_eq!(RequestHead::from_h3(through_h3(head.encode_h3())).unwrap(), head);
    }
    for status in [103, 200, 403, 418] {
        let mut head = ResponseHead::new(status).unwrap();
        head.fields.push("proxy-status", "gw").unwrap();
        assert_eq!(ResponseHead::from_h3(through_h3(head.encode_h3())).unwrap(), head);
    }
}

#[test]
fn the_connect_of_a_flow_is_small() {
    let head = RequestHead::connect(Authority::new("files.city.example", 443).unwrap());
    assert!(head.encode_h3().len() <= 24);
}

proptest! {
    #[test]
    fn no_section_makes_the_reader_panic(lines in proptest::collection::vec(
        (prop_oneof!["[:a-z-]{0,12}", Just(":method".to_owned()), Just(":authority".to_owned()), Just(":path".to_owned()),
            Just(":scheme".to_owned()), Just("host".to_owned()), Just("content-length".to_owned())], ".{0,16}"), 0..8,
    )) {
        let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let _ = RequestHead::from_h3(section(&lines));
        let _ = ResponseHead::from_h3(section(&lines));
    }

    #[test]
    fn an_authority_that_is_read_is_written_alike(text in "\\[?[a-f0-9.:]{1,16}\\]?:[0-9]{1,5}") {
        if let Ok(authority) = Authority::parse(&text) {
            prop_assert_eq!(Authority::parse(&authority.to_string()).unwrap(), authority.clone());
            prop_assert_eq!(Authority::new(&authority.host, authority.port).unwrap(), authority);
        }
    }
}
