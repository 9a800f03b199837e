//! Exports and imports between devices that share a server.

use serde_json::json;
use whimbrel::error::Code;
use whimbrel::memory::MemoryStorage;
use whimbrel::sync::Settlement;

use crate::device::{Device, HOME};
use crate::platform::{Fault, Origin};
use crate::rules::local;
use crate::server::Server;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);

async fn export(device: &Device, is_whole: bool) -> Vec<u8> {
    let transfer = device.driver.begin_export(is_whole);
    let mut file = Vec::new();
    while let Some(piece) = device.driver.export_next(transfer).await.unwrap() {
        file.extend(piece);
    }
    assert!(device.driver.export_next(transfer).await.is_err());
    file
}

local! {
    /// A device that is given up: what waited goes on from another one, and the server hears of each change once.
    async fn what_waited_goes_on_from_another_device() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        ana.create("2", "Roof").await;
        ana.update("1", json!({"title": "Pump 2"})).await;
        let file = export(&ana, false).await;

        let next = Device::new(&server.network, "ana").await;
        next.sync(HOME).await;
        let transfer = next.driver.begin_import();
        next.driver.import_next(transfer, &file).await.unwrap();
        let imported = next.driver.import_end(transfer).await.unwrap();
        assert_eq!((imported.changes, imported.skipped), (2, 0));
        assert_eq!(next.orders().await, ["1 Pump 2", "2 Roof"]);
        assert_eq!(next.driver.status().pending, 2);
        assert_eq!(next.sync(HOME).await, COMPLETE);
        assert_eq!(next.driver.status().pending, 0);
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ["1 Pump 2", "2 Roof"]);
        // They have come to their end here: again, nothing happens.
        let transfer = next.driver.begin_import();
        next.driver.import_next(transfer, &file).await.unwrap();
        assert_eq!(next.driver.import_end(transfer).await.unwrap().skipped, 2);
    }
}

local! {
    /// A whole store in another place is another client that stands where the first one stood.
    async fn a_copy_pulls_from_where_its_original_was() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        for number in 0..20 {
            ana.create(&format!("{number:02}"), "Pump").await;
        }
        ana.sync(HOME).await;
        ana.sync(HOME).await;
        ana.update("03", json!({"title": "waits"})).await;
        let file = export(&ana, true).await;
        let copy = Device::new(&server.network, "ana").await;
        let transfer = copy.driver.begin_import();
        for piece in file.chunks(100) {
            copy.driver.import_next(transfer, piece).await.unwrap();
        }
        assert_eq!(copy.driver.import_end(transfer).await.unwrap().changes, 1);
        assert_eq!(copy.all("workOrder").await, ana.all("workOrder").await);
        assert_ne!(copy.driver.store().client_id().await, ana.driver.store().client_id().await);
        assert_eq!(copy.sync(HOME).await, COMPLETE);
        let told = format!("{:?}", copy.told.borrow());
        // Its own change comes back, and not one of the other rows.
        assert!(told.contains("pulled: 1,"), "{told}");
        ana.create("99", "later").await;
        ana.sync(HOME).await;
        copy.sync(HOME).await;
        assert_eq!(copy.orders().await, ana.orders().await);
    }
}

local! {
    /// The answer to a push is lost, and the store moves: the change is at the server once, whatever the copy does.
    async fn what_was_sent_is_not_sent_by_the_copy() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.create("1", "Pump").await;
        server.network.fail_next("push", Fault::AnswerLost);
        assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
        let file = export(&ana, true).await;
        // Somebody else has gone on from it.
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(HOME).await;
        ben.update("1", json!({"title": "Pump by Ben"})).await;
        ben.sync(HOME).await;
        let copy = Device::new(&server.network, "ana").await;
        let transfer = copy.driver.begin_import();
        copy.driver.import_next(transfer, &file).await.unwrap();
        let imported = copy.driver.import_end(transfer).await.unwrap();
        assert_eq!((imported.changes, imported.refused), (0, 1));
        assert_eq!(copy.driver.status().rejected, 1);
        assert_eq!(copy.sync(HOME).await, COMPLETE);
        assert_eq!(copy.orders().await, ["1 Pump by Ben"]);
        // The original asks again, under its number.
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(ana.orders().await, ["1 Pump by Ben"]);
    }
}

local! {
    /// While a store is loaded nobody writes or syncs; a tab that dies meanwhile leaves nothing.
    async fn a_tab_that_dies_during_an_import_leaves_nothing() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        for number in 0..20 {
            ana.create(&format!("{number:02}"), "Pump").await;
        }
        let file = export(&ana, true).await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let dying = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let other = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let transfer = dying.driver.begin_import();
        dying.driver.import_next(transfer, &file[..file.len() - 5]).await.unwrap();
        let written = json!([{"op": "create", "entity": "workOrder", "id": "x", "fields": {"title": "x", "status": "y"}}]);
        assert_eq!(other.write(written.clone()).await.unwrap_err().code(), Code::ImportRunning);
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(other.write(written.clone()).await.unwrap_err().code(), Code::ImportRunning, "its tab is alive");
        dying.driver.close().await;
        while other.write(written.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(other.orders().await, ["x x"]);
        assert_eq!(other.sync(HOME).await, COMPLETE);
        // The same when nobody was there: the next one to open finds it.
        let storage = MemoryStorage::new();
        let dying = Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await;
        let transfer = dying.driver.begin_import();
        dying.driver.import_next(transfer, &file[..file.len() - 5]).await.unwrap();
        let next = Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await;
        while next.write(written.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(next.orders().await, ["x x"]);
        // It was not dead, but frozen: it goes no further, and takes nothing away.
        assert!(dying.driver.import_next(transfer, &file[file.len() - 5..]).await.is_err());
        assert_eq!(next.orders().await, ["x x"]);
    }
}
