//! What is committed: a document of 1 KB and an event of 300 bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// The bytes of a document's JSON, without white space.
pub const DOCUMENT_BYTES: usize = 1024;
/// The bytes of an event's data.
pub const EVENT_BYTES: usize = 300;
/// Most events are of this type.
pub const KIND: &str = "AgentStateChanged";
/// One in a hundred is of this one.
pub const RARE_KIND: &str = "AgentFailed";

/// A document, as a program would have it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Agent {
    pub id: String,
    pub version: String,
    pub name: String,
    pub state: String,
    pub parent_id: Option<String>,
    pub budget: Budget,
    pub commitments: Vec<String>,
    pub description: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Budget {
    pub allocated_usd: f64,
    pub spent_usd: f64,
}

/// The data of an event.
#[derive(Debug, Deserialize, Serialize)]
pub struct Change {
    pub agent_id: String,
    pub version: String,
    pub from: String,
    pub to: String,
    pub trigger: String,
}

/// One commit to be made: everybody gets the same bytes.
#[derive(Clone, Debug)]
pub struct Order {
    pub key: String,
    pub document: Vec<u8>,
    pub kind: &'static str,
    pub event: Vec<u8>,
}

/// The key of a document: folders of a thousand.
pub fn key(number: usize) -> String {
    format!("agents/{:04}/{number:07}", number / 1000)
}

/// An order whose numbers are still to be written in: making one must cost next to nothing.
#[derive(Clone, Debug)]
struct Template {
    document: Blank,
    event: Blank,
}

/// JSON text, and where the id and the version stand in it.
#[derive(Clone, Debug)]
struct Blank {
    text: Vec<u8>,
    id: usize,
    version: usize,
}

const ID: &str = "#######";
const VERSION: &str = "####################";

impl Template {
    fn new() -> Self {
        let agent = Agent {
            id: ID.into(),
            version: VERSION.into(),
            name: "Nguyễn Thị Mai".into(),
            state: "working".into(),
            parent_id: Some("0000000".into()),
            budget: Budget { allocated_usd: 12.5, spent_usd: 3.25 },
            commitments: vec!["3f2a7c".into(), "90b1de".into(), "5512aa".into()],
            description: String::new(),
        };
        let change = Change {
            agent_id: ID.into(),
            version: VERSION.into(),
            from: "waiting_for_input".into(),
            to: "working".into(),
            trigger: String::new(),
        };
        let document = Blank::new(filled(&agent, DOCUMENT_BYTES));
        Self { document, event: Blank::new(filled(&change, EVENT_BYTES)) }
    }

    fn order(&self, number: usize, change: u64) -> Order {
        Order {
            key: key(number),
            document: self.document.with(number, change),
            kind: if change % 100 == 7 { RARE_KIND } else { KIND },
            event: self.event.with(number, change),
        }
    }
}

impl Blank {
    fn new(text: Vec<u8>) -> Self {
        let find = |what: &str| {
            text.windows(what.len()).position(|window| window == what.as_bytes()).unwrap_or(0)
        };
        let (id, version) = (find(ID), find(VERSION));
        Self { text, id, version }
    }

    fn with(&self, number: usize, change: u64) -> Vec<u8> {
        let mut text = self.text.clone();
        digits(&mut text[self.id..self.id + ID.len()], number as u64);
        digits(&mut text[self.version..self.version + VERSION.len()], change);
        text
    }
}

/// Writes a number with leading zeros.
fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// JSON of exactly this many bytes: the empty text at its end is filled with words.
fn filled(value: &impl Serialize, bytes: usize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    let words = b"read the design, wrote the tests, found a torn tail and mended it; ";
    let missing = bytes.saturating_sub(text.len());
    let at = text.len().saturating_sub(2);
    text.splice(at..at, words.iter().copied().cycle().take(missing));
    text
}

/// The bytes that a commit asks a store to keep.
pub fn committed_bytes(order: &Order) -> usize {
    order.key.len() + order.document.len() + order.event.len()
}

/// Dice that fall the same in each run.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % (bound.max(1) as u64)).unwrap_or(0)
    }
}

/// Tells threads, turns and processes apart, so that no two make the same change.
fn lane() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u64::from(std::process::id() & 0xfff) << 20 | NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Orders without end: documents at random among the first `documents`.
#[derive(Clone, Debug)]
pub struct Orders {
    template: Template,
    dice: Dice,
    documents: usize,
    change: u64,
}

impl Orders {
    pub fn new(documents: usize) -> Self {
        let lane = lane();
        Self { template: Template::new(), dice: Dice::new(lane), documents, change: lane << 28 }
    }

    pub fn take(&mut self) -> Order {
        self.change += 1;
        self.template.order(self.dice.below(self.documents), self.change)
    }
}

/// Each document once, in pieces of `piece`: to fill a store. Its bytes are those of this change.
pub fn pieces(documents: usize, piece: usize, change: u64) -> impl Iterator<Item = Vec<Order>> {
    let template = Template::new();
    (0..documents).step_by(piece).map(move |from| {
        (from..documents.min(from + piece)).map(|number| template.order(number, change)).collect()
    })
}

/// Changes of 1,000 documents that leave the documents as they are: events that differ, and bytes that do
/// not. A journal gets its full lines by them, and no file is touched.
pub fn backlog(events: usize, piece: usize) -> impl Iterator<Item = Vec<Order>> {
    let template = Template::new();
    let order = move |number: usize| {
        let document = template.order(number % 1000, 0).document;
        Order { document, ..template.order(number % 1000, number as u64) }
    };
    (0..events)
        .step_by(piece)
        .map(move |from| (from..events.min(from + piece)).map(&order).collect())
}
