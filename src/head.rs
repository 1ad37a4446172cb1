//! `head` and `applied`: how far the store is durable and in place, and how far the folder is durable.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::crc::Crc;
use crate::error::Error;
use crate::identity::Identity;
use crate::number::bounded;
use crate::record::microseconds;

/// The register `head`: the newest commit that is durable and in place, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Members")]
pub struct Head {
    /// Whose head it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The newest commit; 0 when there is none yet.
    pub seq: u64,
    /// The segment that its line lies in.
    pub segment: u64,
    /// Where its line begins, in bytes.
    pub last: u64,
    /// Where its line ends, newline included.
    pub offset: u64,
    /// The checksum of its line, which the next line names.
    #[serde(rename = "line_crc")]
    pub crc: Crc,
    /// Its time; the next is not earlier.
    #[serde(with = "microseconds")]
    pub time: Timestamp,
    /// By which recovery knows that the page cache which this was written through still stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The last commit that asked for dead letters to be delivered again, as far as any consumer that lives
    /// must know; 0 for none. A consumer that sees another one looks at the letters.
    #[serde(skip_serializing_if = "is_zero")]
    pub redriven: u64,
    /// A batch has moved it here, and nobody has written it since: nobody has begun a segment behind it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The members of a [`Head`], as they are read: one by one, several times as cheap as by `flatten`.
#[derive(Deserialize)]
struct Members {
    store: String,
    epoch: u32,
    #[serde(deserialize_with = "bounded")]
    seq: u64,
    #[serde(deserialize_with = "bounded")]
    segment: u64,
    #[serde(deserialize_with = "bounded")]
    last: u64,
    #[serde(deserialize_with = "bounded")]
    offset: u64,
    line_crc: Crc,
    #[serde(with = "microseconds")]
    time: Timestamp,
    #[serde(default)]
    token: Option<String>,
    #[serde(default, deserialize_with = "bounded")]
    redriven: u64,
    #[serde(default)]
    moved: bool,
}

impl From<Members> for Head {
    fn from(members: Members) -> Self {
        Self {
            identity: Identity { store: members.store, epoch: members.epoch },
            seq: members.seq,
            segment: members.segment,
            last: members.last,
            offset: members.offset,
            crc: members.line_crc,
            time: members.time,
            token: members.token,
            redriven: members.redriven,
            moved: members.moved,
        }
    }
}

impl Head {
    /// The head of an empty journal.
    #[must_use]
    pub fn empty(identity: Identity) -> Self {
        Self {
            identity,
            seq: 0,
            segment: 1,
            last: 0,
            offset: 0,
            crc: Crc::NONE,
            time: Timestamp::UNIX_EPOCH,
            token: None,
            redriven: 0,
            moved: false,
        }
    }
}

/// A head as somebody saw it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The head.
    pub head: Arc<Head>,
    /// The version of its register, which grows whenever it is written, by whatever process and with whatever value.
    pub version: u64,
    /// Whoever saw this version, or a later one, has missed no word of anybody: since then there were commits alone.
    pub since: u64,
}

/// What to say of a `head` without a readable slot.
#[must_use]
pub fn unreadable(path: PathBuf) -> Error {
    Error::Corrupt {
        path,
        offset: 0,
        seq: None,
        what: "no slot of this register is readable; close every program that has the store open, \
               and the next open makes it anew from the journal"
            .into(),
    }
}

/// The register `applied`: the documents of all commits up to here are durable in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Whose it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The newest commit whose documents are durable.
    #[serde(deserialize_with = "bounded")]
    pub seq: u64,
    /// The checksum of its line, where known: the chain goes on from here when its segment is gone.
    #[serde(rename = "line_crc")]
    pub crc: Option<Crc>,
    /// Its time.
    #[serde(with = "microseconds")]
    pub time: Timestamp,
    /// A sync of documents past `seq` failed: their pages may be clean and lost, so they are written
    /// anew before the next attempt, by whichever process makes it.
    #[serde(default)]
    pub suspect: bool,
    /// A sync of a folder past `seq` failed in this page cache: names in it may be clean and lost, and
    /// nothing makes them anew. Until the next boot or mount `applied` stays, and the journal has it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays_in: Option<String>,
    /// Segments before the one of this name were dropped, or are about to be. What a power cut brings
    /// back of them is void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<u64>,
}

impl Applied {
    /// Documents durable up to `head`.
    #[must_use]
    pub fn up_to(head: &Head) -> Self {
        Self {
            identity: head.identity.clone(),
            seq: head.seq,
            crc: (head.seq > 0).then_some(head.crc),
            time: head.time,
            suspect: false,
            stays_in: None,
            oldest: None,
        }
    }
}
