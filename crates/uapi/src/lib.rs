//! The kernel ABI of the four interfaces: structures, ioctl numbers, the vfio-vhost message codec,
//! and one function for each system call.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ioc`] | how an ioctl number is put together, and taken apart |
//! | [`vhost`] | type 0xAF requests and structures: `<linux/vhost.h>`, `<linux/vhost_types.h>` |
//! | [`mem_table`] | the argument of `VHOST_SET_MEM_TABLE` |
//! | [`vfio`] | the part of `<linux/vfio.h>` in use, and what the vfio-vhost device adds to it |
//! | [`caps`] | the capabilities behind a VFIO information structure |
//! | [`mdev`] | the DMA requests that `/dev/vhost-mdev-N` adds |
//! | [`message`] | the messages of interface #1/A |
//! | [`call`] | the system calls, typed; the only module with unsafe code |
//!
//! `docs/abi.md` says what each request does. Names are Rust's; the C name stands in each item's
//! documentation. A test compiles a C program against the kernel's headers and compares every size,
//! offset and number with what is here.
//!
//! Structures have no padding but what they name, and derive `zerocopy`'s traits: either side of
//! the system call reads and writes them as bytes without unsafe code.

pub mod call;
pub mod caps;
pub mod ioc;
pub mod mdev;
pub mod mem_table;
pub mod message;
pub mod vfio;
pub mod vhost;
