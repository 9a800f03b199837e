//! What a sync does when nothing fails.

use serde_json::json;
use whimbrel::error::Code;
use whimbrel::store::Ending;
use whimbrel::sync::Settlement;

use crate::device::{Device, FETCH, HOME};
use crate::server::Server;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);

async fn two() -> (Server, Device, Device) {
    let server = Server::start().await;
    let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
    (server, ana, ben)
}

macro_rules! local {
    ($(#[$doc:meta])* async fn $name:ident() $body:block) => {
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            tokio::task::LocalSet::new().run_until(async $body).await;
        }
    };
}
pub(crate) use local;

local! {
    async fn what_one_device_writes_another_one_reads() {
        let (_server, ana, ben) = two().await;
        ana.create("1", "Pump 4").await;
        ana.create("2", "Roof").await;
        ana.update("1", json!({"title": "Pump 5", "count": 3})).await;
        ana.delete("2").await;
        assert_eq!(ana.driver.status().pending, 1, "a record made and deleted leaves nothing to send");
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(ben.sync(HOME).await, COMPLETE);
        assert_eq!(ben.all("workOrder").await, json!([{"id": "1", "title": "Pump 5", "status": "open", "count": 3}]));
        assert_eq!(ben.all("workOrder").await, ana.all("workOrder").await);
        assert_eq!(ana.driver.status().pending, 0);
    }
}

local! {
    async fn a_delete_reaches_the_other_device() {
        let (_server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        ben.delete("1").await;
        assert_eq!(ben.orders().await, Vec::<String>::new());
        ben.sync(HOME).await;
        ana.sync(HOME).await;
        assert_eq!(ana.orders().await, Vec::<String>::new());
    }
}

local! {
    async fn fields_changed_on_two_devices_both_hold() {
        let (_server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        ana.update("1", json!({"title": "Pump 2"})).await;
        ben.update("1", json!({"count": 7})).await;
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        ana.sync(HOME).await;
        let both = json!([{"id": "1", "title": "Pump 2", "status": "open", "count": 7}]);
        assert_eq!((ana.all("workOrder").await, ben.all("workOrder").await), (both.clone(), both));
    }
}

local! {
    async fn r17_a_pull_never_overwrites_what_was_not_sent() {
        let (_server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.create("2", "Roof").await;
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        ana.update("1", json!({"title": "From Ana", "count": 1})).await;
        ana.delete("2").await;
        ana.sync(HOME).await;
        ben.update("1", json!({"title": "From Ben"})).await;
        ben.update("2", json!({"title": "Kept"})).await;
        assert_eq!(ben.sync(FETCH).await, COMPLETE);
        let laid_over = json!({"id": "1", "title": "From Ben", "status": "open", "count": 1});
        assert_eq!(ben.all("workOrder").await[0], laid_over);
        assert_eq!(ben.orders().await, ["1 From Ben", "2 Kept"]);
        ben.sync(HOME).await;
        ana.sync(HOME).await;
        assert_eq!(ana.all("workOrder").await, json!([laid_over]), "a deleted record does not come back");
        assert_eq!((ben.all("workOrder").await, ben.driver.status().rejected), (json!([laid_over]), 1));
    }
}

local! {
    async fn a_refused_change_goes_to_the_inbox_and_the_row_goes_back() {
        let (_server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.create("2", "Roof").await;
        ana.sync(HOME).await;
        // The server takes 20 characters, the device 200.
        let refused = ana.update("1", json!({"title": "A title that is longer than the server allows"})).await;
        ana.update("2", json!({"title": "Roof 2"})).await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(ana.orders().await, ["1 Pump", "2 Roof 2"]);
        let status = ana.driver.status();
        assert_eq!((status.pending, status.rejected), (0, 1));
        let inbox: serde_json::Value = serde_json::from_str(&ana.driver.store().inbox().await.unwrap().0).unwrap();
        assert_eq!(inbox[0]["entry"]["set"]["title"], "A title that is longer than the server allows");
        assert_eq!(inbox[0]["entry"]["change"], refused.change);
        let told = ana.driver.store().confirmation(&refused.change).await.unwrap().unwrap();
        assert_eq!(told.outcome, Ending::Rejected);
        ana.driver.discard(inbox[0]["position"].as_u64().unwrap()).await.unwrap();
        assert_eq!(ana.driver.status().rejected, 0);
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ["1 Pump", "2 Roof 2"]);
    }
}

local! {
    async fn a_refused_new_record_takes_its_later_changes_along() {
        let (server, ana, _ben) = two().await;
        server.network.fail_next("push", crate::platform::Fault::AnswerLost);
        ana.create("1", "A title that is longer than the server allows").await;
        ana.sync(HOME).await;
        ana.update("1", json!({"count": 1})).await;
        ana.sync(HOME).await;
        assert_eq!(ana.orders().await, Vec::<String>::new());
        let status = ana.driver.status();
        assert_eq!((status.pending, status.rejected), (0, 2));
    }
}

local! {
    async fn every_change_is_confirmed_once_and_can_be_asked_for_again() {
        let (server, ana, _ben) = two().await;
        let first = ana.create("1", "Pump").await;
        let second = ana.update("1", json!({"count": 1})).await;
        ana.sync(HOME).await;
        let mut confirmed: Vec<String> = ana.confirmed().into_iter().map(|confirmation| confirmation.change).collect();
        confirmed.sort();
        let mut written = vec![first.change.clone(), second.change];
        written.sort();
        assert_eq!(confirmed, written);
        let again = Device::open(ana.storage.connect(), &server.network, &Default::default(), "ana").await;
        let told = again.driver.store().confirmation(&first.change).await.unwrap().unwrap();
        assert_eq!((told.outcome, told.id.as_str()), (Ending::Accepted, "1"));
    }
}

local! {
    async fn r5_each_user_gets_the_rows_of_its_scopes() {
        let (server, ana, ben) = two().await;
        server.sql("insert into place (id, name, country) values ('a', 'Vigo', 'ES'), ('b', 'Ulm', 'DE'), ('c', 'Jena', 'DE')").await;
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        assert_eq!(ana.all("place").await, json!([{"id": "a", "name": "Vigo", "country": "ES"}]));
        assert_eq!(ben.all("place").await.as_array().unwrap().len(), 2);
        server.sql("update place set country = 'ES' where id = 'b'").await;
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        assert_eq!(ana.all("place").await.as_array().unwrap().len(), 2);
        assert_eq!(ben.all("place").await, json!([{"id": "c", "name": "Jena", "country": "DE"}]));
    }
}

local! {
    async fn bad_input_has_a_code_and_changes_nothing() {
        let (_server, ana, _ben) = two().await;
        ana.create("1", "Pump").await;
        let create = |entity: &str, fields: serde_json::Value| json!([
            {"op": "create", "entity": "workOrder", "id": "9", "fields": {"title": "ok", "status": "open"}},
            {"op": "create", "entity": entity, "id": "8", "fields": fields},
        ]);
        let cases = [
            (create("nope", json!({})), Code::UnknownEntity),
            (create("place", json!({"name": "x", "country": "ES"})), Code::ReadOnly),
            (create("workOrder", json!({"title": "x", "status": "open", "nope": 1})), Code::UnknownField),
            (create("workOrder", json!({"title": 1, "status": "open"})), Code::ValueType),
            (create("workOrder", json!({"title": "x".repeat(201), "status": "open"})), Code::ValueTooLong),
            (create("workOrder", json!({"status": "open"})), Code::ValueRequired),
            (json!([{"op": "update", "entity": "workOrder", "id": "7", "fields": {}}]), Code::RowNotFound),
            (json!([{"op": "delete", "entity": "workOrder", "id": "7"}]), Code::RowNotFound),
            (json!([{"op": "delete", "entity": "workOrder", "id": ""}]), Code::InvalidId),
        ];
        for (writes, code) in cases {
            assert_eq!(ana.write(writes.clone()).await.unwrap_err().code(), code, "{writes}");
        }
        assert_eq!(ana.orders().await, ["1 Pump"]);
        assert_eq!(ana.driver.status().pending, 1);
    }
}
