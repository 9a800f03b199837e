//! Attachments as files in a folder.
//!
//! ```text
//! ab/ab12…                the content           ab/ab12….type           its media type
//! ab/ab12….<user>.part    the upload of a user
//! ```
//!
//! **Invariant:** a content gets its name when it is on the disk, its hash was compared and its media type stands beside it.
//! **Invariant:** one thread at a time changes the files of an address, also when the request that asked for it is gone.
//!
//! One process at a time uses a folder.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::{Address, AttachmentStore, Complete, Upload};

/// Addresses that are changed at the same time, at most.
const LOCKS: usize = 64;
/// Bytes that are hashed at a time.
const HASH_BYTES: usize = 64 * 1024;
/// Digits of the hash of a user's name that tell one upload of an address from another.
const USER_DIGITS: usize = 16;
const PART: &str = "part";

/// A folder of attachments, made when the first one comes.
#[derive(Debug)]
pub struct FolderAttachments {
    folder: PathBuf,
    locks: Vec<Mutex<()>>,
}

impl FolderAttachments {
    /// The attachments in that folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, locks: (0..LOCKS).map(|_| Mutex::default()).collect() }
    }

    /// Removes uploads to which nothing was added for so long. Returns how many.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sweep(&self, age: Duration) -> io::Result<u64> {
        let mut removed = 0;
        let Some(folders) = absent(fs::read_dir(&self.folder))? else { return Ok(0) };
        for folder in folders {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder)? {
                let file = file?;
                let is_part = file.path().extension().is_some_and(|extension| extension == PART);
                let changed = file.metadata()?.modified()?;
                if is_part && SystemTime::now().duration_since(changed).is_ok_and(|since| since > age) {
                    fs::remove_file(file.path())?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn lock(&self, address: &Address) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        address.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or(0);
        // The lock guards no value, so a panic while it was held has left nothing half done that matters.
        self.locks.get(place).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn shelf(&self, address: &Address) -> PathBuf {
        self.folder.join(address.digits().get(..2).unwrap_or_default())
    }

    fn content(&self, address: &Address) -> PathBuf {
        self.shelf(address).join(address.digits())
    }

    fn media_type(&self, address: &Address) -> PathBuf {
        self.content(address).with_extension("type")
    }

    fn part(&self, upload: &Upload) -> PathBuf {
        let user = format!("{:x}", Sha256::digest(&upload.user));
        let user = user.get(..USER_DIGITS).unwrap_or_default();
        self.shelf(&upload.address).join(format!("{}.{user}.{PART}", upload.address.digits()))
    }
}

impl AttachmentStore for FolderAttachments {
    fn complete(&self, address: &Address) -> io::Result<Option<Complete>> {
        let Some(metadata) = absent(fs::metadata(self.content(address)))? else { return Ok(None) };
        let media_type = fs::read_to_string(self.media_type(address))?;
        Ok(Some(Complete { size: metadata.len(), media_type }))
    }

    fn received(&self, upload: &Upload) -> io::Result<u64> {
        Ok(absent(fs::metadata(self.part(upload)))?.map_or(0, |metadata| metadata.len()))
    }

    fn append(&self, upload: &Upload, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let _lock = self.lock(&upload.address);
        let part = self.part(upload);
        fs::create_dir_all(self.shelf(&upload.address))?;
        let mut file = OpenOptions::new().create(true).append(true).open(part)?;
        if file.metadata()?.len() != offset {
            return Ok(false);
        }
        file.write_all(bytes)?;
        Ok(true)
    }

    fn flush(&self, upload: &Upload) -> io::Result<()> {
        let Some(file) = absent(OpenOptions::new().append(true).open(self.part(upload)))? else { return Ok(()) };
        file.sync_all()?;
        self.keep_names(&upload.address)
    }

    fn finish(&self, upload: &Upload, media_type: &str) -> io::Result<bool> {
        let _lock = self.lock(&upload.address);
        let (part, content) = (self.part(upload), self.content(&upload.address));
        if content.exists() {
            absent(fs::remove_file(part))?;
            return Ok(true);
        }
        if hash(&part)? != upload.address {
            fs::remove_file(part)?;
            return Ok(false);
        }
        OpenOptions::new().append(true).open(&part)?.sync_all()?;
        let mut file = File::create(self.media_type(&upload.address))?;
        file.write_all(media_type.as_bytes())?;
        file.sync_all()?;
        fs::rename(part, content)?;
        self.keep_names(&upload.address)?;
        Ok(true)
    }

    fn read(&self, address: &Address, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.content(address))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut read = Vec::with_capacity(bytes);
        file.take(bytes as u64).read_to_end(&mut read)?;
        Ok(read)
    }
}

impl FolderAttachments {
    /// A name is durable when its folder is, and a folder's when the one above is.
    fn keep_names(&self, address: &Address) -> io::Result<()> {
        let above = self.folder.parent().filter(|folder| !folder.as_os_str().is_empty());
        for folder in [Some(self.shelf(address).as_path()), Some(&self.folder), above].into_iter().flatten() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// The address that a file's content has.
fn hash(file: &Path) -> io::Result<Address> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; HASH_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(Address::of(&hash));
        }
        hash.update(piece.get(..read).unwrap_or_default());
    }
}

/// What is not there is no error.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
