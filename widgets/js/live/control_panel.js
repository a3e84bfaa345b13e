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
  #notes = div("bcm-promptnotes");
  #seedB;
  #guidance;
  #steps;
  #arguments;

  /**
   * @param {any} info the model, as Python describes it
   * @param {() => void} onChange
   */
  constructor(info, onChange) {
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
      label, min: 0, max: 1, step: 0.01, default: 0, format: percent,
      describe: (value) => `${percent(value)} of ${second}`,
    }, this.#onChange);
    this.#prompt = promptBox("Prompt A", "the prompt", onType);
    this.#promptB = promptBox("Prompt B", "the prompt to blend with", onType);
    this.blend = share("Blend", "prompt B");
    this.seed = seedBox("Seed A", this.#onChange);
    this.#seedB = seedBox("Seed B", this.#onChange);
    this.seedBlend = share("Blend", "seed B");
    this.#guidance = sliderRow({
      label: "Guidance", min: 1, max: info.max_guidance, step: 0.1,
      default: info.default_guidance,
    }, this.#onChange);
    this.#steps = sliderRow({
      label: "Steps", min: 1, max: Math.max(info.default_steps, 2), step: 1,
      default: Math.min(6, info.default_steps),
      describe: (value) => `${value} steps`,
    }, this.#onChange);
    this.#arguments = info.sliders.map((/** @type {any} */ one) => {
      const label = one.name.replaceAll("_", " ");
      return { ...one, ...sliderRow({ ...one, label }, this.#onChange) };
    });
    this.#notes.hidden = !info.knows_words;
    attributes(this.#notes, { "aria-live": "polite" });
    const seeds = div("bcm-seeds", this.seed.box, this.#seedB.box);
    this.node = div("bcm-controls",
      group("Prompts", this.#prompt.box, this.blend.row, this.#promptB.box, this.#notes),
      group("Seeds", seeds, this.seedBlend.row),
      group("Generation", this.#guidance.row, this.#steps.row),
    );
    if (!this.#arguments.length) return;
    const fold = element("details", "bcm-more");
    fold.append(element("summary", "", "More pipeline arguments"),
      ...this.#arguments.map((/** @type {any} */ one) => one.row));
    this.node.append(fold);
  }

  /** Return the values of all controls, as Python expects them. */
  values() {
    return {
      prompt: this.#prompt.area.value, prompt_b: this.#promptB.area.value,
      blend: this.blend.value(), seed: this.seed.input.value, seed_b: this.#seedB.input.value,
      seed_blend: this.seedBlend.value(), guidance_scale: this.#guidance.value(),
      steps: this.#steps.value(),
      arguments: Object.fromEntries(this.#arguments.map((/** @type {any} */ one) => [one.name, one.value()])),
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
    for (const one of this.#arguments) one.set(values.arguments[one.name] ?? one.default);
    this.#refresh();
  }

  /** Show which words don't reach the model. @param {string[]} notes sentences */
  showNotes(notes) {
    this.#notes.textContent = notes.join("\n");
  }

  /** Disable blending without a second prompt. */
  #refresh() {
    this.blend.input.disabled = !this.#promptB.area.value.trim();
  }

  /** Adapt to the model. @param {any} info @param {boolean} refine whether all steps are run at rest */
  setModel(info, refine) {
    this.#steps.input.max = String(Math.max(info.default_steps, 2));
    this.#steps.name.textContent = refine ? "Draft steps" : "Steps";
    this.#steps.row.title = refine ? `while a control moves; all ${info.default_steps} at rest` : "";
  }

  /** Stop pending changes. */
  close() {
    clearTimeout(this.#typingTimer);
  }
}

/** Create a labelled group. @param {string} name @param {HTMLElement[]} parts */
function group(name, ...parts) {
  const node = div("bcm-controlgroup");
  attributes(node, { role: "group", "aria-label": name });
  node.append(...parts);
  return node;
}
