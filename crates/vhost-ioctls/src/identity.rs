//! Who the device is: the first vhost ioctls after open.

use std::io;
use std::os::fd::BorrowedFd;

use vhost_accel_core::{Capabilities, DeviceInfo, Error, Features, Opening, Operation, Reason};
use vhost_accel_uapi::call::vhost;
use vhost_accel_uapi::vhost::{BACKEND_F_RESUME, BACKEND_F_SUSPEND};

/// What a device says of itself once, at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The virtio device id.
    pub device_id: u32,
    /// How many vrings.
    pub queue_count: u16,
    /// The most entries of a vring.
    pub max_queue_size: u16,
    /// The features that it offers.
    pub features: Features,
    /// The backend features that were accepted, a bit for each `BACKEND_F_*` number.
    pub backend_features: u64,
}

impl Identity {
    /// Becomes the owner of the device behind `fd`, asks who it is, and accepts those of the
    /// backend features `wanted` (a bit for each) that it offers.
    ///
    /// # Errors
    /// Those of the ioctls, each with its step; [`Reason::Device`] for a device without vrings.
    pub fn ask(opening: &Opening, fd: BorrowedFd<'_>, wanted: u64) -> Result<Self, Error> {
        let at = |step| move |error: io::Error| opening.failed(step)(error);
        vhost::set_owner(fd).map_err(at(Operation::SetOwner))?;
        let offered = match vhost::get_backend_features(fd) {
            // Linux before 5.9 has no such request, and none of these features.
            Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => 0,
            offered => offered.map_err(at(Operation::BackendFeatures))?,
        };
        let accepted = offered & wanted;
        if accepted != 0 {
            vhost::set_backend_features(fd, accepted).map_err(at(Operation::BackendFeatures))?;
        }
        let features = vhost::get_features(fd).map_err(at(Operation::GetFeatures))?;
        let device_id = vhost::get_device_id(fd).map_err(at(Operation::Identify))?;
        let queue_count = queue_count(opening, fd)?;
        let max_queue_size = vhost::get_vring_num(fd).map_err(at(Operation::Identify))?;
        Ok(Self {
            device_id,
            queue_count,
            max_queue_size,
            features: Features::from_bits_retain(features),
            backend_features: accepted,
        })
    }

    /// The capabilities that follow from the features that were accepted or offered.
    pub fn capabilities(&self) -> Capabilities {
        let has = |bit: u32| self.backend_features & (1 << bit) != 0;
        let mut capabilities = Capabilities::VIRTIO_STATUS;
        capabilities.set(Capabilities::SUSPEND, has(BACKEND_F_SUSPEND));
        capabilities.set(Capabilities::RESUME, has(BACKEND_F_RESUME));
        capabilities.set(Capabilities::DIRTY_LOG, self.features.contains(Features::LOG_ALL));
        capabilities
    }

    /// What the device that was opened says about itself, with what `capabilities` it has in all.
    pub fn info(&self, opening: &Opening, capabilities: Capabilities) -> DeviceInfo {
        let (interface, path) = (opening.interface(), opening.path().clone());
        let Self { device_id, queue_count, max_queue_size, .. } = *self;
        DeviceInfo::new(interface, path, device_id, queue_count, max_queue_size, capabilities)
    }
}

fn queue_count(opening: &Opening, fd: BorrowedFd<'_>) -> Result<u16, Error> {
    let failed = |error: io::Error| opening.failed(Operation::Identify)(error);
    let count = match vhost::get_vqs_count(fd) {
        // Linux before 5.18 has no such request.
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
            count_by(|index| has_vring(fd, index)).map_err(failed)?
        }
        count => count.map_err(failed)?,
    };
    match u16::try_from(count) {
        Ok(0) => Err(opening.failed(Operation::Identify)(Reason::Device("it has no vrings"))),
        Ok(count) => Ok(count),
        Err(_) => {
            Err(opening.failed(Operation::Identify)(Reason::Device("it has over 65535 vrings")))
        }
    }
}

/// Reading a base changes nothing, and an index out of range is ENOBUFS whatever the device thinks
/// of reading the base of a vring that isn't set up.
fn has_vring(fd: BorrowedFd<'_>, index: u32) -> io::Result<bool> {
    match vhost::get_vring_base(fd, index) {
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(false),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Err(error),
        _ => Ok(true),
    }
}

/// The number of vrings, of which those up to it exist, by halving: at most 32 questions.
fn count_by(mut exists: impl FnMut(u32) -> io::Result<bool>) -> io::Result<u32> {
    const MOST: u32 = 1 << 16;
    let (mut there, mut missing) = (0, 1);
    while missing < MOST && exists(missing - 1)? {
        (there, missing) = (missing, missing * 2);
    }
    // Vrings below `there` exist; the one at `missing - 1` doesn't, or is out of bounds.
    while missing - there > 1 {
        let middle = there + (missing - there) / 2;
        if exists(middle - 1)? {
            there = middle;
        } else {
            missing = middle;
        }
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrings_are_counted_without_a_request_for_it() {
        for count in [0, 1, 2, 3, 5, 8, 129, 257, 65535] {
            let mut asked = 0;
            let counted = count_by(|index| {
                asked += 1;
                Ok(index < count)
            });
            assert_eq!(counted.unwrap(), count);
            assert!(asked <= 32, "{asked} questions for {count}");
        }
    }

    #[test]
    fn capabilities_follow_the_features() {
        let identity = Identity {
            device_id: 1,
            queue_count: 3,
            max_queue_size: 256,
            features: Features::VERSION_1,
            backend_features: 1 << BACKEND_F_SUSPEND,
        };
        let expected = Capabilities::VIRTIO_STATUS | Capabilities::SUSPEND;
        assert_eq!(identity.capabilities(), expected);
        let logging = Identity { features: Features::LOG_ALL, backend_features: 0, ..identity };
        let expected = Capabilities::VIRTIO_STATUS | Capabilities::DIRTY_LOG;
        assert_eq!(logging.capabilities(), expected);
    }
}
