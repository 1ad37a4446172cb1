//! The peers, each set up for durability on return and otherwise as well as its manual knows.

pub mod docbox;
pub mod files;
pub mod fjall;
pub mod floor;
pub mod lmdb;
pub mod naive;
pub mod redb;
pub mod sqlite;
