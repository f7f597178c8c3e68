//! The kernel ABI of the four interfaces: structures, ioctl numbers and the vfio-vhost message codec
