"use strict";
const items = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("clips");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
let playing = !calm;

/** Make an element that shows `text` as text, whatever is in it. */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const tiles = items.map((item) => {
  const figure = element("figure", "");
  const tile = { item, image: null, context: null, shown: -1, hover: null, visible: true, figure };
  if (item.jpeg) {
    const canvas = element("canvas", "");
    canvas.width = item.sheet.width;
    canvas.height = item.sheet.height;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${item.prompt}, seed ${item.seed}`);
    tile.context = canvas.getContext("2d");
    const image = new Image();
    image.onload = () => { tile.image = image; };
    image.src = `data:image/jpeg;base64,${item.jpeg}`;
    canvas.addEventListener("pointermove", (event) => {
      tile.hover = Math.min(0.999, Math.max(0, event.offsetX / canvas.clientWidth));
    });
    canvas.addEventListener("pointerleave", () => { tile.hover = null; });
    figure.append(canvas);
  } else {
    figure.append(element("div", "missing", "media file missing"));
  }
  const caption = element("figcaption", "");
  const prompt = element("div", "prompt", item.prompt);
  prompt.dir = "auto";
  prompt.title = item.prompt;
  const facts = element("div", "facts", `seed ${item.seed} `);
  if (item.stars) facts.append(element("span", "stars", "★".repeat(item.stars)));
  caption.append(prompt, facts);
  figure.append(caption);
  main.append(figure);
  return tile;
});

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) tiles.find((t) => t.figure === entry.target).visible = entry.isIntersecting;
});
tiles.forEach((tile) => seen.observe(tile.figure));
addEventListener("keydown", (event) => {
  if (event.key === " ") { playing = !playing; event.preventDefault(); }
});

let clock = 0;
let last = performance.now();
/** One clock for all clips, so that they play in step. */
function draw(now) {
  if (playing) clock += (now - last) / 1000;
  last = now;
  for (const tile of tiles) {
    if (!tile.image || !tile.visible) continue;
    const { frames, width, height } = tile.item.sheet;
    const seconds = tile.item.frames / tile.item.fps;
    const share = tile.hover ?? (clock % seconds) / seconds;
    const frame = Math.min(frames - 1, Math.floor(share * frames));
    if (frame === tile.shown) continue;
    tile.context.drawImage(tile.image, frame * width, 0, width, height, 0, 0, width, height);
    tile.shown = frame;
  }
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
