//! Runs `hitotsu_proto::fuzz::head_h1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hitotsu_proto::fuzz::head_h1(input));
