//! The codec, for any messages and any bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use vhost_accel_uapi::caps::Caps;
use vhost_accel_uapi::message::{
    Accepts, Encoder, HEADER_LEN, MAX_BATCH, MAX_PAYLOAD, SET_STATE, decode_reply, encode_reply,
    is_get, messages,
};
use vhost_accel_uapi::{ioc, vhost};

type Owned = (u32, Vec<u8>);

const SETS: &[u32] = &[
    vhost::SET_FEATURES,
    vhost::SET_OWNER,
    vhost::SET_VRING_NUM,
    vhost::SET_VRING_ADDR,
    vhost::SET_VRING_BASE,
    vhost::SET_STATUS,
    vhost::SET_CONFIG,
    vhost::SET_VRING_ENABLE,
    vhost::SUSPEND,
    SET_STATE,
];

const GETS: &[u32] = &[
    vhost::GET_FEATURES,
    vhost::GET_VRING_BASE,
    vhost::GET_DEVICE_ID,
    vhost::GET_STATUS,
    vhost::GET_CONFIG,
    vhost::GET_VRING_NUM,
    vhost::GET_VRING_SIZE,
];

/// One of the requests, with a payload that it takes.
fn message(requests: &'static [u32]) -> impl Strategy<Value = Owned> {
    (select(requests), vec(any::<u8>(), 0..=MAX_PAYLOAD - 8)).prop_map(|(request, mut bytes)| {
        if let vhost::GET_CONFIG | vhost::SET_CONFIG = request {
            let len = bytes.len() as u32;
            bytes.splice(0..0, [3u32.to_le_bytes(), len.to_le_bytes()].concat());
        } else {
            bytes.resize(ioc::size(request), 0);
        }
        (request, bytes)
    })
}

/// Messages, the last of which may be a get.
fn batch() -> impl Strategy<Value = Vec<Owned>> {
    (vec(message(SETS), 0..8), proptest::option::of(message(GETS))).prop_map(|(mut sets, get)| {
        sets.extend(get);
        sets
    })
}

/// The bytes of messages, sets and gets in any order, of which some were overwritten, headers more
/// often than the rest, and the end was cut off.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = proptest::option::of((any::<bool>(), any::<usize>(), any::<u8>()));
    let one = (prop_oneof![3 => message(SETS), 1 => message(GETS)], damage);
    (vec(one, 0..6), 0..40usize).prop_map(|(parts, cut)| {
        let mut bytes = Vec::new();
        for ((request, payload), damage) in parts {
            let start = bytes.len();
            bytes.extend(u64::from(request).to_le_bytes());
            bytes.extend(u32::from(is_get(request)).to_le_bytes());
            bytes.extend((payload.len() as u32).to_le_bytes());
            bytes.extend(payload);
            if let Some((in_header, at, value)) = damage {
                let len = if in_header { HEADER_LEN } else { bytes.len() - start };
                bytes[start + at % len] = value;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(20)));
        bytes
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => damaged(), 1 => vec(any::<u8>(), 0..64)]
}

fn accepts() -> impl Strategy<Value = Accepts> {
    let max = proptest::option::of(prop_oneof![Just(MAX_BATCH), 0..2000u32]);
    (any::<bool>(), max).prop_map(|(status, max_batch)| Accepts { status, max_batch })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_encoded_is_decoded(batch in batch()) {
        let mut buf = vec![0; MAX_BATCH as usize];
        let mut encoder = Encoder::new(&mut buf);
        for (request, payload) in &batch {
            encoder.push(*request, &payload[..]).unwrap();
        }
        prop_assume!(!encoder.is_empty());
        let decoded = messages(encoder.as_bytes(), 0, Accepts::ALL).unwrap();
        let decoded: Vec<Owned> = decoded
            .map(|message| message.unwrap())
            .map(|message| (message.request, message.payload.to_vec()))
            .collect();
        prop_assert_eq!(decoded, batch);
    }

    #[test]
    fn what_is_decoded_is_what_was_written(write in any_bytes(), accepts in accepts()) {
        let Ok(messages) = messages(&write, 0, accepts) else { return Ok(()) };
        let mut buf = vec![0; write.len()];
        let mut encoder = Encoder::new(&mut buf);
        let mut mistakes = 0;
        for message in messages {
            match message {
                Ok(message) => {
                    prop_assert_eq!(mistakes, 0, "a message after a mistake");
                    // The payload is the write's own bytes, where this message stands.
                    let at = encoder.len() + HEADER_LEN;
                    prop_assert_eq!(message.payload.as_ptr(), write[at..].as_ptr());
                    encoder.push(message.request, message.payload).unwrap();
                }
                Err(_) => mistakes += 1,
            }
        }
        prop_assert!(mistakes <= 1);
        prop_assert_eq!(encoder.as_bytes(), &write[..encoder.len()]);
        prop_assert_eq!(encoder.len() == write.len(), mistakes == 0);
    }

    #[test]
    fn a_reply_comes_back(request in any::<u32>(), payload in vec(any::<u8>(), 0..=MAX_PAYLOAD)) {
        let mut buf = vec![0; HEADER_LEN + MAX_PAYLOAD];
        let len = encode_reply(&mut buf, request, &payload).unwrap();
        prop_assert_eq!(len, HEADER_LEN + payload.len());
        prop_assert_eq!(decode_reply(&buf[..len], request), Ok(&payload[..]));
    }

    #[test]
    fn a_reply_is_all_of_the_bytes_or_none(bytes in any_bytes(), request in select(GETS)) {
        if let Ok(payload) = decode_reply(&bytes, request) {
            prop_assert_eq!(payload, &bytes[HEADER_LEN..]);
        }
    }

    #[test]
    fn any_capability_chain_ends(bytes in vec(0..32u8, 0..128), offset in 0..140u32) {
        let caps = Caps::new(&bytes, offset);
        let inside = caps.clone().all(|(_, rest)| bytes.ends_with(rest));
        prop_assert!(inside);
        prop_assert!(caps.clone().count() <= bytes.len());
        prop_assert!(caps.iova_ranges().count() <= bytes.len() / 16);
    }
}
