//! The server's answers, read from JSON. `crates/protocol` has the types; its golden tests pin their form.

use whimbrel_protocol::{
    BucketCursor, BucketInfo, ChangeOutcome, Gone, Json, Outcome, Pong, Problem, ProblemCode, PullLine, PushResponse,
    ServerRow, Start, Version,
};

use crate::error::Result;
use crate::json::{FromJson, Object};

impl FromJson for Pong {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { nonce: object.text("nonce")?, protocol: object.small("protocol")?, history: object.text("history")? })
    }
}

impl FromJson for Problem {
    fn from_json(mut object: Object) -> Result<Self> {
        let code = object.text("code")?;
        let status = object.small("status")?;
        let known = |same: &dyn Fn(&ProblemCode) -> bool| ProblemCode::ALL.iter().copied().find(same);
        // A server of tomorrow may have codes of its own; what they mean is in their status.
        let code = known(&|known| known.as_str() == code).or_else(|| known(&|known| known.status() == status));
        Ok(Self {
            kind: object.optional_text("type")?.unwrap_or_default(),
            code: code.unwrap_or(ProblemCode::Internal),
            status,
            title: object.optional_text("title")?.unwrap_or_default(),
            detail: object.optional_text("detail")?,
            retryable: object.flag("retryable")?,
        })
    }
}

impl FromJson for PushResponse {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            protocol: object.small("protocol")?,
            outcomes: object.objects("outcomes")?,
            last_seq: object.number("last_seq")?,
            stand: object.optional_text("stand")?,
        })
    }
}

impl FromJson for ChangeOutcome {
    fn from_json(mut object: Object) -> Result<Self> {
        let seq = object.number("seq")?;
        let outcome = match object.text("outcome")?.as_str() {
            "accepted" => Outcome::Accepted { version: object.number("version")? },
            "duplicate" => Outcome::Duplicate { version: object.number("version")? },
            "conflict" => Outcome::Conflict { row: object.optional("row")? },
            "rejected" => Outcome::Rejected {
                code: object.text("code")?,
                message: object.text("message")?,
                fields: object.map("fields")?.into_iter().filter_map(said_of_field).collect(),
            },
            "superseded" => Outcome::Superseded {
                version: object.number("version")?,
                fields: Some(object.map("fields")?).filter(|fields| !fields.is_empty()),
            },
            "retry" => Outcome::Retry { after_ms: object.number("after_ms")? },
            _ => return Err(object.wrong("outcome")),
        };
        Ok(Self { seq, outcome })
    }
}

fn said_of_field((field, text): (String, Json)) -> Option<(String, String)> {
    text.as_str().map(|text| (field, text.to_owned()))
}

impl FromJson for ServerRow {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { version: object.number("version")?, fields: object.map("fields")? })
    }
}

/// Every line but those of rows, which have a decoder of their own.
impl FromJson for PullLine {
    fn from_json(object: Object) -> Result<Self> {
        let code = object.code();
        let (unknown, none) = (object.wrong("a line's kind"), object.wrong("a line's kind"));
        let (kind, value) = object.into_only().ok_or(none)?;
        let mut inside = Object::of(value, code)?;
        Ok(match kind.as_str() {
            "start" => Self::Start(Start::from_json(inside)?),
            "gone" => Self::Gone(Gone::from_json(inside)?),
            "cursor" => Self::Cursor(BucketCursor::from_json(inside)?),
            "resync" => Self::Resync { bucket: inside.text("bucket")?, restored: inside.flag("restored")? },
            "error" => Self::Error(Problem::from_json(inside)?),
            "end" => Self::End {},
            _ => return Err(unknown),
        })
    }
}

impl FromJson for Start {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            protocol: object.small("protocol")?,
            history: object.text("history")?,
            user: object.optional_text("user")?,
            forbidden: object.texts("forbidden")?,
            buckets: object.objects("buckets")?,
        })
    }
}

impl FromJson for BucketInfo {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { bucket: object.text("bucket")?, pending: object.number("pending")? })
    }
}

impl FromJson for BucketCursor {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            bucket: object.text("bucket")?,
            cursor: object.text("cursor")?,
            more: object.flag("more")?,
            version: object.optional_number("version")?,
        })
    }
}

impl FromJson for Gone {
    fn from_json(mut object: Object) -> Result<Self> {
        let bucket = object.text("bucket")?;
        let rows = object.list("rows")?.into_iter().map(gone_row).collect::<Option<_>>();
        Ok(Self { bucket, rows: rows.ok_or_else(|| object.wrong("rows"))? })
    }
}

fn gone_row(row: Json) -> Option<(String, Version)> {
    let Json::List(pair) = row else { return None };
    let [Json::Text(id), version] = <[Json; 2]>::try_from(pair).ok()? else { return None };
    Some((id, version.as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    /// What is read by hand is what the derived reader of the protocol reads.
    fn same<T: FromJson + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str) {
        let derived: T = serde_json::from_str(text).unwrap();
        assert_eq!(T::parse(text.as_bytes(), Code::ProtocolMalformed).unwrap(), derived);
    }

    #[test]
    fn answers_are_read_as_the_protocol_writes_them() {
        same::<Pong>(r#"{"nonce":"n","protocol":1,"history":"h"}"#);
        same::<Problem>(r#"{"type":"t","code":"push/gap","status":409,"title":"t","detail":"d","retryable":false}"#);
        same::<PushResponse>(
            r#"{"protocol":1,"last_seq":5,"stand":"e.9","outcomes":[{"seq":1,"outcome":"accepted","version":7},
                {"seq":2,"outcome":"duplicate","version":3},{"seq":3,"outcome":"conflict"},
                {"seq":4,"outcome":"conflict","row":{"version":2,"fields":{"a":1}}},
                {"seq":5,"outcome":"rejected","code":"c","message":"m","fields":{"f":"w"}},
                {"seq":6,"outcome":"retry","after_ms":50},{"seq":7,"outcome":"superseded","version":4},
                {"seq":8,"outcome":"superseded","version":4,"fields":{"a":1}}]}"#,
        );
        for line in [
            r#"{"start":{"protocol":1,"history":"h","buckets":[{"bucket":"a/all","pending":3}]}}"#,
            r#"{"start":{"protocol":1,"history":"h","user":"ana","forbidden":["b"],"buckets":[]}}"#,
            r#"{"gone":{"bucket":"a/all","rows":[["1",2],["x",3]]}}"#,
            r#"{"cursor":{"bucket":"a/all","cursor":"c","more":true}}"#,
            r#"{"cursor":{"bucket":"a/all","cursor":"c"}}"#,
            r#"{"cursor":{"bucket":"a/all","cursor":"c","more":false,"version":7}}"#,
            r#"{"resync":{"bucket":"a/all"}}"#,
            r#"{"resync":{"bucket":"a/all","restored":true}}"#,
            r#"{"error":{"type":"t","code":"server/internal","status":500,"title":"t","retryable":true}}"#,
            r#"{"end":{}}"#,
        ] {
            same::<PullLine>(line);
        }
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"nope":{}}"#,
            r#"{"start":{}}"#,
            r#"{"gone":{"bucket":"a","rows":[["1"]]}}"#,
            r#"{"cursor":{"bucket":"a","cursor":1}}"#,
            r#"{"cursor":[]}"#,
        ] {
            let error = PullLine::parse(text.as_bytes(), Code::ProtocolMalformed).unwrap_err();
            assert_eq!(error.code(), Code::ProtocolMalformed, "{text}");
        }
        let unknown = r#"{"protocol":1,"last_seq":1,"outcomes":[{"seq":1,"outcome":"maybe"}]}"#;
        assert!(PushResponse::parse(unknown.as_bytes(), Code::ProtocolMalformed).is_err());
    }
}
