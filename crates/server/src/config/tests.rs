use super::*;
use crate::model::{FieldType, Policy, ScopeTemplate};

const GOOD: &str = r#"
data = "data/x.sqlite"
static = "dist"
[auth]
mode = "development"
tokens = [{ token = "t", user = "u", scopes = ["all"] }]
[[entity]]
name = "place"
policy = "readOnly"
scopes = ["all", "country:{country}"]
fields = [
  { name = "name", type = "text", max = 200, required = true },
  { name = "country", type = "text", column = "country_code" },
]
[[entity]]
name = "workOrder"
table = "work_order"
policy = "detectConflicts"
scopes = ["all"]
fields = [{ name = "placeId", type = "ref", entity = "place" }, { name = "score", type = "real" }]
[[seed]]
entity = "place"
file = "../places.json"
idFrom = ["name"]
"#;

fn load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, text).unwrap();
    let relative = |path: PathBuf| path.strip_prefix(folder.path()).map(Path::to_owned).unwrap_or(path);
    let config = Config::load_with(&file, None).map_err(|error| error.to_string())?;
    Ok(Config {
        data: relative(config.data),
        static_files: config.static_files.map(relative),
        attachments: Attachments { folder: config.attachments.folder.map(relative), ..config.attachments },
        seeds: config.seeds.into_iter().map(|seed| Seed { file: relative(seed.file), ..seed }).collect(),
        ..config
    })
}

#[test]
fn a_good_file() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(config.tombstones_days, 90);
    assert_eq!((config.data, config.static_files), ("data/x.sqlite".into(), Some("dist".into())));
    assert_eq!(config.tokens["t"].id, "u");
    let place = config.entities.find("place").unwrap();
    assert_eq!((place.table.as_str(), place.policy), ("place", Policy::ReadOnly));
    assert_eq!((place.fields[0].column.as_str(), place.fields[0].required), ("name", true));
    assert_eq!((place.fields[1].column.as_str(), place.fields[1].required), ("country_code", false));
    assert_eq!(place.scopes[1], ScopeTemplate::ByField { prefix: "country:".into(), field: 1 });
    let order = config.entities.find("workOrder").unwrap();
    assert_eq!(order.table, "work_order");
    assert_eq!(order.fields[0].kind, FieldType::Ref { entity: "place".into() });
    let seed = Seed { entity: "place".into(), file: "../places.json".into(), id_from: vec!["name".into()] };
    assert_eq!(config.seeds, [seed]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("data = ", "data == ", "server.toml"),
        ("data = \"data/x.sqlite\"", "", "names neither data (a SQLite file) nor a database"),
        ("data = \"data/x.sqlite\"", "database = \"x.sqlite\"", "database: its address begins with postgres://"),
        ("\"work_order\"", "\"pg_x\"", "the table name pg_x is reserved"),
        ("[auth]", "surprise = 1\n[auth]", "surprise"),
        ("mode = \"development\"", "", "missing field `mode` for key \"default.auth\""),
        ("mode = \"development\"", "mode = \"open\"", "auth.mode"),
        (
            "tokens = [{",
            "tokens = [{ token = \"t\", user = \"v\", scopes = [] }, {",
            "entry 2: the token is there twice",
        ),
        ("token = \"t\"", "token = \"\"", "auth.tokens, entry 1: a token and a user are not empty"),
        ("type = \"real\"", "type = \"float\"", "entity.1.fields.1.type"),
        ("max = 200", "min = 200", "min"),
        ("\"score\", type = \"real\"", "\"score\", type = \"real\", max = 1", "field score: max is for text only"),
        ("\"name\", type", "\"id\", type", "entity place, field id: every entity has an id"),
        ("\"name\", type", "\"_name\", type", "the name \"_name\" cannot be used"),
        ("\"name\", type", "\"__proto__\", type", "the name \"__proto__\" cannot be used"),
        ("\"country_code\"", "\"a\\\"b\"", "field country: the name \"a\"b\" cannot be used"),
        ("\"country_code\"", "\"NAME\"", "field country: the column NAME is taken"),
        ("\"score\", type", "\"placeId\", type", "entity workOrder, field placeId: is declared twice"),
        ("name = \"workOrder\"", "name = \"place\"", "entity place: is declared twice"),
        ("\"work_order\"", "\"Place\"", "entity workOrder: the table Place belongs to another entity"),
        ("\"work_order\"", "\"sqlite_x\"", "the table name sqlite_x is reserved"),
        ("\"work_order\"", "\"Whimbrel_log\"", "the table name Whimbrel_log is reserved"),
        ("type = \"real\"", "type = \"real\", merge = \"latest\"", "there are server, client, newest, sum, union"),
        ("type = \"real\"", "type = \"real\", merge = \"sum\"", "merge is for entities whose policy is merge"),
        ("{country}", "{nation}", "entity place: \"country:{nation}\" names the field \"nation\""),
        ("country:{country}", "{country}", "entity place: \"{country}\" is no scope"),
        ("detectConflicts\"\nscopes = [\"all\"]", "detectConflicts\"\nscopes = []", "entity workOrder: has no scopes"),
        (
            "detectConflicts\"\nscopes = [\"all\"]",
            "detectConflicts\"\nscopes = [\"s:{score}\"]",
            "scopes are made of text",
        ),
        ("entity = \"place\" }, {", "entity = \"plaice\" }, {", "field placeId: there is no entity plaice"),
        (", entity = \"place\" }, {", " }, {", "field placeId: entity belongs to a ref"),
        ("entity = \"place\"\nfile", "entity = \"plaice\"\nfile", "seed of plaice: there is no such entity"),
        ("idFrom = [\"name\"]", "idFrom = []", "seed of place: idFrom names no keys"),
    ];
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let error = load(&GOOD.replacen(good, bad, 1)).expect_err(bad);
        assert!(error.contains(expected), "{bad}: {error}");
    }
    let pair = |pair: &str| load(&GOOD.replacen("detectConflicts\"", &format!("detectConflicts\"\npair = {pair}"), 1));
    for (names, expected) in [
        ("[\"placeId\", \"nope\"]", "entity workOrder: pair names nope, which is not a field"),
        ("[\"placeId\", \"score\"]", "entity workOrder: pair names score; a pair is of two refs"),
        ("[\"placeId\", \"placeId\"]", "entity workOrder: pair names the same field twice"),
        ("[\"placeId\"]", "entity.1.pair"),
    ] {
        let error = pair(names).expect_err(names);
        assert!(error.contains(expected), "{names}: {error}");
    }
    let fields =
        "fields = [{ name = \"placeId\", type = \"ref\", entity = \"place\" }, { name = \"score\", type = \"real\" }]";
    let error = load(&GOOD.replace(fields, "fields = []")).expect_err("no fields");
    assert!(error.contains("entity workOrder: has 0 fields"), "{error}");
    let error = load("data = \"x\"\nauth = { mode = \"development\" }").expect_err("no entities");
    assert!(error.contains("declares no [[entity]]"), "{error}");
}

#[test]
fn both_refs_of_a_pair_are_required() {
    let pair = GOOD.replace("type = \"real\"", "type = \"ref\", entity = \"place\"");
    let pair = pair.replacen("detectConflicts\"", "detectConflicts\"\npair = [\"score\", \"placeId\"]", 1);
    let config = load(&pair).unwrap();
    let order = config.entities.find("workOrder").unwrap();
    assert_eq!(order.pair, Some([1, 0]));
    assert!(order.fields.iter().all(|field| field.required));
}

#[test]
fn attachments() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.attachments_folder(), Path::new("data/x.sqlite.attachments"));
    assert_eq!(config.attachments.max_bytes, 256 * 1024 * 1024);
    let with = |text: &str| load(&GOOD.replace("[auth]", &format!("[attachments]\n{text}\n[auth]")));
    let config = with("folder = \"blobs\"\nmaxBytes = 1000").unwrap();
    assert_eq!(config.attachments, Attachments { folder: Some("blobs".into()), max_bytes: 1000 });
    for bad in ["maxBytes = 0", "maxBytes = 268435457"] {
        assert_eq!(with(bad).unwrap_err(), "attachments: maxBytes is 1 to 268435456");
    }
    let typed = GOOD.replace("type = \"real\"", "type = \"attachment\"");
    assert_eq!(load(&typed).unwrap().entities.find("workOrder").unwrap().fields[1].kind, FieldType::Attachment);
    let scoped = typed.replace("detectConflicts\"\nscopes = [\"all\"]", "detectConflicts\"\nscopes = [\"a:{score}\"]");
    assert!(load(&scoped).unwrap_err().contains("scopes are made of text"));
}

#[test]
fn removals_are_kept_for_days() {
    assert_eq!(load(&format!("{GOOD}[retention]\ntombstones_days = 7")).unwrap().tombstones_days, 7);
    let error = load(&format!("{GOOD}[retention]\ntombstones_days = 0")).unwrap_err();
    assert!(error.starts_with("retention: tombstones_days is 0"), "{error}");
}

#[test]
fn a_database_takes_the_place_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, GOOD.replace("data = \"data/x.sqlite\"", "database = \"postgres://a/b\"")).unwrap();
    let config = Config::load_with(&file, None).unwrap();
    assert_eq!(config.database.as_deref(), Some("postgres://a/b"));
    assert_eq!(config.attachments_folder(), folder.path().join("whimbrel.attachments"));
    let config = Config::load_with(&file, Some("postgresql://c/d".to_owned())).unwrap();
    assert_eq!(config.database.as_deref(), Some("postgresql://c/d"), "the environment counts before the file");
}
