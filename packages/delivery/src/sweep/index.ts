export { createSweep } from './sweep.js';
