//! TLS by rustls: a certificate and its key from files, which are read again when they have changed.
//!
//! **Invariant:** files that cannot be used leave what was read before in use.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use crate::config::TlsFiles;

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// What is spoken inside, in the order of preference.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// A certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
    /// It has nothing of the kind.
    #[error("{0}: {1}")]
    Pem(String, #[source] rustls_pki_types::pem::Error),
    /// They do not belong together, or are of a kind that is not known.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] tokio_rustls::rustls::Error),
}

/// What a server needs to speak TLS.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    changed: Option<SystemTime>,
    looked: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let (changed, config) = (changed(&files), read(&files)?);
        Ok(Self { files, loaded: Mutex::new(Loaded { config, changed, looked: Instant::now() }) })
    }

    /// For the next connection. The files are small, and looked at once a minute.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_at(Instant::now())
    }

    fn acceptor_at(&self, now: Instant) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(loaded.looked) >= LOOK_EVERY {
            loaded.looked = now;
            let changed = changed(&self.files);
            if changed != loaded.changed {
                match read(&self.files) {
                    Ok(config) => {
                        (loaded.config, loaded.changed) = (config, changed);
                        tracing::info!("the certificate was read again");
                    }
                    Err(error) => tracing::error!(%error, "the new certificate cannot be used; the one before stays"),
                }
            }
        }
        Arc::clone(&loaded.config).into()
    }
}

/// When one of the files was changed, the later one.
fn changed(files: &TlsFiles) -> Option<SystemTime> {
    let when = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    when(&files.cert).max(when(&files.key))
}

fn read(TlsFiles { cert, key }: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let name = |path: &Path| path.display().to_string();
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|cause| TlsError::File(name(path), cause));
    let chain = CertificateDer::pem_reader_iter(open(cert)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|cause| TlsError::Pem(name(cert), cause))?;
    let secret = PrivateKeyDer::from_pem_reader(open(key)?).map_err(|cause| TlsError::Pem(name(key), cause))?;
    // Named, because a program may have several and no default.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = PROTOCOLS.map(|protocol| protocol.as_bytes().to_vec()).into();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn a_certificate_that_was_renewed_is_read_again_and_one_that_is_broken_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        assert!(matches!(Tls::load(files.clone()), Err(TlsError::File(..))));
        write(&files);
        let tls = Tls::load(files.clone()).unwrap();
        let in_use = |tls: &Tls| Arc::clone(&tls.loaded.lock().unwrap().config);
        let (first, start) = (in_use(&tls), Instant::now());
        let at = |minutes: u32, by: &dyn Fn()| {
            by();
            // Whatever the file system's clock is like, it is another time.
            let later = SystemTime::now() + Duration::from_secs(u64::from(minutes) * 60);
            File::options().write(true).open(&files.cert).unwrap().set_modified(later).unwrap();
            _ = tls.acceptor_at(start + LOOK_EVERY * minutes);
            in_use(&tls)
        };
        let broken = at(1, &|| std::fs::write(&files.cert, "none").unwrap());
        assert!(Arc::ptr_eq(&first, &broken));
        let renewed = at(2, &|| write(&files));
        assert!(!Arc::ptr_eq(&first, &renewed));
        let other = at(3, &|| std::fs::write(&files.key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap());
        assert!(Arc::ptr_eq(&renewed, &other), "the key is of another certificate");
    }
}
