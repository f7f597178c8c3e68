//! Why a capture can't be sent.

use std::io;

use pcap_file::{DataLink, PcapError};

/// The smallest frame: an Ethernet header.
pub(crate) const SHORTEST: usize = 14;
/// The largest that `loopback` lends buffers for.
pub(crate) const LONGEST: usize = 65_535;

/// What a capture that can't be sent is, and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("{0}")]
    File(io::Error),
    #[error("not a capture: pcap and pcapng are read")]
    NoCapture,
    #[error("compressed: `{0}` makes a capture of it")]
    Compressed(&'static str),
    #[error("frame {number} is damaged: {source}")]
    Damaged { number: usize, source: PcapError },
    #[error("ends within frame {number}: the file is cut off, or damaged there")]
    Truncated { number: usize },
    #[error(
        "frame {number} is of link type {link:?} ({}): frames must be Ethernet's, as a capture on an \
         Ethernet interface has them", u32::from(*link)
    )]
    LinkType { number: usize, link: DataLink },
    #[error(
        "frame {number} has {len} of its {whole} bytes: capture with a snap length that takes all of \
         them (tcpdump -s 0)"
    )]
    Cut { number: usize, len: usize, whole: u32 },
    #[error("frame {number} has {len} bytes: {SHORTEST} to {LONGEST} can be sent")]
    Size { number: usize, len: usize },
    #[error("has no frames")]
    Empty,
}
