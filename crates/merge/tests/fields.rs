//! What a field comes to, as a table, and what must hold for any values.

use proptest::prelude::*;
use whimbrel_merge::{Meeting, Merged, Rule, merge, same};
use whimbrel_protocol::{Json, Number};

fn text(value: &str) -> Json {
    Json::Text(value.to_owned())
}

fn met(rule: Option<Rule>, was: &Json, current: &Json, new: &Json) -> Merged {
    merge(rule, Meeting { was: Some(was), current, new, is_newer: true })
}

#[test]
fn a_table_of_meetings() {
    let (one, two, ten) = (Json::from(1), Json::from(2), Json::from(10));
    let cases = [
        // Nobody else changed it.
        (None, one.clone(), one.clone(), two.clone(), Merged::New),
        (Some(Rule::Server), one.clone(), one.clone(), two.clone(), Merged::New),
        // Both wrote the same.
        (None, one.clone(), two.clone(), two.clone(), Merged::Current),
        (Some(Rule::Server), one.clone(), two.clone(), two.clone(), Merged::Current),
        // Unless both counted.
        (Some(Rule::Sum), one.clone(), two.clone(), two.clone(), Merged::Other(Json::from(3))),
        // Both changed it.
        (None, one.clone(), ten.clone(), two.clone(), Merged::Conflict),
        (Some(Rule::Server), one.clone(), ten.clone(), two.clone(), Merged::Current),
        (Some(Rule::Client), one.clone(), ten.clone(), two.clone(), Merged::New),
        (Some(Rule::Newest), one.clone(), ten.clone(), two.clone(), Merged::New),
        (Some(Rule::Sum), one.clone(), ten.clone(), two.clone(), Merged::Other(Json::from(11))),
        (Some(Rule::Sum), Json::Null, ten.clone(), two.clone(), Merged::Other(Json::from(12))),
        (Some(Rule::Sum), one.clone(), ten.clone(), Json::Null, Merged::Other(Json::from(9))),
        (Some(Rule::Sum), one.clone(), Json::from(0.5), two.clone(), Merged::Other(Json::from(1.5))),
        (Some(Rule::Sum), text("1"), ten.clone(), two.clone(), Merged::Conflict),
        (Some(Rule::Union), text("a\nb"), text("a\nb\nc"), text("b\nd"), Merged::Other(text("b\nc\nd"))),
        (Some(Rule::Union), Json::Null, text("a"), text("b"), Merged::Other(text("a\nb"))),
        (Some(Rule::Union), text("a"), Json::Null, text("a\nb"), Merged::Other(text("b"))),
        (Some(Rule::Union), one.clone(), ten, two, Merged::Conflict),
    ];
    for (rule, was, current, new, expected) in cases {
        assert_eq!(met(rule, &was, &current, &new), expected, "{rule:?}: {was:?} {current:?} {new:?}");
    }
}

#[test]
fn the_older_of_two_loses_under_newest() {
    let (was, current, new) = (Json::from(1), Json::from(10), Json::from(2));
    let meeting = Meeting { was: Some(&was), current: &current, new: &new, is_newer: false };
    assert_eq!(merge(Some(Rule::Newest), meeting), Merged::Current);
}

#[test]
fn a_change_that_does_not_say_what_it_was_made_on_meets_the_rule() {
    let (current, new) = (text("a"), text("b"));
    let meeting = Meeting { was: None, current: &current, new: &new, is_newer: true };
    assert_eq!(merge(None, meeting), Merged::Conflict);
    assert_eq!(merge(Some(Rule::Sum), meeting), Merged::Conflict);
    assert_eq!(merge(Some(Rule::Union), meeting), Merged::Other(text("a\nb")));
}

#[test]
fn a_sum_beyond_what_a_field_holds_is_a_conflict() {
    let largest = (1_i64 << 53) - 1;
    let (was, current, new) = (Json::from(0), Json::from(largest), Json::from(1));
    assert_eq!(met(Some(Rule::Sum), &was, &current, &new), Merged::Conflict);
}

#[test]
fn numbers_are_what_they_are_worth() {
    assert!(same(&Json::Number(Number::Real(3.0)), &Json::Number(Number::Whole(3))));
    assert!(!same(&Json::Number(Number::Real(3.5)), &Json::Number(Number::Whole(3))));
    assert!(!same(&Json::Null, &Json::from(0)));
}

#[test]
fn a_rule_is_found_by_its_name() {
    for rule in Rule::ALL {
        assert_eq!(Rule::of_name(rule.name()), Some(rule));
    }
    assert_eq!(Rule::of_name("latest"), None);
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        (-5_i64..5).prop_map(Json::from),
        "[ab]{0,2}".prop_map(Json::Text),
        proptest::collection::vec("[a-d]", 0..4).prop_map(|lines| Json::Text(lines.join("\n"))),
    ]
}

fn rule() -> impl Strategy<Value = Option<Rule>> {
    prop_oneof![Just(None), proptest::sample::select(&Rule::ALL[..]).prop_map(Some)]
}

fn after(merged: &Merged, current: &Json, new: &Json) -> Option<Json> {
    match merged {
        Merged::Current => Some(current.clone()),
        Merged::New => Some(new.clone()),
        Merged::Other(value) => Some(value.clone()),
        Merged::Conflict => None,
    }
}

proptest! {
    /// What nobody else touched is what was written, whatever the rule.
    #[test]
    fn an_untouched_field_takes_the_new_value(rule in rule(), was in value(), new in value()) {
        prop_assert_eq!(met(rule, &was, &was, &new), Merged::New);
    }

    /// Two increments add up the same in either order.
    #[test]
    fn sums_do_not_depend_on_the_order(was in -9_i64..9, left in -9_i64..9, right in -9_i64..9) {
        let [was, left, right] = [was, left, right].map(Json::from);
        let one = after(&met(Some(Rule::Sum), &was, &left, &right), &left, &right);
        let other = after(&met(Some(Rule::Sum), &was, &right, &left), &right, &left);
        prop_assume!(was != left && was != right);
        prop_assert_eq!(one, other);
    }

    /// A line is in the union when a side added it or both kept it.
    #[test]
    fn a_union_has_what_was_added_and_lacks_what_was_removed(
        was in proptest::collection::btree_set("[a-e]", 0..5),
        left in proptest::collection::btree_set("[a-e]", 0..5),
        right in proptest::collection::btree_set("[a-e]", 0..5),
    ) {
        let as_text = |lines: &std::collections::BTreeSet<String>| text(&lines.iter().cloned().collect::<Vec<_>>().join("\n"));
        let (was_text, left_text, right_text) = (as_text(&was), as_text(&left), as_text(&right));
        let merged = after(&met(Some(Rule::Union), &was_text, &left_text, &right_text), &left_text, &right_text);
        let expected: std::collections::BTreeSet<String> = was.iter().chain(&left).chain(&right)
            .filter(|line| if was.contains(*line) { left.contains(*line) && right.contains(*line) } else { true })
            .cloned().collect();
        let found = merged.and_then(|value| value.as_str().map(|text| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()));
        prop_assert_eq!(found, Some(expected));
    }
}
