use serde_json::{Value as Given, json};
use whimbrel_protocol::Json;

use super::*;
use crate::error::{Code, Result};
use crate::model::{Entity, Field, FieldType, Schema};

fn schema() -> Schema {
    let field =
        |name: &str, kind| Field { name: name.to_owned(), kind, optional: true, index: false, ..Field::default() };
    let fields = vec![
        field("title", FieldType::text(Some(3))),
        field("due", FieldType::Timestamp),
        field("done", FieldType::Boolean),
        field("weight", FieldType::Real),
    ];
    let entity = Entity { name: "order".to_owned(), fields, ..Entity::default() };
    Schema { version: 1, entities: vec![entity], ..Schema::default() }
}

fn parse(given: &Given) -> Result<Query> {
    let json: Json = serde_json::from_value(given.clone()).unwrap();
    Query::parse("order", &json, &schema())
}

#[test]
fn a_query_says_what_it_asks_for() {
    let query = parse(&json!({
        "where": { "title": "abcdef", "due": { "gte": 5, "lt": 9 }, "or": [{ "done": true }, { "id": { "in": ["1"] } }] },
        "orderBy": [{ "due": "desc" }, { "title": "asc" }, { "due": "asc" }],
        "limit": 50,
    }))
    .unwrap();
    let place = FieldRef::Place;
    let text = |text: &str| Value::Text(text.to_owned());
    let either = vec![Filter::In(place(2), vec![Value::Boolean(true)]), Filter::In(FieldRef::Id, vec![text("1")])];
    let parts = vec![
        Filter::Compare(place(1), Comparison::AtLeast, Value::Integer(5)),
        Filter::Compare(place(1), Comparison::Less, Value::Integer(9)),
        Filter::Or(either),
        Filter::In(place(0), vec![text("abcdef")]),
    ];
    assert_eq!(query.filter, Filter::And(parts));
    let order = |field, descending| Order { field, descending };
    assert_eq!(query.order, [order(place(1), true), order(place(0), false)]);
    assert_eq!((query.limit, query.offset), (50, 0));
}

#[test]
fn each_mistake_has_its_code() {
    let cases = [
        (json!([]), "query/invalid: \"the query\" takes an object"),
        (
            json!({"were": {}}),
            "query/invalid: a query has no \"were\"; it has where, orderBy, limit, offset, after and include",
        ),
        (json!({"where": {"nope": 1}}), "schema/unknown-field: order has no field \"nope\""),
        (json!({"where": {"due": "x"}}), "value/type: order.due takes a time in milliseconds, not text"),
        (json!({"where": {"id": 5}}), "value/type: order.id takes text, not such a number"),
        (json!({"where": {"due": {}}}), "query/invalid: \"due\" has no condition"),
        (json!({"where": {"due": {"lt": null}}}), "query/invalid: \"due\": nothing is lt null"),
        (
            json!({"where": {"due": {"startsWith": 5}}}),
            "query/invalid: \"due\": startsWith takes text, of a field with text",
        ),
        (json!({"where": {"or": {}}}), "query/invalid: \"or\" takes a list"),
        (json!({"orderBy": {"due": "up"}}), "query/invalid: orderBy \"due\" takes \"asc\" or \"desc\""),
        (json!({"orderBy": "due"}), "query/invalid: \"orderBy\" takes an object"),
        (json!({"limit": -1}), "query/invalid: \"limit\" takes a whole number from 0"),
        (json!({"offset": 1.5}), "query/invalid: \"offset\" takes a whole number from 0"),
    ];
    for (given, expected) in cases {
        assert_eq!(parse(&given).unwrap_err().to_string(), expected);
    }
    assert_eq!(Query::parse("nope", &Json::default(), &schema()).unwrap_err().code(), Code::UnknownEntity);
    let deep = (0..40).fold(json!({}), |inner, _| json!({ "not": inner }));
    assert_eq!(parse(&json!({ "where": deep })).unwrap_err().code(), Code::QueryInvalid);
    let many: Vec<u32> = (0..5_000).collect();
    assert_eq!(parse(&json!({"where": {"due": {"in": many}}})).unwrap_err().code(), Code::QueryInvalid);
}

#[test]
fn only_numbers_are_added() {
    let place =
        |entity: &str, name: &str| Query::number_field(entity, name, &schema()).map_err(|error| error.to_string());
    assert_eq!(place("order", "weight"), Ok(3));
    let refused = |detail: &str| Err(format!("query/invalid: {detail} has no numbers to add"));
    assert_eq!(place("order", "title"), refused("order.title"));
    assert_eq!(place("order", "due"), refused("order.due"));
    assert_eq!(place("order", "id"), refused("order.id"));
    assert_eq!(place("order", "nope"), Err("schema/unknown-field: order has no field \"nope\"".to_owned()));
    assert!(place("nope", "weight").unwrap_err().starts_with("schema/unknown-entity"));
}

#[test]
fn null_is_a_value() {
    let holds = |condition: Given, value: ValueRef<'static>| {
        parse(&json!({ "where": { "due": condition } })).unwrap().filter.holds(&|_| value)
    };
    assert!(holds(json!(null), ValueRef::Null));
    assert!(holds(json!({"isNull": true}), ValueRef::Null));
    assert!(holds(json!({"ne": 5}), ValueRef::Null));
    assert!(!holds(json!({"lt": 5}), ValueRef::Null));
    assert!(!holds(json!({"isNull": false}), ValueRef::Null));
    assert!(holds(json!({"in": [1, null]}), ValueRef::Null));
    assert!(holds(json!({"lte": 5}), ValueRef::Integer(5)));
}

#[test]
fn a_uuid_is_text_like_any_other() {
    let uuid = ValueRef::Uuid([0xab; 16]);
    let holds = |condition: Given| parse(&json!({ "where": { "title": condition } })).unwrap().filter.holds(&|_| uuid);
    let text = "abababab-abab-abab-abab-abababababab";
    assert!(holds(json!(text)) && holds(json!({"in": [text]})) && holds(json!({"lt": "ac"})));
    assert!(holds(json!({"startsWith": "abababab-"})) && !holds(json!({"startsWith": "b"})));
    assert!(holds(json!({"contains": "b-a"})) && !holds(json!({"contains": "B"})));
}
