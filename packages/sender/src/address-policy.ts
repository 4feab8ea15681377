import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];

export interface AddressPolicy {
  /** Whether a socket may be opened to this address, given in the canonical text form of IPv4 or IPv6. */
  allows(address: string): boolean;
}

/**
 * Allows globally routable unicast (IANA special-purpose registries, RFC 6890) and what the operator lists. An IPv6
 * address that carries an IPv4 one (mapped, NAT64, 6to4, Teredo …) must pass twice: as itself and as what it carries,
 * so allowing a translation prefix opens no way to a private IPv4 network behind it.
 *
 * Throws for an entry of `allowTargets` that is no CIDR range and no address.
 */
export function createAddressPolicy(allowTargets: readonly string[]): AddressPolicy {
  const listed = allowTargets.map(parseRange);
  const passes = (address: Address): boolean =>
    (isPublic(address) || listed.some((range) => isWithin(address, range))) &&
    embeddedIPv4(address).every(passes);
  return { allows: (address) => isIP(address) !== 0 && passes(ipaddr.parse(address)) };
}

function parseRange(text: string): Range {
  const [base = '', prefix, ...rest] = text.trim().split('/');
  const version = isIP(base);
  const bits = version === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
  if (version === 0 || rest.length > 0 || !(length <= bits)) {
    throw new Error(`"${text}" is not a CIDR range such as 10.0.0.0/8 or fd00::/8`);
  }
  return [ipaddr.parse(base), length];
}

function isWithin(address: Address, [base, length]: Range): boolean {
  return address.kind() === base.kind() && address.match(base, length);
}

/** Azure's platform services answer on this public-looking address, from inside a virtual machine only. */
const azurePlatform = '168.63.129.16';

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  // Outside 2000::/3 nothing is global unicast yet, however unremarkable the library finds it (::a.b.c.d, 4000::).
  return address instanceof ipaddr.IPv6
    ? (partOf(address, 0) & 0xe000) === 0x2000
    : address.toString() !== azurePlatform;
}

function embeddedIPv4(address: Address): ipaddr.IPv4[] {
  if (!(address instanceof ipaddr.IPv6)) return [];
  const last = [ipv4(partOf(address, 6), partOf(address, 7))];
  if (isWithin(address, sixToFour)) return [ipv4(partOf(address, 1), partOf(address, 2))];
  if (isWithin(address, teredo)) {
    const server = ipv4(partOf(address, 2), partOf(address, 3));
    return [server, ipv4(partOf(address, 6) ^ 0xffff, partOf(address, 7) ^ 0xffff)];
  }
  // A site may use its own prefix as /96 (last 32 bits) or as /48 (RFC 6052 section 2.2: around the eighth byte).
  if (isWithin(address, nat64Local)) {
    const [high, middle, low] = [partOf(address, 3), partOf(address, 4), partOf(address, 5)];
    const around = ipv4(high, ((middle & 0xff) << 8) | (low >> 8));
    return around.toString() === '0.0.0.0' ? last : [...last, around];
  }
  const carriesLast = lastBitsRanges.some((range) => isWithin(address, range));
  return carriesLast && !isUnspecifiedOrLoopback(address) ? last : [];
}

function isUnspecifiedOrLoopback(address: ipaddr.IPv6): boolean {
  return address.parts.every((part, index) => part === 0 || (index === 7 && part === 1));
}

function ipv4(high: number, low: number): ipaddr.IPv4 {
  return new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff]);
}

function partOf(address: ipaddr.IPv6, index: number): number {
  return address.parts[index] ?? 0;
}

const sixToFour = parseRange('2002::/16');
const teredo = parseRange('2001::/32');
const nat64Local = parseRange('64:ff9b:1::/48');
/** IPv4-compatible, IPv4-mapped, IPv4-translated (RFC 6145), NAT64. */
const lastBitsRanges = ['::/96', '::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96'].map(parseRange);
