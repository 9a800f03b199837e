//! The cases, by what they are about. Each file begins with its list.

mod attachments;
mod bodies;
mod conflicts;
mod cursors;
mod endpoints;
mod events;
mod groups;
mod limits;
mod merging;
mod once;
mod pairs;
mod policies;
mod pulls;
mod refusals;
mod tokens;
mod users;
mod values;

use crate::case::Case;

/// All of them, the plain ones first.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let plain = [endpoints::CASES, tokens::CASES, bodies::CASES, limits::CASES];
    let pushes = [once::CASES, groups::CASES, values::CASES, refusals::CASES, policies::CASES, conflicts::CASES];
    let others = [merging::CASES, pairs::CASES, pulls::CASES, cursors::CASES, events::CASES, attachments::CASES];
    plain.into_iter().chain(pushes).chain(others).chain([users::CASES]).flatten()
}
