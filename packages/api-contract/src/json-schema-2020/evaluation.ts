import type { Resource } from './registry.js';

/** What schemas at one place of the data have looked at, for `unevaluatedProperties` and `unevaluatedItems`. */
export class Evaluated {
  readonly properties = new Set<string>();
  readonly items = new Set<number>();
  allProperties = false;
  allItems = false;
  /** Items below it have all been looked at. */
  itemsBelow = 0;

  get size(): number {
    return this.properties.size + this.items.size;
  }

  include(other: Evaluated): void {
    for (const name of other.properties) this.properties.add(name);
    for (const index of other.items) this.items.add(index);
    this.allProperties ||= other.allProperties;
    this.allItems ||= other.allItems;
    this.itemsBelow = Math.max(this.itemsBelow, other.itemsBelow);
  }

  hasItem(index: number): boolean {
    return this.allItems || index < this.itemsBelow || this.items.has(index);
  }

  hasProperty(name: string): boolean {
    return this.allProperties || this.properties.has(name);
  }
}

export class TooManySteps extends Error {
  override readonly name = 'TooManySteps';
}

/** `path` is joined only where it is shown: most failures are those of a branch that may fail. */
export interface Failure {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** One check of one value: where it is, through which resources it came, and what was wrong. */
export class Evaluation {
  readonly errors: Failure[] = [];
  readonly path: (string | number)[] = [];
  /** The dynamic scope, outermost first. */
  readonly scope: Resource[] = [];
  #steps = 0;

  /** Called by each schema, and by each keyword with what it takes beyond that: `cost` grows with the value it looks at. */
  step(cost = 1): void {
    this.#steps += cost;
    if (this.#steps > stepsMax) throw new TooManySteps('The check takes too many steps');
  }

  namesOf(value: object): string[] {
    const names = Object.keys(value);
    this.step(3 * names.length);
    return names;
  }

  fail(message: string): false {
    if (this.errors.length < errorsMax) this.errors.push({ path: [...this.path], message });
    return false;
  }

  /** Checks what is one level down in the data. */
  at(part: string | number, check: Check, value: unknown): boolean {
    this.path.push(part);
    const fits = check(value, this, null);
    this.path.pop();
    return fits;
  }

  /** The answer of a check whose errors are none of the value's: of a branch that may fail. */
  quietly(check: () => boolean): boolean {
    const { length } = this.errors;
    const fits = check();
    this.errors.length = length;
    return fits;
  }
}

/** Each takes about a tenth of a microsecond, so that all of them take less than a second or two. */
const stepsMax = 5_000_000;
const errorsMax = 50;

/** `evaluated` is null where nothing is left to `unevaluated…`. */
export type Check = (value: unknown, evaluation: Evaluation, evaluated: Evaluated | null) => boolean;
