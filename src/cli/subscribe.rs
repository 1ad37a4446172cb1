//! `subscribe`: events from where a subscription stands, to stdout or to a command.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use docbox::{Delivery, Error, Store, Subscription};

use super::args::{Globs, Subscribe};
use super::cloudevent::CloudEvent;
use super::events::print;
use super::failure::{Failure, Result};
use super::output::Output;
use super::subscriptions::paused;
use super::{shell, stop};

pub fn run(store: &Store, args: Subscribe, out: &mut Output) -> Result<ExitCode> {
    let Subscribe { name, from, globs: Globs { types, subjects }, exec, follow, max, wait } = args;
    let stop = stop::flag()?;
    let mut builder = store
        .subscribe(name)
        .types(types)
        .subjects(subjects)
        .wait(wait)
        .stop_when(Arc::clone(&stop));
    if let Some(from) = from {
        builder = builder.from(from.0);
    }
    let mut subscription = match builder.open() {
        Err(Error::Busy { .. }) if stop.load(Ordering::Acquire) => return Ok(ExitCode::SUCCESS),
        opened => opened?,
    };
    let handle = |delivery: Delivery| match &exec {
        Some(command) => hand_to_command(store, command, delivery),
        None => write_out(store, out, delivery),
    };
    let done = deliver(&mut subscription, follow, max, handle);
    let synced = subscription.sync();
    done?;
    synced?;
    match subscription.pause().filter(|_| !follow) {
        Some(pause) => Err(Failure::No(format!(
            "subscription `{}` is {}; `docbox resume` lets it go on, and `--follow` waits for that",
            subscription.name(),
            paused(pause)
        ))),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn deliver(
    subscription: &mut Subscription,
    follow: bool,
    max: Option<u64>,
    mut handle: impl FnMut(Delivery) -> Result<()>,
) -> Result<()> {
    let mut deliveries: Box<dyn Iterator<Item = docbox::Result<Delivery>>> =
        if follow { Box::new(subscription.iter()) } else { Box::new(subscription.catch_up()) };
    let mut count = 0;
    while max.is_none_or(|max| count < max) {
        let Some(delivery) = deliveries.next() else { break };
        handle(delivery?)?;
        count += 1;
    }
    Ok(())
}

/// Acked once it is out.
fn write_out(store: &Store, out: &mut Output, delivery: Delivery) -> Result<()> {
    let written = print(store, out, delivery.event(), Some(delivery.attempt()));
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(delivery.ack()?),
        Err(failure) => {
            delivery.nack("it could not be written to standard output");
            Err(failure)
        }
    }
}

/// Acked when the command ends with 0.
fn hand_to_command(store: &Store, text: &str, delivery: Delivery) -> Result<()> {
    let event = delivery.event();
    let mut input = serde_json::to_vec(&CloudEvent::new(store, event, Some(delivery.attempt())))
        .map_err(|error| Failure::Broken(format!("could not write JSON: {error}; report this")))?;
    input.push(b'\n');
    let mut command = shell::command(text);
    command
        .env("DOCBOX_TYPE", event.kind())
        .env("DOCBOX_SUBJECT", event.about().unwrap_or(""))
        .env("DOCBOX_POSITION", event.position().to_string())
        .env("DOCBOX_ATTEMPT", delivery.attempt().to_string());
    let status = shell::spawn(&mut command, input)?.wait().map_err(|error| {
        Failure::Broken(format!("could not wait for the command: {error}; the event comes again"))
    })?;
    if status.success() {
        delivery.ack()?;
    } else {
        // The library says on stderr when it comes again.
        delivery.nack(&shell::ended(status));
    }
    Ok(())
}
