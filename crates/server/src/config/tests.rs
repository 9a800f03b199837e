use super::*;
use crate::model::{FieldType, Grant, Policy, ScopeTemplate};

pub(super) const GOOD: &str = r#"
data = "data/x.sqlite"
static = "dist"
[auth]
mode = "development"
tokens = [{ token = "t", user = "u", scopes = ["all"] }]
[[entity]]
name = "place"
policy = "readOnly"
allow = { read = ["*"] }
scopes = ["all", "country:{country}"]
fields = [
  { name = "name", type = "text", max = 200, required = true },
  { name = "country", type = "text", column = "country_code" },
]
[[entity]]
name = "workOrder"
table = "work_order"
policy = "detectConflicts"
allow = { read = ["*"], write = ["role:staff"], delete = ["role:admin"] }
scopes = ["all"]
fields = [{ name = "placeId", type = "ref", entity = "place" }, { name = "score", type = "real" }]
[[seed]]
entity = "place"
file = "../places.json"
idFrom = ["name"]
"#;

pub(super) fn load(text: &str) -> Result<Config, String> {
    load_with(text, Environment::default())
}

fn load_with(text: &str, environment: Environment) -> Result<Config, String> {
    let read = read(text, Path::new("folder"), environment);
    read.map_err(|list| Mistakes::new(Path::new("server.toml"), list).to_string())
}

#[test]
fn a_good_file() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(config.tombstones_days, 90);
    assert_eq!((config.data, config.static_files), ("folder/data/x.sqlite".into(), Some("folder/dist".into())));
    assert_eq!(config.tokens["t"].id, "u");
    let place = config.entities.find("place").unwrap();
    assert_eq!((place.table.as_str(), place.policy), ("place", Policy::ReadOnly));
    assert_eq!((place.fields[0].column.as_str(), place.fields[0].required), ("name", true));
    assert_eq!((place.fields[1].column.as_str(), place.fields[1].required), ("country_code", false));
    assert_eq!(place.scopes[1], ScopeTemplate::ByField { prefix: "country:".into(), field: 1 });
    assert!(place.allow.create.is_empty());
    let order = config.entities.find("workOrder").unwrap();
    assert_eq!(order.table, "work_order");
    assert_eq!(order.fields[0].kind, FieldType::Ref { entity: "place".into() });
    let staff = Grant::new(vec!["role:staff".into()]);
    assert_eq!((&order.allow.create, &order.allow.update), (&staff, &staff));
    assert_eq!((&order.allow.delete, &order.allow.read), (&Grant::new(vec!["role:admin".into()]), &Grant::everybody()));
    let seed = Seed {
        entity: "place".into(),
        file: "folder/../places.json".into(),
        id_from: vec!["name".into()],
        realm: None,
    };
    assert_eq!(config.seeds, [seed]);
}

/// What is changed in the good file, and what is said of it: each mistake without the file's name.
#[test]
fn what_is_wrong_is_said_by_line_with_a_code() {
    let cases = [
        ("data = ", "data = \"x\" \"y\" # ", "2:12: config/syntax: unexpected key or value, expected newline"),
        ("data = \"data/x.sqlite\"", "", "config/missing-key: neither data (a SQLite file) nor database"),
        (
            "data = \"data/x.sqlite\"",
            "database = \"x\"",
            "2:12: config/value: database: the address of a database begins with",
        ),
        (
            "data = \"data/x.sqlite\"",
            "data = \"x\"\nlisten = \"here\"",
            "3:10: config/value: listen: \"here\" is no address",
        ),
        ("\"work_order\"", "\"pg_x\"", "18:9: config/name: entity[workOrder].table: the table name pg_x is reserved"),
        (
            "[auth]",
            "surprise = 1\n[auth]",
            "4:1: config/unknown-key: surprise: there is no such key here; there are attachments,",
        ),
        ("mode = \"development\"", "", "config/missing-key: auth.mode: is missing: `jwt`, or `development`"),
        (
            "mode = \"development\"",
            "mode = \"develop\"",
            "5:8: config/value: auth.mode: \"develop\" is none of development, jwt; did you mean development?",
        ),
        (
            "tokens = [{",
            "tokens = [{ token = \"t\", user = \"v\" }, {",
            "6:50: config/duplicate: auth.tokens[1].token: the token is there twice",
        ),
        ("token = \"t\"", "token = \"\"", "6:21: config/value: auth.tokens[0].token: is empty"),
        (
            "type = \"real\"",
            "type = \"reel\"",
            "22:90: config/value: entity[workOrder].fields[score].type: \"reel\" is none of text, integer, real, boolean, timestamp, ref, attachment; did you mean real?",
        ),
        (
            "max = 200",
            "maxx = 200",
            "13:35: config/unknown-key: entity[place].fields[name].maxx: there is no such key here; did you mean max?",
        ),
        (
            "max = 200",
            "max = \"200\"",
            "13:41: config/type: entity[place].fields[name].max: is text; a whole number was expected",
        ),
        ("max = 200", "max = 0", "13:41: config/value: entity[place].fields[name].max: is 0; it is 1 to 4294967295"),
        (
            "\"score\", type = \"real\"",
            "\"score\", type = \"real\", max = 1",
            "22:104: config/value: entity[workOrder].fields[score].max: max is for text only",
        ),
        ("\"name\", type", "\"id\", type", "13:12: config/name: entity[place].fields[id].name: every record has an id"),
        (
            "\"name\", type",
            "\"_name\", type",
            "config/name: entity[place].fields[_name].name: the name \"_name\" cannot be used",
        ),
        (
            "\"name\", type",
            "\"__proto__\", type",
            "config/name: entity[place].fields[__proto__].name: the name \"__proto__\" cannot be used",
        ),
        (
            "\"country_code\"",
            "\"a\\\"b\"",
            "14:47: config/name: entity[place].fields[country].column: the name \"a\"b\" cannot be used",
        ),
        (
            "\"country_code\"",
            "\"NAME\"",
            "14:47: config/duplicate: entity[place].fields[country].column: the column NAME is taken",
        ),
        (
            "\"score\", type",
            "\"placeId\", type",
            "22:74: config/duplicate: entity[workOrder].fields[placeId].name: is declared twice",
        ),
        (
            "name = \"workOrder\"",
            "name = \"place\"",
            "17:8: config/duplicate: entity[place].name: there is another entity place",
        ),
        (
            "\"work_order\"",
            "\"Place\"",
            "18:9: config/duplicate: entity[workOrder].table: the table Place is another entity's",
        ),
        ("\"work_order\"", "\"sqlite_x\"", "the table name sqlite_x is reserved"),
        ("\"work_order\"", "\"Whimbrel_log\"", "the table name Whimbrel_log is reserved"),
        (
            "type = \"real\"",
            "type = \"real\", merge = \"sun\"",
            "merge: \"sun\" is none of server, client, newest, sum, union; did you mean sum?",
        ),
        ("type = \"real\"", "type = \"real\", merge = \"sum\"", "merge is for entities whose policy is merge"),
        (
            "{country}",
            "{countri}",
            "11:18: config/unknown-name: entity[place].scopes[1]: \"country:{countri}\" names the field countri, which the entity does not have; did you mean country?",
        ),
        ("country:{country}", "{country}", "11:18: config/value: entity[place].scopes[1]: \"{country}\" is no scope"),
        (
            "scopes = [\"all\"]\nfields",
            "scopes = []\nfields",
            "21:10: config/value: entity[workOrder].scopes: has 0 entries; 1 or more",
        ),
        ("scopes = [\"all\"]\nfields", "scopes = [\"s:{score}\"]\nfields", "scopes are made of text"),
        (
            "entity = \"place\" }, {",
            "entity = \"plaice\" }, {",
            "22:54: config/unknown-name: entity[workOrder].fields[placeId].entity: there is no entity plaice; did you mean place?",
        ),
        (
            ", entity = \"place\" }, {",
            " }, {",
            "22:11: config/missing-key: entity[workOrder].fields[placeId].entity: is missing",
        ),
        (
            "entity = \"place\"\nfile",
            "entity = \"plaice\"\nfile",
            "config/unknown-name: seed[0].entity: there is no entity plaice",
        ),
        ("idFrom = [\"name\"]", "idFrom = []", "26:10: config/value: seed[0].idFrom: has 0 entries"),
        (
            "allow = { read = [\"*\"] }\n",
            "",
            "7:1: config/missing-key: entity[place].allow: is missing: Who may do what with it",
        ),
        (
            "read = [\"*\"] }\n",
            "read = [\"*\"], write = [\"*\"] }\n",
            "10:33: config/value: entity[place].allow.write: the entity's policy lets nobody do that",
        ),
        ("[\"role:staff\"]", "[\"\"]", "20:34: config/value: entity[workOrder].allow.write[0]: a scope is not empty"),
    ];
    let mut wrong = String::new();
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let error = load(&GOOD.replacen(good, bad, 1)).expect_err(bad);
        assert!(error.starts_with("server.toml:"), "{error}");
        if !error.contains(expected) || error.lines().count() != 1 {
            wrong += &format!("{bad}:\n  is  {error}\n  not {expected}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn all_mistakes_are_said_at_once() {
    let changes = [
        ("max = 200", "min = 200"),
        ("[auth]", "[cors]\norigins = [\"*\", \"https://a.example\", \"https://b.example/\"]\n[auth]"),
        ("entity = \"place\" }, {", "entity = \"plaice\" }, {"),
        ("\"score\", type", "\"id\", type"),
        ("entity = \"place\"\nfile", "entity = \"plaice\"\nfile"),
        ("token = \"t\"", "token = \"\""),
    ];
    let text = changes.iter().fold(GOOD.to_owned(), |text, (good, bad)| text.replacen(good, bad, 1));
    let error = load(&text).unwrap_err();
    let lines: Vec<&str> = error.lines().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["5", "5", "8", "15", "24", "24", "26"], "{error}");
    // What cannot be read is not taken for missing: there is a place, only not a good one.
    assert!(!error.contains("no entity place;") && !error.contains("missing"), "{error}");
    let both = load("data = \"x\"\n= 1\nb = [\n").unwrap_err();
    assert_eq!(both.matches("config/syntax").count(), both.lines().count(), "{both}");
    assert!(both.lines().count() > 1, "{both}");
}

#[test]
fn views() {
    let view = "view = { name = \"open_order\", of = [\"orders\", \"place\"] }";
    let good = GOOD.replace("allow = { read = [\"*\"] }", &format!("allow = {{ read = [\"*\"] }}\n{view}"));
    let good = good.split("[[seed]]").next().unwrap().to_owned();
    let config = load(&good).unwrap();
    let place = config.entities.find("place").unwrap();
    assert_eq!(place.table, "whimbrel_view_place");
    let of = vec!["orders".to_owned(), "place".to_owned()];
    assert_eq!(place.view, Some(crate::model::View { name: "open_order".into(), of }));
    let long = "p".repeat(41);
    for (from, to, expected) in [
        ("policy = \"readOnly\"", "policy = \"merge\"", "config/value: entity[place].policy: of a view it is readOnly"),
        ("view = {", "table = \"x\"\nview = {", "config/value: entity[place].table: an entity has a table or a view"),
        ("of = [\"orders\", \"place\"]", "of = []", "config/value: entity[place].view.of: has 0 entries"),
        ("\"open_order\"", "\"open-order\"", "config/name: entity[place].view.name: the name \"open-order\""),
        ("\"orders\"", "\"whimbrel_log\"", "config/name: entity[place].view.of[0]: the name whimbrel_log is reserved"),
        (
            "name = \"place\"",
            &format!("name = \"{long}\""),
            "the name of an entity that is a view has 40 bytes at most",
        ),
        (
            "[[entity]]",
            "[[seed]]\nentity = \"place\"\nfile = \"x\"\nidFrom = [\"a\"]\n[[entity]]",
            "config/value: seed[0].entity: is a view",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let error = load(&good.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn a_query_for_scopes_asks_for_the_user() {
    let with = |sql: &str| load(&GOOD.replacen("[auth]", &format!("[auth]\nscopesSql = \"{sql}\""), 1));
    let sql = "SELECT 'team:' || team FROM member WHERE id = $1";
    assert_eq!(with(sql).unwrap().scopes_sql.as_deref(), Some(sql));
    let error = with("SELECT team FROM member").unwrap_err();
    assert!(error.contains("5:13: config/value: auth.scopesSql: does not ask for $1"), "{error}");
}

#[test]
fn pairs() {
    let pair = |pair: &str| load(&GOOD.replacen("detectConflicts\"", &format!("detectConflicts\"\npair = {pair}"), 1));
    for (names, expected) in [
        (
            "[\"placeId\", \"scor\"]",
            "config/unknown-name: entity[workOrder].pair[1]: scor is not a field; did you mean score?",
        ),
        ("[\"placeId\", \"score\"]", "entity[workOrder].pair[1]: score: a pair is of two refs"),
        ("[\"placeId\", \"placeId\"]", "entity[workOrder].pair: names the same field twice"),
        ("[\"placeId\"]", "entity[workOrder].pair: has 1 entries; 2 are expected"),
    ] {
        let error = pair(names).expect_err(names);
        assert!(error.contains(expected), "{names}: {error}");
    }
    let pair = GOOD.replace("type = \"real\"", "type = \"ref\", entity = \"place\"");
    let pair = pair.replacen("detectConflicts\"", "detectConflicts\"\npair = [\"score\", \"placeId\"]", 1);
    let config = load(&pair).unwrap();
    let order = config.entities.find("workOrder").unwrap();
    assert_eq!(order.pair, Some([1, 0]));
    assert!(order.fields.iter().all(|field| field.required), "both refs of a pair are required");
}

#[test]
fn attachments() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.attachments_folder(), Path::new("folder/data/x.sqlite.attachments"));
    assert_eq!(config.attachments.max_bytes, 256 * 1024 * 1024);
    let with = |text: &str| load(&GOOD.replace("[auth]", &format!("[attachments]\n{text}\n[auth]")));
    let config = with("folder = \"blobs\"\nmaxBytes = 1000").unwrap();
    assert_eq!(config.attachments, Attachments { folder: Some("folder/blobs".into()), max_bytes: 1000 });
    for bad in ["maxBytes = 0", "maxBytes = 268435457"] {
        let error = with(bad).unwrap_err();
        assert!(
            error.contains("config/value: attachments.maxBytes: is") && error.ends_with("1 to 268435456"),
            "{error}"
        );
    }
    let typed = GOOD.replace("type = \"real\"", "type = \"attachment\"");
    assert_eq!(load(&typed).unwrap().entities.find("workOrder").unwrap().fields[1].kind, FieldType::Attachment);
    let scoped = typed.replace("scopes = [\"all\"]\nfields", "scopes = [\"a:{score}\"]\nfields");
    assert!(load(&scoped).unwrap_err().contains("scopes are made of text"));
}

#[test]
fn removals_are_kept_for_days() {
    assert_eq!(load(&format!("{GOOD}[retention]\ntombstones_days = 7")).unwrap().tombstones_days, 7);
    let error = load(&format!("{GOOD}[retention]\ntombstones_days = 0")).unwrap_err();
    assert!(error.contains("retention.tombstones_days: is 0; removals must be there"), "{error}");
}

#[test]
fn the_environment_counts_before_the_file() {
    let text = GOOD.replace("data = \"data/x.sqlite\"", "database = \"postgres://a/b\"");
    let config = load(&text).unwrap();
    assert_eq!(config.database.as_deref(), Some("postgres://a/b"));
    assert_eq!(config.attachments_folder(), Path::new("folder/whimbrel.attachments"));
    let environment = || Environment {
        listen: Some("127.0.0.1:1".into()),
        data: Some("own.sqlite".into()),
        static_files: Some("own".into()),
        database: Some((DATABASE_URL, "postgresql://c/d".into())),
    };
    let config = load_with(&text, environment()).unwrap();
    assert_eq!(config.database.as_deref(), Some("postgresql://c/d"));
    assert_eq!((config.data, config.static_files), ("own.sqlite".into(), Some("own".into())));
    assert_eq!(config.listen.port(), 1);
    let wrong =
        Environment { listen: Some("x".into()), database: Some((DATABASE_URL, "mysql://".into())), ..environment() };
    let error = load_with(&text, wrong).unwrap_err();
    assert!(error.contains("server.toml: config/value: WHIMBREL_LISTEN: \"x\" is no address"), "{error}");
    assert!(error.contains("server.toml: config/value: DATABASE_URL: the address"), "{error}");
}

/// `BLESS=1 cargo test` writes it anew.
#[test]
fn the_schema_is_the_one_that_editors_get() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("whimbrel.schema.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, config_schema()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), config_schema(), "BLESS=1 writes it anew");
    // Every key says what it is for.
    let schema: serde_json::Value = serde_json::from_str(&config_schema()).unwrap();
    // The guides say them, for whoever configures a server and for whoever runs one.
    let guide = |name: &str| std::fs::read_to_string(format!("{}/../../docs/{name}.md", env!("CARGO_MANIFEST_DIR")));
    let guides = guide("SERVER").unwrap() + &guide("OPERATIONS").unwrap_or_default();
    let shapes = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for (key, property) in shapes.filter_map(|shape| shape["properties"].as_object()).flatten() {
        assert!(property.get("description").is_some(), "{key}: {property}");
        assert!(!property.to_string().contains("null"), "{key}: {property}");
        let words = [format!("`{key}`"), format!(" {key}`"), format!("[{key}]"), format!(".{key}]]")];
        assert!(
            words.iter().any(|word| guides.contains(word)),
            "{key} is neither in docs/SERVER.md nor in docs/OPERATIONS.md"
        );
    }
}
