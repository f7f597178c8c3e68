//! What the reports say.

use std::collections::BTreeSet;

use vhost_accel_core::{Interface, KickKind};

use super::claims::claims;
use super::document::{self, Block};
use super::numbers::{batched, count, ratio, time};
use super::{plot, tables};
use crate::{Argument, KernelHalf, MapSize, Mode, ResultFile, Scenario, Subject, Variant};

/// The mail to answer: the posting of RFC v2.
const IN_REPLY_TO: &str = "<20190703091339.1847-1-tiwei.bie@intel.com>";
const SUBJECT: &str = "Re: [RFC v2] vhost: introduce mdev based hardware vhost backend";

/// A mail ready for `git send-email`: plain text of at most 72 columns. Empty without results.
pub fn text(files: &[ResultFile]) -> String {
    let Some(file) = quoted(files) else {
        return String::new();
    };
    let body = document::text(&blocks(file));
    format!("Subject: {SUBJECT}\nIn-Reply-To: {IN_REPLY_TO}\nReferences: {IN_REPLY_TO}\n\n{body}")
}

/// `docs/design-comparison.md`. Empty without results.
pub fn markdown(files: &[ResultFile]) -> String {
    let Some(file) = quoted(files) else {
        return String::new();
    };
    let body = document::markdown(&blocks(file));
    format!(
        "# One device, four interfaces\n\n<!-- Written by `vhost-accel report` from results/; \
         do not edit. -->\n\n{body}"
    )
}

/// The table between the markers in the README. Empty without results.
pub fn readme_table(files: &[ResultFile]) -> String {
    let Some(file) = quoted(files) else {
        return String::new();
    };
    let Run { half, mode, on } = Run::of(file);
    format!(
        "{}\nA {mode} run on the {half} kernel, {on}: `results/{}`. Times of the emulated kernel compare \
         with each other and with nothing else.\n",
        tables::summary(file).markdown(),
        file.file_name()
    )
}

/// The comparison table of one run, as a terminal shows it.
pub fn table(file: &ResultFile) -> String {
    let mut blocks = vec![Block::Table(tables::crossings(file))];
    blocks.push(Block::Table(tables::times(file)));
    blocks.push(Block::Table(tables::over_floor(file)));
    blocks.extend(promises(file));
    document::text(&blocks)
}

/// The result that the reports quote: the latest full run, else the latest.
pub(super) fn quoted(files: &[ResultFile]) -> Option<&ResultFile> {
    let latest = |mode| {
        files.iter().filter(|file| file.run.mode == mode).max_by(|a, b| a.run.date.cmp(&b.run.date))
    };
    latest(Mode::Full).or_else(|| latest(Mode::Quick))
}

/// What a caption says about a run.
struct Run {
    half: KernelHalf,
    mode: Mode,
    on: String,
}

impl Run {
    fn of(file: &ResultFile) -> Self {
        let host = &file.host;
        let on = format!("{}, {} CPUs, Linux {}", host.cpu, host.cores, host.kernel);
        Self { half: file.run.kernel_half, mode: file.run.mode, on }
    }
}

fn blocks(file: &ResultFile) -> Vec<Block> {
    let mut blocks = answer(file);
    blocks.extend(setup(file));
    blocks.extend(kicks(file));
    blocks.extend(dma(file));
    blocks.extend(arguments(file));
    blocks.push(Block::Heading("All counts and times".to_owned()));
    blocks.push(Block::Table(tables::crossings(file)));
    blocks.push(Block::Table(tables::times(file)));
    blocks.push(Block::Table(tables::over_floor(file)));
    blocks.extend(promises(file));
    blocks.extend(method(file));
    blocks
}

fn paragraph(text: String) -> Block {
    Block::Paragraph(text)
}

/// `12 on #1/A, 11 on #1/B and 10 on #2`.
fn each(cell: impl Fn(Interface) -> Option<String>) -> String {
    let all: Vec<String> = Interface::ALL
        .into_iter()
        .filter_map(|interface| Some(format!("{} on {}", cell(interface)?, name(interface))))
        .collect();
    join(&all)
}

/// The interfaces for which something holds: `#1/A and #2`, `all of them`, `none`.
fn which(holds: impl Fn(Interface) -> bool) -> String {
    let names: Vec<String> = Interface::ALL
        .into_iter()
        .filter(|&interface| holds(interface))
        .map(|interface| name(interface).to_owned())
        .collect();
    if names.len() == Interface::ALL.len() { "all of them".to_owned() } else { join(&names) }
}

/// An interface in a sentence.
fn name(interface: Interface) -> &'static str {
    match interface {
        Interface::VhostVdpa => interface.name(),
        _ => interface.thread_id(),
    }
}

fn join(all: &[String]) -> String {
    match all {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The interface with the smallest figure.
fn fewest(figure: impl Fn(Interface) -> Option<u64>) -> String {
    let least = Interface::ALL.into_iter().filter_map(&figure).min();
    which(|interface| least.is_some() && figure(interface) == least)
}

/// The thread's question, answered as far as the data go.
fn answer(file: &ResultFile) -> Vec<Block> {
    let total = |scenario, subject| file.total(scenario, subject);
    let setup = |pairs| {
        each(|interface| {
            total(Scenario::Setup(pairs), Subject::plain(interface)).map(|count| count.to_string())
        })
    };
    let flat = |interface| {
        let law = batched(interface).and_then(|way| file.setup_law(Scenario::SetupBatched, way));
        law.is_some_and(|law| law.per_pair == 0)
    };
    let constant = each(|interface| {
        flat(interface).then(|| {
            let way = batched(interface).unwrap_or(Subject::plain(interface));
            count(total(Scenario::SetupBatched(64), way))
        })
    });
    let silent = which(|interface| {
        let kick = Scenario::Kick(KickKind::Doorbell);
        total(kick, Subject::plain(interface)) == Some(0)
    });
    let many = [
        fewest(|interface| total(Scenario::Setup(64), Subject::plain(interface))),
        fewest(|interface| total(Scenario::SetupBatched(64), batched(interface)?)),
    ];
    let many = match &many {
        [without, with] if without == with => format!("{with}, with batches or without"),
        [without, with] => format!("{with} with batches and {without} without"),
    };
    let mut answer = vec![paragraph(format!(
        "Which one, #1/A, #1/B or #2? The same device was driven by the same code through each of them, \
         and through vhost-vdpa, which is what Linux shipped in 5.7. Kicks don't decide it: on {silent} a \
         kick through a doorbell page is a store and no system call. Neither does the work of a mapping, \
         one crossing everywhere. What differs is how a device comes up. In crossings, one queue pair \
         takes {}; 64 pairs take {}. Requests that may be batched, which RFC v2 had not, make a setup \
         independent of the number of pairs: {constant}. So few queues favour {}; many favour {many}.",
        setup(1),
        setup(64),
        fewest(|interface| total(Scenario::Setup(1), Subject::plain(interface))),
    ))];
    if file.run.kernel_half == KernelHalf::Emulated {
        answer.push(paragraph(
            "The counts are exact and hold on any kernel. The times below are from an emulated kernel, \
             where every crossing costs one notification: they compare the interfaces with each other, \
             and are not what a real kernel takes."
                .to_owned(),
        ));
    }
    answer
}

fn setup(file: &ResultFile) -> Vec<Block> {
    let mut blocks = vec![
        Block::Heading("Setup".to_owned()),
        paragraph(
            "From open(2) to DRIVER_OK: N queue pairs and the control queue, two memory regions, a \
             call eventfd on each vring and a doorbell for each data vring. `setup` sends one request \
             for one thing. `setup-batched` hands several over as one: messages back to back in one \
             write on #1/A, VHOST_SET_MEM_TABLE on #2, batch hints around the IOTLB messages on \
             vhost-vdpa (two crossings more, so that the device sees one change)."
                .to_owned(),
        ),
        Block::Table(tables::laws(file)),
    ];
    blocks.push(Block::Figure(
        plot::SETUP_CROSSINGS,
        "Crossings of a setup against queue pairs, by interface".to_owned(),
    ));
    blocks.push(Block::Figure(
        plot::SETUP_TIME,
        "Time of a setup against queue pairs, by interface".to_owned(),
    ));
    blocks.push(Block::Table(tables::kinds(file, 4)));
    blocks.push(doorbell_pages(file));
    blocks
}

/// A difference that is our kernel half's doing, not the interface's: it must not decide anything.
fn doorbell_pages(file: &ResultFile) -> Block {
    let maps =
        |interface| file.of_kind(Scenario::Setup(64), Subject::plain(interface), "mmap doorbell");
    paragraph(format!(
        "Not every difference is the design's. vhost_vdpa as shipped maps one doorbell page at a time, \
         which makes {} of its crossings at 64 pairs; the other three let one mmap(2) take all pages \
         ({} on #2), because our kernel half chose so. Mapped page by page, as RFC v2 had it, each of \
         them would make 2 N - 1 more, and #2 and vhost-vdpa would be within one crossing of each other.",
        count(maps(Interface::VhostVdpa)),
        count(maps(Interface::VhostMdev)),
    ))
}

fn kicks(file: &ResultFile) -> Vec<Block> {
    let kick = |kind| {
        each(|interface| {
            let median = file.median(Scenario::Kick(kind), Subject::plain(interface))?;
            Some(time(Some(median)))
        })
    };
    vec![
        Block::Heading("Kicks".to_owned()),
        paragraph(format!(
            "What a kick costs its caller. A doorbell is a store into a mapped page: {}. An eventfd is \
             a write(2), which KVM makes for a guest without leaving the kernel: {}. A write to the \
             NOTIFY region is a pwrite(2) that the device's driver handles: {}.",
            kick(KickKind::Doorbell),
            kick(KickKind::EventFd),
            kick(KickKind::RegionWrite),
        )),
        Block::Figure(
            plot::KICK,
            "Cost of a kick by kind and interface, library and floor".to_owned(),
        ),
    ]
}

fn dma(file: &ResultFile) -> Vec<Block> {
    let table = Subject::new(Interface::VhostMdev, Variant::MemTable);
    let map = |size| {
        let scenario = Scenario::DmaMap(size);
        let plain =
            each(|interface| Some(time(Some(file.median(scenario, Subject::plain(interface))?))));
        format!("{plain}, {} by VHOST_SET_MEM_TABLE on #2", time(file.median(scenario, table)))
    };
    vec![
        Block::Heading("DMA".to_owned()),
        paragraph(format!(
            "Adding a mapping next to the two of guest memory is one crossing on each. 4 KiB take {}. \
             1 GiB takes {}. The difference is pinning, not the interface: #2 and vhost-vdpa pin at map; \
             a VFIO container whose devices are all mediated ones neither pins nor maps at \
             VFIO_IOMMU_MAP_DMA, and the pages are found when the device first touches them. A table \
             carries every region again, and pins it again: what it costs grows with the number of live \
             mappings, here three.",
            map(MapSize::Page),
            map(MapSize::Gigantic),
        )),
    ]
}

/// Each of the thread's arguments, and what the data say to it.
fn arguments(file: &ResultFile) -> Vec<Block> {
    let total = |scenario, interface| file.total(scenario, Subject::plain(interface));
    let get = Scenario::Crossing(Argument::Out);
    let of = |interface, prefix: &str| {
        file.of_kind(Scenario::Setup(4), Subject::plain(interface), prefix)
    };
    let share = |interface| {
        let vfio = of(interface, "ioctl VFIO_")?;
        Some(format!("{vfio} of {}", total(Scenario::Setup(4), interface)?))
    };
    let batch =
        |pairs| {
            count(file.total(
                Scenario::SetupBatched(pairs),
                Subject::new(Interface::VfioMsg, Variant::Batch),
            ))
        };
    let table = Subject::new(Interface::VhostMdev, Variant::MemTable);
    let unlike = if file.run.kernel_half == KernelHalf::Emulated {
        " To pin is to populate pages here, which is less than a kernel does."
    } else {
        ""
    };
    vec![
        Block::Heading("The thread's arguments".to_owned()),
        paragraph(format!(
            "\"What's the advantage of inventing a new protocol?\" (Jason Wang, 3 July 2019, of #1/A). \
             None in the number of requests as RFC v2 posted it: a request that answers takes {} \
             crossings as a message, a write and a read, and {} as an ioctl; setup/4 takes {} on #1/A \
             and {} on #1/B. What a message can do and an ioctl can't is to travel with others: \
             batched, a setup takes {} crossings with 4 pairs and {} with 64.",
            count(total(get, Interface::VfioMsg)),
            count(total(get, Interface::VfioIoctl)),
            count(total(Scenario::Setup(4), Interface::VfioMsg)),
            count(total(Scenario::Setup(4), Interface::VfioIoctl)),
            batch(4),
            batch(64),
        )),
        paragraph(format!(
            "\"[M]aybe the VFIO user API isn't what you want in the first place if you intend to \
             mostly/entirely ignore the defined ioctl set\" (Alex Williamson, 5 July 2019). Of the \
             crossings of setup/4, VFIO's own ioctls are {} on #1/A and {} on #1/B. The rest is vhost's \
             in another envelope. The counts can't weigh the VFIO code that a VMM has already.",
            share(Interface::VfioMsg).unwrap_or_else(|| "-".to_owned()),
            share(Interface::VfioIoctl).unwrap_or_else(|| "-".to_owned()),
        )),
        paragraph(
            "\"[W]e can reuse the VFIO container/group based DMA API\" (Tiwei Bie, 9 July 2019, for #1). A \
             mapping is one crossing in the container as it is on #2 and on vhost-vdpa. What comes with \
             the container is paid once: it is the difference of the fixed parts above. What is reused \
             by it, a vIOMMU above all, no count shows."
                .to_owned(),
        ),
        paragraph(format!(
            "\"[R]eusing VHOST_SET_MEM_TABLE is a choice, but it's too heavy and doesn't support vIOMMU by \
             itself\" (Tiwei Bie, 9 July 2019, of #2). By crossings it is the lightest: {} for both \
             regions of setup/4, against {} with a request for each. A vIOMMU's work is another thing: \
             one more mapping of 4 KiB by a table of three takes {} times what a request for that mapping \
             takes, and the factor grows with the table.{unlike}",
            count(file.of_kind(Scenario::SetupBatched(4), table, "ioctl VHOST_SET_MEM_TABLE")),
            count(of(Interface::VhostMdev, "ioctl VHOST_MDEV_MAP_DMA")),
            ratio(mem_table_ratio(file)),
        )),
    ]
}

/// Time of a map by table over that of a map by itself.
fn mem_table_ratio(file: &ResultFile) -> Option<f64> {
    let scenario = Scenario::DmaMap(MapSize::Page);
    let table = Subject::new(Interface::VhostMdev, Variant::MemTable);
    Some(
        file.median(scenario, table)?
            / file.median(scenario, Subject::plain(Interface::VhostMdev))?,
    )
}

/// What the library promises, and whether this run bears it out.
fn promises(file: &ResultFile) -> Vec<Block> {
    let rows: Vec<Vec<String>> = claims(file)
        .into_iter()
        .map(|claim| {
            let verdict = if claim.holds { "Holds" } else { "DOES NOT HOLD" };
            vec![verdict.to_owned(), format!("{}: {}", claim.promise, claim.measured)]
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading("What the library adds".to_owned())];
    blocks.extend(rows.into_iter().map(|row| paragraph(format!("{}: {}.", row[0], row[1]))));
    let same = |file: &ResultFile| {
        let differ: BTreeSet<String> = file
            .crossings
            .iter()
            .filter(|counted| counted.key.side == crate::Side::Library)
            .filter(|counted| {
                let floor = file.crossings.iter().find(|other| {
                    other.key.side == crate::Side::Floor
                        && other.key.scenario == counted.key.scenario
                        && other.key.subject() == counted.key.subject()
                });
                floor.is_some_and(|floor| floor.kinds != counted.kinds)
            })
            .map(|counted| counted.key.to_string())
            .collect();
        differ
    };
    let differ = same(file);
    blocks.push(paragraph(if differ.is_empty() {
        "No backend makes a crossing that the floor doesn't make: the counts of library and floor are \
         the same, kind by kind, in every scenario."
            .to_owned()
    } else {
        let differ: Vec<String> = differ.into_iter().collect();
        format!("Crossings differ from the floor's in: {}.", differ.join(", "))
    }));
    blocks
}

fn method(file: &ResultFile) -> Vec<Block> {
    let Run { half, mode, on } = Run::of(file);
    let host = &file.host;
    let mitigations: Vec<String> =
        host.mitigations.iter().map(|(flaw, state)| format!("{flaw}: {state}")).collect();
    let revision = file.run.revision.as_deref().unwrap_or("unknown");
    let mut blocks = vec![
        Block::Heading("Method and limits".to_owned()),
        paragraph(format!(
            "Behind every interface is one device, a virtio-net loopback with {} queue pairs, vrings of \
             {} entries; above it one program, which knows the interface by its URI alone. Crossings \
             are counted by the kernel half: all system calls of the measuring thread but those of a \
             process's own memory and locks. Times \
             are medians of criterion's samples. The floor is the same sequence of system calls written \
             with libc alone; for the ratios it took turns with the library, on two devices that are \
             alike, in one process.",
            file.device.queue_pairs, file.device.queue_size
        )),
    ];
    if half == KernelHalf::Emulated {
        blocks.push(paragraph(
            "The kernel half is emulated: a thread that answers the system calls through seccomp \
             notifications. A trapped call costs two context switches; one that isn't trapped, such as an \
             eventfd's write(2), costs what it always does. To pin is to populate the pages, no IOMMU is \
             programmed, and the device is a thread on the same CPUs. Absolute times therefore say nothing about a kernel; \
             relative ones follow the counts, and whatever doesn't cross (a doorbell) is real."
                .to_owned(),
        ));
    }
    blocks.push(paragraph(format!(
        "Measured on {on}, clock source {}, {}: a {mode} run on the {half} kernel, ended {}, revision \
         {revision}. Raw data: `results/{}`.",
        host.clock_source,
        if mitigations.is_empty() {
            "no mitigations".to_owned()
        } else {
            format!("mitigations: {}", mitigations.join("; "))
        },
        file.run.date,
        file.file_name()
    )));
    blocks.push(paragraph("To repeat it, without privileges or hardware:".to_owned()));
    blocks.push(Block::Code(vec![file.run.command.clone()]));
    blocks
}
