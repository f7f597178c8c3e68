//! Many queue pairs.
use vhost_accel_driver::Config;

use crate::case::Case;
use crate::check::{arrives, equal, sends};
use crate::outcome::{Need, Stop};
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("pairs::one", |target| pairs(target, 1)).on_pairs(1),
    Case::new("pairs::sixty_four", |target| pairs(target, 64)).on_pairs(64),
    Case::new("pairs::one_hundred_and_twenty_eight", |target| pairs(target, 128)).on_pairs(128),
];

/// A frame on every pair at the same time, three times; each comes back on its own.
// ABI-VRING-1, ABI-VRING-2, ABI-NET-1
fn pairs(target: &Target<'_>, pairs: u16) -> Result<(), Stop> {
    if target.pairs()? < pairs {
        return Err(Stop::NotApplicable(Need::Pairs(pairs)));
    }
    let config =
        Config { pairs, queue_size: 4, tx_buffer: 256, rx_buffer: 256, ..Config::default() };
    let mut driver = target.running(config)?;
    for round in 0..3 {
        let content = |pair: u16| frame(round * 1000 + u64::from(pair), 60 + usize::from(pair));
        for pair in 0..pairs {
            sends(&mut driver, pair, &content(pair))?;
        }
        for pair in 0..pairs {
            arrives(&mut driver, pair, &content(pair))?;
        }
    }
    for pair in 0..pairs {
        equal("receive chains used", driver.rx(pair).ring().used_index(), 3)?;
    }
    Ok(())
}
