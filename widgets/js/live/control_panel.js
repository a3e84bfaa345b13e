// All controls of the live view, whose values are read and set together.

import { attributes, div, element } from "../core/dom.js";
import { percent, promptBox, seedBox, sliderRow } from "./controls.js";

const TYPING_DELAY = 250; // milliseconds after the last key

/** Prompts, seeds and generation settings. */
export class ControlPanel {
  /** @type {any} */
  #typingTimer = null;
  #onChange;
  #prompt;
  #promptB;
  #seedB;
  #guidance;
  #steps;
  #more;

  /**
   * @param {any} about the model, as Python describes it
   * @param {() => void} onChange
   */
  constructor(about, onChange) {
    this.#onChange = () => {
      clearTimeout(this.#typingTimer);
      this.#refresh();
      onChange();
    };
    const onType = (/** @type {boolean} */ typing) => {
      clearTimeout(this.#typingTimer);
      if (typing) this.#typingTimer = setTimeout(this.#onChange, TYPING_DELAY);
      else this.#onChange();
    };
    const share = (/** @type {string} */ label, /** @type {string} */ second) => sliderRow({
      label, least: 0, most: 1, step: 0.01, usual: 0, format: percent,
      describe: (value) => `${percent(value)} of ${second}`,
    }, this.#onChange);
    this.#prompt = promptBox("Prompt A", "what to show", onType);
    this.#promptB = promptBox("Prompt B", "what to blend it with", onType);
    this.blend = share("Blend", "prompt B");
    this.seed = seedBox("Seed A", this.#onChange);
    this.#seedB = seedBox("Seed B", this.#onChange);
    this.seedBlend = share("Blend", "seed B");
    this.#guidance = sliderRow({
      label: "Guidance", least: 1, most: about.guidance_most, step: 0.1,
      usual: about.usual_guidance,
    }, this.#onChange);
    this.#steps = sliderRow({
      label: "Steps", least: 1, most: Math.max(about.usual_steps, 2), step: 1,
      usual: Math.min(6, about.usual_steps),
      describe: (value) => `${value} steps`,
    }, this.#onChange);
    this.#more = about.sliders.map((/** @type {any} */ one) => {
      const label = one.name.replaceAll("_", " ");
      return { ...one, ...sliderRow({ ...one, label }, this.#onChange) };
    });
    const seeds = div("bcm-seeds", this.seed.box, this.#seedB.box);
    this.node = div("bcm-beside",
      group("Prompts", this.#prompt.box, this.blend.row, this.#promptB.box),
      group("Seeds", seeds, this.seedBlend.row),
      group("Generation", this.#guidance.row, this.#steps.row),
    );
    if (!this.#more.length) return;
    const fold = element("details", "bcm-more");
    fold.append(element("summary", "", "More pipeline arguments"),
      ...this.#more.map((/** @type {any} */ one) => one.row));
    this.node.append(fold);
  }

  /** Return the values of all controls, as Python expects them. */
  values() {
    return {
      prompt: this.#prompt.area.value, prompt_b: this.#promptB.area.value,
      blend: this.blend.value(), seed: this.seed.input.value, seed_b: this.#seedB.input.value,
      seed_blend: this.seedBlend.value(), guidance_scale: this.#guidance.value(),
      steps: this.#steps.value(),
      more: Object.fromEntries(this.#more.map((/** @type {any} */ one) => [one.name, one.value()])),
    };
  }

  /** Set all controls. @param {any} values */
  set(values) {
    for (const [input, value] of /** @type {[any, string][]} */ ([
      [this.#prompt.area, values.prompt], [this.#promptB.area, values.prompt_b],
      [this.seed.input, values.seed], [this.#seedB.input, values.seed_b],
    ])) if (input.value !== value) input.value = value;
    this.blend.set(values.blend);
    this.seedBlend.set(values.seed_blend);
    this.#guidance.set(values.guidance_scale);
    this.#steps.set(values.steps);
    for (const one of this.#more) one.set(values.more[one.name] ?? one.usual);
    this.#refresh();
  }

  /** Disable blending without a second prompt. */
  #refresh() {
    this.blend.input.disabled = !this.#promptB.area.value.trim();
  }

  /** Adapt to the model. @param {any} about @param {boolean} refine whether all steps are run at rest */
  setModel(about, refine) {
    this.#steps.input.max = String(Math.max(about.usual_steps, 2));
    this.#steps.name.textContent = refine ? "Draft steps" : "Steps";
    this.#steps.row.title = refine ? `while a control moves; all ${about.usual_steps} at rest` : "";
  }

  /** Stop pending changes. */
  close() {
    clearTimeout(this.#typingTimer);
  }
}

/** Create a labelled group. @param {string} name @param {HTMLElement[]} parts */
function group(name, ...parts) {
  const node = div("bcm-dials");
  attributes(node, { role: "group", "aria-label": name });
  node.append(...parts);
  return node;
}
