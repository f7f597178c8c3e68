//! The VMM: it gives a device to a guest, and is in the way of nothing.

use std::error::Error;
use std::io;

use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_userspace_memory_region};
use kvm_ioctls::{IoEventAddress, Kvm, VcpuExit};
use vhost_accel::{Features, Iova, Kick, KickKind, QueueIndex, borrow_event_fd};
use vhost_accel_driver::{Descriptor, HEADER, RawRing, Region};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::code::{
    BUFFER, CALLS, FRAMES, Kicks, LINE, MEMORY, NOTIFY, PORT, RECEIVE, RINGS, STACK, START,
    TRANSMIT, image,
};
use crate::exits::Exits;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a guest's run has shown.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The frames that came back, in order.
    pub(crate) frames: Vec<Vec<u8>>,
    /// The interrupts that the guest took.
    pub(crate) calls: u16,
    /// How often it left guest mode while it kicked for nothing: for the VMM never. What the host
    /// itself interrupts, a timer's tick for one, is in it. `None` where KVM has carried the
    /// kicks out in the guest's place, and there is no guest mode to leave.
    pub(crate) exits: Option<u64>,
}

/// The frame that the guest sends as number `index`.
pub(crate) fn frame(index: u16) -> Vec<u8> {
    format!("frame {index} of a guest that runs sixteen bits wide, in sixty bytes").into_bytes()
}

/// Runs the guest on the device that a URI names, which it kicks by a doorbell or an eventfd.
pub(crate) fn run(uri: &str, kind: KickKind, kicks: Kicks) -> Result<Ran> {
    // What the device and KVM use is declared before them, and so outlives them.
    let memory = Region::new(MEMORY)?;
    let rings = RINGS.map(|offset| RawRing::new(&memory, offset, FRAMES, Iova(0)));
    lay_out(&memory, &rings, kicks);
    let call = EventFd::new(EFD_NONBLOCK)?;

    // The device: the guest's addresses are IOVAs, its interrupt is the call of the receive vring.
    let mut device = vhost_accel::open(uri)?;
    // SAFETY: the region stays mapped until the device is closed, and hands out no references.
    unsafe { device.dma_map(&memory.at(Iova(0)).mapping())? };
    device.negotiate(Features::VERSION_1 | Features::ACCESS_PLATFORM)?;
    let receive = rings[0].vring(QueueIndex(0)).with_call(Some(borrow_event_fd(&call)));
    device.setup_vrings(&[receive, rings[1].vring(QueueIndex(1))])?;
    let kicker = device.kicker(QueueIndex(1), Kick::Kind(kind))?;
    device.start()?;

    // The guest. Its memory and, below, the doorbell are memory slots.
    let kvm = Kvm::new()?;
    let vm = kvm.create_vm()?;
    vm.create_irq_chip()?;
    let slot = |slot, guest_phys_addr, memory_size, host: u64| kvm_userspace_memory_region {
        slot,
        guest_phys_addr,
        memory_size,
        userspace_addr: host,
        flags: 0,
    };
    // SAFETY: the region stays mapped until the VM is dropped, and hands out no references.
    unsafe { vm.set_user_memory_region(slot(0, 0, MEMORY as u64, memory.host().0))? };
    vm.register_irqfd(&call, LINE)?;
    if let Some(bell) = kicker.as_doorbell() {
        // The guest's store is the doorbell's, without anybody in between.
        //
        // SAFETY: the page stays mapped while the kicker lives, which was made before the VM.
        unsafe { vm.set_user_memory_region(slot(1, NOTIFY, 4096, bell.address().0))? };
    } else if let Some(eventfd) = kicker.to_event_fd()? {
        // There is nothing: KVM takes the store and signals the eventfd, which it keeps.
        vm.register_ioevent(&eventfd, &IoEventAddress::Mmio(NOTIFY), 1u16)?;
    } else {
        return Err(format!("a guest can't kick by {kind}").into());
    }

    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_cpuid2(&kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)?)?;
    let mut sregs = vcpu.get_sregs()?;
    for segment in [&mut sregs.cs, &mut sregs.ds, &mut sregs.ss] {
        (segment.base, segment.selector) = (0, 0);
    }
    (sregs.es.base, sregs.es.selector) = (NOTIFY, (NOTIFY >> 4) as u16);
    vcpu.set_sregs(&sregs)?;
    let mut regs = vcpu.get_regs()?;
    (regs.rip, regs.rsp, regs.rflags) = (START, STACK, 2);
    vcpu.set_regs(&regs)?;

    let exits = Exits::of(&vcpu)?;
    let mut marks = Vec::new();
    while marks.len() < 2 {
        match vcpu.run() {
            Ok(VcpuExit::IoOut(PORT, _)) => marks.push(exits.counts()?),
            Ok(exit) => return Err(format!("the guest wants {exit:?}").into()),
            Err(error) if error.errno() == libc::EINTR || error.errno() == libc::EAGAIN => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }

    let frames = (0..rings[0].used_index())
        .map(|slot| {
            let used = rings[0].used(slot);
            let at = RECEIVE + BUFFER * used.id as usize;
            memory.bytes(at + HEADER, used.len as usize - HEADER)
        })
        .collect();
    let calls = u16::from_le_bytes([memory.bytes(CALLS, 2)[0], memory.bytes(CALLS, 2)[1]]);
    let emulated = marks[1].emulated - marks[0].emulated;
    // KVM carries out the one store of a kick by eventfd, and the loop around it if need be.
    let native = emulated <= u64::from(kicks.times) + 100;
    // The last exit is the one that says it is done.
    let exits = native.then(|| marks[1].exits - marks[0].exits - 1);
    Ok(Ran { frames, calls, exits })
}

/// The guest's code, its frames, and rings whose entries are all there: it makes them available by
/// counting the index up.
fn lay_out(memory: &std::sync::Arc<Region>, rings: &[RawRing; 2], kicks: Kicks) {
    for index in 0..FRAMES {
        let (receive, transmit) =
            (RECEIVE + BUFFER * usize::from(index), TRANSMIT + BUFFER * usize::from(index));
        let content = frame(index);
        memory.write(transmit + HEADER, &content);
        let at = |offset: usize| Iova(offset as u64);
        rings[0].set_desc(index, Descriptor::writable(at(receive), BUFFER as u32));
        let len = HEADER + content.len();
        rings[1].set_desc(index, Descriptor::readable(at(transmit), len as u32));
        rings.iter().for_each(|ring| ring.set_avail(index, index));
    }
    rings[0].set_avail_index(FRAMES);
    let index_at = |part: Iova| (part.0 + 2) as u16;
    for (at, bytes) in image(index_at(rings[1].avail_iova()), index_at(rings[0].used_iova()), kicks)
    {
        memory.write(at, &bytes);
    }
}
