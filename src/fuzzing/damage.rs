//! What may happen to bytes at rest, read off the input of a target.

/// The most bytes that one damage adds.
const MOST: usize = 64;
/// The most damages of one input.
pub const DAMAGES: usize = 8;

/// One damage: eight bytes of the input.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    /// Which sort; each target has its own of them beyond those here.
    pub sort: u8,
    /// Which file, and which other.
    pub file: u8,
    pub other: u8,
    at: usize,
    to: usize,
    value: u8,
}

/// The damages that an input asks for.
pub fn damages(data: &[u8]) -> impl Iterator<Item = Damage> {
    data.as_chunks::<8>().0.iter().take(DAMAGES).map(|bytes| Damage {
        sort: bytes[0],
        file: bytes[1],
        other: bytes[2],
        at: usize::from(u16::from_be_bytes([bytes[3], bytes[4]])),
        to: usize::from(u16::from_be_bytes([bytes[5], bytes[6]])),
        value: bytes[7],
    })
}

impl Damage {
    /// The sorts of damage within one file.
    pub const SORTS: u8 = 10;

    /// Does it to the bytes of a file.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        let Self { sort, value, .. } = self;
        let at = self.at % (bytes.len() + 1);
        let to = self.to % (bytes.len() + 1);
        let run = usize::from(value) % MOST;
        let end = bytes.len().min(at + run);
        match sort % Self::SORTS {
            0 => bytes[at..end.min(at + 1)].iter_mut().for_each(|byte| *byte ^= 1 << (value & 7)),
            1 => bytes[at..end.min(at + 1)].fill(value),
            2 => bytes[at..end].fill(b'\n'),
            3 => bytes[at.min(to)..at.max(to)].fill(if value & 1 == 0 { 0 } else { b'\n' }),
            4 => bytes.truncate(at),
            5 => drop(bytes.splice(at..at, std::iter::repeat_n(value, run))),
            6 => drop(bytes.drain(at.min(to)..at.max(to))),
            // A block that stands in the place of another, as where writes were lost.
            7 => {
                let block: Vec<u8> = bytes[at / 512 * 512..].iter().copied().take(512).collect();
                let to = to / 512 * 512;
                let end = bytes.len().min(to + block.len());
                bytes[to..end].copy_from_slice(&block[..end - to]);
            }
            8 => self.exchange_lines(bytes),
            _ => self.repeat_line(bytes),
        }
    }

    fn exchange_lines(self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = lines(bytes);
        let count = lines.len();
        lines.swap(self.at % count, self.to % count);
        *bytes = lines.concat();
    }

    fn repeat_line(self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = lines(bytes);
        let count = lines.len();
        let line = lines[self.at % count].clone();
        lines.insert(self.to % count, line);
        *bytes = lines.concat();
    }
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).chain([Vec::new()]).collect()
}
