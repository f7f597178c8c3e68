//! Each of the thread's arguments, and what the data say to it.
//!
//! What stands between quotation marks is copied from the thread of 9 July 2019; what was said
//! later is paraphrased.

use std::cmp::Ordering;

use vhost_accel::{Interface, KickKind};

use crate::report::document::Block;
use crate::report::evidence::Evidence;
use crate::report::numbers::{percent, ratio, said};
use crate::report::words::{each, each_figure, join};
use crate::{
    Argument, CONTROL, Client, Configuration, LIVE, Over, REGIONS, ResultFile, Scenario, Variant,
};

/// What takes so many times as much is worth a word.
const NOTABLE: f64 = 1.1;
const TABLE: Configuration = Configuration::new(Interface::VhostMdev, Variant::MemTable);

/// What there is to say to an argument.
type Text = fn(&Evidence<'_>) -> String;

pub(super) fn arguments(evidence: &Evidence<'_>) -> Vec<Block> {
    let all: [(&str, Text); 10] = [
        ("Existing userspace code", userspace),
        ("A new protocol", protocol),
        ("VFIO's own ioctls mostly replaced", replaced),
        ("Colliding ioctls", collision),
        ("VHOST_SET_MEM_TABLE is too heavy", table),
        ("A vIOMMU", viommu),
        ("MAP and UNMAP instead of tables", map),
        ("DMA isolation", isolation),
        ("Doorbells", doorbells),
        ("A VFIO device without BARs", bars),
    ];
    all.into_iter()
        .flat_map(|(name, text)| {
            [Block::Subheading(name.to_owned()), Block::paragraph(text(evidence))]
        })
        .collect()
}

/// Crossings through the library, used plainly.
fn total(evidence: &Evidence<'_>, scenario: Scenario, interface: Interface) -> Option<u64> {
    evidence.counts()?.total(scenario, Configuration::plain(interface))
}

/// The run whose figures of work are the best there are.
fn best<'a>(evidence: &Evidence<'a>, has: impl Fn(&ResultFile) -> bool) -> Option<&'a ResultFile> {
    [evidence.real(), evidence.instructions(), evidence.emulated()]
        .into_iter()
        .flatten()
        .find(|file| has(file))
}

/// What `scenario` takes on each interface: `12 instructions on #1/A and …`.
fn work(evidence: &Evidence<'_>, scenario: Scenario) -> Option<String> {
    let has = |file: &ResultFile| file.median(scenario, CONTROL).is_some();
    let file = best(evidence, has)?;
    each_figure(file.run.clock, |interface| file.median(scenario, Configuration::plain(interface)))
}

fn userspace(evidence: &Evidence<'_>) -> String {
    let mut text = "\"The advantages is that all exist userspace program could be reused without \
                    modification (or minimal modification)\" (Jason Wang, 3 July 2019, for vhost's ioctls); \
                    \"potentially reuse a lot of VFIO code in QEMU\" (Tiwei Bie, 9 July 2019, for #1). "
        .to_owned();
    let peers: Vec<f64> = evidence.quoted().first().map_or_else(Vec::new, |_| {
        let file =
            best(evidence, |file| file.ratios.iter().any(|ratio| ratio.key.client == Client::Peer));
        file.map_or_else(Vec::new, |file| {
            file.ratios
                .iter()
                .filter(|ratio| ratio.key.client == Client::Peer && ratio.over == Over::Library)
                .map(|ratio| ratio.figures.median)
                .collect()
        })
    });
    let (least, most) =
        (peers.iter().copied().reduce(f64::min), peers.iter().copied().reduce(f64::max));
    if let (Some(least), Some(most)) = (least, most) {
        text.push_str(&format!(
            "Reuse works for the vhost side: the unmodified `vhost` crate drives the control interface, at {} \
             times what this library takes. ",
            span(least, most)
        ));
    }
    text.push_str(
        "For the VFIO side it is not free: `vfio-ioctls`, as other VFIO userspace, refuses a device type that \
         it doesn't know, so our #1 devices call themselves platform devices. How much of QEMU's code \
         could be kept no figure here can say.",
    );
    text
}

/// `12.50 times`, or of what is far less than one `1/80 times`.
fn times(quotient: f64) -> String {
    if quotient > 0.0 && quotient < 0.1 {
        return format!("1/{:.0} times", 1.0 / quotient);
    }
    format!("{} times", ratio(Some(quotient)))
}

/// `1.02 to 1.25`, or one of them if they are the same.
fn span(least: f64, most: f64) -> String {
    let (least, most) = (ratio(Some(least)), ratio(Some(most)));
    if least == most { least } else { format!("{least} to {most}") }
}

fn protocol(evidence: &Evidence<'_>) -> String {
    let mut text =
        "\"What's the advantage of inventing a new protocol?\" (Jason Wang, 3 July 2019, of #1/A). "
            .to_owned();
    let get = Scenario::Crossing(Argument::Out);
    if let (Some(message), Some(ioctl)) =
        (total(evidence, get, Interface::VfioMsg), total(evidence, get, Interface::VfioIoctl))
    {
        text.push_str(&format!(
            "A request that answers takes {message} crossings as a message and {ioctl} as an ioctl. "
        ));
    }
    if let (Some(message), Some(ioctl)) = (
        total(evidence, Scenario::Setup(4), Interface::VfioMsg),
        total(evidence, Scenario::Setup(4), Interface::VfioIoctl),
    ) {
        let verdict = match message.cmp(&ioctl) {
            Ordering::Less => "fewer as messages",
            Ordering::Equal => "as many either way",
            Ordering::Greater => "more as messages",
        };
        text.push_str(&format!(
            "`setup/4` takes {message} on #1/A and {ioctl} on #1/B: {verdict}, one by one as RFC v2 had them. "
        ));
    }
    let batch = |pairs| {
        let way = Configuration::new(Interface::VfioMsg, Variant::Batch);
        evidence.counts()?.total(Scenario::SetupBatched(pairs), way)
    };
    if let (Some(few), Some(many)) = (batch(4), batch(64)) {
        text.push_str(&format!(
            "What a message can do and an ioctl can't is to travel with others: batched, a setup takes \
             {few} crossings with 4 pairs and {many} with 64. "
        ));
    }
    let few = work(evidence, Scenario::Setup(4));
    if let Some(few) = few {
        text.push_str(&format!("In work, `setup/4` takes {few}. "));
    }
    text.push_str("What a second protocol costs to specify and to keep, no figure shows.");
    text
}

fn replaced(evidence: &Evidence<'_>) -> String {
    let mut text = "\"[M]aybe the VFIO user API isn't what you want in the first place if you intend to \
                    mostly/entirely ignore the defined ioctl set and replace them with your own. In the \
                    case of the latter, you're also not getting the advantages of the existing VFIO \
                    userspace code, so why expose a VFIO device at all\" (Alex Williamson, 5 July 2019). "
        .to_owned();
    let share = |interface| {
        let file = evidence.counts()?;
        let (scenario, configuration) = (Scenario::Setup(4), Configuration::plain(interface));
        let vfio = file.of_kind(scenario, configuration, "ioctl VFIO_").filter(|&vfio| vfio > 0)?;
        let total = file.total(scenario, configuration)?;
        Some(format!("{vfio} of {total} ({})", percent(vfio as f64 / total as f64)))
    };
    if let Some(shares) = each(share) {
        text.push_str(&format!(
            "Of the crossings of `setup/4`, VFIO's own ioctls are {shares}. The rest is vhost's in another \
             envelope, or the opening of files and the mapping of doorbells. "
        ));
    }
    text.push_str(
        "The counts can't weigh the VFIO code that a VMM has already. Jason Wang said in the thread of 9 July \
         that #2 looked better to him, and that he feared to see it end up like VFIO's API.",
    );
    text
}

fn collision(_: &Evidence<'_>) -> String {
    "\"[W]e'd want to be sure the ioctl address space can't collide with ioctls we'd use for vfio defined \
     purposes\" (Alex Williamson, 5 July 2019, of #1/B); \"There should be no conflicts between the VFIO \
     ioctls (type is 0x3B) and VHOST ioctls (type is 0xAF) currently\" (Tiwei Bie, 9 July 2019). It is as \
     Tiwei Bie said: on Linux 6.12 VFIO's core hands every ioctl that isn't its own to the device's driver, \
     and the two types differ; tests compare our numbers with the kernel's headers. Flags are another \
     matter: the bit that RFC v2 took for its device flag has been given to another bus since. That it stays \
     free of conflicts is a rule for maintainers and not a thing to measure."
        .to_owned()
}

fn table(evidence: &Evidence<'_>) -> String {
    let mut text = "\"[R]eusing VHOST_SET_MEM_TABLE is a choice, but it's too heavy and doesn't support \
                    vIOMMU by itself\" (Tiwei Bie, 9 July 2019, of #2); Jason Wang found it too heavyweight \
                    as well. "
        .to_owned();
    let of =
        |scenario, configuration, kind| evidence.counts()?.of_kind(scenario, configuration, kind);
    if let (Some(table), Some(map)) = (
        of(Scenario::SetupBatched(4), TABLE, "ioctl VHOST_SET_MEM_TABLE"),
        of(
            Scenario::Setup(4),
            Configuration::plain(Interface::VhostMdev),
            "ioctl VHOST_MDEV_MAP_DMA",
        ),
    ) {
        let verdict = match table.cmp(&map) {
            Ordering::Less => "By crossings it is the lighter",
            Ordering::Equal => "By crossings there is no difference",
            Ordering::Greater => "By crossings it is the heavier",
        };
        text.push_str(&format!(
            "{verdict}: {table} for the regions of `setup/4`, against {map} with a request for each. "
        ));
    }
    let regions = |regions| {
        let (file, table, map) = both(evidence, Scenario::MemTable(regions))?;
        Some(format!(
            "{regions} regions take {} as a table and {} request by request ({})",
            said(file.run.clock, table),
            said(file.run.clock, map),
            times(table / map)
        ))
    };
    let handed: Vec<String> = REGIONS.into_iter().skip(1).filter_map(regions).collect();
    if !handed.is_empty() {
        text.push_str(&format!("Memory that is lent once: {}. ", join(&handed)));
    }
    if let Some((_, churn)) = churned(evidence, LIVE[0]) {
        text.push_str(&format!("Memory that changes: {churn}. "));
    }
    if let Some(limit) = evidence.quoted().iter().find_map(|file| file.limits.first()) {
        text.push_str(&format!(
            "And it ends: a table takes {} mappings and no more.",
            limit.mappings
        ));
    }
    text.trim_end().to_owned()
}

/// What `scenario` takes on #2 by table and by request, in the best run that has both.
fn both<'a>(evidence: &Evidence<'a>, scenario: Scenario) -> Option<(&'a ResultFile, f64, f64)> {
    let figures = |file: &ResultFile| {
        let map = file.median(scenario, Configuration::plain(Interface::VhostMdev))?;
        Some((file.median(scenario, TABLE)?, map)).filter(|_| map > 0.0)
    };
    let file = best(evidence, |file| figures(file).is_some())?;
    figures(file).map(|(table, map)| (file, table, map))
}

/// A vIOMMU's work by table and by request, and how many times the first takes the second.
fn churned(evidence: &Evidence<'_>, live: u32) -> Option<(f64, String)> {
    let (file, table, map) = both(evidence, Scenario::DmaChurn(live))?;
    let text = format!(
        "one page mapped, used and unmapped next to {live} others takes {} by table and {} by MAP and UNMAP, \
         {} as much",
        said(file.run.clock, table),
        said(file.run.clock, map),
        times(table / map)
    );
    Some((table / map, text))
}

fn viommu(evidence: &Evidence<'_>) -> String {
    let mut text =
        "\"Then we have the chance to reuse vfio codes in qemu for dealing with e.g vIOMMU\" \
                    (Jason Wang, 9 July 2019, for #1). "
            .to_owned();
    let many = LIVE
        .into_iter()
        .rev()
        .find_map(|live| Some((live, work(evidence, Scenario::DmaChurn(live))?)));
    if let Some((live, work)) = many {
        text.push_str(&format!(
            "With {live} live mappings one page mapped, used \
             and unmapped takes {work}. "
        ));
    } else {
        text.push_str("The work of a vIOMMU is in no run yet. ");
    }
    text.push_str(
        "That the code for it is in QEMU already is an argument for the container which these figures don't \
         touch: they compare what the interfaces cost when both codes exist.",
    );
    text
}

fn map(evidence: &Evidence<'_>) -> String {
    let mut text = "Michael Tsirkin asked in February 2020 why there was no interface to map and to unmap, \
                    since finding the difference of two memory tables is an obvious waste. vhost-vdpa then got \
                    IOTLB messages that do this; our #2 has two ioctls. "
        .to_owned();
    if let Some((times, churn)) = churned(evidence, LIVE[0]) {
        let verdict = if times > NOTABLE { "agree" } else { "don't bear it out" };
        text.push_str(&format!("The data {verdict}: {churn}. "));
    } else {
        text.push_str("No run has both of them yet. ");
    }
    let maps = Scenario::DmaChurn(LIVE[0]);
    let over = best(evidence, |file| {
        file.ratio(maps, Configuration::plain(Interface::VhostMdev), Client::Library, Over::Control)
            .is_some()
    })
    .and_then(|file| {
        file.over(maps, Configuration::plain(Interface::VhostMdev), Client::Library, Over::Control)
    });
    if let Some(over) = over {
        let little = if (1.0 / NOTABLE..=NOTABLE).contains(&over) { "little" } else { "something" };
        text.push_str(&format!(
            "Between the two shapes of MAP and UNMAP there is {little}: as ioctls it takes {} times what it takes \
             as IOTLB messages.",
            ratio(Some(over))
        ));
    }
    text.trim_end().to_owned()
}

fn isolation(_: &Evidence<'_>) -> String {
    "\"One issue for this series is that it doesn't consider DMA isolation at all\" (Jason Wang, 9 July 2019). \
     No figure shows isolation. Our device translates every address that it takes from a ring, in every \
     interface, and stops a queue that names an address outside the mappings; the conformance suite tests \
     it on all four. What isolates a hardware device is an IOMMU behind it, and who programs it (the container \
     or the parent) is a question of #1 against #2 that a device in software can't decide."
        .to_owned()
}

fn doorbells(evidence: &Evidence<'_>) -> String {
    let mut text = "\"[W]e can start from SET_VRING_KICK/SET_VRING_CALL and extend it with e.g notify region\" \
                    (Jason Wang, 3 July 2019). "
        .to_owned();
    let crossed = each(|interface| {
        let kick = Scenario::Kick(KickKind::Doorbell);
        total(evidence, kick, interface).map(|count| count.to_string())
    });
    if let Some(crossed) = crossed {
        text.push_str(&format!(
            "A notify page fits each interface: crossings of a kick by doorbell are {crossed}. "
        ));
    }
    for (kind, name) in [(KickKind::Doorbell, "a doorbell"), (KickKind::EventFd, "an eventfd")] {
        let scenario = Scenario::Kick(kind);
        if let Some(work) = work(evidence, scenario) {
            text.push_str(&format!("To its caller {name} takes {work}. "));
        }
    }
    let silent =
        |interface| total(evidence, Scenario::Kick(KickKind::Doorbell), interface) == Some(0);
    if Interface::ALL.into_iter().all(silent) {
        text.push_str("So the choice between the interfaces doesn't hang on the cost of a kick. ");
    }
    text.push_str("What a device takes to notice is a property of the device.");
    text
}

fn bars(evidence: &Evidence<'_>) -> String {
    let mut text = "Jason Gunthorpe held on 21 November 2019 that VFIO without BARs is a misuse, and that this \
                    wants a subsystem with a character device and a bus of its own; Linux got both with vDPA. "
        .to_owned();
    let container = each(|interface| {
        let file = evidence.counts()?;
        let law = file.setup_law(Scenario::Setup, Configuration::plain(interface))?;
        Some(law.fixed.to_string())
    });
    if let Some(container) = container {
        text.push_str(&format!(
            "What a device file of its own saves can be counted: the part of a setup's crossings that doesn't \
             depend on the number of queues is {container}. The table of kinds says what it consists of. "
        ));
    }
    text.push_str("What is a misuse is not for a benchmark to say.");
    text
}
