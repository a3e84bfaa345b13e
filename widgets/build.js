// Bundles js/ into what the Python packages ship: `npm run build` (or `node build.js FOLDER`).
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
/** @type {import("esbuild").BuildOptions} */
const options = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};
await build({
  ...options, format: "esm",
  entryPoints: [
    "js/base.css", "js/clips.js", "js/clips.css", "js/panel.js", "js/panel.css", "js/live.js", "js/live.css",
  ],
  outdir: folder ?? join(here, "beecam_widgets", "static"),
});
// The kit exports pages without the widgets package, so it ships its own bundle.
await build({
  ...options, format: "iife", entryPoints: ["js/offline.js", "js/offline.css"],
  outdir: folder ?? join(here, "..", "kit", "beecam", "export", "static"),
});
