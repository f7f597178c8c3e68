//! Captures: the frames of one, and one of the frames that came back.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};
use vhost_accel_bench::Staged;

use crate::error::CliError;
use crate::unfit::{LONGEST, SHORTEST, Unfit};

/// A frame as it stands in a capture.
struct Packet {
    link: DataLink,
    whole: u32,
    data: Vec<u8>,
}

/// The frames of the capture at `path`, each one whole.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>, CliError> {
    let unfit = |source| CliError::Unfit { path: path.to_owned(), source };
    frames(path).map_err(unfit)
}

fn frames(path: &Path) -> Result<Vec<Vec<u8>>, Unfit> {
    let mut file = BufReader::new(File::open(path).map_err(Unfit::File)?);
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic).map_err(Unfit::File)?;
    let from = magic.as_slice().chain(file);
    let mut frames = Vec::new();
    let mut add = |packet: Packet| {
        let Packet { link, whole, data } = packet;
        let (number, len) = (frames.len(), data.len());
        // What stands above is the length of a frame check sequence.
        if DataLink::from(u32::from(link) & 0xffff) != DataLink::ETHERNET {
            return Err(Unfit::LinkType { number, link });
        }
        if (whole as usize) > len {
            return Err(Unfit::Cut { number, len, whole });
        }
        if !(SHORTEST..=LONGEST).contains(&len) {
            return Err(Unfit::Size { number, len });
        }
        frames.push(data);
        Ok(())
    };
    match *magic {
        [0x0a, 0x0d, 0x0d, 0x0a] => pcapng(from, &mut add)?,
        [0xa1, 0xb2, 0xc3, 0xd4]
        | [0xd4, 0xc3, 0xb2, 0xa1]
        | [0xa1, 0xb2, 0x3c, 0x4d]
        | [0x4d, 0x3c, 0xb2, 0xa1] => pcap(from, &mut add)?,
        [0x1f, 0x8b, ..] => return Err(Unfit::Compressed("gzip -d")),
        [0x28, 0xb5, 0x2f, 0xfd] => return Err(Unfit::Compressed("zstd -d")),
        [0xfd, b'7', b'z', b'X'] => return Err(Unfit::Compressed("xz -d")),
        _ => return Err(Unfit::NoCapture),
    }
    if frames.is_empty() { Err(Unfit::Empty) } else { Ok(frames) }
}

type Add<'a> = &'a mut dyn FnMut(Packet) -> Result<(), Unfit>;

fn pcap(from: impl Read, add: Add<'_>) -> Result<(), Unfit> {
    let mut reader = PcapReader::new(from).map_err(|error| damaged(0, error))?;
    let (mut number, link) = (0, reader.header().datalink);
    // Raw: a header's snap length may be less than what a frame has, which is whole nevertheless.
    while let Some(packet) = reader.next_raw_packet() {
        let packet = packet.map_err(|error| damaged(number, error))?;
        add(Packet { link, whole: packet.orig_len, data: packet.data.into_owned() })?;
        number += 1;
    }
    Ok(())
}

fn pcapng(from: impl Read, add: Add<'_>) -> Result<(), Unfit> {
    let mut reader = PcapNgReader::new(from).map_err(|error| damaged(0, error))?;
    let mut number = 0;
    while let Some(block) = reader.next_block() {
        let (interface, whole, data) = match block.map_err(|error| damaged(number, error))? {
            Block::EnhancedPacket(packet) => {
                (packet.interface_id, packet.original_len, packet.data.into_owned())
            }
            Block::Packet(packet) => {
                (packet.interface_id.into(), packet.original_len, packet.data.into_owned())
            }
            Block::SimplePacket(packet) => (0, packet.original_len, packet.data.into_owned()),
            Block::SectionHeader(_)
            | Block::InterfaceDescription(_)
            | Block::NameResolution(_)
            | Block::InterfaceStatistics(_)
            | Block::SystemdJournalExport(_)
            | Block::Unknown(_) => continue,
        };
        let Some(interface) = reader.interfaces().get(interface as usize) else {
            return Err(damaged(number, PcapError::InvalidInterfaceId(interface)));
        };
        let mut data = data;
        // A simple packet comes with what pads it to a multiple of four.
        if data.len() > whole as usize {
            data.truncate(whole as usize);
        }
        add(Packet { link: interface.linktype, whole, data })?;
        number += 1;
    }
    Ok(())
}

fn damaged(number: usize, source: PcapError) -> Unfit {
    match source {
        PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Unfit::Truncated { number }
        }
        PcapError::IoError(error) => Unfit::File(error),
        source => Unfit::Damaged { number, source },
    }
}

/// A capture being written. It is there when it is finished.
pub(crate) struct Capture {
    path: PathBuf,
    writer: PcapWriter<BufWriter<Staged>>,
    is_stdout: bool,
}

impl Capture {
    /// A capture that is to be called `path`.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::Capture { path: path.to_owned(), source };
        let file = Staged::create(path).map_err(|error| failed(PcapError::IoError(error)))?;
        let is_stdout = is_stdout(file.file());
        let writer = PcapWriter::new(BufWriter::new(file)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), writer, is_stdout })
    }

    /// Whether it goes to stdout, where nothing else must.
    pub(crate) fn is_stdout(&self) -> bool {
        self.is_stdout
    }

    /// Appends a frame, stamped with the present time.
    pub(crate) fn write(&mut self, frame: &[u8]) -> Result<(), CliError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let packet = PcapPacket::new(now, frame.len() as u32, frame);
        let written = self.writer.write_packet(&packet);
        written.map_err(|source| CliError::Capture { path: self.path.clone(), source })?;
        Ok(())
    }

    /// Writes out what is buffered, and gives the file its name.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        let path = self.path;
        let flushed = self.writer.into_writer().into_inner();
        flushed
            .map_err(io::IntoInnerError::into_error)
            .and_then(Staged::keep)
            .map_err(|error| CliError::Capture { path, source: PcapError::IoError(error) })
    }
}

/// Whether what is written to `file` comes out of stdout.
fn is_stdout(file: &File) -> bool {
    let of = |what: fs::Metadata| (what.dev(), what.ino());
    match (file.metadata(), fs::metadata("/proc/self/fd/1")) {
        (Ok(file), Ok(stdout)) => of(file) == of(stdout),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
