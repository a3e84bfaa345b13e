// The part of anywidget's model that views use, without a kernel behind it.

/** Holds trait values and notifies listeners of changes. */
export class LocalModel {
  /** @type {Map<string, Set<() => void>>} */
  #listeners = new Map();

  /** @param {Record<string, unknown>} values */
  constructor(values) {
    this.values = values;
  }

  /** Return a trait's value. @param {string} name @returns {any} */
  get(name) {
    return this.values[name];
  }

  /** Set one trait, or several by name. @param {string | Record<string, unknown>} name @param {unknown} [value] */
  set(name, value) {
    const values = typeof name === "string" ? { [name]: value } : name;
    const changed = Object.keys(values).filter((one) => JSON.stringify(values[one]) !== JSON.stringify(this.values[one]));
    Object.assign(this.values, values);
    for (const one of changed) for (const listener of [...this.#listeners.get(`change:${one}`) ?? []]) listener();
  }

  /** Do nothing: no kernel receives the values. */
  save_changes() {}

  /** Add a listener. @param {string} event @param {() => void} listener */
  on(event, listener) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(listener));
  }

  /** Remove a listener. @param {string} event @param {() => void} listener */
  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }
}
