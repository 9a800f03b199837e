//! Isolation of realms: what is another realm's gives nothing, also to who has the same name there, and looks like what is not there. The probes are those
//! of `isolation.rs`; here nothing at all may be told.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Here;
use super::events::Events;
use super::isolation::{PHOTOS, SECRET, ask, probes, things};
use crate::support::{Backend as _, CONFIG, RealmServer};

/// What a twin has of its own in its realm, so that it is no other's there: its team.
const OF_A_TWIN: &[&str] = &["bucket", "scope to write into"];

async fn start(kind: usize) -> RealmServer {
    RealmServer::start::<Here>(kind, &format!("{CONFIG}{PHOTOS}")).await
}

#[tokio::test]
async fn r5_what_is_another_realms_gives_nothing_and_looks_like_what_is_not_there() {
    for kind in 0..Here::REALM_KINDS {
        let server = start(kind).await;
        let things = things(server.api("acme-ana")).await;
        let before = server.api("acme-ana").pull(&["photo"], &json!([])).await;
        // Another user of another realm; the same name there, with fewer scopes, and with the same ones.
        for token in ["globex-ben", "globex-ana", "globex-twin"] {
            let asking = server.api(token);
            for probe in probes(&things) {
                if token == "globex-twin" && OF_A_TWIN.contains(&probe.what) {
                    continue;
                }
                let of_ana = ask(&asking, &probe.method, &probe.of_ana, &things).await;
                let of_nobody = ask(&asking, &probe.method, &probe.of_nobody, &things).await;
                assert_eq!(of_ana, of_nobody, "{token}: {}", probe.what);
            }
        }
        let after = server.api("acme-ana").pull(&["photo"], &json!([])).await;
        let rows = |lines: &[Value]| -> Vec<Value> {
            lines.iter().filter(|line| !line["rows"].is_null()).map(|line| line["rows"].clone()).collect()
        };
        assert_eq!(rows(&after), rows(&before), "nothing of the realm has changed");
    }
}

#[tokio::test]
async fn r5_clients_records_and_numbers_of_two_realms_are_independent() {
    for kind in 0..Here::REALM_KINDS {
        let server = start(kind).await;
        let mut acme = server.api("acme-ana");
        let mut globex = server.api("globex-twin");
        globex.client.clone_from(&acme.client);
        // The same client id, the same seq, the same record: each is the first of its realm.
        for api in [&mut acme, &mut globex] {
            let version = api.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
            assert_eq!(version, 1, "each has a clock of its own");
        }
        let change = acme.change("update", "note", "n", json!({"set": {"title": "u"}}));
        assert_eq!(acme.push(std::slice::from_ref(&change)).await[0]["outcome"], "accepted");
        // A client that the other realm knows further is not ahead here, and one that ends there goes on here.
        let end = json!({"protocol": 1, "client": acme.client, "schema": 1, "end": true, "changes": []});
        assert_eq!(acme.push_raw(&end).await.0, StatusCode::OK);
        // The very same change, under its number.
        globex.change("update", "note", "n", json!({}));
        assert_eq!(globex.push(&[change]).await[0]["outcome"], "accepted", "and not a duplicate");
        globex.accepted("delete", "note", "n", json!({})).await;
        let lines = acme.pull(&["note"], &json!([])).await;
        let rows = lines.iter().find(|line| !line["rows"].is_null()).unwrap();
        assert_eq!(rows["rows"]["data"][0][2], "u", "it is deleted in the other realm only: {lines:?}");
    }
}

/// Who signs in to another realm under the same name does not send there what was written here, and gets nothing into the same store.
#[tokio::test]
async fn r5_a_store_of_one_realm_takes_and_gives_nothing_in_another() {
    let server = start(0).await;
    let (acme, mut twin) = (server.api("acme-ana"), server.api("globex-twin"));
    let start = acme.pull(&["note"], &json!([])).await.remove(0);
    let owner = &start["start"]["user"];
    assert_eq!(owner, "acme/ana");
    let change = twin.change("create", "note", "n", json!({"set": {"title": SECRET}}));
    let mut push = twin.request(&[change], 0);
    push["user"] = owner.clone();
    let refused = twin.push_raw(&push).await;
    assert_eq!((refused.0.as_u16(), &refused.1["code"]), (403, &json!("auth/other-user")));
    let pull = json!({"protocol": 1, "client": acme.client, "schema": 1, "entities": ["note"], "user": owner});
    assert_eq!(twin.post("/v1/pull", &pull).await.0, StatusCode::FORBIDDEN);
    assert_eq!(acme.post("/v1/pull", &pull).await.0, StatusCode::OK);
    assert!(!json!(twin.pull(&["note"], &json!([])).await).to_string().contains(SECRET));
}

#[tokio::test]
async fn r5_a_cursor_of_another_realm_begins_anew_and_shows_what_is_here() {
    for kind in 0..Here::REALM_KINDS {
        let server = start(kind).await;
        let things = things(server.api("acme-ana")).await;
        let mut twin = server.api("globex-twin");
        twin.accepted("create", "photo", "own", json!({"set": {"team": "a"}})).await;
        let cursors = json!([{ "bucket": "photo/team:a", "cursor": things.cursor[0] }]);
        let lines = twin.pull(&["photo"], &cursors).await;
        let all = json!(lines).to_string();
        assert!(lines.iter().any(|line| line["resync"]["bucket"] == "photo/team:a"), "{all}");
        assert!(lines.iter().all(|line| line["resync"]["restored"].is_null()), "nothing is told of another: {all}");
        assert!(all.contains("own") && !all.contains(SECRET), "{all}");
    }
}

#[tokio::test]
async fn r5_a_content_of_another_realm_is_not_here_also_for_who_refers_to_it() {
    for kind in 0..Here::REALM_KINDS {
        let server = start(kind).await;
        let address = things(server.api("acme-ana")).await.address[0].clone();
        let mut twin = server.api("globex-twin");
        let get = async |rest: &str| {
            let url = format!("{}/v1/attachments/{address}{rest}", server.url);
            let answer = reqwest::Client::new().get(url).bearer_auth("globex-twin").send().await.unwrap();
            answer.json::<Value>().await.unwrap()
        };
        assert_eq!(get("").await["code"], "attachment/unreferenced");
        let set = json!({"set": {"team": "a", "content": address}});
        twin.accepted("create", "photo", "refers", set).await;
        assert_eq!(get("").await["code"], "attachment/not-found");
        let state = get("/state").await;
        assert_eq!((&state["received"], &state["complete"]), (&json!(0), &json!(false)));
        let url = format!("{}/v1/attachments/{address}?offset=0&size={}", server.url, SECRET.len());
        let sent = twin.http.request(Method::PATCH, url).bearer_auth("globex-twin").body(SECRET).send().await.unwrap();
        assert_eq!(sent.json::<Value>().await.unwrap()["complete"], true);
        for realm in &server.config.realms {
            let folder = server.config.attachments_of(realm);
            let files = std::fs::read_dir(&folder).unwrap().count();
            assert_eq!(files, 1, "{} has its own: {}", realm.name, folder.display());
        }
    }
}

#[tokio::test]
async fn r5_a_stream_of_hints_says_nothing_of_another_realm() {
    for kind in 0..Here::REALM_KINDS {
        let server = start(kind).await;
        let (mut acme, mut globex) = (server.api("acme-ana"), server.api("globex-twin"));
        let mut heard = Events::listen(&globex).await;
        for number in 0..3 {
            acme.accepted("create", "doc", &number.to_string(), json!({"set": {"title": "t"}})).await;
        }
        globex.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
        assert_eq!(heard.next().await.unwrap(), r#"{"buckets":["note/all"]}"#);
        let folder = server.stop().await;
        // Listeners of no realm keep the server from stopping.
        while let Some(again) = heard.next().await {
            assert_eq!(again, r#"{"buckets":["note/all"]}"#);
        }
        drop(folder);
    }
}
