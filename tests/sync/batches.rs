//! A queue that is several requests: the next one is on its way while the answer to the last is being stored.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use whimbrel::model::{Unit, UnitPolicy};
use whimbrel::ports::Request;
use whimbrel::sync::Settlement;

use crate::device::{Device, HOME, WATCHER};
use crate::rules::local;
use crate::server::Server;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);

/// One unit with batches of so many changes.
fn batches_of(changes: u32) -> Vec<Unit> {
    let all = || ["workOrder", "doc", "part"].map(str::to_owned).to_vec();
    let policy = UnitPolicy { batch_size: Some(changes), ..UnitPolicy::default() };
    vec![Unit { name: "all".to_owned(), push: all(), pull: all(), policy }]
}

/// The numbers of the changes in a push.
fn numbers(request: &Request) -> Vec<u64> {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let changes = body["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    changes.iter().map(|change| change["seq"].as_u64().unwrap()).collect()
}

local! {
    async fn the_next_batch_leaves_before_the_last_answer_is_stored() {
        let server = Server::start().await;
        // None is the commit of an answer.
        let seen: Rc<RefCell<Vec<Option<Vec<u64>>>>> = Rc::default();
        let commits = Rc::clone(&seen);
        WATCHER.set(Some(Rc::new(move |_, commit| {
            if commit.record.windows(9).any(|part| part == b"count/ack") {
                commits.borrow_mut().push(None);
            }
        })));
        let ana = Device::with_units(&server.network, batches_of(2)).await;
        for number in 0..7 {
            ana.create(&number.to_string(), "Pump").await;
        }
        seen.borrow_mut().clear();
        let requests = Rc::clone(&seen);
        server.network.listen(move |request| {
            if request.path == "push" {
                assert!(request.run.is_some(), "the server's logs say which run it was");
                requests.borrow_mut().push(Some(numbers(request)));
            }
        });
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        WATCHER.set(None);
        let [first, second, third, last] = [vec![1, 2], vec![3, 4], vec![5, 6], vec![7]].map(Some);
        let expected = [first, second, None, third, None, last, None, None];
        assert_eq!(*seen.borrow(), expected, "each once, in their order: a request, and then the commit of the answer before");
        assert_eq!((ana.orders().await.len(), ana.driver.status().pending), (7, 0));
        let ben = Device::new(&server.network, "ben").await;
        assert_eq!(ben.sync(HOME).await, COMPLETE);
        assert_eq!(ben.orders().await, ana.orders().await);
    }
}

local! {
    async fn what_is_written_to_a_record_on_its_way_waits_for_what_the_server_says() {
        let server = Server::start().await;
        let ben = Device::with_units(&server.network, batches_of(1)).await;
        let ana = Rc::new(Device::with_units(&server.network, batches_of(1)).await);
        for id in ["1", "2", "3"] {
            ben.put("create", "doc", id, json!({"title": "Plan"})).await;
        }
        for device in [&ben, &ana] {
            assert_eq!(device.sync(HOME).await, COMPLETE);
        }
        ben.put("update", "doc", "3", json!({"title": "Ben's plan"})).await;
        assert_eq!(ben.sync(HOME).await, COMPLETE);
        for id in ["1", "2", "3"] {
            ana.put("update", "doc", id, json!({"title": "Ana's plan"})).await;
        }
        // When the second one leaves, the third has its number. What is written to it then is next while the third is on its way.
        let (writer, writing, pushes) = (Rc::downgrade(&ana), Rc::new(RefCell::new(None)), Rc::new(RefCell::new(Vec::new())));
        let (written, pushed) = (Rc::clone(&writing), Rc::clone(&pushes));
        server.network.listen(move |request| {
            if request.path == "push" {
                pushed.borrow_mut().push(numbers(request));
                if numbers(request) == [2] {
                    let device = writer.upgrade().unwrap();
                    let write = async move { drop(device.put("update", "doc", "3", json!({"title": "Ana's new plan"})).await) };
                    written.replace(Some(tokio::task::spawn_local(write)));
                }
            }
        });
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        writing.take().unwrap().await.unwrap();
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(*pushes.borrow(), [[1], [2], [3]], "nothing of a record goes out while people have to decide about it");
        assert_eq!(ana.conflicts().await.as_array().unwrap().len(), 1);
        assert_eq!(ana.all("doc").await[2]["title"], "Ana's new plan");
    }
}
