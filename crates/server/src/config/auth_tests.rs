//! `[auth]` and `[cors]`: what is good, and what is wrong where.

use super::*;
use crate::auth::KeySource;

const GOOD: &str = r#"
data = "x.sqlite"
[auth]
mode = "jwt"
[[auth.issuers]]
issuer = "https://id.example.com/"
audience = ["app"]
user = "{sub}"
scopes = ["all", "team:{teams}"]
jwksUrl = "https://id.example.com/jwks.json"
[[auth.issuers]]
issuer = "backend"
audience = ["app"]
leewaySeconds = 5
user = "backend:{sub}"
scopes = ["all"]
keys = [{ algorithm = "ES256", pemFile = "KEYS/ec.pub.pem", kid = "k" }]
[cors]
origins = ["https://app.example.com", "capacitor://localhost", "ionic://localhost", "https://localhost"]
[[entity]]
name = "note"
policy = "lastWriteWins"
allow = { read = ["*"], write = ["*"] }
scopes = ["all"]
fields = [{ name = "title", type = "text" }]
"#;

const KEY: &str = "algorithm = \"ES256\", pemFile = \"KEYS/ec.pub.pem\", kid = \"k\"";
const URL: &str = "jwksUrl = \"https://id.example.com/jwks.json\"";

fn load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/keys");
    std::fs::write(&file, text.replace("KEYS", keys)).unwrap();
    std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::write(folder.path().join("short"), "0123456789abcdef0123456789abcde\n").unwrap();
    std::fs::write(folder.path().join("oct.json"), r#"{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"new"}]}"#).unwrap();
    Config::load(&file).map_err(|error| error.to_string())
}

#[test]
fn issuers_and_origins() {
    let config = load(GOOD).unwrap();
    assert!(config.tokens.is_empty());
    let [first, second] = &config.issuers[..] else { panic!("{:?}", config.issuers) };
    assert_eq!((first.name.as_str(), first.leeway.as_secs()), ("https://id.example.com/", 60));
    assert!(matches!(&first.keys, KeySource::Url { url, ca: None } if url == "https://id.example.com/jwks.json"));
    assert_eq!((second.audience.as_slice(), second.leeway.as_secs()), (&["app".to_owned()][..], 5));
    assert!(matches!(&second.keys, KeySource::Fixed(keys) if keys.len() == 1));
    assert_eq!(config.cors_origins.len(), 4);
    assert!(load(&GOOD.replace(KEY, "algorithm = \"HS256\", secretFile = \"secret\"")).is_ok());
    assert!(load(&GOOD.replace("audience = [\"app\"]\nleeway", "anyAudience = true\nleeway")).is_ok());
    // Secrets stay out of what is printed.
    let printed = format!("{:?}", load(&GOOD.replace(KEY, "algorithm = \"HS256\", secretFile = \"secret\"")).unwrap());
    assert!(printed.contains("redacted") && !printed.contains("48, 49, 50"), "{printed}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let backend = "auth.issuers[backend]";
    let cases = [
        (
            "mode = \"jwt\"",
            "mode = \"development\"",
            "config/value: auth.issuers: issuers are for mode = \"jwt\"".to_owned(),
        ),
        (
            "mode = \"jwt\"",
            "mode = \"jwt\"\ntokens = [{ token = \"t\", user = \"u\", scopes = [] }]",
            "config/value: auth.tokens: tokens are for".into(),
        ),
        (
            "\"backend\"",
            "\"https://id.example.com/\"",
            "config/duplicate: auth.issuers[https://id.example.com/].issuer: is there twice".into(),
        ),
        ("\"backend\"", "\"\"", "auth.issuers[1].issuer: issuer is what the iss".into()),
        (
            "user = \"{sub}\"\n",
            "",
            "config/missing-key: auth.issuers[https://id.example.com/].user: is missing: there are several issuers"
                .into(),
        ),
        ("\"backend:{sub}\"", "\"backend\"", format!("{backend}.user: user names no claim")),
        ("\"backend:{sub}\"", "\"{sub}x\"", format!("{backend}.user: \"{{sub}}x\" is no template")),
        ("\"team:{teams}\"", "\"team:{}\"", "\"team:{}\" is no template".into()),
        ("audience = [\"app\"]\nleeway", "leeway", format!("{backend}.audience: audience is what the aud")),
        (
            "audience = [\"app\"]\nleeway",
            "audience = []\nleeway",
            format!("{backend}.audience: audience is what the aud"),
        ),
        (
            "audience = [\"app\"]\nleeway",
            "audience = [\"\"]\nleeway",
            format!("{backend}.audience: audience is what the aud"),
        ),
        (
            "audience = [\"app\"]\nleeway",
            "audience = [\"a\"]\nanyAudience = true\nleeway",
            format!("{backend}.audience: audience is"),
        ),
        ("leewaySeconds = 5", "leewaySeconds = 601", format!("{backend}.leewaySeconds: is 601; it is 0 to 600")),
        (URL, "", "needs exactly one of jwksUrl, jwksFile and keys".into()),
        (URL, "jwksUrl = \"https://a.b/c\"\njwksFile = \"oct.json\"", "needs exactly one of jwksUrl".into()),
        (URL, "jwksUrl = \"id.example.com\"", "jwksUrl: \"id.example.com\" is no address".into()),
        (URL, "jwksUrl = \"file:///etc/keys\"", "jwksUrl: \"file:///etc/keys\" is no address".into()),
        (URL, "jwksFile = \"oct.json\"", "oct.json: it has no key for RS256, ES256 or EdDSA".into()),
        (URL, "jwksFile = \"secret\"", "secret: it is not a JWKS".into()),
        (URL, "jwksFile = \"nothing\"", "nothing: No such file".into()),
        ("\"ES256\"", "\"none\"", "auth.issuers[backend].keys[0].algorithm: \"none\" is none of HS256, RS256".into()),
        ("\"ES256\"", "\"RS256\"", "ec.pub.pem: it is not a key for this algorithm".into()),
        ("\"ES256\"", "\"EdDSA\"", "ec.pub.pem: it is not a key for this algorithm".into()),
        ("\"ES256\"", "\"HS256\"", format!("{backend}.keys[0]: HS256 needs secretFile or secretEnv")),
        ("ec.pub.pem", "ec.pem", "ec.pem: it is not a public key in PEM".into()),
        (
            KEY,
            "algorithm = \"RS256\", pemFile = \"KEYS/rsa-short.pub.pem\"",
            "an RSA key has 2,048 bits at least".into(),
        ),
        (KEY, "algorithm = \"HS256\", secretFile = \"short\"", "short: the secret has fewer than 32 bytes".into()),
        (
            KEY,
            "algorithm = \"HS256\", secretEnv = \"WHIMBREL_NOT_THERE\"",
            "the environment has no variable WHIMBREL_NOT_THERE".into(),
        ),
        (
            KEY,
            "algorithm = \"ES256\", secretFile = \"secret\"",
            format!("{backend}.keys[0]: RS256, ES256 and EdDSA need a pemFile"),
        ),
        ("\"capacitor://localhost\"", "\"*\"", "config/value: cors.origins[1]: \"*\" is no origin".into()),
        ("https://app.example.com\"", "https://app.example.com/\"", "\"https://app.example.com/\" is no origin".into()),
    ];
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let error = load(&GOOD.replacen(good, bad, 1)).expect_err(bad);
        assert!(error.contains(&expected), "{bad}: {error}");
    }
    let none = load(
        "data = \"x\"\nauth = { mode = \"jwt\" }\n[[entity]]\nname = \"n\"\npolicy = \"merge\"\nallow = {}\nscopes = [\"all\"]\nfields = [{ name = \"t\", type = \"text\" }]",
    );
    assert!(none.unwrap_err().contains("config/missing-key: auth.issuers: mode = \"jwt\" needs an [[auth.issuers]]"));
}

#[test]
fn the_example_is_good() {
    let config = Config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/server.example.toml"))).unwrap();
    assert_eq!((config.issuers.len(), config.issuers[0].scopes.len(), config.cors_origins.len()), (1, 4, 4));
}
