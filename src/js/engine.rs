//! `Engine`: one open store, as the package sees it.

use std::future::Future;
use std::pin::Pin;

use js_sys::{Function, Promise, Uint8Array};
use tsify::Ts;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::dto::{ErrorDto, Names, StatusDto, to_js};
use super::options::{OpenDto, unit_id};
use super::session::{EventLoop, Host};
use crate::browser::{
    BroadcastTabs, BrowserClock, BrowserRandom, CryptoKey, EncryptedStorage, FetchTransport, IndexedDbStorage,
    Mirroring, NetworkHint, NetworkListener, WebLock,
};
use crate::driver::{Driver, FilePiece, Options, TransferId, WatchId, Write};
use crate::error::{Code, Error, Result};
use crate::json::{self, FromJson, to_text};
use crate::ports::{Platform, Ports, Random};
use crate::store::Query;
use crate::sync::Event;

/// The browser, as a platform.
struct Browser;

impl Platform for Browser {
    type Storage = EncryptedStorage;
    type Transport = FetchTransport;
    type Clock = BrowserClock;
    type Random = BrowserRandom;
    type Lock = WebLock;
    type Tabs = BroadcastTabs;
    type Session = Host;
    type Spawn = EventLoop;
}

#[wasm_bindgen]
extern "C" {
    /// An `OpenDto`, as JavaScript gives it.
    #[wasm_bindgen(typescript_type = "OpenDto")]
    pub type OpenOptions;

    /// Gives the next piece of a file, or nothing at its end.
    #[wasm_bindgen(typescript_type = "() => Promise<Uint8Array | undefined>")]
    pub type NextPiece;
}

type JsResult<T> = std::result::Result<T, JsValue>;

/// An open store.
#[wasm_bindgen]
pub struct Engine {
    driver: Driver<Browser>,
    storage: EncryptedStorage,
    tab: String,
    /// None in a transaction.
    _network: Option<NetworkListener>,
}

#[wasm_bindgen]
impl Engine {
    /// Opens a store; see `OpenDto`. `key`: a passphrase as a key of PBKDF2, or one of AES-GCM that wraps.
    #[wasm_bindgen(unchecked_return_type = "Promise<Engine>")]
    pub fn open(options: OpenOptions, host: Host, key: Option<CryptoKey>) -> Promise {
        promise(async move { open(options, host, key).await.map(JsValue::from) })
    }

    /// Makes `key` the key of an encrypted store.
    #[wasm_bindgen(js_name = changeKey, unchecked_return_type = "Promise<void>")]
    pub fn change_key(&self, key: CryptoKey) -> Promise {
        let storage = self.storage.clone();
        promise(async move { storage.change_key(&key).await.map(|()| JsValue::UNDEFINED) })
    }

    /// The same store with a transaction of its own: what is read and written through it is of that. Freeing it without a commit leaves no trace.
    pub fn begin(&self) -> Engine {
        let (storage, tab) = (self.storage.clone(), self.tab.clone());
        Self { driver: self.driver.begin(), storage, tab, _network: None }
    }

    /// Commits the transaction.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn commit(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.commit().await.map(|()| JsValue::UNDEFINED) })
    }

    /// Writes all of `WriteDto[]` (as JSON) or nothing; resolves to `WrittenDto[]` (as JSON) when it is durable.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn write(&self, writes: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { write(&driver, &writes).await.map(JsValue::from) })
    }

    /// The record of that id as JSON, or `undefined`.
    #[wasm_bindgen(unchecked_return_type = "Promise<string | undefined>")]
    pub fn get(&self, entity: String, id: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.store().get_json(&entity, &id).await.map(JsValue::from) })
    }

    /// The records a query finds, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn query(&self, entity: String, query: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            driver.store().query(&query).await.map(|(rows, _)| JsValue::from(rows))
        })
    }

    /// How many records a query finds.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn count(&self, entity: String, query: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            driver.store().count(query).await.map(number)
        })
    }

    /// The sum of a field with numbers over the records a query finds, and how many of them have a value.
    #[wasm_bindgen(unchecked_return_type = "Promise<[sum: number, count: number]>")]
    pub fn sum(&self, entity: String, query: String, field: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            let place = Query::number_field(&entity, &field, &driver.schema())?;
            let sum = driver.store().sum(query, place).await?;
            Ok(js_sys::Array::of2(&JsValue::from(sum.total()), &number(sum.count)).into())
        })
    }

    /// The least or greatest value of a field in the records a query finds, as JSON; `null` without any.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn end(&self, entity: String, query: String, field: String, is_greatest: bool) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            let field = Query::field(&entity, &field, &driver.schema())?;
            driver.store().end(query, field, is_greatest).await.map(JsValue::from)
        })
    }

    /// How a query would be answered, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn explain(&self, entity: String, query: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            driver.store().explain(&query).await.map(JsValue::from)
        })
    }

    /// Calls `deliver` with the records as JSON, now and whenever they have changed; `fail` with an `ErrorDto`.
    pub fn watch(&self, entity: String, query: String, deliver: Function, fail: Function) -> JsResult<u32> {
        let query = parse(&self.driver, &entity, &query).map_err(thrown)?;
        let tell = move |answer: Result<&str>| {
            let called = match answer {
                Ok(rows) => deliver.call1(&JsValue::NULL, &JsValue::from_str(rows)),
                Err(error) => fail.call1(&JsValue::NULL, &thrown(error)),
            };
            // The package's callbacks do not throw; if one did, there is nobody left to tell.
            drop(called);
        };
        Ok(self.driver.watch(query, Box::new(tell)).0)
    }

    /// Ends a watch.
    pub fn unwatch(&self, watch: u32) {
        self.driver.unwatch(WatchId(watch));
    }

    /// Asks for runs; the numbers come back in `settled` events.
    pub fn trigger(&self, units: Vec<String>, discard_pending: bool, is_consequence: bool) -> JsResult<Vec<u32>> {
        let schema = self.driver.schema();
        let units: Result<Vec<_>> = units.iter().map(|name| unit_id(&schema.units, name)).collect();
        let requests =
            units.and_then(|units| self.driver.trigger(&units, discard_pending, is_consequence)).map_err(thrown)?;
        Ok(requests.into_iter().map(|request| request.0).collect())
    }

    /// Tries at once what waits for its next attempt.
    #[wasm_bindgen(js_name = retryNow)]
    pub fn retry_now(&self) {
        self.driver.feed(Event::RetryNow);
    }

    /// Stops the active run.
    pub fn cancel(&self) {
        self.driver.feed(Event::Cancel);
    }

    /// The present status.
    pub fn status(&self) -> JsResult<Ts<StatusDto>> {
        let schema = self.driver.schema();
        let names = Names { units: &schema.units, tab: &self.tab };
        to_js(&names.status(&self.driver.status())).map_err(thrown)
    }

    /// What the store is and what it has recovered, as JSON: `{ identity, isNew, recovered: { [identity]: { changes, refused, whole } } }`.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn health(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.health().await.map(JsValue::from) })
    }

    /// What became of a change, as the JSON of a `ConfirmedDto`; `undefined` while it waits.
    #[wasm_bindgen(unchecked_return_type = "Promise<string | undefined>")]
    pub fn change(&self, id: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let confirmation = driver.store().confirmation(&id).await?;
            confirmation.map(|found| to_text(&found)).transpose().map(JsValue::from)
        })
    }

    /// The changes the server refused, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn inbox(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.store().inbox_json().await.map(JsValue::from) })
    }

    /// Forgets a refused change, for good.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn discard(&self, position: f64) -> Promise {
        let driver = self.driver.clone();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions are whole and below 2⁵³")]
        let position = position as u64;
        promise(async move { driver.discard(position).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Stores the lines of a pull's answer, given in pieces; resolves to the number of rows.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn load(&self, next: NextPiece) -> Promise {
        let driver = self.driver.clone();
        let file = move || -> FilePiece {
            let piece = next.unchecked_ref::<Function>().call0(&JsValue::NULL);
            // The package's function does not fail; if it did, the file would end too early, and that is noticed.
            Box::pin(async move {
                let piece = JsFuture::from(Promise::resolve(&piece.ok()?)).await.ok()?;
                piece.dyn_ref().map(Uint8Array::to_vec)
            })
        };
        promise(async move { driver.load(Box::new(file)).await.map(number) })
    }

    /// Begins an export, of all that waits or of the whole store; its number.
    #[wasm_bindgen(js_name = beginExport)]
    pub fn begin_export(&self, whole: bool) -> u32 {
        self.driver.begin_export(whole).0
    }

    /// The next piece of an export; `undefined` at its end.
    #[wasm_bindgen(js_name = exportNext, unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn export_next(&self, transfer: u32) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let piece = driver.export_next(TransferId(transfer)).await?;
            Ok(piece.map_or(JsValue::UNDEFINED, |piece| Uint8Array::from(piece.as_slice()).into()))
        })
    }

    /// Begins an import; its number.
    #[wasm_bindgen(js_name = beginImport)]
    pub fn begin_import(&self) -> u32 {
        self.driver.begin_import().0
    }

    /// Takes the next bytes of an import.
    #[wasm_bindgen(js_name = importNext, unchecked_return_type = "Promise<void>")]
    pub fn import_next(&self, transfer: u32, bytes: Vec<u8>) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.import_next(TransferId(transfer), &bytes).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Ends an import whose bytes have all come; what it came to, as JSON.
    #[wasm_bindgen(js_name = importEnd, unchecked_return_type = "Promise<string>")]
    pub fn import_end(&self, transfer: u32) -> Promise {
        let driver = self.driver.clone();
        promise(async move { to_text(&driver.import_end(TransferId(transfer)).await?).map(JsValue::from) })
    }

    /// Ends an export or an import that is no longer wanted.
    #[wasm_bindgen(js_name = endTransfer, unchecked_return_type = "Promise<void>")]
    pub fn end_transfer(&self, transfer: u32) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.end_transfer(TransferId(transfer)).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Ends everything; what was committed holds.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            driver.close().await;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Deletes a store that is not open.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn destroy(name: String, user: Option<String>) -> Promise {
        let database = database_name(&name, user.as_deref());
        promise(async move { IndexedDbStorage::delete(&database).await.map(|()| JsValue::UNDEFINED) })
    }
}

/// Begins a call; what comes of it settles the promise. An `async fn` of wasm-bindgen would bring this along once for every call.
fn promise(call: impl Future<Output = Result<JsValue>> + 'static) -> Promise {
    settle(Box::pin(call))
}

fn settle(call: Pin<Box<dyn Future<Output = Result<JsValue>>>>) -> Promise {
    future_to_promise(async move { call.await.map_err(thrown) })
}

#[allow(clippy::cast_precision_loss, reason = "a count of rows is far below 2⁵³")]
fn number(count: u64) -> JsValue {
    JsValue::from(count as f64)
}

fn parse(driver: &Driver<Browser>, entity: &str, query: &str) -> Result<Query> {
    let json = json::parse(query.as_bytes(), Code::QueryInvalid)?;
    Query::parse(entity, &json, &driver.schema())
}

async fn open(options: OpenOptions, host: Host, key: Option<CryptoKey>) -> Result<Engine> {
    let options = js_sys::JSON::stringify(&options).map(String::from).unwrap_or_default();
    let dto = OpenDto::parse(options.as_bytes(), Code::OptionsInvalid)?;
    let database = database_name(&dto.name, dto.user.as_deref());
    let transport = dto.url.as_deref().map(FetchTransport::new).transpose()?;
    let mirroring = Mirroring { is_wanted: !dto.no_mirror, is_unsure: dto.mirror_unsure };
    let options = Options::try_from(dto)?;
    let storage = EncryptedStorage::open_to_load(&database, key.as_ref()).await?;
    storage.start_mirror(mirroring);
    let tab = format!("{:08x}", BrowserRandom.up_to(u64::from(u32::MAX)));
    let ports = Ports {
        transport,
        clock: BrowserClock,
        random: BrowserRandom,
        lock: WebLock,
        tabs: BroadcastTabs::new(&database),
        session: host.clone(),
        spawn: EventLoop,
    };
    let (units, names_tab) = (options.schema.units.clone(), tab.clone());
    let listener = Box::new(move |news| host.tell(&Names { units: &units, tab: &names_tab }.event(news)));
    let driver = Driver::open(storage.clone(), ports, options, database, listener).await?;
    let listening = driver.clone();
    let network = NetworkListener::new(move |hint| {
        listening.feed(match hint {
            NetworkHint::Online => Event::HintedOnline,
            NetworkHint::Offline => Event::HintedOffline,
            NetworkHint::Resumed => Event::Resumed,
        });
    });
    Ok(Engine { driver, storage, tab, _network: Some(network) })
}

async fn write(driver: &Driver<Browser>, writes: &str) -> Result<String> {
    let written = driver.write(Write::parse_all(writes)?).await?;
    to_text(&written)
}

/// One database per store and user.
fn database_name(name: &str, user: Option<&str>) -> String {
    match user {
        Some(user) => format!("whimbrel/{name}/{user}"),
        None => format!("whimbrel/{name}"),
    }
}

/// An error as JavaScript catches it: an `ErrorDto`.
#[allow(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn thrown(error: Error) -> JsValue {
    match to_js(&ErrorDto::from(&error)) {
        Ok(dto) => dto.into(),
        Err(_) => JsValue::from_str(error.code().as_str()),
    }
}
