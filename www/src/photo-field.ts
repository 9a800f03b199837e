/**
 * The photo of a work order: taken or chosen here, kept on the device at once, sent after the work order when there is a network.
 *
 * **Invariant:** a picture that was shown is let go of, so that a day of photos does not fill the memory.
 */
import { h, setText } from "./element";
import type { Rounds } from "./rounds";

type Attachments = Rounds["attachments"];

export class PhotoField {
  readonly #input = h("input", { id: "photo", name: "photo", type: "file", accept: "image/*" });
  readonly #picture = h("img", { className: "photo", alt: "The photo of this work order", hidden: true });
  readonly #remove = h("button", { type: "button", className: "quiet", hidden: true }, "Remove the photo");
  readonly #words = h("p", { className: "photo-words", role: "status" });
  readonly element = h(
    "div",
    { className: "field" },
    h("label", { htmlFor: "photo" }, "Photo (optional)"),
    this.#picture,
    this.#input,
    h("div", { className: "photo-row" }, this.#words, this.#remove),
  );
  readonly #attachments: Attachments;
  #address: string | null = null;
  #stop = (): void => undefined;
  /** Counts what was asked to be shown: only the last one is. */
  #shown = 0;

  constructor(attachments: Attachments) {
    this.#attachments = attachments;
    this.#input.addEventListener("change", () => void this.#choose());
    this.#remove.addEventListener("click", () => (this.value = null));
  }

  get value(): string | null {
    return this.#address;
  }

  set value(address: string | null) {
    this.#address = address;
    this.#stop();
    this.#input.value = "";
    this.#hide();
    this.#remove.hidden = address === null;
    this.#input.hidden = address !== null;
    if (address === null) return;
    this.#stop = this.#attachments.watch(address, ({ here, uploaded, transfer }) => {
      const percent = transfer && transfer.total > 0 ? ` ${Math.floor((transfer.done / transfer.total) * 100)} %` : "";
      const direction = transfer?.direction === "down" ? "Loading" : "Sending";
      setText(this.#words, transfer ? `${direction}${percent}` : here && !uploaded ? "Waits to be sent" : "");
    });
    void this.#show(address);
  }

  /** Nothing is looked at any more. */
  end(): void {
    this.value = null;
  }

  async #choose(): Promise<void> {
    const file = this.#input.files?.[0];
    if (file === undefined) return;
    try {
      this.value = await this.#attachments.add(file);
    } catch (error) {
      setText(this.#words, error instanceof Error ? `Not kept: ${error.message}` : "Not kept.");
    }
  }

  async #show(address: string): Promise<void> {
    const turn = ++this.#shown;
    try {
      const content = await this.#attachments.get(address);
      if (turn !== this.#shown) return;
      this.#picture.src = URL.createObjectURL(content);
      this.#picture.hidden = false;
    } catch {
      if (turn === this.#shown) setText(this.#words, "The photo is not on this device yet.");
    }
  }

  #hide(): void {
    this.#shown++;
    if (this.#picture.src !== "") URL.revokeObjectURL(this.#picture.src);
    this.#picture.removeAttribute("src");
    this.#picture.hidden = true;
    setText(this.#words, "");
  }
}
