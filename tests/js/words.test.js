import assert from "node:assert/strict";
import { test } from "node:test";
import {
  completionsOf, markValue, markWords, noteText, typedTemplateWord, typedWord, unknownWords,
} from "../../widgets/js/panel/text/words.js";

const note = (words, message = "prompt: pollen ignores words.") => ({ argument: "prompt", message, words });
const unknown = unknownWords([note(["zebra", "gas", "station"], "one"), note(["it's"], "two")]);
const marked = (text, kind) => markWords(text, unknown, kind).filter((one) => one.message).map((one) => one.text);

test("each unknown word has the message of its note", () => {
  assert.deepEqual([...unknown], [["zebra", "one"], ["gas", "one"], ["station", "one"], ["it's", "two"]]);
  assert.equal(noteText(note([])), "pollen ignores words.");
  assert.equal(noteText({ ...note([]), argument: "negative_prompt", message: "negative_prompt: x" }), "negative_prompt: x");
});

test("unknown words are found without their punctuation, and only whole", () => {
  assert.deepEqual(markWords("A zebra, (zebra) zebras", unknown), [
    { text: "A ", message: "" }, { text: "zebra", message: "one" }, { text: ", (", message: "" },
    { text: "zebra", message: "one" }, { text: ") zebras", message: "" },
  ]);
  assert.deepEqual(marked("it's a 'gas station'\nzebra?!"), ["it's", "gas", "station", "zebra"]);
  assert.deepEqual(marked("dunes|zebra"), []);
  assert.deepEqual(marked("{dunes|zebra|a gas lake}", "variants"), ["zebra", "gas"]);
  for (const text of ["", " ", "zebra", "{zebra|zebra}", "…zebra🦓 ", "zebra{{x}}zebra", "?!"]) {
    for (const kind of ["text", "variants"]) assert.equal(markWords(text, unknown, kind).map((one) => one.text).join(""), text);
  }
  assert.deepEqual(markWords("a zebra", new Map()), [{ text: "a zebra", message: "" }]);
});

test("a label that hides unknown words has their note", () => {
  assert.deepEqual(markValue("a zebra", "", unknown), [{ text: "a ", message: "" }, { text: "zebra", message: "one" }]);
  assert.deepEqual(markValue("a zebra", "stripes", unknown), [{ text: "stripes", message: "one" }]);
  assert.deepEqual(markValue("a zebra", "the zebra", unknown).at(-1), { text: "zebra", message: "one" });
  assert.deepEqual(markValue("a bee", "bee", unknown), [{ text: "bee", message: "" }]);
});

test("the typed word ends at the caret and has two letters or more", () => {
  assert.deepEqual(typedWord("a mead", 6), { word: "mead", start: 2, end: 6 });
  assert.deepEqual(typedWord("a mead over", 6), { word: "mead", start: 2, end: 6 });
  assert.equal(typedWord("a meadow", 6), null, "inside of a word");
  assert.equal(typedWord("a m", 3), null);
  assert.equal(typedWord("a 25", 4), null);
  assert.equal(typedWord("a mead ", 7), null);
  assert.equal(typedWord("élan", 4).word, "élan");
});

test("nothing completes the names of slots", () => {
  const word = (text, caret = text.length) => typedTemplateWord(text, caret)?.word;
  assert.equal(word("a {insect} over mead"), "mead");
  assert.equal(word("a {insect} x", 9), undefined);
  assert.equal(word("a {inse"), undefined);
  assert.equal(word("mead {inse", 4), "mead");
  assert.equal(word("a {dunes|mead}", 13), "mead");
  assert.equal(word("a {dunes|mead"), "mead", "these braces become variants");
  assert.equal(word("a {dunes|mead", 8), undefined);
  assert.equal(word("a {insect}mead"), "mead");
});

test("words are completed by their start, else by what they contain", () => {
  const known = ["a", "bee", "beetle", "daylight", "light", "lightning", "meadow", "sunlight", "twilight"];
  assert.deepEqual(completionsOf("mead", known), { words: ["meadow"], first: true });
  assert.deepEqual(completionsOf("MEA", known), { words: ["meadow"], first: true });
  assert.deepEqual(completionsOf("bee", known), { words: ["beetle"], first: false }, "Enter must not replace a known word");
  assert.deepEqual(completionsOf("light", known), { words: ["lightning"], first: false });
  assert.deepEqual(completionsOf("ligh", known), { words: ["light", "lightning"], first: true });
  assert.deepEqual(completionsOf("ylig", known), { words: ["daylight"], first: false });
  assert.deepEqual(completionsOf("meadow", known).words, []);
  assert.deepEqual(completionsOf("zebra", known).words, []);
  const many = Array.from({ length: 30 }, (_, i) => `word${i}`);
  assert.equal(completionsOf("wo", many).words.length, 8);
});
