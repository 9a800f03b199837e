/** The network as the app sees it. */
import { appError } from "./errors.js";
import { Listeners, tell, type Unsubscribe } from "./listeners.js";
import type { NetworkStatus } from "./status.js";

/** `db.network` */
export interface Network {
  /** What is known now. The browser's word is a hint; an answer of your server is the truth. */
  readonly status: NetworkStatus;
  /** Tells a listener of every change from now on. */
  on(type: "change", listener: (status: NetworkStatus) => void): Unsubscribe;
  /** Tells a listener the present state at once, and every change. */
  subscribe(listener: (status: NetworkStatus) => void): Unsubscribe;
}

export class NetworkFacade implements Network {
  readonly #listeners = new Listeners<NetworkStatus>();
  #status: NetworkStatus;

  constructor(status: NetworkStatus) {
    this.#status = status;
  }

  get status(): NetworkStatus {
    return this.#status;
  }

  on(type: "change", listener: (status: NetworkStatus) => void): Unsubscribe {
    if (type !== "change") throw appError("sync/unknown-event", `there is no network event "${String(type)}"`);
    return this.#listeners.add(listener);
  }

  subscribe(listener: (status: NetworkStatus) => void): Unsubscribe {
    const off = this.#listeners.add(listener);
    tell(listener, this.#status);
    return off;
  }

  /** Heard from the engine, as an event or with the status: the first one to bring a change tells it. */
  set(status: NetworkStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#listeners.emit(status);
  }
}
