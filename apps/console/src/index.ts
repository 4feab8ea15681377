export { startConsole, type Console, type StartConsoleDeps } from './start-console.js';
