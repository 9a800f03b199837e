//! The server killed under load: no acknowledged push is lost, none is applied twice.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::program::Program;
use crate::support::{Stubborn, effort};

const CLIENTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_being_killed_and_nothing_is_there_twice() {
    let folder = TempDir::new().unwrap();
    let answers = Arc::new(Semaphore::new(0));
    let mut clients = Stubborn::several(CLIENTS, &answers);
    for round in 0..effort("WHIMBREL_CRASHES", 6) {
        let program = Program::start(folder.path());
        let mut running = Vec::new();
        for mut client in clients.drain(..) {
            client.api.url = program.url.clone();
            running.push(tokio::spawn(async move {
                while client.push().await {}
                client
            }));
        }
        // In the middle of the next ones.
        answers.acquire_many(u32::try_from(7 + 5 * (round % 6)).unwrap()).await.unwrap().forget();
        program.signal("-KILL");
        assert_eq!(program.wait().code(), None);
        for client in running {
            clients.push(client.await.unwrap());
        }
    }
    let program = Program::start(folder.path());
    for client in &mut clients {
        client.api.url = program.url.clone();
    }
    Stubborn::judge(&mut clients).await;
    program.signal("-TERM");
    assert_eq!(program.wait().code(), Some(0));
}
