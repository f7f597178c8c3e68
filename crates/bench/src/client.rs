//! Who makes the system calls that are compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose code made the system calls.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// The library: a backend behind `dyn VhostAccel`.
    Library,
    /// The same system calls made bare with libc.
    #[serde(rename = "floor")]
    Baseline,
    /// Somebody else's library doing the same work: the `vhost` crate on vhost-vdpa.
    Peer,
}

impl Client {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 3] = [Self::Library, Self::Baseline, Self::Peer];
}
