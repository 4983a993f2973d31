// An issuer: Ed25519 keys, their JWKS, and tokens, well made or not.
import {generateKeyPairSync, sign} from 'node:crypto';
import {mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

export const base64url = (data) => Buffer.from(data).toString('base64url');
const asBytes = (part) =>
    (typeof part === 'string' || Buffer.isBuffer(part) ? part : JSON.stringify(part));

export class Key {
  constructor(kid) {
    this.kid = kid;
    Object.assign(this, generateKeyPairSync('ed25519'));
  }

  get jwk() {
    return {...this.publicKey.export({format: 'jwk'}), kid: this.kid, alg: 'EdDSA', use: 'sig'};
  }

  // `header` and `claims` are objects, or text or bytes to be signed as they stand.
  token(claims, header = {alg: 'EdDSA', typ: 'JWT', kid: this.kid}) {
    const signed = `${base64url(asBytes(header))}.${base64url(asBytes(claims))}`;
    return `${signed}.${base64url(sign(null, Buffer.from(signed), this.privateKey))}`;
  }
}

const directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-keys-'));
process.on('exit', () => rmSync(directory, {recursive: true, force: true}));

// A JWKS file that can be rewritten.
export class JwksFile {
  constructor(...keys) {
    this.path = path.join(mkdtempSync(path.join(directory, 'jwks-')), 'jwks.json');
    this.url = pathToFileURL(this.path).href;
    this.write(...keys);
  }

  // `keys`: Keys, or JWKs as they shall stand there.
  write(...keys) {
    const set = {keys: keys.map((key) => (key instanceof Key ? key.jwk : key))};
    writeFileSync(`${this.path}.new`, JSON.stringify(set));
    renameSync(`${this.path}.new`, this.path);
  }
}

export const seconds = () => Math.floor(Date.now() / 1000);
