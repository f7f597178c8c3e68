//! The thread's question, answered as far as the data go.

use vhost_accel::{Interface, KickKind};

use crate::report::content::setup::dearest;
use crate::report::document::Block;
use crate::report::evidence::Evidence;
use crate::report::numbers::ratio;
use crate::report::rank::{Rank, TIE, Use, uses};
use crate::report::words::{each_figure, join, name, names};
use crate::{Clock, Configuration, Scenario};

/// A mail answers the question that stands quoted above; a document asks it first.
pub(super) fn answer(evidence: &Evidence<'_>, mail: bool) -> Vec<Block> {
    let uses = uses(evidence);
    let question = if mail { "" } else { "Which one, #1/A, #1/B or #2? " };
    let mut blocks =
        vec![Block::paragraph(format!("{question}{}{}", overall(&uses), control(&uses)))];
    let points: Vec<String> = uses
        .iter()
        .filter_map(|use_| {
            let rank = use_.rank.as_ref()?;
            Some(format!(
                "{} (`{}`; {}): {}. {}.{}",
                use_.name,
                use_.scenario,
                rank.by(),
                names(&rank.winners()),
                rank.figures(),
                one_by_one(use_)
            ))
        })
        .collect();
    if !points.is_empty() {
        blocks.push(Block::List(points));
        let decides = evidence.real().or_else(|| evidence.instructions());
        blocks.extend(decides.and_then(dearest));
    }
    blocks.extend(kicks(evidence));
    blocks.extend(repeat(evidence));
    blocks
}

/// Who would take the least with one request for one thing, where that is another.
fn one_by_one(use_: &Use<'_>) -> String {
    let (Some(rank), Some(plain)) = (&use_.rank, &use_.plain) else { return String::new() };
    if rank.winners() == plain.winners() {
        return String::new();
    }
    format!(" One request for one thing: {}. {}.", names(&plain.winners()), plain.figures())
}

/// Who takes the least in how many uses.
fn overall(uses: &[Use<'_>]) -> String {
    let measured: Vec<_> = uses.iter().filter_map(|use_| use_.rank.as_ref()).collect();
    if measured.is_empty() {
        return "There are no figures yet that can tell.".to_owned();
    }
    let wins = |interface: Interface| {
        measured.iter().filter(|rank| rank.winners().contains(&interface)).count()
    };
    let thread = Interface::ALL.into_iter().filter(|&one| one != Interface::VhostVdpa);
    let most = thread.clone().map(wins).max().unwrap_or_default();
    let best: Vec<Interface> = thread.filter(|&one| wins(one) == most).collect();
    let (of, tie) = (measured.len(), format!("{:.0}%", TIE * 100.0));
    let mut said = match best.as_slice() {
        [one] if most == of => format!(
            "{}: it takes the least, or no more than {tie} over it, in each of the {of} uses that were \
             measured.",
            name(*one)
        ),
        [one] => format!(
            "{} for most: it takes the least, or no more than {tie} over it, in {most} of the {of} uses \
             that were measured.",
            name(*one)
        ),
        several => format!(
            "None of them for everything: {} are even, each with the least, or no more than {tie} over \
             it, in {most} of the {of} uses that were measured.",
            names(several)
        ),
    };
    let others: Vec<String> = uses
        .iter()
        .filter_map(|use_| {
            let winners = use_.rank.as_ref()?.winners();
            let other = winners.iter().all(|winner| !best.contains(winner));
            other.then(|| format!("{} for {}", names(&winners), use_.short))
        })
        .collect();
    if !others.is_empty() {
        said.push_str(&format!(" The exception: {}.", join(&others)));
    }
    if let Some(name) = uses.iter().find_map(|use_| use_.rank.as_ref()?.needs_batches()) {
        said.push_str(&format!(
            " Where {name} takes the least it does so by messages that travel together in one write, which \
             RFC v2 did not have. {}",
            without_batches(uses)
        ));
    }
    said
}

/// Who takes the least with one request for one thing.
fn without_batches(uses: &[Use<'_>]) -> String {
    let mut by_winners: Vec<(Vec<Interface>, Vec<String>)> = Vec::new();
    for use_ in uses {
        let Some(winners) = use_.plain.as_ref().map(Rank::winners) else { continue };
        match by_winners.iter_mut().find(|(other, _)| *other == winners) {
            Some((_, of)) => of.push(use_.short.to_owned()),
            None => by_winners.push((winners, vec![use_.short.to_owned()])),
        }
    }
    let all: Vec<String> = by_winners
        .iter()
        .map(|(winners, of)| format!("{} for {}", names(winners), join(of)))
        .collect();
    format!("With one request for one thing it is {}.", all.join("; "))
}

/// How what Linux shipped compares.
fn control(uses: &[Use<'_>]) -> String {
    let mut times: Vec<f64> =
        uses.iter().filter_map(|use_| use_.rank.as_ref()?.control_over_best()).collect();
    times.sort_by(f64::total_cmp);
    match times.as_slice() {
        [] => String::new(),
        [one] => format!(
            " vhost-vdpa, which Linux shipped in 5.7, takes {} times what the best of the three takes.",
            ratio(Some(*one))
        ),
        [least, .., most] => format!(
            " vhost-vdpa, which Linux shipped in 5.7, takes {} to {} times what the best of the three \
             takes.",
            ratio(Some(*least)),
            ratio(Some(*most))
        ),
    }
}

/// Whether kicks decide anything.
fn kicks(evidence: &Evidence<'_>) -> Option<Block> {
    let kick = Scenario::Kick(KickKind::Doorbell);
    let counts = evidence.counts()?;
    let silent: Vec<Interface> = Interface::ALL
        .into_iter()
        .filter(|&interface| counts.total(kick, Configuration::plain(interface)) == Some(0))
        .collect();
    if silent.is_empty() {
        return None;
    }
    let file = evidence.real().or_else(|| evidence.instructions()).or_else(|| evidence.emulated());
    let cost = file.and_then(|file| {
        each_figure(file.run.clock, |interface| file.median(kick, Configuration::plain(interface)))
    });
    let looped = match file.map(|file| file.run.clock) {
        Some(Clock::Instructions) => ", of which four are the measuring loop's",
        _ => "",
    };
    let cost = cost.map_or_else(String::new, |cost| format!(": {cost}{looped}"));
    let decide = if silent.len() == Interface::ALL.len() {
        "Kicks don't decide it. On all of them"
    } else {
        "A kick crosses into the kernel on some of them only. On "
    };
    let which = if silent.len() == Interface::ALL.len() { String::new() } else { names(&silent) };
    Some(Block::paragraph(format!(
        "{decide}{which} a kick through a doorbell page is a store and no system call{cost}."
    )))
}

/// Where the figures are from.
fn repeat(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut said = "Crossings are exact, and the same on every kernel.".to_owned();
    if evidence.instructions().is_some() {
        said.push_str(
            " Instructions are those of a real kernel and of the program, counted by QEMU: they repeat, \
             and they are not time.",
        );
    }
    if evidence.real().is_none() {
        said.push_str(
            " No run on a CPU's own kernel is in yet: where a time is quoted, it is of the emulated \
             kernel, compares interfaces with each other, and is not what a kernel takes.",
        );
    }
    let runs: Vec<String> = evidence
        .quoted()
        .into_iter()
        .map(|file| format!("{}, by `{}`", evidence.source(file), file.run.command))
        .collect();
    said.push_str(
        " The same device was driven by the same code through each interface. Where the figures are, and \
         what repeats them:",
    );
    vec![Block::paragraph(said), Block::List(runs)]
}
