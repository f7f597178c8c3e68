//! Feature negotiation and its refusals.

use vhost_accel_driver::Config;
use vhost_accel_driver::core::{Capabilities, Features, Operation, Phase, Reason, Status};

use super::small;
use crate::case::Case;
use crate::check::{equal, fails, holds, out_of_order};
use crate::outcome::Stop;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("features::what_is_needed_is_offered", what_is_needed_is_offered),
    Case::new("features::the_loopback_offers_its_own", the_loopback_offers_its_own),
    Case::new("features::one_pair_is_not_multiqueue", one_pair_is_not_multiqueue).on_pairs(1),
    Case::new("features::a_bit_that_is_not_offered_is_cut", a_bit_that_is_not_offered_is_cut),
    Case::new("features::all_that_is_offered_can_be_had", all_that_is_offered_can_be_had),
    Case::new("features::version_1_is_required", version_1_is_required),
    Case::new("features::access_platform_is_required", access_platform_is_required),
    Case::new("features::a_second_negotiation_is_refused", a_second_negotiation_is_refused),
    Case::new("features::a_running_device_keeps_its_own", a_running_device_keeps_its_own),
    Case::new("features::reset_allows_another_choice", reset_allows_another_choice),
    Case::new("features::the_status_follows", the_status_follows)
        .needing(Capabilities::VIRTIO_STATUS),
];

// ABI-NET-13
fn what_is_needed_is_offered(target: &Target<'_>) -> Result<(), Stop> {
    let device = target.open()?;
    let offered = device.features()?;
    holds("VERSION_1 is offered", offered.contains(Features::VERSION_1))?;
    let log = device.info().capabilities.contains(Capabilities::DIRTY_LOG);
    equal("LOG_ALL with a dirty log", offered.contains(Features::LOG_ALL), log)?;
    equal("the offer, read again", device.features()?, offered)?;
    equal("negotiated when just opened", device.negotiated(), None)
}

/// Section 1 of docs/abi.md, bit for bit.
// ABI-NET-11, ABI-NET-12, ABI-NET-13
fn the_loopback_offers_its_own(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut bits: Vec<u32> = vec![3, 5, 15, 16, 17, 23, 28, 29, 32, 33, 38];
    if target.pairs()? > 1 {
        bits.push(22);
    }
    if target.has(Capabilities::DIRTY_LOG)? {
        bits.push(26);
    }
    let expected = bits.iter().fold(0, |word, bit| word | 1 << bit);
    equal("features", target.open()?.features()?.bits(), expected)
}

// ABI-NET-12
fn one_pair_is_not_multiqueue(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let multiqueue = target.open()?.features()?.contains(Config::MQ);
    equal("MQ is offered", multiqueue, target.pairs()? > 1)
}

fn a_bit_that_is_not_offered_is_cut(target: &Target<'_>) -> Result<(), Stop> {
    let mut device = target.open()?;
    let offered = device.features()?;
    let others = Features::from_bits_retain(!offered.bits() & !(1 << 26));
    let got = device.negotiate(Config::REQUIRED | others)?;
    equal("what was negotiated", got, Config::REQUIRED & offered)?;
    equal("negotiated", device.negotiated(), Some(got))
}

fn all_that_is_offered_can_be_had(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut device = target.open()?;
    let wanted = device.features()? - Features::LOG_ALL;
    equal("what was negotiated", device.negotiate(wanted)?, wanted)
}

// ABI-NET-14
fn refuses_without(target: &Target<'_>, feature: Features) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut device = target.open()?;
    let wanted = Config::REQUIRED - feature;
    let error = fails("negotiating without", device.negotiate(wanted))?;
    equal("the operation", error.operation(), Operation::Negotiate)?;
    match error.reason() {
        Reason::FeaturesRefused { accepted, missing } => {
            equal("what was refused, and without what", (*accepted, *missing), (wanted, feature))?;
        }
        reason => equal("the reason", reason.to_string(), "a refusal".to_owned())?,
    }
    equal("negotiated after the refusal", device.negotiated(), None)?;
    if device.info().capabilities.contains(Capabilities::VIRTIO_STATUS) {
        holds("no FEATURES_OK", !device.status()?.contains(Status::FEATURES_OK))?;
    }
    device.reset()?;
    equal("negotiated after a reset", device.negotiate(Config::REQUIRED)?, Config::REQUIRED)
}

fn version_1_is_required(target: &Target<'_>) -> Result<(), Stop> {
    refuses_without(target, Features::VERSION_1)
}

fn access_platform_is_required(target: &Target<'_>) -> Result<(), Stop> {
    refuses_without(target, Features::ACCESS_PLATFORM)
}

fn a_second_negotiation_is_refused(target: &Target<'_>) -> Result<(), Stop> {
    let mut device = target.open()?;
    let first = device.negotiate(Config::REQUIRED)?;
    let second = device.negotiate(Config::REQUIRED | Features::EVENT_IDX);
    out_of_order(Operation::Negotiate, second, Phase::Negotiated)?;
    equal("what holds", device.negotiated(), Some(first))
}

fn a_running_device_keeps_its_own(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let held = driver.device().negotiated();
    let again = driver.device().negotiate(Config::REQUIRED);
    out_of_order(Operation::Negotiate, again, Phase::Running)?;
    equal("what holds", driver.device().negotiated(), held)?;
    crate::check::echoes(&mut driver, 0, &[0x5a; 60])
}

fn reset_allows_another_choice(target: &Target<'_>) -> Result<(), Stop> {
    let mut device = target.open()?;
    device.negotiate(Config::REQUIRED)?;
    device.reset()?;
    equal("negotiated after a reset", device.negotiated(), None)?;
    let wanted = (Config::REQUIRED | Features::EVENT_IDX) & device.features()?;
    equal("the other choice", device.negotiate(wanted)?, wanted)?;
    equal("negotiated", device.negotiated(), Some(wanted))
}

// ABI-STATUS-1
fn the_status_follows(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    equal("when opened", driver.device().status()?, Status::empty())?;
    driver.setup()?;
    let negotiated = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK;
    equal("when negotiated", driver.device().status()?, negotiated)?;
    driver.start()?;
    equal("when running", driver.device().status()?, negotiated | Status::DRIVER_OK)?;
    driver.device().reset()?;
    equal("when reset", driver.device().status()?, Status::empty())
}
