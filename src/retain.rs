//! What is kept of the journal, as a store was told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is kept of the journal. It is kept in the store, and holds for every process, until it is told something
/// else. What a subscription has not settled is kept in any case.
///
/// ```
/// use docbox::{Retain, Store};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir().unwrap();
/// # let (tavern, archive) = (folder.path().join("tavern"), folder.path().join("archive"));
/// # std::fs::create_dir(&archive).unwrap();
/// let retain = Retain::new().age(Duration::from_hours(24)).bytes(64 << 20).archive(archive.to_str().unwrap());
/// let store = Store::options().retain(retain).open(&tavern)?;
/// # store.close()?;
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retain {
    /// For so many seconds; `None`: 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
    /// Or shorter, once the journal has more bytes than this; `None`: 1 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Nothing is ever dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_all: bool,
    /// The folder to which segments go that are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Whether they are compressed there (`.jsonl.gz`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
}

impl Retain {
    /// 7 days, and at most 1 GiB beyond what subscriptions need; no archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For this long, in whole seconds.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age_s = Some(age.as_secs());
        self
    }

    /// Or shorter, once the journal has more bytes than this.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Nothing is ever dropped.
    #[must_use]
    pub fn keep_all(mut self) -> Self {
        self.keep_all = true;
        self
    }

    /// Segments that are dropped go to this folder, which must be there: in it, to one folder for each store.
    #[must_use]
    pub fn archive(mut self, folder: impl Into<String>) -> Self {
        self.archive = Some(folder.into());
        self
    }

    /// They are compressed there; needs the feature `gzip`.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Refuses what cannot be done.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(Error::Invalid(what.to_owned()));
        if self.gzip && self.archive.is_none() {
            return refuse("nothing is compressed without an archive: name its folder");
        }
        if self.gzip && cfg!(not(feature = "gzip")) {
            return refuse(
                "this docbox was built without the feature `gzip`: build it with that, or do not compress",
            );
        }
        if self.archive.as_ref().is_some_and(|folder| folder.is_empty() || folder.contains('\0')) {
            return refuse("the archive is no folder: give its path");
        }
        Ok(())
    }
}
