//! `[[realm]]`: what is good, and what is wrong where.

use super::*;

const GOOD: &str = r#"
[auth]
mode = "development"
tokens = [
  { token = "t-ana", user = "ana", scopes = ["all"], realm = "acme" },
  { token = "t-ben", user = "ben", scopes = ["all"], realm = "globex-2" },
]
[[realm]]
name = "acme"
data = "acme.sqlite"
[[realm]]
name = "globex-2"
data = "globex.sqlite"
[[entity]]
name = "note"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "title", type = "text" }]
[[seed]]
entity = "note"
file = "notes.json"
idFrom = ["title"]
realm = "acme"
"#;

const JWT: &str = r#"
[auth]
mode = "jwt"
[[auth.issuers]]
issuer = "id"
audience = ["app"]
realm = "{org}"
scopes = ["all"]
keys = [{ algorithm = "ES256", pemFile = "KEYS/ec.pub.pem" }]
[[realm]]
name = "acme"
database = "postgres://h/d"
schema = "acme"
[[realm]]
name = "globex"
schema = "globex"
[[entity]]
name = "note"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "title", type = "text" }]
"#;

fn load(text: &str) -> Result<Config, String> {
    load_with(text, None)
}

fn load_with(text: &str, database: Option<&str>) -> Result<Config, String> {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/keys");
    let database = database.map(|url| ("DATABASE_URL", url.to_owned()));
    let environment = Environment { database, ..Environment::default() };
    read(&text.replace("KEYS", keys), Path::new("folder"), environment)
        .map_err(|list| Mistakes::new(Path::new("server.toml"), list).to_string())
}

#[test]
fn each_realm_has_a_place_of_its_own() {
    let config = load(GOOD).unwrap();
    let realm = |name: &str, file: &str| Realm { name: name.into(), place: Place::File(file.into()) };
    assert_eq!(config.realms, [realm("acme", "folder/acme.sqlite"), realm("globex-2", "folder/globex.sqlite")]);
    assert_eq!(config.tokens["t-ben"].realm.as_deref(), Some("globex-2"));
    assert_eq!(config.seeds[0].realm.as_deref(), Some("acme"));
    assert!(!config.is_on_postgres());
    assert_eq!(config.attachments_of(&config.realms[0]), Path::new("folder/acme.sqlite.attachments"));
    let elsewhere = load(&format!("{GOOD}[attachments]\nfolder = \"contents\"")).unwrap();
    assert_eq!(elsewhere.attachments_of(&elsewhere.realms[1]), Path::new("folder/contents/globex-2"));
}

#[test]
fn schemas_of_one_database_are_realms_too() {
    let config = load_with(JWT, Some("postgres://e/d")).unwrap();
    let place = |url: &str, schema: &str| Place::Postgres { url: url.into(), schema: Some(schema.into()) };
    assert_eq!(config.realms[0].place, place("postgres://h/d", "acme"));
    assert_eq!(config.realms[1].place, place("postgres://e/d", "globex"), "the environment's database");
    assert!(config.is_on_postgres() && config.database.is_none());
    assert_eq!(config.issuers[0].realm, Some(crate::auth::ClaimTemplate::parse("{org}").unwrap()));
    assert_eq!(config.attachments_of(&config.realms[0]), Path::new("folder/whimbrel.attachments/acme"));
    // Also the same database, with another schema, or the usual one of none.
    let same = JWT.replace("schema = \"globex\"", "database = \"postgres://h/d\"");
    assert!(load(&same).is_ok());
    assert!(
        load_with(JWT, None).unwrap_err().contains("14:1: config/value: realm[globex]: needs one of data, database")
    );
}

/// What is changed in the good file, and what is said of it: each mistake without the file's name.
#[test]
fn what_is_wrong_is_said_by_line_with_a_code() {
    let cases = [
        (
            "\"acme\"\ndata",
            "\"Acme\"\ndata",
            "9:8: config/name: realm[Acme].name: \"Acme\" cannot be a realm: lower case",
        ),
        ("\"acme\"\ndata", "\"a/b\"\ndata", "realm[a/b].name: \"a/b\" cannot be a realm"),
        ("\"acme\"\ndata", "\"-a\"\ndata", "realm[-a].name: \"-a\" cannot be a realm"),
        ("\"acme\"\ndata", "\"\"\ndata", "realm[0].name: \"\" cannot be a realm"),
        (
            "\"acme\"\ndata",
            "\"globex-2\"\ndata",
            "12:8: config/duplicate: realm[globex-2].name: there is another realm",
        ),
        ("\"globex.sqlite\"", "\"./acme.sqlite\"", "11:1: config/duplicate: realm[globex-2]: has the place of another"),
        ("data = \"globex.sqlite\"", "", "config/value: realm[globex-2]: needs one of data, database and databaseEnv"),
        ("data = \"globex.sqlite\"", "schema = \"s\"", "config/value: realm[globex-2]: needs one of data, database"),
        (
            "data = \"globex.sqlite\"",
            "data = \"g\"\nschema = \"s\"",
            "config/value: realm[globex-2].schema: a schema is",
        ),
        (
            "data = \"globex.sqlite\"",
            "data = \"g\"\ndatabase = \"postgres://h/d\"",
            "realm[globex-2]: needs one of data",
        ),
        (
            "data = \"globex.sqlite\"",
            "database = \"h/d\"",
            "realm[globex-2].database: the address of a database begins",
        ),
        ("data = \"globex.sqlite\"", "database = \"postgres://h/d\"", "realm[globex-2]: is kept in another kind of"),
        (
            "data = \"globex.sqlite\"",
            "databaseEnv = \"WHIMBREL_NOT_THERE\"",
            "config/source: realm[globex-2].databaseEnv: the environment has no variable WHIMBREL_NOT_THERE",
        ),
        ("[auth]", "data = \"x\"\n[auth]", "2:8: config/value: data: is of a server without realms"),
        (
            "[auth]",
            "database = \"postgres://h/d\"\n[auth]",
            "2:12: config/value: database: is of a server without realms",
        ),
        (", realm = \"acme\"", "", "config/missing-key: auth.tokens[0].realm: is missing: there are realms"),
        (
            "realm = \"acme\" }",
            "realm = \"acne\" }",
            "5:62: config/unknown-name: auth.tokens[0].realm: there is no realm acne; did you mean acme?",
        ),
        ("realm = \"acme\"\n", "realm = \"acne\"\n", "config/unknown-name: seed[0].realm: there is no realm acne"),
        ("data = \"acme", "dato = \"acme", "10:1: config/unknown-key: realm[acme].dato: there is no such key"),
    ];
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let said = load(&GOOD.replacen(good, bad, 1)).expect_err(bad);
        assert!(said.contains(expected), "{bad}: {said}");
    }
    let cases = [
        ("realm = \"{org}\"\n", "", "config/missing-key: auth.issuers[id].realm: is missing: there are realms"),
        ("\"{org}\"", "\"{org}x\"", "config/value: auth.issuers[id].realm: \"{org}x\" is no template"),
        ("\"{org}\"", "\"other\"", "7:9: config/unknown-name: auth.issuers[id].realm: there is no realm other"),
        ("schema = \"acme\"", "schema = \"pg_x\"", "config/name: realm[acme].schema: the schema pg_x is PostgreSQL's"),
        ("schema = \"acme\"", "schema = \"a b\"", "config/name: realm[acme].schema: the name \"a b\" cannot be used"),
        (
            "database = \"postgres://h/d\"\nschema = \"acme\"",
            "database = \"postgres://e/d\"\nschema = \"globex\"",
            "14:1: config/duplicate: realm[globex]: has the place of another realm",
        ),
    ];
    for (good, bad, expected) in cases {
        assert!(JWT.contains(good), "{good}");
        let said = load_with(&JWT.replacen(good, bad, 1), Some("postgres://e/d")).expect_err(bad);
        assert!(said.contains(expected), "{bad}: {said}");
    }
    // A mistake in a realm makes no others of its name.
    let said = load(&GOOD.replacen("data = \"acme", "dato = \"acme", 1)).unwrap_err();
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn without_realms_nobody_says_one() {
    let bare = GOOD.replacen("[[realm]]\nname = \"acme\"\ndata = \"acme.sqlite\"\n[[realm]]\nname = \"globex-2\"\ndata = \"globex.sqlite\"\n", "", 1);
    let said = load(&format!("data = \"x\"\n{bare}")).unwrap_err();
    let places = ["auth.tokens[0].realm", "auth.tokens[1].realm", "seed[0].realm"];
    for place in places {
        assert!(said.contains(&format!("config/value: {place}: there are no realms")), "{place}: {said}");
    }
    assert_eq!(said.lines().count(), places.len(), "{said}");
    assert!(load(&bare).unwrap_err().contains("config/missing-key: neither data (a SQLite file) nor database"));
}
