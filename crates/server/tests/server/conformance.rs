//! This server is one that docs/PROTOCOL.md describes.

use whimbrel_conformance::{Target, run};

use super::Server;

const CONFIG: &str = include_str!("../../../conformance/conformance.toml");

/// Of two users: what each case needs is in the configuration.
async fn server() -> (Server, Target) {
    let server = Server::start_with(CONFIG).await;
    let target = Target { url: server.url.clone(), token: "ana".into(), other_token: Some("ben".into()) };
    (server, target)
}

#[tokio::test]
async fn every_case_of_the_protocol_and_again_on_the_same_database() {
    let (_server, target) = server().await;
    for _ in 0..2 {
        let report = run(&target, "").await;
        assert!(report.failed.is_empty() && report.left_out == 0 && report.passed.len() > 100, "{report}");
    }
}

#[tokio::test]
async fn without_a_second_user_the_cases_of_two_are_left_out() {
    let (_server, target) = server().await;
    let report = run(&Target { other_token: None, ..target }, "users/").await;
    assert!(report.failed.is_empty() && report.left_out > 5, "{report}");
    assert!(report.to_string().ends_with("passed, 0 failed"));
}
