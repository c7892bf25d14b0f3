//! Has the migrations read again when one is added: they are part of the program.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
