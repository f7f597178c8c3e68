//! Whether there are doorbells, where the only way to know is to map one.

use std::io;
use std::os::fd::BorrowedFd;

use vhost_accel_core::{DoorbellArea, DoorbellLayout, QueueIndex};

/// ENOTSUPP, a number of the kernel's own that vhost-vdpa lets out.
const ENOTSUPP: i32 = 524;

/// Maps the doorbell of vring 0; `None` where the device has no doorbells.
///
/// The mapping stays in the area, where the first kicker finds it.
///
/// # Errors
/// Those of mmap(2) that say something else than that there is none: ENOMEM, say.
pub fn map_if_present(
    fd: BorrowedFd<'_>,
    layout: DoorbellLayout,
) -> io::Result<Option<DoorbellArea>> {
    let mut area = DoorbellArea::new(layout);
    match area.doorbell(fd, QueueIndex(0)) {
        Ok(_) => Ok(Some(area)),
        Err(error) => match error.raw_os_error() {
            Some(ENOTSUPP | libc::EOPNOTSUPP | libc::EINVAL | libc::ENODEV | libc::ENXIO) => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use vhost_accel_core::page_size;

    use super::*;

    const LAYOUT: DoorbellLayout = DoorbellLayout::new(0, 2, false);

    #[test]
    fn a_file_that_cannot_be_mapped_has_none() {
        let (socket, _peer) = UnixStream::pair().unwrap();
        assert!(map_if_present(socket.as_fd(), LAYOUT).unwrap().is_none());
    }

    #[test]
    fn a_file_that_may_not_be_written_is_an_error() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let error = map_if_present(file.as_fd(), LAYOUT).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    }

    #[test]
    fn the_page_is_kept() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * page_size() as u64).unwrap();
        let mut area = map_if_present(file.as_fd(), LAYOUT).unwrap().unwrap();
        // Without a file to map, only what is mapped already can be had.
        let (socket, _peer) = UnixStream::pair().unwrap();
        assert!(area.doorbell(socket.as_fd(), QueueIndex(0)).is_ok());
        assert!(area.doorbell(socket.as_fd(), QueueIndex(1)).is_err());
    }
}
