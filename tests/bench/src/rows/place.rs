//! Putting a document in place: what it costs the disk, and what it adds to a commit.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::Result;
use crate::figure::Spread;
use crate::lab::Lab;
use crate::peer::{Peer, Writer};
use crate::peers::docbox::Docbox;
use crate::race::{Contestant, race};
use crate::report::{Line, Report, Unit};
use crate::workload::{self, Dice, Order};

const DOCUMENTS: usize = 1000;

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let (exchanged, renamed) = by_hand(lab)?;
    let note = "the bare system calls, without docbox: write a reused file, exchange the names";
    report.add(
        Line::new(
            "place",
            "a file in place by exchange, median",
            exchanged.p50_us,
            Unit::Microseconds,
        )
        .against("temp file and rename", renamed.p50_us)
        .note(note),
    );
    let folder = lab.place("place")?;
    let docbox = Docbox::new(&folder)?;
    let contestants = [
        Contestant::new("changed", Arc::clone(&docbox) as Arc<dyn Peer>),
        Contestant::new("as it was", Arc::new(Unchanged(docbox))),
    ];
    let scores = race(&contestants, 1, lab.pace())?;
    let [changed, unchanged] = scores.as_slice() else { return Ok(()) };
    let added = changed.wait.p50_us - unchanged.wait.p50_us;
    let note = "the median commit that changes its document, less the median commit of the same bytes, \
                which leaves the file untouched";
    report.add(
        Line::new("place", "a hot document put in place, median", added, Unit::Microseconds)
            .at_most(30.0)
            .note(note),
    );
    report.keep("place", scores);
    Ok(())
}

/// Commits documents as they are.
struct Unchanged(Arc<Docbox>);

struct Same {
    inner: Box<dyn Writer>,
    documents: Vec<Vec<u8>>,
}

impl Peer for Unchanged {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        let inner = Arc::clone(&self.0).writer()?;
        let keys = (0..DOCUMENTS).map(workload::key);
        let documents = keys
            .map(|key| Ok(self.0.0.get_bytes(&key)?.unwrap_or_else(|| b"null".to_vec())))
            .collect::<Result<_>>()?;
        Ok(Box::new(Same { inner, documents }))
    }
}

impl Writer for Same {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        let same: Vec<Order> = orders
            .iter()
            .map(|order| {
                let number: usize = order.key.rsplit('/').next().unwrap_or("0").parse()?;
                Ok(Order { document: self.documents[number].clone(), ..order.clone() })
            })
            .collect::<Result<_>>()?;
        self.inner.commit(&same)
    }
}

/// Exchange and rename, in turn, many times: how long each took.
fn by_hand(lab: &Lab) -> Result<(Spread, Spread)> {
    let folder = lab.place("by-hand")?;
    let bytes = vec![b'x'; workload::DOCUMENT_BYTES];
    let path = |number: usize| folder.join(format!("{number}.json"));
    for number in 0..DOCUMENTS {
        fs::write(path(number), &bytes)?;
    }
    let spool = folder.join("spool");
    fs::write(&spool, &bytes)?;
    File::open(&folder)?.sync_all()?;
    let (mut exchanged, mut renamed) = (Vec::new(), Vec::new());
    let mut dice = Dice::new(7);
    for _ in 0..lab.by_size(10, 40, 40) {
        for (way, took) in [(exchange as Way, &mut exchanged), (rename, &mut renamed)] {
            for _ in 0..50 {
                let target = path(dice.below(DOCUMENTS));
                let began = Instant::now();
                way(&spool, &target, &bytes)?;
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    Ok((Spread::of(exchanged), Spread::of(renamed)))
}

type Way = fn(&Path, &Path, &[u8]) -> Result<()>;

fn exchange(spool: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::options().write(true).open(spool)?;
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    renameat_with(CWD, spool, CWD, target, RenameFlags::EXCHANGE)?;
    Ok(())
}

fn rename(spool: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    let temp = spool.with_extension("temp");
    File::create_new(&temp)?.write_all(bytes)?;
    Ok(fs::rename(&temp, target)?)
}
