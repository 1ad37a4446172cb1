//! The filesystem on the disk: files, folders, what is durable of them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use docbox::fs::{Kind, Stat};
use jiff::Timestamp;

use super::checksum::Checksum;
use super::content::Content;
use super::crash::{Survival, surviving_content, surviving_edits};
use super::dice::Dice;
use super::edits::{Edit, Edits, Entries, Inode, Name, Rename};

/// The folder that every path begins at.
pub const TOP: Inode = 1;

const DEVICE: u64 = 1;

/// All that a copy of the disk takes along. Cheap to clone: what is the same is shared.
#[derive(Clone, Debug)]
pub struct Volume {
    nodes: Arc<BTreeMap<Inode, Arc<Node>>>,
    edits: Edits,
    next_inode: Inode,
    next_rename: u64,
    next_temp: u64,
    now_ns: i128,
    boot: u64,
    mount: u64,
    /// Whether names can change places.
    pub has_exchange: bool,
    /// Whether files can be leased.
    pub has_leases: bool,
}

/// A file, a folder or a link.
#[derive(Clone, Debug)]
pub struct Node {
    pub body: Body,
    pub mode: u32,
    /// How many entries lead to it.
    pub links: u64,
    pub modified_ns: i128,
    pub changed_ns: i128,
}

impl Body {
    fn node(self, mode: u32) -> Node {
        Node { body: self, mode, links: 0, modified_ns: 0, changed_ns: 0 }
    }
}

#[derive(Clone, Debug)]
pub enum Body {
    File(Content),
    Folder(Folder),
    Link(PathBuf),
}

/// What a folder holds.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    pub cached: Entries,
    durable: Entries,
}

impl Node {
    pub fn kind(&self) -> Kind {
        match &self.body {
            Body::File(_) => Kind::File,
            Body::Folder(_) => Kind::Dir,
            Body::Link(_) => Kind::Other,
        }
    }
}

impl Volume {
    /// An empty filesystem.
    pub fn new() -> Self {
        let top = Body::Folder(Folder::default()).node(0o755);
        Self {
            nodes: Arc::new([(TOP, Arc::new(top))].into()),
            edits: Edits::default(),
            next_inode: TOP + 1,
            next_rename: 1,
            next_temp: 1,
            now_ns: Timestamp::now().as_nanosecond(),
            boot: 1,
            mount: 1,
            has_exchange: true,
            has_leases: true,
        }
    }

    pub fn node(&self, inode: Inode) -> &Node {
        &self.nodes[&inode]
    }

    fn node_mut(&mut self, inode: Inode) -> &mut Node {
        let node = Arc::make_mut(&mut self.nodes).get_mut(&inode);
        Arc::make_mut(node.expect("an inode that something leads to is there"))
    }

    /// What a folder holds.
    pub fn folder(&self, inode: Inode) -> io::Result<&Folder> {
        match &self.node(inode).body {
            Body::Folder(folder) => Ok(folder),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// What a file holds.
    pub fn content(&self, inode: Inode) -> io::Result<&Content> {
        match &self.node(inode).body {
            Body::File(content) => Ok(content),
            Body::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
            Body::Link(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub fn content_mut(&mut self, inode: Inode) -> io::Result<&mut Content> {
        self.content(inode)?;
        match &mut self.node_mut(inode).body {
            Body::File(content) => Ok(content),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub fn stat(&self, inode: Inode) -> Stat {
        let node = self.node(inode);
        let len = match &node.body {
            Body::File(content) => content.cached.len() as u64,
            Body::Folder(_) => 4096,
            Body::Link(target) => target.as_os_str().len() as u64,
        };
        Stat {
            kind: node.kind(),
            len,
            mode: node.mode,
            device: DEVICE,
            inode,
            links: node.links,
            modified_ns: node.modified_ns,
            changed_ns: node.changed_ns,
        }
    }

    pub fn set_mode(&mut self, inode: Inode, mode: u32) {
        self.node_mut(inode).mode = mode & 0o7777;
        self.change(inode);
    }

    /// No two writes have the same time.
    pub fn touch(&mut self, inode: Inode) {
        self.change(inode);
        self.node_mut(inode).modified_ns = self.now_ns;
    }

    /// Nothing was written, but something else changed.
    fn change(&mut self, inode: Inode) {
        self.now_ns += 1;
        self.node_mut(inode).changed_ns = self.now_ns;
    }

    pub fn incarnation(&self, inode: Inode) -> String {
        format!("{}/{}/{inode}", self.boot, self.mount)
    }

    /// A number that no new file was named by before.
    pub fn next_temp(&mut self) -> u64 {
        self.next_temp += 1;
        self.next_temp - 1
    }

    pub fn next_rename(&mut self) -> u64 {
        self.next_rename += 1;
        self.next_rename - 1
    }

    /// Makes something new under a name that is free.
    pub fn add(&mut self, folder: Inode, name: &Name, body: Body, mode: u32) -> Inode {
        let inode = self.next_inode;
        self.next_inode += 1;
        let node = Arc::new(body.node(mode));
        Arc::make_mut(&mut self.nodes).insert(inode, node);
        self.touch(inode);
        self.set_entry(folder, name, Some(inode), None);
        inode
    }

    /// The one place where an entry changes.
    pub fn set_entry(
        &mut self,
        folder: Inode,
        name: &Name,
        leads_to: Option<Inode>,
        rename: Option<Rename>,
    ) {
        let before = self.folder(folder).ok().and_then(|it| it.cached.get(name).copied());
        put(&mut self.folder_mut(folder).cached, name, leads_to);
        self.touch(folder);
        for (inode, links) in
            before.map(|it| (it, -1)).into_iter().chain(leads_to.map(|it| (it, 1)))
        {
            let node = self.node_mut(inode);
            node.links = node.links.saturating_add_signed(links);
            self.change(inode);
        }
        self.edits.push(Edit { folder, name: name.clone(), leads_to, rename, dirty: true });
    }

    fn folder_mut(&mut self, inode: Inode) -> &mut Folder {
        match &mut self.node_mut(inode).body {
            Body::Folder(folder) => folder,
            _ => unreachable!("only folders have entries"),
        }
    }

    /// Makes durable what is dirty in a file or in a folder.
    pub fn sync(&mut self, inode: Inode) {
        match &self.node(inode).body {
            Body::File(content) if !content.is_durable() => {
                self.content_mut(inode).expect("it is a file").sync();
            }
            Body::Folder(_) => {
                for edit in self.edits.sync(inode) {
                    put(&mut self.folder_mut(edit.folder).durable, &edit.name, edit.leads_to);
                }
            }
            Body::File(_) | Body::Link(_) => {}
        }
    }

    /// A sync that fails: what was dirty is clean, and not durable.
    pub fn fail_sync(&mut self, inode: Inode) {
        match &self.node(inode).body {
            Body::File(_) => self.content_mut(inode).expect("it is a file").fail_sync(),
            Body::Folder(_) => self.edits.fail_sync(inode),
            Body::Link(_) => {}
        }
    }

    /// All is durable, what failed syncs left too.
    pub fn settle(&mut self) {
        self.edits = Edits::default();
        for node in Arc::make_mut(&mut self.nodes).values_mut() {
            match &mut Arc::make_mut(node).body {
                Body::File(content) => content.settle(),
                Body::Folder(folder) => folder.durable = folder.cached.clone(),
                Body::Link(_) => {}
            }
        }
    }

    /// The page cache and the medium become one possible durable state. Returns a number by which that
    /// state is known among all others that this one may become.
    pub fn power_cut(&mut self, survival: &Survival) -> u64 {
        let mut dice = Dice::new(survival.seed);
        let mut sum = Checksum::default();
        let survives = surviving_edits(&self.edits, survival.entries, &mut dice);
        let mut changed = BTreeMap::<Inode, Entries>::new();
        for (edit, survives) in self.edits.iter().zip(survives) {
            let entries = changed.entry(edit.folder).or_insert_with(|| {
                self.folder(edit.folder).map_or_else(|_| Entries::new(), |it| it.durable.clone())
            });
            if survives {
                put(entries, &edit.name, edit.leads_to);
            }
        }
        let mut nodes = BTreeMap::new();
        let mut to_do = vec![TOP];
        while let Some(inode) = to_do.pop() {
            if nodes.contains_key(&inode) {
                continue;
            }
            let mut node = self.nodes[&inode].clone();
            if let Some(entries) = changed.remove(&inode) {
                sum.add_entries(inode, &entries);
                let body = Body::Folder(Folder { cached: entries.clone(), durable: entries });
                node = Arc::new(Node { body, ..(*node).clone() });
            }
            match &node.body {
                Body::Folder(folder) => to_do.extend(folder.cached.values().copied()),
                Body::File(content) if !content.is_durable() => {
                    let image = surviving_content(content, survival, &mut dice);
                    sum.add_image(inode, &image, content.unsynced.keys());
                    let body = Body::File(Content::at_rest(image));
                    node = Arc::new(Node { body, ..(*node).clone() });
                }
                Body::File(_) | Body::Link(_) => {}
            }
            nodes.insert(inode, node);
        }
        self.nodes = Arc::new(nodes);
        self.edits = Edits::default();
        self.count_links();
        self.mount += 1;
        sum.value()
    }

    fn count_links(&mut self) {
        let mut links = BTreeMap::<Inode, u64>::new();
        for node in self.nodes.values() {
            if let Body::Folder(folder) = &node.body {
                folder.cached.values().for_each(|inode| *links.entry(*inode).or_default() += 1);
            }
        }
        for (inode, node) in Arc::make_mut(&mut self.nodes) {
            let links = links.get(inode).copied().unwrap_or(0);
            if node.links != links {
                Arc::make_mut(node).links = links;
            }
        }
    }

    pub fn boot(&mut self) {
        self.boot += 1;
    }
}

fn put(entries: &mut Entries, name: &Name, leads_to: Option<Inode>) {
    match leads_to {
        Some(inode) => entries.insert(name.clone(), inode),
        None => entries.remove(name),
    };
}
