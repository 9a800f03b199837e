//! The storage port's contract: whatever is done to a database in memory, to one in SQLite and to one in PostgreSQL, all say the same.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use whimbrel_protocol::Outcome;
use whimbrel_server::{
    Bucket, Client, Database as _, Decided, Entities, Entity, Field, FieldType, MemoryStorage, PageLimit, Policy,
    PostgresStorage, PushTransaction, ScopeTemplate, SqliteStorage, Storage, Value, Write, Written,
};

use crate::support::cluster;

/// A call of a push.
#[derive(Debug, Clone)]
enum Call {
    Insert(u8, u8, Vec<Value>),
    Update(u8, u8, Vec<Value>, Vec<usize>),
    Delete(u8, u8),
    Mark,
    Keep,
    RollBack,
    Remember(u8, u8, u8),
    /// Notes a time, after a deletion too.
    Note(u8, u8, usize, i64),
    Ack(u8, u8),
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        calls: Vec<Call>,
        is_committed: bool,
    },
    /// An era begins at a time.
    Begin(i64),
    /// What was before a time is forgotten.
    Compact(i64),
    Look {
        after: u64,
        upto: u64,
        id: u8,
        rows: usize,
        bytes: usize,
    },
}

fn entities() -> Entities {
    let field =
        |name: &str, kind| Field { name: name.to_owned(), column: name.to_owned(), kind, required: false, rule: None };
    let fields = || vec![field("team", FieldType::Text { max: None }), field("count", FieldType::Integer)];
    let by_team = ScopeTemplate::ByField { prefix: "team:".to_owned(), field: 0 };
    let entity = |name: &str, scopes| {
        let (name, table) = (name.to_owned(), name.to_owned());
        Entity {
            name,
            table,
            policy: Policy::LastWriteWins,
            fields: fields(),
            scopes,
            allow: whimbrel_server::Allow::everything(),
            view: None,
            pair: Some([0, 1]),
        }
    };
    Entities::new(vec![
        entity("task", vec![by_team.clone()]),
        entity("note", vec![by_team, ScopeTemplate::Everyone("all".to_owned())]),
    ])
}

fn calls() -> impl Strategy<Value = Call> {
    let team = prop_oneof![Just(Value::Null), Just(Value::Text("a".to_owned())), Just(Value::Text("b".to_owned()))];
    let count = prop_oneof![Just(Value::Null), (0..2_i64).prop_map(Value::Integer)];
    let row = (team, count).prop_map(|(team, count)| vec![team, count]);
    let fields = prop::sample::subsequence(vec![0, 1], 0..=2);
    let id = || 0..4_u8;
    prop_oneof![
        3 => (0..2_u8, id(), row.clone()).prop_map(|(entity, id, row)| Call::Insert(entity, id, row)),
        4 => (0..2_u8, id(), row, fields).prop_map(|(entity, id, row, fields)| Call::Update(entity, id, row, fields)),
        2 => (0..2_u8, id()).prop_map(|(entity, id)| Call::Delete(entity, id)),
        2 => (0..2_u8, id(), 0..2_usize, 0..9_i64).prop_map(|(of, id, field, at)| Call::Note(of, id, field, at)),
        1 => Just(Call::Mark),
        1 => Just(Call::Keep),
        1 => Just(Call::RollBack),
        2 => (0..2_u8, 0..2_u8, id()).prop_map(|(client, entity, id)| Call::Remember(client, entity, id)),
        1 => (0..2_u8, 0..4_u8).prop_map(|(client, ack)| Call::Ack(client, ack)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::collection::vec(calls(), 0..8), prop::bool::weighted(0.8))
            .prop_map(|(calls, is_committed)| Step::Push { calls, is_committed }),
        1 => (0..20_i64).prop_map(Step::Begin),
        1 => (0..20_i64).prop_map(Step::Compact),
        4 => (0..12_u64, 0..24_u64, 0..5_u8, 1..5_usize, prop_oneof![Just(1_000_usize), Just(20)])
            .prop_map(|(after, upto, id, rows, bytes)| Step::Look { after, upto, id, rows, bytes }),
    ]
}

/// A database, and the numbers of its clients.
struct Side<S> {
    storage: S,
    seqs: [u64; 2],
    /// The names of all eras.
    eras: Vec<String>,
}

impl<S: Storage> Side<S> {
    async fn new(storage: S) -> Self {
        let history = storage.head().await.unwrap().history;
        assert_eq!(storage.history_until(&history).await.unwrap(), Some(u64::MAX));
        assert_eq!(storage.history_until("another").await.unwrap(), None);
        // Times are made up here; the era of the opening would be of today.
        storage.begin_era(0).await.unwrap();
        Self { storage, seqs: [0; 2], eras: Vec::new() }
    }

    /// Does a step; everything there is to see of it.
    async fn step(&mut self, entities: &Entities, step: &Step) -> Vec<String> {
        match step {
            Step::Push { calls, is_committed } => {
                let mut push = self.storage.begin_push().await.unwrap();
                let (mut said, mut seqs, mut is_marked) = (Vec::new(), self.seqs, false);
                for call in calls {
                    said.push(one(&mut push, entities, call, &mut seqs, &mut is_marked).await);
                }
                if is_marked {
                    push.keep().await.unwrap();
                }
                if *is_committed {
                    push.commit().await.unwrap();
                    self.seqs = seqs;
                }
                said.push(format!("{:?}", self.storage.head().await.unwrap().version));
                said
            }
            Step::Begin(at) => {
                self.storage.begin_era(*at).await.unwrap();
                let era = self.storage.head().await.unwrap().era;
                assert!(!self.eras.contains(&era), "an era has a name of its own");
                self.eras.push(era);
                Vec::new()
            }
            Step::Compact(before) => {
                let mut said = vec![format!("{:?}", self.storage.compact(*before).await.unwrap())];
                said.push(format!("{:?}", self.storage.head().await.unwrap().horizon));
                for era in self.eras.iter().map(String::as_str).chain(["never"]) {
                    said.push(format!("{:?}", self.storage.era_until(era).await.unwrap()));
                }
                said
            }
            Step::Look { after, upto, id, rows, bytes } => {
                let mut said = Vec::new();
                let limit = PageLimit { rows: *rows, bytes: *bytes };
                for (entity, scope) in
                    entities.iter().flat_map(|entity| ["team:a", "team:b", "all", ""].map(|scope| (entity, scope)))
                {
                    let bucket = Bucket { entity, scope };
                    let from = if *id == 0 { String::new() } else { (id - 1).to_string() };
                    said.push(format!("{:?}", self.storage.snapshot(bucket, *upto, &from, limit).await.unwrap()));
                    said.push(format!("{:?}", self.storage.changes(bucket, *after, *upto, limit).await.unwrap()));
                    said.push(format!("{:?}", self.storage.count_snapshot(bucket, &from).await.unwrap()));
                    said.push(format!("{:?}", self.storage.count_changes(bucket, *after, *upto).await.unwrap()));
                    said.push(format!("{:?}", self.storage.has_text(bucket, 0, "a").await.unwrap()));
                }
                said
            }
        }
    }
}

async fn one<P: PushTransaction>(
    push: &mut P,
    entities: &Entities,
    call: &Call,
    seqs: &mut [u64; 2],
    is_marked: &mut bool,
) -> String {
    let entity = |place: &u8| entities.iter().nth(usize::from(*place)).unwrap();
    match call {
        Call::Insert(of, id, _) | Call::Update(of, id, ..) | Call::Delete(of, id) => {
            let (entity, id) = (entity(of), id.to_string());
            let record = push.record(entity, &id).await.unwrap();
            let is_live = matches!(record, whimbrel_server::Record::Live { .. });
            let written = match call {
                Call::Insert(_, _, row) if !is_live => push.write(entity, &id, Write::Insert(row)).await.unwrap(),
                Call::Update(_, _, row, fields) if is_live => {
                    push.write(entity, &id, Write::Update { row, fields }).await.unwrap()
                }
                Call::Delete(..) if is_live => push.write(entity, &id, Write::Delete).await.unwrap(),
                _ => Written::Done(0),
            };
            format!("{record:?} {written:?}")
        }
        Call::Note(of, id, field, at) => {
            let (entity, id) = (entity(of), id.to_string());
            let before = push.times(entity, &id).await.unwrap();
            push.note_times(entity, &id, &[*field], *at).await.unwrap();
            format!("{before:?} {:?}", push.times(entity, &id).await.unwrap())
        }
        Call::Mark if !*is_marked => {
            *is_marked = true;
            push.mark().await.unwrap();
            String::new()
        }
        Call::Keep if *is_marked => {
            *is_marked = false;
            push.keep().await.unwrap();
            String::new()
        }
        Call::RollBack if *is_marked => {
            *is_marked = false;
            push.roll_back().await.unwrap();
            String::new()
        }
        Call::Mark | Call::Keep | Call::RollBack => String::new(),
        Call::Remember(client, of, id) => {
            let (name, entity, id) = (client.to_string(), entity(of), id.to_string());
            let seq = &mut seqs[usize::from(*client)];
            *seq += 1;
            let decided =
                Decided { seq: *seq, change: format!("c{seq}"), outcome: Outcome::Accepted { version: *seq } };
            // A rolled back decision's number is not given again here; a gap is none of the storage's business.
            push.remember(&name, &decided, (&entity.name, &id)).await.unwrap();
            format!("{:?}", push.own_version(&name, entity, &id).await.unwrap())
        }
        Call::Ack(client, ack) => {
            let name = client.to_string();
            let ack = u64::from(*ack);
            let known = push.client(&name).await.unwrap();
            let client = Client { user: "ana".to_owned(), last_seq: seqs[usize::from(*client)], ack };
            push.save_client(&name, &client).await.unwrap();
            format!("{known:?} {:?}", push.decided(&name, 1).await.unwrap())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_says_what_sqlite_says(steps in prop::collection::vec(steps(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (folder, entities) = (TempDir::new().unwrap(), entities());
            let sqlite = SqliteStorage::open(&folder.path().join("it.sqlite"), &entities).await.unwrap();
            compare(Side::new(sqlite).await, &entities, &steps).await;
        });
    }
}

/// All cases in one database, which is emptied in between: to make one takes longer than a case.
#[test]
fn memory_says_what_postgresql_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(cluster::new_database());
    let mut runner = TestRunner::new(ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(32) });
    let tried = runner.run(&prop::collection::vec(steps(), 1..16), |steps| {
        runtime.block_on(async {
            let entities = entities();
            let postgres = PostgresStorage::open(&url, &entities).await.unwrap();
            compare(Side::new(postgres.clone()).await, &entities, &steps).await;
            postgres.close().await.unwrap();
            cluster::empty_database(&url).await;
        });
        Ok(())
    });
    tried.unwrap();
}

async fn compare<S: Storage>(mut other: Side<S>, entities: &Entities, steps: &[Step]) {
    let mut memory = Side::new(MemoryStorage::new("h")).await;
    for step in steps {
        assert_eq!(memory.step(entities, step).await, other.step(entities, step).await, "{step:?}");
    }
}
