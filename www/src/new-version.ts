/** Keeps the page itself on the device, and offers a newer one when the server has it. */
import { registerSW } from "virtual:pwa-register";

import { toast } from "./toast";

export function keepThePage(): void {
  const reload = registerSW({
    onNeedRefresh: () => toast("A new version of Rounds is here.", { label: "Reload", run: () => void reload(true) }),
    onRegisterError: (error: unknown) => console.warn("Rounds will not start without a network:", error),
  });
}
