use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::model::{Catalog, Entity, Field, FieldType, Schema, Value};

fn tables() -> Tables {
    let field =
        |name: &str, kind| Field { name: name.to_owned(), kind, optional: true, index: false, ..Field::default() };
    let fields = vec![
        field("title", FieldType::text(Some(3))),
        field("count", FieldType::Integer),
        field("weight", FieldType::Real),
        field("done", FieldType::Boolean),
    ];
    let entity = Entity { name: "order".to_owned(), fields, ..Entity::default() };
    let schema = Schema { version: 1, entities: vec![entity], ..Schema::default() };
    let mut catalog = Catalog::default();
    catalog.adopt(&schema).unwrap();
    Tables::new(&catalog, &schema)
}

type Found = Vec<(String, u64, Vec<Value>)>;

fn decoded(line: &str) -> Result<Found> {
    let batch = decode(line.as_bytes(), &tables())?;
    Ok((0..batch.len()).map(|row| (batch.id(row), batch.version(row), batch.values(row))).collect())
}

fn line(columns: &Json, data: &Json) -> String {
    format!(r#"{{"rows":{{"bucket":"order/all","columns":{columns},"data":{data}}}}}"#)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn rows_come_in_the_order_of_the_schema() {
    let values = vec![text("Pümpe \"4\"\n\u{1f600}"), Value::Integer(-5), Value::Real(0.1), Value::Boolean(true)];
    let expected = vec![("x".to_owned(), 7, values), ("y".to_owned(), 0, vec![Value::Null; 4])];
    let in_order = line(
        &json!(["id", "_version", "title", "count", "weight", "done"]),
        &json!([["x", 7, "Pümpe \"4\"\n\u{1f600}", -5, 0.1, true], ["y", 0, null, null, null, null]]),
    );
    assert_eq!(decoded(&in_order).unwrap(), expected);
    let mixed = line(
        &json!(["done", "new", "count", "title", "_version", "id", "weight"]),
        &json!([
            [true, {"a": [1, {"b": "]"}]}, -5.0, "Pümpe \"4\"\n\u{1f600}", 7, "x", 0.1],
            [null, -1.5e3, null, null, 0, "y", null],
        ]),
    );
    assert_eq!(decoded(&mixed).unwrap(), expected);
    let spaced = "{ \"rows\" : {\"bucket\": \"order/all\", \"columns\": [\"id\" , \"_version\"], \"data\":[ [ \"x\" , 1 ] ] } }\r";
    assert_eq!(decoded(spaced).unwrap(), [("x".to_owned(), 1, vec![Value::Null; 4])]);
    let some = line(&json!(["id", "_version", "weight"]), &json!([["\u{e4}", 2, 3]]));
    let values = vec![Value::Null, Value::Null, Value::Real(3.0), Value::Null];
    assert_eq!(decoded(&some).unwrap(), [("\u{e4}".to_owned(), 2, values)]);
    assert_eq!(decoded(&line(&json!(["id", "_version"]), &json!([]))).unwrap(), Found::new());
}

#[test]
fn escapes_are_what_they_stand_for() {
    let row = r#"{"rows":{"bucket":"order\/all","columns":["id","_version","title"],"data":[["\u0061",1,"\u00e4\ud83d\ude00\\\/"]]}}"#;
    let batch = decode(row.as_bytes(), &tables()).unwrap();
    assert_eq!((batch.bucket(), batch.id(0).as_str()), ("order/all", "a"));
    assert_eq!(batch.values(0)[0], text("ä\u{1f600}\\/"));
}

#[test]
fn what_is_malformed_is_refused() {
    let columns = json!(["id", "_version", "title", "count", "weight", "done"]);
    let bad_rows = [
        json!([["x", 1]]),
        json!([["x", 1, 5, 1, 1, true]]),
        json!([["x", 1, "a", "1", 1, true]]),
        json!([["x", 1, "a", 1.5, 1, true]]),
        json!([["x", 1, "a", 9_007_199_254_740_992_i64, 1, true]]),
        json!([["x", 1, "a", 1, "1", true]]),
        json!([["x", 1, "a", 1, 1, 1]]),
        json!([["x", -1, "a", 1, 1, true]]),
        json!([["x", null, "a", 1, 1, true]]),
        json!([["", 1, "a", 1, 1, true]]),
        json!([["a\nb", 1, "a", 1, 1, true]]),
        json!([[null, 1, "a", 1, 1, true]]),
        json!([["x", 1, "a", 1, 1, true, 1]]),
        json!([["x", 1, ["a"], 1, 1, true]]),
        json!({}),
    ];
    let mut lines: Vec<String> = bad_rows.iter().map(|data| line(&columns, data)).collect();
    lines.extend([
        line(&json!(["id", "title"]), &json!([])),
        line(&json!(["_version", "title"]), &json!([])),
        line(&json!(["id", "_version", "title", "title"]), &json!([])),
        line(&columns, &json!([])).replace("order/", "nope/"),
        line(&columns, &json!([])) + "x",
        line(&json!(["id", "_version", "count"]), &json!([["x", 1, 7]])).replace('7', "07"),
        line(&json!(["id", "_version", "count"]), &json!([["x", 1, 7]])).replace('7', "-"),
        line(&json!(["id", "_version", "weight"]), &json!([["x", 1, 7]])).replace('7', "1e999"),
        line(&json!(["id", "_version", "weight"]), &json!([["x", 1, 7]])).replace('7', "1.e5"),
        line(&json!(["id", "_version", "title"]), &json!([["x", 1, "Q"]])).replace('Q', "\t"),
        line(&json!(["id", "_version", "title"]), &json!([["x", 1, "Q"]])).replace('Q', "\\ud800"),
        line(&json!(["id", "_version", "new"]), &json!([["x", 1, 7]])).replace('7', &"[".repeat(70)),
        "{\"rows\":{\"columns\":[\"id\",\"_version\"],\"bucket\":\"order/all\",\"data\":[]}}".to_owned(),
    ]);
    for line in lines {
        match decoded(&line) {
            Err(error) => assert_eq!(error.code(), Code::ProtocolMalformed, "{line}"),
            Ok(found) => panic!("{line} gave {found:?}"),
        }
    }
    let full = line(&columns, &json!([["x", 1, "a", 1, 1, true]]));
    for length in 0..full.len() {
        assert_eq!(decoded(&full[..length]).unwrap_err().code(), Code::ProtocolMalformed);
    }
    assert_eq!(decode(b"{\"rows\":\xff}", &tables()).unwrap_err().code(), Code::ProtocolMalformed);
    let many = line(&json!(["id", "_version"]), &json!(vec![json!(["x", 1]); PULL_BATCH_ROWS_MAX + 1]));
    assert_eq!(decoded(&many).unwrap_err().code(), Code::ProtocolMalformed);
}

proptest! {
    #[test]
    fn numbers_and_text_come_as_they_were_sent(
        title in any::<String>(),
        count in -(1_i64 << 53) + 1..1 << 53,
        weight in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL,
    ) {
        let row = line(&json!(["id", "_version", "title", "count", "weight"]), &json!([["x", 1, title, count, weight]]));
        let found = decoded(&row).unwrap();
        let expected = vec![Value::Text(title), Value::Integer(count), Value::Real(weight), Value::Null];
        prop_assert_eq!(&found[0].2, &expected);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0_usize..120) {
        let mut row = line(&json!(["id", "_version", "title"]), &json!([["x", 1, "abc"]])).into_bytes();
        row.truncate(cut);
        row.extend(bytes);
        let _ = decode(&row, &tables());
    }

    /// What is nearly a line of rows is refused as malformed, or has rows that fit the table, never more than its bytes can hold.
    #[test]
    fn a_line_with_scratches_is_refused_or_read(
        scratches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let row = json!([["x", 7, "a\"\u{e4}", -5, 0.1, true], ["y", 8, null, 5, 1e300, false]]);
        let mut line = line(&json!(["id", "_version", "title", "count", "weight", "done"]), &row).into_bytes();
        for (place, byte, how) in scratches {
            let place = place.index(line.len().max(1));
            match how {
                0 if place < line.len() => line[place] = byte,
                1 if place < line.len() => _ = line.remove(place),
                2 => line.truncate(place),
                _ => line.insert(place.min(line.len()), byte),
            }
        }
        match decode(&line, &tables()) {
            Err(error) => prop_assert_eq!(error.code(), Code::ProtocolMalformed),
            Ok(batch) => {
                prop_assert!(batch.len() <= line.len());
                for row in 0..batch.len() {
                    prop_assert_eq!(batch.values(row).len(), 4);
                    prop_assert!(is_id(&batch.id(row)));
                }
            }
        }
    }
}
