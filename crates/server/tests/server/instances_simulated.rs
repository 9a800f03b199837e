//! The simulation's worlds on two real servers and one PostgreSQL: devices with the real engine ask one or the other at random, requests are doubled,
//! servers are killed in the middle. The judge is the simulation's.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use whimbrel_server::{MemoryWrite, Value};
use whimbrel_sim::{CONFIGURATION, Outside, Served, run_on};

use super::Here;
use super::program::command;
use crate::support::{Backend as _, Draw, effort};

/// One request in so many goes to both servers at once.
const DOUBLED: u32 = 8;
/// During one in so many the server that has it is killed.
const KILLED: u32 = 12;
/// Within so many milliseconds after the request was sent.
const KILLED_WITHIN_MS: u32 = 12;

/// Keeps what the log says of each version, with the row that there was then.
const AUDIT: &str = r#"
CREATE TABLE audit (number bigserial PRIMARY KEY, version bigint, entity text, id text, content jsonb, UNIQUE (version, entity, id));
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found jsonb;
BEGIN
  EXECUTE format('SELECT to_jsonb(one) FROM %I one WHERE id = $1', NEW.entity) INTO found USING NEW.id;
  INSERT INTO audit (version, entity, id, content) VALUES (NEW.version, NEW.entity, NEW.id, found) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON whimbrel_log FOR EACH ROW EXECUTE FUNCTION audit();
"#;

/// A server as a process.
struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(folder: &TempDir) -> Self {
        let mut command = command(folder.path());
        let mut child = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What is counted, so that a run without it is seen.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    requests: u32,
    doubled: u32,
    killed: u32,
    moved: u32,
    too_large: u32,
}

struct Servers {
    folder: TempDir,
    runtime: Runtime,
    http: reqwest::Client,
    state: Mutex<State>,
}

struct State {
    programs: [Program; 2],
    draw: Draw,
    database: sqlx::PgConnection,
    followed: i64,
    counts: Counts,
}

impl Servers {
    fn start(seed: u64, limits: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("server.toml"), format!("{CONFIGURATION}{limits}")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let first = Program::start(&folder);
        runtime.block_on(Here::sql(folder.path(), AUDIT));
        let database = runtime.block_on(Here::connect(folder.path()));
        let programs = [first, Program::start(&folder)];
        let state = State { programs, draw: Draw(seed), database, followed: 0, counts: Counts::default() };
        Self { folder, runtime, http: reqwest::Client::new(), state: Mutex::new(state) }
    }

    /// Sends a request to a server; none when it does not answer.
    fn ask(&self, url: &str, (method, path, token): (&str, &str, Option<&str>), body: &[u8]) -> Asked {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{url}{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let request = request.header("content-type", "application/json").body(body.to_vec());
        self.runtime.spawn(async move {
            let answer = request.send().await.ok()?;
            let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let (status, content_type) = (answer.status().as_u16(), kind.to_owned());
            let body = answer.bytes().await.ok()?.to_vec();
            Some(Served { status, content_type, body })
        })
    }
}

type Asked = tokio::task::JoinHandle<Option<Served>>;

impl Outside for Servers {
    fn serve(&self, method: &str, path: &str, token: Option<&str>, body: Vec<u8>) -> Served {
        let mut state = self.state.lock().unwrap();
        let State { programs, draw, counts, .. } = &mut *state;
        let place = draw.below(2) as usize;
        let [here, there] = [place, 1 - place].map(|place| programs[place].url.clone());
        let what = (method, path, token);
        counts.requests += 1;
        let asked = self.ask(&here, what, &body);
        let second = (draw.below(DOUBLED) == 0).then(|| self.ask(&there, what, &body));
        if draw.below(KILLED) == 0 {
            let pause = Duration::from_millis(draw.below(KILLED_WITHIN_MS).into());
            std::thread::sleep(pause);
            counts.killed += 1;
            let killed = Command::new("kill").args(["-KILL", &programs[place].child.id().to_string()]).status();
            assert!(killed.unwrap().success());
            programs[place] = Program::start(&self.folder);
        }
        let first = self.runtime.block_on(asked).unwrap();
        let second = second.map(|asked| self.runtime.block_on(asked).unwrap());
        counts.doubled += u32::from(second.is_some());
        if let Some(answer) = first.or(second.flatten()) {
            counts.too_large += u32::from(answer.status == 413);
            return answer;
        }
        // As a proxy does it: what has no answer is sent again, to the other one.
        counts.moved += 1;
        let answer = self.runtime.block_on(self.ask(&there, what, &body)).unwrap();
        answer.unwrap_or(Served { status: 502, content_type: "text/html".to_owned(), body: Vec::new() })
    }

    fn writes(&self) -> Vec<MemoryWrite> {
        let mut state = self.state.lock().unwrap();
        let State { database, followed, .. } = &mut *state;
        let sql = "SELECT number, version, entity, id, content::text FROM audit WHERE number > $1 ORDER BY number";
        let rows = self.runtime.block_on(sqlx::query(sql).bind(*followed).fetch_all(database)).unwrap();
        rows.iter()
            .map(|row| {
                *followed = row.get(0);
                let (entity, content): (String, Option<String>) = (row.get(2), row.get(4));
                let fields: &[&str] =
                    if entity == "link" { &["v", "w", "team", "left", "right"] } else { &["v", "w", "team"] };
                let content: Option<serde_json::Value> = content.map(|text| serde_json::from_str(&text).unwrap());
                let value = |value: &serde_json::Value| match value {
                    serde_json::Value::Number(number) => Value::Integer(number.as_i64().unwrap()),
                    serde_json::Value::String(text) => Value::Text(text.clone()),
                    _ => Value::Null,
                };
                let row_of = |content: serde_json::Value| fields.iter().map(|field| value(&content[*field])).collect();
                let version = u64::try_from(row.get::<i64, _>(1)).unwrap();
                MemoryWrite { version, entity, id: row.get(3), row: content.map(row_of) }
            })
            .collect()
    }

    fn write(&self, entity: &str, id: &str, number: i64) {
        let mut state = self.state.lock().unwrap();
        let sql = format!(
            "INSERT INTO \"{entity}\" (id, v) SELECT '{id}', {number} WHERE NOT EXISTS \
             (SELECT FROM whimbrel_log WHERE entity = '{entity}' AND id = '{id}' AND gone) \
             ON CONFLICT (id) DO UPDATE SET v = excluded.v"
        );
        self.runtime.block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut state.database)).unwrap();
    }
}

/// Plays worlds on servers with these limits; how many pushes were refused as too large.
fn play(limits: &str) -> u32 {
    let first = effort("WHIMBREL_SEED", std::process::id() as usize % 10_000) as u64;
    let worlds = effort("WHIMBREL_WORLDS", 3) as u64;
    let mut all = Counts::default();
    for seed in first..first + worlds {
        println!("WHIMBREL_SEED={seed}");
        let servers = Arc::new(Servers::start(seed, limits));
        let outcome = run_on(seed, false, Arc::clone(&servers) as Arc<dyn Outside>);
        let counts = servers.state.lock().unwrap().counts;
        println!("{} steps, {} faults of the world, {counts:?}", outcome.steps, outcome.faults.iter().sum::<u64>());
        assert_eq!(outcome.violations, Vec::<String>::new(), "WHIMBREL_SEED={seed} WHIMBREL_WORLDS=1");
        all.requests += counts.requests;
        all.doubled += counts.doubled;
        all.killed += counts.killed;
        all.moved += counts.moved;
        all.too_large += counts.too_large;
    }
    println!("{worlds} worlds: {all:?}");
    assert!(all.requests > 0 && (worlds < 3 || (all.doubled > 0 && all.killed > 0)), "{all:?}");
    all.too_large
}

#[test]
fn worlds_of_the_simulation_on_two_servers_that_are_killed() {
    assert_eq!(play(""), 0);
}

/// The engine knows nothing of these limits: it sends again in halves what is too large.
#[test]
fn worlds_of_the_simulation_on_two_servers_that_take_little() {
    let too_large = play("[limits]\npushChanges = 1\nchangeBytes = 1024\nbodyBytes = 65536\ndepth = 8\n");
    assert!(too_large > 0 || effort("WHIMBREL_WORLDS", 3) < 3);
}
