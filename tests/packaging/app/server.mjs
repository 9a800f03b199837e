/** Importing on a server does nothing; opening there is refused with a code, by an engine that has really started. */
import { entity, open, text, WhimbrelError } from "whimbrel";

try {
  await open({ name: "throw-away", entities: { note: entity({ body: text() }) } });
  console.log("opened");
} catch (error) {
  console.log(error instanceof WhimbrelError ? error.code : error);
}
