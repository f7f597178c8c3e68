//! Backend #1/A: vhost messages over VFIO device regions
