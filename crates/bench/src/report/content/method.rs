//! How it was measured, what threatens the conclusions, and how to repeat it.

use crate::report::document::Block;
use crate::report::evidence::{Evidence, Kind};
use crate::report::numbers::cpus;
use crate::{Clock, KernelHalf, ResultFile};

pub(super) fn method(evidence: &Evidence<'_>) -> Vec<Block> {
    let Some(device) = evidence.quoted().first().map(|file| &file.device) else {
        return Vec::new();
    };
    let mut blocks = vec![
        Block::paragraph(format!(
            "Behind every interface is one device, a virtio-net loopback with {} queue pairs, vrings of {} \
             entries; above it one program, which knows the interface by its URI alone. Crossings are \
             counted by the emulated kernel: all system calls of the measuring thread but those of a \
             process's own memory and locks. Times are medians of criterion's samples. The baseline is the same \
             sequence of system calls written with libc alone; ratios of times are measured by themselves, \
             the two taking turns on two devices that are alike, in one process. \"I think we need a sample parent \
             drivers in the next version for us to understand the full picture\" (Jason Wang, 9 July 2019): \
             kernel/ has one, behind all four interfaces.",
            device.queue_pairs, device.queue_size
        )),
        Block::paragraph("What threatens the conclusions:"),
        Block::List(threats(evidence)),
    ];
    for file in evidence.quoted() {
        blocks.push(Block::paragraph(run(evidence, file)));
    }
    blocks.push(Block::paragraph("To repeat the runs:"));
    let mut commands: Vec<String> = Vec::new();
    for file in evidence.quoted() {
        if !commands.contains(&file.run.command) {
            commands.push(file.run.command.clone());
        }
    }
    blocks.push(Block::Code(commands));
    blocks.push(Block::paragraph(
        "This text and every number in it are made from results/ by `vhost-accel report`; `vhost-accel \
         report --check` says whether they still are.",
    ));
    blocks
}

fn threats(evidence: &Evidence<'_>) -> Vec<String> {
    let mut threats = vec![
        "The device is ours and in software. A hardware device takes time to be programmed, which adds \
         the same to every interface, and makes their differences a smaller share."
            .to_owned(),
        "The modules of #1/A, #1/B and #2 are ours too. They were written to be alike, on one parent; \
         vhost_vdpa is mainline's. A maintainer's version of the others could make more crossings or fewer."
            .to_owned(),
        "#1/A is not RFC v2 to the letter. A message that fails fails its write, where RFC v2 swallowed the \
         error, and the requests of the later series (status, config space, vring enable) are there, since a \
         virtio 1 device can't be brought up without them. Messages may travel together, which is ours."
            .to_owned(),
        "Some differences are our kernel half's choice and not the interface's: one mmap(2) for all doorbell pages \
         on #1 and #2 where vhost_vdpa takes one for each; no pinning at VFIO_IOMMU_MAP_DMA, because the \
         container holds mediated devices alone; an idle vDPA device that naps, where ours are woken by \
         a fault."
            .to_owned(),
    ];
    if evidence.emulated().is_some() {
        threats.push(
            "The emulated kernel is a thread that answers system calls through seccomp notifications. A \
             trapped call costs two context switches, which outweighs what a kernel does in it; one that \
             isn't trapped, such as an eventfd's write(2), costs what it always does. To pin is to populate \
             the pages, no IOMMU is programmed, and the device is a thread on the same CPUs. Its absolute \
             times say nothing about a kernel; relative ones follow the counts; whatever doesn't cross (a \
             doorbell) is real."
                .to_owned(),
        );
    }
    if evidence.instructions().is_some() {
        threats.push(
            "Instructions are counted by QEMU's translator (`-icount`): user and kernel, client and device \
             on one CPU. They say how much work there is, and nothing of caches, of mode switches and their \
             mitigations, of TLB misses or of waiting. An instruction that is slow on a CPU counts as one, and one that moves a string \
             counts once for every element; the CPU that is emulated has no fast ones, so that clearing a \
             page counts 512 and not 4096."
                .to_owned(),
        );
    }
    if evidence.translated().is_some() {
        threats.push(
            "The wall clock on QEMU's translator is not a CPU's time: a trap costs other multiples of a \
             store there than on a CPU. It is quoted for latencies alone, which have no other native \
             figure, and decides nothing."
                .to_owned(),
        );
    }
    threats
}

/// What a run was, on what, and where its data are.
fn run(evidence: &Evidence<'_>, file: &ResultFile) -> String {
    let (run, host) = (&file.run, &file.host);
    let mitigations: Vec<String> =
        host.mitigations.iter().map(|(flaw, state)| format!("{flaw}: {state}")).collect();
    let mitigations = match (mitigations.is_empty(), run.clock) {
        (true, _) | (_, Clock::Instructions) => String::new(),
        _ => format!(" Mitigations: {}.", mitigations.join("; ")),
    };
    let interrupted = if run.interrupted { ", interrupted" } else { "" };
    let of = match run.kernel_half {
        KernelHalf::Emulated => "on Linux",
        KernelHalf::Native => "Linux",
    };
    format!(
        "Run ({}): {}, {}, {of} {}, clock source {}; a {} run{interrupted}, {} s, ended {}, \
         revision {}. Raw data: {}.{mitigations}",
        Kind::of(file).name(),
        host.cpu,
        cpus(host.cores),
        host.kernel,
        host.clock_source,
        run.mode,
        run.seconds,
        run.date,
        run.revision.as_deref().unwrap_or("unknown"),
        evidence.source(file)
    )
}
