//! Everything that the crate promises, from outside.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod issuing;
mod world;
