// Dependency injection, typed: tokens with the type they stand for, one container per node. Sole importer of inversify.
import { Container } from 'inversify';

/** Names something of type `T` in a node's container. */
export interface Token<T> {
  readonly key: symbol;
  /** For the compiler only. */
  readonly type?: T;
}

/** A token; `name` is for messages. */
export function token<T>(name: string): Token<T> {
  return { key: Symbol(name) };
}

type Tokens<A extends readonly unknown[]> = { readonly [I in keyof A]: Token<A[I]> };

/** What a node is made of. Each thing is made once, when first asked for, with what it needs. */
export class Wiring {
  readonly #container = new Container({ defaultScope: 'Singleton' });

  /** Something that is there already. */
  constant<T>(what: Token<T>, value: T): this {
    this.#container.bind<T>(what.key).toConstantValue(value);
    return this;
  }

  /** Something to be made of other things. */
  make<T, A extends readonly unknown[]>(what: Token<T>, needs: Tokens<A>, build: (...parts: A) => T): this {
    const keys = needs.map(need => need.key);
    this.#container
      .bind<T>(what.key)
      .toResolvedValue((...parts: unknown[]) => build(...(parts as unknown as A)), keys)
      .inSingletonScope();
    return this;
  }

  get<T>(what: Token<T>): T {
    return this.#container.get<T>(what.key);
  }
}
