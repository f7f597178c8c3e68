//! The emulated kernel as its users see it.

use std::io;
use std::os::fd::AsRawFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vhost_accel_device::lock;

use crate::chardevs::Chardevs;
use crate::crossings::Crossings;
use crate::devices::{DeviceKind, EmulatedDevice};
use crate::error::Error;
use crate::filter;
use crate::machine::Engine;
use crate::server::{Server, Team};
use crate::shadow::Shadow;
use crate::sys;
use crate::sys::seccomp::{InstallStep, Listener};
use crate::sys::wait::Post;

/// How long the drop of a kernel waits for servers whose clients are gone.
const GRACE: Duration = Duration::from_secs(1);

/// An emulated kernel with its devices: see the [crate](crate)'s documentation.
pub struct EmulatedKernel {
    engine: Arc<Engine>,
    program: Arc<[libc::sock_filter]>,
    servers: Arc<Servers>,
    devices: Vec<EmulatedDevice>,
}

impl EmulatedKernel {
    pub(crate) fn start(
        shadow: Shadow,
        chardevs: Chardevs,
        devices: Vec<EmulatedDevice>,
        everything: bool,
    ) -> Result<Self, Error> {
        let engine = Engine::start(shadow, chardevs, everything)?;
        let program = filter::program(&engine.machine.range, everything);
        Ok(Self {
            engine: Arc::new(engine),
            program: program.into(),
            servers: Arc::default(),
            devices,
        })
    }

    /// The devices.
    pub fn devices(&self) -> &[EmulatedDevice] {
        &self.devices
    }

    /// Device `number` of a kind, counted from 0. None: there are fewer.
    pub fn device(&self, kind: DeviceKind, number: u16) -> Option<&EmulatedDevice> {
        let mut devices = self.devices.iter();
        devices.find(|device| (device.kind(), device.number()) == (kind, number))
    }

    /// Runs `client` on a new thread that sees the emulated devices, as do the threads and
    /// processes that it starts. Returns what `client` returns; a panic of it goes on in the
    /// caller.
    ///
    /// Several clients may run on one kernel at the same time. Descriptors of emulated devices mean
    /// nothing to threads outside.
    ///
    /// # Errors
    /// [`Error::AlreadyInside`] on a thread that is itself a client of an emulated kernel, and what
    /// [`probe`](crate::probe) would say.
    pub fn run<F, T>(&self, client: F) -> Result<T, Error>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        // The client makes no system call between its filter and its server but those of a channel,
        // futexes, which no filter of ours traps.
        let (post, listener) = mpsc::sync_channel(1);
        let (ready, served) = mpsc::sync_channel(1);
        self.serve(move || {
            let listener = Listener::new(listener.recv().ok()?);
            let (listener, verdict) = match listener {
                Ok(listener) => (Some(listener), Ok(())),
                Err(error) => (None, Err(Error::NoInjection(error))),
            };
            ready.send(verdict).ok()?;
            listener
        })?;
        let program = &*self.program;
        thread::scope(|scope| {
            let thread = thread::Builder::new()
                .name("emukern-client".to_owned())
                .spawn_scoped(scope, move || {
                    let listener = sys::seccomp::install(program).map_err(refused)?;
                    let gone = || Error::Setup {
                        what: "a server",
                        source: io::ErrorKind::BrokenPipe.into(),
                    };
                    post.send(listener).map_err(|_| gone())?;
                    served.recv().map_err(|_| gone())??;
                    Ok(client())
                })
                .map_err(Error::thread)?;
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Starts a program that sees the emulated devices, as do the processes that it starts.
    ///
    /// If this process dies before them, every trapped call of theirs is ENOSYS from then on. Only
    /// another process can prevent that: `vhost-accel emulate` has one, which ends them all.
    ///
    /// # Errors
    /// [`Error::Spawn`] if the program can't be started, the filter included;
    /// [`Error::AlreadyInside`] on a thread that is itself a client: what it starts is one anyway.
    pub fn spawn(&self, mut command: Command) -> Result<Child, Error> {
        let post = Arc::new(Post::new().map_err(Error::setup("a shared page"))?);
        self.serve({
            let post = Arc::clone(&post);
            move || {
                let (pid, fd) = post.take()?;
                let pidfd = sys::remote::pidfd_open(pid, pid).ok()?;
                let listener = sys::remote::pidfd_getfd(&pidfd, fd).ok()?;
                Listener::new(listener).ok()
            }
        })?;
        let limit = u64::from(self.engine.machine.range.end);
        sys::fork::before_exec(&mut command, {
            let (post, program) = (Arc::clone(&post), Arc::clone(&self.program));
            move || {
                sys::fs::raise_file_limit(limit)?;
                let pid = sys::fork::pid();
                let listener = sys::seccomp::install(&program).map_err(|(_, error)| error)?;
                post.post(pid, listener.as_raw_fd());
                // The parent takes a copy. This one closes itself at exec.
                std::mem::forget(listener);
                Ok(())
            }
        });
        let child = command.spawn();
        // A child that died before it could post never will.
        post.abandon();
        child.map_err(|error| match error.raw_os_error() {
            // No exec says this: it is the filter that was refused.
            Some(libc::EBUSY) => Error::AlreadyInside,
            _ => Error::Spawn(error),
        })
    }

    /// Starts a server for the listener that `listener` waits for.
    fn serve(
        &self,
        listener: impl FnOnce() -> Option<Listener> + Send + 'static,
    ) -> Result<(), Error> {
        let (engine, servers) = (Arc::clone(&self.engine), Arc::clone(&self.servers));
        self.servers.start(move || {
            if let Some(listener) = listener() {
                let team = Arc::new(Team::new(listener));
                servers.also(&engine, &team, Servers::stand_by);
                servers.serve(&engine, &team);
            }
        })
    }

    /// How many system calls of each kind clients have made since the kernel was built, or since
    /// [`reset_crossings`](Self::reset_crossings).
    ///
    /// Counted is what is trapped: everything on descriptors of emulated devices, and every use of
    /// a path. With [`Builder::count_everything`](crate::Builder::count_everything) it is every
    /// system call but those of a process's own housekeeping.
    pub fn crossings(&self) -> Crossings {
        self.engine.machine.counters.read()
    }

    /// Begins to count anew.
    pub fn reset_crossings(&self) {
        self.engine.machine.counters.reset();
    }
}

/// The threads that serve clients.
#[derive(Default)]
struct Servers(Mutex<Vec<JoinHandle<()>>>);

impl Servers {
    fn start(&self, server: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = thread::Builder::new()
            .name("emukern-server".to_owned())
            .spawn(server)
            .map_err(Error::thread)?;
        let mut servers = lock(&self.0);
        servers.retain(|server| !server.is_finished());
        servers.push(thread);
        Ok(())
    }

    /// Serves the clients of a listener, on this thread and on as many more as it takes.
    fn serve(self: &Arc<Self>, engine: &Arc<Engine>, team: &Arc<Team>) {
        Server::new(Arc::clone(&engine.machine), Arc::clone(team))
            .run(|| self.also(engine, team, Self::serve));
    }

    /// Looks after those who serve, and serves when they are held up.
    fn stand_by(self: &Arc<Self>, engine: &Arc<Engine>, team: &Arc<Team>) {
        if team.stand_by() {
            self.also(engine, team, Self::stand_by);
            self.serve(engine, team);
        }
    }

    /// Starts another thread of a team. Without it calls wait for each other, and no longer.
    fn also(
        self: &Arc<Self>,
        engine: &Arc<Engine>,
        team: &Arc<Team>,
        part: fn(&Arc<Self>, &Arc<Engine>, &Arc<Team>),
    ) {
        let (servers, engine, team) = (Arc::clone(self), Arc::clone(engine), Arc::clone(team));
        let _ = self.start(move || part(&servers, &engine, &team));
    }
}

/// Waits a moment for servers whose clients are gone. Clients that live on (a detached thread, a
/// program still running) keep their server, and with it the devices, until they end.
impl Drop for EmulatedKernel {
    fn drop(&mut self) {
        let deadline = Instant::now() + GRACE;
        let servers = std::mem::take(&mut *lock(&self.servers.0));
        for server in servers {
            while !server.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_micros(200));
            }
            if server.is_finished() {
                // A panic of it was printed when it happened.
                let _ = server.join();
            }
        }
    }
}

/// What it means that the filter could not be installed.
fn refused((step, error): (InstallStep, io::Error)) -> Error {
    match (step, error.raw_os_error()) {
        (InstallStep::Filter, Some(libc::EBUSY)) => Error::AlreadyInside,
        (InstallStep::Filter, Some(libc::ENOSYS | libc::EINVAL)) => Error::NoSeccompListener(error),
        _ => Error::SeccompForbidden(error),
    }
}

#[cfg(test)]
impl EmulatedKernel {
    pub(crate) fn engine_range(&self) -> std::ops::Range<u32> {
        self.engine.machine.range.clone()
    }

    pub(crate) fn drain(&self) {
        self.engine.machine.files.drain(None);
    }

    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        self.engine.machine.files.sizes()
    }

    pub(crate) fn shadow_path(&self) -> std::path::PathBuf {
        self.engine.machine.shadow.real_path().to_owned()
    }

    /// Servers that still serve.
    pub(crate) fn servers(&self) -> usize {
        lock(&self.servers.0).iter().filter(|server| !server.is_finished()).count()
    }
}
