//! The guest: a few dozen instructions of 16 bits that drive two virtqueues.

use std::iter;

/// The guest's memory, from address 0 on.
pub(crate) const MEMORY: usize = 0x1_0000;
/// Where the guest notifies the device, behind its memory: a page of its own.
pub(crate) const NOTIFY: u64 = 0x2_0000;
/// Each vring's size, and how many frames the guest sends one after another.
pub(crate) const FRAMES: u16 = 8;

/// The kicks for nothing, of which the exits are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kicks {
    pub(crate) times: u32,
    /// What the guest does before each: counts to so many thousands.
    pub(crate) pause: u16,
}

/// One after another: a doorbell stays hot.
pub(crate) const OFTEN: Kicks = Kicks { times: 10_000, pause: 0 };
/// The pin of the interrupt controller that the device's call arrives at.
pub(crate) const LINE: u32 = 5;
/// The port whose write tells the VMM that the guest has got somewhere.
pub(crate) const PORT: u16 = 0xf4;

/// Where its memory has what.
pub(crate) const START: u64 = 0x1000;
const HANDLER: usize = 0x1800;
/// The interrupts that it has taken, and the frames that it has received.
pub(crate) const CALLS: usize = 0x1c00;
const RECEIVED: usize = 0x1c02;
pub(crate) const STACK: u64 = 0x2000;
pub(crate) const RINGS: [usize; 2] = [0x3000, 0x5000];
pub(crate) const RECEIVE: usize = 0x7000;
pub(crate) const TRANSMIT: usize = 0xb000;
/// Bytes between two buffers.
pub(crate) const BUFFER: usize = 0x800;

/// The vector that the guest gives the interrupt of [`LINE`].
const VECTOR: usize = 0x20 + LINE as usize;

/// What is in the guest's memory when it starts, as (address, bytes). `avail` is where the transmit
/// ring has its available index, `used` where the receive ring has its used index.
pub(crate) fn image(avail: u16, used: u16, kicks: Kicks) -> [(usize, Vec<u8>); 3] {
    let [al, ah] = avail.to_le_bytes();
    let [ul, uh] = used.to_le_bytes();
    let [rl, rh] = (RECEIVED as u16).to_le_bytes();
    let [cl, ch] = (CALLS as u16).to_le_bytes();
    let [k0, k1, k2, k3] = kicks.times.to_le_bytes();
    let [p0, p1] = kicks.pause.to_le_bytes();
    let port = PORT as u8;
    // The store that notifies the device of vring 1. ES begins at NOTIFY.
    let kick = [0x26, 0xc7, 0x06, 0, 0, 1, 0]; // mov word [es:0], 1

    // The interrupt controller: vectors from 0x20 on, and all lines but one masked.
    let pic = [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, !(1 << LINE))];
    let mut code: Vec<u8> = pic
        .into_iter()
        .flat_map(|(port, value): (u8, u8)| [0xb0, value, 0xe6, port]) // mov al, value; out port, al
        .collect();

    code.extend([0xb9, FRAMES as u8, 0]); // mov cx, FRAMES
    let send = code.len();
    code.extend([0xff, 0x06, al, ah]); // inc word [avail]: the VMM has laid the rings out
    code.extend(kick);
    let wait = code.len();
    code.push(0xfa); // cli
    code.extend([0xa1, ul, uh]); // mov ax, [used]
    code.extend([0x3b, 0x06, rl, rh]); // cmp ax, [RECEIVED]
    code.extend([0x75, 4]); // jne behind the wait
    code.extend([0xfb, 0xf4]); // sti; hlt
    let [wl, wh] = (START as u16 + code.len() as u16 - 1).to_le_bytes();
    code.extend(jump(0xeb, code.len(), wait)); // jmp wait
    code.push(0xfb); // sti
    code.extend([0xff, 0x06, rl, rh]); // inc word [RECEIVED]
    code.extend(jump(0xe2, code.len(), send)); // loop send

    code.extend([0xe6, port]); // out PORT, al: the VMM looks at the counters
    code.extend([0x66, 0xb9, k0, k1, k2, k3]); // mov ecx, kicks.times
    let storm = code.len();
    if kicks.pause > 0 {
        code.extend([0xba, p0, p1]); // mov dx, kicks.pause
        code.extend([0xbb, 0xe8, 0x03]); // mov bx, 1000
        code.extend([0x4b, 0x75, 0xfd]); // dec bx; jnz there
        code.extend([0x4a, 0x75, 0xf7]); // dec dx; jnz to mov bx
    }
    code.extend(kick);
    code.extend([0x66, 0x49]); // dec ecx
    code.extend(jump(0x75, code.len(), storm)); // jnz storm
    code.extend([0xe6, port]); // out PORT, al: and again
    code.push(0xf4); // hlt

    // No interrupt comes between an sti and what follows it, so that none is missed by the hlt. A
    // CPU that is emulated may not know that: then the hlt is skipped.
    let handler = vec![
        0x50, 0x55, 0x89, 0xe5, // push ax; push bp; mov bp, sp
        0x81, 0x7e, 4, wl,
        wh, // cmp word [bp + 4], the hlt's address: where the handler returns to
        0x75, 3, // jne behind the inc
        0xff, 0x46, 4, // inc word [bp + 4]
        0xff, 0x06, cl, ch, // inc word [CALLS]
        0xb0, 0x20, 0xe6, 0x20, // mov al, 0x20; out 0x20, al: the end of the interrupt
        0x5d, 0x58, 0xcf, // pop bp; pop ax; iret
    ];
    let [hl, hh] = (HANDLER as u16).to_le_bytes();
    [(START as usize, code), (HANDLER, handler), (4 * VECTOR, vec![hl, hh, 0, 0])]
}

/// A jump with a displacement of eight bits, from the instruction at `from`.
fn jump(opcode: u8, from: usize, to: usize) -> impl Iterator<Item = u8> {
    let displacement = to as isize - (from as isize + 2);
    iter::once(opcode).chain(iter::once(displacement as u8))
}
