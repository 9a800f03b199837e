//! Encryption at rest: what is in the database, which key opens it, and what becomes of values that somebody has changed.

use futures_util::future::join;
use js_sys::{Object, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{BrowserRandom, CryptoKey, EncryptedStorage, IndexedDbStorage, Mirroring};
use whimbrel::error::{Code, Result};
use whimbrel::js::Engine;
use whimbrel::ports::{Commit, CommitOutcome, Loaded, PageChange, Random, Storage};

use super::indexed_db::record;
use super::page::{
    Raw, exists, has_buckets, make_envelope, one_piece, passphrase_key, start_deleting, without_subtle, wrapping_key,
};
use crate::storage_contract;

/// What a value is read as that does not open: nothing of the store's has so few bytes.
const DAMAGED: &[u8] = &[0];

async fn open(name: &str, key: &CryptoKey) -> EncryptedStorage {
    EncryptedStorage::open(name, Some(key)).await.expect("a storage")
}

async fn refusal(name: &str, key: Option<&CryptoKey>) -> Option<Code> {
    code(EncryptedStorage::open(name, key).await)
}

fn code<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|error| error.code())
}

async fn committed(storage: &EncryptedStorage, commit: Commit) {
    assert_eq!(storage.commit(commit).await.expect("a commit"), CommitOutcome::Committed);
}

/// A commit with two pages, on an empty store.
fn with_pages() -> Commit {
    let put = vec![(1, b"the first page".to_vec()), (2, b"the second page".to_vec())];
    let pages = PageChange { put, directory: b"the directory".to_vec(), ..PageChange::default() };
    Commit { pages: Some(pages), ..record(0, b"the record") }
}

#[wasm_bindgen_test]
async fn it_keeps_the_contract() {
    let run = BrowserRandom.up_to(u64::from(u32::MAX));
    let key = wrapping_key().await;
    storage_contract::run_all(async |name: &str| open(&format!("encrypted-{run}-{name}"), &key).await).await;
    storage_contract::run_all(async |name: &str| {
        EncryptedStorage::open(&format!("plain-{run}-{name}"), None).await.expect("a storage")
    })
    .await;
}

async fn settled(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.expect("the engine does it")
}

/// An open engine with rows from a pull, which lie in pages, and written ones, which lie in the log and the outbox.
async fn fill(name: &str, key: Option<CryptoKey>) {
    let options = format!(
        r#"{{"name":"{name}","user":null,"url":null,"auto":{{}},"strict":false,"schema":{{"version":1,"units":[],
        "entities":[{{"name":"patient","policy":"merge","fields":[{{"name":"diagnosis","type":"text","optional":false,"index":true}}]}}]}}}}"#
    );
    let host = js_sys::eval("({ token: () => null, event: () => {} })").expect("a host");
    let options = js_sys::JSON::parse(&options).expect("JSON");
    let engine = settled(Engine::open(options.unchecked_into(), host.unchecked_into(), key)).await;
    let call = |method: &str, argument: &JsValue| {
        let method: js_sys::Function =
            js_sys::Reflect::get(&engine, &JsValue::from_str(method)).expect("a method").unchecked_into();
        settled(method.call1(&engine, argument).expect("a promise").unchecked_into())
    };
    let rows = |first: u32| {
        let rows: Vec<String> =
            (first..first + 2_000).map(|row| format!(r#"["pulled{row}",{row},"influenza"]"#)).collect();
        let columns = r#""columns":["id","_version","diagnosis"]"#;
        format!(r#"{{"rows":{{"bucket":"patient/all",{columns},"data":[{}]}}}}"#, rows.join(","))
    };
    let start = r#"{"start":{"protocol":1,"history":"h","buckets":[{"bucket":"patient/all","pending":4000}]}}"#;
    let cursor = r#"{"cursor":{"bucket":"patient/all","cursor":"c","more":false}}"#;
    let lines = format!("{start}\n{}\n{}\n{cursor}\n{{\"end\":{{}}}}\n", rows(1), rows(2_001));
    call("load", &one_piece(lines.as_bytes())).await;
    let write = r#"[{"op":"create","entity":"patient","id":"written","fields":{"diagnosis":"measles"}}]"#;
    call("write", &JsValue::from_str(write)).await;
    let count = r#"{"where":{"diagnosis":"measles"}}"#;
    let method: js_sys::Function = js_sys::Reflect::get(&engine, &"count".into()).expect("a method").unchecked_into();
    let counted = method.call2(&engine, &"patient".into(), &count.into()).expect("a promise");
    assert_eq!(settled(counted.unchecked_into()).await, 1.0);
    call("close", &JsValue::UNDEFINED).await;
}

#[wasm_bindgen_test]
async fn nothing_is_readable_in_the_database() {
    let texts = ["patient", "diagnosis", "influenza", "measles", "pulled", "written", "catalog"];
    fill("readable", None).await;
    let found = Raw::open("whimbrel/readable").await.search(&texts).await;
    assert_eq!(found, texts.join(" "), "the search finds what is there");
    let key = wrapping_key().await;
    fill("unreadable", Some(key.clone())).await;
    let raw = Raw::open("whimbrel/unreadable").await;
    assert_eq!(raw.search(&texts).await, "");
    let loaded = open("whimbrel/unreadable", &key).await.load().await.expect("a load");
    assert!(loaded.head.directory > 0 && !loaded.log.is_empty(), "there are pages and log records: {:?}", loaded.head);
}

#[wasm_bindgen_test]
async fn another_key_opens_nothing_and_changes_nothing() {
    let (right, wrong) = (passphrase_key("correct horse").await, passphrase_key("battery staple").await);
    let key = wrapping_key().await;
    let storage = open("locked", &right).await;
    committed(&storage, with_pages()).await;
    let before = storage.load().await.expect("a load");
    storage.close().await;
    let raw = Raw::open("locked").await;
    let dumped = [raw.dump("meta").await, raw.dump("log").await, raw.dump("pages").await];
    for other in [Some(&wrong), Some(&key), None] {
        assert_eq!(refusal("locked", other).await, Some(Code::StoreLocked));
    }
    assert_eq!([raw.dump("meta").await, raw.dump("log").await, raw.dump("pages").await], dumped);
    assert_eq!(open("locked", &right).await.load().await, Ok(before));

    drop(open("locked-by-key", &key).await);
    for other in [Some(&right), Some(&wrapping_key().await), None] {
        assert_eq!(refusal("locked-by-key", other).await, Some(Code::StoreLocked));
    }
}

#[wasm_bindgen_test]
async fn a_key_for_a_store_without_is_refused() {
    let storage = EncryptedStorage::open("unencrypted", None).await.expect("a storage");
    committed(&storage, record(0, b"readable")).await;
    let key = wrapping_key().await;
    assert_eq!(refusal("unencrypted", Some(&key)).await, Some(Code::StoreNotEncrypted));
    assert_eq!(code(storage.change_key(&key).await), Some(Code::StoreNotEncrypted));
    assert_eq!(storage.load().await.expect("a load").log.len(), 1);
}

#[wasm_bindgen_test]
async fn the_key_is_changed_under_open_tabs() {
    let (old, new, third) = (passphrase_key("old").await, wrapping_key().await, wrapping_key().await);
    let (one, two) = (open("changed", &old).await, open("changed", &old).await);
    committed(&one, with_pages()).await;
    one.change_key(&new).await.expect("a change");
    assert_eq!(refusal("changed", Some(&old)).await, Some(Code::StoreLocked));
    committed(&two, record(1, b"written by a tab that was opened with the old key")).await;
    let before = one.load().await;
    assert_eq!(open("changed", &new).await.load().await, before);
    assert_eq!(code(two.change_key(&third).await), Some(Code::StoreLocked), "its key is not the store's any more");
    one.change_key(&third).await.expect("a second change");
    assert_eq!(refusal("changed", Some(&new)).await, Some(Code::StoreLocked));
    assert_eq!(open("changed", &third).await.load().await, before);
}

#[wasm_bindgen_test]
async fn of_two_tabs_that_change_the_key_one_does() {
    let (old, one_key, two_key) = (wrapping_key().await, wrapping_key().await, wrapping_key().await);
    let (one, two) = (open("key-race", &old).await, open("key-race", &old).await);
    let (first, second) = join(one.change_key(&one_key), two.change_key(&two_key)).await;
    let (winner, loser) = if first.is_ok() { (&one_key, second) } else { (&two_key, first) };
    assert_eq!(code(loser), Some(Code::StoreLocked));
    drop(open("key-race", winner).await);
}

#[wasm_bindgen_test]
async fn two_tabs_that_make_a_store_have_one_key() {
    let key = wrapping_key().await;
    let (one, two) = join(open("made-twice", &key), open("made-twice", &key)).await;
    committed(&one, record(0, b"one")).await;
    assert_eq!(two.commit(record(0, b"two")).await, Ok(CommitOutcome::Behind));
    committed(&two, record(1, b"two")).await;
    assert_eq!(one.load().await, two.load().await);
}

#[wasm_bindgen_test]
async fn values_do_not_open_in_each_others_places() {
    let key = wrapping_key().await;
    let storage = open("swapped", &key).await;
    committed(&storage, with_pages()).await;
    committed(&storage, record(1, b"another record")).await;
    let raw = Raw::open("swapped").await;
    let (first, second) = (raw.get("pages", 1).await, raw.get("pages", 2).await);
    raw.put("pages", 1, second).await;
    let pages = storage.pages(&[1, 2]).await.expect("pages");
    assert_eq!(pages, [Some(DAMAGED.to_vec()), Some(b"the second page".to_vec())]);
    raw.put("log", 2, first).await;
    raw.put("meta", "directory", raw.get("log", 1).await).await;
    let Loaded { directory, log, .. } = storage.load().await.expect("a load");
    assert_eq!((&*directory, &*log[0].bytes, &*log[1].bytes), (DAMAGED, &b"the record"[..], DAMAGED));
}

#[wasm_bindgen_test]
async fn a_changed_byte_is_noticed_and_a_readable_value_is_not_taken() {
    let key = wrapping_key().await;
    let storage = open("tampered", &key).await;
    committed(&storage, with_pages()).await;
    let raw = Raw::open("tampered").await;
    let sealed: Uint8Array = raw.get("pages", 1).await.unchecked_into();
    for place in 0..sealed.length() {
        let changed = Uint8Array::new(&sealed);
        changed.set_index(place, changed.get_index(place) ^ 1);
        raw.put("pages", 1, changed).await;
        assert_eq!(storage.pages(&[1]).await.expect("pages"), [Some(DAMAGED.to_vec())], "byte {place}");
    }
    for readable in [&b"a page that somebody else has written"[..], b"short", b""] {
        raw.put("pages", 1, Uint8Array::from(readable)).await;
        assert_eq!(storage.pages(&[1]).await.expect("pages"), [Some(DAMAGED.to_vec())]);
    }
    raw.put("pages", 1, sealed).await;
    assert_eq!(storage.pages(&[1]).await.expect("pages"), [Some(b"the first page".to_vec())]);
}

/// The parameters in the envelope count, not those of today.
#[wasm_bindgen_test]
async fn an_envelope_keeps_its_own_parameters() {
    let key = passphrase_key("correct horse").await;
    drop(open("parameters", &key).await);
    let raw = Raw::open("parameters").await;
    raw.put("meta", "envelope", make_envelope("correct horse", 1_000).await).await;
    let storage = open("parameters", &key).await;
    committed(&storage, record(0, b"sealed")).await;
    storage.change_key(&key).await.expect("the same passphrase, with the parameters of today");
    let envelope: Uint8Array = raw.get("meta", "envelope").await.unchecked_into();
    assert_eq!(envelope.to_vec()[2..6], 600_000_u32.to_be_bytes());
    assert_eq!(open("parameters", &key).await.load().await.expect("a load").log[0].bytes, b"sealed");
}

#[wasm_bindgen_test]
async fn an_envelope_that_is_not_ours_is_damaged_or_newer() {
    let key = passphrase_key("correct horse").await;
    drop(open("envelope", &key).await);
    let raw = Raw::open("envelope").await;
    let envelope: Uint8Array = raw.get("meta", "envelope").await.unchecked_into();
    let refused = async |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = envelope.to_vec();
        change(&mut bytes);
        raw.put("meta", "envelope", Uint8Array::from(&bytes[..])).await;
        refusal("envelope", Some(&key)).await
    };
    assert_eq!(refused(&|bytes| bytes[0] = 2).await, Some(Code::StoreNewer));
    assert_eq!(refused(&|bytes| bytes[0] = 0).await, Some(Code::StoreCorrupt));
    assert_eq!(refused(&|bytes| bytes[1] = 2).await, Some(Code::StoreCorrupt));
    assert_eq!(refused(&|bytes| bytes.truncate(20)).await, Some(Code::StoreCorrupt));
    assert_eq!(refused(&|bytes| bytes.truncate(30)).await, Some(Code::StoreCorrupt));
    assert_eq!(refused(&|bytes| bytes[2..6].fill(255)).await, Some(Code::StoreCorrupt), "for ever");
    assert_eq!(refused(&|bytes| bytes[2..6].fill(0)).await, Some(Code::StoreCorrupt));
    assert_eq!(refused(&|bytes| *bytes.last_mut().expect("a byte") ^= 1).await, Some(Code::StoreLocked));
    raw.put("meta", "envelope", "nonsense").await;
    assert_eq!(refusal("envelope", Some(&key)).await, Some(Code::StoreCorrupt));
    raw.put("meta", "envelope", envelope.clone()).await;
    drop(open("envelope", &key).await);
}

#[wasm_bindgen_test]
async fn without_webcrypto_no_store_is_made() {
    let key = wrapping_key().await;
    let broken = without_subtle();
    assert_eq!(refusal("insecure", Some(&key)).await, Some(Code::StoreUnavailable));
    drop(broken);
    assert!(!exists("insecure").await);
    let useless: CryptoKey = Object::new().unchecked_into();
    assert_eq!(refusal("insecure", Some(&useless)).await, Some(Code::OptionsInvalid));
    assert!(!exists("insecure").await);
    IndexedDbStorage::delete("insecure").await.expect("a deletion");
}

fn mirrored(expected: u64, lines: &str) -> Commit {
    Commit { mirror: lines.as_bytes().to_vec(), ..record(expected, b"a") }
}

async fn open_mirrored(name: &str, key: &CryptoKey) -> EncryptedStorage {
    let storage = open(name, key).await;
    storage.start_mirror(Mirroring::default());
    storage
}

/// A wipe takes the envelope with it. The mirror has it too, or what it keeps could not be read.
#[wasm_bindgen_test]
async fn what_an_encrypted_store_mirrors_is_unreadable_and_outlives_it() {
    if !has_buckets() {
        return;
    }
    let (old, key, other) = (wrapping_key().await, wrapping_key().await, wrapping_key().await);
    let storage = open_mirrored("mirrored", &old).await;
    committed(&storage, mirrored(0, "one secret\n")).await;
    storage.put_snapshot(1, vec![b"one secret\n".to_vec(), b"more of it\n".to_vec()]).await.expect("a snapshot");
    committed(&storage, mirrored(1, "two secrets\n")).await;
    storage.change_key(&key).await.expect("a change");
    let before = storage.mirrors(false).await.expect("mirrors").pop().expect("a mirror");
    assert_eq!(before.snapshot, [b"one secret\n".to_vec(), b"more of it\n".to_vec()]);
    assert_eq!(before.log[0].lines, b"two secrets\n");
    let bucket = Raw::open_in_bucket(&format!("mirrored#{}", storage.identity())).await;
    assert_eq!(bucket.search(&["secret", "more"]).await, "");
    drop(bucket);
    storage.close().await;
    drop(storage);
    start_deleting("mirrored").await.expect("as the browser does");
    for wrong in [&other, &old] {
        assert_eq!(refusal("mirrored", Some(wrong)).await, Some(Code::StoreLocked));
    }
    assert!(!exists("mirrored").await, "nothing is made with another key");
    let storage = open_mirrored("mirrored", &key).await;
    assert_eq!(storage.mirrors(true).await, Ok(vec![before]));
}

/// Nobody can read it now; somebody may later.
#[wasm_bindgen_test]
async fn the_mirror_of_a_store_with_another_key_is_left_alone() {
    if !has_buckets() {
        return;
    }
    let key = wrapping_key().await;
    let storage = open_mirrored("left-alone", &key).await;
    committed(&storage, mirrored(0, "one secret\n")).await;
    drop(storage);
    start_deleting("left-alone").await.expect("as the browser does");
    let plain = EncryptedStorage::open("left-alone", None).await.expect("a storage");
    plain.start_mirror(Mirroring::default());
    assert_eq!(plain.mirrors(true).await, Ok(Vec::new()));
    plain.close().await;
    drop(plain);
    start_deleting("left-alone").await.expect("as the browser does");
    let lost = open_mirrored("left-alone", &key).await.mirrors(true).await.expect("mirrors");
    let lines: Vec<&[u8]> = lost.iter().flat_map(|mirror| &mirror.log).map(|record| &record.lines[..]).collect();
    assert_eq!(lines, [b"one secret\n"]);
}
