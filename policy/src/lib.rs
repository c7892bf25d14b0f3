//! The rules: who may reach what, from where, when, and with a device in what state.
//!
//! Pure: no clock, no file, no network. A bundle is a set of texts; `now` is an argument; the answer is a value. In the
//! order in which data passes through them:
//!
//! - [`limits`] bounds everything that a bundle can grow.
//! - [`error`] is what is wrong with a bundle: file, line, and how to mend it; all of it at once.
//! - `source` reads texts so that it can be told.
//! - [`prefix`] is a range of addresses, and which ranges are never meant by a wider one.
//! - [`resource`], [`place`] and [`people`] are what rules speak about.
//! - `rules` turns Cedar into rules that can be evaluated, and refuses those that would let the unknown pass.
//! - [`bundle`] compiles all of it into one versioned object.
//! - [`subject`] is who asks: built once per evidence, not once per flow.
//! - `engine` evaluates.
//! - [`decision`] is the answer.
//! - [`memo`] remembers answers for a session.
//! - [`explain`] says what was expected and what was found.
//! - [`reach`] answers all questions at once: who can reach what, and what a change of the rules changes.
//! - [`table`] runs the `given / expect` tables of a bundle.
//! - [`sample`] is the bundle that a new organisation begins with.
//! - [`mod@bench`] measures it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod limits;

pub mod error;

mod source;

pub mod prefix;

pub mod people;
pub mod place;
pub mod resource;

mod rules;

pub mod bundle;

pub mod subject;

mod engine;

pub mod decision;

pub mod memo;

pub mod explain;

pub mod reach;

pub mod table;

pub mod sample;

pub mod bench;

pub use rules::attribute::schema_text;
