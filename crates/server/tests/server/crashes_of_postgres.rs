//! PostgreSQL killed under load, with the server going on: no acknowledged push is lost, none is applied twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::Server;
use crate::support::cluster::Cluster;
use crate::support::{CONFIG, Stubborn, effort};

const CLIENTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgresql_loses_nothing_that_was_acknowledged() {
    let (cluster, folder) = (Cluster::durable(), TempDir::new().unwrap());
    std::fs::write(folder.path().join("database.url"), cluster.url("postgres")).unwrap();
    let server = Server::start_in(Arc::new(folder), CONFIG).await;
    let answers = Arc::new(Semaphore::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut running = Vec::new();
    for mut client in Stubborn::several(CLIENTS, &answers) {
        client.api.url = server.url.clone();
        let is_over = Arc::clone(&is_over);
        running.push(tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                client.push().await;
            }
            client
        }));
    }
    for round in 0..effort("WHIMBREL_CRASHES", 2) {
        answers.acquire_many(u32::try_from(20 + 5 * (round % 6)).unwrap()).await.unwrap().forget();
        tokio::task::block_in_place(|| cluster.crash());
    }
    answers.acquire_many(20).await.unwrap().forget();
    is_over.store(true, Ordering::Relaxed);
    let mut clients = Vec::new();
    for client in running {
        clients.push(client.await.unwrap());
    }
    Stubborn::judge(&mut clients).await;
    server.stop().await;
    cluster.remove();
}
