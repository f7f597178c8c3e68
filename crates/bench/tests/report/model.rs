//! The cost model.

use vhost_accel::Interface;
use vhost_accel_bench::report::{self, Evidence, mean_absolute_error, predictions};
use vhost_accel_bench::{Configuration, Scenario, Step, Variant};

use crate::fixture;

/// In the fixture a VHOST_SET_VRING_NUM costs 1900 ns, VHOST_SET_MEM_TABLE has no price, the
/// group's status none either, and what is between two crossings costs 100 ns.
#[test]
fn work_is_the_sum_of_its_crossings_prices() {
    let mut file = fixture::result();
    // No setup has all prices yet.
    assert_eq!(predictions(&file), []);
    let mut status = file.costs[0].clone();
    status.kind = "ioctl VFIO_GROUP_GET_STATUS".into();
    status.cost = 900.0;
    for configuration in Configuration::ALL {
        (status.interface, status.variant) = (configuration.interface, configuration.variant);
        file.costs.push(status.clone());
    }
    let all = predictions(&file);
    let find = |scenario, configuration| {
        all.iter()
            .find(|one| (one.scenario, one.configuration) == (scenario, configuration))
            .copied()
    };
    let configuration = Configuration::plain(Interface::VhostMdev);
    // setup/4 through the interface at place 2: 30 + 2 + 10 × 4 crossings, one of them the status.
    let one = find(Scenario::Setup(4), configuration).unwrap();
    assert!((one.predicted - (71.0 * 1_900.0 + 900.0 + 72.0 * 100.0)).abs() < 1e-6);
    assert!((one.measured - (5.0 + 2_000.0 * 72.0 + 2.0)).abs() < 1e-6);
    assert!(!one.fitted);
    assert!((one.error() + 1_007.0 / 144_007.0).abs() < 1e-9, "{}", one.error());
    assert!(find(Scenario::Setup(1), configuration).unwrap().fitted);
    // Its crossings have no price.
    assert_eq!(find(Scenario::SetupStep(Step::Open), configuration), None);
    assert_eq!(
        find(Scenario::MemTable(8), Configuration::new(Interface::VhostMdev, Variant::MemTable)),
        None
    );
    assert!(mean_absolute_error(&all).unwrap() < 0.02);
    let said = report::text(&[file.clone()]);
    assert!(said.contains("The mean absolute error is"), "{said}");
    // A run that has counted nothing takes another's counts: they are the same on every kernel.
    let mut counted = fixture::instructions();
    assert!(counted.crossings.is_empty());
    counted.costs.clone_from(&file.costs);
    counted.costs.iter_mut().for_each(|cost| cost.cost *= 2.0);
    assert_eq!(predictions(&counted), []);
    let said = report::text(&[file, counted]);
    assert_eq!(said.matches("The mean absolute error is").count(), 2, "{said}");
}

#[test]
fn the_fit_is_not_counted_as_a_prediction() {
    let mut file = fixture::result();
    for counted in &mut file.crossings {
        counted.kinds = [("ioctl VHOST_SET_VRING_NUM".to_owned(), counted.total)].into();
    }
    file.timings.retain(|timing| ["setup/1", "setup-batched/1"].contains(&&*timing.key.scenario));
    let all = predictions(&file);
    assert!(!all.is_empty());
    assert!(all.iter().all(|one| one.fitted));
    assert_eq!(mean_absolute_error(&all), None);
    assert!(!report::text(&[file]).contains("mean absolute error"));
}

#[test]
fn a_prediction_that_is_far_off_is_listed_with_its_cause() {
    let mut file = fixture::result();
    for counted in &mut file.crossings {
        counted.kinds = [("ioctl VHOST_SET_VRING_NUM".to_owned(), counted.total)].into();
    }
    for timing in &mut file.timings {
        if timing.key.scenario == "dma-map/1G" {
            timing.figures.median *= 100.0;
        }
    }
    let said = report::markdown(&Evidence::new(&[file]));
    let (_, listed) = said.split_once("Predictions that are off by more than 10%").unwrap();
    assert!(listed.contains("dma-map/1G #1/A"), "{listed}");
    assert!(listed.contains("pins another number of pages"), "{listed}");
}
