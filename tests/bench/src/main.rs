//! docbox against its peers: one run, every row of docs/performance.md.
//!
//! Contestants take turns (A B C, A B C, …) on one filesystem, and what is compared is medians of the
//! same run. Absolute times of a shared machine mean little; their ratios mean more.

#![expect(clippy::disallowed_methods, reason = "it measures the disk itself")]
#![expect(clippy::disallowed_types, reason = "it measures the disk itself")]
#![expect(clippy::cast_precision_loss, reason = "figures are for people")]

mod args;
mod batched;
mod child;
mod figure;
mod lab;
mod machine;
mod peer;
mod peers;
mod picture;
mod race;
mod report;
mod rows;
mod table;
mod workload;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use args::{Args, What};
use lab::Lab;
use report::Report;

/// A fault of the bench, of the disk or of a peer.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let done = Args::parse(std::env::args().skip(1)).and_then(|what| match what {
        What::Run(args) => run(&args),
        What::Child(verb) => child::run(&verb),
        What::Help => {
            println!("{}\nRows: {}", args::HELP, rows::names());
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let began = Instant::now();
    let (report, lab) = match &args.from {
        Some(file) => (Report::read(file)?, None),
        None => {
            let (mut report, lab) = measure(args)?;
            report.took_s = began.elapsed().as_secs_f64();
            (report, Some(lab))
        }
    };
    println!("{}", table::text(&report));
    if let Some(file) = &args.json {
        report.write(file)?;
    }
    if let Some(docs) = &args.docs {
        table::write_docs(&report, docs)?;
        picture::write_docs(&report, docs)?;
        report.write(&docs.join("performance.json"))?;
    }
    // Hundreds of thousands of files take a while to be removed: nobody waits for the figures meanwhile.
    drop(lab);
    Ok(())
}

fn measure(args: &Args) -> Result<(Report, Lab)> {
    let mut lab = Lab::new(args)?;
    let mut report = Report::new(args, machine::facts(lab.folder())?);
    for row in rows::ALL.iter().filter(|row| args.wants(row.name)) {
        let began = Instant::now();
        eprint!("{:<10} …", row.name);
        (row.measure)(&mut lab, &mut report)?;
        eprintln!(" {:.1} s", began.elapsed().as_secs_f64());
    }
    Ok((report, lab))
}
