//! On which kernel half a command works.

use vhost_accel_bench::emulator::EmulatedKernel;

use crate::args::Kernel;
use crate::error::CliError;

/// Queue pairs of an emulated device, if nobody says how many.
const PAIRS: u16 = 4;

/// Does `work` on the machine's own kernel, or inside an emulated one made for it.
pub(crate) fn on_kernel<T: Send>(
    kernel: &Kernel,
    work: impl FnOnce() -> Result<T, CliError> + Send,
) -> Result<T, CliError> {
    if !kernel.emulated {
        return work();
    }
    let pairs = kernel.emulated_pairs.unwrap_or(PAIRS);
    let emulated = EmulatedKernel::builder().queue_pairs(pairs).build()?;
    emulated.run(work)?
}
