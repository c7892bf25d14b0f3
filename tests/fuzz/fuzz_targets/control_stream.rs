//! Runs `hitotsu_proto::fuzz::control_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hitotsu_proto::fuzz::control_stream(input));
