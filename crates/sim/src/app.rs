//! The app of this world: what it keeps, on the devices and on the server, and who uses it.
//!
//! Every value that is ever written is another number, so that whoever finds it knows which write it is of.

use std::collections::HashMap;
use std::path::PathBuf;

use whimbrel::model::{Entity, Field, FieldType, OnDelete, Policy, Schema, Unit, UnitPolicy};
use whimbrel::sync::{Auto, Every, UnitId};
use whimbrel_server::{
    Config, Entities, Entity as ServerEntity, Field as ServerField, FieldType as ServerType, Policy as ServerPolicy,
    ScopeTemplate, User,
};

/// The unit that everything is in.
pub(crate) const HOME: UnitId = UnitId(0);
/// Sends only.
pub(crate) const SEND: UnitId = UnitId(1);
/// Pulls only: what waits here meets what comes.
pub(crate) const FETCH: UnitId = UnitId(2);

/// An entity of the app.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    /// Whether its rows belong to a team; to everybody otherwise.
    pub(crate) by_team: bool,
}

/// The entity whose records stand for pairs.
pub(crate) const PAIRED: &str = "link";
/// The two of a pair; they are the fields behind those of all rows.
pub(crate) const SIDES: [&str; 2] = ["left", "right"];

/// The entity whose changes are merged.
pub(crate) const MERGED: &str = "note";

pub(crate) const KINDS: [Kind; 6] = [
    Kind { name: "place", policy: Policy::ReadOnly, by_team: false },
    Kind { name: "task", policy: Policy::LastWriteWins, by_team: true },
    Kind { name: "doc", policy: Policy::DetectConflicts, by_team: false },
    Kind { name: MERGED, policy: Policy::Merge, by_team: false },
    Kind { name: "entry", policy: Policy::AppendOnly, by_team: false },
    Kind { name: PAIRED, policy: Policy::LastWriteWins, by_team: false },
];

/// The numbers of a row, and its team.
pub(crate) const FIELDS: [&str; 3] = ["v", "w", "team"];

/// Users and their teams.
pub(crate) const USERS: [(&str, &[&str]); 2] = [("ana", &["a", "b"]), ("ben", &["b"])];

pub(crate) fn teams(user: &str) -> &'static [&'static str] {
    USERS.iter().find(|(name, _)| *name == user).map_or(&[], |(_, teams)| teams)
}

pub(crate) fn schema() -> Schema {
    let field = |name: &str, kind| Field { name: name.to_owned(), kind, optional: true, ..Field::default() };
    let side = |name: &&str| Field {
        name: (*name).to_owned(),
        kind: FieldType::Ref { entity: "place".to_owned(), on_delete: OnDelete::Keep },
        ..Field::default()
    };
    let entities = KINDS.iter().map(|kind| {
        let mut fields =
            vec![field("v", FieldType::Integer), field("w", FieldType::Integer), field("team", FieldType::text(None))];
        let is_pair = kind.name == PAIRED;
        fields.extend(SIDES.iter().filter(|_| is_pair).map(side));
        let pair = is_pair.then(|| SIDES.map(str::to_owned));
        Entity { name: kind.name.to_owned(), policy: kind.policy, fields, pair, ..Entity::default() }
    });
    let names = |wanted: fn(&Kind) -> bool| -> Vec<String> {
        KINDS.iter().filter(|kind| wanted(kind)).map(|kind| kind.name.to_owned()).collect()
    };
    let own = names(|kind| kind.policy != Policy::ReadOnly);
    Schema {
        version: 1,
        entities: entities.collect(),
        units: vec![
            Unit { policy: batches_of(5), push: own.clone(), pull: names(|_| true), ..unit("home") },
            Unit { policy: batches_of(2), push: own, ..unit("send") },
            Unit { pull: names(|_| true), ..unit("fetch") },
        ],
    }
}

fn unit(name: &str) -> Unit {
    Unit { name: name.to_owned(), ..Unit::default() }
}

/// Few in each, so that a queue is several requests: one is on its way while the answer to another is being stored.
fn batches_of(changes: u32) -> UnitPolicy {
    UnitPolicy { batch_size: Some(changes), ..UnitPolicy::default() }
}

pub(crate) fn auto() -> Auto {
    Auto {
        start: Some(HOME),
        online: Some(HOME),
        login: None,
        resume: Some(HOME),
        change: Some(SEND),
        every: Some(Every { unit: HOME, seconds: 20 }),
    }
}

pub(crate) fn server() -> Config {
    let field = |name: &str, kind| ServerField {
        name: name.to_owned(),
        column: name.to_owned(),
        kind,
        required: false,
        rule: None,
    };
    let side = || ServerType::Ref { entity: "place".to_owned() };
    let sides = |is_pair: bool| {
        SIDES.iter().filter(move |_| is_pair).map(|name| ServerField { required: true, ..field(name, side()) })
    };
    let entities = KINDS.iter().map(|kind| ServerEntity {
        name: kind.name.to_owned(),
        table: kind.name.to_owned(),
        policy: match kind.policy {
            Policy::ReadOnly => ServerPolicy::ReadOnly,
            Policy::AppendOnly => ServerPolicy::AppendOnly,
            Policy::DetectConflicts => ServerPolicy::DetectConflicts,
            Policy::LastWriteWins => ServerPolicy::LastWriteWins,
            Policy::Merge => ServerPolicy::Merge,
        },
        fields: [
            field("v", ServerType::Integer),
            field("w", ServerType::Integer),
            field("team", ServerType::Text { max: None }),
        ]
        .into_iter()
        .chain(sides(kind.name == PAIRED))
        .collect(),
        scopes: vec![if kind.by_team {
            ScopeTemplate::ByField { prefix: "team:".to_owned(), field: 2 }
        } else {
            ScopeTemplate::Everyone("all".to_owned())
        }],
        allow: whimbrel_server::Allow::everything(),
        view: None,
        pair: (kind.name == PAIRED).then_some([3, 4]),
    });
    let users = USERS.iter().map(|(name, teams)| {
        let scopes = std::iter::once("all".to_owned()).chain(teams.iter().map(|team| format!("team:{team}")));
        ((*name).to_owned(), User { id: (*name).to_owned(), scopes: scopes.collect(), realm: None })
    });
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data: PathBuf::new(),
        database: None,
        realms: Vec::new(),
        static_files: None,
        attachments: whimbrel_server::Attachments::default(),
        tokens: users.collect::<HashMap<_, _>>(),
        issuers: Vec::new(),
        scopes_sql: None,
        cors_origins: Vec::new(),
        edge: whimbrel_server::Edge::default(),
        tombstones_days: 90,
        entities: Entities::new(entities.collect()),
        seeds: Vec::new(),
    }
}
