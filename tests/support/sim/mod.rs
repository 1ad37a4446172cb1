//! A disk in memory that is as bad as a real one may be.
//!
//! What it assumes about the medium, and nothing more:
//!
//! 1. **Bytes.** A write goes to the page cache, where every process sees it at once. It makes the
//!    512-byte cells that it touches dirty. `sync_data` makes a file's bytes and length durable, its
//!    name not.
//! 2. On a power cut each unsynced cell stands, apart from all others, at any of the versions it had
//!    since the last sync, or is torn between two of them: of the bytes in which these differ any may be
//!    old, new or damaged; bytes written with the value that they had stay.
//! 3. A length that is not durable survives or not, growth also in part; growth whose bytes are lost
//!    reads as zeros. The zeros that a cut leaves are versions too, but are never damaged.
//! 4. **Names.** An entry (created, renamed, removed) is durable after `sync_dir` of its folder. Of the
//!    unsynced changes of entries any may survive, the two halves of a rename apart. So two names may lead
//!    to one file, or none; but a name that was renamed over leads to the old file or to the new one. The
//!    renames of one inode survive in order: a part of one only with the whole of those before. A folder
//!    never has two names: its renames survive whole or not at all. A hard link is one more entry of its
//!    inode, and leads to the same bytes. An exchange is a rename of both inodes at once, with four
//!    halves: at each of the two names one leaves and the other comes, so that each name leads to the old
//!    inode or to the new one, apart from the other name.
//! 5. What no durable entry leads to is gone, whole trees included.
//! 6. **A failed sync** leaves its cells and entries clean but not durable. A later sync proves nothing
//!    about them, unless they were written again.
//! 7. **Processes.** A killed process loses its locks and open files; the page cache stays. A power cut
//!    kills all of them, and the incarnation changes.
//! 8. Permission bits are kept and durable at once, but refuse nobody. Inode numbers are not used again.
//!
//! 9. **Leases.** The sole use of a file is given to an open file if no other is open on the same inode, and
//!    ends when it is closed or its process dies. Whoever opens the file meanwhile waits.
//!
//! Hard links are edits from outside: no call of a process makes one.

mod checksum;
mod content;
mod crash;
mod dice;
mod disk;
mod edits;
mod file;
mod hook;
mod image;
mod kernel;
mod locks;
mod names;
mod opened;
mod process;
mod volume;
mod walk;

pub use crash::{Fate, Survival};
pub use dice::Dice;
pub use disk::{Disk, ROOT};
pub use hook::{Answer, Call, Op, crash_at, fail_at, fail_from};
pub use process::SimFs;
