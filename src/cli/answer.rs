//! What becomes of a transaction, as JSON.

use docbox::{Commit, Error, Key, Revision};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::{Result, code_of};
use super::output::Output;

/// A transaction that became a commit.
#[derive(Serialize)]
struct Committed<'a> {
    seq: u64,
    #[serde(serialize_with = "as_object")]
    revisions: &'a [(Key, Option<Revision>)],
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a RawValue>,
}

/// A transaction that was refused.
#[derive(Default, Serialize)]
struct Refused<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// `null` for no document.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Value>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a RawValue>,
}

fn as_object<S: Serializer>(
    revisions: &&[(Key, Option<Revision>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(revisions.iter().map(|(key, revision)| (key, revision)))
}

/// Prints a commit, and flushes it.
pub fn committed(out: &mut Output, commit: &Commit, reference: Option<&str>) -> Result<()> {
    let reference = raw(reference);
    out.json(&Committed { seq: commit.seq(), revisions: commit.revisions(), reference })?;
    out.flush()
}

/// Prints why there is no commit, and flushes it. `line` is that of the input.
pub fn refused(
    out: &mut Output,
    error: &Error,
    line: Option<usize>,
    reference: Option<&str>,
) -> Result<()> {
    let mut refused = Refused {
        message: error.to_string(),
        line,
        reference: raw(reference),
        ..Refused::default()
    };
    match error {
        Error::Conflict { key, expected, found } => {
            refused.error = "conflict";
            refused.key = Some(key);
            refused.expected =
                Some(expected.map_or_else(|| "absent".into(), |revision| revision.to_string()));
            refused.found =
                Some(found.map_or(Value::Null, |revision| Value::String(revision.to_string())));
        }
        Error::Json { line, column, .. } => {
            refused.error = "invalid";
            refused.line = Some(*line);
            refused.column = Some(*column);
        }
        _ if code_of(error) == 2 => refused.error = "invalid",
        _ => refused.error = "failed",
    }
    out.json(&refused)?;
    out.flush()
}

fn raw(json: Option<&str>) -> Option<&RawValue> {
    json.and_then(|json| serde_json::from_str(json).ok())
}
