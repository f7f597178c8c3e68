//! `crossing/…`: one request to the device, told apart by the argument that it carries.

use std::fmt;

use super::family::{Act, Activity, Family, Row, Traits, USUAL, Work, whole};
use super::fixture::{Fixture, TRANSMIT};
use crate::client::Client;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// Nothing: an unknown ioctl, which is refused. A bare round trip to the kernel half.
    None,
    /// A vring's index and a number, read by the kernel half: vring enable.
    In,
    /// One byte, written by the kernel half: get status.
    Out,
}

impl Argument {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::In, Self::Out];
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

pub(super) struct Crossing(pub(super) Argument);

impl Family for Crossing {
    const ROW: Row = Row {
        id: "crossing/ARGUMENT",
        measured: "one request. `none`: an ioctl that no interface has, a bare trip to the kernel \
            half and back; baseline only. `in`: vring enable on a device that does not run yet, 8 \
            bytes read by the kernel half. `out`: get status of the same, 1 byte written by the \
            kernel half; #1/A writes and then reads",
        not_measured: "everything before",
    };

    fn acts(&self, _: Configuration) -> Vec<Act> {
        match self.0 {
            Argument::None => vec![Act::Refused],
            Argument::In => vec![Act::Enable],
            Argument::Out => vec![Act::Status],
        }
    }

    fn traits(&self) -> Traits {
        let clients: &[Client] = match self.0 {
            // The library has no method for what is always refused.
            Argument::None => &[Client::Baseline],
            Argument::In | Argument::Out => &Client::ALL,
        };
        Traits { clients, baseline_alone: true, activity: Activity::Idle, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let mut session = fixture.set_up()?;
        Ok(whole(move |count| {
            for _ in 0..count {
                match self.0 {
                    Argument::None => session.refused()?,
                    Argument::In => session.enable(TRANSMIT)?,
                    Argument::Out => session.status().map(drop)?,
                }
            }
            Ok(())
        }))
    }
}
