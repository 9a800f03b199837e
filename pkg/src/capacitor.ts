/**
 * The network of a Capacitor app, for `open({ network: capacitor({ network: Network, app: App }) })`: a WebView's own word is worse than the
 * phone's. The plugins are handed over, so nothing is imported here.
 */
import type { NetworkAdapter, NetworkType } from "./network.js";

interface Handle {
  remove(): Promise<void>;
}

interface ConnectionStatus {
  readonly connected: boolean;
  readonly connectionType: string;
}

/** `Network` of `@capacitor/network`, as far as it is needed. */
export interface CapacitorNetwork {
  getStatus(): Promise<ConnectionStatus>;
  addListener(event: "networkStatusChange", listener: (status: ConnectionStatus) => void): Promise<Handle>;
}

/** `App` of `@capacitor/app`, as far as it is needed. */
export interface CapacitorApp {
  addListener(event: "resume", listener: () => void): Promise<Handle>;
}

/** The network as the phone knows it; with `app`, the engine also hears when the app comes back. */
export function capacitor({ network, app }: { network: CapacitorNetwork; app?: CapacitorApp }): NetworkAdapter {
  return {
    async start(report) {
      const tell = ({ connected, connectionType }: ConnectionStatus): void => {
        const type = connectionType as NetworkType;
        report({ online: connected, type, metered: type === "cellular" ? true : null });
      };
      const handles = await Promise.all([
        network.addListener("networkStatusChange", tell),
        ...(app === undefined ? [] : [app.addListener("resume", () => report({ woke: true }))]),
      ]);
      tell(await network.getStatus());
      return () => {
        for (const handle of handles) void handle.remove();
      };
    },
  };
}
