//! What reaches the device, message by message, in both dialects.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use vhost_accel_vhost_ioctls::core::Iova;
use vhost_accel_vhost_ioctls::uapi::message::{Accepts, encode_reply, messages};
use zerocopy::IntoBytes;

use super::*;
use crate::port::tests::Recorder;

fn control(dialect: Dialect, batches: bool) -> Messages<Recorder> {
    Messages {
        doorbells: None,
        notify: Some(1 << 40),
        offered: Features::VERSION_1,
        held: Held::new(3),
        dialect,
        batches,
        buffer: vec![0; VRING_LEN],
        max_write: 3 * VRING_LEN,
        port: Recorder::default(),
    }
}

const POSTED: Dialect = Dialect::Posted(Status::empty());

fn vring<'fd>(queue: u16, call: Option<&'fd File>) -> Vring<'fd> {
    let at = u64::from(queue) << 20;
    let (desc, avail, used) = (Iova(at), Iova(at + 0x1000), Iova(at + 0x2000));
    Vring::new(QueueIndex(queue), 256, desc, avail, used).with_call(call.map(File::as_fd))
}

/// The messages of each write: request and payload.
fn written(control: &Messages<Recorder>) -> Vec<Vec<(u32, Vec<u8>)>> {
    let writes = control.port.take_writes();
    let decode = |write: &Vec<u8>| {
        let messages = messages(write, 0, Accepts::ALL).unwrap();
        messages.map(Result::unwrap).map(|one| (one.request, one.payload.to_vec())).collect()
    };
    writes.iter().map(decode).collect()
}

fn state(request: u32, index: u32, num: u32) -> (u32, Vec<u8>) {
    (request, VringState { index, num }.as_bytes().to_vec())
}

fn addr(queue: u16) -> (u32, Vec<u8>) {
    (vhost::SET_VRING_ADDR, vring_addr(&vring(queue, None)).as_bytes().to_vec())
}

fn reply(request: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN + payload.len()];
    encode_reply(&mut bytes, request, payload).unwrap();
    bytes
}

#[test]
fn vrings_are_one_write_and_one_change_of_interrupts() {
    let mut control = control(Dialect::Status, true);
    let null = File::open("/dev/null").unwrap();
    control.setup_vrings(&[vring(0, Some(&null)), vring(2, Some(&null))]).unwrap();
    let expected = [
        state(vhost::SET_VRING_NUM, 0, 256),
        addr(0),
        state(vhost::SET_VRING_ENABLE, 0, 1),
        state(vhost::SET_VRING_NUM, 2, 256),
        addr(2),
        state(vhost::SET_VRING_ENABLE, 2, 1),
    ];
    assert_eq!(written(&control), [expected]);
    let fd = null.as_raw_fd();
    assert_eq!(control.port.take_irqs(), [(0, 0, vec![fd, -1, fd])]);

    // Again: they may have run, so that a base of 0 says something; one is to be polled now.
    let polled = vring(2, None).disabled();
    control.setup_vrings(&[polled]).unwrap();
    let expected = [
        state(vhost::SET_VRING_NUM, 2, 256),
        state(vhost::SET_VRING_BASE, 2, 0),
        addr(2),
        state(vhost::SET_VRING_ENABLE, 2, 0),
    ];
    assert_eq!(written(&control), [expected]);
    assert_eq!(control.port.take_irqs(), [(0, 2, vec![-1])]);

    // A reset takes all that back: nothing is left to be overwritten.
    control.reset().unwrap();
    assert_eq!(written(&control), [[(vhost::SET_STATUS, vec![0])]]);
    control.setup_vrings(&[polled]).unwrap();
    assert_eq!(written(&control), [[state(vhost::SET_VRING_NUM, 2, 256), addr(2)]]);
    assert_eq!(control.port.take_irqs(), []);
}

#[test]
fn a_vring_at_fault_is_named_and_gets_no_interrupt() {
    let mut control = control(Dialect::Status, true);
    let null = File::open("/dev/null").unwrap();
    // The first vring and the size of the second are carried out.
    let first = 2 * (HEADER_LEN + 8) + HEADER_LEN + 40;
    control.port.answer([Ok(first + HEADER_LEN + 8), Err(libc::EINVAL)]);
    let failure =
        control.setup_vrings(&[vring(0, Some(&null)), vring(1, Some(&null))]).unwrap_err();
    assert_eq!(failure.step, Some(Operation::SetVringAddr));
    assert_eq!(failure.queue, Some(QueueIndex(1)));
    assert_eq!(control.port.take_irqs(), []);
}

#[test]
fn negotiation_is_one_write_and_one_read() {
    let mut control = control(Dialect::Status, true);
    control.port.reply(&reply(vhost::GET_STATUS, &[11]));
    let status = control.negotiate(Features::VERSION_1).unwrap();
    assert_eq!(status.bits(), 11);
    let expected = [
        (vhost::SET_STATUS, vec![3]),
        (vhost::SET_FEATURES, (1u64 << 32).as_bytes().to_vec()),
        (vhost::SET_STATUS, vec![11]),
        (vhost::GET_STATUS, vec![0]),
    ];
    assert_eq!(written(&control), [expected.to_vec()]);
}

#[test]
fn rfc_v2_has_no_status_and_says_it_otherwise() {
    let mut control = control(POSTED, false);
    let settled = control.negotiate(Features::VERSION_1).unwrap();
    assert_eq!(settled.bits(), 11);
    let features = (vhost::SET_FEATURES, (1u64 << 32).as_bytes().to_vec());
    assert_eq!(written(&control), [[features]]);

    control.setup_vrings(&[vring(1, None)]).unwrap();
    let expected = [vec![state(vhost::SET_VRING_NUM, 1, 256)], vec![addr(1)]];
    assert_eq!(written(&control), expected);

    let running = settled | Status::DRIVER_OK;
    control.set_status(running).unwrap();
    assert_eq!(written(&control), [[(SET_STATE, 1u64.as_bytes().to_vec())]]);
    assert_eq!(control.status().unwrap(), running);
    assert_eq!(written(&control).len(), 0);

    control.reset().unwrap();
    assert_eq!((control.port.resets(), written(&control).len()), (1, 0));
    assert_eq!(control.status().unwrap(), Status::empty());
}

#[test]
fn rfc_v2_cannot_leave_a_vring_disabled() {
    let mut control = control(POSTED, false);
    let waiting = vring(2, None).disabled();
    let failure = control.setup_vrings(&[vring(0, None), waiting]).unwrap_err();
    assert_eq!(failure.queue, Some(QueueIndex(2)));
    let lacks = Capabilities::VIRTIO_STATUS;
    assert!(matches!(failure.reason, Reason::Unsupported(missing) if missing == lacks));
    assert_eq!(written(&control).len(), 0, "nothing was sent for either");
    let error = control.enable_vring(QueueIndex(0), false).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
}

#[test]
fn interrupts_have_an_index_for_each_purpose() {
    let mut control = control(Dialect::Status, true);
    let null = File::open("/dev/null").unwrap();
    let fd = null.as_raw_fd();
    control.set_call(QueueIndex(2), Some(null.as_fd())).unwrap();
    control.set_error(QueueIndex(1), Some(null.as_fd())).unwrap();
    control.set_config_call(Some(null.as_fd())).unwrap();
    control.set_call(QueueIndex(2), None).unwrap();
    let expected = [(0, 2, vec![fd]), (1, 1, vec![fd]), (2, 0, vec![fd]), (0, 2, vec![-1])];
    assert_eq!(control.port.take_irqs(), expected);
}

#[test]
fn config_space_over_a_message_is_several() {
    let mut control = control(Dialect::Status, true);
    control.write_config(4, &vec![9; MAX_CONFIG + 1]).unwrap();
    let writes = written(&control);
    let heads: Vec<_> = writes.iter().map(|write| write[0].1[..8].to_vec()).collect();
    let most = MAX_CONFIG as u32;
    assert_eq!(heads[0], [4u32.to_ne_bytes(), most.to_ne_bytes()].concat());
    assert_eq!(heads[1], [(4 + most).to_ne_bytes(), 1u32.to_ne_bytes()].concat());
    assert_eq!(heads.len(), 2);
}

#[test]
fn the_base_is_all_that_the_kernel_says() {
    let control = control(Dialect::Status, true);
    let state = VringState { index: 1, num: 0xbeef_1234 };
    control.port.reply(&reply(vhost::GET_VRING_BASE, state.as_bytes()));
    assert_eq!(control.vring_base(QueueIndex(1)).unwrap().raw(), 0xbeef_1234);
}
