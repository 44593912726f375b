// The values of secrets at hand. In: what definitions name, a provider's answers. Out: values for a start, or why there are none yet; a word when that changes.
import type { Clock } from 'proffer';
import type { Secrets } from '../model/spec.js';
import type { SecretProvider } from './provider.js';
import { secretBytesMax } from './provider.js';

/** Values by the names that a definition gives them. */
export type SecretValues = ReadonlyMap<string, Uint8Array>;

/** Why something cannot start; with `soon` the answer is on its way. */
export interface NoSecrets {
  readonly why: string;
  readonly soon: boolean;
}

/** A value serves for so long, in milliseconds; then it is asked for again, as it may be another. */
export const secretKeptMs = 60_000;
/** What could not be had is asked for again after so long. */
export const secretRetryMs = 5000;

interface Entry {
  readonly untilMs: number;
  /** Undefined while the provider is asked. */
  readonly answer: { readonly value: Uint8Array } | { readonly why: string } | undefined;
}

/** Asks a provider for what is about to be used, and keeps it for a while in memory only. */
export class SecretBook {
  readonly #clock: Clock;
  readonly #provider: SecretProvider;
  readonly #onChanged: () => void;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, provider: SecretProvider, onChanged: () => void) {
    this.#clock = clock;
    this.#provider = provider;
    this.#onChanged = onChanged;
  }

  /** All of `secrets`, or the first that is missing. */
  valuesOf(secrets: Secrets): SecretValues | NoSecrets {
    const values = new Map<string, Uint8Array>();
    let missing: NoSecrets | undefined;
    for (const [name, { source }] of Object.entries(secrets)) {
      const { answer } = this.#entry(source);
      if (answer !== undefined && 'value' in answer) values.set(name, answer.value);
      else if (answer === undefined) missing ??= { why: `the secret ${name} is being asked for`, soon: true };
      // Asked again by itself only when somebody looks.
      else missing = { why: `the secret ${name} ${answer.why}`, soon: false };
    }
    return missing ?? values;
  }

  #entry(source: string): Entry {
    const known = this.#entries.get(source);
    if (known !== undefined && (known.answer === undefined || this.#clock.now() < known.untilMs)) return known;
    let asked: ReturnType<SecretProvider['get']>;
    try {
      asked = this.#provider.get(source);
    } catch (error) {
      return this.#failed(source, error);
    }
    if (!(asked instanceof Promise)) return this.#found(source, asked);
    const entry: Entry = { untilMs: Number.POSITIVE_INFINITY, answer: undefined };
    this.#entries.set(source, entry);
    asked.then(
      value => {
        this.#found(source, value);
        this.#onChanged();
      },
      (error: unknown) => {
        this.#failed(source, error);
        this.#onChanged();
      },
    );
    return entry;
  }

  #found(source: string, value: Uint8Array | undefined): Entry {
    if (value === undefined) return this.#keep(source, { why: 'is not there' });
    if (value.length > secretBytesMax) {
      return this.#keep(source, { why: `has ${value.length} bytes, at most ${secretBytesMax} can be given to a task` });
    }
    return this.#keep(source, { value });
  }

  #failed(source: string, error: unknown): Entry {
    return this.#keep(source, { why: `cannot be read: ${error instanceof Error ? error.message : String(error)}` });
  }

  #keep(source: string, answer: NonNullable<Entry['answer']>): Entry {
    const keptMs = 'value' in answer ? secretKeptMs : secretRetryMs;
    const entry: Entry = { untilMs: this.#clock.now() + keptMs, answer };
    this.#entries.set(source, entry);
    return entry;
  }
}
