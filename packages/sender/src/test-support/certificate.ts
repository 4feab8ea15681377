import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  validity?: 'expired' | 'now' | 'later';
  /** Signs it; itself unless given. */
  issuer?: Certificate;
  commonName?: string;
  issuerName?: string;
  /** An RSA key instead of one on a curve. */
  rsaBits?: number;
  /** Of `serverAuth` alone when set to that; for clients only, no server may show it. */
  purpose?: 'clientAuth';
}

/** A certificate for these DNS names, made in memory: no key lies in the repository. */
export function createCertificate(dnsNames: string[], options: CertificateOptions = {}): Certificate {
  const {
    validity = 'now',
    issuer,
    commonName = 'Test certificate',
    issuerName = commonName,
    rsaBits,
    purpose,
  } = options;
  const { privateKey, publicKey } =
    rsaBits === undefined
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: rsaBits });
  const signer: KeyObject = issuer === undefined ? privateKey : createPrivateKey(issuer.key);
  const algorithm =
    signer.asymmetricKeyType === 'rsa'
      ? der(0x30, oid('2a864886f70d01010b'), der(0x05))
      : der(0x30, oid('2a8648ce3d040302'));
  const [from, to] = validities[validity];
  const alternativeNames = der(0x30, ...dnsNames.map((dnsName) => der(0x82, Buffer.from(dnsName))));
  const extensions = der(
    0x30,
    der(0x30, oid('551d13'), der(0x04, der(0x30, der(0x01, Buffer.from([0xff]))))),
    der(0x30, oid('551d11'), der(0x04, alternativeNames)),
    ...(purpose === undefined
      ? []
      : [der(0x30, oid('551d25'), der(0x04, der(0x30, oid('2b06010505070302'))))]),
  );
  const toBeSigned = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(issuerName),
    der(0x30, utcTime(from), utcTime(to)),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = sign('sha256', toBeSigned, signer);
  const certificate = der(0x30, toBeSigned, algorithm, der(0x03, Buffer.from([0]), signature));
  const lines = certificate.toString('base64').replace(/(.{64})/g, '$1\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

const validities = {
  expired: ['200101000000Z', '200102000000Z'],
  now: ['200101000000Z', '491231235959Z'],
  later: ['490101000000Z', '491231235959Z'],
} as const;

function nameOf(commonName: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid('550403'), der(0x0c, Buffer.from(commonName)))));
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function utcTime(text: string): Buffer {
  return der(0x17, Buffer.from(text));
}
