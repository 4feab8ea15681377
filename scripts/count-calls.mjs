// For count-path.mjs: tells its parent which functions were called since it last asked.
import inspector from 'node:inspector/promises';

const session = new inspector.Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

process.on('message', async () => {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const called = result.flatMap(({ url, functions }) =>
    functions
      .filter(({ ranges }) => url.startsWith('file:') && ranges[0].count > 0)
      .map(({ functionName, ranges }) => `${url} ${functionName}:${ranges[0].startOffset}`),
  );
  process.send(called);
});
process.channel?.unref();
