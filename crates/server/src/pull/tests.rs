use super::*;
use crate::model::{Field, FieldType, Policy, ScopeTemplate, Value};
use crate::sqlite::SqliteStorage;
use crate::storage::{Database as _, PushTransaction, SeedRows, StorageError, Write};

const ROWS: usize = PULL_BATCH_ROWS_MAX + 1;

fn entity() -> Entity {
    let field = Field { name: "n".into(), column: "n".into(), kind: FieldType::Integer, required: false, rule: None };
    let scopes = vec![ScopeTemplate::Everyone("all".into())];
    Entity {
        name: "e".into(),
        table: "e".into(),
        policy: Policy::LastWriteWins,
        fields: vec![field],
        scopes,
        allow: crate::model::Allow::everything(),
        view: None,
        pair: None,
    }
}

struct Rows(bool);

impl SeedRows for Rows {
    type Error = StorageError;

    async fn next(&mut self) -> Result<Option<Vec<(String, crate::model::Row)>>, StorageError> {
        let rows = (0..ROWS).map(|n| (format!("{n:05}"), vec![Value::Integer(0)]));
        Ok(std::mem::replace(&mut self.0, false).then(|| rows.collect()))
    }
}

async fn write(storage: &SqliteStorage, id: &str, write: Write<'_>) {
    let mut push = storage.begin_push().await.unwrap();
    push.write(&entity(), id, write).await.unwrap();
    push.commit().await.unwrap();
}

/// What a line says: its kind, and the ids in it.
fn say(line: &PullLine) -> String {
    match line {
        PullLine::Rows(batch) if batch.data.len() > 3 => format!("{} rows", batch.data.len()),
        PullLine::Rows(batch) => format!("rows {:?}", batch.data.iter().map(|row| &row[0]).collect::<Vec<_>>()),
        PullLine::Gone(gone) => format!("gone {:?}", gone.rows.iter().map(|(id, _)| id).collect::<Vec<_>>()),
        PullLine::Cursor(cursor) => format!("cursor, more: {}", cursor.more),
        PullLine::Start(_) => "start".to_owned(),
        PullLine::End {} => "end".to_owned(),
        other @ (PullLine::Resync { .. } | PullLine::Error(_)) => format!("{other:?}"),
    }
}

async fn begin(storage: &SqliteStorage, cursors: Vec<BucketCursor>) -> Pull<crate::sqlite::SqliteMoment> {
    let user = User { id: "u".into(), scopes: vec!["all".into()], realm: None };
    let request = PullRequest {
        protocol: PROTOCOL_VERSION,
        client: Uuid::nil().to_string(),
        schema: 1,
        user: None,
        entities: vec!["e".into()],
        cursors,
        stands: Vec::new(),
    };
    Pull::begin(storage, Arc::new(Entities::new(vec![entity()])), &user, &request).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_of_the_moment_when_it_began_and_the_next_one_brings_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let entities = Entities::new(vec![entity()]);
    let storage = SqliteStorage::open(&folder.path().join("db"), &entities).await.unwrap();
    storage.seed(&entity(), Rows(true)).await.unwrap();
    let mut pull = begin(&storage, Vec::new()).await;
    let (mut said, mut cursors) = (Vec::new(), Vec::new());
    while let Some(line) = pull.next().await {
        said.push(say(&line));
        if let PullLine::Cursor(cursor) = line {
            cursors.push(cursor);
        }
        if said.len() == 3 {
            let changed = vec![Value::Integer(1)];
            // Behind the snapshot, before it, and where it has not been yet.
            write(&storage, "00000", Write::Update { row: &changed, fields: &[0] }).await;
            write(&storage, "00001", Write::Delete).await;
            write(&storage, "!", Write::Insert(&changed)).await;
            write(&storage, "02000", Write::Update { row: &changed, fields: &[0] }).await;
        }
    }
    let expected =
        ["start", "2000 rows", "cursor, more: true", r#"rows [Text("02000")]"#, "cursor, more: false", "end"];
    assert_eq!(said, expected);
    let changes =
        [r#"rows [Text("00000"), Text("!"), Text("02000")]"#, r#"gone ["00001"]"#, "cursor, more: false", "end"];
    // From the end of that answer, and from the middle of it: a snapshot that goes on leaves out what is newer than it.
    for (from, before) in [(1, &[][..]), (0, &["cursor, more: true"])] {
        let mut pull = begin(&storage, vec![cursors[from].clone()]).await;
        let mut said = Vec::new();
        while let Some(line) = pull.next().await {
            said.push(say(&line));
        }
        assert_eq!(said, [&["start"], before, &changes].concat());
    }
}
