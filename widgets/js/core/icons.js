// Icons: SVG paths in a viewBox of 16 x 16.

export const PLAY = "M4 2.5v11l9-5.5z";
export const PAUSE = "M4 3h3v10H4zM9 3h3v10H9z";
export const STOP = "M3.5 3.5h9v9h-9z";
export const CLOSE = "M3.3 4.4l1.1-1.1L8 6.9l3.6-3.6 1.1 1.1L9.1 8l3.6 3.6-1.1 1.1L8 9.1l-3.6 3.6-1.1-1.1L6.9 8z";
export const PREVIOUS = "M10.5 2.5L5 8l5.5 5.5 1.1-1.1L7.2 8l4.4-4.4z";
export const NEXT = "M5.5 2.5L11 8l-5.5 5.5-1.1-1.1L8.8 8 4.4 3.6z";
export const AGAIN = "M8 2.5a5.5 5.5 0 015.2 3.7l1.6-.5-1 3.9-3.2-2.5 1.2-.4A4 4 0 108 12v1.5a5.5 5.5 0 010-11z";
export const TAG = "M2 2h6l6 6-6 6-6-6zm3 1.8A1.2 1.2 0 105 6.2 1.2 1.2 0 005 3.8z";
export const COMPARE = "M2 3h5v10H2zm7 0h5v10H9zM3.2 4.2v7.6h2.6V4.2zm7 0v7.6h2.6V4.2z";
export const FULL = "M2 2h4.5v1.5h-3v3H2zm7.5 0H14v4.5h-1.5v-3h-3zM2 9.5h1.5v3h3V14H2zm10.5 0H14V14H9.5v-1.5h3z";
export const PLUS = "M7.2 3h1.6v4.2H13v1.6H8.8V13H7.2V8.8H3V7.2h4.2z";
export const DOWN = "M2.5 5.5L8 11l5.5-5.5-1.1-1.1L8 8.8 3.6 4.4z";
export const BACK = "M6.5 2.5L2 7l4.5 4.5V8.600c3.5 0 5.5 1 7 3.900-.4-4.2-2.600-6.600-7-7z";
export const DICE = "M3.5 2h9A1.5 1.5 0 0114 3.5v9a1.5 1.5 0 01-1.5 1.5h-9A1.5 1.5 0 012 12.5v-9A1.5 1.5 0 013.5 2zm0 1.5v9h9v-9zM5 5h2v2H5zm4 4h2v2H9zM5 9h2v2H5zm4-4h2v2H9z";
export const STAR = "M8 1.6l1.9 4.1 4.5.5-3.3 3 .9 4.4L8 11.4l-4 2.2.9-4.4-3.3-3 4.5-.5z";
export const REJECT = "M8 1.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM3 8a5 5 0 017.9-4.1L3.9 10.9A5 5 0 013 8zm5 5a5 5 0 01-2.9-.9l7-7A5 5 0 018 13z";
