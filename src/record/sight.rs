//! What a reader wants to see of lines: how far, and which events.

/// How far a line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpTo {
    /// Its events, and no further.
    Events,
    /// Its writes too, for those who want changes of documents.
    Writes,
}

/// What a reader wants to see of lines.
pub trait Sight {
    /// How far they are read.
    fn up_to(&self) -> UpTo;

    /// Whether an event may be wanted, by the bytes of its type: a cheaper look before [`Sight::wants`], and false only
    /// where that is.
    fn may_want(&self, kind: &[u8]) -> bool;

    /// Whether an event is wanted, by its type and subject.
    fn wants(&self, kind: &str, subject: Option<&str>) -> bool;
}

/// Everything, so far.
impl Sight for UpTo {
    fn up_to(&self) -> UpTo {
        *self
    }

    fn may_want(&self, _: &[u8]) -> bool {
        true
    }

    fn wants(&self, _: &str, _: Option<&str>) -> bool {
        true
    }
}

/// Everything so far but the events: for those who pass lines by, or want their writes alone.
#[derive(Clone, Copy, Debug)]
pub struct NoEvents(pub UpTo);

impl Sight for NoEvents {
    fn up_to(&self) -> UpTo {
        self.0
    }

    fn may_want(&self, _: &[u8]) -> bool {
        false
    }

    fn wants(&self, _: &str, _: Option<&str>) -> bool {
        false
    }
}
