// What was used least lately goes first, by weight.

/**
 * @template V
 */
export class Lru {
  #budget;
  #pinned;
  weight = 0;
  /** @type {Map<number, {value: V, weight: number}>} */
  entries = new Map();

  /**
   * @param {number} budget in the unit of the weights
   * @param {(value: V) => void} drop called with what is let go
   * @param {(key: number) => boolean} pinned what must stay although it is old
   */
  constructor(budget, drop = () => {}, pinned = () => false) {
    this.#budget = budget;
    this.drop = drop;
    this.#pinned = pinned;
  }

  /** @param {number} key */
  has(key) {
    return this.entries.has(key);
  }

  /**
   * @param {number} key
   * @returns {V | undefined}
   */
  get(key) {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  /**
   * @param {number} key
   * @param {V} value
   * @param {number} weight
   */
  set(key, value, weight) {
    this.delete(key);
    this.entries.set(key, { value, weight });
    this.weight += weight;
    this.#trim(key);
  }

  /** @param {number} key */
  delete(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.weight -= entry.weight;
    this.drop(entry.value);
  }

  /** @param {number} newest */
  #trim(newest) {
    if (this.weight <= this.#budget) return;
    for (const key of [...this.entries.keys()]) {
      if (this.weight <= this.#budget) return;
      if (key !== newest && !this.#pinned(key)) this.delete(key);
    }
  }

  clear() {
    for (const key of [...this.entries.keys()]) this.delete(key);
  }
}
