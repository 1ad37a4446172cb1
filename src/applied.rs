//! `applied`, in the hands of the one process that may move it.

use crate::core::Core;
use crate::error::{Context, Error, Result};
use crate::fs::{File, Lock, Open};
use crate::head::Applied;
use crate::register::{Register, RegisterWriter};
use crate::sync::Arc;

/// The register, as long as `checkpoint.lock` is held.
#[derive(Debug)]
pub struct Held {
    writer: RegisterWriter<Applied>,
    /// What it says; `None` when no slot is readable, or it is another store's.
    value: Option<Applied>,
    _lock: Arc<dyn File>,
}

impl Held {
    /// Takes the register over; `None` while another process has it.
    ///
    /// # Errors
    /// What the disk says; [`Error::Corrupt`] when it is missing.
    pub fn try_take(core: &Core) -> Result<Option<Self>> {
        let path = core.names.checkpoint_lock();
        let lock = core.fs.open(&path, Open::Write).context("open", &path)?;
        if !lock.try_lock(Lock::Exclusive).context("lock", &path)? {
            return Ok(None);
        }
        let register = Register::<Applied>::open(&*core.fs, &core.names.applied(), Open::Write)?;
        let Some(register) = register else {
            return Err(Error::Corrupt {
                path: core.names.applied(),
                offset: 0,
                seq: None,
                what: "this register is missing; close every program that has the store open, and remove `head` \
                       beside it: the next open makes both anew from the journal"
                    .into(),
            });
        };
        // What was opened by its name may be another store's by now.
        core.lock.check_home()?;
        let (writer, value) = RegisterWriter::take_over(&*core.fs, register)?;
        let value = value.filter(|applied| applied.identity == core.identity);
        Ok(Some(Self { writer, value, _lock: lock }))
    }

    /// What it says; `None` when no slot is readable, or it is another store's.
    #[must_use]
    pub fn value(&self) -> Option<&Applied> {
        self.value.as_ref()
    }

    /// Says something else. Visible at once, and not durable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&mut self, value: Applied) -> Result<()> {
        self.writer.write(&value)?;
        self.value = Some(value);
        Ok(())
    }

    /// Says something else, durably.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_durably(&mut self, value: Applied) -> Result<()> {
        self.write(value)?;
        self.writer.sync()
    }
}
