//! A JSON value is what it is in `serde_json`.

#![allow(clippy::unwrap_used, reason = "the helpers are test code too")]

use serde_json::{Value, json};
use whimbrel_protocol::{Fields, Json, Number};

/// Both are read from the text and written as the same.
fn check(text: &str) {
    let own: Json = serde_json::from_str(text).unwrap();
    let theirs: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&own).unwrap(), theirs.to_string());
    assert_eq!(serde_json::from_value::<Json>(theirs).unwrap(), own);
}

#[test]
fn every_value_is_read_and_written() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "2.5",
        "1e300",
        "18446744073709551615",
        "-9223372036854775808",
        "18446744073709551616",
        r#""""#,
        r#""\u00e4\"""#,
        "[]",
        "[1,[null,{}]]",
        "{}",
        r#"{"b":1,"a":{"__proto__":[1]},"":null}"#,
        r#"{"b":1,"a":2,"b":3,"a":4,"b":5}"#,
    ] {
        check(text);
    }
    for text in ["1", "null", "[]", r#""a""#] {
        assert!(serde_json::from_str::<Fields>(text).is_err(), "{text}");
    }
}

#[test]
fn of_fields_with_one_name_the_last_counts() {
    // More than a sort handles at once.
    let fields: Vec<String> = (0..500).map(|number| format!("\"{}\":{number}", number * 7 % 11)).collect();
    check(&format!("{{{}}}", fields.join(",")));
}

#[test]
fn fields_are_found_and_taken_by_their_names() {
    let of = |name: &str, number: i64| (name.to_owned(), Json::from(number));
    let mut fields: Fields = [of("b", 1), of("a", 2), of("c", 3), of("b", 4)].into_iter().collect();
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((fields.get("b"), fields.get("d"), fields.len()), (Some(&Json::from(4_i64)), None, 3));
    assert_eq!((fields.remove("a"), fields.remove("a")), (Some(Json::from(2_i64)), None));
    assert_eq!(json!(fields), json!({"b": 4, "c": 3}));
}

#[test]
fn numbers_are_integers_within_what_javascript_holds() {
    let largest = (1_i64 << 53) - 1;
    for (number, integer) in [
        (Number::Whole(0), Some(0)),
        (Number::Real(-3.0), Some(-3)),
        (Number::Real(-0.0), Some(0)),
        (Number::Real(0.5), None),
        (Number::Real(1e300), None),
        (Number::Whole(1 << 53), None),
        (Number::Whole((1 << 53) + 1), None),
        (Number::Whole(u64::MAX), None),
        (Number::Negative(-largest), Some(-largest)),
        (Number::Negative(-largest - 1), None),
        (Number::Negative(i64::MIN), None),
    ] {
        assert_eq!(number.integer(), integer, "{number:?}");
    }
    assert_eq!(Json::from(largest).as_number().and_then(Number::integer), Some(largest));
    assert_eq!(Json::from(f64::NAN), Json::Null);
}
