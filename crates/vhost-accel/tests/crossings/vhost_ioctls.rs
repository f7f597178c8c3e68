//! The steps that are vhost ioctls, whatever file they are made on.

use std::path::Path;

use vhost_accel_core::VhostAccel;
use vhost_accel_emulator::DeviceKind;

use super::life::{self, Crossed};

/// [`life::assert_crossings`] of an interface whose control column is vhost's: `own` are the steps
/// in which it is itself.
#[track_caller]
pub(crate) fn assert_crossings(
    pairs: u16,
    kind: DeviceKind,
    open: impl FnOnce(&Path) -> Box<dyn VhostAccel> + Send,
    own: &[(&str, Crossed<'_>)],
) {
    let vrings = u64::from(2 * pairs + 1);
    let all_vrings = [
        ("ioctl VHOST_SET_VRING_ADDR", vrings),
        ("ioctl VHOST_SET_VRING_CALL", vrings),
        ("ioctl VHOST_SET_VRING_NUM", vrings),
        ("ioctl VHOST_VDPA_SET_VRING_ENABLE", vrings),
    ];
    let shared: [(&str, Crossed<'_>); 14] = [
        (
            "negotiate",
            &[
                ("ioctl VHOST_SET_FEATURES", 1),
                ("ioctl VHOST_VDPA_GET_STATUS", 1),
                ("ioctl VHOST_VDPA_SET_STATUS", 2),
            ],
        ),
        (
            "set up one vring without a call",
            &[
                ("ioctl VHOST_SET_VRING_ADDR", 1),
                ("ioctl VHOST_SET_VRING_NUM", 1),
                ("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1),
            ],
        ),
        ("set up all vrings", &all_vrings),
        ("make eventfd kicker", &[("eventfd2", 1), ("ioctl VHOST_SET_VRING_KICK", 1)]),
        ("disable one vring", &[("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1)]),
        ("kick eventfd", &[("write eventfd", 1)]),
        ("set call", &[("ioctl VHOST_SET_VRING_CALL", 1)]),
        ("status", &[("ioctl VHOST_VDPA_GET_STATUS", 1)]),
        ("read config space", &[("ioctl VHOST_VDPA_GET_CONFIG", 1)]),
        ("suspend", &[("ioctl VHOST_VDPA_SUSPEND", 1)]),
        ("base", &[("ioctl VHOST_GET_VRING_BASE", 1)]),
        (
            "set up one vring again",
            &[
                ("ioctl VHOST_SET_VRING_ADDR", 1),
                ("ioctl VHOST_SET_VRING_BASE", 1),
                ("ioctl VHOST_SET_VRING_CALL", 1),
                ("ioctl VHOST_SET_VRING_NUM", 1),
                ("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1),
            ],
        ),
        ("resume", &[("ioctl VHOST_VDPA_RESUME", 1)]),
        ("reset", &[("ioctl VHOST_VDPA_SET_STATUS", 1)]),
    ];
    life::assert_crossings(pairs, kind, open, &[own, &shared].concat());
}
