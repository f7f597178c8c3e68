//! One pass over a queue: what a device does with it before it is another's turn.

use std::sync::Arc;

use super::dirty::DirtyLog;
use super::shared::Shared;
use super::vring::{Ring, Vring};
use crate::counters::count;
use crate::fault::FaultKind;

pub(crate) use super::vring::Bus;

/// What one look at a queue came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pass {
    /// Chains taken.
    pub(crate) work: u32,
    /// There may be more; it was the other queues' turn.
    pub(crate) more: bool,
}

impl Shared {
    /// Gives each chain of a vring to `serve`, which returns it, until there are none or it was a
    /// `batch`. For queues whose chains have nothing to do with those of others.
    pub(crate) fn serve(
        &self,
        vring: &mut Vring,
        batch: u32,
        mut serve: impl FnMut(&Bus<'_>, &mut Ring) -> Result<(), FaultKind>,
    ) -> Pass {
        let Some(ring) = &mut vring.ring else { return Pass::default() };
        let dma = Arc::clone(&ring.dma);
        let log: &DirtyLog = &self.log();
        let bus = || Bus { view: dma.view(), log };
        let mut pass = Pass::default();
        let mut chains = || {
            while pass.work < batch {
                // One view per chain: an unmap waits for no more than that.
                let bus = bus();
                if ring.ready(&bus, 1)? > 0 {
                    serve(&bus, ring)?;
                    pass.work += 1;
                    ring.suppress_kicks(&bus)?;
                } else if !ring.want_kick(&bus)? {
                    return Ok(());
                }
            }
            pass.more = true;
            Ok(())
        };
        let fault = chains().err();
        self.settle(vring, &bus(), fault);
        log.signal();
        pass
    }

    /// Shows the driver what was done on a vring, and stops it if it was at fault.
    pub(crate) fn settle(&self, vring: &mut Vring, bus: &Bus<'_>, mut fault: Option<FaultKind>) {
        if let Some(ring) = vring.ring.as_mut().filter(|ring| ring.unpublished()) {
            match ring.publish(bus) {
                Ok(true) => {
                    if let Some(call) = &vring.call {
                        call.raise();
                        count(&self.counters.calls, 1);
                    }
                }
                Ok(false) => {}
                Err(kind) => fault = fault.or(Some(kind)),
            }
        }
        if let Some(kind) = fault {
            self.fail(vring, kind);
        }
    }
}
