//! Cuts the power of a disk under real filesystems while the real program commits.
//!
//! The disk is a file that a FUSE daemon serves from memory, with a loop device on it. Each write and each
//! flush is logged. From the log come images: all that was flushed before a cut, and of the writes since
//! whatever the dice leave, by sectors, in any order. Each image is mounted, and the program must find in it
//! whatever it had told before the cut.
//!
//! `cargo run --manifest-path tests/power/Cargo.toml --target-dir target/power -- --docbox target/release/docbox`

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it looks at the disk from outside, as a user would"
)]

mod cut;
mod daemon;
mod device;
mod dice;
mod disk;
mod history;
mod judge;
mod pages;
mod program;
mod rig;
mod stirrer;
mod tally;
mod workload;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use device::{KINDS, Kind};
use dice::Dice;
use program::Program;
use rig::{Plan, Rig};

const USAGE: &str = "power [--docbox PATH] [--fs NAME,…] [--images N] [--runs N] [--seconds N] [--seed N] [--direct] [--keep FOLDER]";

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Somebody wants it to end; all is undone on the way.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Acquire)
}

extern "C" fn interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Release);
}

fn main() -> ExitCode {
    let handler = interrupt as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler does nothing but store a flag.
    unsafe {
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
    }
    let (plan, kinds, runs) = match asked() {
        Ok(asked) => asked,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let mut is_wrong = false;
    for (run, kind) in (0..runs).flat_map(|run| kinds.iter().map(move |kind| (run, *kind))) {
        if is_interrupted() {
            break;
        }
        let mut dice = Dice::new(plan.seed + run);
        is_wrong |= !cut_power(&plan, kind, &mut dice);
    }
    if is_interrupted() {
        println!("interrupted");
    }
    ExitCode::from(u8::from(is_wrong || is_interrupted()))
}

/// One run on one filesystem; whether all held.
fn cut_power(plan: &Plan, kind: Kind, dice: &mut Dice) -> bool {
    if !is_there(kind.maker()) {
        println!("skipped: {}: there is no {}", kind.name, kind.maker());
        return true;
    }
    let rig = match Rig::new(plan, kind).and_then(|rig| rig.prepare().map(|()| rig)) {
        Ok(rig) => rig,
        Err(reason) => {
            println!("skipped: {}: {reason}", kind.name);
            return true;
        }
    };
    match rig.run(dice) {
        Ok(tally) => {
            println!(
                "{}: {} images, {} of them of a second cut, {} more that the filesystem itself refused; {} with bytes kept aside; at most {} events came again; {} wrong",
                kind.name,
                tally.images,
                tally.again,
                tally.refused.len(),
                tally.with_kept_aside,
                tally.redelivered,
                tally.wrong.len(),
            );
            for what in tally.wrong.iter().chain(tally.refused.iter().take(3)) {
                println!("  {what}");
            }
            tally.wrong.is_empty() && tally.images > 0
        }
        Err(error) => {
            println!("{}: the rig failed: {error}", kind.name);
            false
        }
    }
}

/// Why it cannot be done here.
fn missing() -> Option<String> {
    // SAFETY: it only answers.
    if unsafe { libc::geteuid() } != 0 {
        return Some("only root may mount".to_owned());
    }
    let devices = ["/dev/fuse", "/dev/loop-control"];
    let device = devices.iter().find(|path| !Path::new(path).exists());
    let tool = ["losetup", "mount", "umount"].into_iter().find(|name| !is_there(name));
    device.copied().or(tool).map(|name| format!("there is no {name}"))
}

fn is_there(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    found.is_ok_and(|output| output.status.success())
}

fn asked() -> Result<(Plan, Vec<Kind>, u64), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let mut plan = Plan {
        program: Program(PathBuf::from("target/release/docbox")),
        images: 60,
        length: Duration::from_secs(20),
        seed: now,
        is_direct: false,
        keep: None,
    };
    let (mut kinds, mut runs) = (KINDS.to_vec(), 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        match arg.as_str() {
            "--docbox" => plan.program = Program(PathBuf::from(value()?)),
            "--images" => {
                plan.images =
                    usize::try_from(number(value()?)?).map_err(|error| error.to_string())?;
            }
            "--runs" => runs = number(value()?)?,
            "--seconds" => plan.length = Duration::from_secs(number(value()?)?),
            "--seed" => plan.seed = number(value()?)?,
            "--direct" => plan.is_direct = true,
            "--keep" => plan.keep = Some(PathBuf::from(value()?)),
            "--fs" => {
                let names = value()?;
                kinds.retain(|kind| names.split(',').any(|name| name == kind.name));
            }
            _ => return Err(format!("{arg} is not known")),
        }
    }
    let path = &plan.program.0;
    plan.program.0 = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
    println!("seed {}", plan.seed);
    Ok((plan, kinds, runs))
}
