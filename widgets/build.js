// Bundles js/ into what the Python package ships: `npm run build` (or `node build.js FOLDER`).
import { build } from "esbuild";
import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

const here = dirname(fileURLToPath(import.meta.url));
const one = process.argv[2];
// The long names of CSS variables are for those who read the sources; each is spelled out dozens of
// times. Short ones are dealt out in the order of the alphabet, so that all bundles agree.
const VARIABLE = /--bcm-[a-z-]+/g;
const sources = (await readdir(join(here, "js"))).filter((name) => /\.(js|css)$/.test(name)).sort();
const texts = await Promise.all(sources.map((name) => readFile(join(here, "js", name), "utf8")));
const names = [...new Set(texts.join("").match(VARIABLE))].sort();
/** @param {string} text */
const shortened = (text) => text.replace(VARIABLE, (name) => `--b${names.indexOf(name).toString(36)}`);
/** @type {import("esbuild").Plugin} */
const variables = {
  name: "variables",
  setup(made) {
    made.onLoad({ filter: /\/js\/[^/]+\.(js|css)$/ }, async ({ path }) => ({
      contents: shortened(await readFile(path, "utf8")), loader: path.endsWith("css") ? "css" : "js",
    }));
  },
};
/** @type {import("esbuild").BuildOptions} */
const options = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  plugins: [variables],
};
await build({
  ...options, format: "esm",
  entryPoints: [
    "js/base.css", "js/clips.js", "js/clips.css", "js/panel.js", "js/panel.css", "js/live.js",
    "js/live.css", "js/progress.js", "js/progress.css",
  ],
  outdir: one ?? join(here, "beecam_widgets", "static"),
});
// The kit writes pages without the widgets: what they need lies with it.
await build({
  ...options, format: "iife", entryPoints: ["js/offline.js", "js/offline.css"],
  outdir: one ?? join(here, "..", "kit", "beecam", "export"),
});
