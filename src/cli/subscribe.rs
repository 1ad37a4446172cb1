//! `subscribe`: events from where a subscription stands, to stdout or to a command.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use docbox::{Deliveries, Delivery, Error, Order, RetryPolicy, Store, Subscription};

use super::args::{Globs, Subscribe};
use super::events::print;
use super::exec::Exec;
use super::failure::{Failure, Result};
use super::output::Output;
use super::stop;
use super::subscriptions::paused;

pub fn run(store: &Store, args: Subscribe, out: &mut Output) -> Result<ExitCode> {
    let retry = retry(&args);
    let Subscribe { name, from, globs, exec, follow, max, wait, .. } = args;
    let Globs { types, subjects, changes } = globs;
    let stop = stop::flag()?;
    let order = args.per_subject.map_or(Order::Total, |parallel| Order::PerSubject { parallel });
    let mut builder = store
        .subscribe(name)
        .types(types)
        .subjects(subjects)
        .changes(changes)
        .retry(retry)
        .order(order)
        .wait(wait)
        .stop_when(Arc::clone(&stop));
    if let Some(from) = from {
        builder = builder.from(from.0);
    }
    let mut subscription = match builder.open() {
        Err(Error::Busy { .. }) if stop.load(Ordering::Acquire) => return Ok(ExitCode::SUCCESS),
        opened => opened?,
    };
    let exec = exec.as_deref().map(|command| Exec {
        store,
        command,
        deadline: args.deadline,
        stop: &stop,
    });
    let done = match (exec, args.batch, args.per_subject) {
        (exec, Some(batch), _) => {
            let batch = usize::try_from(batch).unwrap_or(usize::MAX);
            batches(&mut subscription, follow, max, batch, |deliveries| match exec {
                Some(exec) => exec.several(deliveries),
                None => write_all_out(store, out, deliveries),
            })
        }
        (Some(exec), None, Some(parallel)) => {
            exec.in_parallel(parallel as usize, deliveries(&mut subscription, follow, max))
        }
        (Some(exec), None, None) => {
            deliveries(&mut subscription, follow, max).try_for_each(|delivery| exec.one(delivery?))
        }
        (None, None, _) => deliveries(&mut subscription, follow, max)
            .try_for_each(|delivery| write_out(store, out, delivery?)),
    };
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

fn retry(args: &Subscribe) -> RetryPolicy {
    let usual = RetryPolicy::default();
    let ms = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    RetryPolicy {
        max_attempts: args.max_attempts.unwrap_or(usual.max_attempts),
        backoff_ms: args
            .backoff
            .as_ref()
            .map_or(usual.backoff_ms, |pauses| pauses.iter().map(ms).collect()),
        deadline_ms: args.deadline.as_ref().map(ms),
        ..RetryPolicy::default()
    }
}

/// What comes, one by one.
fn deliveries(
    subscription: &mut Subscription,
    follow: bool,
    max: Option<u64>,
) -> impl Iterator<Item = docbox::Result<Delivery>> {
    let all: Box<dyn Iterator<Item = docbox::Result<Delivery>>> =
        if follow { Box::new(subscription.iter()) } else { Box::new(subscription.catch_up()) };
    all.take(max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX)))
}

/// What comes, several at once.
fn batches(
    subscription: &mut Subscription,
    follow: bool,
    max: Option<u64>,
    batch: usize,
    mut handle: impl FnMut(Deliveries) -> Result<()>,
) -> Result<()> {
    let Some(max) = max else {
        let mut all: Box<dyn Iterator<Item = docbox::Result<Deliveries>>> = if follow {
            Box::new(subscription.iter_in_batches(batch))
        } else {
            Box::new(subscription.catch_up_in_batches(batch))
        };
        return all.try_for_each(|deliveries| handle(deliveries?));
    };
    let mut left = usize::try_from(max).unwrap_or(usize::MAX);
    while left > 0 {
        let most = batch.min(left);
        let next = if follow {
            subscription.iter_in_batches(most).next()
        } else {
            subscription.catch_up_in_batches(most).next()
        };
        let Some(deliveries) = next.transpose()? else { break };
        left -= deliveries.len();
        handle(deliveries)?;
    }
    Ok(())
}

/// Acked once it is out.
fn write_out(store: &Store, out: &mut Output, delivery: Delivery) -> Result<()> {
    let written = print(store, out, delivery.event(), Some(delivery.attempt()));
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(delivery.ack()?),
        Err(failure) => {
            // Not its fault: no attempt.
            delivery.release()?;
            Err(failure)
        }
    }
}

/// Acked once all of them are out.
fn write_all_out(store: &Store, out: &mut Output, deliveries: Deliveries) -> Result<()> {
    let written = deliveries
        .iter()
        .try_for_each(|delivery| print(store, out, delivery.event(), Some(delivery.attempt())));
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(deliveries.ack()?),
        Err(failure) => {
            deliveries.into_iter().try_for_each(Delivery::release)?;
            Err(failure)
        }
    }
}
