//! Answers that are not from our server, or not as it sent them: each decoder says `protocol/malformed`, or has read something that can be written
//! again; and nothing is kept of a body but one line.

use futures_executor::block_on;
use proptest::prelude::*;
use proptest::sample::Index;
use whimbrel_protocol::{Pong, Problem, PullLine, PushResponse};

use super::lines::Lines;
use crate::error::{Code, Result};
use crate::json::FromJson;
use crate::ports::Body;

/// Answers as our server sends them.
const GOLDEN: [&str; 11] = [
    r#"{"start":{"protocol":1,"history":"e3e4","user":"ana","forbidden":["x"],"buckets":[{"bucket":"place/all","pending":2}]}}"#,
    r#"{"gone":{"bucket":"place/all","rows":[["w2",171079],["w3",171080]]}}"#,
    r#"{"cursor":{"bucket":"place/all","cursor":"4d6a.d.171080","more":false,"version":171080}}"#,
    r#"{"resync":{"bucket":"place/all","restored":true}}"#,
    r#"{"end":{}}"#,
    r#"{"error":{"type":"urn:whimbrel:problem:push/gap","code":"push/gap","status":409,"title":"t","retryable":false}}"#,
    r#"{"protocol":1,"last_seq":2,"stand":"9b2e.1042","outcomes":[{"seq":1,"outcome":"accepted","version":4720},{"seq":2,"outcome":"duplicate","version":3}]}"#,
    r#"{"protocol":1,"last_seq":2,"outcomes":[{"seq":1,"outcome":"conflict","row":{"version":4,"fields":{"a":[1,{"b":null}],"c":1.5e300}}}]}"#,
    r#"{"protocol":1,"last_seq":2,"outcomes":[{"seq":1,"outcome":"rejected","code":"a/b","message":"m","fields":{"a":"\u00e4\n"}},{"seq":2,"outcome":"retry","after_ms":5}]}"#,
    r#"{"nonce":"TEXT","protocol":1,"history":"e3e4"}"#,
    r#"{"type":"urn:whimbrel:problem:server/busy","code":"server/busy","status":503,"title":"t","detail":"d","retryable":true}"#,
];

fn check(found: Result<()>) -> std::result::Result<(), TestCaseError> {
    if let Err(error) = found {
        prop_assert_eq!(error.code(), Code::ProtocolMalformed);
    }
    Ok(())
}

/// Every decoder of the driver gets it.
fn decode(bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    check(PullLine::parse(bytes, Code::ProtocolMalformed).map(|_| ()))?;
    check(PushResponse::parse(bytes, Code::ProtocolMalformed).map(|_| ()))?;
    check(Pong::parse(bytes, Code::ProtocolMalformed).map(|_| ()))?;
    check(Problem::parse(bytes, Code::ProtocolMalformed).map(|_| ()))
}

struct Pieces(Vec<Vec<u8>>);

impl Body for Pieces {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        Ok((!self.0.is_empty()).then(|| self.0.remove(0)))
    }
}

/// The lines of a body that comes in these pieces, and whether it ended well.
fn lines_of(pieces: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Result<()>) {
    let mut lines = Lines::new(Pieces(pieces));
    let mut all = Vec::new();
    let ended = block_on(async {
        while let Some(line) = lines.next().await? {
            all.push(line.to_vec());
        }
        Ok(())
    });
    (all, ended)
}

proptest! {
    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode(&bytes)?;
    }

    #[test]
    fn answers_with_scratches(
        which in 0..GOLDEN.len(),
        scratches in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..5), 1..6),
    ) {
        let mut bytes = GOLDEN[which].as_bytes().to_vec();
        for (place, byte, how) in scratches {
            let place = place.index(bytes.len().max(1));
            match how {
                0 if place < bytes.len() => bytes[place] = byte,
                1 if place < bytes.len() => _ = bytes.remove(place),
                2 => bytes.truncate(place),
                // Deep, and long.
                3 => _ = bytes.splice(place..place, b"[".repeat(usize::from(byte) * 40)),
                _ => bytes.insert(place.min(bytes.len()), byte),
            }
        }
        decode(&bytes)?;
    }

    #[test]
    fn lines_do_not_depend_on_the_pieces(
        body in prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..300),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect();
        let (lines, ended) = lines_of(pieces);
        let is_whole = body.is_empty() || body.ends_with(b"\n");
        let mut expected: Vec<Vec<u8>> = body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        expected.pop();
        expected.retain(|line| !line.is_empty());
        prop_assert_eq!(lines, expected);
        prop_assert_eq!(ended.err().map(|error| error.code()), (!is_whole).then_some(Code::ProtocolTruncated));
    }
}

#[test]
fn a_body_without_lines_is_not_kept() {
    let pieces = vec![vec![b'x'; 64 * 1024]; 1_000];
    let (lines, ended) = lines_of(pieces);
    assert_eq!((lines.len(), ended.unwrap_err().code()), (0, Code::ProtocolMalformed));
}

#[test]
fn what_is_not_spoilt_is_read() {
    for text in GOLDEN {
        let bytes = text.as_bytes();
        let read = PullLine::parse(bytes, Code::ProtocolMalformed).is_ok()
            || PushResponse::parse(bytes, Code::ProtocolMalformed).is_ok()
            || Pong::parse(bytes, Code::ProtocolMalformed).is_ok()
            || Problem::parse(bytes, Code::ProtocolMalformed).is_ok();
        assert!(read, "{text}");
    }
}
