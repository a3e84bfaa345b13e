// Bundles js/ into what the Python package ships: `npm run build` (or `node build.js FOLDER`).
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

const here = dirname(fileURLToPath(import.meta.url));
const outdir = process.argv[2] ?? join(here, "beecam_widgets", "static");
await build({
  absWorkingDir: here,
  entryPoints: [
    "js/base.css", "js/clips.js", "js/clips.css", "js/panel.js", "js/panel.css", "js/live.js",
    "js/live.css", "js/progress.js", "js/progress.css",
  ],
  outdir,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
