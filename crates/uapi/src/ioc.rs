//! ioctl numbers: direction, type, number and argument size in 32 bits.
//!
//! The layout of `<asm-generic/ioctl.h>`: 8 bits number, 8 bits type, 14 bits size, 2 bits
//! direction. The functions are `const`, so that a request can be a `match` pattern.

/// No argument, or one whose direction the number doesn't say (all of VFIO): `_IOC_NONE`.
pub const NONE: u32 = 0;
/// Userspace writes the argument, the kernel reads it: `_IOC_WRITE`.
pub const WRITE: u32 = 1;
/// The kernel writes the argument, userspace reads it: `_IOC_READ`.
pub const READ: u32 = 2;

const TYPE_SHIFT: u32 = 8;
const SIZE_SHIFT: u32 = 16;
const DIR_SHIFT: u32 = 30;
const SIZE_MAX: usize = (1 << 14) - 1;

/// `_IOC(dir, ty, nr, size)`.
///
/// # Panics
/// If `dir` is over 3 or `size` over 16383 bytes; while compiling, where the number is a constant.
pub const fn encode(dir: u32, ty: u8, nr: u8, size: usize) -> u32 {
    assert!(dir <= (READ | WRITE), "two bits of direction");
    assert!(size <= SIZE_MAX, "fourteen bits of size");
    (dir << DIR_SHIFT) | ((size as u32) << SIZE_SHIFT) | ((ty as u32) << TYPE_SHIFT) | nr as u32
}

/// `_IO(ty, nr)`: no argument.
pub const fn io(ty: u8, nr: u8) -> u32 {
    encode(NONE, ty, nr, 0)
}

/// `_IOR(ty, nr, T)`: the kernel fills a `T`.
pub const fn ior<T>(ty: u8, nr: u8) -> u32 {
    encode(READ, ty, nr, size_of::<T>())
}

/// `_IOW(ty, nr, T)`: the kernel reads a `T`.
pub const fn iow<T>(ty: u8, nr: u8) -> u32 {
    encode(WRITE, ty, nr, size_of::<T>())
}

/// `_IOWR(ty, nr, T)`: the kernel reads a `T` and writes it back.
pub const fn iowr<T>(ty: u8, nr: u8) -> u32 {
    encode(READ | WRITE, ty, nr, size_of::<T>())
}

/// `_IOC_DIR`: [`NONE`], or [`READ`] and [`WRITE`] bits.
pub const fn dir(request: u32) -> u32 {
    request >> DIR_SHIFT
}

/// `_IOC_SIZE`: the argument's size in bytes.
pub const fn size(request: u32) -> usize {
    (request >> SIZE_SHIFT) as usize & SIZE_MAX
}

/// `_IOC_TYPE`: the driver's letter, 0xAF for vhost and `;` for VFIO.
pub const fn ty(request: u32) -> u8 {
    (request >> TYPE_SHIFT) as u8
}

/// `_IOC_NR`: the request within its type.
pub const fn nr(request: u32) -> u8 {
    request as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_out_of_a_number() {
        let request = encode(READ | WRITE, 0xaf, 0x7b, 8);
        assert_eq!(request, 0xc008_af7b);
        assert_eq!(
            (dir(request), ty(request), nr(request), size(request)),
            (READ | WRITE, 0xaf, 0x7b, 8)
        );
        assert_eq!(size(encode(NONE, 0xff, 0xff, SIZE_MAX)), SIZE_MAX);
        assert_eq!(dir(encode(NONE, 0xff, 0xff, SIZE_MAX)), NONE);
    }

    #[test]
    #[should_panic(expected = "fourteen bits of size")]
    fn a_size_that_does_not_fit_is_refused() {
        encode(WRITE, 0, 0, SIZE_MAX + 1);
    }
}
