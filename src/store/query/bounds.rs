//! What a filter says of single fields, as ranges of encoded values.
//!
//! **Invariant:** every row that the filter finds is within its bounds. The reverse need not hold.

use std::ops::Range;

use super::super::keys::after_prefix;
use crate::model::{Comparison, FieldRef, Filter, Value, ValueRef, key};

/// What stands before every value that is not null, and behind every value.
const NOT_NULL: &[u8] = &[0x11];
const END: &[u8] = &[0xff];

/// The encoded values that a field may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Ascending and without overlaps.
    pub(super) ranges: Vec<Range<Vec<u8>>>,
    /// Whether each range is one value.
    pub(super) points: bool,
    /// Whether exactly the rows within are those the filter finds, as far as it speaks of this field.
    pub(super) exact: bool,
}

/// The parts of a filter that must all hold.
pub(super) fn conjuncts<'f>(filter: &'f Filter, parts: &mut Vec<&'f Filter>) {
    match filter {
        Filter::And(inner) => inner.iter().for_each(|part| conjuncts(part, parts)),
        Filter::Or(_)
        | Filter::Not(_)
        | Filter::In(..)
        | Filter::Compare(..)
        | Filter::StartsWith(..)
        | Filter::Contains(..) => parts.push(filter),
    }
}

/// What the parts say of the fields of an index: values of the first ones and at last a range, as far as that makes `most` ranges. Also of how
/// many fields something was said, and whether all of that is exact.
pub(super) fn of_fields(parts: &[&Filter], fields: &[FieldRef], most: usize) -> (Vec<Range<Vec<u8>>>, usize, bool) {
    let mut ranges = vec![Vec::new()..END.to_vec()];
    let (mut used, mut exact) = (0, true);
    for field in fields {
        let Some(bounds) = of_field(parts, *field) else { break };
        if ranges.len() * bounds.ranges.len() > most {
            break;
        }
        used += 1;
        exact &= bounds.exact;
        let inside = |values: &Range<Vec<u8>>| {
            let within = |range: &Range<Vec<u8>>| {
                let [start, end] = [&range.start, &range.end].map(|end| [values.start.as_slice(), end].concat());
                start..end
            };
            bounds.ranges.iter().map(within).collect::<Vec<_>>()
        };
        ranges = ranges.iter().flat_map(inside).collect();
        if !bounds.points {
            break;
        }
    }
    (ranges, used, exact)
}

/// What the parts say of a field; `None` when they say nothing that helps.
pub(super) fn of_field(parts: &[&Filter], field: FieldRef) -> Option<Bounds> {
    let mut low: Vec<u8> = Vec::new();
    let mut high = END.to_vec();
    let mut points: Option<Vec<&Value>> = None;
    let mut said = 0;
    let mut exact = true;
    for part in parts {
        match part {
            Filter::In(of, values) if *of == field => {
                exact &= points.is_none();
                points = Some(values.iter().collect());
            }
            Filter::Compare(of, comparison, value) if *of == field => {
                let (from, to, is_exact) = compared(*comparison, value);
                low = low.max(from);
                high = high.min(to);
                exact &= is_exact;
            }
            Filter::StartsWith(of, prefix) if *of == field => {
                let mut from = Vec::new();
                key::encode_text_prefix(prefix.as_bytes(), &mut from);
                exact &= prefix.len() < key::INDEXED_TEXT_BYTES_MAX;
                high = high.min(after_prefix(&from));
                low = low.max(from);
            }
            Filter::Not(inner) if is_null(inner, field) => {
                low = low.max(NOT_NULL.to_vec());
            }
            _ => continue,
        }
        said += 1;
    }
    let Some(values) = points else {
        let range = if low < high { vec![low..high] } else { Vec::new() };
        return (said > 0).then_some(Bounds { ranges: range, points: false, exact });
    };
    let mut keys: Vec<Vec<u8>> = values.iter().map(|value| encoded(value.as_ref())).collect();
    keys.sort_unstable();
    keys.dedup();
    let exact = exact && said == 1 && !keys.iter().any(|key| key::is_cut(key));
    let ranges = keys.into_iter().map(|key| key.clone()..after_prefix(&key)).collect();
    Some(Bounds { ranges, points: true, exact })
}

/// Whether a part finds exactly the rows in which the field is null.
pub(super) fn is_null(part: &Filter, field: FieldRef) -> bool {
    matches!(part, Filter::In(of, values) if *of == field && matches!(values.as_slice(), [Value::Null]))
}

fn encoded(value: ValueRef<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    key::encode_indexed(value, &mut key);
    key
}

/// Where values begin and end that compare so, and whether exactly these are between.
fn compared(comparison: Comparison, value: &Value) -> (Vec<u8>, Vec<u8>, bool) {
    let at = encoded(value.as_ref());
    // A text that was cut stands for longer ones that are smaller and larger.
    let is_exact = !key::is_cut(&at);
    let behind = after_prefix(&at);
    match comparison {
        Comparison::Less if is_exact => (NOT_NULL.to_vec(), at, true),
        Comparison::Less | Comparison::AtMost => (NOT_NULL.to_vec(), behind, is_exact),
        Comparison::Greater if is_exact => (behind, END.to_vec(), true),
        Comparison::Greater | Comparison::AtLeast => (at, END.to_vec(), is_exact),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Entity, Field, FieldType, Query, Schema};

    fn bounds(filter: serde_json::Value) -> Option<Bounds> {
        bounds_at(0, filter)
    }

    fn bounds_at(place: usize, filter: serde_json::Value) -> Option<Bounds> {
        let field =
            |name: &str, kind| Field { name: name.to_owned(), kind, optional: true, index: true, ..Field::default() };
        let fields = vec![field("n", FieldType::Integer), field("t", FieldType::text(None))];
        let entity = Entity { name: "e".to_owned(), fields, ..Entity::default() };
        let schema = Schema { version: 1, entities: vec![entity], ..Schema::default() };
        let query = serde_json::from_value(json!({ "where": filter })).unwrap();
        let query = Query::parse("e", &query, &schema).unwrap();
        let mut parts = Vec::new();
        conjuncts(&query.filter, &mut parts);
        of_field(&parts, FieldRef::Place(place))
    }

    fn within(bounds: &Bounds, value: &Value) -> bool {
        let key = encoded(value.as_ref());
        bounds.ranges.iter().any(|range| range.contains(&key))
    }

    #[test]
    fn a_filter_bounds_a_field() {
        let inside = |filter, expected: &[i64]| {
            let bounds = bounds(filter).unwrap();
            assert!(bounds.exact);
            let found: Vec<i64> = (0..10).filter(|number| within(&bounds, &Value::Integer(*number))).collect();
            assert_eq!(found, expected);
            within(&bounds, &Value::Null)
        };
        assert!(!inside(json!({"n": 3}), &[3]));
        assert!(inside(json!({"n": {"in": [7, null, 3, 3]}}), &[3, 7]));
        assert!(!inside(json!({"n": {"lt": 3}}), &[0, 1, 2]));
        assert!(!inside(json!({"n": {"gte": 3, "lte": 5}, "t": "x"}), &[3, 4, 5]));
        assert!(!inside(json!({"and": [{"n": {"gt": 3}}, {"n": {"lt": 6}}]}), &[4, 5]));
        assert!(!inside(json!({"n": {"gt": 6, "lt": 3}}), &[]));
        assert!(!inside(json!({"n": {"isNull": false}}), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert!(inside(json!({"n": null}), &[]));
    }

    /// Texts that begin alike for so long are one in an index.
    #[test]
    fn a_text_that_an_index_cuts_bounds_without_being_exact() {
        let long = "x".repeat(key::INDEXED_TEXT_BYTES_MAX + 1);
        let (smaller, greater) = (Value::Text(format!("{long}a")), Value::Text(format!("{long}z")));
        for filter in [
            json!({"t": long}),
            json!({"t": {"in": ["a", long]}}),
            json!({"t": {"lt": long}}),
            json!({"t": {"lte": long}}),
            json!({"t": {"gt": long}}),
            json!({"t": {"gte": long}}),
            json!({"t": {"startsWith": long}}),
        ] {
            let bounds = bounds_at(1, filter.clone()).unwrap();
            assert!(!bounds.exact && within(&bounds, &smaller) && within(&bounds, &greater), "{filter}");
        }
        for filter in [json!({"t": "x"}), json!({"t": {"gt": "x"}}), json!({"t": {"startsWith": "x"}})] {
            assert!(bounds_at(1, filter).unwrap().exact);
        }
    }

    #[test]
    fn what_does_not_bound() {
        for filter in
            [json!({}), json!({"t": "x"}), json!({"or": [{"n": 1}]}), json!({"not": {"n": 1}}), json!({"n": {"ne": 1}})]
        {
            assert_eq!(bounds(filter), None);
        }
        assert!(!bounds(json!({"n": {"in": [1, 2], "gt": 1}})).unwrap().exact);
        assert!(!bounds(json!({"and": [{"n": 1}, {"n": 2}]})).unwrap().exact);
    }
}
