//! The standing leader: a thread that leads batches while more than one thread commits.

use crate::commit::lead;
use crate::core::Core;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The thread, once there is one.
#[derive(Debug, Default)]
pub struct StandingLeader(Mutex<Option<JoinHandle<()>>>);

impl StandingLeader {
    /// Starts it where the queue asks for it. Where no thread can be had, callers lead as before.
    pub fn start_if_wanted(&self, core: &Arc<Core>) {
        if !core.queue.wants_leader() {
            return;
        }
        let core = Arc::clone(core);
        let serve = move || core.queue.serve(|take| lead(&core, take));
        let mut thread = self.thread();
        match thread::Builder::new().name("docbox-leader".into()).spawn(serve) {
            Ok(started) => *thread = Some(started),
            Err(error) => {
                tracing::warn!(%error, "no thread for leading commits; whoever commits leads");
            }
        }
    }

    /// Ends it, once it has led what it leads, and waits for that.
    pub fn end(&self, core: &Core) {
        core.queue.dismiss();
        let thread = self.thread().take();
        // In a forked child there is none, and for a thread that reads under the lock it may wait itself.
        if core.lock.check_caller().is_ok() {
            // A panic of its batches was told to those who were in them.
            let _ = thread.map(JoinHandle::join);
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
