export { createConsoleRouter, type ConsoleRouterDeps } from './console-router.js';
export { createQueueBoard, type QueueBoard, type QueueBoardDeps } from './queue-board.js';
