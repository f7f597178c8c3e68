//! Backend #1/B: vhost ioctls on the VFIO device fd
