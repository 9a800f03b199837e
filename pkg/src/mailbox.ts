/**
 * What the engine says, handed on in order, one turn later: so no code of the app runs while the engine is in the middle of something,
 * and a call returns before anybody hears of what it caused.
 */
export class Mailbox<Letter> {
  readonly #deliver: (letter: Letter) => void;
  #letters: Letter[] = [];

  constructor(deliver: (letter: Letter) => void) {
    this.#deliver = deliver;
  }

  /** Never throws and never calls back at once. */
  push(letter: Letter): void {
    if (this.#letters.push(letter) === 1) queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    const letters = this.#letters;
    this.#letters = [];
    for (const letter of letters) this.#deliver(letter);
  }
}
