//! Names of system calls and of ioctl requests, as strace prints them and
//! [`Crossings`](crate::Crossings) counts them.

use std::borrow::Cow;

use vhost_accel_uapi::{mdev, vfio, vhost};

use crate::filter::HOUSEKEEPING;

/// The kind of an ioctl: its request's name, or its number where no interface has it.
pub fn ioctl(request: u32) -> Cow<'static, str> {
    Cow::Owned(match REQUESTS.iter().find(|entry| entry.0 == request) {
        Some((_, name)) => format!("ioctl {name}"),
        None => format!("ioctl {request:#010x}"),
    })
}

/// Whether the system call `name` is a process's own housekeeping, which nobody counts.
///
/// mmap(2) without a file and munmap(2) of anything but doorbells are, too; their names don't say
/// so.
pub fn is_housekeeping(name: &str) -> bool {
    HOUSEKEEPING.iter().any(|&nr| syscall(nr) == name)
}

/// The name of a system call, `syscall N` for those that no client of ours is likely to make.
pub(crate) fn syscall(nr: i64) -> Cow<'static, str> {
    match SYSCALLS.iter().find(|entry| entry.0 == nr) {
        Some(&(_, name)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("syscall {nr}")),
    }
}

const SYSCALLS: &[(i64, &str)] = &[
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_brk, "brk"),
    (libc::SYS_chdir, "chdir"),
    (libc::SYS_clock_getres, "clock_getres"),
    (libc::SYS_clock_gettime, "clock_gettime"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_close, "close"),
    (libc::SYS_close_range, "close_range"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_copy_file_range, "copy_file_range"),
    (libc::SYS_dup, "dup"),
    (libc::SYS_dup3, "dup3"),
    (libc::SYS_epoll_create1, "epoll_create1"),
    (libc::SYS_epoll_ctl, "epoll_ctl"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_eventfd2, "eventfd2"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_exit, "exit"),
    (libc::SYS_exit_group, "exit_group"),
    (libc::SYS_faccessat, "faccessat"),
    (libc::SYS_faccessat2, "faccessat2"),
    (libc::SYS_fallocate, "fallocate"),
    (libc::SYS_fchdir, "fchdir"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_fstat, "fstat"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_getcwd, "getcwd"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_geteuid, "geteuid"),
    (libc::SYS_getpid, "getpid"),
    (libc::SYS_getrandom, "getrandom"),
    (libc::SYS_gettid, "gettid"),
    (libc::SYS_gettimeofday, "gettimeofday"),
    (libc::SYS_getuid, "getuid"),
    (libc::SYS_io_submit, "io_submit"),
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_lseek, "lseek"),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_memfd_create, "memfd_create"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_mknodat, "mknodat"),
    (libc::SYS_mlock, "mlock"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_mremap, "mremap"),
    (libc::SYS_munlock, "munlock"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_name_to_handle_at, "name_to_handle_at"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_newfstatat, "newfstatat"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_openat2, "openat2"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
    (libc::SYS_pipe2, "pipe2"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_prctl, "prctl"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_preadv, "preadv"),
    (libc::SYS_preadv2, "preadv2"),
    (libc::SYS_prlimit64, "prlimit64"),
    (libc::SYS_pselect6, "pselect6"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_pwritev, "pwritev"),
    (libc::SYS_pwritev2, "pwritev2"),
    (libc::SYS_read, "read"),
    (libc::SYS_readahead, "readahead"),
    (libc::SYS_readlinkat, "readlinkat"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_restart_syscall, "restart_syscall"),
    (libc::SYS_rseq, "rseq"),
    (libc::SYS_rt_sigaction, "rt_sigaction"),
    (libc::SYS_rt_sigpending, "rt_sigpending"),
    (libc::SYS_rt_sigprocmask, "rt_sigprocmask"),
    (libc::SYS_rt_sigreturn, "rt_sigreturn"),
    (libc::SYS_rt_sigsuspend, "rt_sigsuspend"),
    (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait"),
    (libc::SYS_sched_getaffinity, "sched_getaffinity"),
    (libc::SYS_sched_setaffinity, "sched_setaffinity"),
    (libc::SYS_sched_yield, "sched_yield"),
    (libc::SYS_seccomp, "seccomp"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_set_robust_list, "set_robust_list"),
    (libc::SYS_set_tid_address, "set_tid_address"),
    (libc::SYS_sigaltstack, "sigaltstack"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_socketpair, "socketpair"),
    (libc::SYS_splice, "splice"),
    (libc::SYS_statx, "statx"),
    (libc::SYS_sync_file_range, "sync_file_range"),
    (libc::SYS_tgkill, "tgkill"),
    (libc::SYS_timerfd_create, "timerfd_create"),
    (libc::SYS_timerfd_settime, "timerfd_settime"),
    (libc::SYS_truncate, "truncate"),
    (libc::SYS_umask, "umask"),
    (libc::SYS_uname, "uname"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "writev"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, "access"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_arch_prctl, "arch_prctl"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, "creat"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_dup2, "dup2"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_eventfd, "eventfd"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, "fork"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, "lstat"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, "mknod"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_pipe, "pipe"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, "stat"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "vfork"),
];

/// Every ioctl request of the four interfaces, by its C name.
pub(crate) const REQUESTS: &[(u32, &str)] = &[
    (vhost::GET_FEATURES, "VHOST_GET_FEATURES"),
    (vhost::SET_FEATURES, "VHOST_SET_FEATURES"),
    (vhost::SET_OWNER, "VHOST_SET_OWNER"),
    (vhost::RESET_OWNER, "VHOST_RESET_OWNER"),
    (vhost::SET_MEM_TABLE, "VHOST_SET_MEM_TABLE"),
    (vhost::SET_LOG_BASE, "VHOST_SET_LOG_BASE"),
    (vhost::SET_LOG_FD, "VHOST_SET_LOG_FD"),
    (vhost::SET_VRING_NUM, "VHOST_SET_VRING_NUM"),
    (vhost::SET_VRING_ADDR, "VHOST_SET_VRING_ADDR"),
    (vhost::SET_VRING_BASE, "VHOST_SET_VRING_BASE"),
    (vhost::GET_VRING_BASE, "VHOST_GET_VRING_BASE"),
    (vhost::SET_VRING_KICK, "VHOST_SET_VRING_KICK"),
    (vhost::SET_VRING_CALL, "VHOST_SET_VRING_CALL"),
    (vhost::SET_VRING_ERR, "VHOST_SET_VRING_ERR"),
    (vhost::SET_VRING_BUSYLOOP_TIMEOUT, "VHOST_SET_VRING_BUSYLOOP_TIMEOUT"),
    (vhost::GET_VRING_BUSYLOOP_TIMEOUT, "VHOST_GET_VRING_BUSYLOOP_TIMEOUT"),
    (vhost::SET_BACKEND_FEATURES, "VHOST_SET_BACKEND_FEATURES"),
    (vhost::GET_BACKEND_FEATURES, "VHOST_GET_BACKEND_FEATURES"),
    (vhost::GET_DEVICE_ID, "VHOST_VDPA_GET_DEVICE_ID"),
    (vhost::GET_STATUS, "VHOST_VDPA_GET_STATUS"),
    (vhost::SET_STATUS, "VHOST_VDPA_SET_STATUS"),
    (vhost::GET_CONFIG, "VHOST_VDPA_GET_CONFIG"),
    (vhost::SET_CONFIG, "VHOST_VDPA_SET_CONFIG"),
    (vhost::SET_VRING_ENABLE, "VHOST_VDPA_SET_VRING_ENABLE"),
    (vhost::GET_VRING_NUM, "VHOST_VDPA_GET_VRING_NUM"),
    (vhost::SET_CONFIG_CALL, "VHOST_VDPA_SET_CONFIG_CALL"),
    (vhost::GET_IOVA_RANGE, "VHOST_VDPA_GET_IOVA_RANGE"),
    (vhost::GET_CONFIG_SIZE, "VHOST_VDPA_GET_CONFIG_SIZE"),
    (vhost::GET_AS_NUM, "VHOST_VDPA_GET_AS_NUM"),
    (vhost::GET_VRING_GROUP, "VHOST_VDPA_GET_VRING_GROUP"),
    (vhost::SET_GROUP_ASID, "VHOST_VDPA_SET_GROUP_ASID"),
    (vhost::SUSPEND, "VHOST_VDPA_SUSPEND"),
    (vhost::RESUME, "VHOST_VDPA_RESUME"),
    (vhost::GET_VRING_DESC_GROUP, "VHOST_VDPA_GET_VRING_DESC_GROUP"),
    (vhost::GET_VQS_COUNT, "VHOST_VDPA_GET_VQS_COUNT"),
    (vhost::GET_GROUP_NUM, "VHOST_VDPA_GET_GROUP_NUM"),
    (vhost::GET_VRING_SIZE, "VHOST_VDPA_GET_VRING_SIZE"),
    (mdev::MAP_DMA, "VHOST_MDEV_MAP_DMA"),
    (mdev::UNMAP_DMA, "VHOST_MDEV_UNMAP_DMA"),
    (mdev::GET_DMA_INFO, "VHOST_MDEV_GET_DMA_INFO"),
    (vfio::GET_API_VERSION, "VFIO_GET_API_VERSION"),
    (vfio::CHECK_EXTENSION, "VFIO_CHECK_EXTENSION"),
    (vfio::SET_IOMMU, "VFIO_SET_IOMMU"),
    (vfio::GROUP_GET_STATUS, "VFIO_GROUP_GET_STATUS"),
    (vfio::GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER"),
    (vfio::GROUP_UNSET_CONTAINER, "VFIO_GROUP_UNSET_CONTAINER"),
    (vfio::GROUP_GET_DEVICE_FD, "VFIO_GROUP_GET_DEVICE_FD"),
    (vfio::DEVICE_GET_INFO, "VFIO_DEVICE_GET_INFO"),
    (vfio::DEVICE_GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO"),
    (vfio::DEVICE_GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO"),
    (vfio::DEVICE_SET_IRQS, "VFIO_DEVICE_SET_IRQS"),
    (vfio::DEVICE_RESET, "VFIO_DEVICE_RESET"),
    (vfio::IOMMU_GET_INFO, "VFIO_IOMMU_GET_INFO"),
    (vfio::IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA"),
    (vfio::IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn housekeeping_has_names() {
        assert!(HOUSEKEEPING.iter().all(|&nr| !syscall(nr).contains(' ')));
        assert!(is_housekeeping("futex"));
        assert!(!is_housekeeping("openat"));
    }
}
