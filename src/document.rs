//! A document that was read.

use std::ops::Deref;

use crate::revision::Revision;

/// A document's value, and the revision at which it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<T> {
    /// The value.
    pub value: T,
    /// What the file's bytes were; give it to `put_if` to write only if nobody wrote since.
    pub revision: Revision,
}

impl<T> Deref for Document<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
