//! `bridge URI`: the device as a vhost-user device.

use std::fs;
use std::process::ExitCode;

use vhost_accel::open_uri;
use vhost_accel_bench::signals;
use vhost_accel_bench::terminal::{note, one_line};
use vhost_accel_bridge::Bridge;

use crate::args;
use crate::error::CliError;
use crate::{output, target};

pub(crate) fn run(args: &args::Bridge) -> Result<ExitCode, CliError> {
    target::on_kernel(&args.device.kernel, || {
        let mut bridge = Bridge::bind(open_uri(&args.device.uri)?, &args.socket)?;
        let socket = args.socket.clone();
        signals::watch(move |_| {
            // The device is closed with the process; a name would stay.
            let _ = fs::remove_file(&socket);
            false
        })
        .map_err(CliError::Signal)?;
        output::line(format_args!("{} is at {}", args.device.uri, args.socket.display()))?;
        loop {
            let end = bridge.serve()?;
            note(one_line(&format!("front end gone: {end}")));
        }
    })
}
