//! The contract of the stores of attachments: whatever is done to one in memory and to one in a folder, both say the same.

use std::time::Duration;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use whimbrel_server::{Address, AttachmentStore, FolderAttachments, MemoryAttachments, Upload};

const CONTENTS: [&str; 3] = ["", "abcdefgh", "other"];
const USERS: [&str; 2] = ["ana", "ben"];

#[derive(Debug, Clone)]
enum Call {
    /// Of the content, and by the user: bytes from an offset on, right ones or wrong ones.
    Append {
        content: usize,
        user: usize,
        offset: usize,
        bytes: usize,
        is_right: bool,
    },
    Finish(usize, usize),
    Read(usize, u64, usize),
}

fn calls() -> impl Strategy<Value = Call> {
    let (content, user) = (0..CONTENTS.len(), 0..USERS.len());
    let append = (content.clone(), user.clone(), 0..9_usize, 0..9_usize, prop::bool::weighted(0.9));
    prop_oneof![
        5 => append.prop_map(|(content, user, offset, bytes, is_right)| Call::Append { content, user, offset, bytes, is_right }),
        2 => (content.clone(), user).prop_map(|(content, user)| Call::Finish(content, user)),
        2 => (content, 0..12_u64, 0..12_usize).prop_map(|(content, offset, bytes)| Call::Read(content, offset, bytes)),
    ]
}

fn address(content: &str) -> Address {
    Address::parse(&format!("sha256-{:x}", Sha256::digest(content))).unwrap()
}

fn upload(content: usize, user: usize) -> Upload {
    Upload { address: address(CONTENTS[content]), user: USERS[user].to_owned() }
}

/// Does it, and says all that can be seen afterwards.
fn run(store: &dyn AttachmentStore, call: &Call) -> String {
    let said = match *call {
        Call::Append { content, user, offset, bytes, is_right } => {
            let all = CONTENTS[content].as_bytes();
            // Where the upload ends, more often than anywhere else.
            let received = store.received(&upload(content, user)).unwrap() as usize;
            let offset = if offset > 3 { received } else { offset };
            let mut part =
                all[offset.min(all.len())..(offset + bytes).min(all.len()).max(offset.min(all.len()))].to_vec();
            if !is_right {
                part.reverse();
            }
            format!("{:?}", store.append(&upload(content, user), offset as u64, &part).ok())
        }
        Call::Finish(content, user) => format!("{:?}", store.finish(&upload(content, user), "text/plain").ok()),
        Call::Read(content, offset, bytes) => {
            format!("{:?}", store.read(&address(CONTENTS[content]), offset, bytes).ok())
        }
    };
    let states = (0..CONTENTS.len()).flat_map(|content| (0..USERS.len()).map(move |user| upload(content, user)));
    let states = states.map(|upload| {
        store.flush(&upload).unwrap();
        format!("{} {:?}", store.received(&upload).unwrap(), store.complete(&upload.address).unwrap())
    });
    format!("{said} {}", states.collect::<Vec<_>>().join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_and_memory_say_the_same(calls in prop::collection::vec(calls(), 0..40)) {
        let folder = TempDir::new().unwrap();
        let files = FolderAttachments::new(folder.path().join("a"));
        let memory = MemoryAttachments::default();
        for call in &calls {
            prop_assert_eq!(run(&files, call), run(&memory, call), "{:?}", call);
        }
        // Another process finds what the first one has left.
        let again = FolderAttachments::new(folder.path().join("a"));
        for content in CONTENTS {
            prop_assert_eq!(again.complete(&address(content)).unwrap(), memory.complete(&address(content)).unwrap());
            if memory.complete(&address(content)).unwrap().is_some() {
                prop_assert_eq!(again.read(&address(content), 0, 100).unwrap(), content.as_bytes());
            }
        }
    }
}

#[test]
fn old_uploads_are_swept_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let files = FolderAttachments::new(folder.path().join("a"));
    assert_eq!(files.sweep(Duration::ZERO).unwrap(), 0);
    let (old, done) = (upload(1, 0), upload(2, 0));
    files.append(&old, 0, b"abc").unwrap();
    files.append(&done, 0, b"other").unwrap();
    assert!(files.finish(&done, "text/plain").unwrap());
    assert_eq!(files.sweep(Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(files.received(&old).unwrap(), 3);
    assert_eq!(files.sweep(Duration::ZERO).unwrap(), 1);
    assert_eq!(files.received(&old).unwrap(), 0);
    assert_eq!(files.complete(&done.address).unwrap().map(|complete| complete.size), Some(5));
}
