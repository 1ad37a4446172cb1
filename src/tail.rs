//! The end of the journal: nothing more, a torn tail, corruption, or a journal older than its registers.

use crate::aside;
use crate::core::Core;
use crate::cursor;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Open};
use crate::head::{Applied, Head};
use crate::journal::{Scan, Stop, damaged};
use crate::record;

/// The newest commit that any register of this store vouches for: it had been durable.
///
/// # Errors
/// What the disk says.
pub fn claims(core: &Core, head: Option<&Head>, applied: Option<&Applied>) -> Result<u64> {
    let mut newest = head.map_or(0, |head| head.seq).max(applied.map_or(0, |applied| applied.seq));
    for name in cursor::list(&*core.fs, &core.names)? {
        let value = cursor::peek(&*core.fs, &core.names, &name)?;
        if let Some(value) = value.filter(|value| value.identity == core.identity) {
            newest = newest.max(value.claims());
        }
    }
    Ok(newest)
}

/// Refuses a journal that cannot be read where it had been durable.
///
/// # Errors
/// [`Error::Corrupt`].
pub fn check_end(core: &Core, found: &Scan, claims: u64) -> Result<()> {
    let seq = found.expected.seq;
    match &found.stop {
        Stop::Unreadable { what, had_been_durable } if *had_been_durable || claims >= seq => {
            Err(Error::Corrupt {
                path: core.names.segment(found.end.segment),
                offset: found.end.offset,
                seq: Some(seq),
                what: damaged(what),
            })
        }
        Stop::Blank | Stop::Unreadable { .. } => Ok(()),
    }
}

/// Decides what it means that reading stopped: nothing (no more lines), corruption, an older journal
/// than its registers, or a torn tail of a batch that nobody was told of, which is kept aside.
///
/// # Errors
/// [`Error::Corrupt`]; what the disk says.
pub fn clear_torn_tail(core: &Core, found: &Scan, claims: u64) -> Result<()> {
    let seq = found.expected.seq;
    let path = core.names.segment(found.end.segment);
    match &found.stop {
        Stop::Blank => {
            if claims >= seq {
                tracing::warn!(
                    journal = seq - 1,
                    registers = claims,
                    "the journal ends before what its registers name: was it copied in use, or restored from an \
                     older copy? It goes on from where it ends"
                );
            }
            Ok(())
        }
        Stop::Unreadable { what, .. } => {
            check_end(core, found, claims)?;
            let file = core.fs.open(&path, Open::Read).context("open", &path)?;
            let bytes = fs::read_all(&*file).context("read", &path)?;
            let start = usize::try_from(found.end.offset).unwrap_or(usize::MAX).min(bytes.len());
            let torn = &bytes[start..];
            let end =
                torn.iter().rposition(|byte| !record::is_blank(*byte)).map_or(0, |last| last + 1);
            let prefix = format!("torn-tail-{seq}.");
            let kept = aside::keep(&*core.fs, &core.names.recovered(), &prefix, &torn[..end])?;
            tracing::warn!(
                file = %path.display(),
                offset = found.end.offset,
                seq,
                %what,
                kept = %kept.display(),
                "a torn tail of a commit that was never acknowledged: kept aside and cleared"
            );
            Ok(())
        }
    }
}
