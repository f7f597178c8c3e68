//! What handles stand for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::answer::Fault;

// The numbers of handles have 64 bits: a kind, a count that never comes round, and for kickers a
// place.
const _: () = assert!(usize::BITS == 64);

/// The kinds of handles, in the uppermost bits: no address that a process can have, so a program
/// that dereferences one ends there.
pub(crate) const DEVICE: usize = 1 << 60;
pub(crate) const PAGE: usize = 2 << 60;
pub(crate) const KICKER: usize = 3 << 60;

/// Things by their handles' numbers.
pub(crate) struct Table<T> {
    name: &'static str,
    entries: Mutex<Entries<T>>,
}

struct Entries<T> {
    last: usize,
    by_number: BTreeMap<usize, T>,
}

impl<T> Table<T> {
    /// An empty table of handles of this kind.
    pub(crate) const fn new(kind: usize, name: &'static str) -> Self {
        let entries = Entries { last: kind, by_number: BTreeMap::new() };
        Self { name, entries: Mutex::new(entries) }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        lock(&self.entries)
    }

    /// Takes something in; the number has never been and will never be another's.
    pub(crate) fn insert(&self, value: T) -> usize {
        let mut entries = self.entries();
        entries.last += 1;
        let number = entries.last;
        entries.by_number.insert(number, value);
        number
    }

    /// What the number stands for.
    pub(crate) fn get(&self, number: usize) -> Result<T, Fault>
    where
        T: Clone,
    {
        self.entries().by_number.get(&number).cloned().ok_or_else(|| absent(number, self.name))
    }

    /// Takes it out: the number stands for nothing from now on.
    pub(crate) fn remove(&self, number: usize) -> Result<T, Fault> {
        self.entries().by_number.remove(&number).ok_or_else(|| absent(number, self.name))
    }
}

/// Why a number stands for nothing.
pub(crate) fn absent(number: usize, name: &'static str) -> Fault {
    if number == 0 { Fault::Null(name) } else { Fault::Closed(name) }
}

/// A lock on what no panic leaves half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_given_twice() {
        let table = Table::new(PAGE, "page");
        let first = table.insert('a');
        assert_eq!(table.get(first).unwrap(), 'a');
        assert_eq!(table.remove(first).unwrap(), 'a');
        let second = table.insert('b');
        assert_ne!(first, second);
        assert!(matches!(table.get(first), Err(Fault::Closed("page"))));
        assert!(matches!(table.remove(first), Err(Fault::Closed("page"))));
        assert!(matches!(table.get(0), Err(Fault::Null("page"))));
        assert!(matches!(table.get(second ^ PAGE ^ DEVICE), Err(Fault::Closed("page"))));
    }
}
