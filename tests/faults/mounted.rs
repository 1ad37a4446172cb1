//! A filesystem that somebody mounts within a store.

use std::fs;
use std::process::Command;

use docbox::{Error, Transaction};
use serde_json::json;

use crate::disk::{say, with_own_mounts};
use crate::home::Home;
use crate::skip;

#[test]
fn a_folder_on_another_filesystem_takes_no_document_and_holds_nothing_up() {
    const NAME: &str =
        "mounted::a_folder_on_another_filesystem_takes_no_document_and_holds_nothing_up";
    with_own_mounts(NAME, || {
        let home = Home::new();
        let store = home.still();
        let agents = home.path("agents");
        fs::create_dir(&agents).expect("a folder");
        let mounted = say(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&agents));
        if let Err(why) = mounted {
            return skip(&why);
        }
        let put =
            |key: &str| store.commit(Transaction::new().put(key, &json!(1)).expect("a document"));
        let error = put("agents/a").expect_err("no rename leads there");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert!(error.to_string().contains("another filesystem"), "{error}");
        assert_eq!(put("projects/p").expect("the others go on").seq(), 1);
        assert!(home.names("agents").is_empty() && home.left_in_spool().is_empty());
        say(Command::new("umount").arg(&agents)).expect("it is gone");
        assert_eq!(put("agents/a").expect("and there it goes").seq(), 2);
    });
}
