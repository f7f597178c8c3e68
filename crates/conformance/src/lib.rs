//! The suite that every backend passes on every kernel half.

pub mod driver;
