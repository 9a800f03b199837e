/** What the page shows to DevTools and to the end-to-end tests: `whimbrelDemo` in the console is the open database and its user. */
import type { Rounds } from "./rounds";

export interface DemoHandle {
  readonly db: Rounds;
  readonly user: string;
}

declare global {
  interface Window {
    whimbrelDemo?: DemoHandle;
  }
}
