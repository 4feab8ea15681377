export { createNoticeTeller } from './tell-notices.js';
