//! Interfaces in sentences.

use vhost_accel::Interface;

use super::numbers::work;
use crate::{Clock, Configuration};

/// An interface in a sentence.
pub(super) fn name(interface: Interface) -> &'static str {
    match interface {
        Interface::VhostVdpa => interface.name(),
        _ => interface.thread_id(),
    }
}

/// `#2`, `#1/A batch`.
pub(super) fn way(configuration: Configuration) -> String {
    match configuration.variant {
        crate::Variant::Plain => name(configuration.interface).to_owned(),
        variant => format!("{} {}", name(configuration.interface), variant.name()),
    }
}

/// `a`, `a and b`, `a, b and c`; `none` of nothing.
pub(super) fn join(all: &[String]) -> String {
    match all {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// `12 on #1/A, 11 on #1/B and 10 on #2`, `12 on each`; `None` if there is nothing to say of any.
pub(super) fn each(cell: impl Fn(Interface) -> Option<String>) -> Option<String> {
    let cells: Vec<(Interface, String)> = Interface::ALL
        .into_iter()
        .filter_map(|interface| Some((interface, cell(interface)?)))
        .collect();
    let (_, first) = cells.first()?;
    if cells.len() == Interface::ALL.len() && cells.iter().all(|(_, cell)| cell == first) {
        return Some(format!("{first} on each"));
    }
    let all: Vec<String> =
        cells.iter().map(|(interface, cell)| format!("{cell} on {}", name(*interface))).collect();
    Some(join(&all))
}

/// As [`each`] of figures that a clock counted, their unit said once.
pub(super) fn each_figure(
    clock: Clock,
    figure: impl Fn(Interface) -> Option<f64>,
) -> Option<String> {
    let all = each(|interface| Some(work(clock, Some(figure(interface)?))))?;
    Some(match clock {
        Clock::Wall => all,
        Clock::Instructions => all.replacen(" on ", " instructions on ", 1),
    })
}

/// The names of interfaces: `#1/A and #2`, `all of them`, `none`.
pub(super) fn names(interfaces: &[Interface]) -> String {
    if interfaces.len() == Interface::ALL.len() {
        return "all of them".to_owned();
    }
    let names: Vec<String> = interfaces.iter().map(|&one| name(one).to_owned()).collect();
    join(&names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(each(|_| None), None);
        assert_eq!(
            each(|interface| (interface != Interface::VfioMsg).then(|| "1".to_owned())).as_deref(),
            Some("1 on #1/B, 1 on #2 and 1 on vhost-vdpa")
        );
        assert_eq!(each(|_| Some("1".to_owned())).as_deref(), Some("1 on each"));
        let figure = |one| (one != Interface::VhostVdpa).then_some(5.0);
        assert_eq!(
            each_figure(Clock::Instructions, figure).as_deref(),
            Some("5 instructions on #1/A, 5 on #1/B and 5 on #2")
        );
        assert_eq!(names(&[]), "none");
        assert_eq!(names(&Interface::ALL), "all of them");
        assert_eq!(names(&[Interface::VfioMsg, Interface::VhostMdev]), "#1/A and #2");
    }
}
