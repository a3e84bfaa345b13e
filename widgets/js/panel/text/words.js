// Rules for words: which ones a model doesn't know, and which ones complete what is typed. Pure
// functions without a DOM.

import { segments } from "./slots.js";

/**
 * @typedef {{argument: string, message: string, words: string[]}} Note
 * @typedef {{text: string, message: string}} Piece a part of a text; its note, or ""
 * @typedef {{word: string, start: number, end: number}} Typed the word before the caret
 */

const MAX_COMPLETIONS = 8;
const MIN_LETTERS = 2;
// As the kit strips the words of its notes.
const PUNCTUATION = /^[.,;:!?()[\]{}"'\\]+|[.,;:!?()[\]{}"'\\]+$/g;
const TYPED = /[\p{L}\p{M}\p{N}_'’-]*$/u;
const CONTINUES = /^[\p{L}\p{M}\p{N}_'’-]/u;

/**
 * Return the unknown words, each with the message of its note.
 * @param {Note[]} notes
 * @returns {Map<string, string>}
 */
export function unknownWords(notes) {
  return new Map(notes.flatMap(({ words, message }) => words.map((word) => /** @type {[string, string]} */ ([word, message]))));
}

/**
 * Return a message as it is shown below the prompt, whose name need not be repeated.
 * @param {Note} note
 */
export function noteText({ argument, message }) {
  const name = "prompt: ";
  return argument === "prompt" && message.startsWith(name) ? message.slice(name.length) : message;
}

/**
 * Split a text into pieces, the unknown words apart; joined, they are the whole text.
 * @param {string} text
 * @param {Map<string, string>} unknown
 * @param {"text" | "variants"} [kind] of variants, braces and bars separate words, too
 * @returns {Piece[]}
 */
export function markWords(text, unknown, kind = "text") {
  /** @type {Piece[]} */
  const result = [];
  let done = 0;
  for (const match of unknown.size ? text.matchAll(kind === "text" ? /\S+/g : /[^\s{}|:$]+/g) : []) {
    const core = match[0].replace(PUNCTUATION, "") || match[0];
    const message = unknown.get(core);
    if (message === undefined) continue;
    const start = match.index + match[0].indexOf(core);
    if (start > done) result.push({ text: text.slice(done, start), message: "" });
    result.push({ text: core, message });
    done = start + core.length;
  }
  if (done < text.length) result.push({ text: text.slice(done), message: "" });
  return result;
}

/**
 * Return the pieces of a value as its chip shows it. A label that hides the unknown words of its value
 * is one piece with their note.
 * @param {string} value
 * @param {string} label "" for the value itself
 * @param {Map<string, string>} unknown
 */
export function markValue(value, label, unknown) {
  const pieces = markWords(label || value, unknown);
  if (!label || pieces.some((one) => one.message)) return pieces;
  return [{ text: label, message: markWords(value, unknown).find((one) => one.message)?.message ?? "" }];
}

/**
 * Return the word that is typed, of two letters or more, or null.
 * @param {string} text
 * @param {number} caret
 * @returns {Typed | null}
 */
export function typedWord(text, caret) {
  if (CONTINUES.test(text.slice(caret))) return null;
  const word = text.slice(0, caret).match(TYPED)?.[0] ?? "";
  const letters = word.match(/\p{L}/gu)?.length ?? 0;
  return letters < MIN_LETTERS ? null : { word, start: caret - word.length, end: caret };
}

/**
 * Return the word that is typed in a template, or null inside of a slot's name.
 * @param {string} template
 * @param {number} caret
 */
export function typedTemplateWord(template, caret) {
  let start = 0;
  for (const { text, kind } of segments(template)) {
    const inside = caret > start && caret < start + text.length + (text.endsWith("}") ? 0 : 1);
    // Braces that are still open may become variants.
    const isName = kind === "slot" || (kind === "invalid" && !template.slice(start, caret).includes("|"));
    if (inside && isName) return null;
    start += text.length;
  }
  return typedWord(template, caret);
}

/**
 * Return the known words that complete a word: those that start with it, else those that contain it.
 * @param {string} word
 * @param {readonly string[]} known
 * @returns {{words: string[], first: boolean}} and whether Enter should accept the first one
 */
export function completionsOf(word, known) {
  const typed = word.toLowerCase();
  const isKnown = known.some((one) => one.toLowerCase() === typed);
  const others = known.filter((one) => one.toLowerCase() !== typed);
  const starting = others.filter((one) => one.toLowerCase().startsWith(typed));
  // Enter after a word that is complete must not replace it.
  if (starting.length || isKnown) return { words: starting.slice(0, MAX_COMPLETIONS), first: !isKnown };
  return { words: others.filter((one) => one.toLowerCase().includes(typed)).slice(0, MAX_COMPLETIONS), first: false };
}
