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
        "{}\n{half} kernel, {mode} run, {on}; `results/{}`. Times of the emulated kernel compare \
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
    let mut blocks = vec![answer(file)];
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

/// The interfaces with the smallest figure, and the figure.
fn fewest(figure: impl Fn(Interface) -> Option<u64>) -> (String, Option<u64>) {
    let least = Interface::ALL.into_iter().filter_map(&figure).min();
    let names: Vec<&str> = Interface::ALL
        .into_iter()
        .filter(|&interface| least.is_some() && figure(interface) == least)
        .map(Interface::thread_id)
        .collect();
    (names.join(" and "), least)
}

/// `12 on #1/A, 11 on #1/B, …`.
fn each(cell: impl Fn(Interface) -> Option<String>) -> String {
    let all: Vec<String> = Interface::ALL
        .into_iter()
        .filter_map(|interface| Some(format!("{} on {}", cell(interface)?, interface.thread_id())))
        .collect();
    all.join(", ")
}

/// The thread's question, answered as far as the data go.
fn answer(file: &ResultFile) -> Block {
    let setup =
        |pairs| move |interface| file.total(Scenario::Setup(pairs), Subject::plain(interface));
    let (small, small_count) = fewest(setup(1));
    let (large, large_count) = fewest(setup(64));
    let (batch, batch_count) =
        fewest(|interface| file.total(Scenario::SetupBatched(64), batched(interface)?));
    let doorbells = each(|interface| {
        let scenario = Scenario::Kick(KickKind::Doorbell);
        file.total(scenario, Subject::plain(interface)).map(|count| count.to_string())
    });
    let mut text = format!(
        "Which one, #1/A, #1/B or #2? The same device was driven by the same code through each, and \
         through vhost-vdpa, which is what Linux shipped in 5.7. To bring it up with one queue pair \
         {small} needs the fewest crossings, {}; with 64 pairs {large}, {}; and where requests may be \
         batched {batch}, {}. A kick through a doorbell page makes no system call on any of them \
         ({doorbells} crossings), so on the data path the four do not differ: the choice is about \
         setup, DMA programming and what code can be shared.",
        count(small_count),
        count(large_count),
        count(batch_count),
    );
    if file.run.kernel_half == KernelHalf::Emulated {
        text.push_str(
            " The counts are exact and hold on any kernel. The times below are from an emulated \
             kernel, where every crossing costs one notification: they compare the interfaces with \
             each other, and are not what a real kernel takes.",
        );
    }
    paragraph(text)
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
    blocks
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
    let map = |subject| file.median(Scenario::DmaMap(MapSize::Huge), subject);
    let plain = each(|interface| {
        let subject = Subject::plain(interface);
        let crossings = file.total(Scenario::DmaMap(MapSize::Huge), subject)?;
        Some(format!("{crossings} ({})", time(Some(map(subject)?))))
    });
    let table = Subject::new(Interface::VhostMdev, Variant::MemTable);
    vec![
        Block::Heading("DMA".to_owned()),
        paragraph(format!(
            "Adding one mapping of 2 MiB next to the two of guest memory takes {plain} crossings. With \
             VHOST_SET_MEM_TABLE on #2 it is {} as well ({}), but that one carries every region again: \
             what it costs grows with the number of live mappings, which these scenarios keep at three.",
            count(file.total(Scenario::DmaMap(MapSize::Huge), table)),
            time(map(table)),
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
        " Nothing is pinned here, so the times can't say what a table costs that pins its regions anew."
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
            "\"Maybe the VFIO user API isn't what you want in the first place if you intend to \
             mostly/entirely ignore the defined ioctl set\" (Alex Williamson, 5 July 2019). Of the \
             crossings of setup/4, VFIO's own ioctls are {} on #1/A and {} on #1/B. The rest is vhost's \
             in another envelope. The counts can't weigh the VFIO code that a VMM has already.",
            share(Interface::VfioMsg).unwrap_or_else(|| "-".to_owned()),
            share(Interface::VfioIoctl).unwrap_or_else(|| "-".to_owned()),
        )),
        paragraph(
            "\"Reuse the VFIO container/group based DMA API\" (Tiwei Bie, 9 July 2019, for #1). A \
             mapping is one crossing in the container as it is on #2 and on vhost-vdpa. What comes with \
             the container is paid once: it is the difference of the fixed parts above. What is reused \
             by it, a vIOMMU above all, no count shows."
                .to_owned(),
        ),
        paragraph(format!(
            "\"Reusing VHOST_SET_MEM_TABLE is a choice, but it's too heavy and doesn't support vIOMMU by \
             itself\" (Tiwei Bie, 9 July 2019, of #2). By crossings it is the lightest: {} for both \
             regions of setup/4, against {} with a request for each. One further mapping is one \
             crossing either way; its time is {} of that of a request for the mapping alone with three \
             mappings live.{unlike}",
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
            let verdict = if claim.holds { "holds" } else { "DOES NOT HOLD" };
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
             are counted by the kernel half, all system calls of the measuring thread included. Times \
             are criterion's: the median of the samples and its 95 % confidence interval. The floor is \
             the same sequence of system calls written with libc alone; it ran next to the library's, \
             on the same device, in the same process.",
            file.device.queue_pairs, file.device.queue_size
        )),
    ];
    if half == KernelHalf::Emulated {
        blocks.push(paragraph(
            "The kernel half is emulated: a thread that answers the system calls through seccomp \
             notifications. A trapped call costs two context switches; a call that isn't trapped (an eventfd write, mmap(2) of nothing of ours) \
             costs what it always does. Nothing is pinned, no IOMMU is programmed, and the device is a \
             thread on one of the same CPUs. Absolute times therefore say nothing about a kernel; \
             relative ones follow the counts, and whatever doesn't cross (a doorbell) is real."
                .to_owned(),
        ));
    }
    blocks.push(paragraph(format!(
        "Measured on {on}, clock source {}, {}. {half} kernel half, {mode} run of {}, revision {revision}. \
         Raw data: `results/{}`.",
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
