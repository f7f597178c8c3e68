//! The bytes of #1/A messages, and what is refused.

use vhost_accel_uapi::message::{
    Accepts, DecodeError, EncodeError, Encoder, HEADER_LEN, MAX_BATCH, MAX_PAYLOAD, Message,
    NEED_REPLY, ReplyError, SET_STATE, STATE_RUNNING, decode_reply, encode_reply, is_get, messages,
};
use vhost_accel_uapi::vfio::{RegionCapVhost, VHOST_CAP_BATCH, VHOST_CAP_STATUS};
use vhost_accel_uapi::vhost::{self, VringAddr, VringState};

/// A message by hand, right or wrong.
fn raw(request: u64, flags: u32, size: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = request.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(payload);
    bytes
}

fn all(write: &[u8], accepts: Accepts) -> Result<Vec<Message<'_>>, DecodeError> {
    messages(write, 0, accepts)?.collect()
}

/// What decoding a write ends with, and its errno.
fn refusal(write: &[u8], accepts: Accepts) -> (DecodeError, i32) {
    let error = all(write, accepts).expect_err("a mistake");
    (error, error.errno())
}

// ABI-MSG-1
#[test]
fn get_features_is_these_24_bytes() {
    let mut buf = [0xff; 64];
    let mut encoder = Encoder::new(&mut buf);
    encoder.push_get(vhost::GET_FEATURES).unwrap();
    #[rustfmt::skip]
    assert_eq!(encoder.as_bytes(), [
        0x00, 0xaf, 0x08, 0x80, 0, 0, 0, 0, // request
        1, 0, 0, 0,                         // flags: NEED_REPLY
        8, 0, 0, 0,                         // size
        0, 0, 0, 0, 0, 0, 0, 0,             // payload
    ]);
}

#[test]
fn set_vring_addr_is_these_56_bytes() {
    let mut buf = [0xff; 56];
    let mut encoder = Encoder::new(&mut buf);
    let addr = VringAddr {
        index: 3,
        flags: 0,
        desc: 0x1122_3344_5566_7788,
        used: 0x2000,
        avail: 0x3000,
        log: 0,
    };
    encoder.push(vhost::SET_VRING_ADDR, &addr).unwrap();
    #[rustfmt::skip]
    assert_eq!(encoder.as_bytes(), [
        0x11, 0xaf, 0x28, 0x40, 0, 0, 0, 0,             // request
        0, 0, 0, 0,                                     // flags
        40, 0, 0, 0,                                    // size
        3, 0, 0, 0,                                     // index
        0, 0, 0, 0,                                     // flags
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, // desc
        0, 0x20, 0, 0, 0, 0, 0, 0,                      // used
        0, 0x30, 0, 0, 0, 0, 0, 0,                      // avail
        0, 0, 0, 0, 0, 0, 0, 0,                         // log
    ]);
}

#[test]
fn a_request_without_argument_is_a_header() {
    let mut buf = [0xff; 16];
    let mut encoder = Encoder::new(&mut buf);
    encoder.push(vhost::SET_OWNER, &[0u8; 0]).unwrap();
    assert_eq!(encoder.as_bytes(), [0x01, 0xaf, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

// ABI-MSG-2, ABI-MSG-20
#[test]
fn config_space_is_an_offset_a_length_and_bytes() {
    let mut buf = [0xff; 64];
    let mut encoder = Encoder::new(&mut buf);
    encoder.push_set_config(2, &[0xaa, 0xbb, 0xcc]).unwrap();
    encoder.push_get_config(4, 2).unwrap();
    #[rustfmt::skip]
    assert_eq!(encoder.as_bytes(), [
        0x74, 0xaf, 0x08, 0x40, 0, 0, 0, 0,  0, 0, 0, 0,  11, 0, 0, 0,
        2, 0, 0, 0,  3, 0, 0, 0,  0xaa, 0xbb, 0xcc,
        0x73, 0xaf, 0x08, 0x80, 0, 0, 0, 0,  1, 0, 0, 0,  10, 0, 0, 0,
        4, 0, 0, 0,  2, 0, 0, 0,  0, 0,
    ]);
}

#[test]
fn a_batch_comes_back_message_by_message() {
    let mut buf = [0; 256];
    let mut encoder = Encoder::new(&mut buf);
    encoder.push(vhost::SET_VRING_NUM, &VringState { index: 1, num: 256 }).unwrap();
    encoder.push(SET_STATE, &STATE_RUNNING).unwrap();
    encoder.push(vhost::GET_VRING_BASE, &VringState { index: 1, num: 0 }).unwrap();
    assert_eq!(encoder.len(), 3 * (HEADER_LEN + 8));

    let decoded = all(encoder.as_bytes(), Accepts::ALL).unwrap();
    assert_eq!(decoded.len(), 3);
    assert_eq!((decoded[0].request, decoded[0].flags), (vhost::SET_VRING_NUM, 0));
    assert_eq!(decoded[0].read(), Some(VringState { index: 1, num: 256 }));
    assert_eq!(decoded[0].read::<u32>(), None);
    assert_eq!((decoded[1].request, decoded[1].read()), (SET_STATE, Some(1u64)));
    assert_eq!((decoded[2].request, decoded[2].flags), (vhost::GET_VRING_BASE, NEED_REPLY));
    assert_eq!(decoded.iter().map(Message::encoded_len).sum::<usize>(), encoder.len());

    encoder.clear();
    assert!(encoder.is_empty());
    encoder.push_get(vhost::GET_FEATURES).unwrap();
    assert_eq!(encoder.len(), 24);
}

#[test]
fn messages_before_a_mistake_are_there() {
    let mut write = raw(vhost::SET_OWNER.into(), 0, 0, &[]);
    write.extend(raw(vhost::SET_FEATURES.into(), 0, 8, &[5; 8]));
    write.extend(raw(0xbad, 0, 0, &[]));
    write.extend(raw(vhost::SET_OWNER.into(), 0, 0, &[]));
    let mut messages = messages(&write, 0, Accepts::ALL).unwrap();
    assert_eq!(messages.next().unwrap().unwrap().request, vhost::SET_OWNER);
    assert_eq!(messages.next().unwrap().unwrap().request, vhost::SET_FEATURES);
    let unknown = DecodeError::UnknownRequest { request: 0xbad };
    assert_eq!(messages.next(), Some(Err(unknown)));
    assert_eq!(messages.next(), None);
}

// ABI-MSG-3, ABI-MSG-10
#[test]
fn a_write_as_a_whole_is_refused() {
    let write = raw(vhost::SET_OWNER.into(), 0, 0, &[]);
    let offset = messages(&write, 8, Accepts::ALL).unwrap_err();
    assert_eq!((offset, offset.errno()), (DecodeError::Offset { offset: 8 }, libc::EINVAL));

    let accepts = Accepts { status: false, max_batch: Some(31) };
    let two = [&write[..], &write[..]].concat();
    let too_long = DecodeError::WriteTooLong { len: 32, max: 31 };
    assert_eq!(refusal(&two, accepts), (too_long, libc::EINVAL));
    let accepts = Accepts { status: false, max_batch: Some(32) };
    assert_eq!(all(&two, accepts).unwrap().len(), 2);

    assert_eq!(refusal(&[], Accepts::ALL), (DecodeError::Short { len: 0 }, libc::EINVAL));
}

// ABI-MSG-4, ABI-MSG-5, ABI-MSG-6, ABI-MSG-7
#[test]
fn a_header_is_refused() {
    let short = raw(vhost::SET_OWNER.into(), 0, 0, &[]);
    assert_eq!(refusal(&short[..15], Accepts::ALL), (DecodeError::Short { len: 15 }, libc::EINVAL));
    let huge = raw(vhost::SET_CONFIG.into(), 0, 1025, &[0; 1025]);
    assert_eq!(
        refusal(&huge, Accepts::ALL),
        (DecodeError::PayloadTooLong { size: 1025 }, libc::EINVAL)
    );
    let flags = raw(vhost::SET_OWNER.into(), 2, 0, &[]);
    assert_eq!(refusal(&flags, Accepts::ALL), (DecodeError::Flags { flags: 2 }, libc::EINVAL));
    let cut = raw(vhost::SET_FEATURES.into(), 0, 8, &[0; 7]);
    assert_eq!(
        refusal(&cut, Accepts::ALL),
        (DecodeError::Truncated { size: 8, room: 7 }, libc::EINVAL)
    );
}

// ABI-MSG-8, ABI-MSG-11, ABI-MSG-14, ABI-MSG-15, ABI-MSG-28
#[test]
fn a_request_is_refused() {
    // High bits of the request count; an ioctl that carries an fd has no message.
    for request in [0xbad, 1 << 32 | u64::from(vhost::SET_OWNER), vhost::SET_VRING_KICK.into()] {
        let write = raw(request, 0, 8, &[0; 8]);
        let unknown = DecodeError::UnknownRequest { request };
        assert_eq!(refusal(&write, Accepts::ALL), (unknown, libc::ENOTTY), "{request:#x}");
    }
    let longer = raw(vhost::SET_FEATURES.into(), 0, 9, &[0; 9]);
    let wrong = DecodeError::PayloadLen { request: vhost::SET_FEATURES, size: 9 };
    assert_eq!(refusal(&longer, Accepts::ALL), (wrong, libc::EINVAL));

    let bare = raw(vhost::GET_FEATURES.into(), 0, 8, &[0; 8]);
    let wrong = DecodeError::NeedReply { request: vhost::GET_FEATURES, flags: 0 };
    assert_eq!(refusal(&bare, Accepts::ALL), (wrong, libc::EINVAL));
    let asking = raw(vhost::SET_OWNER.into(), NEED_REPLY, 0, &[]);
    let wrong = DecodeError::NeedReply { request: vhost::SET_OWNER, flags: 1 };
    assert_eq!(refusal(&asking, Accepts::ALL), (wrong, libc::EINVAL));
}

/// Each write is wrong in all ways from one on: the first in the order of the checks is told.
// ABI-MSG-22, ABI-MSG-23
#[test]
fn what_is_looked_at_first_is_told() {
    let offset = messages(&[0; 15], 1, Accepts { status: false, max_batch: Some(8) });
    assert_eq!(offset.unwrap_err(), DecodeError::Offset { offset: 1 });
    let small = Accepts { status: true, max_batch: Some(8) };
    assert_eq!(refusal(&[0; 15], small).0, DecodeError::WriteTooLong { len: 15, max: 8 });
    let (get, long) = (u64::from(vhost::GET_FEATURES), 1025);
    let told = |request, flags, size, room| {
        refusal(&raw(request, flags, size, &vec![0; room]), Accepts::ALL).0
    };
    assert_eq!(told(0xbad, 2, long, 7), DecodeError::PayloadTooLong { size: long });
    assert_eq!(told(0xbad, 2, 8, 7), DecodeError::Flags { flags: 2 });
    assert_eq!(told(0xbad, 0, 8, 7), DecodeError::Truncated { size: 8, room: 7 });
    assert_eq!(told(0xbad, 0, 7, 8), DecodeError::UnknownRequest { request: 0xbad });
    let request = vhost::GET_FEATURES;
    assert_eq!(told(get, 0, 7, 24), DecodeError::PayloadLen { request, size: 7 });
    assert_eq!(told(get, 0, 8, 24), DecodeError::NeedReply { request, flags: 0 });
    assert_eq!(told(get, 1, 8, 24), DecodeError::GetNotLast { len: 16 });
}

// ABI-MSG-20
#[test]
fn config_space_must_have_the_length_that_it_says() {
    for (len, payload_len) in [(4u32, 11), (4, 13), (u32::MAX, 8), (0, 7), (0, 4)] {
        let mut payload = vec![0; payload_len];
        payload[payload_len.min(8) - 4..payload_len.min(8)].copy_from_slice(&len.to_le_bytes());
        let write = raw(vhost::SET_CONFIG.into(), 0, payload_len as u32, &payload);
        let size = payload_len as u32;
        let wrong = DecodeError::PayloadLen { request: vhost::SET_CONFIG, size };
        assert_eq!(refusal(&write, Accepts::ALL), (wrong, libc::EINVAL), "{len} {payload_len}");
    }
    let longest = [&[0, 0, 0, 0, 0xf8, 3, 0, 0][..], &[7; 1016]].concat();
    let write = raw(vhost::SET_CONFIG.into(), 0, 1024, &longest);
    assert_eq!(all(&write, Accepts::ALL).unwrap()[0].payload, longest);
}

// ABI-MSG-9, ABI-MSG-16
#[test]
fn what_follows_a_message_depends_on_batch() {
    let owner = raw(vhost::SET_OWNER.into(), 0, 0, &[]);
    let get = raw(vhost::GET_FEATURES.into(), 1, 8, &[0; 8]);
    let trailing = [&owner[..], &[0]].concat();
    assert_eq!(refusal(&trailing, Accepts::RFC), (DecodeError::Trailing { len: 1 }, libc::EINVAL));
    assert_eq!(refusal(&trailing, Accepts::ALL), (DecodeError::Short { len: 1 }, libc::EINVAL));
    let not_last = [&get[..], &owner[..]].concat();
    assert_eq!(
        refusal(&not_last, Accepts::ALL),
        (DecodeError::GetNotLast { len: 16 }, libc::EINVAL)
    );
    assert_eq!(all(&[&owner[..], &get[..]].concat(), Accepts::ALL).unwrap().len(), 2);
    assert_eq!(all(&get, Accepts::RFC).unwrap().len(), 1);
}

// ABI-MSG-26, ABI-MSG-27
#[test]
fn the_later_requests_need_the_status_capability() {
    #[rustfmt::skip]
    let rfc = [
        vhost::GET_FEATURES, vhost::SET_FEATURES, vhost::SET_OWNER, vhost::RESET_OWNER,
        vhost::SET_LOG_BASE, vhost::SET_VRING_NUM, vhost::SET_VRING_ADDR, vhost::SET_VRING_BASE,
        vhost::GET_VRING_BASE, vhost::GET_BACKEND_FEATURES, vhost::SET_BACKEND_FEATURES, SET_STATE,
    ];
    #[rustfmt::skip]
    let status = [
        vhost::GET_DEVICE_ID, vhost::GET_STATUS, vhost::SET_STATUS, vhost::SET_VRING_ENABLE,
        vhost::GET_VRING_NUM, vhost::GET_CONFIG_SIZE, vhost::SUSPEND, vhost::RESUME,
        vhost::GET_VQS_COUNT, vhost::GET_VRING_SIZE,
    ];
    for request in rfc.into_iter().chain(status) {
        let size = request >> 16 & 0x3fff;
        let payload = vec![0; size as usize];
        let write = raw(request.into(), is_get(request).into(), size, &payload);
        assert_eq!(all(&write, Accepts::ALL).unwrap()[0].payload, payload);
        let without = all(&write, Accepts::RFC);
        let unknown = DecodeError::UnknownRequest { request: request.into() };
        let expected = if rfc.contains(&request) { Ok(1) } else { Err(unknown) };
        assert_eq!(without.map(|messages| messages.len()), expected, "{request:#x}");
    }
}

#[test]
fn a_capability_says_what_is_accepted() {
    let cap = |flags| RegionCapVhost { flags, max_batch: MAX_BATCH, ..Default::default() };
    assert_eq!(Accepts::from(cap(0)), Accepts::RFC);
    assert_eq!(Accepts::from(cap(VHOST_CAP_STATUS | VHOST_CAP_BATCH)), Accepts::ALL);
    let batch = Accepts { status: false, max_batch: Some(65536) };
    assert_eq!(Accepts::from(cap(VHOST_CAP_BATCH)), batch);
}

#[test]
fn an_encoder_refuses_and_keeps_what_it_has() {
    let mut buf = [0; 40];
    let mut encoder = Encoder::new(&mut buf);
    encoder.push(vhost::SET_OWNER, &[0u8; 0]).unwrap();
    let state = VringState { index: 0, num: 0 };
    let request = vhost::SET_VRING_KICK;
    assert_eq!(encoder.push(request, &state), Err(EncodeError::UnknownRequest { request }));
    let request = vhost::SET_VRING_NUM;
    assert_eq!(encoder.push(request, &[0u8; 4]), Err(EncodeError::PayloadLen { request, len: 4 }));
    let wide = vhost::SET_VRING_ADDR;
    assert_eq!(encoder.push_get(wide), Err(EncodeError::PayloadLen { request: wide, len: 40 }));
    let long = EncodeError::PayloadTooLong { len: MAX_PAYLOAD + 1 };
    assert_eq!(encoder.push_set_config(0, &[0; MAX_PAYLOAD - 7]), Err(long));
    assert_eq!(encoder.push_get_config(0, MAX_PAYLOAD + 1), Err(long));
    let no_room = EncodeError::NoRoom { needed: 25, room: 24 };
    assert_eq!(encoder.push_set_config(0, &[1]), Err(no_room));
    assert_eq!(encoder.len(), 16);
    encoder.push_get(vhost::GET_FEATURES).unwrap();
    assert_eq!(encoder.push(vhost::SET_OWNER, &[0u8; 0]), Err(EncodeError::AfterGet));
    assert_eq!(encoder.len(), 40);
}

// ABI-MSG-25
#[test]
fn a_reply_is_a_header_without_flags_and_the_answer() {
    let mut buf = [0xff; 24];
    let request = vhost::GET_FEATURES;
    assert_eq!(encode_reply(&mut buf, request, &[1, 2, 3, 4, 5, 6, 7, 8]), Ok(24));
    #[rustfmt::skip]
    assert_eq!(buf, [
        0x00, 0xaf, 0x08, 0x80, 0, 0, 0, 0,  0, 0, 0, 0,  8, 0, 0, 0,
        1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    assert_eq!(decode_reply(&buf, request), Ok(&[1, 2, 3, 4, 5, 6, 7, 8][..]));

    assert_eq!(decode_reply(&buf[..15], request), Err(ReplyError::Short { len: 15 }));
    let short = ReplyError::PayloadLen { size: 8, len: 7 };
    assert_eq!(decode_reply(&buf[..23], request), Err(short));
    let asked = vhost::GET_STATUS;
    let other = ReplyError::Request { asked, found: request.into() };
    assert_eq!(decode_reply(&buf, asked), Err(other));
    buf[8] = 1;
    assert_eq!(decode_reply(&buf, request), Err(ReplyError::Flags { flags: 1 }));

    let no_room = EncodeError::NoRoom { needed: 25, room: 24 };
    assert_eq!(encode_reply(&mut buf, request, &[0; 9]), Err(no_room));
    let long = EncodeError::PayloadTooLong { len: 1025 };
    assert_eq!(encode_reply(&mut buf, request, &[0; 1025]), Err(long));
}
