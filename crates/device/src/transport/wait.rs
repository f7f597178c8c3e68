//! Waiting for kicks, to the nanosecond.

#![expect(
    unsafe_code,
    reason = "epoll_pwait2, the timer slack and the signal mask have no wrapper"
)]

use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use vmm_sys_util::epoll::Epoll;

/// Room for what one wait reports.
const EVENTS: usize = 64;

/// Waits for events of `epoll`, for ever without a `timeout`, and gives each to `seen`: the number
/// of what it is about, and whether that can be read. Nothing is reported after a time-out or a
/// signal.
pub(super) fn wait(epoll: &Epoll, timeout: Option<Duration>, mut seen: impl FnMut(u64, bool)) {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    let no_mask = ptr::null::<libc::sigset_t>();
    // SAFETY: the kernel writes at most `EVENTS` events to `events` and reads `timeout`, both of
    // which outlive the call. No signal mask is given.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            EVENTS as libc::c_int,
            timeout,
            no_mask,
            size_of::<libc::c_ulong>(), // the kernel's sigset_t
        )
    };
    for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
        seen(event.u64, event.events & libc::EPOLLIN as u32 != 0);
    }
}

/// Keeps the client's signals off this thread and its timers exact.
pub(super) fn quiet_thread() {
    // SAFETY: an all-zero signal set is one; it is filled next.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `all` is valid for writes.
    unsafe { libc::sigfillset(&mut all) };
    // SAFETY: only this thread's mask changes.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &all, ptr::null_mut()) };
    // SAFETY: only this thread's timers change: 1 ns of slack in place of 50 µs.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}
