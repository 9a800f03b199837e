//! `Engine`: one open store, as the package sees it.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::call::promise;
use super::dto::Names;
use super::options::OpenDto;
use super::session::{EventLoop, Host};
use crate::browser::{
    BroadcastTabs, BrowserClock, BrowserRandom, CryptoKey, EncryptedStorage, FetchTransport, IndexedDbStorage,
    Mirroring, NetworkHint, NetworkListener, WebLock,
};
use crate::driver::{Driver, News, Options};
use crate::error::{Code, Result};
use crate::json::FromJson;
use crate::ports::{Platform, Ports};
use crate::sync::Event;

/// The browser, as a platform.
pub(super) struct Browser;

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
}

/// An open store.
#[wasm_bindgen]
pub struct Engine {
    pub(super) driver: Driver<Browser>,
    storage: EncryptedStorage,
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
        Self { driver: self.driver.begin(), storage: self.storage.clone(), _network: None }
    }

    /// Commits the transaction.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn commit(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.commit().await.map(|()| JsValue::UNDEFINED) })
    }

    /// What the store is and what it has recovered, as JSON: `{ identity, isNew, recovered: { [identity]: { changes, refused, whole } } }`.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn health(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.health().await.map(JsValue::from) })
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

async fn open(options: OpenOptions, host: Host, key: Option<CryptoKey>) -> Result<Engine> {
    let options = js_sys::JSON::stringify(&options).map(String::from).unwrap_or_default();
    let dto = OpenDto::parse(options.as_bytes(), Code::OptionsInvalid)?;
    let database = database_name(&dto.name, dto.user.as_deref());
    let transport = dto.url.as_deref().map(FetchTransport::new).transpose()?;
    let mirroring = Mirroring { is_wanted: !dto.no_mirror, is_unsure: dto.mirror_unsure };
    let options = Options::try_from(dto)?;
    let storage = EncryptedStorage::open_to_load(&database, key.as_ref()).await?;
    storage.start_mirror(mirroring);
    let ports = Ports {
        transport,
        clock: BrowserClock,
        random: BrowserRandom,
        lock: WebLock,
        tabs: BroadcastTabs::new(&database),
        session: host.clone(),
        spawn: EventLoop,
    };
    let units = options.schema.units.clone();
    let listener = Box::new(move |mut news| {
        if let News::Confirmed(confirmed) = &mut news {
            // A long queue has thousands that nobody asks for, and telling them costs as much as storing them.
            confirmed.retain(|confirmation| host.waits(&confirmation.change));
            if confirmed.is_empty() {
                return;
            }
        }
        host.tell(&Names { units: &units }.event(news));
    });
    let driver = Driver::open(storage.clone(), ports, options, database, listener).await?;
    let listening = driver.clone();
    let network = NetworkListener::new(move |hint| {
        listening.feed(match hint {
            NetworkHint::Online => Event::HintedOnline,
            NetworkHint::Offline => Event::HintedOffline,
            NetworkHint::Resumed => Event::Resumed,
        });
    });
    Ok(Engine { driver, storage, _network: Some(network) })
}

/// One database per store and user.
fn database_name(name: &str, user: Option<&str>) -> String {
    match user {
        Some(user) => format!("whimbrel/{name}/{user}"),
        None => format!("whimbrel/{name}"),
    }
}
