//! What a change of a document may emit.

use crate::error::Result;
use crate::event::Event;

/// What the closure of [`Store::update`](crate::Store::update) may return: nothing, an event, or several.
pub trait Emitted {
    /// The events to emit.
    ///
    /// # Errors
    /// What making them said.
    fn events(self) -> Result<Vec<Event>>;
}

impl Emitted for () {
    fn events(self) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }
}

impl Emitted for Event {
    fn events(self) -> Result<Vec<Event>> {
        Ok(vec![self])
    }
}

impl Emitted for Option<Event> {
    fn events(self) -> Result<Vec<Event>> {
        Ok(self.into_iter().collect())
    }
}

impl Emitted for Vec<Event> {
    fn events(self) -> Result<Vec<Event>> {
        Ok(self)
    }
}

impl<E: Emitted> Emitted for Result<E> {
    fn events(self) -> Result<Vec<Event>> {
        self?.events()
    }
}
