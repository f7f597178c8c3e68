//! #1/A: messages in the CONFIG region, byte by byte.

use std::os::fd::OwnedFd;

use libc::{EAGAIN, EBUSY, EFAULT, EINVAL, ENOBUFS, ENOTTY, EPERM};
use vhost_accel_emulator::EmulatedKernel;
use vhost_accel_uapi::message::{NEED_REPLY, SET_STATE};
use vhost_accel_uapi::vhost;

use crate::common::*;
use crate::rings::{self, Rings};

fn with_device(case: impl FnOnce(&OwnedFd) + Send) {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel.run(|| case(&Vfio::open(&kernel).device)).unwrap();
}

fn message(request: u32, flags: u32, size: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u64::from(request).to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(payload);
    bytes
}

fn set(request: u32, payload: &[u8]) -> Vec<u8> {
    message(request, 0, payload.len() as u32, payload)
}

fn ask(request: u32, payload: &[u8]) -> Vec<u8> {
    message(request, NEED_REPLY, payload.len() as u32, payload)
}

fn write(fd: &OwnedFd, bytes: &[u8]) -> Result<i64, i32> {
    pwrite(fd, bytes, 0)
}

/// Writes a get, reads the reply, and checks its header.
fn reply(fd: &OwnedFd, request: u32, payload: &[u8]) -> Vec<u8> {
    let asked = ask(request, payload);
    assert_eq!(write(fd, &asked), Ok(asked.len() as i64));
    let mut bytes = vec![0xaa; asked.len()];
    assert_eq!(pread(fd, &mut bytes, 0), Ok(asked.len() as i64));
    assert_eq!(bytes[..16], message(request, 0, payload.len() as u32, &[])[..]);
    bytes[16..].to_vec()
}

fn state(index: u32, num: u32) -> Vec<u8> {
    [index.to_le_bytes(), num.to_le_bytes()].concat()
}

// ABI-MSG-20, ABI-MSG-24, ABI-MSG-25, ABI-MSG-26, ABI-MSG-27
#[test]
fn gets_and_sets() {
    with_device(|fd| {
        let offered =
            u64::from_le_bytes(reply(fd, vhost::GET_FEATURES, &[0; 8]).try_into().unwrap());
        assert_ne!(offered & 1 << 26, 0, "the dirty log");
        assert_eq!(reply(fd, vhost::GET_DEVICE_ID, &[0; 4]), [1, 0, 0, 0]);
        assert_eq!(reply(fd, vhost::GET_VRING_NUM, &[0; 2]), 1024_u16.to_le_bytes());
        assert_eq!(reply(fd, vhost::GET_VQS_COUNT, &[0; 4]), [3, 0, 0, 0]);
        assert_eq!(reply(fd, vhost::GET_CONFIG_SIZE, &[0; 4]), [12, 0, 0, 0]);
        assert_eq!(reply(fd, vhost::GET_BACKEND_FEATURES, &[0; 8])[0], 0x30);
        assert_eq!(write(fd, &set(vhost::SET_VRING_NUM, &state(0, 16))), Err(EPERM));
        assert_eq!(write(fd, &set(vhost::SET_OWNER, &[])), Ok(16));
        assert_eq!(write(fd, &set(vhost::SET_OWNER, &[])), Err(EBUSY));
        assert_eq!(write(fd, &set(vhost::SET_VRING_BASE, &state(1, 77))), Ok(24));
        assert_eq!(reply(fd, vhost::GET_VRING_BASE, &state(1, 0)), state(1, 77));
        assert_eq!(write(fd, &set(vhost::SET_STATUS, &[1])), Ok(17));
        assert_eq!(reply(fd, vhost::GET_STATUS, &[0]), [1]);
        // Config space: off, len, and as many bytes.
        let asked = [state(6, 2), vec![0xcc; 2]].concat();
        assert_eq!(reply(fd, vhost::GET_CONFIG, &asked), [state(6, 2), vec![1, 0]].concat());
        let mac = [state(0, 6), vec![2, 0, 0, 0, 0, 9]].concat();
        assert_eq!(write(fd, &set(vhost::SET_CONFIG, &mac)), Ok(30));
        assert_eq!(reply(fd, vhost::GET_CONFIG, &[state(0, 6), vec![0; 6]].concat()), mac);
        assert_eq!(write(fd, &set(vhost::RESET_OWNER, &[])), Ok(16));
        assert_eq!(reply(fd, vhost::GET_STATUS, &[0]), [0]);
    });
}

// ABI-MSG-3, ABI-MSG-4, ABI-MSG-5, ABI-MSG-6, ABI-MSG-7, ABI-MSG-8, ABI-MSG-10, ABI-MSG-11,
// ABI-MSG-14, ABI-MSG-15, ABI-MSG-28
#[test]
fn malformed_writes_do_nothing() {
    with_device(|fd| {
        let owner = set(vhost::SET_OWNER, &[]);
        assert_eq!(pwrite(fd, &owner, 1), Err(EINVAL), "offset");
        assert_eq!(pwrite(fd, &owner, 0x100_0000), Err(EINVAL), "behind the region");
        for len in 0..16 {
            assert_eq!(write(fd, &owner[..len]), Err(EINVAL), "{len} bytes");
        }
        assert_eq!(write(fd, &message(vhost::SET_OWNER, 2, 0, &[])), Err(EINVAL), "flags");
        assert_eq!(write(fd, &message(vhost::SET_STATUS, 0, 1, &[])), Err(EINVAL), "no payload");
        assert_eq!(write(fd, &set(vhost::SET_STATUS, &[1, 0])), Err(EINVAL), "payload");
        assert_eq!(write(fd, &set(vhost::SET_CONFIG, &[0; 1025])), Err(EINVAL), "too long");
        assert_eq!(write(fd, &vec![0; 65537]), Err(EINVAL), "over max_batch");
        for request in [
            vhost::SET_MEM_TABLE,
            vhost::SET_VRING_KICK,
            vhost::SET_VRING_CALL,
            vhost::SET_VRING_ERR,
            vhost::SET_CONFIG_CALL,
            vhost::SET_LOG_FD,
            vhost::GET_IOVA_RANGE,
            vhost::GET_AS_NUM,
            0,
            0x1234,
        ] {
            assert_eq!(write(fd, &set(request, &[0; 8])), Err(ENOTTY), "{request:#x}");
        }
        // An ioctl number is 32 bits; a request that isn't is no request.
        let mut high = owner.clone();
        high[4] = 1;
        assert_eq!(write(fd, &high), Err(ENOTTY));
        assert_eq!(write(fd, &set(vhost::GET_STATUS, &[0])), Err(EINVAL), "a get unasked for");
        assert_eq!(write(fd, &ask(vhost::SET_OWNER, &[])), Err(EINVAL), "a set with a reply");
        assert_eq!(write_at(fd, NOWHERE, 16), Err(EFAULT));
        assert_eq!(write(fd, &owner), Ok(16), "none of that took effect");
    });
}

// ABI-MSG-12, ABI-SETUP-10
#[test]
fn handlers_fail_with_their_own_errno() {
    with_device(|fd| {
        assert_eq!(write(fd, &set(vhost::SET_OWNER, &[])), Ok(16));
        assert_eq!(write(fd, &set(vhost::SET_VRING_NUM, &state(3, 16))), Err(ENOBUFS));
        assert_eq!(write(fd, &set(vhost::SET_VRING_NUM, &state(0, 3))), Err(EINVAL));
        assert_eq!(write(fd, &ask(vhost::GET_VRING_BASE, &state(9, 0))), Err(ENOBUFS));
        assert_eq!(pread(fd, &mut [0; 24], 0), Err(EAGAIN), "a failed get has no reply");
        let features = 1_u64 << 50;
        let refused = write(fd, &set(vhost::SET_FEATURES, &features.to_le_bytes()));
        assert_eq!(refused, Err(libc::EOPNOTSUPP));
    });
}

// ABI-MSG-17, ABI-MSG-18, ABI-MSG-19
#[test]
fn replies() {
    with_device(|fd| {
        assert_eq!(pread(fd, &mut [0; 24], 0), Err(EAGAIN), "nothing was asked");
        assert_eq!(write(fd, &ask(vhost::GET_STATUS, &[0])), Ok(17));
        for len in [0, 1, 16, 18, 1000] {
            assert_eq!(pread(fd, &mut vec![0; len], 0), Err(EINVAL), "{len} bytes");
        }
        assert_eq!(pread(fd, &mut [0; 17], 1), Err(EINVAL), "offset");
        assert_eq!(pread(fd, &mut [0; 17], 0), Ok(17), "it stayed");
        assert_eq!(pread(fd, &mut [0; 17], 0), Err(EAGAIN), "once");
        // A new get replaces one that nobody read.
        assert_eq!(write(fd, &ask(vhost::GET_STATUS, &[0])), Ok(17));
        assert_eq!(reply(fd, vhost::GET_DEVICE_ID, &[0; 4]), [1, 0, 0, 0]);
        assert_eq!(pread(fd, &mut [0; 17], 0), Err(EAGAIN));
        // A set leaves it.
        assert_eq!(write(fd, &ask(vhost::GET_STATUS, &[0])), Ok(17));
        assert_eq!(write(fd, &set(vhost::SET_OWNER, &[])), Ok(16));
        assert_eq!(pread(fd, &mut [0; 17], 0), Ok(17));
    });
}

// ABI-MSG-13, ABI-MSG-16, ABI-MSG-21, ABI-MSG-22
#[test]
fn batches() {
    with_device(|fd| {
        let batch = [
            set(vhost::SET_OWNER, &[]),
            set(vhost::SET_VRING_BASE, &state(0, 5)),
            set(vhost::SET_VRING_BASE, &state(1, 6)),
            ask(vhost::GET_VRING_BASE, &state(1, 0)),
        ]
        .concat();
        assert_eq!(write(fd, &batch), Ok(batch.len() as i64));
        let mut bytes = [0; 24];
        assert_eq!(pread(fd, &mut bytes, 0), Ok(24));
        assert_eq!(bytes[16..], state(1, 6));
        // The third fails: those before it are done, and the rest alone says why.
        let good = set(vhost::SET_VRING_BASE, &state(0, 11));
        let bad = set(vhost::SET_VRING_BASE, &state(7, 0));
        let batch = [&good[..], &good[..], &bad[..], &good[..]].concat();
        assert_eq!(write(fd, &batch), Ok(48));
        assert_eq!(reply(fd, vhost::GET_VRING_BASE, &state(0, 0)), state(0, 11));
        assert_eq!(write(fd, &batch[48..]), Err(ENOBUFS));
        // The same where the third is malformed, or an unknown request.
        let batch = [&good[..], &good[..], &good[..20]].concat();
        assert_eq!(write(fd, &batch), Ok(48));
        assert_eq!(write(fd, &batch[48..]), Err(EINVAL));
        let batch = [&good[..], &set(1, &[])[..]].concat();
        assert_eq!(write(fd, &batch), Ok(24));
        assert_eq!(write(fd, &batch[24..]), Err(ENOTTY));
        // A get that is not the last message.
        let batch = [ask(vhost::GET_STATUS, &[0]), good].concat();
        assert_eq!(write(fd, &batch), Err(EINVAL));
        assert_eq!(pread(fd, &mut [0; 17], 0), Err(EAGAIN));
    });
}

// ABI-MSG-29, ABI-MSG-30, ABI-MSG-31
#[test]
fn a_whole_device_is_set_up_by_one_write_and_started_as_in_rfc_v2() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel
        .run(|| {
            let vfio = Vfio::open(&kernel);
            let fd = &vfio.device;
            let mut rings = Rings::new();
            let map = &mut vhost_accel_uapi::vfio::DmaMap {
                argsz: 32,
                flags: 3,
                vaddr: rings.memory.host(),
                iova: rings::IOVA,
                size: rings::LEN,
            };
            let map = ioctl(&vfio.container, vhost_accel_uapi::vfio::IOMMU_MAP_DMA, map);
            assert_eq!(map, Ok(0));
            let mut batch = [
                set(vhost::SET_OWNER, &[]),
                set(vhost::SET_STATUS, &[3]),
                set(vhost::SET_FEATURES, &rings::FEATURES.to_le_bytes()),
            ]
            .concat();
            for queue in 0..2 {
                let addr = Rings::addr(queue);
                let words = [addr.desc, addr.used, addr.avail, addr.log];
                let mut payload = state(queue, 0);
                payload.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                batch.extend(set(vhost::SET_VRING_NUM, &state(queue, rings::SIZE)));
                batch.extend(set(vhost::SET_VRING_ADDR, &payload));
            }
            assert_eq!(write(fd, &batch), Ok(batch.len() as i64));
            for bad in [2_u64, u64::MAX] {
                assert_eq!(write(fd, &set(SET_STATE, &bad.to_le_bytes())), Err(EINVAL));
            }
            assert_eq!(write(fd, &set(SET_STATE, &1_u64.to_le_bytes())), Ok(24));
            assert_eq!(reply(fd, vhost::GET_STATUS, &[0]), [15]);
            rings.loop_one("region write", || {
                assert_eq!(pwrite(fd, &1_i32.to_le_bytes(), 1 << 40), Ok(4));
            });
            assert_eq!(write(fd, &set(SET_STATE, &0_u64.to_le_bytes())), Ok(24));
            assert_eq!(reply(fd, vhost::GET_STATUS, &[0]), [0]);
            assert_eq!(reply(fd, vhost::GET_VRING_BASE, &state(1, 0)), state(1, 1), "kept");
        })
        .unwrap();
}
