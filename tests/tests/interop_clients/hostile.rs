//! What aioquic must not send, and what everybody has to ignore, one connection each.

use std::collections::BTreeMap;

use hitotsu_proto::error::Code;
use hitotsu_tests::systems;
use serde_json::{Value, json};

use crate::setup::{target, with};

async fn answers(group: &str) -> BTreeMap<String, Value> {
    let (echo, udp) = (systems::echo().await, systems::udp_echo().await);
    let setup = with(&[("echo", echo.address, "tcp"), ("udp", udp.address, "udp")]).await;
    let (target, udp) = (target("echo", echo.address), target("udp", udp.address));
    let said = setup.python("aioquic/hostile.py", &[group, "--target", &target, "--udp-target", &udp]).await;
    serde_json::from_value(said).expect("an answer for each case")
}

/// Compares each case with what is expected of it, and shows every difference at once.
fn assert_answers(answers: &BTreeMap<String, Value>, expected: impl IntoIterator<Item = (&'static str, Value)>) {
    let expected: BTreeMap<String, Value> =
        expected.into_iter().map(|(case, answer)| (case.to_owned(), answer)).collect();
    let mut wrong = Vec::new();
    for (case, answer) in answers {
        match expected.get(case) {
            Some(wanted) if wanted == answer => {}
            wanted => wrong.push(format!("{case}: {answer}, expected {}", wanted.unwrap_or(&Value::Null))),
        }
    }
    wrong.extend(expected.keys().filter(|case| !answers.contains_key(*case)).map(|case| format!("{case}: not tried")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_connection_that_breaks_http3_ends_with_the_code_of_the_rfc() {
    let codes: &[(Code, &[&str])] = &[
        (
            Code::H3_FRAME_UNEXPECTED,
            &[
                "DATA before HEADERS",
                "HEADERS within a flow",
                "SETTINGS on a request stream",
                "GOAWAY on a request stream",
                "MAX_PUSH_ID on a request stream",
                "CANCEL_PUSH on a request stream",
                "PUSH_PROMISE by the client",
                "SETTINGS twice",
                "DATA on the control stream",
                "HEADERS on the control stream",
                "PUSH_PROMISE on the control stream",
                "frame type 0x2 on a request stream",
                "frame type 0x6 on a request stream",
                "frame type 0x8 on a request stream",
                "frame type 0x9 on a request stream",
                "frame type 0x2 on the control stream",
                "frame type 0x6 on the control stream",
                "frame type 0x8 on the control stream",
                "frame type 0x9 on the control stream",
            ],
        ),
        (
            Code::H3_FRAME_ERROR,
            &[
                "a frame cut off by the end",
                "a frame header cut off by the end",
                "a setting cut off",
                "GOAWAY with more than an id",
            ],
        ),
        (
            Code::H3_STREAM_CREATION_ERROR,
            &[
                "a second control stream",
                "a second encoder stream",
                "a second decoder stream",
                "a push stream by the client",
            ],
        ),
        (Code::H3_MISSING_SETTINGS, &["no SETTINGS first", "a grease frame before SETTINGS"]),
        (
            Code::H3_SETTINGS_ERROR,
            &[
                "a setting of HTTP/2",
                "a setting twice",
                "H3_DATAGRAM of 2",
                "ENABLE_CONNECT_PROTOCOL of 2",
                "H3_DATAGRAM without QUIC datagrams",
            ],
        ),
        (Code::H3_ID_ERROR, &["GOAWAY whose id grows", "MAX_PUSH_ID that shrinks", "CANCEL_PUSH of no push"]),
        (
            Code::H3_CLOSED_CRITICAL_STREAM,
            &[
                "the control stream ends",
                "the control stream is reset",
                "the encoder stream ends",
                "the decoder stream ends",
            ],
        ),
        (
            Code::QPACK_DECOMPRESSION_FAILED,
            &["a reference to the dynamic table", "a static reference out of range", "a field section cut off"],
        ),
        (Code::QPACK_ENCODER_STREAM_ERROR, &["a dynamic table larger than allowed", "an insertion without a table"]),
        (Code::QPACK_DECODER_STREAM_ERROR, &["an insert count that was not"]),
        (Code::H3_DATAGRAM_ERROR, &["an empty datagram", "a datagram whose id is out of range"]),
    ];

    let answers = answers("fatal").await;

    let expected =
        codes.iter().flat_map(|(code, cases)| cases.iter().map(|case| (*case, json!({ "connection": code.value() }))));
    assert_answers(&answers, expected);
}

/// The stream ended in both directions with these codes (or a status); the connection carried another flow.
fn stream(reset: Option<Code>, stopped: Option<Code>, status: Option<u16>) -> Value {
    json!({
        "connection": null,
        "alive": true,
        "reset": reset.map(Code::value),
        "stopped": stopped.map(Code::value),
        "status": status,
    })
}

#[tokio::test]
async fn a_malformed_request_is_reset_with_the_code_of_the_rfc_and_its_connection_lives_on() {
    let malformed = [
        "CONNECT with a path",
        "CONNECT with a scheme",
        "CONNECT without an authority",
        "CONNECT without a port",
        "CONNECT to port 0",
        "CONNECT to port 65536",
        "CONNECT with user information",
        "a name in upper case",
        "a name with a space",
        "an empty name",
        "a value with a line feed",
        "a value with a null",
        "a value that begins with a space",
        "a pseudo-header twice",
        "a pseudo-header after a field",
        "an unknown pseudo-header",
        "a connection-specific field",
        "transfer-encoding",
        "te other than trailers",
        "host other than the authority",
        "no method",
        "GET without a path",
        "GET with an empty path",
        "GET without a scheme",
        "a protocol without CONNECT",
        "extended CONNECT without a path",
        "a UDP target without a port",
        "a UDP target on port 0",
    ];
    // The client's half is over already where it ended before the request was whole: nothing is left to stop.
    let incomplete = ["the stream ends before the request", "only grease before the end"];
    let oversized = ["an oversized field section", "too many small fields", "a HEADERS frame that announces 1 GiB"];

    let answers = answers("refused").await;

    let message = Some(Code::H3_MESSAGE_ERROR);
    let malformed = malformed.map(|case| (case, stream(message, message, None)));
    let incomplete = incomplete.map(|case| (case, stream(Some(Code::H3_REQUEST_INCOMPLETE), None, None)));
    let oversized = oversized.map(|case| (case, stream(None, Some(Code::H3_NO_ERROR), Some(431))));
    assert_answers(&answers, malformed.into_iter().chain(incomplete).chain(oversized));
}

#[tokio::test]
async fn a_malformed_capsule_resets_its_stream_alone() {
    let mut answers = answers("refused-later").await;
    for seen in answers.values_mut() {
        // The reset may overtake the status, for it ends the stream's retransmissions.
        seen.as_object_mut().expect("an answer").remove("status");
    }

    let (message, load) = (Code::H3_MESSAGE_ERROR.value(), Code::H3_EXCESSIVE_LOAD.value());
    let expected = [
        ("a DATAGRAM capsule that is too long", message, Some(message)),
        ("a UDP payload that is too long", message, Some(message)),
        ("a capsule cut off by the end", message, None),
        ("a capsule without a context id", message, Some(message)),
        ("unknown capsules without end", load, Some(load)),
    ];
    let expected = expected.map(|(case, reset, stopped)| {
        (case, json!({ "connection": null, "alive": true, "reset": reset, "stopped": stopped }))
    });
    assert_answers(&answers, expected);
}

#[tokio::test]
async fn what_the_gateway_does_not_have_is_answered_with_a_status() {
    let answers = answers("answered").await;

    let statuses: BTreeMap<&str, &Value> =
        answers.iter().map(|(case, seen)| (case.as_str(), &seen["status"])).collect();
    let expected = [("an unknown protocol", &json!(501)), ("CONNECT-UDP to another path", &json!(404))];
    assert_eq!(statuses, expected.into_iter().collect());
    assert!(answers.values().all(|seen| seen["alive"] == true), "{answers:?}");
}

#[tokio::test]
async fn what_the_rfcs_say_to_ignore_is_ignored() {
    let answers = answers("ignored").await;

    assert!(answers.len() > 10, "{answers:?}");
    for (case, seen) in answers {
        assert_eq!((&seen["connection"], &seen["alive"]), (&Value::Null, &json!(true)), "{case}: {seen}");
        assert_eq!((&seen["reset"], &seen["stopped"]), (&Value::Null, &Value::Null), "{case}: {seen}");
    }
}
