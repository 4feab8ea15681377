export { startWorker, type StartWorkerDeps } from './start-worker.js';
