//! The one hook, and the trace.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use docbox::fs::{Fs, Mode, Open, read_all, replace_durably, write_all};

use crate::support::sim::{Answer, Call, Disk, Op, Survival, crash_at, fail_at, fail_from};
use crate::{create, disk_with, open, write};

const PATH: &str = "/s/a";

#[test]
fn the_hook_sees_each_call_before_it_happens_with_its_number() {
    let disk = disk_with([(PATH, b"old")]);
    let process = disk.process();
    let seen = Arc::new(Mutex::new(Vec::new()));
    disk.hook({
        let (disk, seen) = (disk.clone(), seen.clone());
        move |index, call: &Call| {
            seen.lock().unwrap().push((index, call.to_string(), disk.read(PATH).unwrap()));
            Answer::Go
        }
    });
    let file = open(&*process, PATH);
    write(&*file, "new", 0);
    file.sync_data().unwrap();
    let expected = [
        (0, "1001 Open(Write) /s/a".to_owned(), b"old".to_vec()),
        (1, "1001 WriteAt /s/a 0+3".to_owned(), b"old".to_vec()),
        (2, "1001 SyncData /s/a".to_owned(), b"new".to_vec()),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(disk.calls(), 3);
}

#[test]
fn the_trace_shows_the_order_of_syncs_and_renames() {
    let disk = disk_with([(PATH, b"old")]);
    replace_durably(&*disk.process(), Path::new(PATH), b"new").unwrap();
    let trace = disk.trace();
    let ops: Vec<Op> = trace.iter().map(|call| call.op).collect();
    assert_eq!(ops, [Op::CreateTemp, Op::WriteAt, Op::SyncData, Op::Rename, Op::SyncDir]);
    assert_eq!(trace[3].to.as_deref(), Some(Path::new(PATH)));
    assert_eq!(trace[3].path, trace[2].path);
    assert!(trace[4].is(Op::SyncDir, "/s"));
    assert_eq!(disk.take_trace(), trace);
    assert!(disk.trace().is_empty());
    assert_eq!(disk.calls(), 5, "the count goes on");
}

#[test]
fn a_failed_call_does_nothing() {
    let disk = disk_with([(PATH, b"old")]);
    let process = disk.process();
    let file = open(&*process, PATH);
    let before = disk.dump();
    disk.hook(|_, _| Answer::Fail(io::ErrorKind::StorageFull));
    assert_eq!(file.write_at(b"new", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(file.set_len(0).is_err());
    assert!(process.rename(Path::new(PATH), Path::new("/s/b")).is_err());
    assert!(process.create_temp(Path::new("/s"), "t", Mode::Private).is_err());
    assert!(process.create_dir(Path::new("/s/d"), Mode::Private).is_err());
    assert_eq!(disk.dump(), before);
    disk.unhook();
    write(&*file, "new", 0);
}

#[test]
fn a_call_can_fail_with_an_error_of_the_operating_system() {
    let disk = disk_with([(PATH, b"old")]);
    let file = open(&*disk.process(), PATH);
    disk.hook(|_, _| Answer::FailOs(5));
    assert_eq!(file.write_at(b"new", 0).unwrap_err().raw_os_error(), Some(5));
}

#[test]
fn a_call_fails_once_or_from_then_on() {
    let disk = Disk::new();
    let process = disk.process();
    let outcomes = |disk: &Disk| {
        let calls = (0..4).map(|_| process.stat(Path::new("/s")).is_ok()).collect::<Vec<_>>();
        disk.unhook();
        calls
    };
    disk.hook(fail_at(disk.calls() + 1, io::ErrorKind::Other));
    assert_eq!(outcomes(&disk), [true, false, true, true]);
    disk.hook(fail_from(disk.calls() + 1, io::ErrorKind::Other));
    assert_eq!(outcomes(&disk), [true, false, false, false]);
}

#[test]
fn short_reads_and_writes_move_fewer_bytes() {
    let disk = disk_with([(PATH, b"")]);
    let process = disk.process();
    let file = open(&*process, PATH);
    disk.hook(|_, call| if call.len > 3 { Answer::Short(3) } else { Answer::Go });
    assert_eq!(file.write_at(b"0123456789", 0).unwrap(), 3);
    assert_eq!(disk.read(PATH).unwrap(), b"012");
    write_all(&*file, b"0123456789", 0).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"0123456789");
    disk.hook(|_, _| Answer::Short(0));
    assert!(process.stat(Path::new(PATH)).is_ok(), "nothing else can be short");
}

#[test]
fn a_file_is_read_to_its_end_by_one_call_and_by_more_where_that_gave_less_or_it_grew() {
    let disk = disk_with([(PATH, b"0123456789")]);
    let process = disk.process();
    let file = open(&*process, PATH);
    let reads = |disk: &Disk| disk.take_trace().iter().filter(|call| call.op == Op::ReadAt).count();
    disk.take_trace();
    assert_eq!(read_all(&*file).unwrap(), b"0123456789");
    assert_eq!(reads(&disk), 1);
    disk.hook(|_, call| if call.offset == 0 { Answer::Short(4) } else { Answer::Go });
    assert_eq!(read_all(&*file).unwrap(), b"0123456789");
    // The disk gives what it can, and then says that it cannot.
    disk.hook(|_, call| if call.offset == 0 { Answer::Short(4) } else { Answer::FailOs(5) });
    assert_eq!(read_all(&*file).unwrap_err().raw_os_error(), Some(5));
    disk.unhook();
    for text in ["0123456789a", "0123456789abcdefghijklmnopqrstuvwxyz", "01234", ""] {
        disk.write(PATH, text);
        assert_eq!(read_all(&*file).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_crash_kills_the_process_before_the_call_and_nobody_else() {
    let disk = disk_with([(PATH, b"old")]);
    let (one, other) = (disk.process(), disk.process());
    let file = open(&*one, PATH);
    disk.hook(crash_at(disk.calls()));
    assert_eq!(file.write_at(b"new", 0).unwrap_err().to_string(), "process is dead");
    assert!(file.sync_data().is_err() && !disk.is_alive(&one));
    assert_eq!(disk.read(PATH).unwrap(), b"old");
    write(&*open(&*other, PATH), "new", 0);
}

#[test]
fn within_the_hook_another_process_can_make_calls() {
    let disk = disk_with([(PATH, b"0")]);
    let (one, other) = (disk.process(), disk.process());
    let file = open(&*one, PATH);
    disk.hook({
        let other = other.clone();
        move |_, call| {
            if call.process != other.id() {
                write(&*open(&*other, PATH), "2", 1);
            }
            Answer::Go
        }
    });
    write(&*file, "1", 0);
    assert_eq!(disk.read(PATH).unwrap(), b"12");
}

#[test]
fn within_the_hook_the_process_can_be_killed() {
    let disk = disk_with([(PATH, b"old")]);
    let process = disk.process();
    let file = open(&*process, PATH);
    disk.hook({
        let (disk, process) = (disk.clone(), process.clone());
        move |_, _| {
            disk.kill(&process);
            Answer::Go
        }
    });
    assert!(file.write_at(b"new", 0).is_err());
    assert_eq!(disk.read(PATH).unwrap(), b"old");
}

#[test]
fn the_calls_that_change_nothing_are_known() {
    let disk = disk_with([(PATH, b"old")]);
    let process = disk.process();
    let file = open(&*process, PATH);
    file.stat().unwrap();
    process.read_dir(Path::new("/s")).unwrap();
    assert!(disk.trace().iter().all(|call| !call.op.changes()));
    file.sync_data().unwrap();
    assert!(disk.trace().last().unwrap().op.changes());
    assert!(Op::Open(Open::Create(Mode::Private)).changes());
}

/// The whole of it at work: one run, a copy of the disk at each of its calls, many dice for each copy.
#[test]
fn replace_durably_leaves_the_old_file_or_the_new_one_at_every_crash() {
    let disk = disk_with([(PATH, &[b'o'; 3000])]);
    let process = disk.process();
    let copies = Arc::new(Mutex::new(Vec::new()));
    disk.hook({
        let (disk, copies) = (disk.clone(), copies.clone());
        move |_, _| {
            copies.lock().unwrap().push(disk.fork());
            Answer::Go
        }
    });
    replace_durably(&*process, Path::new(PATH), &[b'n'; 5000]).unwrap();
    copies.lock().unwrap().push(disk.fork());
    let seen = AtomicU64::new(0);
    for (index, copy) in copies.lock().unwrap().iter().enumerate() {
        for seed in 0..64 {
            let cut = copy.fork();
            cut.power_cut(seed);
            let bytes = cut.read(PATH).expect("it is there");
            let new = bytes == [b'n'; 5000];
            assert!(new || bytes == [b'o'; 3000], "call {index}, seed {seed}: {}", cut.dump());
            assert!(new || index < 5, "call {index}, seed {seed}: it had returned");
            seen.fetch_add(u64::from(new), Ordering::Relaxed);
        }
    }
    assert!(seen.into_inner() > 64, "the new file is there before the last sync, too");
}

#[test]
fn without_its_sync_replace_durably_would_be_found_out() {
    let disk = disk_with([(PATH, b"old")]);
    let process = disk.process();
    let file = create(&*process, "/s/t");
    write(&*file, "new", 0);
    process.rename(Path::new("/s/t"), Path::new(PATH)).unwrap();
    let torn = (0..64).any(|seed| {
        let cut = disk.fork();
        cut.power_cut_with(Survival::dice(seed));
        ![b"old".to_vec(), b"new".to_vec()].contains(&cut.read(PATH).unwrap())
    });
    assert!(torn);
}
