//! The frames that `loopback` sends, and the capture of those that come back.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pcap_file::PcapError;
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};

use crate::error::CliError;

/// The smallest frame: an Ethernet header.
const SHORTEST: usize = 14;
/// The largest that `loopback` lends buffers for.
const LONGEST: usize = 65_535;

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
        let failed = |source| CliError::Capture { path: path.to_owned(), source };
        let file = File::open(path).map_err(|error| failed(PcapError::IoError(error)))?;
        let mut reader = PcapReader::new(BufReader::new(file)).map_err(failed)?;
        let mut frames = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let frame = packet.map_err(failed)?.data.into_owned();
            if !(SHORTEST..=LONGEST).contains(&frame.len()) {
                let (path, number) = (path.to_owned(), frames.len() as u64);
                let (len, most) = (frame.len(), LONGEST);
                return Err(CliError::FrameSize { path, number, len, most });
            }
            frames.push(frame);
        }
        Ok(Self::Captured(frames))
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

/// A capture file being written.
pub(crate) struct Capture {
    path: PathBuf,
    writer: PcapWriter<BufWriter<File>>,
}

impl Capture {
    /// Creates the file, or truncates it.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::Capture { path: path.to_owned(), source };
        let file = File::create(path).map_err(|error| failed(PcapError::IoError(error)))?;
        let writer = PcapWriter::new(BufWriter::new(file)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Appends a frame, stamped with the present time.
    pub(crate) fn write(&mut self, frame: &[u8]) -> Result<(), CliError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let packet = PcapPacket::new(now, frame.len() as u32, frame);
        let written = self.writer.write_packet(&packet);
        written.map_err(|source| CliError::Capture { path: self.path.clone(), source })?;
        Ok(())
    }

    /// Writes out what is buffered.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        let path = self.path;
        let flushed = self.writer.into_writer().into_inner();
        flushed.map_err(|error| CliError::Capture {
            path,
            source: PcapError::IoError(error.into_error()),
        })?;
        Ok(())
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

    #[test]
    fn a_capture_is_read_back_as_it_was_written() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let sent = [vec![1; 60], vec![2; 9000], vec![3; 14]];
        let mut capture = Capture::create(&path).unwrap();
        sent.iter().for_each(|frame| capture.write(frame).unwrap());
        capture.finish().unwrap();
        let frames = Frames::read(&path).unwrap();
        assert_eq!((frames.len(), frames.longest()), (3, 9000));
        for (number, expected) in sent.iter().enumerate() {
            let mut frame = Vec::new();
            frames.get(number as u64, &mut frame);
            assert_eq!(&frame, expected);
        }
    }

    #[test]
    fn what_is_no_frame_is_named() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let mut capture = Capture::create(&path).unwrap();
        capture.write(&[0; 13]).unwrap();
        capture.finish().unwrap();
        let Err(error) = Frames::read(&path) else { panic!("13 bytes are no frame") };
        assert!(error.is_usage() && error.to_string().contains("frame 0 has 13 bytes"), "{error}");
    }
}
