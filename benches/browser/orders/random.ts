/** Numbers that look random and are the same for the same seed: a Weyl sequence, mixed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number in [0, end), for an end of at most 2³². */
  below(end: number): number {
    return Math.floor((this.#bits() / 2 ** 32) * end);
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join("");
  }

  /** `count` different members of the list, in random order. */
  sample<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    return Array.from({ length: Math.min(count, left.length) }, (_, chosen) => {
      const from = chosen + this.below(left.length - chosen);
      const member = left[from] as T;
      left[from] = left[chosen] as T;
      left[chosen] = member;
      return member;
    });
  }

  /** 32 bits: the multipliers are those of MurmurHash3's finaliser. */
  #bits(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }
}
