use super::*;
use bytes::BytesMut;
use proptest::prelude::*;

fn request(text: &str) -> Request {
    read_request(text.as_bytes()).unwrap().expect("a whole head")
}

fn refused(text: &str) -> Error {
    read_request(text.as_bytes()).expect_err(text)
}

fn response(text: &str, to: &RequestHead) -> Result<Response, Error> {
    read_response(text.as_bytes(), to).map(|response| response.expect("a whole head"))
}

fn connect() -> RequestHead {
    RequestHead::connect(crate::head::Authority::new("files.example", 443).unwrap())
}

fn connect_udp() -> RequestHead {
    RequestHead::extended("connect-udp", "gw.example", "/.well-known/masque/udp/a.example/53/").unwrap()
}

fn get(method: &str) -> RequestHead {
    RequestHead::ordinary(method, "gw.example", "/").unwrap()
}

#[test]
fn a_connect_is_read_with_what_follows_left_over() {
    let text = "CONNECT files.example:443 HTTP/1.1\r\nHost: files.example:443\r\nUser-Agent: curl\r\n\r\nhello";
    let read = request(text);
    assert_eq!(read.head.form, connect().form);
    assert_eq!(read.body, Body::Tunnel);
    assert_eq!(&text[read.bytes..], "hello");
    assert_eq!(read.head.fields.get("user-agent").unwrap(), "curl");
    assert!(read.head.fields.get("host").is_none());
}

#[test]
fn a_connect_of_http_1_0_needs_no_host_and_ends_the_connection() {
    let read = request("CONNECT [2001:db8::1]:22 HTTP/1.0\r\n\r\n");
    assert!(matches!(read.head.form, RequestForm::Connect { authority } if authority.host == "2001:db8::1"));
    assert!(!read.keep_alive);
}

#[test]
fn an_upgrade_to_connect_udp_is_an_extended_connect() {
    let read = request(
        "GET /.well-known/masque/udp/a.example/53/ HTTP/1.1\r\nHost: gw.example\r\nConnection: Upgrade\r\n\
         Upgrade: connect-udp\r\nCapsule-Protocol: ?1\r\n\r\n",
    );
    assert_eq!(read.head.form, connect_udp().form);
    assert_eq!(read.body, Body::Tunnel);
    assert!(read.head.fields.capsule_protocol());
}

#[test]
fn an_upgrade_to_something_else_is_an_ordinary_request() {
    let read = request("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(matches!(read.head.form, RequestForm::Ordinary { .. }));
    assert_eq!(read.upgrade.unwrap(), "websocket");
    assert!(read.head.fields.is_empty());
}

#[test]
fn an_upgrade_without_its_connection_option_is_none() {
    let read = request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: connect-udp\r\n\r\n");
    assert!(matches!(read.head.form, RequestForm::Ordinary { .. }));
    assert_eq!(read.upgrade, None);
}

#[test]
fn a_target_in_absolute_form_governs_over_host() {
    let read = request("GET HTTP://intranet.example:8080?q=1 HTTP/1.1\r\nHost: other\r\n\r\n");
    assert!(read.absolute);
    let RequestForm::Ordinary { scheme, authority, path, .. } = read.head.form else { panic!("ordinary") };
    assert_eq!((&*scheme, &*authority, &*path), ("http", "intranet.example:8080", "/?q=1"));
}

#[test]
fn options_of_the_whole_server_is_an_asterisk() {
    let read = request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(read.head.form, RequestForm::Ordinary { path, .. } if path == "*"));
    let read = request("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(read.head.form, RequestForm::Ordinary { path, .. } if path == "*"));
}

#[test]
fn a_body_is_delimited_by_length_or_chunks() {
    assert_eq!(request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n").body, Body::Length(12));
    assert_eq!(request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n").body, Body::Chunked);
    assert_eq!(request("POST / HTTP/1.1\r\nHost: a\r\n\r\n").body, Body::Empty);
}

#[test]
fn fields_of_the_connection_stay_behind() {
    let read = request(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret, content-length\r\nX-Secret: 1\r\nTE: trailers\r\n\
         Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nContent-Length: 3\r\nX-Kept: 1\r\n\r\n",
    );
    let names: Vec<&str> = read.head.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["content-length", "x-kept"]);
    assert!(!read.keep_alive);
}

#[test]
fn every_smuggling_form_is_refused() {
    for head in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT u@a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: connect-udp\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: connect-udp\r\nContent-Length: 1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\0\0",
    ] {
        let error = refused(head);
        assert!(matches!(error, Error::Message(_)), "{head:?}: {error}");
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn a_head_over_a_limit_is_answered_with_431() {
    let many: String = (0..=H1_FIELDS_MAX).map(|at| format!("x{at}: 1\r\n")).collect();
    assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).status(), 431);
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}", "a".repeat(H1_HEAD_BYTES_MAX));
    assert_eq!(refused(&endless).status(), 431);
    assert_eq!(refused(&format!("{endless}\r\n\r\n")).status(), 431);
}

#[test]
fn a_head_that_is_not_all_there_is_waited_for() {
    let head = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
    for length in 0..head.len() {
        assert_eq!(read_request(&head.as_bytes()[..length]), Ok(None), "{length}");
    }
}

#[test]
fn the_answer_to_a_connect_is_a_tunnel_whatever_lengths_it_names() {
    let read = response("HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n", &connect()).unwrap();
    assert_eq!((read.head.status, read.body), (200, Body::Tunnel));
    assert!(read.head.fields.is_empty());
    let read = response("HTTP/1.1 200\r\n\r\n", &connect()).unwrap();
    assert_eq!(read.body, Body::Tunnel);
}

#[test]
fn a_refusal_of_a_connect_has_a_body() {
    let read =
        response("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nProxy-Status: gw\r\n\r\nwhy..", &connect()).unwrap();
    assert_eq!((read.head.status, read.body), (403, Body::Length(5)));
    assert!(read.keep_alive);
}

#[test]
fn switching_protocols_is_the_success_of_an_upgrade_only() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: connect-udp\r\n\r\n";
    let read = response(switched, &connect_udp()).unwrap();
    assert_eq!((read.head.status, read.body), (200, Body::Tunnel));
    assert!(response(switched, &connect()).is_err());
    assert!(response(switched, &get("GET")).is_err());
    assert!(response("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", &connect_udp()).is_err());
    assert!(response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &connect_udp()).is_err());
}

#[test]
fn bodies_of_responses_follow_rfc_9112() {
    let body = |text: &str, to: &RequestHead| response(text, to).unwrap().body;
    assert_eq!(body("HTTP/1.1 200 OK\r\n\r\n", &get("GET")), Body::UntilClose);
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &get("HEAD")), Body::Empty);
    assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\n", &get("GET")), Body::Empty);
    assert_eq!(body("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &get("GET")), Body::Empty);
    assert_eq!(body("HTTP/1.1 100 Continue\r\n\r\n", &get("POST")), Body::Empty);
    assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &get("GET")), Body::Chunked);
    let both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n";
    assert!(response(both, &get("GET")).is_err());
}

#[test]
fn what_is_written_is_read() {
    let mut with_field = get("POST");
    with_field.fields.push("X-Test", "a b").unwrap();
    for head in [connect(), connect_udp(), with_field] {
        let mut out = BytesMut::new();
        write_request(&head, &mut out);
        assert_eq!(read_request(&out).unwrap().unwrap().head, head);

        for status in [200, 403, 504] {
            let mut answer = ResponseHead::new(status).unwrap();
            answer.fields.push("proxy-status", "gw; error=dns_error").unwrap();
            let mut out = BytesMut::new();
            write_response(&answer, Some(&head), &mut out);
            assert_eq!(read_response(&out, &head).unwrap().unwrap().head, answer);
        }
    }
}

fn chunked(input: &str) -> Result<(String, bool, String), Error> {
    let mut reader = ChunkedReader::default();
    let mut input = Bytes::copy_from_slice(input.as_bytes());
    let mut body = Vec::new();
    while let Some(piece) = reader.read(&mut input)? {
        body.extend_from_slice(&piece);
    }
    Ok((String::from_utf8(body).unwrap(), reader.is_ended(), String::from_utf8(input.to_vec()).unwrap()))
}

#[test]
fn a_chunked_body_ends_where_it_says() {
    let read = chunked("4\r\nWiki\r\n5 ; x=\"y\"\r\npedia\r\n00\r\nTrailer: 1\r\n\r\nGET /").unwrap();
    assert_eq!(read, ("Wikipedia".to_owned(), true, "GET /".to_owned()));
    assert!(!chunked("4\r\nWiki\r\n0\r\n").unwrap().1);
}

#[test]
fn a_malformed_chunk_is_refused() {
    for body in [
        "\r\n",
        "x\r\n",
        "-4\r\n",
        "+4\r\n",
        "0x4\r\n",
        "4 4\r\n",
        "4 \r\n",
        "4\nWiki",
        "4\r\nWikiX\r\n",
        "4\r\nWiki\n",
        "1000000000000000\r\n",
        "4\rx",
        "4;\rx\r\n",
    ] {
        assert!(matches!(chunked(body), Err(Error::Message(_))), "{body:?}");
    }
    assert!(matches!(chunked(&"0".repeat(2000)), Err(Error::StreamOverLimit(_))));
    assert!(matches!(chunked(&format!("0\r\n{}", "x: y\r\n".repeat(3000))), Err(Error::StreamOverLimit(_))));
}

proptest! {
    #[test]
    fn no_head_makes_the_readers_panic(input in "[A-Z]{0,8} ?[a-z:/*.0-9]{0,12} ?(HTTP/1\\.[01])?(\r\n)?([A-Za-z-]{0,10}: ?[ -~]{0,10}\r\n){0,4}(\r\n)?[ -~]{0,4}") {
        let _ = read_request(input.as_bytes());
        let _ = read_response(input.as_bytes(), &connect());
    }

    #[test]
    fn octets_after_the_head_change_nothing(tail: Vec<u8>) {
        let head = b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
        let read = read_request(&[head, &tail[..]].concat()).unwrap().unwrap();
        prop_assert_eq!(read.bytes, head.len());
    }

    #[test]
    fn how_a_chunked_body_is_cut_changes_nothing(pieces: Vec<Vec<u8>>, step in 1usize..9) {
        let mut wire = Vec::new();
        let mut body = Vec::new();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
            body.extend_from_slice(piece);
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let mut reader = ChunkedReader::default();
        let mut read = Vec::new();
        for chunk in wire.chunks(step) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(piece) = reader.read(&mut chunk).unwrap() {
                read.extend_from_slice(&piece);
            }
        }
        prop_assert!(reader.is_ended());
        prop_assert_eq!(read, body);
    }
}
