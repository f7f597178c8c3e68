//! One module, one subcommand.

pub(crate) mod bridge;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod devices;
pub(crate) mod emulate;
pub(crate) mod interfaces;
pub(crate) mod loopback;
pub(crate) mod manual;
pub(crate) mod probe;
pub(crate) mod report;
