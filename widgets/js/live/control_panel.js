// The live view's panel: all dials, read and set together.

import { attributes, div, element } from "../core/dom.js";
import { percent, promptBox, seedBox, sliderRow } from "./controls.js";

const TYPING = 250;

export class Panel {
  /** @type {any} */
  #typing = null;
  #turned;
  #prompt;
  #promptB;
  #seedB;
  #guidance;
  #steps;
  #more;

  /**
   * @param {any} about the model, as Python describes it
   * @param {() => void} turned
   */
  constructor(about, turned) {
    this.#turned = () => {
      clearTimeout(this.#typing);
      this.#refresh();
      turned();
    };
    const typed = (/** @type {boolean} */ soon) => {
      clearTimeout(this.#typing);
      if (soon) this.#typing = setTimeout(this.#turned, TYPING);
      else this.#turned();
    };
    const share = (/** @type {string} */ label, /** @type {string} */ second) => sliderRow({
      label, least: 0, most: 1, step: 0.01, usual: 0, words: percent,
      say: (value) => `${percent(value)} of ${second}`,
    }, this.#turned);
    this.#prompt = promptBox("Prompt A", "what to show", typed);
    this.#promptB = promptBox("Prompt B", "what to blend it with", typed);
    this.blend = share("Blend", "prompt B");
    this.seed = seedBox("Seed A", this.#turned);
    this.#seedB = seedBox("Seed B", this.#turned);
    this.seedBlend = share("Blend", "seed B");
    this.#guidance = sliderRow({
      label: "Guidance", least: 1, most: about.guidance_most, step: 0.1,
      usual: about.usual_guidance,
    }, this.#turned);
    this.#steps = sliderRow({
      label: "Steps", least: 1, most: Math.max(about.usual_steps, 2), step: 1,
      usual: Math.min(6, about.usual_steps),
      say: (value) => `${value} steps`,
    }, this.#turned);
    this.#more = about.sliders.map((/** @type {any} */ one) => {
      const label = one.name.replaceAll("_", " ");
      return { ...one, ...sliderRow({ ...one, label }, this.#turned) };
    });
    const seeds = div("bcm-seeds", this.seed.box, this.#seedB.box);
    this.node = div("bcm-beside",
      group("Prompts", this.#prompt.box, this.blend.row, this.#promptB.box),
      group("Seeds", seeds, this.seedBlend.row),
      group("Making", this.#guidance.row, this.#steps.row),
    );
    if (!this.#more.length) return;
    const fold = element("details", "bcm-more");
    fold.append(element("summary", "", "More of the pipeline"),
      ...this.#more.map((/** @type {any} */ one) => one.row));
    this.node.append(fold);
  }

  /** Where the dials stand, as Python has it. */
  value() {
    return {
      prompt: this.#prompt.area.value, prompt_b: this.#promptB.area.value,
      blend: this.blend.value(), seed: this.seed.input.value, seed_b: this.#seedB.input.value,
      seed_blend: this.seedBlend.value(), guidance_scale: this.#guidance.value(),
      steps: this.#steps.value(),
      more: Object.fromEntries(this.#more.map((/** @type {any} */ one) => [one.name, one.value()])),
    };
  }

  /** @param {any} dials */
  set(dials) {
    for (const [input, value] of /** @type {[any, string][]} */ ([
      [this.#prompt.area, dials.prompt], [this.#promptB.area, dials.prompt_b],
      [this.seed.input, dials.seed], [this.#seedB.input, dials.seed_b],
    ])) if (input.value !== value) input.value = value;
    this.blend.set(dials.blend);
    this.seedBlend.set(dials.seed_blend);
    this.#guidance.set(dials.guidance_scale);
    this.#steps.set(dials.steps);
    for (const one of this.#more) one.set(dials.more[one.name] ?? one.usual);
    this.#refresh();
  }

  /** Without a second prompt there is nothing to blend. */
  #refresh() {
    this.blend.input.disabled = !this.#promptB.area.value.trim();
  }

  /** @param {any} about @param {boolean} refine whether all steps are made at rest */
  describe(about, refine) {
    this.#steps.input.max = String(Math.max(about.usual_steps, 2));
    this.#steps.name.textContent = refine ? "Draft steps" : "Steps";
    this.#steps.row.title = refine ? `while the hand moves; all ${about.usual_steps} at rest` : "";
  }

  close() {
    clearTimeout(this.#typing);
  }
}

/** @param {string} name @param {HTMLElement[]} parts */
function group(name, ...parts) {
  const made = div("bcm-dials");
  attributes(made, { role: "group", "aria-label": name });
  made.append(...parts);
  return made;
}
