/** The key of an encrypted database: one way or the other. */
import { expectTypeOf } from "vitest";

import { type Encryption, entity, open, text } from "../../pkg/src/index.js";
import { db } from "./rounds.js";

const entities = { note: entity({ body: text() }) };
declare const key: CryptoKey;

void open({ name: "a", entities, encryption: { passphrase: "correct horse" } });
void open({ name: "a", entities, encryption: { key } });
void open({ name: "a", entities, encryption: undefined });
// @ts-expect-error one of them
void open({ name: "a", entities, encryption: {} });
// @ts-expect-error not both
void open({ name: "a", entities, encryption: { passphrase: "correct horse", key } });
// @ts-expect-error a passphrase is text
void open({ name: "a", entities, encryption: { passphrase: 12345 } });
// @ts-expect-error bytes are no key
void open({ name: "a", entities, encryption: { key: new Uint8Array(32) } });

expectTypeOf(db.changeKey).toEqualTypeOf<(encryption: Encryption) => Promise<void>>();
// @ts-expect-error a key cannot be taken away
void db.changeKey(undefined);
