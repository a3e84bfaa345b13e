// Sheets: JPEGs with a clip's frames side by side, and how large they are decoded.

/**
 * Frames in the sheet with their size in pixels, and how wide they are at best; frames and frames a
 * second of the clip itself.
 * @typedef {{frames: number, width: number, height: number, count: number, fps: number,
 *   full?: number}} Sheet
 */

/**
 * The layout that a sheet is decoded to: halved as long as it stays as wide as a cell. A hundred
 * small cells would otherwise hold hundreds of megabytes.
 * @param {Sheet} sheet
 * @param {number} pixels
 * @returns {Sheet}
 */
export function reduced(sheet, pixels) {
  let { width, height } = sheet;
  while (width % 2 === 0 && width / 2 >= pixels) {
    width /= 2;
    height = Math.max(1, Math.round(height / 2));
  }
  return { ...sheet, width, height };
}

/**
 * Whether a larger one would look better in a cell.
 * @param {Sheet} sheet
 * @param {number} pixels across the cell
 */
export function tooSmall(sheet, pixels) {
  const { full = sheet.width } = sheet;
  return sheet.width < full && sheet.width < pixels;
}

/**
 * @param {Blob} data
 * @param {[number, number]} [size]
 */
export function decode(data, size) {
  if (!size) return createImageBitmap(data);
  const [resizeWidth, resizeHeight] = size;
  return createImageBitmap(data, { resizeWidth, resizeHeight, resizeQuality: "medium" });
}

/** @param {DataView} data */
export function blob(data) {
  return new Blob([/** @type {any} */ (data)], { type: "image/jpeg" });
}
