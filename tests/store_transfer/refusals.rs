//! What is refused, and that it leaves nothing behind.

use super::*;

/// The database after an import that failed is the one before it.
async fn refused(store: &Tab, file: &[u8], expected: &[Code]) {
    let before = dump(store).await;
    let error = import(store, file, 500).await.unwrap_err();
    assert!(expected.contains(&error.code()), "{error}, not {expected:?}");
    assert!(dump(store).await == before, "{error} left something behind");
    assert!(!store.has_import().await.unwrap());
}

#[test]
fn a_file_that_was_cut_is_refused() {
    block_on(async {
        for is_whole in [true, false] {
            let file = export(&sample().await, is_whole).await;
            let empty = open(&MemoryStorage::new(), "client b").await;
            for length in (0..file.len()).step_by(if file.len() > 4_000 { 41 } else { 7 }).chain([file.len() - 1]) {
                refused(&empty, &file[..length], &[Code::ImportTruncated]).await;
            }
            import(&empty, &file, 500).await.unwrap();
        }
    });
}

#[test]
fn a_file_with_other_bytes_is_refused() {
    let (whole, waiting) =
        block_on(async { (export(&sample().await, true).await, export(&sample().await, false).await) });
    let case = || (any::<bool>(), any::<prop::sample::Index>(), any::<u8>());
    property::check(15, case, |(is_whole, place, byte)| {
        block_on(async {
            let mut file = if is_whole { whole.clone() } else { waiting.clone() };
            let place = place.index(file.len());
            if file[place] == byte {
                return;
            }
            file[place] = byte;
            let empty = open(&MemoryStorage::new(), "client b").await;
            let before = dump(&empty).await;
            let error = import(&empty, &file, 500).await.expect_err("it was taken for whole");
            assert_ne!(error.code(), Code::Internal);
            assert!(dump(&empty).await == before, "{error} left something behind");
        });
    });
}

#[test]
fn arbitrary_bytes_do_no_harm() {
    let header = r#"{"whimbrel":"store","format":1,"name":"x","schema":3,"client":"c"}"#;
    let piece = || {
        prop_oneof![
            Just(header.to_owned()),
            Just(header.replace("store", "outbox")),
            Just("\n".to_owned()),
            r#"\{"(row|base|outbox|inbox|conflicts|system|confirmed|end|x)":"#,
            r#"(\[("order"|"note"|5),"[a-c]"\]|7|-1|"[a-z/]{0,6}"|\{\})"#,
            r#","is":(\{"version":[0-9],"buckets":\[[0-9]?\],"fields":\{("title":(5|"x"))?\}\}|\{\}|5|\[)\}"#,
            any::<String>(),
        ]
    };
    property::check(
        30,
        || prop::collection::vec(piece(), 0..12),
        |pieces: Vec<String>| {
            block_on(async {
                let empty = open(&MemoryStorage::new(), "client b").await;
                let before = dump(&empty).await;
                import(&empty, pieces.concat().as_bytes(), 50).await.unwrap_err();
                assert!(dump(&empty).await == before);
            });
        },
    );
}

#[test]
fn each_refusal_has_its_code() {
    block_on(async {
        let file = export(&sample().await, true).await;
        let text = String::from_utf8(file.clone()).unwrap();
        let empty = open(&MemoryStorage::new(), "client b").await;
        refused(&empty, b"", &[Code::ImportTruncated]).await;
        refused(&empty, b"<!doctype html>\n", &[Code::ImportMalformed]).await;
        refused(&empty, b"{}\n", &[Code::ImportMalformed]).await;
        refused(&empty, text.replacen("\"store\"", "\"stone\"", 1).as_bytes(), &[Code::ImportMalformed]).await;
        refused(&empty, text.replacen("\"format\":1", "\"format\":2", 1).as_bytes(), &[Code::StoreNewer]).await;
        refused(&empty, text.replacen("\"schema\":3", "\"schema\":2", 1).as_bytes(), &[Code::ImportSchema]).await;
        refused(&empty, text.replacen("rounds", "sounds", 1).as_bytes(), &[Code::ImportDamaged]).await;
        refused(&empty, text.replacen("[\"note\"", "[\"nope\"", 1).as_bytes(), &[Code::UnknownEntity]).await;
        refused(
            &empty,
            text.replacen(r#""row \"0\"","due":10"#, r#""row \"0\"","due":{}"#, 1).as_bytes(),
            &[Code::ValueType],
        )
        .await;
        refused(
            &empty,
            text.replacen(r#""row \"0\"","due":10"#, r#""row \"0\"","duh":10"#, 1).as_bytes(),
            &[Code::UnknownField],
        )
        .await;
        refused(&empty, &vec![b'x'; 5 << 20], &[Code::ImportMalformed]).await;
        let twice = [file.as_slice(), &file].concat();
        refused(&empty, &twice, &[Code::ImportMalformed]).await;
        refused(&sample().await, &file, &[Code::ImportNotEmpty]).await;
        let row = text.lines().find(|line| line.starts_with("{\"row\"")).unwrap();
        let waiting = String::from_utf8(export(&sample().await, false).await).unwrap();
        let mixed = waiting.replacen("\n", &format!("\n{row}\n"), 1);
        refused(&empty, mixed.as_bytes(), &[Code::ImportMalformed]).await;
        import(&empty, &file, 500).await.unwrap();
        refused(&empty, &file, &[Code::ImportNotEmpty]).await;
    });
}

/// While a whole store is loaded nothing else is written; when its tab has died, what it loaded is removed.
#[test]
fn an_import_that_died_is_removed() {
    block_on(async {
        let file = export(&sample().await, true).await;
        let disk = MemoryStorage::new();
        let (dying, other) = (open(&disk, "client b").await, open(&disk, "client b").await);
        let empty = dump(&other).await;
        let mut import = dying.import();
        import.push(&file[..file.len() - 10]).await.unwrap();
        let local = local_write(1, 1, 5, 0, 1, "x");
        let error = other.transact(|txn| write(txn, &local)).await.unwrap_err();
        assert_eq!(error.code(), Code::ImportRunning);
        let second = dying.import().push(&file).await.unwrap_err();
        assert_eq!(second.code(), Code::ImportRunning);
        assert!(other.has_import().await.unwrap());
        other.remove_import(None).await.unwrap();
        assert!(dump(&other).await == empty);
        other.transact(|txn| write(txn, &local)).await.unwrap();
        // It was not dead: it goes no further, and takes nothing away.
        let waiting = dump(&other).await;
        let error = match import.push(&file[file.len() - 10..]).await {
            Ok(()) => import.finish().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.code(), Code::ImportRunning);
        import.abort().await.unwrap();
        assert!(dump(&other).await == waiting);
    });
}
