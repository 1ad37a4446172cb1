//! docbox: a document store with an outbox, made of plain files.
//!
//! State changes and events must not come apart. A commit writes documents *and* events, atomically, to
//! one journal; the documents lie in your own folder as JSON files that `cat`, `jq`, `grep` and
//! `git diff` understand; and every durable subscription gets every event, at least once and in order,
//! however often anything crashes.
//!
//! ```
//! use docbox::{Event, Start, Store, Transaction};
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path().join("tavern");
//! let store = Store::open(&folder)?;
//! store.commit(
//!     Transaction::new()
//!         .put_new("agents/jake", &serde_json::json!({"name": "Jake", "state": "working"}))?
//!         .emit(Event::bare("AgentSpawned").subject("agents/jake")),
//! )?;
//!
//! let mut ui = store.subscribe("ui").from(Start::Beginning).types(["Agent*"]).open()?;
//! for delivery in ui.catch_up() {
//!     let delivery = delivery?;
//!     println!("{} {:?}", delivery.event().kind(), delivery.event().about());
//!     delivery.ack()?;
//! }
//! store.close()?;
//! # Ok::<(), docbox::Error>(())
//! ```
//!
//! What it promises (docs/guarantees.md has them numbered, with the test of each):
//! - **Atomic and durable.** All of a commit or none, after any crash; once `commit` has returned `Ok` it
//!   survives a power cut.
//! - **Delivered.** Every event of every commit reaches every subscription that matches, at least once
//!   and in the order of one sequence without gaps; and no event that a power cut could undo.
//! - **No silent loss.** Damage is an error with file, offset and what to do; an edit by hand is never
//!   overwritten unseen.
//! - **Safe among processes.** Any number may open, commit, subscribe; any may be killed at any moment.
//! - **Plain files.** The format is written down, and format 1 stays readable.
//!
//! # Modules by layer, strictly downward
//! - doors: this page
//! - stories: [`Store`], [`Subscription`], [`Publisher`]; commit, recovery, checkpoint, retention
//! - things: journal, documents, cursors, registers
//! - values: [`Key`], [`Transaction`], [`Event`], [`Position`], [`Revision`], [`layout`]
//! - ground: [`Error`], [`fs`] (the one door to the disk)

mod ack;
mod applied;
mod archive;
mod aside;
mod attempts;
mod batch;
mod bell;
mod checkpoint;
mod cloudevent;
mod commit;
mod consumer;
mod core;
mod crc;
mod creation;
mod cursor;
mod dead;
mod dead_letter;
mod defining;
mod definition;
mod deliveries;
mod delivery;
mod disposal;
mod document;
mod documents;
mod draft;
mod emitted;
mod error;
mod event;
mod events;
mod filter;
mod folders;
pub mod fs;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod head_reader;
mod housekeeping;
mod identity;
mod journal;
mod json;
mod key;
mod lag;
mod latest;
pub mod layout;
mod leader;
mod leftovers;
mod limits;
mod lock;
mod names;
mod notices;
mod number;
mod opening;
mod options;
mod order;
mod pause;
mod pausing;
mod place;
mod placed;
mod policy;
mod position;
mod publisher;
mod queue;
mod read_only;
mod recent;
mod record;
mod recovery;
mod redo;
mod register;
mod removal;
mod removing;
mod renaming;
mod reset;
mod retain;
mod retention;
mod retry;
mod revision;
mod roster;
mod settlement;
mod snapshot;
mod source;
mod spool;
mod start;
mod status;
mod stopping;
mod store;
#[cfg(feature = "async")]
mod stream;
mod subscription;
mod sweep;
mod sync;
mod tail;
mod transaction;
mod transaction_json;
mod verify;
mod view;
mod waiting;
mod window;

pub use attempts::Failure;
pub use cloudevent::CloudEvent;
pub use dead::Letters;
pub use dead_letter::DeadLetter;
pub use deliveries::{Deliveries, DeliveriesIter};
pub use delivery::Delivery;
pub use document::Document;
pub use emitted::Emitted;
pub use error::{Error, Result};
pub use event::{Event, RecordedEvent};
pub use events::Events;
#[doc(hidden)]
pub use journal::Sizes;
pub use key::Key;
#[doc(hidden)]
pub use key::escaped;
pub use lag::Meter;
#[doc(hidden)]
pub use limits::Limits;
pub use opening::SubscriptionBuilder;
pub use options::Options;
pub use order::Order;
pub use pause::Pause;
pub use position::Position;
pub use publisher::{Handled, Publisher, Running};
pub use queue::Commit;
pub use reset::Gap;
pub use retain::Retain;
pub use retry::RetryPolicy;
pub use revision::Revision;
pub use start::Start;
pub use status::{Blocked, Status, SubscriptionStatus};
pub use store::Store;
#[cfg(feature = "async")]
pub use stream::DeliveryStream;
pub use subscription::Subscription;
pub use transaction::Transaction;
pub use verify::{Finding, Report, Severity};
pub use view::View;

// The simulated disk, which the fuzz targets share with the tests, knows this library by its name.
#[cfg(any(test, fuzzing))]
extern crate self as docbox;

#[cfg(any(test, fuzzing))]
#[allow(missing_docs, reason = "it is of the tests")]
#[path = "../tests/support/mod.rs"]
mod support;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// That of the page about subscriptions.
#[cfg(doctest)]
#[doc = include_str!("../docs/subscriptions.md")]
struct SubscriptionsPage;
