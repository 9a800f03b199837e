/** The network as the app sees it, and where the engine hears of it: the browser, or an adapter of a native shell. */
import { appError } from "./errors.js";
import { Listeners, type Unsubscribe } from "./listeners.js";
import type { NetworkStatus } from "./status.js";

/** What carries the data. `unknown` wherever the platform does not say, which is most browsers. */
export type NetworkType = "wifi" | "cellular" | "ethernet" | "none" | "unknown";

export const NETWORK_TYPES: readonly NetworkType[] = ["wifi", "cellular", "ethernet", "none", "unknown"];

/** All that is known of the network; a new object whenever something changes. */
export interface NetworkState {
  readonly status: NetworkStatus;
  readonly type: NetworkType;
  /** Whether data costs the user money; `null` when nobody knows. */
  readonly metered: boolean | null;
  /** Whether the user wants data to be saved. */
  readonly saveData: boolean;
}

type Listener = (status: NetworkStatus, state: NetworkState) => void;

/** `db.network` */
export interface Network extends NetworkState {
  /** What is known now. The browser's word is a hint; an answer of your server is the truth. */
  readonly status: NetworkStatus;
  /** Tells a listener of every change from now on. */
  on(type: "change", listener: Listener): Unsubscribe;
  /** Tells a listener the present state at once, and every change. */
  subscribe(listener: Listener): Unsubscribe;
}

/** What an adapter knows; what it leaves out stays as it was. */
export interface NetworkReport {
  /** Whether there is a network. A hint: the engine asks your server. */
  readonly online?: boolean | undefined;
  readonly type?: NetworkType | undefined;
  readonly metered?: boolean | null | undefined;
  readonly saveData?: boolean | undefined;
  /** The app has come back from sleep: what was on its way is asked for again. */
  readonly woke?: boolean | undefined;
}

/** Tells the engine of the network, in place of the browser's own information. */
export interface NetworkAdapter {
  /** Begins to report; the function that is returned, also later, ends it. */
  start(report: (report: NetworkReport) => void): Unsubscribe | Promise<Unsubscribe>;
}

/** What the engine is told. */
export interface NetworkEar {
  carried(online: boolean | undefined, type: NetworkType, saveData: boolean): void;
  woke(): void;
}

export class NetworkFacade implements Network {
  readonly #listeners = new Listeners<NetworkState>();
  #state: NetworkState;

  constructor(status: NetworkStatus) {
    this.#state = { status, type: "unknown", metered: null, saveData: false };
  }

  get status(): NetworkStatus {
    return this.#state.status;
  }

  get type(): NetworkType {
    return this.#state.type;
  }

  get metered(): boolean | null {
    return this.#state.metered;
  }

  get saveData(): boolean {
    return this.#state.saveData;
  }

  on(type: "change", listener: Listener): Unsubscribe {
    if (type !== "change") throw appError("sync/unknown-event", `there is no network event "${String(type)}"`);
    return this.#listeners.add((state) => listener(state.status, state));
  }

  subscribe(listener: Listener): Unsubscribe {
    const told = new Listeners<NetworkState>();
    told.add((state) => listener(state.status, state));
    told.emit(this.#state);
    return this.on("change", listener);
  }

  /** Heard from the engine, as an event or with the status: the first one to bring a change tells it. */
  set(status: NetworkStatus): void {
    this.#change({ status });
  }

  /** Listens to an adapter, and tells the engine. */
  follow(adapter: NetworkAdapter, ear: NetworkEar): Unsubscribe {
    let isOver = false;
    const report = ({ online, woke = false, ...said }: NetworkReport): void => {
      if (isOver) return;
      const { type = this.type, saveData = this.saveData } = said;
      const isNews = type !== this.type || saveData !== this.saveData;
      this.#change({ type: known(type), metered: said.metered === undefined ? this.metered : said.metered, saveData });
      if (isNews || online !== undefined) ear.carried(online, this.type, this.saveData);
      if (woke) ear.woke();
    };
    const started = new Promise<Unsubscribe>((resolve) => resolve(adapter.start(report)));
    started.catch((cause: unknown) =>
      console.error("whimbrel:", appError("network/adapter", "the network adapter failed", { cause })),
    );
    return () => {
      isOver = true;
      started.then((stop) => stop()).catch(() => undefined);
    };
  }

  #change(change: Partial<NetworkState>): void {
    const before = this.#state;
    const after = { ...before, ...change };
    if (Object.entries(after).every(([name, value]) => before[name as keyof NetworkState] === value)) return;
    this.#state = after;
    this.#listeners.emit(after);
  }
}

function known(type: NetworkType): NetworkType {
  return NETWORK_TYPES.includes(type) ? type : "unknown";
}

/** `navigator.connection`, where a browser has it. */
interface Connection extends EventTarget {
  readonly type?: string;
  readonly saveData?: boolean;
}

/** What the browser itself says. Most say nothing, and then nothing is claimed. */
export const browserNetwork: NetworkAdapter = {
  start(report) {
    const { connection } = (globalThis as { readonly navigator?: { readonly connection?: Connection } }).navigator ?? {};
    if (connection === undefined) return () => undefined;
    const tell = (): void => {
      const type = known((connection.type ?? "unknown") as NetworkType);
      report({ type, metered: type === "cellular" ? true : null, saveData: connection.saveData === true });
    };
    tell();
    connection.addEventListener?.("change", tell);
    return () => connection.removeEventListener?.("change", tell);
  },
};
