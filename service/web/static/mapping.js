// Which column holds which field: what the user chose, besides what the service proposes.

/**
 * A column of the file, as the service describes it.
 * @typedef {{ name: string, map: string, samples: string[], field: string | null, certainty: string | null }} Column
 */

export const FIELDS = {
  name: "Full name",
  first_name: "First name",
  last_name: "Last name",
  email: "E-mail",
};

const GROUPS = { email: ["email"], names: ["name", "first_name", "last_name"] };
const groupOf = (field) => Object.keys(GROUPS).find((group) => GROUPS[group].includes(field));

/** The choices of one file. A group of fields that the user has not touched is left to the service. */
export class Mapping {
  /** @type {Map<string, string | null>} by the column's name for the option `map` */
  #fields = new Map();
  #touched = new Set();
  /** @type {Set<string>} groups that contacts are imported without */
  #without = new Set();

  get isTouched() {
    return this.#touched.size > 0;
  }

  /** Takes the proposal for what the user has not chosen, also at the first time. */
  propose(/** @type {Column[]} */ columns) {
    const chosen = this.#fields;
    this.#fields = new Map(columns.map(({ map, field }) => [map, field]));
    for (const [map, field] of chosen) {
      if (!this.#fields.has(map)) continue;
      const group = groupOf(field ?? this.#fields.get(map));
      if (group && this.#touched.has(group)) this.#fields.set(map, field);
    }
  }

  field(map) {
    return this.#fields.get(map) ?? null;
  }

  /**
   * Sets what a column holds.
   * @returns {string[]} the columns that are no longer imported, since a full name replaces both halves
   *   of a name, and a half replaces a full name.
   */
  choose(map, field) {
    for (const group of [groupOf(this.field(map)), groupOf(field)]) if (group) this.#touched.add(group);
    this.#fields.set(map, field);
    if (field) this.#without.delete(groupOf(field));
    const dropped = field === "name" ? ["first_name", "last_name"] : ["first_name", "last_name"].includes(field) ? ["name"] : [];
    const others = [...this.#fields].filter(([other, held]) => other !== map && dropped.includes(held));
    for (const [other] of others) this.#fields.set(other, null);
    return others.map(([other]) => other);
  }

  /** Imports contacts without addresses, or without names. */
  without(/** @type {"email" | "names"} */ group) {
    this.#touched.add(group);
    this.#without.add(group);
    for (const [map, field] of this.#fields) if (groupOf(field) === group) this.#fields.set(map, null);
  }

  /** Leaves everything to the service again. */
  reset() {
    this.#fields.clear();
    this.#touched.clear();
    this.#without.clear();
  }

  /** What the service has to know of it. */
  options() {
    const map = [...this.#fields].filter(([, field]) => field && this.#touched.has(groupOf(field)));
    const isLeftOut = (group) => this.#touched.has(group) && !map.some(([, field]) => groupOf(field) === group);
    return {
      map,
      ...(isLeftOut("email") ? { email: "none" } : {}),
      ...(isLeftOut("names") ? { name: "none" } : {}),
    };
  }

  /** What `restore` takes. */
  snapshot() {
    return { fields: [...this.#fields], touched: [...this.#touched], without: [...this.#without] };
  }

  restore({ fields, touched, without = [] }) {
    this.#fields = new Map(fields);
    this.#touched = new Set(touched);
    this.#without = new Set(without);
  }
}
