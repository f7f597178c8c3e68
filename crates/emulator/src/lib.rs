//! A kernel half without a kernel: the four interfaces and a virtio-net loopback behind seccomp notifications
