//! JSON as text, member by member: through `serde_json::Value` the order of members and the tokens of
//! numbers (`1.50`, thirty digits) would be lost, and keeping them is what the day is there to test.

use std::fmt::{self, Display};
use std::ops::{AddAssign, Sub};

/// An object being written.
pub struct Object(String);

impl Object {
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// A member whose value is JSON already.
    pub fn json(mut self, name: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&text(name));
        self.0.push(':');
        self.0.push_str(&value.to_string());
        self
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.json(name, text(value))
    }

    /// A member that is left out when there is nothing to say.
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Members in JSON already, `"a":1,"b":2`, or none.
    pub fn members(mut self, members: &str) -> Self {
        if self.0.len() > 1 && !members.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(members);
        self
    }

    pub fn build(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

pub fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

pub fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

pub fn texts(items: &[String]) -> String {
    array(&items.iter().map(|item| text(item)).collect::<Vec<_>>())
}

/// Dollars, in steps of a hundredth of a cent; written `1.50` or `0.0125`, which no float keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub u64);

impl Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest.is_multiple_of(100) {
            write!(f, "{dollars}.{:02}", rest / 100)
        } else {
            write!(f, "{dollars}.{rest:04}")
        }
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    /// What is left; nothing is left of an overspent budget.
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
