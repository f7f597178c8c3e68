//! The cases, a file for each group.

mod bad;
mod base;
mod config;
mod control;
mod dma;
mod dma_faults;
mod dma_memory;
mod errors;
mod events;
mod exclusive;
mod features;
mod identity;
mod kicks;
mod log;
mod malformed;
mod order;
mod pairs;
mod queues;
mod reset;
mod rings;
mod suspend;
mod traffic;

use std::os::fd::AsFd;
use std::sync::LazyLock;

use vhost_accel_driver::core::{Iova, Vring};
use vhost_accel_driver::{Config, Event, NetDriver};

use crate::case::Case;
use crate::outcome::Stop;

/// Every case, in the order in which they build on each other.
pub fn cases() -> &'static [Case] {
    static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
        [
            identity::CASES,
            features::CASES,
            config::CASES,
            order::CASES,
            queues::CASES,
            errors::CASES,
            base::CASES,
            dma::CASES,
            dma_memory::CASES,
            kicks::CASES,
            events::CASES,
            rings::CASES,
            control::CASES,
            pairs::CASES,
            dma_faults::CASES,
            malformed::CASES,
            reset::CASES,
            suspend::CASES,
            log::CASES,
            exclusive::CASES,
            traffic::CASES,
        ]
        .concat()
    });
    &ALL
}

/// Rings of 16 entries: most cases need no more.
fn small() -> Config {
    Config { queue_size: 16, ..Config::default() }
}

/// [`small`] with that many pairs.
fn small_pairs(pairs: u16) -> Config {
    Config { pairs, ..small() }
}

/// The vring with each of its parts this far behind.
fn moved(vring: &Vring<'_>, [desc, avail, used]: [u64; 3]) -> Vring<'static> {
    let by = |iova: Iova, by: u64| Iova(iova.0 + by);
    let (desc, avail) = (by(vring.desc, desc), by(vring.avail, avail));
    Vring::new(vring.queue, vring.size, desc, avail, by(vring.used, used))
}

/// Sets a new config-change event.
fn watch(driver: &mut NetDriver) -> Result<Event, Stop> {
    let event = Event::new()?;
    driver.device().set_config_call(Some(event.as_fd()))?;
    Ok(event)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_grouped_and_unique() {
        let names: HashSet<_> = cases().iter().map(Case::name).collect();
        assert_eq!(names.len(), cases().len());
        for name in names {
            let (group, rest) = name.split_once("::").unwrap();
            let word = |text: &str| {
                text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
            };
            assert!(word(group) && word(rest), "{name}");
        }
    }
}
