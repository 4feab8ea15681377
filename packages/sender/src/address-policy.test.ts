import { describe, expect, it } from '@jest/globals';
import { createAddressPolicy } from './address-policy.js';
import { forbiddenAddresses } from './test-support/forbidden-addresses.js';

const strict = createAddressPolicy([]);

describe('address policy', () => {
  it.each(forbiddenAddresses)('refuses %s (%s)', (address) => {
    expect(strict.allows(address)).toBe(false);
  });

  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
    '198.20.0.1',
    '2606:4700::1111',
    '2a00:1450::1',
  ])('allows the public address %s', (address) => {
    expect(strict.allows(address)).toBe(true);
  });

  it('allows what is listed, in both families, and nothing beside it', () => {
    const policy = createAddressPolicy(['10.1.0.0/16', '::1/128', '192.168.7.7']);
    expect(policy.allows('10.1.255.255')).toBe(true);
    expect(policy.allows('10.2.0.0')).toBe(false);
    expect(policy.allows('::1')).toBe(true);
    expect(policy.allows('127.0.0.1')).toBe(false);
    expect(policy.allows('192.168.7.7')).toBe(true);
    expect(policy.allows('192.168.7.8')).toBe(false);
  });

  it('does not let a listed IPv4 range open the IPv6 forms that carry it', () => {
    const policy = createAddressPolicy(['127.0.0.0/8']);
    expect(policy.allows('::ffff:127.0.0.1')).toBe(false);
    expect(policy.allows('64:ff9b::127.0.0.1')).toBe(false);
  });

  it('does not let a listed translation prefix open the private IPv4 network behind it', () => {
    const policy = createAddressPolicy([
      '64:ff9b::/96',
      '64:ff9b:1::/48',
      '::ffff:0:0/96',
      '2002::/16',
      '2001::/32',
    ]);
    expect(policy.allows('64:ff9b::8.8.8.8')).toBe(true);
    expect(policy.allows('64:ff9b::10.0.0.1')).toBe(false);
    expect(policy.allows('64:ff9b:1::8.8.8.8')).toBe(true);
    expect(policy.allows('64:ff9b:1::10.0.0.1')).toBe(false);
    expect(policy.allows('64:ff9b:1:a00:0:100:808:808')).toBe(false);
    expect(policy.allows('::ffff:8.8.8.8')).toBe(true);
    expect(policy.allows('::ffff:10.0.0.1')).toBe(false);
    expect(policy.allows('2002:808:808::1')).toBe(true);
    expect(policy.allows('2002:a00:1::1')).toBe(false);
    expect(policy.allows('2001:0:808:808::f7f7:f7f7')).toBe(true);
    expect(policy.allows('2001:0:808:808::f5ff:fffe')).toBe(false);
    expect(policy.allows('2001:0:a00:1::f7f7:f7f7')).toBe(false);
  });

  it('allows a private address behind a translation prefix when both are listed', () => {
    const policy = createAddressPolicy(['64:ff9b::/96', '10.0.0.0/8']);
    expect(policy.allows('64:ff9b::10.0.0.1')).toBe(true);
  });

  it('refuses what is no address', () => {
    const open = createAddressPolicy(['0.0.0.0/0', '::/0']);
    expect(open.allows('example.com')).toBe(false);
    expect(open.allows('')).toBe(false);
  });

  it.each(['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '::1/', 'localhost', '', '10.0.0.0/8/8', '0x7f.1/8'])(
    'throws for the invalid range %j, so that a typing error is seen at start',
    (range) => {
      expect(() => createAddressPolicy([range])).toThrow('is not a CIDR range');
    },
  );
});
