//! The call eventfds of many vrings in as few VFIO_DEVICE_SET_IRQS as can be.

use std::io;
use std::os::fd::BorrowedFd;

use vhost_accel_vhost_ioctls::Held;
use vhost_accel_vhost_ioctls::core::{Failure, Operation, QueueIndex, Vring};

/// Sets the calls of `vrings` with `set`, which takes the first subindex and an eventfd for each
/// from there on.
///
/// A run of subindexes reaches over vrings that have no call and want none: removing nothing is
/// nothing. It ends before a vring whose call is to stay. When a run fails, its vrings are tried
/// one by one to learn which it was.
pub(crate) fn set_calls(
    held: &mut Held,
    vrings: &[Vring<'_>],
    set: impl FnMut(u32, &[Option<BorrowedFd<'_>>]) -> io::Result<()>,
) -> Result<(), Failure> {
    // They mostly come in order. Of a vring that is there twice the last call stands.
    if vrings.is_sorted_by_key(|vring| vring.queue) {
        return set_ordered(held, vrings, set);
    }
    let mut ordered = vrings.to_vec();
    ordered.sort_by_key(|vring| vring.queue);
    set_ordered(held, &ordered, set)
}

fn set_ordered(
    held: &mut Held,
    vrings: &[Vring<'_>],
    mut set: impl FnMut(u32, &[Option<BorrowedFd<'_>>]) -> io::Result<()>,
) -> Result<(), Failure> {
    let span = match vrings {
        [first, .., last] => usize::from(last.queue.0 - first.queue.0) + 1,
        short => short.len(),
    };
    let (mut start, mut run) = (0, Vec::with_capacity(span));
    for vring in vrings {
        let (queue, next) = (vring.queue.0, start + run.len() as u16);
        let again = !run.is_empty() && queue < next;
        if !again && !held.must_call(vring) {
            continue;
        }
        let free = |between| !held.has_call(QueueIndex(between));
        if run.is_empty() || !(next..queue).all(free) {
            set_run(held, start, &run, &mut set)?;
            run.clear();
            start = queue;
        }
        run.resize(usize::from(queue - start), None);
        run.push(vring.call);
    }
    set_run(held, start, &run, &mut set)
}

fn set_run(
    held: &mut Held,
    start: u16,
    run: &[Option<BorrowedFd<'_>>],
    set: &mut impl FnMut(u32, &[Option<BorrowedFd<'_>>]) -> io::Result<()>,
) -> Result<(), Failure> {
    let together = run.is_empty() || set(start.into(), run).is_ok();
    for (queue, call) in (start..).map(QueueIndex).zip(run) {
        if !together {
            set(queue.0.into(), &[*call]).map_err(Failure::on(Operation::SetCall, queue))?;
        }
        held.set_call(queue, call.is_some());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, AsRawFd};

    use vhost_accel_vhost_ioctls::core::Iova;

    use super::*;

    fn vring<'fd>(queue: u16, call: Option<&'fd File>) -> Vring<'fd> {
        let vring = Vring::new(QueueIndex(queue), 8, Iova(0), Iova(0), Iova(0));
        vring.with_call(call.map(File::as_fd))
    }

    type Seen = Vec<(u32, Vec<i32>)>;

    fn record(seen: &mut Seen, start: u32, run: &[Option<BorrowedFd<'_>>]) {
        let fds = run.iter().map(|fd| fd.map_or(-1, |fd| fd.as_raw_fd()));
        seen.push((start, fds.collect()));
    }

    fn calls(held: &mut Held, vrings: &[Vring<'_>]) -> Seen {
        let mut seen = Vec::new();
        set_calls(held, vrings, |start, run| {
            record(&mut seen, start, run);
            Ok(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn one_request_covers_all_in_whatever_order() {
        let null = File::open("/dev/null").unwrap();
        let fd = null.as_raw_fd();
        let mut held = Held::new(6);
        let vrings = [vring(4, Some(&null)), vring(1, Some(&null)), vring(2, None)];
        assert_eq!(calls(&mut held, &vrings), [(1, vec![fd, -1, -1, fd])]);
        assert!(held.has_call(QueueIndex(4)) && !held.has_call(QueueIndex(2)));
    }

    #[test]
    fn a_call_set_before_stays_unless_it_is_meant() {
        let null = File::open("/dev/null").unwrap();
        let fd = null.as_raw_fd();
        let mut held = Held::new(6);
        held.set_call(QueueIndex(2), true);
        let ends = [vring(1, Some(&null)), vring(3, Some(&null))];
        assert_eq!(calls(&mut held, &ends), [(1, vec![fd]), (3, vec![fd])]);
        assert!(held.has_call(QueueIndex(2)));
        // A vring that is set up to be polled loses its call.
        assert_eq!(calls(&mut held, &[vring(2, None)]), [(2, vec![-1])]);
        assert!(!held.has_call(QueueIndex(2)));
    }

    #[test]
    fn of_two_calls_of_a_vring_the_last_stands() {
        let null = File::open("/dev/null").unwrap();
        let fd = null.as_raw_fd();
        let mut held = Held::new(4);
        let twice = [vring(1, Some(&null)), vring(2, None), vring(2, Some(&null))];
        assert_eq!(calls(&mut held, &twice), [(1, vec![fd, fd])]);
        let taken_back = [vring(3, Some(&null)), vring(3, None)];
        assert_eq!(calls(&mut held, &taken_back), [(3, vec![-1])]);
        assert!(!held.has_call(QueueIndex(3)));
    }

    #[test]
    fn no_call_is_no_request() {
        assert_eq!(calls(&mut Held::new(4), &[vring(0, None), vring(1, None)]), []);
    }

    // ABI-CROSS-20
    #[test]
    fn a_failure_names_its_vring() {
        let null = File::open("/dev/null").unwrap();
        let fd = null.as_raw_fd();
        let mut seen = Vec::new();
        let vrings = [vring(1, Some(&null)), vring(2, Some(&null)), vring(3, Some(&null))];
        let failure = set_calls(&mut Held::new(4), &vrings, |start, run| {
            record(&mut seen, start, run);
            let covers_2 = start <= 2 && start + run.len() as u32 > 2;
            if covers_2 { Err(io::Error::from_raw_os_error(libc::EBADF)) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!(failure.queue, Some(QueueIndex(2)));
        assert_eq!(failure.step, Some(Operation::SetCall));
        assert_eq!(seen, [(1, vec![fd, fd, fd]), (1, vec![fd]), (2, vec![fd])]);
    }
}
