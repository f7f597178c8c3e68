//! Backend of #1/A: vhost messages over VFIO device regions (RFC v2, 3 July 2019).
//!
//! | | how |
//! |---|---|
//! | control | messages written to the CONFIG region; what is asked for is read back from it |
//! | call, error, config change | VFIO_DEVICE_SET_IRQS |
//! | kick | a doorbell in the NOTIFY region, or a write to it |
//! | DMA | the VFIO container |
//!
//! Where the kernel half announces it, several messages go into one write: any number of vrings is
//! set up with one write and one VFIO_DEVICE_SET_IRQS. Without the announced extensions the backend
//! speaks RFC v2 as it was posted. Section 3 of `docs/abi.md` is the contract.

mod calls;
mod control;
mod exchange;
mod open;
mod port;

pub use control::Messages;
pub use open::{VfioMsg, VfioMsgOptions, open, open_fd, open_fds};
pub use port::{Port, VfioPort};
