use std::borrow::Cow;
use std::time::Duration;

use pcap_file::pcap::PcapHeader;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
use pcap_file::pcapng::blocks::simple_packet::SimplePacketBlock;

use super::*;

/// What is wrong with a capture of these bytes, if anything is.
fn read_bytes(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    frames(file.path()).map_err(|unfit| unfit.to_string())
}

/// A pcap of frames with the lengths that they had on the wire.
fn pcap_of(snaplen: u32, datalink: DataLink, frames: &[(&[u8], u32)]) -> Vec<u8> {
    let header = PcapHeader { snaplen: 65_535, datalink, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    for (data, whole) in frames {
        writer.write_packet(&PcapPacket::new(Duration::ZERO, *whole, data)).unwrap();
    }
    let mut bytes = writer.into_writer();
    let big = bytes[0] == 0xa1;
    bytes[16..20].copy_from_slice(&if big { snaplen.to_be_bytes() } else { snaplen.to_le_bytes() });
    bytes
}

fn interface(linktype: DataLink) -> InterfaceDescriptionBlock<'static> {
    InterfaceDescriptionBlock { linktype, snaplen: 0, options: Vec::new() }
}

fn enhanced(interface_id: u32, data: &[u8], original_len: u32) -> EnhancedPacketBlock<'_> {
    EnhancedPacketBlock {
        interface_id,
        timestamp: Duration::ZERO,
        original_len,
        data: Cow::Borrowed(data),
        options: Vec::new(),
    }
}

/// A pcapng with an Ethernet interface and a frame of each kind of packet.
fn pcapng_of(link: DataLink) -> Vec<u8> {
    let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
    writer.write_pcapng_block(interface(DataLink::ETHERNET)).unwrap();
    writer.write_pcapng_block(interface(link)).unwrap();
    writer.write_pcapng_block(enhanced(0, &[1; 61], 61)).unwrap();
    let simple = SimplePacketBlock { original_len: 62, data: Cow::Borrowed(&[2; 62]) };
    writer.write_pcapng_block(simple).unwrap();
    writer.write_pcapng_block(enhanced(1, &[3; 60], 60)).unwrap();
    writer.into_inner()
}

#[test]
fn a_capture_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let sent = [vec![1; 60], vec![2; 9000], vec![3; 14]];
    let mut capture = Capture::create(&path).unwrap();
    sent.iter().for_each(|frame| capture.write(frame).unwrap());
    // Until then there is nothing.
    assert!(!path.exists());
    capture.finish().unwrap();
    assert_eq!(read(&path).unwrap(), sent);
}

#[test]
fn wiresharks_format_is_read_too() {
    let frames = read_bytes(&pcapng_of(DataLink::ETHERNET)).unwrap();
    assert_eq!(frames, [vec![1; 61], vec![2; 62], vec![3; 60]]);
}

#[test]
fn a_snap_length_below_whole_frames_takes_nothing_from_them() {
    let bytes = pcap_of(64, DataLink::ETHERNET, &[(&[7; 1500], 1500)]);
    assert_eq!(read_bytes(&bytes).unwrap(), [vec![7; 1500]]);
    // A frame check sequence of four bytes is said above the link type.
    let link = DataLink::from(0x2400_0001);
    assert!(read_bytes(&pcap_of(65_535, link, &[(&[7; 64], 64)])).is_ok());
}

#[test]
fn what_cannot_be_sent_is_told_with_what_would_be_right() {
    let ethernet = DataLink::ETHERNET;
    let whole = pcap_of(65_535, ethernet, &[(&[1; 60], 60), (&[2; 60], 60)]);
    let ng = pcapng_of(ethernet);
    let cases: [(Vec<u8>, &str); 13] = [
        (
            pcap_of(64, ethernet, &[(&[1; 60], 60), (&[1; 64], 1514)]),
            "frame 1 has 64 of its 1514 bytes",
        ),
        (pcap_of(65_535, DataLink::RAW, &[(&[1; 60], 60)]), "frame 0 is of link type RAW (101): "),
        (pcapng_of(DataLink::LINUX_SLL), "frame 2 is of link type LINUX_SLL (113): "),
        (
            pcap_of(65_535, ethernet, &[(&[1; 13], 13)]),
            "frame 0 has 13 bytes: 14 to 65535 can be sent",
        ),
        (pcap_of(65_535, ethernet, &[]), "has no frames"),
        (whole[..whole.len() - 1].to_vec(), "ends within frame 1: "),
        (whole[..20].to_vec(), "ends within frame 0: "),
        (ng[..ng.len() - 1].to_vec(), "ends within frame 2: "),
        (b"\x1f\x8b\x08\0".to_vec(), "`gzip -d`"),
        (b"\x28\xb5\x2f\xfd".to_vec(), "`zstd -d`"),
        (b"\xfd7zXZ".to_vec(), "`xz -d`"),
        (b"no capture".to_vec(), "not a capture: pcap and pcapng are read"),
        (Vec::new(), "not a capture: pcap and pcapng are read"),
    ];
    for (bytes, right) in cases {
        let said = read_bytes(&bytes).unwrap_err();
        assert!(said.contains(right), "{said}: {right}");
    }
    assert!(matches!(frames(Path::new("/no/such/file")), Err(Unfit::File(_))));
    assert!(matches!(frames(Path::new("/")), Err(Unfit::File(_))));
}

/// Whatever byte is wrong: an answer, and no panic.
#[test]
fn a_damaged_capture_is_an_error_or_other_frames() {
    let whole = pcap_of(65_535, DataLink::ETHERNET, &[(&[1; 20], 20), (&[2; 20], 20)]);
    for bytes in [whole, pcapng_of(DataLink::ETHERNET)] {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = read_bytes(&damaged);
                let _ = read_bytes(&damaged[..at]);
            }
        }
    }
}
