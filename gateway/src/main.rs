//! `hitotsu-gateway`: the gateway and its commands.
fn main() {}
