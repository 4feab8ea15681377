export {
  createSender,
  type Sender,
  type SenderOptions,
  type SenderStats,
  type SendRequest,
} from './sender.js';
export { checkTargetUrl, type TargetUrlCheck, type TargetUrlProblem } from './target-url.js';
