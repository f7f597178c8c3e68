//! The suite over every interface.

fn main() {}
