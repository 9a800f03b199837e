//! Contents.

use reqwest::Method;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::answer::Answer;
use crate::case::{World, cases};
use crate::check::{Checked, Verdict, holds, same};
use crate::client::Client;

cases! {
    "attachments/unreferenced", "Attachments, who may: without a row that the user sees attachment/unreferenced, for everything" => unreferenced;
    "attachments/parts", "PATCH: the bytes from offset on; the answer is the state; complete with the last part" => parts;
    "attachments/missing", "GET: before it is complete attachment/not-found" => missing;
    "attachments/offset", "PATCH: a part that does not begin at received is attachment/offset, and nothing is done" => offset;
    "attachments/damaged", "PATCH: another hash is attachment/damaged, and the upload begins anew" => damaged;
    "attachments/complete", "PATCH: a part of a content that is complete is 200 with its state, and does nothing" => complete;
    "attachments/empty", "PATCH: an empty part for an empty content" => empty;
    "attachments/range", "GET with Range: 206 with that part, attachment/range outside of it" => range;
    "attachments/safe", "GET: as something to save, and never to be run" => safe;
    "attachments/limits", "Limits: 256 MiB, 1 MiB in a part; what is no address is request/malformed" => limits;
}

/// A content nobody has used, with its address.
fn content(world: &World, bytes: usize) -> (Vec<u8>, String) {
    let content: Vec<u8> = world.id().bytes().cycle().take(bytes).collect();
    let address = address_of(&content);
    (content, address)
}

fn address_of(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    format!("sha256-{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

async fn refer(world: &World, who: &mut Client, address: &str) -> Verdict {
    let set = json!({"set": {"title": "t", "team": "a", "photo": address}});
    who.accepted("create", "task", &world.id(), set).await.map(|_| ())
}

async fn part(who: &Client, address: &str, offset: usize, size: usize, bytes: &[u8]) -> Checked<Answer> {
    let path = format!("/v1/attachments/{address}?offset={offset}&size={size}");
    let request = who.request(Method::PATCH, &path).header(CONTENT_TYPE, "image/jpeg").body(bytes.to_vec());
    who.send(request).await
}

async fn get(who: &Client, address: &str, what: &str) -> Checked<Answer> {
    who.send(who.get(&format!("/v1/attachments/{address}{what}"))).await
}

async fn state(who: &Client, address: &str) -> Checked<Value> {
    let answer = get(who, address, "/state").await?;
    answer.is_success("application/json")?;
    answer.json()
}

fn is_state(answer: &Answer, received: usize, is_complete: bool) -> Verdict {
    answer.is_success("application/json")?;
    let state = answer.json()?;
    same("protocol", &state["protocol"], 1)?;
    same("received", &state["received"], received)?;
    same("complete", &state["complete"], is_complete)
}

async fn unreferenced(world: &World) -> Verdict {
    let (ana, (bytes, address)) = (world.ana(), content(world, 100));
    get(&ana, &address, "").await?.is_problem("attachment/unreferenced")?;
    get(&ana, &address, "/state").await?.is_problem("attachment/unreferenced")?;
    part(&ana, &address, 0, 100, &bytes).await?.is_problem("attachment/unreferenced")
}

async fn parts(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 3_000));
    refer(world, &mut ana, &address).await?;
    is_state(&get(&ana, &address, "/state").await?, 0, false)?;
    is_state(&part(&ana, &address, 0, 3_000, &bytes[..1_000]).await?, 1_000, false)?;
    is_state(&get(&ana, &address, "/state").await?, 1_000, false)?;
    is_state(&part(&ana, &address, 1_000, 3_000, &bytes[1_000..]).await?, 3_000, true)?;
    same("type", &state(&ana, &address).await?["type"], "image/jpeg")?;
    let whole = get(&ana, &address, "").await?;
    holds(whole.status == 200 && whole.body == bytes, "what comes back is not what was sent")
}

async fn missing(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 200));
    refer(world, &mut ana, &address).await?;
    get(&ana, &address, "").await?.is_problem("attachment/not-found")?;
    part(&ana, &address, 0, 200, &bytes[..100]).await?;
    get(&ana, &address, "").await?.is_problem("attachment/not-found")
}

async fn offset(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 200));
    refer(world, &mut ana, &address).await?;
    part(&ana, &address, 10, 200, &bytes[10..]).await?.is_problem("attachment/offset")?;
    part(&ana, &address, 0, 200, &bytes[..100]).await?;
    part(&ana, &address, 0, 200, &bytes[..100]).await?.is_problem("attachment/offset")?;
    is_state(&get(&ana, &address, "/state").await?, 100, false)
}

async fn damaged(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 200));
    refer(world, &mut ana, &address).await?;
    part(&ana, &address, 0, 200, &[b'x'; 200]).await?.is_problem("attachment/damaged")?;
    is_state(&get(&ana, &address, "/state").await?, 0, false)?;
    is_state(&part(&ana, &address, 0, 200, &bytes).await?, 200, true)
}

async fn complete(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 200));
    refer(world, &mut ana, &address).await?;
    part(&ana, &address, 0, 200, &bytes).await?;
    is_state(&part(&ana, &address, 0, 200, &[b'x'; 200]).await?, 200, true)?;
    holds(get(&ana, &address, "").await?.body == bytes, "a complete content has changed")
}

async fn empty(world: &World) -> Verdict {
    let (mut ana, address) = (world.ana(), address_of(&[]));
    refer(world, &mut ana, &address).await?;
    is_state(&part(&ana, &address, 0, 0, &[]).await?, 0, true)?;
    holds(get(&ana, &address, "").await?.body.is_empty(), "an empty content has bytes")
}

async fn range(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 1_000));
    refer(world, &mut ana, &address).await?;
    part(&ana, &address, 0, 1_000, &bytes).await?;
    let ranged = |range: &'static str| ana.send(ana.get(&format!("/v1/attachments/{address}")).header(RANGE, range));
    let answer = ranged("bytes=100-299").await?;
    holds(answer.status == 206, format!("the status is {}, and should be 206", answer.status))?;
    let found = answer.header(CONTENT_RANGE);
    holds(found == "bytes 100-299/1000", format!("Content-Range is {found:?}"))?;
    holds(answer.body == bytes[100..300], "the range has other bytes")?;
    holds(ranged("bytes=900-").await?.body == bytes[900..], "an open range has other bytes")?;
    ranged("bytes=1000-").await?.is_problem("attachment/range")
}

async fn safe(world: &World) -> Verdict {
    let (mut ana, (bytes, address)) = (world.ana(), content(world, 100));
    refer(world, &mut ana, &address).await?;
    part(&ana, &address, 0, 100, &bytes).await?;
    let answer = get(&ana, &address, "").await?;
    let disposition = answer.header(CONTENT_DISPOSITION);
    holds(disposition.starts_with("attachment"), format!("Content-Disposition is {disposition:?}"))?;
    let policy = answer.header(CONTENT_SECURITY_POLICY);
    holds(policy.contains("sandbox"), format!("Content-Security-Policy is {policy:?}"))?;
    let options = answer.header("x-content-type-options");
    holds(options == "nosniff", format!("X-Content-Type-Options is {options:?}"))?;
    let kind = answer.header(CONTENT_TYPE);
    holds(kind == "image/jpeg", format!("Content-Type is {kind:?}, and should be image/jpeg"))
}

async fn limits(world: &World) -> Verdict {
    let (mut ana, (_, address)) = (world.ana(), content(world, 100));
    refer(world, &mut ana, &address).await?;
    part(&ana, &address, 0, 256 * 1024 * 1024 + 1, b"x").await?.is_problem("attachment/too-large")?;
    let over = vec![b'x'; 1024 * 1024 + 1];
    part(&ana, &address, 0, 2_000_000, &over).await?.is_problem("request/too-large")?;
    part(&ana, &address, 0, 2, b"xyz").await?.is_problem("request/too-large")?;
    part(&ana, "sha256-abc", 0, 1, b"x").await?.is_problem("request/malformed")?;
    let bare = ana.request(Method::PATCH, &format!("/v1/attachments/{address}")).body("x");
    ana.send(bare).await?.is_problem("request/malformed")
}
