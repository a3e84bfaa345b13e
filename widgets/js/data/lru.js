// A cache with a weight budget that drops the least recently used entries first.

/**
 * @template V type of the values
 */
export class Lru {
  #budget;
  #pinned;
  weight = 0;
  /** @type {Map<number, {value: V, weight: number}>} */
  entries = new Map();

  /**
   * @param {number} budget in the unit of the weights
   * @param {(value: V) => void} drop called with each dropped value
   * @param {(key: number) => boolean} pinned whether a key must stay although it is old
   */
  constructor(budget, drop = () => {}, pinned = () => false) {
    this.#budget = budget;
    this.drop = drop;
    this.#pinned = pinned;
  }

  /** Return whether a key is cached. @param {number} key */
  has(key) {
    return this.entries.has(key);
  }

  /**
   * Return a value and mark it as used.
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
   * Set a value and drop others that exceed the budget.
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

  /** Drop a value. @param {number} key */
  delete(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.weight -= entry.weight;
    this.drop(entry.value);
  }

  /** Drop old entries down to the budget. @param {number} newest the key that stays */
  #trim(newest) {
    if (this.weight <= this.#budget) return;
    for (const key of [...this.entries.keys()]) {
      if (this.weight <= this.#budget) return;
      if (key !== newest && !this.#pinned(key)) this.delete(key);
    }
  }

  /** Drop everything. */
  clear() {
    for (const key of [...this.entries.keys()]) this.delete(key);
  }
}
