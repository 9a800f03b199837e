/** Asks before a work order is deleted: unlike "done", that cannot be taken back. */
import { h } from "./element";

export function confirmDelete(title: string): Promise<boolean> {
  const keep = h("button", { type: "button", className: "quiet", autofocus: true }, "Keep it");
  const remove = h("button", { type: "button", className: "danger" }, "Delete");
  const dialog = h(
    "dialog",
    { className: "ask", role: "alertdialog", "aria-labelledby": "ask-heading", "aria-describedby": "ask-text" },
    h("h2", { id: "ask-heading" }, "Delete this work order?"),
    h("p", { id: "ask-text" }, `“${title}” goes from all your devices.`),
    h("div", { className: "buttons" }, h("span", { className: "gap" }), keep, remove),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    keep.addEventListener("click", () => dialog.close());
    remove.addEventListener("click", () => dialog.close("delete"));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "delete");
    });
  });
}
