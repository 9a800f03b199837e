//! Hints.

use futures_util::StreamExt;

use super::Server;
use crate::support::Api;
use serde_json::json;

pub(super) struct Events {
    chunks: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    pub(super) async fn listen(api: &Api) -> Self {
        let request = api.http.get(format!("{}/v1/events", api.url)).bearer_auth(&api.token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { chunks: answer.bytes_stream().boxed(), text: String::new() }
    }

    /// The data of the next event; none at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if data.is_some() {
                    return data;
                }
            }
            self.text += std::str::from_utf8(&self.chunks.next().await?.ok()?).unwrap();
        }
    }
}

#[tokio::test]
async fn hints_name_the_buckets_of_the_user_that_changed() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let (mut of_ana, mut of_ben) = (Events::listen(&ana).await, Events::listen(&server.ben()).await);
    ana.accepted("create", "task", "1", json!({"set": {"title": "t", "team": "a"}})).await;
    assert_eq!(of_ana.next().await.unwrap(), r#"{"buckets":["task/team:a"]}"#);
    ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    // Nothing of team:a has reached Ben.
    assert_eq!(of_ben.next().await.unwrap(), r#"{"buckets":["note/all"]}"#);
    assert_eq!(of_ana.next().await.unwrap(), r#"{"buckets":["note/all"]}"#);
    // A write past the server is found as well.
    server.sql("INSERT INTO place VALUES ('p', 'n')").await;
    assert_eq!(of_ana.next().await.unwrap(), r#"{"buckets":["place/all"]}"#);
    // Listeners do not keep the server from stopping.
    server.stop().await;
    assert_eq!(of_ana.next().await, None, "each change is named once");
    assert_eq!(of_ben.next().await.unwrap(), r#"{"buckets":["place/all"]}"#);
    assert_eq!(of_ben.next().await, None);
}
