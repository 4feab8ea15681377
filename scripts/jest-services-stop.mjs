// Jest's globalTeardown; see jest-services.mjs.
export { stopServices as default } from './jest-services.mjs';
