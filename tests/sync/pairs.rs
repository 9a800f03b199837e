//! Records that stand for a pair, as a junction's do: a set, on every device and on the server.

use serde_json::{Value, json};
use whimbrel::error::Code;
use whimbrel::store::Ending;
use whimbrel::sync::Settlement;

use crate::device::{Device, FETCH_LABELS, LABELS, SEND_LABELS};
use crate::platform::{CLOCK_OFF_BY, Fault};
use crate::rules::local;
use crate::server::Server;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const ID: &str = "1~d";

async fn two() -> (Server, Device, Device) {
    let server = Server::start().await;
    let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
    (server, ana, ben)
}

/// Adds the pair, so many days from now by the device's clock; what came of it.
async fn add(device: &Device, day: i64, body: Option<&str>) -> String {
    CLOCK_OFF_BY.set(day * DAY_MS);
    let fields = match body {
        Some(body) => json!({"orderId": "1", "docId": "d", "body": body}),
        None => json!({"orderId": "1", "docId": "d"}),
    };
    device.put("create", "label", ID, fields).await.change
}

async fn remove(device: &Device, day: i64) -> String {
    CLOCK_OFF_BY.set(day * DAY_MS);
    device.put("delete", "label", ID, Value::Null).await.change
}

/// The bodies of the labels that there are.
async fn bodies(device: &Device) -> Vec<Value> {
    device.all("label").await.as_array().unwrap().iter().map(|row| row["body"].clone()).collect()
}

async fn sync(device: &Device) {
    assert_eq!(device.sync(LABELS).await, COMPLETE);
}

/// Nobody was asked anything, nothing waits, and all have the same.
async fn at_rest(devices: &[&Device], expected: &[Value]) {
    for device in devices.iter().chain(devices) {
        sync(device).await;
    }
    for device in devices {
        assert_eq!(bodies(device).await, expected);
        let status = device.driver.status();
        assert_eq!((status.pending, status.rejected, status.conflicts), (0, 0, 0));
    }
}

async fn outcome(device: &Device, change: &str) -> Ending {
    device.driver.store().confirmation(change).await.unwrap().unwrap().outcome
}

local! {
    async fn r16_a_pair_that_two_have_added_is_one_row_and_no_conflict() {
        let (_server, ana, ben) = two().await;
        add(&ana, -2, Some("ana's")).await;
        add(&ben, -1, None).await;
        sync(&ana).await;
        sync(&ben).await;
        at_rest(&[&ana, &ben], &[json!("ana's")]).await;
    }
}

local! {
    async fn adding_what_is_there_is_no_change_or_one_of_its_other_fields() {
        let (_server, ana, ben) = two().await;
        let first = add(&ana, -2, Some("x")).await;
        add(&ana, -2, None).await;
        assert_eq!(ana.driver.status().pending, 1, "one row, one change");
        sync(&ana).await;
        assert_eq!(outcome(&ana, &first).await, Ending::Accepted);
        let again = add(&ana, -2, Some("x")).await;
        assert_eq!((ana.driver.status().pending, outcome(&ana, &again).await), (0, Ending::Accepted));
        add(&ana, -2, Some("y")).await;
        assert_eq!(ana.driver.status().pending, 1);
        at_rest(&[&ana, &ben], &[json!("y")]).await;
    }
}

local! {
    async fn a_pair_that_is_made_removed_and_made_again_before_anybody_knew_is_one_change() {
        let (_server, ana, ben) = two().await;
        let first = add(&ana, -2, Some("x")).await;
        let removal = remove(&ana, -2).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (0, vec![]));
        let last = add(&ana, -2, Some("y")).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (1, vec![json!("y")]));
        at_rest(&[&ana, &ben], &[json!("y")]).await;
        for change in [first, removal, last] {
            assert_eq!(outcome(&ana, &change).await, Ending::Accepted);
        }
    }
}

local! {
    async fn a_pair_that_the_server_has_is_removed_and_made_again_in_one_change_and_can_be_removed_again() {
        let (_server, ana, ben) = two().await;
        add(&ana, -9, Some("x")).await;
        at_rest(&[&ana, &ben], &[json!("x")]).await;
        remove(&ana, -8).await;
        add(&ana, -7, Some("y")).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (1, vec![json!("y")]));
        remove(&ana, -6).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (1, vec![]));
        add(&ana, -5, Some("z")).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (1, vec![json!("z")]));
        at_rest(&[&ana, &ben], &[json!("z")]).await;
        remove(&ana, -4).await;
        at_rest(&[&ana, &ben], &[]).await;
    }
}

local! {
    async fn adding_again_what_waits_is_done_in_knowledge_of_what_came_meanwhile() {
        let (_server, ana, ben) = two().await;
        add(&ana, -9, Some("x")).await;
        add(&ben, -8, None).await;
        sync(&ben).await;
        remove(&ben, -1).await;
        sync(&ben).await;
        assert_eq!(ana.sync(FETCH_LABELS).await, COMPLETE);
        add(&ana, -30, None).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (1, vec![json!("x")]));
        at_rest(&[&ana, &ben], &[json!("x")]).await;
    }
}

local! {
    async fn what_is_removed_is_there_for_the_server_too_when_somebody_else_has_made_it_meanwhile() {
        let (_server, ana, ben) = two().await;
        add(&ana, -9, None).await;
        add(&ben, -9, Some("ben's")).await;
        sync(&ben).await;
        // Hers waits, and now she sees his; a removal is no longer just the end of what she made.
        assert_eq!(ana.sync(FETCH_LABELS).await, COMPLETE);
        assert_eq!(bodies(&ana).await, [json!("ben's")]);
        remove(&ana, -8).await;
        assert_eq!((ana.driver.status().pending, bodies(&ana).await), (1, vec![]));
        at_rest(&[&ana, &ben], &[]).await;
    }
}

local! {
    async fn of_an_add_and_a_removal_that_do_not_know_of_each_other_the_later_one_counts_in_any_order() {
        for (add_day, removal_day, add_arrives_first) in [(-2, -1, true), (-2, -1, false), (-1, -2, true), (-1, -2, false)] {
            let (server, ana, ben) = two().await;
            let cleo = Device::new(&server.network, "cleo").await;
            add(&cleo, -9, Some("old")).await;
            at_rest(&[&cleo, &ana, &ben], &[json!("old")]).await;
            // Ben sees that it was removed, and adds it again; Ana removes what she saw first.
            remove(&cleo, -8).await;
            sync(&cleo).await;
            assert_eq!(ben.sync(FETCH_LABELS).await, COMPLETE);
            let added = add(&ben, add_day, Some("new")).await;
            let removed = remove(&ana, removal_day).await;
            let order = if add_arrives_first { [&ben, &ana] } else { [&ana, &ben] };
            for device in order {
                assert_eq!(device.sync(SEND_LABELS).await, COMPLETE);
            }
            // Where her removal arrives first there is nothing to be removed: he knew that, whenever it was done.
            let is_there = add_day > removal_day || !add_arrives_first;
            let expected: &[Value] = if is_there { &[json!("new")] } else { &[] };
            // The last to arrive is told at once, without a pull.
            assert_eq!(bodies(order[1]).await, expected, "add {add_day}, removal {removal_day}, {add_arrives_first}");
            at_rest(&[&cleo, &ana, &ben], expected).await;
            assert_eq!((outcome(&ben, &added).await, outcome(&ana, &removed).await), (Ending::Accepted, Ending::Accepted));
        }
    }
}

local! {
    async fn an_add_that_did_not_know_of_a_later_removal_leaves_with_what_was_written_into_it() {
        let (_server, ana, ben) = two().await;
        add(&ben, -9, None).await;
        sync(&ben).await;
        remove(&ben, -1).await;
        sync(&ben).await;
        let added = add(&ana, -2, Some("x")).await;
        assert_eq!(ana.sync(SEND_LABELS).await, COMPLETE);
        assert_eq!(bodies(&ana).await, Vec::<Value>::new());
        assert_eq!(outcome(&ana, &added).await, Ending::Accepted);
        // Now she knows, also before a pull, and whatever her clock says.
        add(&ana, -30, Some("again")).await;
        assert_eq!(ana.sync(SEND_LABELS).await, COMPLETE);
        at_rest(&[&ana, &ben], &[json!("again")]).await;
    }
}

local! {
    async fn who_saw_the_removal_adds_again_whatever_the_clock_says_and_so_it_is_with_ones_own() {
        let (_server, ana, ben) = two().await;
        add(&ana, -3, Some("x")).await;
        at_rest(&[&ana, &ben], &[json!("x")]).await;
        remove(&ben, -2).await;
        at_rest(&[&ben, &ana], &[]).await;
        add(&ana, -30, Some("y")).await;
        at_rest(&[&ana, &ben], &[json!("y")]).await;
        // Sent and accepted, and nothing was pulled; the server has forgotten what it had answered.
        remove(&ana, -1).await;
        assert_eq!(ana.sync(SEND_LABELS).await, COMPLETE);
        ana.put("create", "label", "2~d", json!({"orderId": "2", "docId": "d", "body": "other"})).await;
        assert_eq!(ana.sync(SEND_LABELS).await, COMPLETE);
        add(&ana, -30, Some("z")).await;
        at_rest(&[&ana, &ben], &[json!("z"), json!("other")]).await;
        // And what was sent and not answered yet.
        remove(&ana, -1).await;
        assert_eq!(ana.sync(SEND_LABELS).await, COMPLETE);
        at_rest(&[&ben], &[json!("other")]).await;
    }
}

local! {
    async fn what_was_sent_is_followed_by_what_was_done_since_when_the_answer_was_lost() {
        let (server, ana, ben) = two().await;
        add(&ana, -3, Some("x")).await;
        at_rest(&[&ana, &ben], &[json!("x")]).await;
        remove(&ana, -2).await;
        server.network.fail_next("push", Fault::AnswerLost);
        assert_eq!(ana.sync(SEND_LABELS).await.0, Settlement::Error);
        add(&ana, -30, Some("y")).await;
        assert_eq!(bodies(&ana).await, [json!("y")]);
        server.network.heal();
        at_rest(&[&ana, &ben], &[json!("y")]).await;
    }
}

local! {
    async fn the_identity_of_a_pair_is_the_pair() {
        let (_server, ana, _ben) = two().await;
        let code = async |op: &str, id: &str, fields: Value| {
            let write = json!([{"op": op, "entity": "label", "id": id, "fields": fields}]);
            ana.write(write).await.map(|_| ()).map_err(|error| error.code())
        };
        let pair = json!({"orderId": "1", "docId": "d"});
        assert_eq!(code("create", "x", pair.clone()).await, Err(Code::PairFixed));
        assert_eq!(code("create", "d~1", pair.clone()).await, Err(Code::PairFixed));
        assert_eq!(code("create", ID, json!({"orderId": "1"})).await, Err(Code::ValueRequired));
        assert_eq!(code("create", ID, pair.clone()).await, Ok(()));
        assert_eq!(code("update", ID, json!({"docId": "e"})).await, Err(Code::PairFixed));
        assert_eq!(code("update", ID, json!({"docId": "d", "body": "b"})).await, Ok(()));
        let long = "x".repeat(64);
        let id = format!("{long}~{long}");
        assert_eq!(code("create", &id, json!({"orderId": long, "docId": long})).await, Err(Code::InvalidId));
    }
}
