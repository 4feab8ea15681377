import { describe, expect, it } from '@jest/globals';
import { buildEnvelope } from './event-envelope.js';

const parts = {
  id: 'evt_01h455vb4pex5vsknk084sn02q',
  type: 'invoice.paid',
  timestamp: '2026-11-20T12:00:00.000Z',
};

describe('buildEnvelope', () => {
  it('is id, type, timestamp and data, in this order, with nothing between', () => {
    expect(buildEnvelope({ ...parts, dataSource: '{"a":1}' })).toBe(
      '{"id":"evt_01h455vb4pex5vsknk084sn02q","type":"invoice.paid","timestamp":"2026-11-20T12:00:00.000Z","data":{"a":1}}',
    );
  });

  it('keeps the source of data byte for byte', () => {
    const dataSource = '{"n":12345678901234567890, "f":1.0,\n "b":1, "a":"\\u00e9\\/", "a":2}';
    expect(buildEnvelope({ ...parts, dataSource })).toContain(`"data":${dataSource}}`);
  });

  it('stays JSON when a part holds quotes', () => {
    const type = 'a","data":"b';
    expect(JSON.parse(buildEnvelope({ ...parts, type, dataSource: 'null' }))).toEqual({
      ...parts,
      type,
      data: null,
    });
  });
});
