//! Two processes. When one dies the other lives on.

use docbox::{Result, Store, layout};

use crate::history::History;
use crate::oracle::limits;
use crate::session::Session;
use crate::support::sim::{Disk, ROOT};

/// What is left to do when neither lives any more.
fn unless_both_died(one: Result<()>, other: Result<()>) -> Result<()> {
    one.or(other)
}

/// Two that write in turn, the same documents and others.
pub fn two_writers(disk: &Disk, history: &History) -> Result<()> {
    let mut one = Session::start(disk, history);
    let mut two = Session::start(disk, history);
    let _ = one.open();
    for text in ["one", "two", "three", "four"] {
        let first = one.commit(&[("agents/a", Some(text))]);
        let second = two.commit(&[("agents/a", Some(text)), ("agents/b", Some(text))]);
        unless_both_died(first, second)?;
    }
    let delivered = two.deliver("ui").and_then(|()| two.checkpoint());
    let committed = one.commit(&[("agents/b", None)]);
    unless_both_died(delivered, committed)
}

/// Two that make the store, or find it made.
pub fn two_makers(disk: &Disk, history: &History) -> Result<()> {
    let mut one = Session::start(disk, history);
    let mut two = Session::start(disk, history);
    let first = one.commit(&[("agents/a", Some("one"))]);
    let second = two.commit(&[("agents/a", Some("two"))]);
    unless_both_died(first, second)?;
    let first = one.commit(&[("agents/b", Some("three"))]);
    unless_both_died(first, two.close())
}

/// One writes, the other only consumes: it finishes what the first leaves behind, and goes on where the
/// first was.
pub fn take_over(disk: &Disk, history: &History) -> Result<()> {
    let mut writer = Session::start(disk, history);
    let mut consumer = Session::start(disk, history);
    let _ = consumer.open();
    for text in ["one", "two", "three"] {
        let written = writer
            .commit(&[("agents/a", Some(text)), ("agents/b", Some(text))])
            .and_then(|()| writer.checkpoint())
            .and_then(|()| writer.retain());
        let taken = consumer.deliver("ui").and_then(|()| consumer.fail_to_deliver("ui"));
        unless_both_died(written, taken)?;
    }
    let delivered = writer.deliver("ui");
    unless_both_died(delivered, consumer.deliver("ui"))
}

/// One writes, the other follows the changes of documents; then they change places.
pub fn feeds(disk: &Disk, history: &History) -> Result<()> {
    let mut one = Session::start(disk, history);
    let mut two = Session::start(disk, history);
    let _ = two.open();
    for text in ["one", "two"] {
        let written = one.commit(&[("agents/a", Some(text)), ("agents/b", Some(text))]);
        let taken = two.deliver_some("feed", 4).and_then(|()| two.fail_to_deliver("feed"));
        unless_both_died(written, taken)?;
    }
    let written = two.commit(&[("agents/b", None), ("x/y", Some("new"))]);
    unless_both_died(written, one.deliver_some("feed", 3))?;
    let (one, two) = (one.deliver("feed"), two.deliver("feed"));
    unless_both_died(one, two)
}

/// One writes, the other has the store open for reading only, and may see nothing that does not stay.
pub fn reader(disk: &Disk, history: &History) -> Result<()> {
    let mut writer = Session::start(disk, history);
    let process = disk.process();
    let open = || {
        Store::options()
            .disk(process.clone())
            .limits(limits())
            .housekeeping(false)
            .open_read_only(ROOT)
    };
    let before = open().ok();
    for text in ["one", "two", "three"] {
        let written = writer.commit(&[("agents/a", Some(text)), ("agents/b", Some(text))]);
        history.note_documents(disk);
        for store in [before.clone(), open().ok()].into_iter().flatten() {
            history.note_events(&store);
            let committed = history.last_commit();
            let _ = store.read(|view| {
                for (key, text) in &committed {
                    let found = view.get_bytes(key)?;
                    assert_eq!(found, text.as_deref().map(layout::pretty), "read from {key}");
                }
                Ok(())
            });
        }
        written?;
    }
    writer.close()
}

/// One consumes, the other gives the subscription other names and removes it.
pub fn renamers(disk: &Disk, history: &History) -> Result<()> {
    let mut consumer = Session::start(disk, history);
    let mut other = Session::start(disk, history);
    let _ = other.open();
    for name in ["screen", "ui", "glass"] {
        let committed = consumer.commit(&[("agents/a", Some(name))]);
        let renamed = other.rename("ui", name);
        unless_both_died(committed, renamed)?;
        unless_both_died(consumer.deliver("ui"), other.deliver("ui"))?;
    }
    let removed = other.remove("ui");
    unless_both_died(consumer.deliver("ui"), removed)
}
