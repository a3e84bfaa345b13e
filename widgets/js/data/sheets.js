// Sheets, JPEGs with a clip's frames side by side, and the size at which they are decoded.

/**
 * The number of frames in the sheet, their size in pixels and the largest width available; the frame
 * count and frames per second of the clip itself.
 * @typedef {{frames: number, width: number, height: number, count: number, fps: number,
 *   full?: number}} Sheet
 */

/**
 * Return the size at which to decode a sheet: halved while its frames stay as wide as a cell. A
 * hundred small cells would otherwise hold hundreds of megabytes.
 * @param {Sheet} sheet
 * @param {number} pixels across the cell
 * @returns {Sheet}
 */
export function reducedSheet(sheet, pixels) {
  let { width, height } = sheet;
  while (width % 2 === 0 && width / 2 >= pixels) {
    width /= 2;
    height = Math.max(1, Math.round(height / 2));
  }
  return { ...sheet, width, height };
}

/**
 * Return whether a larger version of a sheet would look better in a cell.
 * @param {Sheet} sheet
 * @param {number} pixels across the cell
 */
export function isTooSmall(sheet, pixels) {
  const { full = sheet.width } = sheet;
  return sheet.width < full && sheet.width < pixels;
}

/**
 * Decode a JPEG, resized if a size is passed.
 * @param {Blob} data
 * @param {[number, number]} [size] width and height
 */
export function decode(data, size) {
  if (!size) return createImageBitmap(data);
  const [resizeWidth, resizeHeight] = size;
  return createImageBitmap(data, { resizeWidth, resizeHeight, resizeQuality: "medium" });
}

/** Wrap bytes as a JPEG blob. @param {DataView} data */
export function jpegBlob(data) {
  return new Blob([/** @type {any} */ (data)], { type: "image/jpeg" });
}
