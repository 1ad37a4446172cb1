//! The journal: the truth. One commit a line, in segments that are named by their first commit.

mod reader;
mod scan;
mod segment;
mod writer;

pub use reader::{LookedAhead, Reader};
pub use scan::{Expected, Line, Scan, Stop, damaged, read_line, scan};
pub use segment::{Place, Segments};
pub use writer::{Failed, Sizes, Writer};
