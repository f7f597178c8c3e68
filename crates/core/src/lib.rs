//! The VhostAccel trait: one way to drive a device that walks virtio rings by itself
