//! The errno inside an error of `vfio-ioctls`.

use std::io;
use std::path::Path;

use vfio_ioctls::VfioError;
use vhost_accel_core::{Operation, Reason};

/// The errno where there is one, else the error itself.
pub(super) fn reason(error: VfioError) -> Reason {
    match error {
        VfioError::OpenContainer(error) | VfioError::OpenGroup(error, _) => error.into(),
        VfioError::ContainerSetIOMMU(errno)
        | VfioError::GroupGetDeviceFD(errno)
        | VfioError::VfioDeviceGetInfo(errno)
        | VfioError::VfioDeviceGetRegionInfo(errno) => io::Error::from(errno).into(),
        error => Reason::Library(Box::new(error)),
    }
}

/// As [`reason`], for what fails between the path and the device.
pub(super) fn of_device(error: VfioError, path: &Path) -> Reason {
    match error {
        // Any failure to find the group is this one: ask again for the errno.
        VfioError::InvalidPath => match path.join("iommu_group").read_link() {
            Err(error) => error.into(),
            Ok(_) => Reason::Library(Box::new(VfioError::InvalidPath)),
        },
        error => reason(error),
    }
}

/// The step that an error of opening a device belongs to.
pub(super) fn step(error: &VfioError) -> Operation {
    match error {
        VfioError::OpenGroup(..)
        | VfioError::GetGroupStatus
        | VfioError::GroupViable
        | VfioError::GroupSetContainer
        | VfioError::ContainerSetIOMMU(_) => Operation::OpenGroup,
        VfioError::VfioDeviceGetInfo(_)
        | VfioError::VfioDeviceGetInfoOther
        | VfioError::VfioDeviceGetRegionInfo(_) => Operation::Identify,
        _ => Operation::Open,
    }
}

#[cfg(test)]
mod tests {
    use vmm_sys_util::errno::Error as Errno;

    use super::*;

    #[test]
    fn an_errno_is_kept() {
        let busy = || io::Error::from_raw_os_error(libc::EBUSY);
        for error in [
            VfioError::OpenContainer(busy()),
            VfioError::OpenGroup(busy(), "7".into()),
            VfioError::GroupGetDeviceFD(Errno::new(libc::EBUSY)),
        ] {
            let reason = reason(error);
            assert!(
                matches!(&reason, Reason::System(error) if error.raw_os_error() == Some(libc::EBUSY)),
                "{reason}"
            );
        }
        assert!(matches!(reason(VfioError::GroupViable), Reason::Library(_)));
    }

    #[test]
    fn a_path_without_a_group_is_enoent() {
        let directory = tempfile::tempdir().unwrap();
        let reason = of_device(VfioError::InvalidPath, directory.path());
        assert!(
            matches!(&reason, Reason::System(error) if error.raw_os_error() == Some(libc::ENOENT)),
            "{reason}"
        );
    }
}
