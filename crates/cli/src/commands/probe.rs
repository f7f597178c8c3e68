//! `probe URI`: one device, asked everything that doesn't change it.

use std::process::ExitCode;

use vhost_accel::open_uri;

use crate::args::Probe;
use crate::description::Description;
use crate::error::CliError;
use crate::{output, target};

pub(crate) fn run(args: &Probe) -> Result<ExitCode, CliError> {
    let uri = &args.device.uri;
    let description = target::on_kernel(&args.device.kernel, || {
        let device = open_uri(uri)?;
        Description::of(&*device, uri.to_string())
    })?;
    if args.json {
        output::json(&description)?;
    } else {
        output::table(&["", ""], description.rows())?;
    }
    Ok(ExitCode::SUCCESS)
}
