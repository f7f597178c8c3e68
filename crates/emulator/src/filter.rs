//! The filter program: which system calls of a client are trapped.
//!
//! Classic BPF over `struct seccomp_data`. A system call that names no path and no descriptor in
//! the reserved range is never trapped, so that a client's own traffic costs nothing; the kernel
//! caches that verdict per system call where it doesn't depend on arguments.

use std::mem::offset_of;
use std::ops::Range;

use libc::{seccomp_data, sock_filter};

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
compile_error!(
    "the filter does not know this architecture's number: AUDIT_ARCH_* of <linux/audit.h>"
);

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_GE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// When a system call is trapped.
#[derive(Clone, Copy)]
enum Trap {
    Never,
    Always,
    /// This argument is a descriptor in the range.
    Fd(u8),
    /// The first argument is a descriptor in the range, or the flags in this argument say that
    /// there is a path.
    Path(u8),
    /// One of these two arguments is a descriptor in the range.
    EitherFd(u8, u8),
    /// The descriptors from the first argument to the second touch the range.
    Span,
    /// mmap(2): the file, argument 4, is not -1.
    File,
}

/// System calls that may name one of our paths, or end what a descriptor number means, or hand
/// descriptors to the kernel where nobody sees them.
const PATHS: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_truncate,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_name_to_handle_at,
    libc::SYS_io_submit,
    libc::SYS_io_uring_setup,
    libc::SYS_execve,
    libc::SYS_execveat,
];

/// The same, of before the `…at` family.
#[cfg(target_arch = "x86_64")]
const OLD_PATHS: &[i64] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_mkdir,
    libc::SYS_mknod,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_PATHS: &[i64] = &[];

/// System calls on a path, or with AT_EMPTY_PATH on a descriptor: of every file that is opened one
/// asks what it is.
const PATHS_OR_FDS: &[(i64, Trap)] = &[
    (libc::SYS_newfstatat, Trap::Path(3)),
    (libc::SYS_statx, Trap::Path(2)),
    (libc::SYS_faccessat2, Trap::Path(3)),
];

/// System calls on descriptors.
const FDS: &[(i64, Trap)] = &[
    (libc::SYS_ioctl, Trap::Fd(0)),
    (libc::SYS_pwrite64, Trap::Fd(0)),
    (libc::SYS_pread64, Trap::Fd(0)),
    (libc::SYS_write, Trap::Fd(0)),
    (libc::SYS_read, Trap::Fd(0)),
    (libc::SYS_writev, Trap::Fd(0)),
    (libc::SYS_readv, Trap::Fd(0)),
    (libc::SYS_pwritev, Trap::Fd(0)),
    (libc::SYS_preadv, Trap::Fd(0)),
    (libc::SYS_pwritev2, Trap::Fd(0)),
    (libc::SYS_preadv2, Trap::Fd(0)),
    (libc::SYS_close, Trap::Fd(0)),
    (libc::SYS_dup, Trap::Fd(0)),
    (libc::SYS_dup3, Trap::EitherFd(0, 1)),
    (libc::SYS_fcntl, Trap::Fd(0)),
    (libc::SYS_mmap, Trap::Fd(4)),
    (libc::SYS_lseek, Trap::Fd(0)),
    (libc::SYS_fstat, Trap::Fd(0)),
    (libc::SYS_ftruncate, Trap::Fd(0)),
    (libc::SYS_fallocate, Trap::Fd(0)),
    (libc::SYS_fsync, Trap::Fd(0)),
    (libc::SYS_fdatasync, Trap::Fd(0)),
    (libc::SYS_sync_file_range, Trap::Fd(0)),
    (libc::SYS_readahead, Trap::Fd(0)),
    (libc::SYS_splice, Trap::EitherFd(0, 2)),
    (libc::SYS_copy_file_range, Trap::EitherFd(0, 2)),
    (libc::SYS_sendfile, Trap::EitherFd(0, 1)),
    (libc::SYS_pidfd_getfd, Trap::Fd(1)),
    (libc::SYS_close_range, Trap::Span),
];

#[cfg(target_arch = "x86_64")]
const OLD_FDS: &[(i64, Trap)] = &[(libc::SYS_dup2, Trap::EitherFd(0, 1))];
#[cfg(not(target_arch = "x86_64"))]
const OLD_FDS: &[(i64, Trap)] = &[];

/// What is no crossing to anybody who counts them: memory of the process's own, locks, time,
/// signals, the life of a thread.
pub(crate) const HOUSEKEEPING: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The program of a client whose reserved descriptors are `range`. With `everything`, all system
/// calls but the housekeeping of process and runtime are trapped, so that they are counted.
pub(crate) fn program(range: &Range<u32>, everything: bool) -> Vec<sock_filter> {
    let mut program = vec![
        load(offset_of!(seccomp_data, arch)),
        jump(JUMP_EQ, ARCH, 1, 0),
        // System calls of another architecture, 32-bit ones say, pass: no client makes them here.
        ret(libc::SECCOMP_RET_ALLOW),
        load(offset_of!(seccomp_data, nr)),
    ];
    let mut rule = |nr: i64, trap: Trap| {
        let body = body(trap, range);
        program.push(jump(JUMP_EQ, nr as u32, 0, body.len() as u8));
        program.extend(body);
    };
    if everything {
        rule(libc::SYS_mmap, Trap::File);
        for &nr in HOUSEKEEPING {
            rule(nr, Trap::Never);
        }
    } else {
        for &(nr, trap) in FDS.iter().chain(OLD_FDS).chain(PATHS_OR_FDS) {
            rule(nr, trap);
        }
        for &nr in PATHS.iter().chain(OLD_PATHS) {
            rule(nr, Trap::Always);
        }
    }
    program.push(ret(if everything {
        libc::SECCOMP_RET_USER_NOTIF
    } else {
        libc::SECCOMP_RET_ALLOW
    }));
    program
}

/// The instructions that decide on one system call. Each path through them returns.
fn body(trap: Trap, range: &Range<u32>) -> Vec<sock_filter> {
    let allow = ret(libc::SECCOMP_RET_ALLOW);
    let notify = ret(libc::SECCOMP_RET_USER_NOTIF);
    match trap {
        Trap::Never => vec![allow],
        Trap::Always => vec![notify],
        Trap::Fd(fd) => vec![
            load_arg(fd),
            jump(JUMP_GE, range.start, 0, 2),
            jump(JUMP_GE, range.end, 1, 0),
            notify,
            allow,
        ],
        Trap::Path(flags) => vec![
            load_arg(flags),
            jump(JUMP_SET, libc::AT_EMPTY_PATH as u32, 0, 3),
            load_arg(0),
            jump(JUMP_GE, range.start, 0, 2),
            jump(JUMP_GE, range.end, 1, 0),
            notify,
            allow,
        ],
        Trap::EitherFd(first, second) => vec![
            load_arg(first),
            jump(JUMP_GE, range.start, 0, 1),
            jump(JUMP_GE, range.end, 0, 3),
            load_arg(second),
            jump(JUMP_GE, range.start, 0, 2),
            jump(JUMP_GE, range.end, 1, 0),
            notify,
            allow,
        ],
        Trap::Span => vec![
            load_arg(1),
            jump(JUMP_GE, range.start, 0, 3),
            load_arg(0),
            jump(JUMP_GE, range.end, 1, 0),
            notify,
            allow,
        ],
        Trap::File => vec![load_arg(4), jump(JUMP_EQ, u32::MAX, 1, 0), notify, allow],
    }
}

fn load(offset: usize) -> sock_filter {
    instruction(LOAD, 0, 0, offset as u32)
}

/// Loads the low half of an argument: descriptors are 32 bits, whatever lies above them.
fn load_arg(index: u8) -> sock_filter {
    let low = if cfg!(target_endian = "big") { 4 } else { 0 };
    load(offset_of!(seccomp_data, args) + usize::from(index) * 8 + low)
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    instruction(code, jt, jf, k)
}

fn ret(action: u32) -> sock_filter {
    instruction(RETURN, 0, 0, action)
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `program` as the kernel would.
    fn verdict(program: &[sock_filter], arch: u32, nr: i64, args: [u64; 6]) -> u32 {
        let word = |offset: usize| match offset {
            0 => nr as u32,
            4 => arch,
            _ => {
                let arg = args[(offset - 16) / 8];
                if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
            }
        };
        let (mut pc, mut accumulator) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[pc];
            pc += 1;
            let taken = match code {
                LOAD => {
                    accumulator = word(k as usize);
                    continue;
                }
                JUMP_EQ => accumulator == k,
                JUMP_GE => accumulator >= k,
                JUMP_SET => accumulator & k != 0,
                RETURN => return k,
                other => panic!("unknown instruction {other:#x}"),
            };
            pc += usize::from(if taken { jt } else { jf });
        }
    }

    const TRAPPED: u32 = libc::SECCOMP_RET_USER_NOTIF;
    const PASSED: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn descriptors_are_trapped_in_the_range_alone() {
        let program = program(&(100..200), false);
        let run = |nr, args| verdict(&program, ARCH, nr, args);
        for (fd, want) in [(99, PASSED), (100, TRAPPED), (199, TRAPPED), (200, PASSED)] {
            for nr in [libc::SYS_ioctl, libc::SYS_close, libc::SYS_pwrite64, libc::SYS_fcntl] {
                assert_eq!(run(nr, [fd, 0, 0, 0, 0, 0]), want, "system call {nr} on {fd}");
            }
            assert_eq!(run(libc::SYS_mmap, [150, 150, 0, 0, fd, 0]), want);
            assert_eq!(run(libc::SYS_dup3, [fd, 5, 0, 0, 0, 0]), want);
            assert_eq!(run(libc::SYS_dup3, [5, fd, 0, 0, 0, 0]), want);
        }
        // The upper half of a descriptor argument means nothing, and -1 is in no range.
        assert_eq!(run(libc::SYS_ioctl, [0xdead_0000_0064, 0, 0, 0, 0, 0]), TRAPPED);
        assert_eq!(run(libc::SYS_mmap, [0, 0, 0, 0, u64::MAX, 0]), PASSED);
    }

    #[test]
    fn a_span_of_descriptors_is_trapped_where_it_touches_the_range() {
        let program = program(&(100..200), false);
        let run =
            |first, last| verdict(&program, ARCH, libc::SYS_close_range, [first, last, 0, 0, 0, 0]);
        assert_eq!(run(3, 99), PASSED);
        assert_eq!(run(3, 100), TRAPPED);
        assert_eq!(run(199, 300), TRAPPED);
        assert_eq!(run(3, u64::from(u32::MAX)), TRAPPED);
        assert_eq!(run(200, 300), PASSED);
    }

    #[test]
    fn a_look_at_a_descriptor_is_trapped_in_the_range_and_one_at_a_path_always() {
        let program = program(&(100..200), false);
        let empty = libc::AT_EMPTY_PATH as u64;
        for (fd, flags, want) in [
            (5, empty | libc::AT_SYMLINK_NOFOLLOW as u64, PASSED),
            (150, empty, TRAPPED),
            (5, libc::AT_SYMLINK_NOFOLLOW as u64, TRAPPED),
            (libc::AT_FDCWD as u64, 0, TRAPPED),
        ] {
            let run = |nr, args| verdict(&program, ARCH, nr, args);
            assert_eq!(run(libc::SYS_newfstatat, [fd, 0, 0, flags, 0, 0]), want, "{fd} {flags}");
            assert_eq!(run(libc::SYS_faccessat2, [fd, 0, 0, flags, 0, 0]), want, "{fd} {flags}");
            assert_eq!(run(libc::SYS_statx, [fd, 0, flags, 0, 0, 0]), want, "{fd} {flags}");
        }
    }

    #[test]
    fn paths_are_always_trapped_and_other_system_calls_never() {
        let program = program(&(100..200), false);
        let run = |nr| verdict(&program, ARCH, nr, [0; 6]);
        for &nr in PATHS.iter().chain(OLD_PATHS) {
            assert_eq!(run(nr), TRAPPED, "system call {nr}");
        }
        for nr in [libc::SYS_eventfd2, libc::SYS_write, libc::SYS_munmap, libc::SYS_sendmsg] {
            assert_eq!(run(nr), PASSED, "system call {nr}");
        }
    }

    #[test]
    fn everything_but_housekeeping_is_trapped_when_all_is_counted() {
        let program = program(&(100..200), true);
        let run = |nr, args| verdict(&program, ARCH, nr, args);
        for nr in [libc::SYS_eventfd2, libc::SYS_write, libc::SYS_munmap, libc::SYS_sendmsg] {
            assert_eq!(run(nr, [0; 6]), TRAPPED, "system call {nr}");
        }
        for &nr in HOUSEKEEPING {
            assert_eq!(run(nr, [0; 6]), PASSED, "system call {nr}");
        }
        assert_eq!(run(libc::SYS_mmap, [0, 0, 0, 0, u64::MAX, 0]), PASSED);
        assert_eq!(run(libc::SYS_mmap, [0, 0, 0, 0, 7, 0]), TRAPPED);
    }

    #[test]
    fn another_architecture_passes() {
        let program = program(&(100..200), true);
        assert_eq!(verdict(&program, 0x4000_0003, libc::SYS_openat, [0; 6]), PASSED);
    }

    #[test]
    fn a_program_is_short_enough_for_its_jumps_and_the_kernel() {
        for everything in [false, true] {
            assert!(program(&(0..1), everything).len() < 4096);
        }
    }
}
