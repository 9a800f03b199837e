//! The inbox: what was refused is kept, sent again with other values, or discarded with what depends on it.

use serde_json::{Value, json};
use whimbrel::store::Ending;

use crate::device::{Device, OFFICE};
use crate::rules::local;
use crate::server::Server;

const TOO_LONG: &str = "a title that is longer than twenty";

/// A device whose new doc was refused, with a part that was refused with it and one that waits.
async fn refused() -> (Server, Device) {
    let server = Server::start().await;
    let ana = Device::new(&server.network, "ana").await;
    ana.put("create", "doc", "d", json!({"title": TOO_LONG})).await;
    ana.put("create", "part", "p", json!({"docId": "d", "name": "first"})).await;
    ana.sync(OFFICE).await;
    ana.put("create", "part", "q", json!({"docId": "d", "name": "second"})).await;
    ana.put("update", "part", "q", json!({"name": "2nd"})).await;
    ana.put("create", "part", "r", json!({"name": "of nothing"})).await;
    ana.sync(OFFICE).await;
    (server, ana)
}

fn position(inbox: &Value, id: &str) -> u64 {
    let item = inbox.as_array().unwrap().iter().find(|item| item["entry"]["id"] == id).unwrap();
    item["position"].as_u64().unwrap()
}

async fn names(device: &Device) -> Vec<String> {
    device.all("part").await.as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap().to_owned()).collect()
}

local! {
    async fn what_stands_on_a_refused_record_is_refused_with_its_code_or_waits_and_the_rest_flows() {
        let (_server, ana) = refused().await;
        let inbox = ana.inbox().await;
        let codes: Vec<&str> = inbox.as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["value/too-long", "value/too-long"]);
        assert_eq!((ana.driver.status().rejected, ana.driver.status().pending), (2, 1));
        assert_eq!(names(&ana).await, ["2nd", "of nothing"]);
        // A run that has nothing it may send ends well.
        assert_eq!(ana.sync(OFFICE).await.1, None);
    }
}

local! {
    async fn a_refused_record_is_edited_and_sent_again_and_what_stands_on_it_follows() {
        let (server, ana) = refused().await;
        let inbox = ana.inbox().await;
        let written = ana.driver.resend(position(&inbox, "d"), r#"{"patch":{"title":"Short"}}"#).await.unwrap();
        assert_eq!(written.iter().map(|written| written.id.as_str()).collect::<Vec<_>>(), ["d", "p"]);
        assert_eq!(ana.driver.status().rejected, 0);
        ana.sync(OFFICE).await;
        assert_eq!((ana.driver.status().rejected, ana.driver.status().pending), (0, 0));
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("doc").await[0]["title"], "Short");
        assert_eq!(names(&ben).await, ["first", "2nd", "of nothing"]);
    }
}

local! {
    async fn bad_values_are_refused_at_once_and_the_change_stays_in_the_inbox() {
        let (_server, ana) = refused().await;
        let at = position(&ana.inbox().await, "d");
        let error = ana.driver.resend(at, r#"{"patch":{"pages":"many"}}"#).await.unwrap_err();
        assert_eq!(error.code().as_str(), "value/type");
        assert_eq!(ana.driver.status().rejected, 2);
        assert_eq!(ana.driver.resend(999, r#"{"patch":{}}"#).await.unwrap_err().code().as_str(), "row/not-found");
    }
}

local! {
    async fn a_discard_takes_along_what_depends_on_it_and_says_so_before() {
        let (_server, ana) = refused().await;
        let change = ana.inbox().await[0]["entry"]["change"].as_str().unwrap().to_owned();
        let at = position(&ana.inbox().await, "d");
        let along: Value = serde_json::from_str(&ana.driver.store().dependents(at).await.unwrap()).unwrap();
        let along: Vec<(&str, &str)> = along.as_array().unwrap().iter()
            .map(|item| (item["place"].as_str().unwrap(), item["entry"]["id"].as_str().unwrap())).collect();
        assert_eq!(along, [("inbox", "p"), ("outbox", "q")]);
        ana.driver.discard(at).await.unwrap();
        assert_eq!((ana.driver.status().rejected, ana.driver.status().pending), (0, 0));
        assert_eq!(names(&ana).await, ["of nothing"]);
        let ending = ana.driver.store().confirmation(&change).await.unwrap().unwrap();
        assert_eq!(ending.outcome, Ending::Discarded);
        assert_eq!(ana.sync(OFFICE).await.1, None);
    }
}

local! {
    async fn a_refused_update_is_sent_again_on_the_row_as_it_is_now() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        ana.put("create", "doc", "d", json!({"title": "Plan", "pages": 1})).await;
        ana.sync(OFFICE).await;
        ana.put("update", "doc", "d", json!({"title": TOO_LONG, "pages": 2})).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.all("doc").await[0]["pages"], 1);
        ben.sync(OFFICE).await;
        ben.put("update", "doc", "d", json!({"body": "by Ben"})).await;
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        let at = position(&ana.inbox().await, "d");
        ana.driver.resend(at, r#"{"patch":{"title":"Short"}}"#).await.unwrap();
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("doc").await, json!([{"id": "d", "title": "Short", "body": "by Ben", "pages": 2}]));
    }
}

local! {
    /// A change that makes the server fail is found by halving what is sent with it, and after eight failures alone it is in the inbox.
    async fn a_poison_change_is_found_and_kept_and_all_others_flow() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        for number in 0..40 {
            let title = if number == 23 { "poison".to_owned() } else { format!("doc {number}") };
            ana.put("create", "doc", &format!("{number:02}"), json!({"title": title})).await;
        }
        server.network.poison("\"title\":\"poison\"");
        let first = ana.sync(OFFICE).await;
        assert_eq!(first.1, Some("server/failed"));
        assert_eq!(ana.driver.status().pending, 17, "those before it are through at once");
        let mut runs = 1;
        while ana.driver.status().pending > 0 {
            ana.sync(OFFICE).await;
            runs += 1;
            assert!(runs <= 12, "it holds up the others for ever");
        }
        assert_eq!(ana.sync(OFFICE).await.1, None);
        let inbox = ana.inbox().await;
        assert_eq!(inbox.as_array().unwrap().len(), 1);
        assert_eq!((&inbox[0]["code"], &inbox[0]["entry"]["set"]["title"]), (&json!("push/poison"), &json!("poison")));
        // It was alone eight times; before that, it took halvings to find it.
        assert!(server.network.poisoned() <= 8 + 7, "{}", server.network.poisoned());
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("doc").await.as_array().unwrap().len(), 39);
        // Mended, it goes like any other.
        ana.driver.resend(position(&inbox, "23"), r#"{"patch":{"title":"antidote"}}"#).await.unwrap();
        ana.sync(OFFICE).await;
        assert_eq!((ana.driver.status().pending, ana.driver.status().rejected), (0, 0));
    }
}

local! {
    /// While the server fails at everything, no change is the reason.
    async fn a_server_that_is_down_makes_no_change_a_poison() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.put("create", "doc", "d", json!({"title": "good"})).await;
        for _ in 0..20 {
            server.network.fail_next("push", crate::platform::Fault::Status(500));
            server.network.fail_next("ping", crate::platform::Fault::Status(500));
            ana.sync(OFFICE).await;
            server.network.heal();
        }
        assert_eq!(ana.driver.status().rejected, 0);
        ana.sync(OFFICE).await;
        assert_eq!((ana.driver.status().pending, ana.driver.status().rejected), (0, 0));
    }
}

local! {
    async fn the_deletion_of_a_record_that_is_at_the_server_is_sent_although_one_of_its_id_was_refused() {
        let (server, ana) = refused().await;
        let ben = Device::new(&server.network, "ben").await;
        ben.put("create", "doc", "d", json!({"title": "Ben's"})).await;
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.all("doc").await[0]["title"], "Ben's");
        ana.put("delete", "doc", "d", json!({})).await;
        assert_eq!(ana.sync(OFFICE).await.1, None);
        assert_eq!(ana.driver.status().pending, 0);
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("doc").await, json!([]));
        assert_eq!(ana.inbox().await[0]["code"], "value/too-long", "what was refused is the user's");
    }
}
