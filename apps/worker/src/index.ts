export { createWorker, type Worker } from './worker.js';
