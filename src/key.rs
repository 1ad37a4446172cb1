//! placeholder
/// Key
#[derive(Clone, Debug)]
pub struct Key(Box<str>);
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
