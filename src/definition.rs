//! What a subscription is, beside how far it is: `cursors/<name>.json`.

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::filter::Globs;
use crate::fs::{self, Fs, Open};
use crate::names::Names;
use crate::order::Order;
use crate::pause::Pause;
use crate::position::Position;
use crate::retry::RetryPolicy;
use crate::snapshot::SnapshotId;

/// A subscription as it was last opened. Replaced whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it wants.
    pub filter: Globs,
    /// In which order events are handed over.
    pub order: Order,
    /// How often, and when again.
    pub retry: RetryPolicy,
    /// Where it was last told to go on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<ResetRequest>,
    /// That it is to hand nothing over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// That it is not there any more under this name, or is about to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// The name that it is just being given another for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
}

/// How a subscription ends under its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It is to be renamed once its consumer has let go of it.
    Renaming(String),
    /// It has another name. Whatever else lies under the old one is void.
    Renamed(String),
    /// It was removed. Whatever else lies under its name is void.
    Removed,
}

/// A request that the consumer obeys, whoever it is and whenever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetRequest {
    /// Counts the requests; the cursor notes the last one that it obeyed.
    pub generation: u64,
    /// The first position to deliver.
    pub next: Position,
    /// The head when it was made.
    pub folded: u64,
    /// The snapshot that `next` is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
}

impl Definition {
    /// A subscription of which nothing but its name is known.
    #[must_use]
    pub fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            filter: Globs::default(),
            order: Order::Total,
            retry: RetryPolicy::default(),
            reset: None,
            paused: None,
            end: None,
            renamed_from: None,
        }
    }

    /// Whether what lies under its name is no subscription any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.end, Some(End::Renamed(_) | End::Removed))
    }

    /// Reads the definition of a subscription; `None` when there is none.
    ///
    /// # Errors
    /// What the disk says; [`Error::Corrupt`] for what is no definition.
    pub fn read(fs: &dyn Fs, names: &Names, name: &str) -> Result<Option<Self>> {
        let path = names.cursor_definition(name);
        let Some(file) = fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)?
        else {
            return Ok(None);
        };
        let bytes = fs::read_all(&*file).context("read", &path)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Corrupt {
            path,
            offset: 0,
            seq: None,
            what: format!(
                "it is no definition of a subscription ({error}); mend it, or remove it and open \
                           the subscription again, which writes it anew"
            ),
        })
    }

    /// Replaces the definition, durably.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, fs: &dyn Fs, names: &Names) -> Result<()> {
        let path = names.cursor_definition(&self.name);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))?;
        text.push(b'\n');
        fs::replace_durably(fs, &path, &text)
    }

    /// The request that a cursor of this generation has not obeyed yet.
    #[must_use]
    pub fn request_after(&self, generation: u64) -> Option<ResetRequest> {
        self.reset.filter(|request| request.generation > generation)
    }
}
