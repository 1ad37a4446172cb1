//! What may stand on the command line, and the help about it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::start::{StartArg, start};
use super::time::{TimeArg, duration, time};

/// A document store with an outbox, made of plain files.
///
/// Every document is one JSON file in your own folder. A commit writes documents and events together,
/// and every subscription gets every event, at least once and in order.
#[derive(Debug, Parser)]
#[command(
    name = "docbox",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done; 1 the store says no (no such document or subscription, conflict, busy, drift);\n\
                  2 what was given is wrong; 3 the store or the disk failed.\n\n\
                  Example: docbox init tavern && cd tavern && echo '{\"name\":\"Jake\"}' | docbox put agents/jake"
)]
pub struct Args {
    /// The store's folder [default: `DOCBOX_STORE`, else the nearest folder upwards that has .docbox].
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// One JSON object a line on stdout, also on a terminal.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a store in a folder, which may hold files already.
    #[command(after_help = "Example: docbox init tavern")]
    Init {
        /// The folder; made if missing [default: the store named by --store or `DOCBOX_STORE`, else here].
        dir: Option<PathBuf>,
    },
    /// Write a document, and announce it if wanted.
    #[command(
        after_help = "Example: echo '{\"state\":\"idle\"}' | docbox put agents/jake --event AgentSpawned"
    )]
    Put(Put),
    /// Print a document: the exact bytes of its file.
    #[command(after_help = "Example: docbox get agents/jake | jq .state")]
    Get {
        /// The document.
        key: String,
    },
    /// Delete a document.
    #[command(after_help = "Example: docbox rm agents/jake --event AgentRemoved")]
    Rm(Rm),
    /// Change a document by a command that reads the old one and prints the new one.
    ///
    /// When somebody else writes the document meanwhile, the command runs again on the newer one.
    #[command(
        after_help = "Example: docbox update agents/jake --exec 'jq \".state = \\\"done\\\"\"' --event AgentCompleted"
    )]
    Update(Update),
    /// List the keys of documents.
    #[command(after_help = "Example: docbox ls agents/")]
    Ls {
        /// Only keys whose text begins with this.
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Commit a transaction given as JSON: documents and events, all or none.
    #[command(
        after_help = "A transaction: {\"writes\":[{\"key\":\"agents/a\",\"doc\":{},\"if\":\"absent\"},\
                            {\"key\":\"agents/b\",\"delete\":true}],\"events\":[{\"type\":\"AgentSpawned\",\
                            \"subject\":\"agents/a\",\"data\":{}}],\"ref\":\"mine\"}\n\n\
                            Example: docbox commit --lines transactions.jsonl"
    )]
    Commit {
        /// Where the transaction is [default: stdin].
        file: Option<PathBuf>,
        /// One transaction a line; each is committed without waiting for the next.
        #[arg(long)]
        lines: bool,
    },
    /// Look at the events in the journal, without a subscription.
    #[command(after_help = "Example: docbox events --type 'Agent*' --follow")]
    Events(Events),
    /// Receive events, from where this subscription stands.
    #[command(
        after_help = "Example: docbox subscribe mail --from now --type AgentCompleted --follow --exec ./send-mail"
    )]
    Subscribe(Subscribe),
    /// List the subscriptions: how far they are, how fast, and who consumes them.
    #[command(after_help = "Example: docbox subscriptions --json | jq .lag_events")]
    Subscriptions {
        /// Look again every second, until interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Look at events that were given up, deliver them again, or drop them.
    #[command(
        subcommand,
        after_help = "A dead letter is a file, .docbox/dead/NAME/POS.json, and may be edited before it is redriven."
    )]
    Dead(Dead),
    /// Make a subscription go on from elsewhere.
    #[command(after_help = "Example: docbox reset ui --to beginning")]
    Reset {
        /// The subscription.
        name: String,
        /// Where to: `beginning`, `now`, a position, after which it goes on, a time, or `snapshot`: every document as
        /// it is now, and then what is committed from now on.
        #[arg(long, value_name = "beginning|now|snapshot|POS|TIME", value_parser = start)]
        to: StartArg,
        /// Go on with the oldest event where what follows POS, or TIME, is no longer kept; an event `docbox.gap`
        /// says what is missing.
        #[arg(long)]
        accept_gap: bool,
    },
    /// Make a subscription hand nothing over for a while.
    ///
    /// A consumer that runs, in whatever process, obeys at once. Nothing is lost: the journal is kept for it.
    #[command(after_help = "Example: docbox pause mail --reason 'the relay is down' --until 30m")]
    Pause {
        /// The subscription.
        name: String,
        /// Why; shown by `subscriptions`.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// It goes on of itself then: a time as in `2026-11-25T18:00:00Z`, or how long from now, as `30m`.
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<TimeArg>,
    },
    /// Let a subscription go on that was paused.
    #[command(after_help = "Example: docbox resume mail")]
    Resume {
        /// The subscription.
        name: String,
    },
    /// Give a subscription another name, under which it goes on where it is.
    ///
    /// A consumer that runs ends, and is to be started again under the new name.
    #[command(after_help = "Example: docbox rename mail mail-eu")]
    Rename {
        /// Its name now.
        old: String,
        /// Its name from then on: 1 to 64 of a-z 0-9 - _.
        new: String,
    },
    /// Remove a subscription: it keeps nothing in the journal any more, and its consumer ends.
    #[command(after_help = "Example: docbox remove mail")]
    Remove {
        /// The subscription.
        name: String,
    },
    /// Wait until a subscription has settled everything up to a position, whoever consumes it.
    #[command(after_help = "Example: docbox wait ui 42 --timeout 30s")]
    Wait {
        /// The subscription.
        name: String,
        /// A position, as in `42-0`, or `42` for the end of commit 42.
        position: String,
        /// How long at most, as in `30s`; then exit 1 [default: for ever].
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Wait until subscriptions have settled everything that is committed by now, whoever consumes them.
    #[command(after_help = "Example: docbox drain ui mail --timeout 1m")]
    Drain {
        /// The subscriptions.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// How long at most in all, as in `30s`; then exit 1 [default: for ever].
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Show what is kept of the journal, or say it anew.
    ///
    /// What a subscription has not settled is kept in any case. The store remembers it, for every process.
    #[command(
        after_help = "Example: docbox retention --age 30d --bytes 4000000000 --archive /backup/tavern --gzip"
    )]
    Retention(Retention),
    /// Say how the store is.
    #[command(after_help = "Example: docbox status --json | jq .head")]
    Status,
    /// Read everything and say what is not as it should be.
    #[command(after_help = "Example: docbox verify && echo sound")]
    Verify,
    /// Live through a recorded day: a writer and three consumers, killed in the midst of it, and a count of
    /// what was lost.
    #[command(after_help = "Example: docbox demo")]
    Demo {
        /// A folder without a store; made if missing [default: a new one under the temp folder].
        dir: Option<PathBuf>,
        /// Without the pauses of the day.
        #[arg(long, hide = true)]
        fast: bool,
    },
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// List the dead letters of a subscription.
    #[command(after_help = "Example: docbox dead list mail --json | jq .attempts[-1].error")]
    List {
        /// The subscription.
        name: String,
    },
    /// Print a dead letter.
    #[command(after_help = "Example: docbox dead show mail 51-0 | jq .event.data")]
    Show {
        /// The subscription.
        name: String,
        /// The position of its event.
        position: String,
    },
    /// Deliver dead letters again, before newer events and with attempts counted anew.
    ///
    /// The consumer that runs now does it, or the next one.
    #[command(after_help = "Example: docbox dead redrive mail --type 'Agent*' --dry-run")]
    Redrive(Redrive),
    /// Drop dead letters for good.
    #[command(after_help = "Example: docbox dead drop mail 51-0")]
    Drop(DropLetters),
}

#[derive(Debug, clap::Args)]
pub struct Redrive {
    /// The subscription.
    pub name: String,
    /// The positions of their events, as in `51-0`, or `51` for all of commit 51 [default: all].
    pub positions: Vec<String>,
    /// Only events of this type; `*` is any run of characters, `?` is one; may be repeated.
    #[arg(long = "type", value_name = "GLOB")]
    pub types: Vec<String>,
    /// Only say which it would be.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub struct DropLetters {
    /// The subscription.
    pub name: String,
    /// The positions of their events, as in `51-0`, or `51` for all of commit 51.
    #[arg(required_unless_present = "all")]
    pub positions: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "positions")]
    pub all: bool,
}

#[derive(Debug, clap::Args)]
pub struct Put {
    /// The document.
    pub key: String,
    /// Where its JSON is [default: stdin].
    pub file: Option<PathBuf>,
    /// Only if there is no such document.
    #[arg(long, conflicts_with = "if_revision")]
    pub if_absent: bool,
    /// Only if the document is at this revision.
    #[arg(long, value_name = "REV")]
    pub if_revision: Option<String>,
    #[command(flatten)]
    pub announce: Announce,
}

#[derive(Debug, clap::Args)]
pub struct Rm {
    /// The document.
    pub key: String,
    /// Only if the document is at this revision.
    #[arg(long, value_name = "REV")]
    pub if_revision: Option<String>,
    #[command(flatten)]
    pub announce: Announce,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The document.
    pub key: String,
    /// Reads the old document on stdin and prints the new one; run by the shell.
    #[arg(long, value_name = "CMD")]
    pub exec: String,
    #[command(flatten)]
    pub announce: Announce,
}

/// The event that goes with a change.
#[derive(Debug, clap::Args)]
pub struct Announce {
    /// Emit an event of this type in the same commit.
    #[arg(long, value_name = "TYPE")]
    pub event: Option<String>,
    /// The event's data.
    #[arg(long, value_name = "JSON", requires = "event", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// What the event is about [default: the document].
    #[arg(long, value_name = "KEY", requires = "event")]
    pub subject: Option<String>,
}

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Globs {
    /// Only events of this type; `*` is any run of characters, `?` is one; may be repeated.
    #[arg(long = "type", value_name = "GLOB")]
    pub types: Vec<String>,
    /// Only events about this subject; globs as for --type; may be repeated.
    #[arg(long = "subject", value_name = "GLOB")]
    pub subjects: Vec<String>,
    /// Changes of documents too: docbox.put and docbox.remove, about the document, as far as --type names one of
    /// them, and both where it names neither.
    #[arg(long)]
    pub changes: bool,
}

#[derive(Debug, clap::Args)]
pub struct Events {
    /// Begin with what follows this position, as in `42-0`, or `42` for the end of commit 42.
    #[arg(long, value_name = "POS")]
    pub after: Option<String>,
    #[command(flatten)]
    pub globs: Globs,
    /// Wait for more, until interrupted.
    #[arg(long)]
    pub follow: bool,
}

#[derive(Debug, clap::Args)]
pub struct Subscribe {
    /// The subscription: 1 to 64 of a-z 0-9 - _.
    pub name: String,
    /// Where a new subscription begins; ignored later. `snapshot`: with every document as it is now, an event
    /// `docbox.snapshot` each, and then with what is committed from now on.
    #[arg(long, value_name = "beginning|now|snapshot|POS|TIME", value_parser = start)]
    pub from: Option<StartArg>,
    #[command(flatten)]
    pub globs: Globs,
    /// Run this by the shell for each event, the event on its stdin; exit 0 settles the event, 65 makes it a dead
    /// letter, anything else brings it again later.
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// After so many attempts an event becomes a dead letter [default: 10].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_attempts: Option<u32>,
    /// The pauses between attempts, each within 20 %; the last one holds on [default: 1s,5s,30s,2m,10m].
    #[arg(long, value_name = "10ms,1s,…", value_delimiter = ',', value_parser = duration)]
    pub backoff: Option<Vec<Duration>>,
    /// An attempt that takes longer has failed, and its command is killed [default: none].
    #[arg(long, value_name = "30s", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// One event of each subject at once, so many subjects at once: a failing one holds its own subject alone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32), conflicts_with = "batch")]
    pub per_subject: Option<u32>,
    /// So many events at once, as far as they are there: printed, or given to one command, a line each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub batch: Option<u64>,
    /// Wait for more, until interrupted.
    #[arg(long)]
    pub follow: bool,
    /// End after so many deliveries.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max: Option<u64>,
    /// When another consumer holds the subscription, wait for it to end.
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, clap::Args)]
pub struct Retention {
    /// Keep it this long, as in `12h` or `30d` [default: 7d].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub age: Option<Duration>,
    /// Or shorter, once it has more bytes than this [default: 1 GiB].
    #[arg(long, value_name = "N")]
    pub bytes: Option<u64>,
    /// Keep everything.
    #[arg(long, conflicts_with_all = ["age", "bytes", "archive"])]
    pub keep_all: bool,
    /// Move what is dropped to this folder, which must be there.
    #[arg(long, value_name = "DIR")]
    pub archive: Option<String>,
    /// Compress it there.
    #[arg(long, requires = "archive")]
    pub gzip: bool,
    /// As in a new store.
    #[arg(long, conflicts_with_all = ["age", "bytes", "archive", "keep_all"])]
    pub default: bool,
}
