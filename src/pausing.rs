//! Pause and resume: a subscription that hands nothing over for a while, and loses nothing.

use crate::core::Core;
use crate::defining;
use crate::error::Result;
use crate::pause::Pause;

/// Makes a subscription hand nothing over, or go on. What is in the hands of its consumer may be settled
/// meanwhile.
///
/// # Errors
/// [`Error::NoSubscription`](crate::Error::NoSubscription); what the disk says.
pub fn set(core: &Core, name: &str, pause: Option<Pause>) -> Result<()> {
    let (mut locked, head) = defining::take(core)?;
    let mut definition = defining::find(core, name)?;
    if definition.paused != pause {
        let is_paused = pause.is_some();
        definition.paused = pause;
        definition.write(&*core.fs, &core.names)?;
        tracing::info!(subscription = name, is_paused, "told whether to hand events over");
    }
    // Also where nothing changed: whoever paused it may have died before its consumer was told.
    defining::tell(core, &mut locked, &head)
}
