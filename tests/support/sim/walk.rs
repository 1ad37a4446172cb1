//! From a path to what it leads to, as a kernel walks it.

use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use super::edits::{Inode, Name};
use super::volume::{Body, TOP, Volume};

const LINKS_MAX: u32 = 40;
const NAME_MAX_BYTES: usize = 255;
const PATH_MAX_BYTES: usize = 4095;

/// A name in a folder, whether or not something has it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folders from the top one down to the one with the name; their numbers.
    pub folders: Vec<Inode>,
    pub name: Name,
    /// What the name leads to; a link is not followed.
    pub inode: Option<Inode>,
}

impl Place {
    /// The folder with the name.
    pub fn folder(&self) -> Inode {
        self.folders.last().copied().unwrap_or(TOP)
    }

    /// What the name leads to.
    pub fn found(&self) -> io::Result<Inode> {
        self.inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Where a walk has come to.
#[derive(Debug, Default)]
pub struct Walk {
    /// Below the top folder: each name and what it leads to.
    pub trail: Vec<(Name, Inode)>,
    /// How many links it went through.
    pub links: u32,
}

impl Walk {
    pub fn inode(&self) -> Inode {
        self.trail.last().map_or(TOP, |(_, inode)| *inode)
    }

    fn along(&mut self, volume: &Volume, path: &Path) -> io::Result<()> {
        for component in path.components() {
            match component {
                Component::RootDir => self.trail.clear(),
                Component::CurDir => {}
                Component::ParentDir => {
                    volume.folder(self.inode())?;
                    self.trail.pop();
                }
                Component::Normal(name) => self.step(volume, name.into())?,
                Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(())
    }

    fn step(&mut self, volume: &Volume, name: Name) -> io::Result<()> {
        let inode = look_up(volume, self.inode(), &name)?;
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        if let Body::Link(target) = &volume.node(inode).body {
            self.links += 1;
            if self.links > LINKS_MAX {
                return Err(too_many_links());
            }
            return self.along(volume, target);
        }
        self.trail.push((name, inode));
        Ok(())
    }
}

impl Volume {
    /// Follows every link, the last one too.
    pub fn follow(&self, path: &Path) -> io::Result<Walk> {
        check(path)?;
        let mut walk = Walk::default();
        walk.along(self, path)?;
        Ok(walk)
    }

    /// Follows every link but the last. Only a path that ends in a name has a place.
    pub fn place(&self, path: &Path) -> io::Result<Place> {
        check(path)?;
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::ResourceBusy.into());
        };
        let walk = self.follow(above)?;
        let name: Name = Arc::from(name);
        let inode = look_up(self, walk.inode(), &name)?;
        let below = walk.trail.iter().map(|(_, inode)| *inode);
        Ok(Place { folders: [TOP].into_iter().chain(below).collect(), name, inode })
    }

    /// What a path leads to; a link in the last place is not followed.
    pub fn find(&self, path: &Path) -> io::Result<Inode> {
        if path.file_name().is_none() {
            return Ok(self.follow(path)?.inode());
        }
        self.place(path)?.found()
    }
}

fn look_up(volume: &Volume, folder: Inode, name: &Name) -> io::Result<Option<Inode>> {
    let folder = volume.folder(folder)?;
    if name.len() > NAME_MAX_BYTES {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    Ok(folder.cached.get(name).copied())
}

fn check(path: &Path) -> io::Result<()> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "NUL byte in a path"));
    }
    if path.as_os_str().len() > PATH_MAX_BYTES {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    if !path.has_root() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is not absolute"));
    }
    Ok(())
}

/// The error of a link where none may be followed.
#[cfg(unix)]
pub fn too_many_links() -> io::Error {
    rustix::io::Errno::LOOP.into()
}

/// The error of a link where none may be followed.
#[cfg(not(unix))]
pub fn too_many_links() -> io::Error {
    io::Error::other("too many links")
}
