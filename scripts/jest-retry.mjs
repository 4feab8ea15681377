// In CI only, as tests use real services and the real clock: a machine that is shared can stall for seconds. A test that
// fails is run once more, and what it failed with is printed; one that needs it often is to be mended.
import { jest } from '@jest/globals';

jest.retryTimes(1, { logErrorsBeforeRetry: true });
