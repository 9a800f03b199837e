//! A server with two realms, `acme` and `globex`, and clients for them.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use whimbrel_server::{Config, Door, Hooks, open_all, router_of_realms, serve_router};

use super::{Api, Backend, config_in};

/// In both realms there is somebody who is called Ana. A token is the realm's name, and the user's.
const TOKENS: &str = r#"tokens = [
  { token = "acme-ana", user = "ana", scopes = ["all", "team:a", "team:b"], realm = "acme" },
  { token = "acme-ben", user = "ben", scopes = ["all", "team:b"], realm = "acme" },
  { token = "globex-ana", user = "ana", scopes = ["all", "team:b"], realm = "globex" },
  { token = "globex-ben", user = "ben", scopes = ["all", "team:b"], realm = "globex" },
  { token = "globex-twin", user = "ana", scopes = ["all", "team:a", "team:b"], realm = "globex" },
]"#;

/// A configuration with realms in place of a database, and with their tokens.
pub(crate) fn with_realms(config: &str, tokens: &str, places: &[(&str, String)]) -> String {
    let (before, rest) = config.split_once("tokens = [").unwrap();
    let (_, rest) = rest.split_once("\n]").unwrap();
    let before: String =
        before.lines().filter(|line| !line.starts_with("data = ")).map(|line| format!("{line}\n")).collect();
    let realms: String =
        places.iter().map(|(name, place)| format!("[[realm]]\nname = \"{name}\"\n{place}\n")).collect();
    format!("{before}{tokens}{rest}\n{realms}")
}

pub(crate) struct RealmServer {
    pub(crate) url: String,
    pub(crate) config: Config,
    folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl RealmServer {
    /// Both realms in places of that kind.
    pub(crate) async fn start<B: Backend>(kind: usize, config: &str) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let mut places = Vec::new();
        for name in ["acme", "globex"] {
            places.push((name, B::realm(folder.path(), kind, name).await));
        }
        Self::start_with::<B>(folder, &with_realms(config, TOKENS, &places), Hooks::default()).await
    }

    /// The same where the second realm is away.
    pub(crate) async fn start_half<B: Backend>(config: &str) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let acme = B::realm(folder.path(), 0, "acme").await;
        let places = [("acme", acme), ("globex", B::realm_away(folder.path()).await)];
        Self::start_with::<B>(folder, &with_realms(config, TOKENS, &places), Hooks::default()).await
    }

    pub(crate) async fn start_with<B: Backend>(folder: Arc<TempDir>, config: &str, hooks: Hooks) -> Self {
        let config = config_in(folder.path(), config);
        let opened = open_all::<B::Storage>(&config, Vec::new()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router_of_realms(&config, opened.realms(), hooks);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let realms = opened.realms();
            let stopped = async {
                _ = stopped.await;
            };
            serve_router(listener, Door::default(), router, move || realms.end_hints(), stopped).await.unwrap();
            opened.close().await.unwrap();
        });
        Self { url, config, folder, stop, serving }
    }

    /// Stops and gives back the folder with the databases.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        self.folder
    }

    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// A client with that token.
    pub(crate) fn api(&self, token: &str) -> Api {
        Api::new(&self.url, token)
    }
}
