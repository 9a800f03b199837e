//! First pulls: how fast they are, and that memory does not grow with the rows.

use std::time::Instant;

use futures_util::StreamExt as _;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};
use uuid::Uuid;

use crate::DatabaseKind;
use crate::figures;
use crate::place::Place;

async fn fill(place: &Place, rows: usize) {
    let body = "What was found, and what was done about it. ".repeat(4);
    let numbers = match place.kind {
        DatabaseKind::Postgres => format!("generate_series(1, {rows}) AS numbers(n)"),
        DatabaseKind::Sqlite => {
            format!(
                "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows}) SELECT n FROM numbers) AS numbers"
            )
        }
    };
    let hash = match place.kind {
        DatabaseKind::Postgres => "md5(n::text)",
        DatabaseKind::Sqlite => "hex(randomblob(16))",
    };
    let sql = format!("INSERT INTO place SELECT {hash}, 'Pump ' || n, '0', '{body}', n, false FROM {numbers}");
    let all = ["DELETE FROM place".to_owned(), sql];
    if let Some(url) = place.postgres() {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        for sql in all {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        sqlx::raw_sql("ANALYZE").execute(&mut connection).await.unwrap();
    } else {
        let mut connection =
            sqlx::SqliteConnection::connect(&format!("sqlite://{}", place.file().display())).await.unwrap();
        for sql in all {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
    }
}

pub(crate) async fn measure(place: &Place, rows: usize) {
    fill(place, rows).await;
    let http = reqwest::Client::builder().no_gzip().no_brotli().build().unwrap();
    let body = json!({ "protocol": 1, "client": Uuid::new_v4().to_string(), "schema": 1, "entities": ["place"] });
    figures::forget_peak(place.pid());
    let start = Instant::now();
    let request = http.post(format!("{}/v1/pull", place.url)).bearer_auth("t0").json(&body);
    let mut pieces = request.send().await.unwrap().bytes_stream();
    let (mut bytes, mut brackets, mut end) = (0_usize, 0_usize, Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        bytes += piece.len();
        // Each row is an array, and so are the columns, the data and the buckets.
        brackets += piece.iter().filter(|byte| **byte == b'[').count();
        end = piece.to_vec();
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!(end.ends_with(b"{\"end\":{}}\n"), "the answer is whole");
    assert!(brackets > rows, "{brackets} rows at the most");
    println!(
        "first pull of {rows} rows, {:.1} MB: {:.2} s, {:.0} rows a second; peak memory of the server {:.1} MiB",
        bytes as f64 / 1e6,
        seconds,
        rows as f64 / seconds,
        figures::peak_mib(place.pid())
    );
}
