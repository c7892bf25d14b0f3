use super::*;
use crate::error::Code;
use proptest::prelude::*;

fn decoded(section: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let text = |octets: &Bytes| String::from_utf8_lossy(octets).into_owned();
    Ok(decode(section)?.iter().map(|field| (text(&field.name), text(&field.value))).collect())
}

fn failure(section: &[u8]) -> Code {
    decode(section).unwrap_err().code()
}

#[test]
fn the_example_of_rfc_9204_appendix_b_1_decodes() {
    let section = [&[0x00, 0x00, 0x51, 0x0b][..], b"/index.html"].concat();
    assert_eq!(decoded(&section).unwrap(), [(":path".to_owned(), "/index.html".to_owned())]);
}

#[test]
fn an_indexed_line_takes_name_and_value_from_the_static_table() {
    assert_eq!(decoded(&[0, 0, 0xc0 | 15]).unwrap(), [(":method".to_owned(), "CONNECT".to_owned())]);
    // 98 is beyond the six-bit prefix: 63 and 35.
    assert_eq!(decoded(&[0, 0, 0xff, 35]).unwrap(), [("x-frame-options".to_owned(), "sameorigin".to_owned())]);
}

#[test]
fn a_base_above_zero_is_allowed_where_nothing_refers_to_it() {
    assert_eq!(decoded(&[0, 5, 0xc0 | 17]).unwrap().len(), 1);
}

#[test]
fn a_required_insert_count_above_zero_is_a_decompression_failure() {
    assert_eq!(failure(&[1, 0, 0xc0 | 17]), Code::QPACK_DECOMPRESSION_FAILED);
}

#[test]
fn a_negative_base_is_a_decompression_failure() {
    assert_eq!(failure(&[0, 0x80, 0xc0 | 17]), Code::QPACK_DECOMPRESSION_FAILED);
}

#[test]
fn every_reference_to_the_dynamic_table_is_a_decompression_failure() {
    for line in [0b1000_0000, 0b1011_1111, 0b0100_0000, 0b0110_0001, 0b0001_0000, 0b0000_0000, 0b0000_1000] {
        for rest in 0..4 {
            let section = [&[0, 0, line][..], &vec![0; rest]].concat();
            let error = decode(&section).unwrap_err();
            assert_eq!((error, error.code()), (DYNAMIC, Code::QPACK_DECOMPRESSION_FAILED), "{line:#010b}");
        }
    }
}

#[test]
fn an_index_beyond_the_static_table_is_a_decompression_failure() {
    assert_eq!(failure(&[0, 0, 0xff, 36]), Code::QPACK_DECOMPRESSION_FAILED);
    assert_eq!(failure(&[0, 0, 0x5f, 84, 0]), Code::QPACK_DECOMPRESSION_FAILED);
}

#[test]
fn an_integer_overflow_is_a_decompression_failure() {
    assert_eq!(failure(&[&[0, 0][..], &[0xff; 20]].concat()), Code::QPACK_DECOMPRESSION_FAILED);
    assert_eq!(failure(&[&[0, 0, 0x27][..], &[0xff; 20]].concat()), Code::QPACK_DECOMPRESSION_FAILED);
}

#[test]
fn every_truncation_is_a_decompression_failure() {
    // Whole lines may be cut off, so these are one line each.
    for line in [(&b":path"[..], &b"/index.html"[..]), (b"custom", b"value"), (b":status", b"599")] {
        let mut section = Vec::new();
        encode([line], &mut section);
        for length in 0..section.len() {
            if length != 2 {
                assert_eq!(failure(&section[..length]), Code::QPACK_DECOMPRESSION_FAILED, "{length}");
            }
        }
    }
}

#[test]
fn an_invalid_huffman_string_is_a_decompression_failure() {
    assert_eq!(failure(&[0, 0, 0x50, 0x81, 0xff]), Code::QPACK_DECOMPRESSION_FAILED);
}

#[test]
fn the_size_of_a_section_is_counted_as_rfc_9114_says() {
    let value = vec![b'\\'; FIELD_SECTION_BYTES_MAX - FIELD_OVERHEAD - 1];
    let mut fits = Vec::new();
    encode([(&b"x"[..], &value[..])], &mut fits);
    assert_eq!(decode(&fits).unwrap().len(), 1);

    let mut over = Vec::new();
    encode([(&b"xy"[..], &value[..])], &mut over);
    assert_eq!(decode(&over).unwrap_err(), Error::HeadOverLimit("size of the field section"));
}

#[test]
fn one_octet_references_cannot_make_endless_fields() {
    let mut section = vec![0, 0];
    section.extend([0xc0 | 17; FIELDS_MAX]);
    assert_eq!(decode(&section).unwrap().len(), FIELDS_MAX);
    section.push(0xc0 | 17);
    assert_eq!(decode(&section).unwrap_err(), Error::HeadOverLimit("number of fields"));
}

#[test]
fn huffman_is_used_where_it_is_shorter_only() {
    let mut out = Vec::new();
    encode([(&b":path"[..], &b"/index.html"[..])], &mut out);
    assert!(out.len() < 15);
    let mut plain = Vec::new();
    encode([(&b":path"[..], &b"\\\\"[..])], &mut plain);
    assert_eq!(plain, [0, 0, 0x51, 2, b'\\', b'\\']);
}

#[test]
fn secrets_are_never_indexed() {
    for (name, mask) in [(&b"authorization"[..], 0b0010_0000), (b"proxy-authorization", 0b0001_0000)] {
        let mut out = Vec::new();
        encode([(name, &b"secret"[..])], &mut out);
        assert_eq!(out[2] & mask, mask);
    }
}

#[test]
fn a_capacity_of_zero_is_the_only_instruction_on_the_encoder_stream() {
    let mut stream = EncoderStream::default();
    stream.read(&mut Bytes::from_static(&[0x20, 0x20])).unwrap();
    for octet in (0..=255u8).filter(|octet| *octet != 0x20) {
        let error = EncoderStream::default().read(&mut Bytes::copy_from_slice(&[0x20, octet])).unwrap_err();
        assert_eq!(error.code(), Code::QPACK_ENCODER_STREAM_ERROR);
    }
}

#[test]
fn acknowledgements_and_insert_counts_on_the_decoder_stream_are_errors() {
    for octet in [0x80, 0xff, 0x00, 0x01, 0x3f] {
        let error = DecoderStream::default().read(&mut Bytes::copy_from_slice(&[octet])).unwrap_err();
        assert_eq!(error.code(), Code::QPACK_DECODER_STREAM_ERROR);
    }
}

#[test]
fn stream_cancellations_on_the_decoder_stream_are_ignored() {
    let mut stream = DecoderStream::default();
    for octets in [&[0x40, 0x7e][..], &[0x7f], &[0x80], &[0x01], &[0x44]] {
        stream.read(&mut Bytes::copy_from_slice(octets)).unwrap();
    }
    let error = stream.read(&mut Bytes::copy_from_slice(&[&[0x7f][..], &[0xff; 12]].concat())).unwrap_err();
    assert_eq!(error.code(), Code::QPACK_DECODER_STREAM_ERROR);
}

#[test]
fn a_closed_qpack_stream_is_a_closed_critical_stream() {
    assert_eq!(EncoderStream::default().closed().code(), Code::H3_CLOSED_CRITICAL_STREAM);
    assert_eq!(DecoderStream::default().closed().code(), Code::H3_CLOSED_CRITICAL_STREAM);
}

fn pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let name = prop_oneof![
        Just(b":path".to_vec()),
        Just(b":method".to_vec()),
        Just(b"cookie".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ];
    let value = prop_oneof![Just(b"GET".to_vec()), proptest::collection::vec(any::<u8>(), 0..300)];
    proptest::collection::vec((name, value), 0..20)
}

proptest! {
    #[test]
    fn what_is_compressed_decompresses_to_itself(fields in pairs()) {
        let mut section = Vec::new();
        encode(fields.iter().map(|(name, value)| (&name[..], &value[..])), &mut section);
        let back: Vec<_> = decode(&section).unwrap().iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
        prop_assert_eq!(back, fields);
    }

    #[test]
    fn no_section_makes_the_decoder_panic_or_exceed_its_limit(section: Vec<u8>) {
        if let Ok(fields) = decode(&section) {
            let size: usize = fields.iter().map(|field| field.name.len() + field.value.len() + FIELD_OVERHEAD).sum();
            prop_assert!(size <= FIELD_SECTION_BYTES_MAX && fields.len() <= FIELDS_MAX);
        }
    }
}
