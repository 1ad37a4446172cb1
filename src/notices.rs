//! What a consumer is told while it runs: the definition of its subscription, in its eyes.

use jiff::Timestamp;

use crate::core::Core;
use crate::cursor;
use crate::definition::Definition;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Stat};
use crate::pause::Pause;

/// The definition as it was seen last. Whoever changes it writes `head` after it, which a consumer reads before
/// each event anyway: as long as nobody has, nothing has changed.
#[derive(Debug, Default)]
pub struct Notices {
    /// The file that was obeyed last.
    seen: Option<Stat>,
    /// The version of `head` at the last look after which there was nothing to obey.
    version: u64,
    /// The file, and the version of `head`, that were looked at last.
    found: (Option<Stat>, u64),
    paused: Option<Pause>,
}

impl Notices {
    /// Looks whether there is something new, where `head` was written since other than by a commit, as far as is
    /// known, or there is time to look all the same. (`head` has this version, and from `since` on there were commits
    /// alone.) The definition, if it may have changed: it is given again until [`Notices::obeyed`] is called.
    ///
    /// # Errors
    /// [`Error::NoSubscription`] once it was removed, or has another name, or is to be given one; what the
    /// disk says.
    pub fn look(
        &mut self,
        core: &Core,
        name: &str,
        (since, version): (u64, u64),
        has_time: bool,
    ) -> Result<Option<Definition>> {
        if self.version >= since && !has_time {
            self.version = self.version.max(version);
            return Ok(None);
        }
        let path = core.names.cursor_definition(name);
        let stat = fs::stat_if_there(&*core.fs, &path).context("look at", &path)?;
        if stat.is_some() && stat == self.seen {
            self.version = version;
            return Ok(None);
        }
        self.found = (stat, version);
        let definition = Definition::read(&*core.fs, &core.names, name)?;
        let is_there = match &definition {
            Some(definition) => definition.end.is_none(),
            None => cursor::is_there(&*core.fs, &core.names, name)?,
        };
        if !is_there {
            tracing::warn!(subscription = name, end = ?definition.and_then(|it| it.end), "it ends");
            return Err(Error::NoSubscription { name: name.to_owned() });
        }
        self.paused = definition.as_ref().and_then(|definition| definition.paused.clone());
        if let Some(pause) = &self.paused {
            tracing::info!(subscription = name, reason = pause.reason, "it is paused");
        }
        Ok(definition)
    }

    /// What was found last is obeyed, and need not be looked at again.
    pub fn obeyed(&mut self) {
        (self.seen, self.version) = self.found;
    }

    /// The pause that holds now.
    #[must_use]
    pub fn pause(&self) -> Option<&Pause> {
        self.paused.as_ref().filter(|pause| pause.holds_at(Timestamp::now()))
    }
}
