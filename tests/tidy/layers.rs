//! The layers of docs/architecture.md, strictly downward.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, read, rust};

/// Of each file of the library, how high it stands. The table is the fenced block `layers` of
/// docs/architecture.md: a line a layer, lowest first.
fn table() -> BTreeMap<String, usize> {
    let text = read("docs/architecture.md");
    let block =
        text.split("```layers\n").nth(1).expect("docs/architecture.md has a block `layers`");
    let block = block.split("```").next().unwrap_or_default();
    let mut table = BTreeMap::new();
    for (height, line) in block.lines().enumerate() {
        let (_, files) = line.split_once(':').expect("a layer has a name and files");
        for file in files.split_whitespace() {
            let before = table.insert(file.to_owned(), height);
            assert!(before.is_none(), "`{file}` stands in two layers");
        }
    }
    table
}

/// `src/fs/os.rs` stands in the table as `fs/os`.
fn file(source: &Source) -> &str {
    source.path.trim_start_matches("src/").trim_end_matches(".rs")
}

/// `src/journal/reader.rs` is the module `journal`: a folder is one noun.
fn module(source: &Source) -> &str {
    file(source).split('/').next().unwrap_or_default()
}

/// The modules that a file uses: after `crate::`, alone or within braces.
fn uses(source: &Source) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in source.code_lines() {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if name.chars().next().is_some_and(|first| first.is_ascii_lowercase()) {
                found.insert(name);
            }
        }
    }
    found
}

/// Whether a file is in no product.
fn is_of_the_tests(source: &Source) -> bool {
    source.path.ends_with("/tests.rs") || module(source) == "fuzzing"
}

#[test]
fn every_file_stands_in_one_layer_and_uses_no_higher_one() {
    let table = table();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in rust("src").iter().filter(|source| !source.path.starts_with("src/cli/")) {
        let Some(height) = table.get(file(source)) else {
            wrong.push(format!("{} stands in no layer", source.path));
            continue;
        };
        seen.insert(file(source).to_owned());
        for used in
            uses(source).iter().filter(|_| !["lib", "main", "cli"].contains(&module(source)))
        {
            match table.get(used) {
                Some(other) if other > height => {
                    wrong.push(format!("{} uses `{used}`, which stands higher", source.path));
                }
                Some(_) => {}
                // The simulated disk of the tests.
                None if used == "support" && is_of_the_tests(source) => {}
                None => {
                    wrong.push(format!("{} uses `{used}`, which stands in no layer", source.path));
                }
            }
        }
    }
    let gone: Vec<_> = table.keys().filter(|file| !seen.contains(*file)).collect();
    assert!(wrong.is_empty() && gone.is_empty(), "{wrong:#?}, gone: {gone:?}");
}

#[test]
fn delivery_cannot_reach_the_writing_half() {
    let writing = ["batch", "commit", "lock", "place", "checkpoint", "retention", "transaction"];
    for source in rust("src") {
        if ["subscription", "delivery", "publisher", "events"].contains(&module(&source)) {
            let used = uses(&source);
            let reached: Vec<_> = writing.iter().filter(|module| used.contains(**module)).collect();
            assert!(reached.is_empty(), "{} uses {reached:?}", source.path);
            assert!(!source.code().contains("Writer"), "{} names a writer", source.path);
        }
    }
}
