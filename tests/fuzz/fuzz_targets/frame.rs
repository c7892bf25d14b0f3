//! Runs `hitotsu_proto::fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hitotsu_proto::fuzz::frame(input));
