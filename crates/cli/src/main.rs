//! The `vhost-accel` command.

fn main() {}
