//! An answer to a pull is of one state of the database, however long it takes, and takes no more memory when there are more rows.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::program::Program;
use super::{Here, Server};
use crate::support::{Backend as _, Draw, insert};

/// Together far more than the buffers of a connection hold.
const ROWS: usize = 100;
const ROW_BYTES: usize = 200_000;

fn pull(url: &str, entity: &str, cursors: &[Value]) -> reqwest::RequestBuilder {
    let client = uuid::Uuid::new_v4().to_string();
    let body = json!({"protocol": 1, "client": client, "schema": 1, "entities": [entity], "cursors": cursors});
    let request = reqwest::Client::new().post(format!("{url}/v1/pull")).bearer_auth("t-ana");
    request.header(reqwest::header::ACCEPT_ENCODING, "identity").json(&body)
}

/// The ids of rows and removals by bucket, and the cursors.
fn ids(lines: &str) -> (Vec<String>, Vec<Value>) {
    let (mut ids, mut cursors) = (Vec::new(), Vec::new());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for (kind, rows) in [("rows", &line["rows"]["data"]), ("gone", &line["gone"]["rows"])] {
            for row in rows.as_array().into_iter().flatten() {
                let bucket = line[kind]["bucket"].as_str().unwrap();
                ids.push(format!("{kind} {bucket} {}", row[0].as_str().unwrap()));
            }
        }
        if line["cursor"]["more"] == false {
            let cursor = &line["cursor"];
            cursors.push(json!({"bucket": cursor["bucket"], "cursor": cursor["cursor"]}));
        }
    }
    assert!(lines.ends_with("{\"end\":{}}\n"));
    (ids, cursors)
}

#[tokio::test]
async fn a_row_that_moves_between_buckets_while_an_answer_is_read_is_where_it_was() {
    let server = Server::start().await;
    let text = |number: usize| "x".repeat(ROW_BYTES) + &number.to_string();
    server.sql(&insert("task", ROWS, |number| format!("'t{number:03}', '{}', 'b'", text(number)))).await;
    server.sql("INSERT INTO task VALUES ('z', 'moves', 'b')").await;
    let mut answer = pull(&server.url, "task", &[]).send().await.unwrap();
    let mut lines = answer.chunk().await.unwrap().unwrap().to_vec();
    // The bucket it moves to has been told, the one it moves from not yet.
    server.sql("UPDATE task SET team = 'a' WHERE id = 'z'").await;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        lines.extend_from_slice(&chunk);
    }
    let (found, cursors) = ids(std::str::from_utf8(&lines).unwrap());
    assert_eq!(found.len(), ROWS + 1);
    assert_eq!(found.last().unwrap(), "rows task/team:b z", "seen by whoever goes by either state");
    let next = pull(&server.url, "task", &cursors).send().await.unwrap().text().await.unwrap();
    assert_eq!(ids(&next).0, ["rows task/team:a z", "gone task/team:b z"]);
}

/// The most memory that a process has had.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_rows_take_no_more_memory_than_ten_thousand() {
    let mut peaks = Vec::new();
    for rows in [10_000, 100_000_usize] {
        let folder = TempDir::new().unwrap();
        let program = Program::start(folder.path());
        for part in 0..rows / 10_000 {
            let mut draw = Draw(part as u64);
            let mut text = || (0..20).map(|_| format!("{:08x}", draw.below(u32::MAX))).collect::<String>();
            let texts: Vec<String> = (0..10_000).map(|_| text()).collect();
            let row = |number| format!("'p{part:02}{number:05}', '{}'", texts[number]);
            Here::sql(folder.path(), &insert("place", 10_000, row)).await;
        }
        // Once before, so that what is made once is there.
        let process = program.id();
        let whole = async || {
            let mut answer = pull(&program.url, "place", &[]).send().await.unwrap();
            let mut bytes = 0;
            while let Some(chunk) = answer.chunk().await.unwrap() {
                bytes += chunk.len();
            }
            bytes
        };
        whole().await;
        // Linux forgets the peak of before.
        std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
        let bytes = whole().await;
        assert!(bytes > rows * 160, "{bytes}");
        let peak = peak_kib(process);
        println!("{rows} rows, {bytes} bytes: peak of the server {peak} KiB");
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + 4 * 1024, "{peaks:?} KiB");
}
