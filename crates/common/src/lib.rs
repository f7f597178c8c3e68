//! What more than one backend shares: vhost ioctls as a control path, the VFIO container and device
