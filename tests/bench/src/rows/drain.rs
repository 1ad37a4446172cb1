//! Draining a backlog, and looking through one for what is rare.

use std::time::{Duration, Instant};

use docbox::{Start, Store, Subscription};
use rusqlite::Connection;

use crate::Result;
use crate::figure::median;
use crate::lab::Lab;
use crate::peers::sqlite::Sqlite;
use crate::report::{Line, Report, Unit};
use crate::workload::{self, Change, Order, RARE_KIND};

/// The position is made durable after so many events.
const PERSIST: usize = 1000;
const WANTED: usize = 1_000_000;

fn events(lab: &Lab) -> usize {
    lab.by_size(20_000, 200_000, WANTED)
}

/// What a consumer wants.
#[derive(Clone, Copy)]
enum Wish {
    All,
    Rare,
}

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let Rates { docbox, sqlite, parsed } = race(lab, Wish::All)?;
    let what = format!("events a second, a backlog of {} drained", events(lab));
    let line =
        Line::new("drain", what, docbox, Unit::PerSecond).against("SQLite", sqlite).at_least(2.0);
    report.add(if events(lab) < WANTED {
        line.note("the target speaks of 1,000,000 events: `--full`")
    } else {
        line
    });
    let what = "events a second, their data alone parsed, from memory";
    report.add(Line::new("drain", what, parsed, Unit::PerSecond).against("SQLite", sqlite));
    Ok(())
}

pub fn filter(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let Rates { docbox, sqlite, .. } = race(lab, Wish::Rare)?;
    let what = "events a second, looked through for the 1 % that match";
    report.add(Line::new("filter", what, docbox, Unit::PerSecond).at_least(1_500_000.0));
    report.add(Line::new("filter", format!("SQLite, {what}"), sqlite, Unit::PerSecond));
    Ok(())
}

/// Events a second: medians of rounds in turn.
struct Rates {
    docbox: f64,
    sqlite: f64,
    /// Of who has all data in memory, and only parses it.
    parsed: f64,
}

fn race(lab: &Lab, wish: Wish) -> Result<Rates> {
    let (docbox, sqlite) = lab.backlog(events(lab))?;
    let store = Store::open(docbox)?;
    let mut connection = Sqlite::new(&sqlite)?.connect()?;
    let (mut ours, mut theirs, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..lab.pace().rounds.min(3) {
        let name = format!("round-{round}-{}", wish as u8);
        // To begin is not to drain: a cursor and a row that are there to be moved.
        let subscription = subscribe(&store, &name, wish)?;
        connection.execute("INSERT INTO cursors (name, seq) VALUES (?1, 0)", [&name])?;
        let began = Instant::now();
        let seen = drain_docbox(subscription)?;
        ours.push(events(lab) as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        let also_seen = drain_sqlite(&mut connection, &name, wish)?;
        theirs.push(events(lab) as f64 / began.elapsed().as_secs_f64());
        if seen != also_seen {
            return Err(format!("docbox gave {seen} events, SQLite {also_seen}").into());
        }
        alone.push(parse(events(lab))?);
    }
    store.close()?;
    Ok(Rates { docbox: median(ours), sqlite: median(theirs), parsed: median(alone) })
}

/// What a consumer does with so many events, whoever hands them over; how many a second.
fn parse(count: usize) -> Result<f64> {
    let orders: Vec<Order> = workload::pieces(PERSIST, PERSIST, 0).flatten().collect();
    let began = Instant::now();
    let mut seen = 0;
    for order in orders.iter().cycle().take(count) {
        let change: Change = serde_json::from_slice(&order.event)?;
        seen += usize::from(!change.version.is_empty() && !order.kind.is_empty());
    }
    Ok(seen as f64 / began.elapsed().as_secs_f64())
}

fn subscribe(store: &Store, name: &str, wish: Wish) -> Result<Subscription> {
    let builder = store.subscribe(name).from(Start::Beginning);
    Ok(match wish {
        Wish::All => builder.open()?,
        Wish::Rare => builder.types(["AgentFail*"]).open()?,
    })
}

fn drain_docbox(mut subscription: Subscription) -> Result<usize> {
    let mut seen = 0;
    loop {
        let batch = subscription.next_batch(PERSIST, Duration::ZERO)?;
        if batch.is_empty() {
            return Ok(seen);
        }
        for delivery in batch.iter() {
            let change: Change = delivery.event().data()?;
            seen += usize::from(!change.version.is_empty() && !delivery.event().kind().is_empty());
        }
        batch.ack()?;
        subscription.sync()?;
    }
}

fn drain_sqlite(connection: &mut Connection, name: &str, wish: Wish) -> Result<usize> {
    let condition = match wish {
        Wish::All => String::new(),
        Wish::Rare => format!("AND kind = '{RARE_KIND}'"),
    };
    let mut select = connection.prepare(&format!(
        "SELECT seq, kind, subject, data FROM outbox WHERE seq > ?1 {condition} ORDER BY seq LIMIT {PERSIST}"
    ))?;
    let mut persist = connection.prepare("UPDATE cursors SET seq = ?2 WHERE name = ?1")?;
    let (mut seen, mut position) = (0, 0_i64);
    loop {
        let before = seen;
        let mut rows = select.query([position])?;
        while let Some(row) = rows.next()? {
            position = row.get(0)?;
            let kind = row.get_ref(1)?.as_str()?;
            let change: Change = serde_json::from_slice(row.get_ref(3)?.as_blob()?)?;
            seen += usize::from(!change.version.is_empty() && !kind.is_empty());
        }
        drop(rows);
        if seen == before {
            return Ok(seen);
        }
        persist.execute((name, position))?;
    }
}
