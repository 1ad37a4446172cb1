//! Events of a store in a program on tokio: a task takes deliveries as they come, another writes.
//!
//! `cargo run --example async_consumer`

use std::time::Duration;

use docbox::{Event, Start, Store, Transaction};
use futures_util::StreamExt;

/// Three agents are spawned, and seen.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path())?;
    let mut ui =
        store.subscribe("ui").from(Start::Beginning).types(["Agent*"]).open()?.into_stream()?;

    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for name in ["jake", "amy", "rosa"] {
            tokio::time::sleep(Duration::from_millis(10)).await;
            // A commit blocks for as long as a sync: not on the task's own thread.
            let (writer, key) = (writer.clone(), format!("agents/{name}"));
            let commit = tokio::task::spawn_blocking(move || {
                let agent = serde_json::json!({ "name": name });
                let event = Event::bare("AgentSpawned").subject(&key);
                writer.commit(Transaction::new().put_new(&key, &agent)?.emit(event))
            });
            println!("commit {}", commit.await??.seq());
        }
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    });

    for _ in 0..3 {
        let Some(delivery) = ui.next().await else { break };
        let delivery = delivery?;
        println!("{} {:?}", delivery.event().kind(), delivery.event().about());
        delivery.ack()?;
    }
    writing.await?.map_err(|error| error.to_string())?;
    drop(ui);
    store.close()?;
    Ok(())
}
