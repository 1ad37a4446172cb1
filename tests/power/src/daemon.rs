//! A filesystem with one file: the disk. A loop device on it makes a block device of it.
//!
//! The file is opened for direct I/O, so that no page cache stands between the device and the log. Requests
//! are served one at a time: a flush is logged when all that was written before it is there.

use std::ffi::OsStr;
use std::io::Result;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use fuser::consts::FOPEN_DIRECT_IO;
use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyData,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow,
};

use crate::disk::Disk;

pub const DISK_BYTES: u64 = 512 << 20;
pub const NAME: &str = "disk";
const FILE: u64 = 2;
const LONG: Duration = Duration::from_hours(1);

/// Serves the disk at a folder until the session is dropped.
pub fn serve(disk: Disk, at: &Path) -> Result<BackgroundSession> {
    fuser::spawn_mount2(Daemon(disk), at, &[MountOption::FSName("docbox-power".to_owned())])
}

struct Daemon(Disk);

fn attributes(inode: u64) -> FileAttr {
    let is_file = inode == FILE;
    FileAttr {
        ino: inode,
        size: if is_file { DISK_BYTES } else { 0 },
        blocks: if is_file { DISK_BYTES / 512 } else { 0 },
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if is_file { FileType::RegularFile } else { FileType::Directory },
        perm: if is_file { 0o600 } else { 0o700 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).expect("the kernel asks for no negative offset")
}

impl Filesystem for Daemon {
    fn lookup(&mut self, _: &Request<'_>, _: u64, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&LONG, &attributes(FILE), 0);
        } else {
            reply.error(libc::ENOENT);
        }
    }

    fn getattr(&mut self, _: &Request<'_>, inode: u64, _: Option<u64>, reply: ReplyAttr) {
        reply.attr(&LONG, &attributes(inode));
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<u64>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        reply.attr(&LONG, &attributes(inode));
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(self.0.generation(), FOPEN_DIRECT_IO);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        _: u64,
        _: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        let offset = unsigned(offset);
        let length = u64::from(size).min(DISK_BYTES.saturating_sub(offset));
        reply.data(&self.0.read(offset, usize::try_from(length).expect("at most a u32")));
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        _: u64,
        handle: u64,
        offset: i64,
        bytes: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        self.0.write(handle, unsigned(offset), bytes);
        reply.written(u32::try_from(bytes.len()).expect("a request is small"));
    }

    fn fsync(&mut self, _: &Request<'_>, _: u64, _: u64, _: bool, reply: ReplyEmpty) {
        self.0.flush();
        reply.ok();
    }

    /// On close: says nothing of what is durable.
    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }

    /// Discards are hints, and this disk takes none.
    fn fallocate(
        &mut self,
        _: &Request<'_>,
        _: u64,
        _: u64,
        _: i64,
        _: i64,
        _: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(libc::EOPNOTSUPP);
    }
}
