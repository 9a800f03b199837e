/** `await using` for browsers that do not have its symbol yet: compilers fall back to the same registered one. */

/** `Symbol.asyncDispose`, where it exists. */
export const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as never);
