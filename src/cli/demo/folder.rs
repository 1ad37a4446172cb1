//! The demo's folder: a new one, and a copy of its documents as they were in mid-run.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use docbox::fs::{self, Fs, Kind, Mode, Open, OsFs};
use docbox::{Error, Result, Store};

/// Where the demo keeps what is its own: hidden, so no document.
pub const OWN: &str = ".demo";
/// The copy of the documents, below [`OWN`].
pub const NOON: &str = "noon";

/// The folder that was given, made if missing, or a new one among the temporary files.
///
/// # Errors
/// [`Error::Invalid`] when it has been lived in already.
pub fn prepare(given: Option<PathBuf>) -> Result<PathBuf> {
    let root = match given {
        Some(given) => {
            std::path::absolute(&given).map_err(|source| failed("find", &given, source))?
        }
        None => temporary()?,
    };
    let root = fs::make_folders(&OsFs, &root)?;
    refuse_used(&root)?;
    fs::make_folders(&OsFs, &root.join(OWN))?;
    Ok(root)
}

fn temporary() -> Result<PathBuf> {
    let made = tempfile::Builder::new().prefix("docbox-demo-").tempdir();
    made.map(tempfile::TempDir::keep)
        .map_err(|source| failed("make a folder in", &std::env::temp_dir(), source))
}

fn refuse_used(root: &Path) -> Result<()> {
    let refuse = |what: &str| {
        let root = root.display();
        Err(Error::Invalid(format!("{root} {what}; give the demo a new folder: `docbox demo DIR`")))
    };
    if is_there(&root.join(OWN))? {
        return refuse("has seen a demo already");
    }
    if is_there(&root.join(".docbox"))?
        && Store::options().create(false).open(root)?.status()?.head > 0
    {
        return refuse("holds a store with commits already");
    }
    if is_there(root)? && !documents(root)?.is_empty() {
        return refuse("holds JSON files already, which would be documents");
    }
    Ok(())
}

/// Copies every document file as it stands to `.demo/noon`.
pub fn copy_documents(root: &Path) -> Result<()> {
    let noon = root.join(OWN).join(NOON);
    fs::make_folders(&OsFs, &noon)?;
    for document in documents(root)? {
        let (from, to) = (root.join(&document), noon.join(&document));
        fs::make_folders(&OsFs, fs::parent(&to))?;
        let bytes = OsFs.open(&from, Open::Read).and_then(|file| fs::read_all(&*file));
        let bytes = bytes.map_err(|source| failed("read", &from, source))?;
        let copied = OsFs.open(&to, Open::Create(Mode::Shared));
        copied
            .and_then(|file| fs::write_all(&*file, &bytes, 0))
            .map_err(|source| failed("write", &to, source))?;
    }
    Ok(())
}

/// The paths of all document files below `root`, relative to it.
fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        for entry in OsFs.read_dir(&path).map_err(|source| failed("list", &path, source))? {
            let below = folder.join(&entry.name);
            let is_hidden = entry.name.as_encoded_bytes().starts_with(b".");
            match entry.kind {
                Kind::Dir if !is_hidden => folders.push(below),
                Kind::File if !is_hidden && below.extension() == Some(OsStr::new("json")) => {
                    found.push(below);
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

fn is_there(path: &Path) -> Result<bool> {
    let stat = fs::stat_if_there(&OsFs, path);
    Ok(stat.map_err(|source| failed("look at", path, source))?.is_some())
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay files out by hand")]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_made_with_those_above_it() {
        let temp = tempfile::tempdir().unwrap();
        let root = prepare(Some(temp.path().join("a/b"))).unwrap();
        assert!(root.join(OWN).is_dir());
    }

    #[test]
    fn a_folder_that_has_been_lived_in_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let refused =
            |root: &Path| matches!(prepare(Some(root.to_owned())), Err(Error::Invalid(_)));
        let with_document = temp.path().join("documents");
        std::fs::create_dir_all(with_document.join("agents")).unwrap();
        std::fs::write(with_document.join("agents/a.json"), "1\n").unwrap();
        assert!(refused(&with_document));
        let with_demo = temp.path().join("demo");
        prepare(Some(with_demo.clone())).unwrap();
        assert!(refused(&with_demo));
        let with_store = temp.path().join("store");
        let store = Store::open(&with_store).unwrap();
        store.commit(docbox::Transaction::new().emit(docbox::Event::bare("A"))).unwrap();
        store.close().unwrap();
        assert!(refused(&with_store));
    }

    #[test]
    fn an_empty_store_a_repository_and_a_readme_are_no_obstacle() {
        let temp = tempfile::tempdir().unwrap();
        Store::open(temp.path()).unwrap().close().unwrap();
        std::fs::create_dir(temp.path().join(".git")).unwrap();
        std::fs::write(temp.path().join(".git/x.json"), "").unwrap();
        std::fs::write(temp.path().join("README.md"), "").unwrap();
        assert_eq!(prepare(Some(temp.path().to_owned())).unwrap(), temp.path());
    }

    #[test]
    fn the_copy_holds_the_documents_and_nothing_hidden() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        std::fs::create_dir_all(root.join("projects/p1")).unwrap();
        std::fs::create_dir(root.join(".hidden")).unwrap();
        for (name, text) in [("projects/p1/a.json", "1\n"), (".hidden/b.json", ""), ("c.txt", "")] {
            std::fs::write(root.join(name), text).unwrap();
        }
        copy_documents(root).unwrap();
        let noon = root.join(OWN).join(NOON);
        assert_eq!(documents(&noon).unwrap(), [PathBuf::from("projects/p1/a.json")]);
        assert_eq!(std::fs::read(noon.join("projects/p1/a.json")).unwrap(), b"1\n");
    }
}
