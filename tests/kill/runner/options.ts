/** The command line of both programs. */
import { parseArgs } from "node:util";

export interface Options {
  readonly rounds: number;
  readonly torn: number;
  readonly transactions: number;
  readonly seed: number;
}

export function parseOptions(args: readonly string[]): Options {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ args: [...args], options: { rounds: text, torn: text, transactions: text, seed: text } });
  const rounds = whole("--rounds", values.rounds, 20, 100_000);
  return {
    rounds,
    torn: whole("--torn", values.torn, Math.ceil(rounds / 10), 100_000),
    transactions: whole("--transactions", values.transactions, 1_000, 1_000_000),
    seed: whole("--seed", values.seed, Math.floor(Math.random() * 1_000_000), 2 ** 32 - 1),
  };
}

function whole(option: string, text: string | undefined, otherwise: number, max: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= max) return number;
  throw new Error(`${option} ${text}: a whole number up to ${max} is needed`);
}
