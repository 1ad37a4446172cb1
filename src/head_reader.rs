//! `head`, in the eyes of one who looks at it again and again.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::fs::{Fs, Open};
use crate::head::{self, Head, Looked};
use crate::latest::{Latest, Moved};
use crate::register::{Register, RegisterReader};

/// Looks at the head. Each look reads the file, unless it was moved here; only what has changed in it is parsed.
#[derive(Debug)]
pub struct HeadReader {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    /// Open, after the first look.
    register: Option<RegisterReader<Head>>,
    /// What the last look saw, and its version.
    seen: Option<(u64, Arc<Head>)>,
}

impl HeadReader {
    /// A reader of the register at `path`, which is opened at the first look.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, path: PathBuf) -> Self {
        Self { fs, path, register: None, seen: None }
    }

    /// The head as of now.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when the register is missing or unreadable.
    pub fn look(&mut self) -> Result<Looked> {
        let unreadable = || head::unreadable(self.path.clone());
        let register = match &mut self.register {
            Some(register) => register,
            none => {
                let opened = Register::open(&*self.fs, &self.path, Open::Read)?;
                none.insert(opened.ok_or_else(unreadable)?.reader())
            }
        };
        let (version, head) = register.read()?.ok_or_else(unreadable)?;
        if let Some((seen, head)) = &self.seen
            && *seen == version
        {
            return Ok(Looked { head: Arc::clone(head), version, since: version });
        }
        let head = Arc::new(head.clone());
        self.seen = Some((version, Arc::clone(&head)));
        Ok(Looked { head, version, since: version })
    }

    /// The head as this process moved it last, where that is news, and the lines in front of it. For who was woken: it
    /// is not asked what others have done.
    pub fn look_here(&mut self, latest: &Latest) -> Option<Moved> {
        let (seen, _) = self.seen.as_ref()?;
        let moved = latest.after(*seen)?;
        self.seen = Some((moved.looked.version, Arc::clone(&moved.looked.head)));
        Some(moved)
    }
}
