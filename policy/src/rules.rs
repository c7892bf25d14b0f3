//! From Cedar texts to rules that the engine evaluates.
//!
//! Cedar owns the language: it parses, and checks strictly against our schema, warnings as errors. Then the syntax tree
//! is lowered to a typed form of our own, because Cedar's evaluator looks at every rule for every question
//! (1.5 ms at 2,000 rules) and answers *allow* when a `forbid` fails. Tests hold both evaluators equal. On the way:
//!
//! - [`attribute`] is what rules may look at, and the schema.
//! - [`expression`] is the lowered form.
//! - [`parse`] reads a file and checks it.
//! - [`lower`] turns a syntax tree into the lowered form; every literal must exist.
//! - [`lint`] refuses forms that an unknown state would pass, and finds the instants at which answers can change.
//! - [`tier`] refuses rules that would publish the strictest systems.

pub(crate) mod attribute;
pub(crate) mod expression;
mod lint;
mod lower;
pub(crate) mod parse;
pub(crate) mod tier;
