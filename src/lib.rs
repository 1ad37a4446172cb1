//! docbox
pub mod error;
pub mod fs;
mod key;
mod layout;
mod names;
mod position;
mod revision;

pub use error::{Error, Result};
pub use key::Key;
pub use position::Position;
pub use revision::Revision;
