//! Open a vhost accelerator by URI, whatever interface the kernel gives it
