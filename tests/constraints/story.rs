//! What can happen to records that refer to each other, at random.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel_protocol::Op;

use super::model::Write;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Several writes, together; in a transaction when the flag is set.
    Writes(Vec<Write>, bool),
    Send,
    Answer,
    Compact,
}

fn writes() -> impl Strategy<Value = Write> {
    let id = || (0..4_u8).prop_map(|id| id.to_string());
    let reference = || prop_oneof![1 => Just(Json::Null), 2 => id().prop_map(Json::from)];
    let number = || prop_oneof![1 => Just(Json::Null), 3 => (0..3_u8).prop_map(Json::from)];
    let kind = prop_oneof![Just(json!("office")), Just(json!("tent")), Just(json!(null)), Just(json!("hall"))];
    let op = || prop::sample::select(vec![Op::Create, Op::Create, Op::Update, Op::Update, Op::Delete]);
    let mask = || {
        prop_oneof![
            2 => prop::array::uniform4(prop::bool::weighted(0.7)),
            // In the order of names, the second one is no reference, and not unique.
            1 => Just([false, true, false, false]),
        ]
    };
    let area = (reference(), number(), reference(), number())
        .prop_map(|(up, code, old, note)| json!({"up": up, "code": code, "old": old, "note": note}));
    let room = (reference(), reference(), kind, number())
        .prop_map(|(area, next, kind, number)| json!({"area": area, "next": next, "kind": kind, "number": number}));
    let desk = (reference(), reference(), reference(), number())
        .prop_map(|(room, area, up, note)| json!({"room": room, "area": area, "up": up, "note": note}));
    let fields = prop_oneof![
        area.prop_map(|fields| ("area", fields)),
        room.prop_map(|fields| ("room", fields)),
        desk.prop_map(|fields| ("desk", fields)),
    ];
    (op(), id(), fields, mask()).prop_map(|(op, id, (entity, mut fields), mask)| {
        let mut places = mask.into_iter();
        fields.as_object_mut().unwrap().retain(|_, _| op != Op::Delete && places.next().unwrap());
        (op, (entity, id), fields)
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (prop::collection::vec(writes(), 1..4), any::<bool>()).prop_map(|(writes, tx)| Step::Writes(writes, tx)),
        2 => Just(Step::Send),
        2 => Just(Step::Answer),
        1 => Just(Step::Compact),
    ]
}

/// Something that the server knows already, so that more of what follows is possible.
pub(crate) fn furniture() -> Vec<Write> {
    let create = |entity, id: u8, fields| (Op::Create, (entity, id.to_string()), fields);
    let set = |id: u8| {
        let own = id.to_string();
        [
            create("area", id, json!({})),
            create("room", id, json!({"area": own})),
            create("desk", id, json!({"room": own})),
        ]
    };
    (0..3).flat_map(set).collect()
}
