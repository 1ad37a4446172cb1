//! What a store takes on the disk. It is the last row, for it drops the journal of a store that others use.

use std::time::Duration;

use docbox::{Limits, Store};

use crate::Result;
use crate::lab::{Lab, footprint};
use crate::report::{Line, Report, Unit};

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let documents = lab.most_documents();
    let (root, filled) = lab.docbox(documents)?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let line = |what: &str, bytes| {
        Line::new(
            "disk",
            format!("{what}, {documents} documents"),
            mebibytes(bytes),
            Unit::Mebibytes,
        )
    };
    let committed = ("committed".to_owned(), mebibytes(filled.committed));
    let retained = filled.documents + filled.home;
    report.add(
        line("on the disk while retained", retained)
            .against(&committed.0, committed.1)
            .at_most(2.5),
    );
    report.add(line("the same in blocks", filled.blocks).against(committed.0, committed.1));
    let dropping = Limits { retain_age: Duration::ZERO, retain_bytes: 0, ..Limits::default() };
    let store = Store::options().limits(dropping).open(&root)?;
    // A subscription that nobody follows would keep what it has not seen.
    for subscription in store.subscriptions()? {
        store.reset(&subscription.name, docbox::Start::Now)?;
        store.subscribe(subscription.name).open()?.next(Duration::ZERO)?;
    }
    store.checkpoint()?;
    store.retain()?;
    store.close()?;
    let left = footprint(&root)?;
    let kept = ("documents", mebibytes(left.documents));
    let all = left.documents + left.home;
    report.add(line("on the disk after retention", all).against(kept.0, kept.1).at_most(1.1));
    report.add(line("the same in blocks, after retention", left.blocks).against(kept.0, kept.1));
    Ok(())
}
