//! `subscribe --exec`: events handed to a command, and settled as it ends.

use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use docbox::{CloudEvent, Delivery, Error, Store};

use super::failure::{Failure, Result};
use super::output::say;
use super::shell;

/// The exit status by which a command says that it will never succeed: `EX_DATAERR` of `sysexits.h`.
const REJECTED: i32 = 65;
/// How often a command with a deadline is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What to run, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Exec<'a> {
    pub store: &'a Store,
    pub command: &'a str,
    pub deadline: Option<Duration>,
    /// Ends waiting for events.
    pub stop: &'a AtomicBool,
}

/// How a command ended.
enum Ended {
    Of(ExitStatus),
    Overdue,
}

impl Exec<'_> {
    /// Hands over one event.
    pub fn one(self, delivery: Delivery) -> Result<()> {
        match self.run(std::slice::from_ref(&delivery))? {
            Ended::Of(status) if status.success() => in_time(delivery.ack()),
            Ended::Of(status) if status.code() == Some(REJECTED) => {
                in_time(delivery.reject(&shell::ended(status)))
            }
            Ended::Of(status) => {
                // The library says on stderr when it comes again.
                delivery.nack(&shell::ended(status));
                Ok(())
            }
            Ended::Overdue => {
                drop(delivery);
                Ok(())
            }
        }
    }

    /// Hands over several events, a line each. If it fails they come again one by one, so that the one at fault
    /// is found.
    pub fn several(self, deliveries: docbox::Deliveries) -> Result<()> {
        if deliveries.len() == 1 {
            return deliveries.into_iter().try_for_each(|delivery| self.one(delivery));
        }
        match self.run(&deliveries)? {
            Ended::Of(status) if status.success() => in_time(deliveries.ack()),
            Ended::Of(status) => {
                deliveries.nack(&format!("{}, of a batch", shell::ended(status)));
                Ok(())
            }
            Ended::Overdue => {
                drop(deliveries);
                Ok(())
            }
        }
    }

    /// Runs the command for each delivery on so many threads, until there are no more.
    pub fn in_parallel(
        self,
        threads: usize,
        deliveries: impl Iterator<Item = docbox::Result<Delivery>>,
    ) -> Result<()> {
        let (give, take) = mpsc::channel::<Delivery>();
        let take = Mutex::new(take);
        let failed = Mutex::new(None);
        let lock = || failed.lock().unwrap_or_else(PoisonError::into_inner);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(delivery) = next else { return };
                        if let Err(failure) = self.one(delivery) {
                            lock().get_or_insert(failure);
                            self.stop.store(true, Ordering::Release);
                        }
                    }
                });
            }
            for delivery in deliveries {
                if lock().is_some() {
                    break;
                }
                let given = delivery.map(|delivery| give.send(delivery).is_ok());
                if !given? {
                    break;
                }
            }
            drop(give);
            Ok::<(), Failure>(())
        })?;
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn run(self, deliveries: &[Delivery]) -> Result<Ended> {
        let mut input = Vec::new();
        for delivery in deliveries {
            let event =
                CloudEvent::new(self.store.id(), delivery.event(), Some(delivery.attempt()));
            serde_json::to_writer(&mut input, &event).map_err(|error| {
                Failure::Broken(format!("could not write JSON: {error}; report this"))
            })?;
            input.push(b'\n');
        }
        let mut command = shell::command(self.command);
        command.env("DOCBOX_EVENTS", deliveries.len().to_string());
        if let [delivery] = deliveries {
            let event = delivery.event();
            command
                .env("DOCBOX_TYPE", event.kind())
                .env("DOCBOX_SUBJECT", event.about().unwrap_or(""))
                .env("DOCBOX_POSITION", event.position().to_string())
                .env("DOCBOX_ATTEMPT", delivery.attempt().to_string());
        }
        if self.deadline.is_some() {
            shell::apart(&mut command);
        }
        let mut child = shell::spawn(&mut command, input)?;
        let cannot = |error: std::io::Error| {
            Failure::Broken(format!(
                "could not wait for the command: {error}; the event comes again"
            ))
        };
        let Some(deadline) = self.deadline else {
            return child.wait().map(Ended::Of).map_err(cannot);
        };
        wait_until(&mut child, Instant::now() + deadline).map_err(cannot)
    }
}

/// What comes too late, after a deadline or a reset, is no reason to end: the event comes again.
fn in_time(settled: docbox::Result<()>) -> Result<()> {
    match settled {
        Err(Error::Invalid(what)) => {
            say(&what);
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Waits for a command that is killed when it takes too long.
fn wait_until(child: &mut Child, deadline: Instant) -> std::io::Result<Ended> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Of(status));
        }
        if Instant::now() >= deadline {
            shell::kill_all(child);
            child.wait()?;
            return Ok(Ended::Overdue);
        }
        thread::sleep(LOOK);
    }
}
