//! How well one run repeats another.

use crate::results::{Difference, Key, Repeat, ResultFile};

impl Repeat {
    /// `now`, compared with `earlier`: every median that both have.
    pub fn of(now: &ResultFile, earlier: &ResultFile) -> Self {
        let mut repeat = Self {
            of: earlier.run.date.clone(),
            compared: 0,
            within_thousandth: 0,
            beyond: Vec::new(),
        };
        for timing in &now.timings {
            let Some(before) = earlier.timings.iter().find(|before| before.key == timing.key)
            else {
                continue;
            };
            let (before, now) = (before.figures.median, timing.figures.median);
            repeat.compared += 1;
            if (now - before).abs() <= before * 1e-3 {
                repeat.within_thousandth += 1;
            } else {
                repeat.beyond.push(Difference { key: timing.key.clone(), before, now });
            }
        }
        repeat
    }

    /// Of the keys that are `meant`, how many differ by more than a thousandth, and which differs
    /// most, by what part of what it was.
    pub fn beyond(&self, meant: impl Fn(&Key) -> bool) -> (usize, Option<(f64, &Key)>) {
        let beyond = || self.beyond.iter().filter(|one| meant(&one.key));
        let by = |one: &Difference| (one.now - one.before).abs() / one.before;
        let worst = beyond().map(|one| (by(one), &one.key)).max_by(|(a, _), (b, _)| a.total_cmp(b));
        (beyond().count(), worst)
    }
}

#[cfg(test)]
mod tests {
    use vhost_accel::Interface;

    use super::*;
    use crate::{Client, Configuration, Scenario};

    #[test]
    fn what_differs_most_of_what_is_meant() {
        let of = |pairs| {
            let configuration = Configuration::plain(Interface::VhostMdev);
            Key::new(Scenario::Setup(pairs), configuration, Client::Library)
        };
        let differs = |pairs, now| Difference { key: of(pairs), before: 100.0, now };
        let beyond = vec![differs(1, 101.0), differs(4, 98.0), differs(16, 110.0)];
        let repeat = Repeat { of: String::new(), compared: 4, within_thousandth: 1, beyond };
        let (count, worst) = repeat.beyond(|key| *key != of(16));
        assert_eq!((count, worst), (2, Some((0.02, &of(4)))));
        assert_eq!(repeat.beyond(|_| false), (0, None));
    }
}
