/**
 * Whether a number is a whole multiple of `divisor`, in decimal: 19.99 is one of 0.01, although the binary quotient is not
 * whole. Both are taken as the shortest decimal that JavaScript prints. The time does not grow with the exponents.
 */
export function multipleOf(divisor: number): (value: number) => boolean {
  const b = decimal(divisor);
  return (value) => {
    if (!Number.isFinite(value)) return false;
    if (Number.isSafeInteger(value) && Number.isSafeInteger(divisor)) return value % divisor === 0;
    const a = decimal(value);
    const scaled = a.digits * (powersOfTen[a.exponent - b.exponent] ?? NaN);
    if (Number.isSafeInteger(scaled) && Number.isSafeInteger(b.digits)) return scaled % b.digits === 0;
    return isMultipleOfLarge(a, b);
  };
}

interface Decimal {
  readonly digits: number;
  readonly text: string;
  readonly exponent: number;
}

/** `digits`, and as `text` when they are more than a number holds, times 10^`exponent`. */
function decimal(value: number): Decimal {
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const text = whole + fraction;
  return { digits: Number(text), text, exponent: Number(exponent) - fraction.length };
}

const powersOfTen = Array.from({ length: 16 }, (_, n) => 10 ** n);

function isMultipleOfLarge(a: Decimal, b: Decimal): boolean {
  const [value, divisor] = [BigInt(a.text), BigInt(b.text)];
  const shift = a.exponent - b.exponent;
  if (shift >= 0) return (value * powerOfTenModulo(shift, divisor)) % divisor === 0n;
  // A number has 17 digits at most, so it is no multiple of a power of ten above that.
  return value === 0n || (shift >= -17 && value % (divisor * 10n ** BigInt(-shift)) === 0n);
}

/** 10^n modulo m, by squaring. */
function powerOfTenModulo(n: number, m: bigint): bigint {
  let result = 1n % m;
  let base = 10n % m;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = (result * base) % m;
    base = (base * base) % m;
  }
  return result;
}
