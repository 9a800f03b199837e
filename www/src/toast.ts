/** A short message at the bottom of the page, with one thing that can be done about it. One at a time: the newest. */
import { h } from "./element";

const SHOWN_MS = 8_000;

let dismiss: (() => void) | undefined;

export function toast(message: string, action?: { readonly label: string; readonly run: () => void }): void {
  dismiss?.();
  const button = action === undefined ? null : h("button", { type: "button", className: "quiet" }, action.label);
  const element = h("div", { className: "toast", role: "status" }, h("span", {}, message), button);
  const timer = setTimeout(() => dismiss?.(), SHOWN_MS);
  dismiss = () => {
    clearTimeout(timer);
    element.remove();
    dismiss = undefined;
  };
  button?.addEventListener("click", () => {
    dismiss?.();
    action?.run();
  });
  document.body.append(element);
}
