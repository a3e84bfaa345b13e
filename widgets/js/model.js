// A model as anywidget gives it to a view, without a kernel behind it.

export class Model {
  /** @type {Map<string, Set<() => void>>} */
  #heard = new Map();

  /** @param {Record<string, unknown>} values */
  constructor(values) {
    this.values = values;
  }

  /** @param {string} name @returns {any} */
  get(name) {
    return this.values[name];
  }

  /** @param {string | Record<string, unknown>} name or several values by name @param {unknown} [value] */
  set(name, value) {
    const given = typeof name === "string" ? { [name]: value } : name;
    const changed = Object.keys(given).filter((one) => JSON.stringify(given[one]) !== JSON.stringify(this.values[one]));
    Object.assign(this.values, given);
    for (const one of changed) for (const act of [...this.#heard.get(`change:${one}`) ?? []]) act();
  }

  /** There is nobody to save them for. */
  save_changes() {}

  /** @param {string} event @param {() => void} act */
  on(event, act) {
    this.#heard.set(event, (this.#heard.get(event) ?? new Set()).add(act));
  }

  /** @param {string} event @param {() => void} act */
  off(event, act) {
    this.#heard.get(event)?.delete(act);
  }
}
