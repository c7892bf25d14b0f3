//! The rules: who may reach what, from where, when, and with a device in what state.
//!
//! Pure: no clock, no file, no network. A bundle is a set of texts; `now` is an argument; the answer is a value. In the
//! order in which data passes through them:
//!
//! - [`limits`] bounds everything that a bundle can grow.
//! - [`error`] is what is wrong with a bundle: file, line, and how to mend it; all of it at once.
//! - [`prefix`] is a range of addresses, and which ranges are never meant by a wider one.
//! - [`resource`], [`place`] and [`people`] are what rules speak about.
//! - [`bundle`] compiles the texts into one versioned object.
//! - [`subject`] is who asks: built once per evidence, not once per flow.
//! - [`decision`] is the answer.
//! - [`memo`] remembers answers for a session.
//! - [`explain`] says what was expected and what was found.
//! - [`table`] runs the `given / expect` tables of a bundle.
//! - [`sample`] is the bundle that a new organisation begins with.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod bundle;
pub mod decision;
pub mod error;
pub mod explain;
pub mod limits;
pub mod memo;
pub mod people;
pub mod place;
pub mod prefix;
pub mod resource;
pub mod sample;
pub mod subject;
pub mod table;
