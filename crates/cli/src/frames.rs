//! The frames that `loopback` sends.

use std::path::Path;

use crate::capture;
use crate::error::CliError;
use crate::unfit::SHORTEST;

/// Frames to send, numbered from 0.
pub(crate) enum Frames {
    /// Made as they are asked for.
    Generated { count: u64, size: usize },
    /// Those of a capture.
    Captured(Vec<Vec<u8>>),
}

impl Frames {
    /// `count` frames of `size` bytes, no two of them alike.
    pub(crate) fn generated(count: u64, size: usize) -> Self {
        Self::Generated { count, size }
    }

    /// The frames of the capture at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        Ok(Self::Captured(capture::read(path)?))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Generated { count, .. } => *count,
            Self::Captured(frames) => frames.len() as u64,
        }
    }

    /// The length of the longest.
    pub(crate) fn longest(&self) -> usize {
        match self {
            Self::Generated { size, .. } => *size,
            Self::Captured(frames) => frames.iter().map(Vec::len).max().unwrap_or(SHORTEST),
        }
    }

    /// Puts frame `number` into `frame`.
    pub(crate) fn get(&self, number: u64, frame: &mut Vec<u8>) {
        frame.clear();
        match self {
            Self::Captured(frames) => frame.extend_from_slice(&frames[number as usize]),
            Self::Generated { size, .. } => {
                // A local experimental EtherType, then words that differ from frame to frame.
                frame.extend_from_slice(&[0xff; 6]);
                frame.extend_from_slice(&[0x02, 0, 0, 0, 0, 1, 0x88, 0xb5]);
                let mut word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                while frame.len() < *size {
                    frame.extend_from_slice(&word.to_le_bytes());
                    word = word.rotate_left(7).wrapping_add(number);
                }
                frame.truncate(*size);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_frames_have_their_size_and_differ() {
        let frames = Frames::generated(1000, 64);
        let mut seen = std::collections::HashSet::new();
        for number in 0..frames.len() {
            let mut frame = Vec::new();
            frames.get(number, &mut frame);
            assert_eq!(frame.len(), 64);
            assert!(seen.insert(frame), "frame {number} stands twice");
        }
    }
}
